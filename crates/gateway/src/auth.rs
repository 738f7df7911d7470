//! Who calls: a bearer token says it, and its signature proves it. The token of the run file is an operator's.

mod development;
pub(crate) mod keys;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::http::{HeaderMap, header};
use contract::{BodyHash, Speaker, clean_text};
use serde::{Deserialize, Serialize};
use store::Store;

use super::problem::Problem;
use keys::Keys;

pub use development::{tokens, with_key};

/// Nothing is kept open for longer, however long the token is good.
const LONGEST: Duration = Duration::from_secs(3600);
/// As for a customer's id in a message.
const CUSTOMER_CHARS_MAX: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// When the token runs out, and with it what was opened by it.
    pub(crate) until: Instant,
    /// The customer's id; of an admin, the name that stands in the journal.
    pub(crate) id: Arc<str>,
    pub(crate) role: Role,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    #[default]
    Customer,
    Admin,
    /// Our own command line, on the same machine: no limit holds it up.
    #[serde(skip)]
    Operator,
}

impl Caller {
    /// As whom the messages are said that this caller asks for.
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

/// What a token must say, besides `exp`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: String,
    #[serde(default)]
    pub(crate) role: Role,
    pub(crate) exp: u64,
    /// Compared where a setting names an issuer. A list is no issuer anywhere (RFC 7519, 4.1.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) iss: Option<String>,
    /// Compared where a setting names an audience; of another type it is wrong everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) aud: Option<Audience>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Knows everybody who may call.
pub(crate) struct Authenticator {
    pub(crate) keys: Keys,
    /// Of the run file, where there is one.
    pub(crate) run_token: Option<Arc<str>>,
    /// Every gateway has the same, and it knows which tokens were signed out.
    pub(crate) store: Arc<dyn Store>,
}

impl Authenticator {
    /// `None`: there is no token. A wrong one is an error even where none is needed.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
        let Some(given) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
        let given = given.to_str().ok().and_then(bearer).ok_or_else(Problem::unauthorized)?;
        self.known(given).await.map(Some)
    }

    /// Whose token that is.
    pub(crate) async fn known(&self, given: &str) -> Result<Caller, Problem> {
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
        // Only admins sign out: a customer's request costs no load for it.
        if caller.is_admin() && self.store.is_signed_out(&name_of(given)).await? {
            tracing::debug!("a token was refused: it was signed out");
            return Err(Problem::unauthorized());
        }
        Ok(caller)
    }

    /// No gateway accepts the token any more, in a cookie or a header. One that is not valid anyway needs nothing.
    pub(crate) async fn sign_out(&self, given: &str) -> Result<(), Problem> {
        let Ok(claims) = self.keys.check(given).await else { return Ok(()) };
        Ok(self.store.sign_out(&name_of(given), claims.exp).await?)
    }
}

fn until(exp: u64) -> Instant {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Instant::now() + Duration::from_secs(exp).saturating_sub(now).min(LONGEST)
}

/// Made from what is signed, and not from the signature: some algorithms have several signatures for the same text.
fn name_of(token: &str) -> String {
    let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
    BodyHash::of("a token", signed).to_string()
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Hashes are compared: how long that takes says nothing about the token.
fn same(token: &str, given: &str) -> bool {
    BodyHash::of("token", given) == BodyHash::of("token", token)
}
