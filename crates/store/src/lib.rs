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

    /// Whether our login may do all of this work, and the database takes what is written at all. [`Error::Refused`] says
    /// what it may not, and what to do. A file has no logins.
    async fn check_rights(&self, _works: &[Work]) -> Result<(), Error> {
        Ok(())
    }

    /// By what idempotency keys become ids. It never changes, so one look is enough for the life of a process.
    async fn keys(&self) -> Result<Keys, Error>;

    /// Up to `limit` deadlines that are due, earliest first, each with its key and the message it stands for. Their due
    /// time is moved on by `again_after_s`, so that one that gets lost comes again; whoever handles the
    /// message removes the row.
    async fn due_deadlines(
        &self,
        limit: usize,
        again_after_s: u64,
    ) -> Result<Vec<(String, Read<Message>)>, Error>;

    /// The deadlines with these keys come due that much later than now.
    async fn put_off(&self, keys: &[String], by_s: u64) -> Result<(), Error>;

    /// Every message that was said to a queue and not handled, in the order in which it was said. Open dead
    /// letters are not in flight. A row is not asked whether its role may say it ([`InFlight::is_believed`]).
    async fn in_flight(&self) -> Result<Vec<Read<InFlight>>, Error>;

    /// Remembers up to where nothing is in flight any more, so that `in_flight` need not look there again.
    async fn advance_mark(&self) -> Result<(), Error>;

    /// Deletes journal rows of orders that ended before `before`, at most `limit` orders. Keeps those of an order with a
    /// saga under way, something in flight or an open dead letter. What is as old and belongs to no order goes as well,
    /// once the mark has passed it: rows of the catalogue, carts and wallets, rejected submissions, and closed dead
    /// letters of strangers or without an order; of these, some thousand rows in one call.
    async fn prune(&self, before: Time, limit: usize) -> Result<Pruned, Error>;

    /// For whoever was the last to use it: afterwards nothing of it is open, and a file is whole by itself.
    async fn close(&self) {}

    // ---- looking, for people and auditors --------------------------------------------------------------

    async fn get(&self, table: Table, id: &str) -> Result<Option<String>, Error>;

    /// The documents that exist among these ids, by id, in one query however many they are.
    async fn get_many(&self, table: Table, ids: &[String]) -> Result<HashMap<String, String>, Error>;

    /// How far each of these orders is, in one query however many they are. An order of which nothing is kept is left out.
    async fn progress_of(&self, order_ids: &[OrderId]) -> Result<HashMap<OrderId, Progress>, Error>;

    /// Documents of a table in key order, from just after `after`: for whoever reads all of it.
    async fn page(&self, table: Table, after: &str, limit: usize) -> Result<Vec<(String, String)>, Error>;

    /// Orders or sagas, newest first. Those that have not ended are found among any number that have; so are
    /// orders that came to nothing or were put away.
    async fn list(&self, table: Table, filter: &Filter) -> Result<Vec<String>, Error>;

    /// A customer's own orders, newest first.
    async fn history(&self, customer_id: &str, wanted: &History) -> Result<Vec<String>, Error>;

    /// The orders whose payment the provider calls by one of these names: two at most, which tells that a name is not one
    /// payment's alone. No index leads there (each step of each payment would have to write it): every payment is read.
    async fn orders_charged_as(&self, names: &[String]) -> Result<Vec<OrderId>, Error>;

    /// All that was handled on an order's behalf, in the order in which it was.
    async fn journal_of(&self, order_id: OrderId) -> Result<Vec<Read<JournalRow>>, Error>;

    /// The whole journal in the order of writing, from just after `after`.
    async fn journal_page(&self, after: i64, limit: usize) -> Result<Vec<(i64, Read<JournalRow>)>, Error>;

    /// All deadlines, earliest first.
    async fn deadlines(&self, limit: usize) -> Result<Vec<DeadlineRow>, Error>;

    /// Those of an order, its returns, and what is held for it, earliest first; those that can be read.
    async fn deadlines_of(&self, order_id: OrderId) -> Result<Vec<OrderDeadline>, Error>;

    /// Newest first.
    async fn letters(&self, wanted: &Letters) -> Result<Vec<DeadLetter>, Error>;

    /// The same, of every kind.
    async fn dead_letters(&self, status: Option<DeadStatus>, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        self.letters(&Letters { status, limit, ..Letters::default() }).await
    }

    /// Open ones, oldest first.
    async fn oldest_of_strangers(&self, limit: usize) -> Result<Vec<DeadLetter>, Error>;

    /// What was ever buried of an order, oldest first.
    async fn letters_of(&self, order_id: OrderId) -> Result<Vec<DeadLetter>, Error>;

    /// Adds to what is known of messages that came again or failed. Each is named once.
    async fn add_redelivery_stats(&self, echoes: &[RedeliveryStats]) -> Result<(), Error>;

    /// Of one order's messages.
    async fn redelivery_stats_of(&self, order_id: OrderId) -> Result<Vec<RedeliveryStats>, Error>;

    /// The open ones by what they died of: our own trouble first, and of each origin the largest group first.
    async fn dead_groups(&self, limit: usize) -> Result<Vec<DeadGroup>, Error>;

    async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, Error>;

    /// The roles that rest.
    async fn pauses(&self) -> Result<Vec<Pause>, Error>;

    /// Orders and sagas that were created at `from` or later and before `to`, counted by where they stand. It reads
    /// every one of them: for whoever asks rarely.
    async fn census(&self, from: Time, to: Time) -> Result<Census, Error>;

    /// The same of those that have not ended, and it reads only these.
    async fn census_under_way(&self) -> Result<Census, Error>;

    /// From now on the token of this name is signed out, until it expires by itself at `until_s` (Unix time). Those
    /// that have expired are forgotten. Fails when [`SIGNED_OUT_MAX`] others are remembered.
    async fn sign_out(&self, token: &str, until_s: u64) -> Result<(), Error>;

    async fn is_signed_out(&self, token: &str) -> Result<bool, Error>;

    /// A few numbers that tell how the whole is.
    async fn vitals(&self) -> Result<Vitals, Error>;
}

