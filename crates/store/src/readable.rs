//! A row that cannot be read is told of by itself: it never keeps the rows beside it from being read.

use super::Error;

/// What is kept and cannot be read: damaged, written by hand, by a login that was taken over, or by a newer program.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{row} cannot be read: {why}")]
pub struct Unreadable {
    /// Which it is, as a person finds it in the database.
    pub row: String,
    pub why: String,
}

pub type Read<T> = Result<T, Unreadable>;

/// What is shown of a text that a stranger to the program may have put there.
const SHOWN_CHARS_MAX: usize = 300;

impl Unreadable {
    pub(super) fn in_journal(seq: i64, role: &str, why: Error) -> Self {
        Self { row: format!("journal row {seq}, of role {:?},", short(role)), why: words(why) }
    }

    pub(super) fn deadline(key: &str, why: Error) -> Self {
        Self { row: format!("the deadline {:?}", short(key)), why: words(why) }
    }
}

/// Those that can be read, for a look at one order; `checkout audit` tells of the others.
pub fn readable<T>(rows: Vec<Read<T>>) -> Vec<T> {
    rows.into_iter().flatten().collect()
}

fn words(why: Error) -> String {
    match why {
        Error::Refused(why) => short(&why),
        other => short(&other.to_string()),
    }
}

fn short(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}
