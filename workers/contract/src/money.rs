//! Money is an exact decimal with a currency; it is never a float and never loses a cent silently.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An ISO 4217 currency that has minor units (so not gold, not testing codes).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    pub fn from_code(code: &str) -> Option<Self> {
        let currency = iso_currency::Currency::from_code(code)?;
        currency.exponent().map(|_| Self(currency))
    }

    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Digits after the point: 0 for JPY, 2 for EUR, 3 for BHD.
    pub fn exponent(self) -> u32 {
        self.0.exponent().map_or(2, u32::from)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Currency::from_code(&code)
            .ok_or_else(|| serde::de::Error::custom("a currency is a code of ISO 4217, like \"EUR\""))
    }
}

/// An amount of one currency, held in minor units so that sums are exact in code and in both databases.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoneyError {
    NotDecimal,
    TooManyDigits { amount: String, currency: Currency },
    TooLarge,
    Currencies(Currency, Currency),
}

impl fmt::Display for MoneyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The wrong text may be anything, and is not repeated.
            Self::NotDecimal => f.write_str("an amount is a decimal in a string, like \"12.34\""),
            Self::TooManyDigits { amount, currency } => {
                write!(f, "{amount} has more digits after the point than {}", currency.code())
            }
            Self::TooLarge => f.write_str("the amount is larger than can be handled"),
            Self::Currencies(a, b) => write!(f, "{} and {} cannot be added", a.code(), b.code()),
        }
    }
}

/// Ten trillion minor units: beyond any checkout, and a thousand of them still fit an i64.
const MINOR_MAX: i64 = 10_000_000_000_000;

impl Money {
    pub fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    pub fn from_minor(minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        if minor.unsigned_abs() > MINOR_MAX.unsigned_abs() {
            return Err(MoneyError::TooLarge);
        }
        Ok(Self { minor, currency })
    }

    pub fn parse(amount: &str, currency: Currency) -> Result<Self, MoneyError> {
        let plain = !amount.is_empty()
            && amount.len() <= 32
            && amount.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && amount.bytes().any(|b| b.is_ascii_digit());
        if !plain {
            return Err(MoneyError::NotDecimal);
        }
        let decimal = Decimal::from_str(amount).map_err(|_| MoneyError::NotDecimal)?.normalize();
        if decimal.scale() > currency.exponent() {
            return Err(MoneyError::TooManyDigits { amount: amount.to_string(), currency });
        }
        let minor = decimal
            .checked_mul(Decimal::from(10_i64.pow(currency.exponent())))
            .and_then(|minor| i64::try_from(minor).ok())
            .ok_or(MoneyError::TooLarge)?;
        Self::from_minor(minor, currency)
    }

    pub fn amount(self) -> Decimal {
        Decimal::new(self.minor, self.currency.exponent())
    }

    pub fn minor(self) -> i64 {
        self.minor
    }

    pub fn currency(self) -> Currency {
        self.currency
    }

    pub fn is_zero(self) -> bool {
        self.minor == 0
    }

    pub fn is_negative(self) -> bool {
        self.minor < 0
    }

    pub fn plus(self, other: Money) -> Result<Money, MoneyError> {
        self.same_currency(other)?;
        Self::from_minor(self.minor + other.minor, self.currency)
    }

    pub fn minus(self, other: Money) -> Result<Money, MoneyError> {
        self.same_currency(other)?;
        Self::from_minor(self.minor - other.minor, self.currency)
    }

    pub fn times(self, quantity: u32) -> Result<Money, MoneyError> {
        let minor = self.minor.checked_mul(i64::from(quantity)).ok_or(MoneyError::TooLarge)?;
        Self::from_minor(minor, self.currency)
    }

    /// The share `part / whole` of this amount, rounded half to even to a whole minor unit.
    pub fn share(self, part: Decimal, whole: Decimal) -> Result<Money, MoneyError> {
        let minor = Decimal::from(self.minor)
            .checked_mul(part)
            .and_then(|minor| minor.checked_div(whole))
            .ok_or(MoneyError::TooLarge)?
            .round();
        Self::from_minor(i64::try_from(minor).map_err(|_| MoneyError::TooLarge)?, self.currency)
    }

    fn same_currency(self, other: Money) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            return Ok(());
        }
        Err(MoneyError::Currencies(self.currency, other.currency))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount(), self.currency.code())
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// On the wire: `{"amount":"12.34","currency":"EUR"}`. A JSON number is refused: it may have been a float.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    amount: std::borrow::Cow<'a, str>,
    currency: Currency,
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire { amount: self.amount().to_string().into(), currency: self.currency }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        Money::parse(&wire.amount, wire.currency).map_err(serde::de::Error::custom)
    }
}
