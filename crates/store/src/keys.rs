//! The secret of the idempotency keys lies in `meta`, which holds only numbers: four of them make 32 bytes.

use contract::KeySecret;

use super::Error;
use super::json::unreadable;

pub(super) const SQL: &str = "select key, value from meta where key like 'key_secret_%'";

/// The rows of that query, in any order.
pub(super) fn read(rows: &[(String, i64)]) -> Result<KeySecret, Error> {
    let value = |key: &str| rows.iter().find(|(known, _)| known == key).map(|(_, value)| *value);
    let mut secret = [0; 32];
    for (at, part) in secret.chunks_exact_mut(8).enumerate() {
        let number = value(&format!("key_secret_{at}"));
        let number =
            number.ok_or_else(|| unreadable("meta", "the secret of the idempotency keys is missing"))?;
        part.copy_from_slice(&number.to_be_bytes());
    }
    Ok(KeySecret::new(secret))
}
