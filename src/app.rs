//! Puts a whole system together in one process, and takes it apart in order: what is in hand is finished first.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use contract::{Body, Message, MessageId, Queue};
use notification::NotificationWorker;
use order::OrderWorker;
use payment::PaymentWorker;
use saga::{Patience, SagaWorker};
use stock::StockWorker;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::adapter::email::EmailAdapter;
use crate::adapter::mock::{self, MockWorld};
use crate::adapter::provider::ProviderAdapter;
use crate::adapter::sms::SmsAdapter;
use crate::broker::Broker;
use crate::broker::embedded::EmbeddedBroker;
use crate::config::Settings;
use crate::door::Door;
use crate::gateway::{self, Gateway, RunFile};
use crate::import;
use crate::run::{Decides, Hand, Reaches, Station};
use crate::store::Store;
use crate::store::sqlite::SqliteStore;
use crate::timers;

pub struct System {
    pub store: Arc<dyn Store>,
    pub broker: Arc<dyn Broker>,
    pub door: Door,
    pub world: Arc<MockWorld>,
    run: RunFile,
    database: PathBuf,
    tasks: JoinSet<&'static str>,
    stop: CancellationToken,
    /// Held as long as we run: two systems on one file would each have queues of their own.
    _lock: File,
}

/// A batch in hand is finished well within this; a stuck disk is not waited for.
const STOP_WITHIN: Duration = Duration::from_secs(10);
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(30);
const PRUNED_AT_ONCE: usize = 200;
const EVENTS_AT_ONCE: usize = 500;

impl System {
    pub async fn start(settings: &Settings) -> Result<Self> {
        let database = settings.database_url.path.clone();
        let lock = lock(&database)?;
        let listener = TcpListener::bind(settings.listen).await.with_context(|| {
            format!(
                "cannot listen on {}; choose another address with --listen, port 0 picks a free one",
                settings.listen
            )
        })?;
        let address = listener.local_addr()?;
        let sqlite = SqliteStore::open(&database, settings.durability)
            .await
            .with_context(|| format!("cannot open the database {}", database.display()))?;
        let store: Arc<dyn Store> = Arc::new(sqlite);
        let world = open_world(settings).await?;
        let in_flight = store.in_flight().await?;
        if !in_flight.is_empty() {
            tracing::info!(messages = in_flight.len(), "went on with what was in flight");
        }
        let broker: Arc<dyn Broker> = Arc::new(EmbeddedBroker::refilled(in_flight));
        let stop = CancellationToken::new();
        let (door, keep_door) = Door::open(store.clone(), broker.clone(), stop.clone());
        let mut tasks = JoinSet::new();
        spawn(&mut tasks, "the door", keep_door);
        for (name, hand, queues) in hands(settings, &world) {
            let (store, broker) = (store.clone(), broker.clone());
            let station = Station { store, broker, hand, queues, batch_max: settings.batch_max };
            spawn(&mut tasks, name, station.run(stop.clone()));
        }
        spawn(&mut tasks, "timers", timers::run(store.clone(), broker.clone(), stop.clone()));
        spawn(&mut tasks, "importer", import::run(store.clone(), broker.clone(), stop.clone()));
        spawn(&mut tasks, "courier", bring_events(world.clone(), door.clone(), stop.clone()));
        spawn(
            &mut tasks,
            "housekeeping",
            keep_house(store.clone(), settings.journal_keep_days, stop.clone()),
        );
        let token = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let run = RunFile { address, token: token.clone(), pid: std::process::id() };
        let gateway =
            Gateway { store: store.clone(), broker: broker.clone(), door: door.clone(), token: token.into() };
        let serving = gateway::serve(gateway, listener, stop.clone());
        spawn(&mut tasks, "gateway", async move {
            if let Err(why) = serving.await {
                tracing::error!("{why:#}");
            }
        });
        Ok(Self { store, broker, door, world, run, database, tasks, stop, _lock: lock })
    }

    pub fn address(&self) -> SocketAddr {
        self.run.address
    }

    /// Tells other commands where we are, once there is something to order.
    pub fn announce(&self) -> Result<()> {
        self.run.write(&self.database)
    }

    /// Waits until a part ends that should not: then the process should end too, and be started again.
    pub async fn broken(&mut self) -> String {
        match self.tasks.join_next().await {
            Some(Ok(name)) => format!("{name} ended unasked"),
            Some(Err(panic)) => format!("a part of the system panicked: {panic}"),
            None => "nothing runs".to_string(),
        }
    }

    /// Finishes what is in hand, and takes nothing new.
    pub async fn stop(mut self) -> Result<()> {
        self.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_WITHIN, ended).await.is_err() {
            tracing::warn!("some parts did not stop in time; nothing is lost by that");
        }
        self.store.advance_mark().await?;
        self.world.close().await;
        std::fs::remove_file(RunFile::path(&self.database)).ok();
        Ok(())
    }
}

