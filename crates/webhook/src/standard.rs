//! Standard Webhooks: id, time and body are signed together, with a secret that begins with `whsec_`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use super::{Forged, KEY_BYTES_MIN, Key, SIGNATURES_MAX, is_fresh, secrets};

pub const ID: &str = "webhook-id";
pub const TIMESTAMP: &str = "webhook-timestamp";
pub const SIGNATURE: &str = "webhook-signature";

const PREFIX: &str = "whsec_";
const KEY_BYTES_MAX: usize = 64;
/// The only scheme with a shared secret. Signatures of other schemes are ignored.
const SCHEME: &str = "v1";

/// The secrets that are valid now, the newest and those it replaces.
#[derive(Clone, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct Secrets(Vec<Key>);

/// The headers that came with the body.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    pub id: &'a str,
    pub timestamp: &'a str,
    pub signature: &'a str,
}

impl Secrets {
    /// A random secret, for a system that no other program reaches.
    pub fn made_up() -> Self {
        let key = [uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes()].concat();
        Self(Key::new(&key).into_iter().collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn verify(&self, headers: Headers<'_>, body: &[u8], now_s: i64) -> Result<(), Forged> {
        let Headers { id, timestamp, signature } = headers;
        // With a dot in the id, two different ids and times could sign alike.
        if id.is_empty() || id.contains('.') || !is_fresh(timestamp, now_s) {
            return Err(Forged);
        }
        let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
        let given = signature.split(' ').filter_map(|one| one.split_once(','));
        let given = given.filter(|(scheme, _)| *scheme == SCHEME).take(SIGNATURES_MAX);
        let mut given = given.filter_map(|(_, signature)| BASE64.decode(signature).ok());
        let fits = given.any(|signature| self.0.iter().any(|key| key.signed(&parts, &signature)));
        fits.then_some(()).ok_or(Forged)
    }

    /// With every secret, so that a receiver that knows one of them trusts it.
    pub fn sign(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        let timestamp = timestamp_s.to_string();
        let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
        let signed = self.0.iter().map(|key| format!("{SCHEME},{}", BASE64.encode(key.sign(&parts))));
        signed.collect::<Vec<_>>().join(" ")
    }
}

impl TryFrom<String> for Secrets {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        secrets(&text, key).map(Self)
    }
}

/// No error message repeats the secret.
fn key(secret: &str) -> Result<Key, String> {
    let encoded = secret.strip_prefix(PREFIX).ok_or("must begin with whsec_")?;
    let key = BASE64.decode(encoded).map_err(|_| "must be base64 after whsec_, with its = at the end")?;
    if !(KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&key.len()) {
        return Err(format!(
            "must hold {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes and holds {}; \
             make one with: echo whsec_$(head -c 32 /dev/urandom | base64)",
            key.len()
        ));
    }
    Key::new(&key)
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

#[cfg(test)]
mod tests;
