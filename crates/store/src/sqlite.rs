//! One file holds the whole database, one connection writes it, and a commit returns when it is on the disk.

mod batch;
mod block;
mod census;
mod checkpoint;
mod deadlines;
pub mod file;
mod flight;
mod journal;
mod letters;
mod list;
mod pauses;
mod prune;
mod records;
mod redelivery;
mod row;
mod schema;
mod signed_out;
mod transaction;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use contract::{KeySecret, Time};
use serde::Deserialize;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, SqliteConnection};
use tuning::{BUFFERED_ROWS, READERS};

use super::{Database, Error, Store, Transaction, json, keys};
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
}

#[async_trait]
impl Database for SqliteStore {
    async fn key_secret(&self) -> Result<KeySecret, Error> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as(keys::SQL).fetch_all(&self.readers).await.map_err(failed)?;
        keys::read(&rows)
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
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
