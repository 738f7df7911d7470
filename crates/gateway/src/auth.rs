//! A caller is identified by a bearer token whose signature is checked. The run file's token belongs to the operator.

mod development;
pub(crate) mod keys;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::http::{HeaderMap, header};
use contract::{BodyHash, Speaker, clean_text};
use serde::{Deserialize, Serialize};
use store::Database;

use super::problem::Problem;
use keys::Keys;

pub use development::{tokens, with_key};

/// A stream is kept open at most this long, even if its token is valid for longer.
const LONGEST: Duration = Duration::from_secs(3600);
/// The limit of a customer id in a message.
const CUSTOMER_CHARS_MAX: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// When the token expires, which also ends the streams that it opened.
    pub(crate) until: Instant,
    /// The customer id; for an admin, the name that the journal records.
    pub(crate) id: Arc<str>,
    pub(crate) role: Role,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    #[default]
    Customer,
    Admin,
    /// Our own command line, on the same machine: no rate limit applies.
    #[serde(skip)]
    Operator,
}

impl Caller {
    /// The speaker of the messages that are sent for this caller.
    pub(crate) fn speaker(&self) -> Speaker {
        match self.role {
            Role::Customer => Speaker::Customer,
            Role::Admin => Speaker::Admin,
            Role::Operator => Speaker::Operator,
        }
    }

    pub(crate) fn is_admin(&self) -> bool {
        match self.role {
            Role::Customer => false,
            Role::Admin | Role::Operator => true,
        }
    }
}

/// The claims of a token that we read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: String,
    #[serde(default)]
    pub(crate) role: Role,
    pub(crate) exp: u64,
    /// Checked if a setting names an issuer. A list is never valid (RFC 7519, 4.1.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) iss: Option<String>,
    /// Checked if a setting names an audience; a value that is neither string nor list is never valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) aud: Option<Audience>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Turns a token into a caller, or refuses it.
pub(crate) struct Authenticator {
    pub(crate) keys: Keys,
    /// The run file's token, if there is a run file.
    pub(crate) run_token: Option<Arc<str>>,
    /// Holds the signed-out tokens, for all gateways.
    pub(crate) store: Arc<dyn Database>,
}

impl Authenticator {
    /// `None` if there is no token. An invalid one is an error even on routes that need none.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
        let Some(given) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
        let given = given.to_str().ok().and_then(bearer).ok_or_else(Problem::unauthorized)?;
        self.caller_of(given).await.map(Some)
    }

    /// The caller that a token belongs to.
    pub(crate) async fn caller_of(&self, given: &str) -> Result<Caller, Problem> {
        if self.run_token.as_ref().is_some_and(|token| same(token, given)) {
            let until = Instant::now() + LONGEST;
            return Ok(Caller { id: "operator".into(), role: Role::Operator, until });
        }
        let claims = self.keys.check(given).await.map_err(|why| {
            tracing::debug!("a token was refused: {why}");
            Problem::unauthorized()
        })?;
        let caller = match clean_text(&claims.sub, CUSTOMER_CHARS_MAX) {
            Ok(id) => Caller { id: id.into(), role: claims.role, until: until(claims.exp) },
            Err(why) => {
                tracing::debug!("a token was refused: sub {why}");
                return Err(Problem::unauthorized());
            }
        };
        // Only admins can sign out, so customers' requests skip this query.
        if caller.is_admin() && self.store.is_signed_out(&token_hash(given)).await? {
            tracing::debug!("a token was refused: it was signed out");
            return Err(Problem::unauthorized());
        }
        Ok(caller)
    }

    /// From now on every gateway refuses the token, in a cookie or a header. An invalid token needs no entry.
    pub(crate) async fn sign_out(&self, given: &str) -> Result<(), Problem> {
        let Ok(claims) = self.keys.check(given).await else { return Ok(()) };
        Ok(self.store.sign_out(&token_hash(given), claims.exp).await?)
    }
}

fn until(exp: u64) -> Instant {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Instant::now() + Duration::from_secs(exp).saturating_sub(now).min(LONGEST)
}

/// A hash of the signed part, without the signature: some algorithms have several valid signatures for the same text.
fn token_hash(token: &str) -> String {
    let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
    BodyHash::of("a token", signed).to_string()
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Compares hashes, so that the time that it takes reveals nothing about the token.
fn same(token: &str, given: &str) -> bool {
    BodyHash::of("token", given) == BodyHash::of("token", token)
}
