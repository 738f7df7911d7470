//! A batch is committed as a whole: all of its journal rows, records, deadlines and dead letters, or none of them.
//!
//! [`Database`] is the interface of both databases, and [`Store`] the part of it that the consumer loop needs.
//! `tests/store_contract.rs` checks these promises on each of them:
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
mod deadlines;
mod journal;
mod json;
mod keys;
mod letters;
mod origin;
mod owed;
mod pauses;
mod pending;
pub mod postgres;
mod readable;
mod records;
mod redelivery;
mod signed_out;
pub mod sqlite;
mod vitals;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use contract::{BodyHash, Deadline, KeySecret, Message, MessageId, Need, OrderId, Queue, Role, Time};
use futures_util::future::BoxFuture;

pub use belief::believed;
pub use belief::{InFlight, may_say};
pub use census::Reports;
use deadlines::ORDER_DEADLINES_MAX;
pub use deadlines::{DeadlineRow, Deadlines, OrderDeadline};
pub use journal::{Journal, Outbox, Progress};
use letters::LETTERS_OF_MAX;
pub use letters::{DeadChange, DeadGroup, DeadLetter, DeadLetters, DeadStatus, Letters};
pub use origin::Origin;
pub use pauses::{Pause, PauseChange, Pauses};
pub use readable::{Read, Unreadable, readable};
pub use records::{Filter, History, Lists, Records, Totals};
use records::{NEW_MAX, UNDER_WAY_MAX, until};
use redelivery::REDELIVERY_STATS_MAX;
pub use redelivery::{RedeliveryCounts, RedeliveryStats};
pub use signed_out::SignedOut;
use signed_out::{SIGNED_OUT_MAX, too_many_signed_out};
pub use vitals::{Pruned, Pruning, Vitals};
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

/// What the consumer loop needs.
#[async_trait]
pub trait Store: Send + Sync {
    /// Begins the transaction of one batch.
    async fn begin(&self) -> Result<Box<dyn Transaction>, Error>;

    /// The database's clock.
    async fn now(&self) -> Result<Time, Error>;
}

/// All that a shop's database can do. A part of the program that needs less asks for less.
#[async_trait]
pub trait Database:
    Evidence + Deadlines + Pruning + Lists + Reports + Pauses + RedeliveryCounts + SignedOut + 'static
{
    /// Checks that our database login has the rights for all of this work, and that the database accepts writes.
    /// [`Error::Refused`] says which right is missing and what to do. A file has no logins.
    async fn check_rights(&self, _works: &[Work]) -> Result<(), Error> {
        Ok(())
    }

    /// The secret that turns idempotency keys into ids: the same for every process on this database, and for ever.
    async fn key_secret(&self) -> Result<KeySecret, Error>;

    /// Closes all connections. Afterwards a database file is complete without its side files.
    async fn close(&self) {}
}

/// What an auditor reads.
pub trait Evidence: Store + Records + Journal + Outbox + Deadlines + DeadLetters {}

impl<T: Store + Records + Journal + Outbox + Deadlines + DeadLetters + ?Sized> Evidence for T {}

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
