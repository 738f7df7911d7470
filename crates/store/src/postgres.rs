//! Any number of processes on one database: row locks, record versions and the journal's unique key keep their
//! concurrent writes apart.

mod ask;
mod batch;
mod census;
pub mod connections;
mod copy;
mod database_clock;
mod deadlines;
mod flight;
mod journal;
mod keep;
mod letters;
mod list;
mod nodelay;
mod own;
mod pauses;
mod prune;
mod records;
mod redelivery;
mod rights;
mod row;
mod schema;
pub mod servers;
mod signed_out;
mod url;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use async_trait::async_trait;
use contract::{KeySecret, Time};
use sqlx::Row;
use sqlx::postgres::{PgDatabaseError, PgRow, PgSeverity};

use super::pending::Pending;
use super::{Database, Error, Store, Transaction, Work, json, keys};
use connections::{Connections, Limits};
use database_clock::DatabaseClock;
pub use url::connecting;

pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// How one role uses the database.
#[derive(Clone, Debug)]
pub struct Options {
    /// What `pg_stat_activity` shows: the role, so that an operator can tell the connections apart.
    pub application_name: String,
    /// At most this many connections. A role that handles one batch at a time needs one for it, and one for reads.
    pub connections: u32,
    /// The server cancels a statement that takes longer.
    pub statement_timeout: Duration,
    /// A batch that waits longer for a row lock gets [`Error::Conflict`] and starts over.
    pub lock_timeout: Duration,
    /// A process that hangs in the middle of a batch keeps its locks no longer than this.
    pub idle_in_transaction_timeout: Duration,
    pub connect_timeout: Duration,
}

impl Options {
    pub fn named(application_name: &str) -> Self {
        Self {
            application_name: application_name.to_string(),
            connections: 4,
            statement_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(3),
            idle_in_transaction_timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(5),
        }
    }
}

pub struct PostgresStore {
    connections: Connections,
    pending: Pending,
    contention_monitor: batch::ContentionMonitor,
    watch: DatabaseClock,
    /// The journal row at which the next pruning continues.
    pruned_to: AtomicI64,
    /// False if row security applies to this login: then Postgres refuses `copy`, and large batches use `insert`.
    may_copy: bool,
}

/// How much longer than the server we wait, so that its error about a cancelled statement still reaches us.
const ANSWER_GRACE: Duration = Duration::from_secs(5);

impl PostgresStore {
    /// Connects, and migrates the tables if the login may. If it may not, they must be up to date.
    pub async fn open(url: &str, options: Options) -> Result<Self, Error> {
        let bound = schema::ready(url).await?;
        let limits = Limits {
            connections: options.connections,
            connect: options.connect_timeout,
            answer: options.statement_timeout + ANSWER_GRACE,
        };
        Ok(Self {
            connections: Connections::new(url::working(url, &options)?, limits),
            pending: Pending::default(),
            contention_monitor: batch::ContentionMonitor::default(),
            watch: DatabaseClock::default(),
            pruned_to: AtomicI64::new(0),
            may_copy: !bound,
        })
    }

    /// Uses another clock than the database's.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.watch = DatabaseClock::of(clock);
        self
    }

    async fn time(&self) -> Result<Time, Error> {
        if let Some(now) = self.watch.now() {
            return Ok(now);
        }
        let asked = sqlx::query("select floor(extract(epoch from clock_timestamp()) * 1000)::bigint");
        let answer = self.connections.take().await?.rows(asked).await?;
        let now = answer.first().ok_or_else(|| Error::Unavailable("the clock did not answer".into()))?;
        Ok(self.watch.set(Time::from_unix_ms(now.try_get(0).map_err(failed)?)))
    }

    /// The time of the replacement clock, if there is one, for statements that otherwise read the database's clock.
    fn own_time_ms(&self) -> Option<i64> {
        self.watch.own().map(Time::unix_ms)
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn begin(&self) -> Result<Box<dyn Transaction>, Error> {
        let held = self.connections.take().await?;
        let (pending, watch) = (self.pending.clone(), self.watch.clone());
        let contention_monitor = self.contention_monitor.clone();
        Ok(Box::new(batch::Batch::new(held, pending, contention_monitor, watch, self.may_copy)))
    }

    async fn now(&self) -> Result<Time, Error> {
        self.time().await
    }
}

