//! What admins give with a request: the words for an act, a filter's value, a place in a list.

use contract::{Time, clean_text};

use crate::orders::cursor;
use crate::problem::Problem;

/// A filter with a closed list of values; any other would find nothing in silence.
pub(super) fn one_of(
    name: &str,
    given: Option<String>,
    known: fn(&str) -> Result<String, String>,
) -> Result<Option<String>, Problem> {
    let known = given.map(|given| known(&given)).transpose();
    known.map_err(|why| Problem::bad_request("QUERY_INVALID", format!("{name}: {why}")))
}

/// The cursor of the page after this one.
pub(super) fn next_of(next: Option<(Time, String)>) -> Option<String> {
    next.and_then(|(at, id)| Some(cursor(at, id.get(..36)?.parse().ok()?)))
}

/// A reason, or the evidence for what was done elsewhere: it stays in the journal.
pub(super) fn must_say(field: &str, words: &str) -> Result<(), Problem> {
    let said = clean_text(words, WORDS_CHARS_MAX);
    said.map(|_| ()).map_err(|why| Problem::field_invalid(field, &why))
}

const WORDS_CHARS_MAX: usize = 500;
