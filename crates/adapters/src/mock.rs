//! The mock world remembers, in books of its own: nothing it charged, told or sent is forgotten by a restart.
//!
//! It stands for everybody outside: the payment provider, the customers' mailboxes and their phones. Whether
//! money moves is decided by `rules`, which touch nothing; a simulation plays by them on `books` in memory, and
//! `ledger` on a `shelf`. A shelf commits before, and apart from, the transaction of whoever asked, as a real
//! provider would.

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
    /// Rings when an event was booked that a courier has to bring.
    booked: Notify,
}

/// The world outside has a clock of its own. A test turns its hands.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

impl MockWorld {
    /// The file and its directory are made if they are not there.
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

    /// In the schema `world` of that database, or in `…_world` where the address names a schema: any number of
    /// processes share it. It is made when it is first used, and a database that is away is so until then.
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

    /// After this nothing of ours is open there any more.
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
