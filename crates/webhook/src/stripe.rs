//! Stripe's scheme: time and body are signed together, in hexadecimal, with the endpoint's secret as it is written.

mod event;

use serde::Deserialize;

use super::{Forged, KEY_BYTES_MIN, Key, SIGNATURES_MAX, is_fresh, secrets};

pub use event::{Said, read};

pub const SIGNATURE: &str = "stripe-signature";

/// Stripe's own have 38 characters.
const KEY_BYTES_MAX: usize = 256;
const SCHEME: &str = "v1";

/// The endpoint's secrets that are valid now, the newest and those it replaces.
#[derive(Clone, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct Secrets(Vec<Key>);

impl Secrets {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `signature` is the header, `t=…,v1=…`.
    pub fn verify(&self, signature: &str, body: &[u8], now_s: i64) -> Result<(), Forged> {
        let named = |name| signature.split(',').filter_map(move |part| value(part, name));
        let mut times = named("t");
        let (Some(timestamp), None) = (times.next(), times.next()) else { return Err(Forged) };
        if !is_fresh(timestamp, now_s) {
            return Err(Forged);
        }
        let parts = [timestamp.as_bytes(), b".", body];
        let mut given = named(SCHEME).take(SIGNATURES_MAX).filter_map(bytes);
        let fits = given.any(|signature| self.0.iter().any(|key| key.signed(&parts, &signature)));
        fits.then_some(()).ok_or(Forged)
    }
}

impl TryFrom<String> for Secrets {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        secrets(&text, key).map(Self)
    }
}

fn key(secret: &str) -> Result<Key, String> {
    if !(KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&secret.len()) {
        let long = secret.len();
        return Err(format!(
            "must have {KEY_BYTES_MIN} to {KEY_BYTES_MAX} characters and has {long}; \
             Stripe shows the secret of each endpoint, whsec_ and all"
        ));
    }
    Key::new(secret.as_bytes())
}

fn value<'a>(part: &'a str, name: &str) -> Option<&'a str> {
    part.trim().split_once('=').filter(|(known, _)| *known == name).map(|(_, value)| value)
}

/// Two hexadecimal digits for each.
fn bytes(hexadecimal: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<_>> = hexadecimal.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

#[cfg(test)]
mod tests;