fn spawn(
    tasks: &mut JoinSet<&'static str>,
    name: &'static str,
    work: impl Future<Output = ()> + Send + 'static,
) {
    tasks.spawn(async move {
        work.await;
        name
    });
}

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

/// The mock provider's and channels' own file, beside the database and apart from it.
pub fn world_path(settings: &Settings) -> PathBuf {
    settings.database_url.path.with_extension("world.db")
}

pub async fn open_world(settings: &Settings) -> Result<Arc<MockWorld>> {
    let path = world_path(settings);
    let mock = mock::Settings {
        success_rate: settings.provider_success_rate.0,
        delay_least_ms: settings.provider_delay_ms.from,
        delay_most_ms: settings.provider_delay_ms.to,
        late_ms: settings.provider_late_ms,
        seed: settings.provider_seed,
    };
    MockWorld::open(&path, mock).await.with_context(|| format!("cannot open {}", path.display()))
}

/// Who sits at which queues.
fn hands(
    settings: &Settings,
    world: &Arc<MockWorld>,
) -> [(&'static str, Arc<dyn Hand>, &'static [Queue]); 8] {
    let patience = Patience {
        stock_s: settings.stock_patience_s,
        payment_s: settings.payment_patience_s,
        ship_s: settings.ship_patience_s,
        cod_s: settings.cod_patience_s,
    };
    let email = EmailAdapter(Arc::new(world.email()));
    let sms = SmsAdapter(Arc::new(world.sms()));
    [
        // New checkouts come last, so that under overload accepted orders finish first.
        ("order", Arc::new(Decides(OrderWorker)), &[Queue::Order, Queue::Intake]),
        ("payment", Arc::new(Decides(PaymentWorker)), &[Queue::Payment]),
        ("stock", Arc::new(Decides(StockWorker)), &[Queue::Stock]),
        ("notification", Arc::new(Decides(NotificationWorker)), &[Queue::Notification]),
        ("saga", Arc::new(Decides(SagaWorker { patience })), &[Queue::Saga]),
        ("provider", Arc::new(Reaches(ProviderAdapter(world.clone()))), &[Queue::Provider]),
        ("email", Arc::new(Reaches(email)), &[Queue::Email]),
        ("sms", Arc::new(Reaches(sms)), &[Queue::Sms]),
    ]
}

/// Brings the mock provider's events in by the door, as its webhook would.
async fn bring_events(world: Arc<MockWorld>, door: Door, stop: CancellationToken) {
    loop {
        let due = tokio::select! {
            () = stop.cancelled() => return,
            due = world.wait_due(Duration::from_secs(1)) => due,
        };
        let brought = match due {
            Ok(()) => bring_due(&world, &door).await,
            Err(why) => Err(why.into()),
        };
        if let Err(why) = brought {
            tracing::warn!("the provider's events wait: {why:#}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

async fn bring_due(world: &MockWorld, door: &Door) -> Result<()> {
    let now = world.now();
    let events = world.due_events(now, EVENTS_AT_ONCE).await?;
    let brought = events.into_iter().map(|event| async move {
        let id = MessageId::new(&event.id).context("the provider's event has no usable id")?;
        let name = event.id.clone();
        // A reused id is the provider's mistake and is said once; trying again would not mend it.
        match door.accept(Message::new(id, now, Body::ProviderEvent(event))).await {
            Ok(_) => Ok(name),
            Err(crate::door::Refused::IdReused) => {
                tracing::error!(event = name, "the provider used an event id twice");
                Ok(name)
            }
            Err(refused) => Err(anyhow::Error::from(refused)),
        }
    });
    let ids: Vec<String> = futures_util::future::try_join_all(brought).await?;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    if !ids.is_empty() {
        world.delivered(&ids).await?;
    }
    Ok(())
}

async fn keep_house(store: Arc<dyn Store>, keep_days: u64, stop: CancellationToken) {
    let keep_ms = i64::try_from(keep_days.saturating_mul(24 * 3600 * 1000)).unwrap_or(i64::MAX);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(HOUSEKEEPING_EVERY) => {}
        }
        let cleaned = async {
            store.advance_mark().await?;
            let before = contract::Time::from_unix_ms(store.now().await?.unix_ms().saturating_sub(keep_ms));
            store.prune(before, PRUNED_AT_ONCE).await
        };
        match cleaned.await {
            Ok(0) => {}
            Ok(orders) => tracing::info!(orders, "pruned the journal of ended orders"),
            Err(why) => tracing::warn!("housekeeping waits: {why}"),
        }
    }
}

/// For a second process beside a running one, or when nothing runs: looks, and changes nothing.
pub async fn look(settings: &Settings) -> Result<Arc<dyn Store>> {
    let path = &settings.database_url.path;
    let store = SqliteStore::open_existing(path).await;
    Ok(Arc::new(store.with_context(|| format!("cannot look into {}", path.display()))?))
}
