//! A webhook is trusted when a secret that we share with its sender signed its very bytes, a short while ago.
//!
//! A sender learns nothing about why a signature is wrong: it is `Forged`. Its age is measured by this process's own
//! clock, when it arrives: a flood of forgeries must not cost a database query each, and waiting in a queue
//! afterwards does not make it too old.

pub mod event;
pub mod outside;
pub mod standard;
pub mod stripe;

#[cfg(test)]
mod fuzzed;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// It says no more: a sender that tries keys should not learn how far it got.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the signature does not fit")]
pub struct Forged;

/// A signature that is older, or from the future, is a replayed copy or a sign of a wrong clock.
pub const TOLERANCE_S: i64 = 300;

/// While one secret replaces another there are two; more are a mistake.
const SECRETS_MAX: usize = 8;
/// Senders sign with each of their secrets.
const SIGNATURES_MAX: usize = 16;
/// A shorter secret could be guessed.
const KEY_BYTES_MIN: usize = 24;

/// A key that signs and verifies. It is never printed.
#[derive(Clone)]
struct Key(Hmac<Sha256>);

impl Key {
    fn new(secret: &[u8]) -> Result<Self, String> {
        Hmac::new_from_slice(secret).map(Self).map_err(|why| why.to_string())
    }

    fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.over(parts).finalize().into_bytes().into()
    }

    /// Constant time: an almost right signature takes as long as a wrong one.
    fn signed(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        self.over(parts).verify_slice(signature).is_ok()
    }

    fn over(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        parts.iter().fold(self.0.clone(), |mac, part| mac.chain_update(part))
    }
}

fn is_fresh(timestamp: &str, now_s: i64) -> bool {
    // In the form that was signed: digits and nothing else.
    let plain = (1..=12).contains(&timestamp.len()) && timestamp.bytes().all(|byte| byte.is_ascii_digit());
    plain && timestamp.parse().is_ok_and(|at: i64| at.abs_diff(now_s) <= TOLERANCE_S.unsigned_abs())
}

/// Comma-separated, each parsed by `read`; without any, no sender is trusted.
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
