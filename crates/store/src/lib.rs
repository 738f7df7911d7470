//! A batch is committed as a whole: all of its journal rows, records, deadlines and dead letters, or none of them.
//!
//! [`Store`] is the interface of both databases. `tests/store_contract.rs` checks these promises on each of them:
//!
//! * A [`Transaction`] sees everything that was committed before it began.
//! * `commit` writes all changes and commits durably. After `Ok`, a power cut loses nothing.
//! * A (role, message id) is journalled once. The second transaction that tries gets [`Error::Conflict`] and none of
//!   its changes are written. So does a transaction whose record was saved by another one since it was loaded.
//! * Journal rows and audit entries never change: the database itself refuses an update.
//! * `commit` returns [`Error::Unknown`] when the commit may or may not have happened; the caller asks the journal.

pub mod batch;
mod belief;
pub mod census;
mod columns;
mod json;
mod keys;
mod origin;
mod owed;
mod pending;
pub mod postgres;
mod readable;
pub mod sqlite;
mod vitals;
mod wanted;
mod work;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use census::Census;
use contract::{
    BodyHash, Deadline, KeySecret, Message, MessageId, Need, OrderId, Queue, Role, Speaker, Table, Time,
};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub use belief::believed;
pub use belief::{InFlight, may_say};
pub use origin::Origin;
pub use readable::{Read, Unreadable, readable};
pub use vitals::{Pruned, Vitals};
pub use wanted::{Filter, History, Totals};
pub use work::Work;

/// One variant for each reaction of a caller.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached or is full: stop, probe, continue later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A concurrent transaction committed first: load again and start over.
    #[error("a concurrent change came first: {0}")]
    Conflict(String),
    /// The answer to the commit was lost: the journal tells whether it happened.
    #[error("it is unknown whether this was committed: {0}")]
    Unknown(String),
    /// The database refused this, and would refuse it again.
    #[error("the database refused: {0}")]
    Refused(String),
}

