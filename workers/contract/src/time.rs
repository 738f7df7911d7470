//! A moment, in milliseconds, always passed in: no code in here can read the clock.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time {
    unix_ms: i64,
}

/// 9999-12-31T23:59:59.999Z, the last moment RFC 3339 can write.
const LAST_MS: i64 = 253_402_300_799_999;

impl Time {
    /// Moments before 1970 and after the year 9999 become the nearest one that can be written.
    pub fn from_unix_ms(unix_ms: i64) -> Self {
        Self { unix_ms: unix_ms.clamp(0, LAST_MS) }
    }

    pub fn unix_ms(self) -> i64 {
        self.unix_ms
    }

    /// Of the calendar in UTC: 2026 and 1.
    pub fn year_and_month(self) -> (u16, u8) {
        let moment = OffsetDateTime::from_unix_timestamp(self.unix_ms.div_euclid(1000))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        (u16::try_from(moment.year()).unwrap_or(0), moment.month().into())
    }

    pub fn plus_s(self, seconds: u64) -> Self {
        self.plus_ms(seconds.saturating_mul(1000))
    }

    pub fn plus_ms(self, ms: u64) -> Self {
        Self::from_unix_ms(self.unix_ms.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Time {
    /// `2026-11-20T18:53:00.123Z`. Digit by digit: every message carries a few, and the formatter would take a
    /// thirtieth of all the time there is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = OffsetDateTime::from_unix_timestamp(self.unix_ms.div_euclid(1000))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |end: usize, digits: usize, number: u32| {
            let mut rest = number;
            for digit in text[end - digits..end].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        };
        put(4, 4, moment.year().unsigned_abs());
        put(7, 2, u8::from(moment.month()).into());
        put(10, 2, moment.day().into());
        put(13, 2, moment.hour().into());
        put(16, 2, moment.minute().into());
        put(19, 2, moment.second().into());
        put(23, 3, self.unix_ms.rem_euclid(1000) as u32);
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Time {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let moment = OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|_| "a time is written as RFC 3339 says, like 2026-01-31T12:00:00Z")?;
        Ok(Self::from_unix_ms((moment.unix_timestamp_nanos() / 1_000_000) as i64))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// For times from outside: many write seconds since 1970, as a number or in digits, and some RFC 3339.
pub(crate) fn in_any_form<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    deserializer.deserialize_any(AnyForm)
}

#[derive(Clone, Copy)]
struct AnyForm;

impl Visitor<'_> for AnyForm {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("seconds since 1970, or a time as RFC 3339 says, like 2026-01-31T12:00:00Z")
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Time, E> {
        let ms = i64::try_from(seconds).ok().and_then(|seconds| seconds.checked_mul(1000));
        let ms = ms.filter(|ms| (0..=LAST_MS).contains(ms));
        ms.map(Time::from_unix_ms).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(seconds), &self))
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Time, E> {
        match u64::try_from(seconds) {
            Ok(seconds) => self.visit_u64(seconds),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(seconds), &self)),
        }
    }

    /// To the millisecond.
    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Time, E> {
        let ms = (seconds * 1000.0).round();
        if !(0.0..=LAST_MS as f64).contains(&ms) {
            return Err(E::invalid_value(Unexpected::Float(seconds), &self));
        }
        Ok(Time::from_unix_ms(ms as i64))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
        let strange = |_| E::invalid_value(Unexpected::Str(text), &self);
        if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return text.parse().map_err(strange);
        }
        match (text.parse(), text.parse()) {
            (Ok(seconds), _) => self.visit_u64(seconds),
            (Err(_), Ok(seconds)) => self.visit_f64(seconds),
            (Err(_), Err(_)) => Err(strange(String::new())),
        }
    }
}
