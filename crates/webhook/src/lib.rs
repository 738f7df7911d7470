//! A webhook is believed when a secret that we share with its sender signed its very bytes, a short while ago.
//!
//! Everything about a signature that can be wrong is the same to its sender: `Forged`. How old one is goes by this
//! process's own clock, at the moment it came: a flood of forgeries must not cost a question to the database each,
//! and what waits in a queue afterwards does not grow too old there.

pub mod event;
pub mod outside;
pub mod standard;
pub mod stripe;

#[cfg(test)]
mod fuzzed;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// It says no more: whoever tries keys should not learn how far he came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the signature does not fit")]
pub struct Forged;

/// A signature that is older, or newer, is somebody else's copy or a clock that is wrong.
pub const TOLERANCE_S: i64 = 300;

/// While one secret replaces another there are two; more are a mistake.
const SECRETS_MAX: usize = 8;
/// Senders sign with each of their secrets.
const SIGNATURES_MAX: usize = 16;
/// With fewer, a secret could be guessed.
const KEY_BYTES_MIN: usize = 24;

/// A key that signs, and knows its own signatures again. Nothing prints it.
#[derive(Clone)]
struct Key(Hmac<Sha256>);

impl Key {
    fn new(secret: &[u8]) -> Result<Self, String> {
        Hmac::new_from_slice(secret).map(Self).map_err(|why| why.to_string())
    }

    fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.over(parts).finalize().into_bytes().into()
    }

    /// Takes as long for a signature that is almost right as for one that is not.
    fn signed(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        self.over(parts).verify_slice(signature).is_ok()
    }

    fn over(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        parts.iter().fold(self.0.clone(), |mac, part| mac.chain_update(part))
    }
}

fn is_fresh(timestamp: &str, now_s: i64) -> bool {
    // As it was signed: digits and nothing else.
    let plain = (1..=12).contains(&timestamp.len()) && timestamp.bytes().all(|byte| byte.is_ascii_digit());
    plain && timestamp.parse().is_ok_and(|at: i64| at.abs_diff(now_s) <= TOLERANCE_S.unsigned_abs())
}

/// Comma-separated, each read by `read`; without any, nobody is believed.
fn secrets<K>(text: &str, read: impl Fn(&str) -> Result<K, String>) -> Result<Vec<K>, String> {
    let keys: Vec<K> =
        text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(read).collect::<Result<_, _>>()?;
    if keys.len() > SECRETS_MAX {
        return Err(format!(
            "must not be more than {SECRETS_MAX} secrets; take away those that were replaced"
        ));
    }
    Ok(keys)
}