#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Begins the transaction of one batch.
    async fn begin(&self) -> Result<Box<dyn Transaction>, Error>;

    /// The database's clock.
    async fn now(&self) -> Result<Time, Error>;

    /// Checks that our database login has the rights for all of this work, and that the database accepts writes.
    /// [`Error::Refused`] says which right is missing and what to do. A file has no logins.
    async fn check_rights(&self, _works: &[Work]) -> Result<(), Error> {
        Ok(())
    }

    /// The secret that turns idempotency keys into ids: the same for every process on this database, and for ever.
    async fn key_secret(&self) -> Result<KeySecret, Error>;

    /// Up to `limit` deadlines that are due, earliest first, each with its key and the message to send. Their due time
    /// moves to `again_after_s` from now, so that a lost message is sent again; handling the message removes the row.
    async fn due_deadlines(
        &self,
        limit: usize,
        again_after_s: u64,
    ) -> Result<Vec<(String, Read<Message>)>, Error>;

    /// Moves the deadlines with these keys to `by_s` from now.
    async fn put_off(&self, keys: &[String], by_s: u64) -> Result<(), Error>;

    /// Every message that was sent to a queue and not handled, in the order of sending. Open dead letters are not in
    /// flight. Whether a row's role may send the message is not checked here ([`InFlight::is_believed`]).
    async fn in_flight(&self) -> Result<Vec<Read<InFlight>>, Error>;

    /// Stores the journal row up to which nothing is in flight, so that `in_flight` can skip those rows.
    async fn advance_mark(&self) -> Result<(), Error>;

    /// Deletes the journal rows of orders that ended before `before`, at most `limit` orders. Keeps those of an order
    /// with a running saga, a message in flight or an open dead letter. Rows of the same age that belong to no order
    /// are deleted as well, once the mark has passed them: rows of the catalogue, carts and wallets, rejected
    /// submissions, and closed dead letters of strangers or without an order; of these, some thousand rows in one call.
    async fn prune(&self, before: Time, limit: usize) -> Result<Pruned, Error>;

    /// Closes all connections. Afterwards a database file is complete without its side files.
    async fn close(&self) {}

    // ---- reading, for people and auditors --------------------------------------------------------------

    async fn get(&self, table: Table, id: &str) -> Result<Option<String>, Error>;

    /// The documents that exist among these ids, by id, in a single query.
    async fn get_many(&self, table: Table, ids: &[String]) -> Result<HashMap<String, String>, Error>;

    /// The progress of each of these orders, in a single query. An order without any rows is left out.
    async fn progress_of(&self, order_ids: &[OrderId]) -> Result<HashMap<OrderId, Progress>, Error>;

    /// Documents of a table in key order, from just after `after`: to read a whole table page by page.
    async fn page(&self, table: Table, after: &str, limit: usize) -> Result<Vec<(String, String)>, Error>;

    /// Orders or sagas, newest first. However many have ended, the running ones are found fast; so are cancelled,
    /// refunded and archived orders.
    async fn list(&self, table: Table, filter: &Filter) -> Result<Vec<String>, Error>;

    /// One customer's orders, newest first.
    async fn history(&self, customer_id: &str, wanted: &History) -> Result<Vec<String>, Error>;

    /// The orders whose payment has one of these names at the provider. At most two: a second one shows that the name
    /// is ambiguous. It reads every payment: an index would have to be written with each step of each payment.
    async fn orders_charged_as(&self, names: &[String]) -> Result<Vec<OrderId>, Error>;

    /// All journal rows of an order, in the order of handling.
    async fn journal_of(&self, order_id: OrderId) -> Result<Vec<Read<JournalRow>>, Error>;

    /// The whole journal in the order of writing, from just after `after`.
    async fn journal_page(&self, after: i64, limit: usize) -> Result<Vec<(i64, Read<JournalRow>)>, Error>;

    /// All deadlines, earliest first.
    async fn deadlines(&self, limit: usize) -> Result<Vec<DeadlineRow>, Error>;

    /// The readable deadlines of an order, of its returns, and of messages held back for it, earliest first.
    async fn deadlines_of(&self, order_id: OrderId) -> Result<Vec<OrderDeadline>, Error>;

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

    /// Adds these counts of redeliveries and failures to the stored ones. Each (role, id) occurs once in the slice.
    async fn add_redelivery_stats(&self, stats: &[RedeliveryStats]) -> Result<(), Error>;

    /// The counts for the messages of one order.
    async fn redelivery_stats_of(&self, order_id: OrderId) -> Result<Vec<RedeliveryStats>, Error>;

    /// The open dead letters grouped by cause: our own failures first, and within each origin the largest group.
    async fn dead_groups(&self, limit: usize) -> Result<Vec<DeadGroup>, Error>;

    async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, Error>;

    /// The paused roles.
    async fn pauses(&self) -> Result<Vec<Pause>, Error>;

    /// Counts by state the orders and sagas that were created at `from` or later and before `to`. It reads them all:
    /// call it rarely.
    async fn census(&self, from: Time, to: Time) -> Result<Census, Error>;

    /// The same counts for orders and sagas that have not ended; it reads only these.
    async fn census_under_way(&self) -> Result<Census, Error>;

    /// Revokes the token with this hash until it expires by itself at `until_s` (Unix time). Forgets expired tokens.
    /// Fails when [`SIGNED_OUT_MAX`] others are stored.
    async fn sign_out(&self, token_hash: &str, until_s: u64) -> Result<(), Error>;

    async fn is_signed_out(&self, token_hash: &str) -> Result<bool, Error>;

    /// A few numbers that tell how healthy the system is.
    async fn vitals(&self) -> Result<Vitals, Error>;
}

#[async_trait]
pub trait Transaction: Send {
    /// The current time, and which of these messages this role has handled before.
    async fn handled(&mut self, role: Role, ids: &[MessageId]) -> Result<(Time, Vec<Handled>), Error>;

    /// Whether each load is a round trip to a server, so that one large load is better than many small ones.
    fn is_remote(&self) -> bool {
        false
    }

    /// The records that exist among these, with their versions.
    async fn load(&mut self, needs: &[Need]) -> Result<Vec<Loaded>, Error>;

    /// Writes all changes and commits. A transaction that loads after this was called, awaited or not, sees these
    /// changes, or waits for them, or gets a conflict when it commits.
    fn commit(self: Box<Self>, changes: Changes) -> Committing;
}

/// Resolves when the changes are committed durably.
pub type Committing = BoxFuture<'static, Result<(), Error>>;

