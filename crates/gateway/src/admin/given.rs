//! Validates inputs that several admin routes share: reasons, filter values and cursors.

use contract::{Time, clean_text};

use crate::orders::cursor;
use crate::problem::Problem;

/// Refuses a filter value that is not in a closed list; it would silently find nothing.
pub(super) fn one_of(
    name: &str,
    given: Option<String>,
    known: fn(&str) -> Result<String, String>,
) -> Result<Option<String>, Problem> {
    let known = given.map(|given| known(&given)).transpose();
    known.map_err(|why| Problem::bad_request("QUERY_INVALID", format!("{name}: {why}")))
}

/// The cursor of the next page. A saga's id begins with its order's id, 36 characters; the cursor has only that.
pub(super) fn next_of(next: Option<(Time, String)>) -> Option<String> {
    next.and_then(|(at, id)| Some(cursor(at, id.get(..36)?.parse().ok()?)))
}

/// Checks a reason, or the evidence for something done outside; the text stays in the journal.
pub(super) fn check_text(field: &str, words: &str) -> Result<(), Problem> {
    let said = clean_text(words, WORDS_CHARS_MAX);
    said.map(|_| ()).map_err(|why| Problem::field_invalid(field, &why))
}

const WORDS_CHARS_MAX: usize = 500;
