//! Opens what the settings name. What is only away is waited for; what is wrong ends the process at once.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::part::{Parts, named};
use crate::adapter::mock::{self, MockWorld};
use crate::broker::Broker;
use crate::broker::embedded::EmbeddedBroker;
use crate::config::{AmqpUrl, DatabaseUrl, Settings};
use crate::store::Store;
use crate::store::sqlite::SqliteStore;

/// One system at a time on one database, and nobody changes its schema meanwhile.
pub(crate) fn lock(database: &Path) -> Result<File> {
    let path = database.with_extension("lock");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => bail!(
            "another checkout runs on {}; stop it, or give --database-url another path",
            database.display()
        ),
    }
}

pub(super) async fn store(settings: &Settings, parts: &Parts) -> Result<Arc<dyn Store>> {
    match &settings.database_url {
        DatabaseUrl::Sqlite(path) => {
            let store = SqliteStore::open(path, settings.durability).await;
            Ok(Arc::new(store.with_context(|| format!("cannot open the database {}", path.display()))?))
        }
        DatabaseUrl::Postgres(url) => bail!("{url}: {}", named(parts)),
    }
}

/// In this process the queues are refilled from the journal; a broker has kept its own.
pub(super) async fn broker(settings: &Settings, parts: &Parts, store: &dyn Store) -> Result<Arc<dyn Broker>> {
    match &settings.amqp_url {
        AmqpUrl::Embedded => {
            let in_flight = store.in_flight().await?;
            if !in_flight.is_empty() {
                tracing::info!(messages = in_flight.len(), "went on with what was in flight");
            }
            Ok(Arc::new(EmbeddedBroker::refilled(in_flight)))
        }
        AmqpUrl::At(url) => bail!("{url}: {}", named(parts)),
    }
}

/// For a command that only publishes.
pub async fn publisher(settings: &Settings, store: &dyn Store) -> Result<Arc<dyn Broker>> {
    broker(settings, &Parts::new(), store).await
}

/// For a second process beside a running one, or when nothing runs: looks, and changes nothing.
pub async fn look(settings: &Settings) -> Result<Arc<dyn Store>> {
    match &settings.database_url {
        DatabaseUrl::Sqlite(path) => {
            let store = SqliteStore::open_existing(path).await;
            Ok(Arc::new(store.with_context(|| format!("cannot look into {}", path.display()))?))
        }
        DatabaseUrl::Postgres(url) => bail!("{url}"),
    }
}

/// The mock provider's and channels' own books, apart from our database.
pub async fn open_world(settings: &Settings) -> Result<Arc<MockWorld>> {
    let mock = mock::Settings {
        success_rate: settings.provider_success_rate.0,
        delay_least_ms: settings.provider_delay_ms.from,
        delay_most_ms: settings.provider_delay_ms.to,
        late_ms: settings.provider_late_ms,
        seed: settings.provider_seed,
    };
    match &settings.database_url {
        DatabaseUrl::Sqlite(path) => {
            let path = world_path(path);
            MockWorld::open(&path, mock).await.with_context(|| format!("cannot open {}", path.display()))
        }
        DatabaseUrl::Postgres(url) => bail!("{url}"),
    }
}

/// Beside the database, and apart from it.
pub fn world_path(database: &Path) -> PathBuf {
    database.with_extension("world.db")
}
