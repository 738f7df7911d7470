//! Checks texts of operators that others will read: the same rules as over HTTP.

use contract::{clean_text, holds_card_number};

/// A reason, not a correspondence.
const REASON_CHARS_MAX: usize = 500;
const NAME_CHARS_MAX: usize = 100;

/// A reason or evidence.
pub(super) fn reason(text: &str) -> Result<String, String> {
    clean(text, REASON_CHARS_MAX)
}

/// An operator's name, or a receipt's number.
pub(super) fn name(text: &str) -> Result<String, String> {
    clean(text, NAME_CHARS_MAX)
}

pub(super) fn clean(text: &str, chars_max: usize) -> Result<String, String> {
    // It is refused later, with a message that does not repeat it, as clap's would.
    if holds_card_number(text) {
        return Ok(text.to_string());
    }
    clean_text(text, chars_max).map(str::to_string).map_err(|why| format!("it {why}"))
}
