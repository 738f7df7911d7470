//! The mock world remembers, in books of its own: a restart forgets nothing that it charged, told or sent.
//!
//! It stands for all outside parties: the payment provider, the customers' mailboxes and their phones. Whether money
//! moves is decided by `rules`, which do no I/O; a simulation applies them to `books` in memory, and `ledger` to a
//! `storage`. A storage commits before, and apart from, the caller's transaction, as a real provider would.

pub mod audit;
pub mod books;
mod courier;
mod draw;
mod ledger;
mod lines;
mod parcel;
mod postgres;
pub mod rules;
mod script;
mod sent;
mod sqlite;
mod storage;
mod told;

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use contract::Time;
use store::Error;
use store::sqlite::file;
use tokio::sync::Notify;

pub use parcel::{Parcel, Refused};
pub use rules::Settings;
pub use sent::MockChannel;

use super::Failure;
use postgres::PostgresStorage;
use sqlite::SqliteStorage;
use storage::MockStorage;

pub struct MockWorld {
    settings: Settings,
    clock: Clock,
    storage: Box<dyn MockStorage>,
    /// Notified when an event was booked that a courier has to deliver.
    booked: Notify,
}

/// The outside world has a clock of its own. A test sets it.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

impl MockWorld {
    /// Creates the file and its directory if they do not exist.
    pub async fn open(path: &Path, settings: Settings) -> Result<Arc<Self>, Failure> {
        Self::open_at(path, settings, Arc::new(wall_clock)).await
    }

    pub async fn open_at(path: &Path, settings: Settings, clock: Clock) -> Result<Arc<Self>, Failure> {
        // It holds addresses.
        file::create(path).map_err(|why| Failure::Unavailable("the mock world", why.to_string()))?;
        let storage = SqliteStorage::open(path).await.map_err(|error| {
            Failure::Unavailable("the mock world", format!("{}: {error}", path.display()))
        })?;
        Ok(Self::with(Box::new(storage), settings, clock))
    }

    /// In the schema `world` of that database, or in `…_world` where the URL names a schema: any number of processes
    /// share it. It is created and connected to when it is first used.
    pub fn on_postgres(url: &str, settings: Settings) -> Result<Arc<Self>, Failure> {
        Self::on_postgres_at(url, settings, Arc::new(wall_clock))
    }

    pub fn on_postgres_at(url: &str, settings: Settings, clock: Clock) -> Result<Arc<Self>, Failure> {
        let storage = PostgresStorage::at(url).map_err(|error| failure(&error))?;
        Ok(Self::with(Box::new(storage), settings, clock))
    }

    fn with(storage: Box<dyn MockStorage>, settings: Settings, clock: Clock) -> Arc<Self> {
        Arc::new(Self { settings, clock, storage, booked: Notify::new() })
    }

    pub fn now(&self) -> Time {
        (self.clock)()
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.storage.close().await;
    }
}

fn wall_clock() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn failure(error: &Error) -> Failure {
    match error {
        Error::Refused(why) => Failure::Refused("the mock world", why.clone()),
        Error::Unavailable(why) | Error::Conflict(why) | Error::Unknown(why) => {
            Failure::Unavailable("the mock world", why.clone())
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
