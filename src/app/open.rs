//! Opens what the settings name. What is away is waited for; what is wrong ends the process at once.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters::mock::{self, MockWorld};
use anyhow::{Context, Result, bail};
use broker::Broker;
use broker::embedded::EmbeddedBroker;
use broker::rabbitmq::{self, Logins, RabbitBroker};
use engine::ingress::Backpressure;
use engine::part::{Part, Parts, named, queues};
use engine::run::{BatchSize, Linger};
use retry::Delays;
use settings::{AmqpUrl, DatabaseUrl, Settings, WebhookUrl};
use store::postgres::{Options as PostgresOptions, PostgresStore};
use store::sqlite::SqliteStore;
use store::{self, Database, InFlight};

/// One system at a time on one database, and no migration meanwhile.
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

pub(super) async fn store(settings: &Settings, parts: &Parts) -> Result<Arc<dyn Database>> {
    match &settings.database_url {
        DatabaseUrl::Sqlite(path) => {
            let store = SqliteStore::open(path, settings.durability).await;
            Ok(Arc::new(store.with_context(|| format!("cannot open the database {}", path.display()))?))
        }
        DatabaseUrl::Postgres(url) => {
            let options = PostgresOptions {
                connections: connections(parts, concurrency(&settings.database_url, parts)),
                ..PostgresOptions::named(&format!("checkout {}", named(parts)))
            };
            let works: Vec<_> = parts.iter().map(|part| part.work()).collect();
            let open = async || {
                let store = PostgresStore::open(url.reveal(), options.clone()).await?;
                store.check_rights(&works).await?;
                Ok(store)
            };
            let store = wait_for("the database", open).await.with_context(|| url.to_string())?;
            Ok(Arc::new(store))
        }
    }
}

/// How many batches a role has in hand at once under load.
pub(super) fn concurrency(database: &DatabaseUrl, parts: &Parts) -> u32 {
    let roles = parts.iter().filter(|part| matches!(part, Part::Worker(_))).count();
    match (database, roles) {
        (DatabaseUrl::Sqlite(_), _) => tuning::CONSUMERS_ON_SQLITE,
        (DatabaseUrl::Postgres(_), ..=1) => tuning::CONSUMERS_ON_POSTGRES,
        (DatabaseUrl::Postgres(_), _) => tuning::CONSUMERS_ON_POSTGRES_TOGETHER,
    }
}

/// How a role's consumers share its queues.
pub(super) fn linger(database: &DatabaseUrl) -> Linger {
    match database {
        DatabaseUrl::Sqlite(_) => Linger::default(),
        DatabaseUrl::Postgres(_) => Linger::waiting(tuning::LINGER_ON_POSTGRES),
    }
}

/// How large batches are.
pub(super) fn batch_size(settings: &Settings, backpressure: Backpressure) -> BatchSize {
    let in_a_rush = match &settings.database_url {
        DatabaseUrl::Sqlite(_) => tuning::RUSH_DIVISOR_ON_SQLITE,
        DatabaseUrl::Postgres(_) => tuning::RUSH_DIVISOR_ON_POSTGRES,
    };
    BatchSize::under(backpressure, settings.batch_max, in_a_rush)
}

/// The least time between the beginnings of two batches of the ingress while requests flow.
pub(super) fn ingress_interval(database: &DatabaseUrl) -> Duration {
    match database {
        DatabaseUrl::Sqlite(_) => Duration::ZERO,
        DatabaseUrl::Postgres(_) => tuning::INGRESS_INTERVAL_ON_POSTGRES,
    }
}

/// One for each running batch, and two for reading: pauses and probes.
fn connections(parts: &Parts, concurrency: u32) -> u32 {
    u32::try_from(parts.len()).unwrap_or(u32::MAX).saturating_mul(concurrency).saturating_add(2)
}

/// `None` when the queues are in this process.
pub fn rabbit_options(settings: &Settings, name: &str) -> Option<rabbitmq::Options> {
    let AmqpUrl::At(url) = &settings.amqp_url else { return None };
    Some(rabbitmq::Options {
        url: url.reveal().to_string(),
        prefix: settings.prefix.to_string(),
        connection_name: format!("checkout {name}"),
        batch_max: settings.batch_max,
        consume: Vec::new(),
        logins: settings.separate_logins.then(|| settings.logins.as_str().to_string()),
    })
}

/// Embedded queues are refilled from the journal; a broker has kept its own.
pub(super) async fn broker(
    settings: &Settings,
    parts: &Parts,
    store: &dyn Database,
) -> Result<Arc<dyn Broker>> {
    let Some(options) = rabbit_options(settings, &named(parts)) else {
        let mut in_flight = Vec::new();
        for found in store.in_flight().await? {
            match found {
                Ok(InFlight { queue, message, .. }) => in_flight.push((queue, message)),
                Err(why) => tracing::error!("{why}; what it said stays where it is; run `checkout audit`"),
            }
        }
        if !in_flight.is_empty() {
            tracing::info!(messages = in_flight.len(), "went on with what was in flight");
        }
        return Ok(Arc::new(EmbeddedBroker::refilled(in_flight)));
    };
    must_speak_for(parts, &options.who_speaks()?)?;
    wait_for("the broker", async || Ok(rabbitmq::ping(&options).await?)).await?;
    let broker = RabbitBroker::connect(rabbitmq::Options { consume: queues(parts), ..options })?;
    // A wrong topology is logged, and may be corrected while we wait.
    broker.up().await;
    Ok(broker)
}

