//! A random secret and tokens for development. Only `checkout dev` uses them.

use std::time::SystemTime;

use jsonwebtoken::{EncodingKey, Header};

use super::{Claims, Role};
use settings::{Key, Settings};

/// One week: a development token should not expire while it is in use, but not last much longer.
const TOKEN_S: u64 = 7 * 24 * 3600;

/// Adds a random secret to the settings if they name no key.
pub fn with_key(mut settings: Settings) -> Settings {
    let named = settings.jwt_secret.reveal().is_some()
        || !settings.jwt_public_key_file.is_empty()
        || !settings.jwt_jwks_file.is_empty();
    if !named {
        let secret = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        settings.jwt_secret = Key::from(secret);
    }
    settings
}

/// A customer's and an admin's token. `None` without `jwt_secret`: then another party signs the tokens.
pub fn tokens(settings: &Settings, customer: &str) -> Option<(String, String)> {
    let token = |id, role| token(settings, id, role);
    Some((token(customer, Role::Customer)?, token("admin", Role::Admin)?))
}

fn token(settings: &Settings, id: &str, role: Role) -> Option<String> {
    let secret = settings.jwt_secret.reveal()?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    let mut claims =
        serde_json::to_value(Claims { sub: id.into(), role, exp: now + TOKEN_S, iss: None, aud: None })
            .ok()?;
    for (name, value) in [("iss", &settings.jwt_issuer), ("aud", &settings.jwt_audience)] {
        if !value.is_empty() {
            claims[name] = value.as_str().into();
        }
    }
    let key = EncodingKey::from_secret(secret.as_bytes()).ok()?;
    jsonwebtoken::encode(&Header::default(), &claims, &key).ok()
}
