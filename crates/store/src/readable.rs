//! A row that cannot be read is reported by itself: it never keeps other rows from being read.

use super::Error;

/// A row that cannot be read: damaged, or written by hand, by an attacker with a database login, or by a newer program.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{row} cannot be read: {why}")]
pub struct Unreadable {
    /// Names the row, so that an operator can find it in the database.
    pub row: String,
    pub why: String,
}

pub type Read<T> = Result<T, Unreadable>;

/// A text in an unreadable row may come from anywhere, so only its beginning is shown.
const SHOWN_CHARS_MAX: usize = 300;

impl Unreadable {
    pub(super) fn in_journal(seq: i64, role: &str, why: Error) -> Self {
        Self { row: format!("journal row {seq}, of role {:?},", short(role)), why: words(why) }
    }

    pub(super) fn deadline(key: &str, why: Error) -> Self {
        Self { row: format!("the deadline {:?}", short(key)), why: words(why) }
    }
}

/// The readable rows, to show one order; `checkout audit` reports the others.
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