/// What the journal has about a message that was delivered again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handled {
    pub id: MessageId,
    pub name: String,
    pub hash: BodyHash,
    pub emitted: Vec<Emitted>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    pub need: Need,
    pub version: i64,
    pub json: Arc<str>,
}

#[derive(Default, Debug)]
pub struct Changes {
    pub journal: Vec<JournalRow>,
    pub records: Vec<SavedRecord>,
    /// By key; the last one counts. `None` clears the deadline; `Some` has its due time and the message to send then.
    pub deadlines: BTreeMap<String, Option<(Time, Arc<Message>)>>,
    pub dead: Vec<DeadChange>,
    pub pauses: Vec<PauseChange>,
}

/// While it is the same as at the last look, nothing has happened to the order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The count of its journal rows. Not the highest row number: a row with a lower number may commit later.
    pub handled: i64,
    pub open_dead_letters: i64,
}

/// A role that handles nothing, in any process, until an operator resumes it.
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

#[derive(Clone, Debug)]
pub struct SavedRecord {
    pub need: Need,
    /// The version that was loaded; 0 for a new record.
    pub version: i64,
    pub json: Arc<str>,
}

/// One row: this role handled this message with this outcome and sent these messages. Inbox, outbox and history in one.
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
    pub emitted: Vec<Emitted>,
}

/// A message with the queues that it is sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    pub message: Arc<Message>,
    pub queues: Vec<Queue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeadStatus {
    Open,
    Replayed,
    Discarded,
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

/// At most this many dead letters, deadlines and redelivery counts of one order are returned; a person reads no more.
const LETTERS_OF_MAX: usize = 1000;
const ORDER_DEADLINES_MAX: usize = 1000;
const REDELIVERY_STATS_MAX: usize = 1000;
/// At most this many deadlines, the earliest, are searched for orders and sagas that have not ended.
const UNDER_WAY_MAX: usize = 100_000;
/// The newest orders are searched as well: one that was just created may have no deadline yet.
const NEW_MAX: usize = 1000;

/// At most this many signed-out tokens are stored. Each was an admin's valid token, so only the issuer of tokens can
/// reach the limit; past it, signing out fails with an error.
const SIGNED_OUT_MAX: usize = 10_000;

fn too_many_signed_out() -> Error {
    Error::Unavailable(format!("{SIGNED_OUT_MAX} tokens are signed out and have not expired yet"))
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

/// How often a message was redelivered to a role that had handled it, and how often handling it failed there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedeliveryStats {
    pub role: Role,
    pub id: MessageId,
    pub order_id: OrderId,
    pub repeats: u32,
    pub failures: u32,
    /// The reason of the last failure; empty if there was none.
    pub why: String,
}

/// One row of the deadlines table, of any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadlineRow {
    pub key: String,
    pub due: Time,
    /// The sender and the type name of the message that will be sent.
    pub says: Read<(Speaker, &'static str)>,
}

/// A deadline of one order, with the message that will be sent when it is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderDeadline {
    pub key: String,
    pub due: Time,
    pub message: Message,
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

/// The upper bound of `created_at` for an index scan. It knows times only; the query itself leaves out the rows of the
/// last page that have the same time.
fn until(to: Option<Time>, before: Option<&(Time, String)>) -> Option<Time> {
    let shown = before.map(|(at, _)| at.plus_ms(1));
    to.into_iter().chain(shown).min()
}

fn as_text<S: serde::Serializer>(role: &Role, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(role)
}

impl Changes {
    /// Roughly how many rows will be written: the few dead letters and pauses are not counted.
    fn rows(&self) -> usize {
        self.journal.len() + self.records.len() + self.deadlines.len()
    }

    /// Whether they do nothing but journal messages that came in from outside.
    fn is_only_ingress(&self) -> bool {
        let nothing_else =
            self.journal.len() == self.rows() && self.dead.is_empty() && self.pauses.is_empty();
        nothing_else && !self.journal.is_empty() && self.journal.iter().all(|row| row.role == Role::Gateway)
    }

    pub fn deadline(&mut self, deadline: Deadline, message: impl FnOnce(contract::Body) -> Arc<Message>) {
        match deadline {
            Deadline::Set { key, due, body } => self.deadlines.insert(key, Some((due, message(*body)))),
            Deadline::Clear { key } => self.deadlines.insert(key, None),
        };
    }
}