#[async_trait]
pub trait Transaction: Send {
    /// Which of these were handled by this role before; and what time it is.
    async fn handled(&mut self, role: Role, ids: &[MessageId]) -> Result<(Time, Vec<Handled>), Error>;

    /// Each look is a question to a server, and its way there and back: better one for much than many for little.
    fn is_remote(&self) -> bool {
        false
    }

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
    pub said: Vec<Emitted>,
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
    /// By key; the last one counts. With a `Set` goes the message it stands for.
    pub deadlines: BTreeMap<String, Option<(Time, Arc<Message>)>>,
    pub dead: Vec<DeadChange>,
    pub pauses: Vec<PauseChange>,
}

/// When it differs from what was seen before, the order may look different: look at it again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Rows of the journal. Counted, because a row with a lower number may be committed after one with a higher number.
    pub handled: i64,
    pub open_dead_letters: i64,
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

/// The same for every process on this database.
#[derive(Clone, Debug)]
pub struct Keys {
    pub secret: KeySecret,
    /// There was a journal before there was a secret: some keys have public ids.
    pub some_are_public: bool,
}

#[derive(Clone, Debug)]
pub struct SavedRecord {
    pub need: Need,
    /// The version that was loaded; 0 for a new record.
    pub version: i64,
    pub json: Arc<str>,
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
    pub said: Vec<Emitted>,
}

/// A message with the queues of ours that it was said to.
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

/// A message that could not be read, routed or handled, as it came, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Made from queue and message: the same letter has the same id however often it dies.
    pub id: String,
    pub queue: String,
    pub message_id: Option<String>,
    pub name: String,
    /// Who said it. A replay, as it was or edited, is still theirs.
    pub by: Speaker,
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

/// Nobody reads more of one order, or has more of it waiting.
const LETTERS_OF_MAX: usize = 1000;
const ORDER_DEADLINES_MAX: usize = 1000;
const ECHOES_OF_MAX: usize = 1000;
/// So many deadlines are looked through for what has not ended, those first that are due first.
const UNDER_WAY_MAX: usize = 100_000;
/// What was made a moment ago may wait for nothing so far.
const NEW_MAX: usize = 1000;

/// How many signed-out tokens are remembered. Each was an admin's valid token, so that only the issuer of tokens can come
/// near it; past it, signing out fails and says so.
const SIGNED_OUT_MAX: usize = 10_000;

fn too_many_signed_out() -> Error {
    Error::Unavailable(format!("{SIGNED_OUT_MAX} tokens are signed out and have not expired yet"))
}

/// Which dead letters.
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

/// Open letters that died of the same.
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

/// How often a message came again to a role without effect, and how often handling it failed there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedeliveryStats {
    pub role: Role,
    pub id: MessageId,
    pub order_id: OrderId,
    pub repeats: u32,
    pub failures: u32,
    /// Of the last failure; empty if there was none.
    pub why: String,
}

/// One of all deadlines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadlineRow {
    pub key: String,
    pub due: Time,
    /// By whom what will be said, by the name of its type.
    pub says: Read<(Speaker, &'static str)>,
}

/// A deadline as it stands, with what will be said when its time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderDeadline {
    pub key: String,
    pub due: Time,
    pub message: Message,
}

#[derive(Clone, Debug)]
pub enum DeadChange {
    /// Keeps the letter, or opens it again if it is there. An open letter of our own stays as it is when a stranger sends
    /// something under the same id; what was our own once, or was sent again by an operator, is our own from then on.
    Park(DeadLetter),
    /// Answers [`Error::Conflict`] if it is not open any more.
    Close { id: String, status: DeadStatus },
    /// Deletes an open letter of a stranger and counts it. Answers [`Error::Conflict`] if it is none (any more).
    Evict { id: String },
}

/// Before when an index is entered. By the time alone: of the moment in which the last page ended, the query leaves out
/// what was shown.
fn until(to: Option<Time>, before: Option<&(Time, String)>) -> Option<Time> {
    let shown = before.map(|(at, _)| at.plus_ms(1));
    to.into_iter().chain(shown).min()
}

fn as_text<S: serde::Serializer>(role: &Role, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(role)
}

impl Changes {
    /// About how much there is to be written.
    fn rows(&self) -> usize {
        self.journal.len() + self.records.len() + self.deadlines.len()
    }

    /// They say no more than that something came in from outside.
    fn are_let_in(&self) -> bool {
        self.journal.len() == self.rows() && self.journal.iter().all(|row| row.role == Role::Gateway)
    }

    pub fn deadline(&mut self, deadline: Deadline, message: impl FnOnce(contract::Body) -> Arc<Message>) {
        match deadline {
            Deadline::Set { key, due, body } => self.deadlines.insert(key, Some((due, message(*body)))),
            Deadline::Clear { key } => self.deadlines.insert(key, None),
        };
    }
}
