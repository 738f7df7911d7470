//! What is kept is kept whole: a batch's journal rows, records, deadlines and dead letters, or none of them.
//!
//! `Store` is the seam. Its promise, which `tests/store_contract.rs` checks on every implementation:
//!
//! * A [`Transaction`] sees all that was kept before it began.
//! * `keep` writes everything and commits, durably. After `Ok`, a power cut loses nothing.
//! * A (role, message id) is journalled once. Whoever comes second gets [`Error::Conflict`] and nothing of
//!   his is kept; the same holds for a record that somebody else saved since it was loaded.
//! * Journal rows and audit entries never change. The database itself refuses.
//! * `keep` answers [`Error::Unknown`] when the commit may or may not have happened: look again.

mod json;
pub mod postgres;
pub mod sqlite;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use contract::{BodyHash, Deadline, Message, MessageId, Need, OrderId, Queue, Role, Table, Time};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// One variant for each thing that a caller does differently.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached or is full: stop, probe, go on later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Somebody else was faster: start over.
    #[error("somebody else changed it first: {0}")]
    Conflict(String),
    /// The commit's answer was lost: the journal knows.
    #[error("nobody knows whether this was committed: {0}")]
    Unknown(String),
    /// The database refused this: trying again brings the same.
    #[error("the database refused: {0}")]
    Refused(String),
}

#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Begins the one transaction of a batch.
    async fn begin(&self) -> Result<Box<dyn Transaction>, Error>;

    /// The database's clock.
    async fn now(&self) -> Result<Time, Error>;

    /// Up to `limit` deadlines that are due, earliest first, each as the message it stands for. Their due
    /// time is moved on by `again_after_s`, so that one that gets lost comes again; whoever handles the
    /// message removes the row.
    async fn due_deadlines(&self, limit: usize, again_after_s: u64) -> Result<Vec<Message>, Error>;

    /// Every (queue, message) that was said and not handled, in the order in which it was said. Open dead
    /// letters are not in flight.
    async fn in_flight(&self) -> Result<Vec<(Queue, Message)>, Error>;

    /// Remembers up to where nothing is in flight any more, so that `in_flight` need not look there again.
    async fn advance_mark(&self) -> Result<(), Error>;

    /// Deletes journal rows of orders that ended before `before`, at most `limit` orders. Returns how many.
    /// Keeps those of an order with a saga under way, something in flight or an open dead letter.
    async fn prune(&self, before: Time, limit: usize) -> Result<u64, Error>;

    /// For whoever was the last to use it: afterwards nothing of it is open, and a file is whole by itself.
    async fn close(&self) {}

    // ---- looking, for people and auditors --------------------------------------------------------------

    async fn get(&self, table: Table, id: &str) -> Result<Option<String>, Error>;

    /// Documents of a table in key order, from just after `after`: for whoever reads all of it.
    async fn page(&self, table: Table, after: &str, limit: usize) -> Result<Vec<(String, String)>, Error>;

    /// Orders or sagas, newest first.
    async fn list(&self, table: Table, filter: &Filter) -> Result<Vec<String>, Error>;

    /// All that was handled on an order's behalf, in the order in which it was.
    async fn journal_of(&self, order_id: OrderId) -> Result<Vec<JournalRow>, Error>;

    /// The whole journal in the order of writing, from just after `after`.
    async fn journal_page(&self, after: i64, limit: usize) -> Result<Vec<(i64, JournalRow)>, Error>;

    /// All deadlines, earliest first: (key, due, message name).
    async fn deadlines(&self, limit: usize) -> Result<Vec<(String, Time, String)>, Error>;

    /// Newest first.
    async fn dead_letters(&self, status: Option<DeadStatus>, limit: usize) -> Result<Vec<DeadLetter>, Error>;

    async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, Error>;

    /// The roles that rest.
    async fn pauses(&self) -> Result<Vec<Pause>, Error>;

    /// A few numbers that tell how the whole is.
    async fn vitals(&self) -> Result<Vitals, Error>;
}

#[async_trait]
pub trait Transaction: Send {
    /// Which of these were handled by this role before; and what time it is.
    async fn handled(&mut self, role: Role, ids: &[MessageId]) -> Result<(Time, Vec<Handled>), Error>;

