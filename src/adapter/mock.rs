//! The mock world remembers, in a file of its own: nothing it charged, told or sent is forgotten by a restart.
//!
//! It stands for everybody outside: the payment provider, the customers' mailboxes and their phones. Whether
//! money moves is decided by `rules`, which touch nothing; a simulation plays by them on `books` in memory, and
//! `ledger` on SQLite. The file commits before, and apart from, the transaction of whoever asked, as a real
//! provider would.

pub mod audit;
pub mod books;
mod courier;
mod draw;
mod ledger;
pub mod rules;
mod script;
mod sent;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use contract::Time;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::sync::Notify;

pub use rules::Settings;
pub use sent::MockChannel;

use super::Failure;
use crate::store::sqlite::file;

pub struct MockWorld {
    settings: Settings,
    clock: Clock,
    /// One connection: SQLite has one writer at a time, and queueing here is fairer than its busy waiting.
    writer: SqlitePool,
    reader: SqlitePool,
    /// Rings when an event was booked that a courier has to bring.
    booked: Notify,
}

/// The world outside has a clock of its own. A test turns its hands.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// How long to wait for another process that writes to the same file.
const BUSY: Duration = Duration::from_secs(10);
/// For the auditor and the courier, who only look.
const READERS: u32 = 4;

impl MockWorld {
    /// The file and its directory are made if they are not there.
    pub async fn open(path: &Path, settings: Settings) -> Result<Arc<Self>, Failure> {
        Self::open_at(path, settings, Arc::new(wall_clock)).await
    }

    pub async fn open_at(path: &Path, settings: Settings, clock: Clock) -> Result<Arc<Self>, Failure> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY);
        // It holds addresses.
        file::create(path).map_err(|why| Failure::Unavailable("the mock world", why.to_string()))?;
        let open = async {
            let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
            sqlx::raw_sql(SCHEMA).execute(&writer).await?;
            let reader = SqlitePoolOptions::new().max_connections(READERS).connect_with(options).await?;
            Ok((writer, reader))
        };
        let (writer, reader) = open.await.map_err(|error: sqlx::Error| {
            Failure::Unavailable("the mock world", format!("{}: {error}", path.display()))
        })?;
        Ok(Arc::new(Self { settings, clock, writer, reader, booked: Notify::new() }))
    }

    pub fn now(&self) -> Time {
        (self.clock)()
    }

    /// After this everything is in the one file, without its log beside it.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

const SCHEMA: &str = include_str!("mock/schema.sql");

fn wall_clock() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn unavailable(error: sqlx::Error) -> Failure {
    Failure::Unavailable("the mock world", error.to_string())
}

/// The file holds what we never wrote.
fn unreadable(what: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("the mock world's file holds an impossible {what}").into())
}

/// A batch travels to SQLite as one JSON array, so that its statements are as many as its tables.
fn json(rows: &impl serde::Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(error.into()))
}

#[cfg(test)]
mod tests;
