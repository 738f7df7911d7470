//! Messages that could not be read, routed or handled, until a person has dealt with them.

use async_trait::async_trait;
use contract::{OrderId, Speaker, Time};
use serde::{Deserialize, Serialize};

use super::{Error, Origin, Store};

/// At most this many dead letters of one order are returned; a person reads no more.
pub(super) const LETTERS_OF_MAX: usize = 1000;

#[async_trait]
pub trait DeadLetters: Store {
    /// Newest first.
    async fn letters(&self, wanted: &Letters) -> Result<Vec<DeadLetter>, Error>;

    /// Dead letters of every kind, newest first.
    async fn dead_letters(&self, status: Option<DeadStatus>, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        self.letters(&Letters { status, limit, ..Letters::default() }).await
    }

    /// Open dead letters that strangers caused, oldest first.
    async fn oldest_of_strangers(&self, limit: usize) -> Result<Vec<DeadLetter>, Error>;

    /// All dead letters of an order, open and closed, oldest first.
    async fn letters_of(&self, order_id: OrderId) -> Result<Vec<DeadLetter>, Error>;

    /// The open dead letters grouped by cause: our own failures first, and within each origin the largest group.
    async fn dead_groups(&self, limit: usize) -> Result<Vec<DeadGroup>, Error>;

    async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, Error>;
}

/// A message that could not be read, routed or handled, as it arrived, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Derived from queue and message id, so that a message that fails again has the same dead letter.
    pub id: String,
    pub queue: String,
    pub message_id: Option<String>,
    pub name: String,
    /// Who sent it. A replay keeps the sender, edited or not.
    pub by: Speaker,
    pub order_id: Option<OrderId>,
    pub cause: Option<String>,
    pub code: String,
    pub why: String,
    pub attempts: u32,
    pub at: Time,
    /// The body as it arrived; bytes that are not UTF-8 become U+FFFD.
    pub body: String,
    pub status: DeadStatus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeadStatus {
    Open,
    Replayed,
    Discarded,
}

#[derive(Clone, Debug)]
pub enum DeadChange {
    /// Stores the letter, or opens it again if it exists. An open letter of our own stays unchanged when a stranger
    /// sends a message with the same id. A letter that was our own once, or was replayed by an operator, stays our own.
    Park(DeadLetter),
    /// Returns [`Error::Conflict`] if it is not open any more.
    Close { id: String, status: DeadStatus },
    /// Deletes an open letter of a stranger and counts it. Returns [`Error::Conflict`] if there is no such letter.
    Evict { id: String },
}

/// Selects dead letters; every given field must match.
#[derive(Clone, Debug, Default)]
pub struct Letters {
    pub status: Option<DeadStatus>,
    pub origin: Option<Origin>,
    pub code: Option<String>,
    pub queue: Option<String>,
    pub name: Option<String>,
    /// Only older than this (at, id): where the last page ended.
    pub before: Option<(Time, String)>,
    pub limit: usize,
}

/// Open dead letters with the same cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadGroup {
    pub origin: Origin,
    pub code: String,
    pub queue: String,
    pub name: String,
    pub letters: u64,
    pub oldest: Time,
    pub newest: Time,
}
