//! One file holds the whole database, one connection writes it, and a commit returns when it is on the disk.

mod batch;
mod block;
mod census;
mod checkpoint;
pub mod file;
mod flight;
mod letters;
mod list;
mod look;
mod prune;
mod records;
mod redelivery;
mod schema;
mod signed_out;
mod transaction;
mod writer;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use contract::{KeySecret, Message, OrderId, Table, Time};
use serde::Deserialize;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, SqliteConnection};
use tuning::{BUFFERED_ROWS, READERS};

use super::census::Census;
use super::{
    DeadGroup, DeadLetter, DeadlineRow, Error, Filter, History, InFlight, JournalRow, Letters, OrderDeadline,
    Pause, PauseChange, Progress, Pruned, Read, RedeliveryStats, Store, Transaction, Vitals, json, keys,
};
use transaction::BatchTransaction;
use writer::Writer;

/// What a committed transaction survives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// A power cut as well: every commit waits for the disk.
    #[default]
    PowerLoss,
    /// A crash of the process, `kill -9` included. A power cut or a crash of the system loses the last commits (each
    /// as a whole), and with them orders that were confirmed to customers.
    ProcessCrash,
}

pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

pub struct SqliteStore {
    writer: Writer,
    readers: SqlitePool,
    clock: Clock,
    /// The journal row at which the next pruning continues.
    pruned_to: AtomicI64,
    /// Declared last, because fields are dropped in order: the file is removed when no connection is left.
    _scratch: Option<file::Scratch>,
}

/// How long to wait for a write lock of another process.
const BUSY_WAIT: Duration = Duration::from_secs(5);

impl SqliteStore {
    /// Opens the database, creates it if it does not exist, and migrates its tables.
    pub async fn open(path: &Path, durability: Durability) -> Result<Self, Error> {
        Self::create(path, durability.synchronous(), None).await
    }

    /// Opens the database beside a process that runs on it: creates nothing and migrates nothing.
    pub async fn open_existing(path: &Path) -> Result<Self, Error> {
        file::must_exist(path)?;
        let options = writing(path, Durability::PowerLoss.synchronous());
        let mut connection = reading(path).connect().await.map_err(failed)?;
        schema::must_fit(&mut connection).await?;
        Ok(Self::with(path, options, None, None))
    }

    /// A database that is deleted when the store is dropped: for tests and for a first try. (It is a file in the
    /// temporary folder: in memory, readers and the writer would lock each other out.)
    pub async fn in_memory() -> Result<Self, Error> {
        let path = std::env::temp_dir().join(format!("checkout-saga-{}.db", uuid::Uuid::now_v7()));
        let scratch = file::Scratch(path.clone());
        Self::create(&path, SqliteSynchronous::Off, Some(scratch)).await
    }

    /// Uses another clock than the machine's.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    async fn create(
        path: &Path,
        synchronous: SqliteSynchronous,
        scratch: Option<file::Scratch>,
    ) -> Result<Self, Error> {
        file::create(path)?;
        let options = writing(path, synchronous);
        let mut connection = options.connect().await.map_err(failed)?;
        schema::up(&mut connection).await?;
        Ok(Self::with(path, options, Some(connection), scratch))
    }

    fn with(
        path: &Path,
        options: SqliteConnectOptions,
        connection: Option<SqliteConnection>,
        scratch: Option<file::Scratch>,
    ) -> Self {
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(BUSY_WAIT)
            .test_before_acquire(false)
            .connect_lazy_with(reading(path));
        Self {
            writer: Writer::new(options, connection),
            readers,
            clock: Arc::new(machine_time),
            pruned_to: AtomicI64::new(0),
            _scratch: scratch,
        }
    }
}