#[async_trait]
impl Database for PostgresStore {
    async fn check_rights(&self, works: &[Work]) -> Result<(), Error> {
        self.check(works).await
    }

    async fn key_secret(&self) -> Result<KeySecret, Error> {
        let rows = self.connections.take().await?.rows(sqlx::query(keys::SQL)).await?;
        let pair = |row: &PgRow| -> Result<(String, i64), Error> {
            Ok((row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?))
        };
        keys::read(&rows.iter().map(pair).collect::<Result<Vec<_>, _>>()?)
    }
}

/// The same SQL text for each table, with the name inserted at compile time, so that no statement is built at run time.
macro_rules! in_table {
    ($table:expr, $text:ident, $($part:literal),*) => {
        match $table {
            contract::Table::Orders => $text!("orders", $($part),*),
            contract::Table::Submissions => $text!("submissions", $($part),*),
            contract::Table::Audit => $text!("audit", $($part),*),
            contract::Table::Products => $text!("products", $($part),*),
            contract::Table::Discounts => $text!("discounts", $($part),*),
            contract::Table::Methods => $text!("methods", $($part),*),
            contract::Table::Carts => $text!("carts", $($part),*),
            contract::Table::Stock => $text!("stock", $($part),*),
            contract::Table::Holds => $text!("holds", $($part),*),
            contract::Table::Payments => $text!("payments", $($part),*),
            contract::Table::Wallets => $text!("wallets", $($part),*),
            contract::Table::Notices => $text!("notices", $($part),*),
            contract::Table::Sagas => $text!("sagas", $($part),*),
        }
    };
}

macro_rules! around {
    ($name:literal, $before:literal, $after:literal) => {
        concat!($before, $name, $after)
    };
}
use {around, in_table};

/// Sorts Postgres' codes (<https://www.postgresql.org/docs/current/errcodes-appendix.html>) by what a caller should do.
pub fn failed(error: sqlx::Error) -> Error {
    let sqlx::Error::Database(database) = &error else {
        return match error {
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::Encode(_)
            | sqlx::Error::RowNotFound => Error::Refused(error.to_string()),
            // The connection failed, not the message.
            other => Error::Unavailable(other.to_string()),
        };
    };
    let code = database.code().unwrap_or_default();
    let why = match database.try_downcast_ref::<PgDatabaseError>().and_then(|error| error.detail()) {
        // Only for a unique violation: the detail of a check repeats the whole row, which is long and personal.
        Some(detail) if code == UNIQUE => format!("{error} ({detail}, {code})"),
        _ => format!("{error} ({code})"),
    };
    match (code.get(..2).unwrap_or_default(), code.as_ref()) {
        (_, UNIQUE | SERIALIZATION | DEADLOCK | LOCK_TIMEOUT) => Error::Conflict(why),
        (DATA | CARDINALITY | CONSTRAINT | TOO_BIG | RAISED, _) => Error::Refused(why),
        // Starting or stopping, full, out of connections, read-only, a missing table or permission: the message is not
        // the cause, and must not become a dead letter.
        _ => Error::Unavailable(why),
    }
}

/// Whether the server said, with severity ERROR, that it did not commit. A FATAL error does not tell: a server that is
/// shutting down may send it after the commit.
fn not_committed(error: &sqlx::Error) -> bool {
    if matches!(error, sqlx::Error::Encode(_)) {
        // Nothing was sent.
        return true;
    }
    let Some(error) = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
    else {
        return false;
    };
    matches!(error.severity(), PgSeverity::Error) && error.code() != COMPLETION_UNKNOWN
}

const SERIALIZATION: &str = "40001";
const COMPLETION_UNKNOWN: &str = "40003";
const DEADLOCK: &str = "40P01";
const LOCK_TIMEOUT: &str = "55P03";
const UNIQUE: &str = "23505";

/// Error classes: the first two characters of a code.
const CARDINALITY: &str = "21";
const DATA: &str = "22";
const CONSTRAINT: &str = "23";
const TOO_BIG: &str = "54";
const RAISED: &str = "P0";