    /// The records that exist among these, with their versions.
    async fn load(&mut self, needs: &[Need]) -> Result<Vec<Loaded>, Error>;

    /// Writes all of it and commits. A transaction that loads once this was called, awaited or not, sees what is
    /// kept here, or waits for it, or is told at the end of a conflict.
    fn keep(self: Box<Self>, changes: Changes) -> Keeping;
}

/// Ends when it is kept, durably.
pub type Keeping = BoxFuture<'static, Result<(), Error>>;

/// What the journal knows about a message that comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handled {
    pub id: MessageId,
    pub name: String,
    pub hash: BodyHash,
    pub said: Vec<Said>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    pub need: Need,
    pub version: i64,
    pub json: String,
}

#[derive(Default, Debug)]
pub struct Changes {
    pub journal: Vec<JournalRow>,
    pub records: Vec<SavedRecord>,
    /// By key; the last one counts. With a `Set` goes the message it stands for.
    pub deadlines: BTreeMap<String, Option<(Time, Arc<Message>)>>,
    pub dead: Vec<DeadChange>,
    pub pauses: Vec<PauseChange>,
}

/// A role that rests, everywhere, until somebody resumes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pause {
    #[serde(serialize_with = "as_text")]
    pub role: Role,
    pub by: String,
    pub why: String,
    pub at: Time,
}

#[derive(Clone, Debug)]
pub enum PauseChange {
    /// Answers [`Error::Conflict`] if it is paused already.
    Pause(Pause),
    /// Answers [`Error::Conflict`] if it is not paused.
    Resume(Role),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// The database's clock.
    pub now: Time,
    pub open_dead_letters: u64,
    pub deadlines_due: u64,
    /// When the oldest message was said that nobody has handled yet.
    pub oldest_in_flight: Option<Time>,
}

#[derive(Debug)]
pub struct SavedRecord {
    pub need: Need,
    /// The version that was loaded; 0 for a new record.
    pub version: i64,
    pub json: String,
}

/// One row: this role handled this message, came to this outcome and said this. Inbox, outbox and history at once.
#[derive(Clone, Debug)]
pub struct JournalRow {
    pub role: Role,
    pub id: MessageId,
    pub name: String,
    pub hash: BodyHash,
    pub order_id: Option<OrderId>,
    pub cause: Option<MessageId>,
    pub at: Time,
    pub outcome: String,
    pub said: Vec<Said>,
}

/// A message with the queues of ours that it was said to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub message: Arc<Message>,
    pub queues: Vec<Queue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadStatus {
    Open,
    Replayed,
    Discarded,
}

/// A message that could not be read, routed or handled, as it came, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Made from queue and message: the same letter has the same id however often it dies.
    pub id: String,
    pub queue: String,
    pub message_id: Option<String>,
    pub name: String,
    pub order_id: Option<OrderId>,
    pub cause: Option<String>,
    pub code: String,
    pub why: String,
    pub attempts: u32,
    pub at: Time,
    /// The body as it came (what was not UTF-8 is replaced by the usual mark).
    pub body: String,
    pub status: DeadStatus,
}

#[derive(Clone, Debug)]
pub enum DeadChange {
    /// Keeps the letter, or opens it again if it is there.
    Bury(DeadLetter),
    /// Answers [`Error::Conflict`] if it is not open any more.
    Close { id: String, status: DeadStatus },
}

#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub status: Option<String>,
    pub customer_id: Option<String>,
    /// Created at this time or later, …
    pub from: Option<Time>,
    /// … and before this one.
    pub to: Option<Time>,
    /// Only older than this (created_at, id): where the last page ended.
    pub before: Option<(Time, String)>,
    pub limit: usize,
}

fn as_text<S: serde::Serializer>(role: &Role, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(role)
}

impl Changes {
    pub fn deadline(&mut self, deadline: Deadline, message: impl FnOnce(contract::Body) -> Arc<Message>) {
        match deadline {
            Deadline::Set { key, due, body } => self.deadlines.insert(key, Some((due, message(*body)))),
            Deadline::Clear { key } => self.deadlines.insert(key, None),
        };
    }
}