/// A message from a login that may not send it would be refused by every consumer.
fn must_speak_for(parts: &Parts, logins: &Logins) -> Result<()> {
    let silent: Vec<_> = parts.iter().map(Part::to_string).filter(|part| !logins.speaks_for(part)).collect();
    if silent.is_empty() {
        return Ok(());
    }
    let own = logins.own();
    bail!(
        "this process is to run {}, and its login on the broker, {own:?}, does not speak for that: nothing it says would \
         be believed. Give it another login in amqp_url, or name this one in the setting logins of every process: \
         {own}={}",
        silent.join(", "),
        parts.iter().map(Part::to_string).collect::<Vec<_>>().join("+")
    )
}

/// Why something could not be opened.
enum OpenError {
    /// It may be available in a moment.
    Away(String),
    /// It has answered, and waiting would not change the answer.
    Refused(String),
}

impl From<store::Error> for OpenError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Refused(why) => OpenError::Refused(why),
            // A migration may be running at this moment.
            store::Error::Unavailable(why) | store::Error::Conflict(why) | store::Error::Unknown(why) => {
                OpenError::Away(why)
            }
        }
    }
}

impl From<rabbitmq::ConnectError> for OpenError {
    fn from(error: rabbitmq::ConnectError) -> Self {
        match error {
            rabbitmq::ConnectError::Away(why) => OpenError::Away(why),
            rabbitmq::ConnectError::Refused(why) => OpenError::Refused(why),
        }
    }
}

/// Logs what is waited for, once and then every so often, and returns when there is an answer.
async fn wait_for<T>(what: &str, mut open: impl AsyncFnMut() -> Result<T, OpenError>) -> Result<T> {
    let mut delays = Delays::new();
    let mut said: Option<Instant> = None;
    loop {
        match open().await {
            Ok(opened) => return Ok(opened),
            Err(OpenError::Refused(why)) => bail!("{what} refuses us: {why}"),
            Err(OpenError::Away(why)) => {
                if said.is_none_or(|at| at.elapsed() > LOG_EVERY) {
                    tracing::warn!("waiting for {what}: {why}");
                    said = Some(Instant::now());
                }
            }
        }
        tokio::time::sleep(delays.next_delay()).await;
    }
}

/// A waiting process should not look dead in its log.
const LOG_EVERY: Duration = Duration::from_secs(30);

/// For a command that only publishes.
pub async fn publisher(settings: &Settings, store: &dyn Database) -> Result<Arc<dyn Broker>> {
    broker(settings, &Parts::new(), store).await
}

/// For a second process beside a running one, or when none runs: read-only.
pub async fn look(settings: &Settings) -> Result<Arc<dyn Database>> {
    match &settings.database_url {
        DatabaseUrl::Sqlite(path) => {
            let store = SqliteStore::open_existing(path).await;
            Ok(Arc::new(store.with_context(|| format!("cannot look into {}", path.display()))?))
        }
        DatabaseUrl::Postgres(url) => {
            // Opening would migrate, and only running systems and `checkout migrate` should do that.
            let missing = PostgresStore::migrations_pending(url.reveal()).await;
            let missing = missing.with_context(|| format!("cannot look into {url}"))?;
            if !missing.is_empty() {
                bail!("{url} lacks migrations ({}); run `checkout migrate up`", missing.join(", "));
            }
            let options = PostgresOptions { connections: 2, ..PostgresOptions::named("checkout looks") };
            let store = PostgresStore::open(url.reveal(), options).await;
            Ok(Arc::new(store.with_context(|| format!("cannot look into {url}"))?))
        }
    }
}

/// The books of the mock provider and channels, apart from our database.
pub async fn open_world(settings: &Settings) -> Result<Arc<MockWorld>> {
    let mock = mock::Settings {
        success_rate: settings.provider_success_rate.0,
        delay_least_ms: settings.provider_delay_ms.from,
        delay_most_ms: settings.provider_delay_ms.to,
        late_ms: settings.provider_late_ms,
        seed: settings.provider_seed,
        courier_brings_all: settings.provider_webhook_url != WebhookUrl::Nowhere,
    };
    match &settings.database_url {
        DatabaseUrl::Sqlite(path) => {
            let path = world_path(path);
            MockWorld::open(&path, mock).await.with_context(|| format!("cannot open {}", path.display()))
        }
        DatabaseUrl::Postgres(url) => {
            MockWorld::on_postgres(url.reveal(), mock).with_context(|| format!("cannot open {url}"))
        }
    }
}

/// Beside the database file, and apart from it.
pub fn world_path(database: &Path) -> PathBuf {
    database.with_extension("world.db")
}
