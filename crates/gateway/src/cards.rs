//! Refuses requests that contain a card number anywhere, before anything of them is stored or logged.

use axum::http::request::Parts;
use contract::{holds_card_number, json_holds_card_number};

use super::auth::Caller;
use super::problem::Problem;

/// The only header whose value has a lasting effect; credentials are neither stored nor logged.
const KEY: &str = "idempotency-key";

/// Checks the path, the query, the idempotency key and the token's subject.
pub(super) fn refuse_in(
    parts: &Parts,
    params: &[(String, String)],
    caller: Option<&Caller>,
) -> Result<(), Problem> {
    if caller.is_some_and(|caller| holds_card_number(&caller.id)) {
        return Err(refused("the token's subject"));
    }
    let key = parts.headers.get(KEY).map(|key| String::from_utf8_lossy(key.as_bytes()));
    if key.is_some_and(|key| holds_card_number(&key)) {
        return Err(refused("the Idempotency-Key"));
    }
    if params.iter().any(|(_, value)| holds_card_number(value)) {
        return Err(refused("the path"));
    }
    match parts.uri.query().is_some_and(stand_in_pairs) {
        true => Err(refused("the query")),
        false => Ok(()),
    }
}

pub(super) fn refuse_in_json(body: &[u8]) -> Result<(), Problem> {
    if json_holds_card_number(&String::from_utf8_lossy(body)) { Err(refused("the body")) } else { Ok(()) }
}

pub(super) fn refuse_in_form(body: &[u8]) -> Result<(), Problem> {
    if stand_in_pairs(&String::from_utf8_lossy(body)) { Err(refused("the form")) } else { Ok(()) }
}

pub(super) fn refused(place: &str) -> Problem {
    let why = format!("{place} holds what looks like a card number; send the provider's token instead");
    Problem::unprocessable("CARD_NUMBER_REFUSED", why)
}

/// Each field is searched alone, so that digits of two fields do not add up to a card number. A text that is not a list
/// of fields is searched whole.
fn stand_in_pairs(text: &str) -> bool {
    match serde_urlencoded::from_str::<Vec<(String, String)>>(text) {
        Ok(pairs) => pairs.iter().any(|(name, value)| holds_card_number(name) || holds_card_number(value)),
        Err(_) => holds_card_number(text),
    }
}