impl Durability {
    fn synchronous(self) -> SqliteSynchronous {
        match self {
            Durability::PowerLoss => SqliteSynchronous::Full,
            Durability::ProcessCrash => SqliteSynchronous::Normal,
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn begin(&self) -> Result<Box<dyn Transaction>, Error> {
        Ok(Box::new(BatchTransaction::new(self.readers.clone(), self.writer.clone(), self.clock.clone())))
    }

    async fn now(&self) -> Result<Time, Error> {
        Ok((self.clock)())
    }

    async fn key_secret(&self) -> Result<KeySecret, Error> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as(keys::SQL).fetch_all(&self.readers).await.map_err(failed)?;
        keys::read(&rows)
    }

    async fn due_deadlines(
        &self,
        limit: usize,
        again_after_s: u64,
    ) -> Result<Vec<(String, Read<Message>)>, Error> {
        self.take_due(limit, again_after_s).await
    }

    async fn put_off(&self, keys: &[String], by_s: u64) -> Result<(), Error> {
        self.move_deadlines(keys, by_s).await
    }

    async fn in_flight(&self) -> Result<Vec<Read<InFlight>>, Error> {
        self.find_in_flight().await
    }

    async fn advance_mark(&self) -> Result<(), Error> {
        self.move_mark().await
    }

    async fn prune(&self, before: Time, limit: usize) -> Result<Pruned, Error> {
        self.prune_step(before, limit).await
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn get(&self, table: Table, id: &str) -> Result<Option<String>, Error> {
        look::get(&self.readers, table, id).await
    }

    async fn get_many(&self, table: Table, ids: &[String]) -> Result<HashMap<String, String>, Error> {
        look::get_many(&self.readers, table, ids).await
    }

    async fn progress_of(&self, order_ids: &[OrderId]) -> Result<HashMap<OrderId, Progress>, Error> {
        look::progress_of(&self.readers, order_ids).await
    }

    async fn page(&self, table: Table, after: &str, limit: usize) -> Result<Vec<(String, String)>, Error> {
        look::page(&self.readers, table, after, limit).await
    }

    async fn list(&self, table: Table, filter: &Filter) -> Result<Vec<String>, Error> {
        list::list(&self.readers, table, filter).await
    }

    async fn history(&self, customer_id: &str, wanted: &History) -> Result<Vec<String>, Error> {
        look::history(&self.readers, customer_id, wanted).await
    }

    async fn orders_charged_as(&self, names: &[String]) -> Result<Vec<OrderId>, Error> {
        look::orders_charged_as(&self.readers, names).await
    }

    async fn journal_of(&self, order_id: OrderId) -> Result<Vec<Read<JournalRow>>, Error> {
        look::journal_of(&self.readers, order_id).await
    }

    async fn journal_page(&self, after: i64, limit: usize) -> Result<Vec<(i64, Read<JournalRow>)>, Error> {
        look::journal_page(&self.readers, after, limit).await
    }

    async fn deadlines(&self, limit: usize) -> Result<Vec<DeadlineRow>, Error> {
        look::deadlines(&self.readers, limit).await
    }

    async fn deadlines_of(&self, order_id: OrderId) -> Result<Vec<OrderDeadline>, Error> {
        look::deadlines_of(&self.readers, order_id).await
    }

    async fn letters(&self, wanted: &Letters) -> Result<Vec<DeadLetter>, Error> {
        letters::some(&self.readers, wanted).await
    }

    async fn oldest_of_strangers(&self, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        letters::oldest_of_strangers(&self.readers, limit).await
    }

    async fn letters_of(&self, order_id: OrderId) -> Result<Vec<DeadLetter>, Error> {
        letters::of(&self.readers, order_id).await
    }

    async fn add_redelivery_stats(&self, stats: &[RedeliveryStats]) -> Result<(), Error> {
        self.add_stats(stats).await
    }

    async fn redelivery_stats_of(&self, order_id: OrderId) -> Result<Vec<RedeliveryStats>, Error> {
        self.find_stats(order_id).await
    }

    async fn dead_groups(&self, limit: usize) -> Result<Vec<DeadGroup>, Error> {
        letters::groups(&self.readers, limit).await
    }

    async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, Error> {
        letters::one(&self.readers, id).await
    }

    async fn pauses(&self) -> Result<Vec<Pause>, Error> {
        look::pauses(&self.readers).await
    }

    async fn census(&self, from: Time, to: Time) -> Result<Census, Error> {
        census::of(&self.readers, from, to).await
    }

    async fn census_under_way(&self) -> Result<Census, Error> {
        census::under_way(&self.readers).await
    }

    async fn sign_out(&self, token: &str, until_s: u64) -> Result<(), Error> {
        self.remember_signed_out(token, until_s).await
    }

    async fn is_signed_out(&self, token: &str) -> Result<bool, Error> {
        self.find_signed_out(token).await
    }

    async fn vitals(&self) -> Result<Vitals, Error> {
        let (vitals, behind) = self.take_vitals().await?;
        // A process that may only read cannot move the mark: it gets the numbers as they are.
        if !behind || self.move_mark().await.is_err() {
            return Ok(vitals);
        }
        Ok(self.take_vitals().await?.0)
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

fn writing(path: &Path, synchronous: SqliteSynchronous) -> SqliteConnectOptions {
    connecting(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        // A checkpoint after 64 MiB of pages, so that a page that is written often is copied into the database once.
        .pragma("wal_autocheckpoint", "16384")
        .pragma("journal_size_limit", "67108864")
        // Statement journals in memory, not in files: saves a tenth of the time.
        .pragma("temp_store", "memory")
        // Only 8 MiB of pages. While the file is below 1 GiB, SQLite goes through the whole cache at every commit (it
        // borrows the number of the page at 1 GiB when it sorts others). The system caches the file anyway.
        .pragma("cache_size", "-8192")
}

fn reading(path: &Path) -> SqliteConnectOptions {
    connecting(path).pragma("query_only", "on")
}

fn connecting(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(BUSY_WAIT)
        .row_buffer_size(BUFFERED_ROWS)
        .disable_statement_logging()
}

fn machine_time() -> Time {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_unix_ms(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

/// Sorts SQLite's result codes (<https://sqlite.org/rescode.html>) by what a caller should do.
pub fn failed(error: sqlx::Error) -> Error {
    let sqlx::Error::Database(database) = &error else {
        return match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => {
                Error::Refused(error.to_string())
            }
            // The connection, its thread or its file failed, not the message.
            other => Error::Unavailable(other.to_string()),
        };
    };
    let code = code(database.as_ref());
    let why = error.to_string();
    match (code & 0xff, code) {
        (CONSTRAINT, UNIQUE | PRIMARY_KEY) => Error::Conflict(why),
        (CONSTRAINT | GENERIC | TOO_BIG | MISMATCH | RANGE, _) => Error::Refused(why),
        // Busy, locked, full, cannot be opened, unreadable or damaged: the message is not the cause.
        _ => Error::Unavailable(why),
    }
}

/// Another connection holds the lock: the statement has not begun.
fn is_busy(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|database| code(database) & 0xff == BUSY)
}

fn code(error: &dyn sqlx::error::DatabaseError) -> i32 {
    error.code().and_then(|code| code.parse().ok()).unwrap_or(0)
}

const GENERIC: i32 = 1;
const BUSY: i32 = 5;
const TOO_BIG: i32 = 18;
const CONSTRAINT: i32 = 19;
const MISMATCH: i32 = 20;
const RANGE: i32 = 25;
const PRIMARY_KEY: i32 = 1555;
const UNIQUE: i32 = 2067;
