//! What a person writes on the command line, and what stays for others to read: the same rules as by HTTP.

use contract::{clean_text, holds_card_number};

/// A reason, not a correspondence.
const REASON_CHARS_MAX: usize = 500;
const NAME_CHARS_MAX: usize = 100;

/// Why something is done, or what proves it.
pub(super) fn reason(text: &str) -> Result<String, String> {
    clean(text, REASON_CHARS_MAX)
}

/// Who does it, or a receipt's number.
pub(super) fn name(text: &str) -> Result<String, String> {
    clean(text, NAME_CHARS_MAX)
}

pub(super) fn clean(text: &str, chars_max: usize) -> Result<String, String> {
    // It is refused further on, in words that do not repeat it, as these would.
    if holds_card_number(text) {
        return Ok(text.to_string());
    }
    clean_text(text, chars_max).map(str::to_string).map_err(|why| format!("it {why}"))
}
