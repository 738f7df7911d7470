//! Starts the parts of a system in this process, and stops them gracefully: running batches are finished first.

mod archive;
mod courier;
mod handlers;
mod open;
mod prune;

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use adapters::mock::MockWorld;
use anyhow::{Context, Result};
use axum::Router;
use broker::Broker;
use engine::import;
use engine::ingress::Ingress;
use engine::part::{Part, Parts, WORKERS};
use engine::pause::Paused;
use engine::probe::{self, Probe};
use engine::redelivery::RedeliveryRecorder;
use engine::run::{Consumer, LocalHandlers};
use engine::timers;
use gateway::listener::{self, Caps};
use gateway::{self, Deps, RunFile};
use playground::chaos::Chaos;
use settings::{Listen, Settings};
use store::Database;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use handlers::dry_run;
pub(crate) use open::lock;
pub use open::{look, open_world, publisher, rabbit_options, world_path};

pub struct System {
    pub store: Arc<dyn Database>,
    pub broker: Arc<dyn Broker>,
    pub ingress: Ingress,
    redeliveries: RedeliveryRecorder,
    world: Option<Arc<MockWorld>>,
    parts: Parts,
    /// Only in a shop to play with.
    chaos: Option<Arc<Chaos>>,
    address: Option<SocketAddr>,
    ops_address: Option<SocketAddr>,
    /// Only for a file: on a server the settings alone lead commands to the system.
    run: Option<(PathBuf, RunFile)>,
    tasks: JoinSet<&'static str>,
    stop: CancellationToken,
    /// Held while this process runs: two systems on one file would each have queues of their own.
    _lock: Option<File>,
}

/// What a system is run for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    Work,
    /// A shop to play with, for the person at this machine: with fault injection.
    Play,
}

/// A running batch is finished well within this; a stuck disk is not waited for.
const STOP_WITHIN: Duration = Duration::from_secs(10);

impl System {
    /// Waits for a database and a broker that are away; ends at once when they refuse us.
    pub async fn start(settings: &Settings, parts: &Parts) -> Result<Self> {
        Self::start_for(Purpose::Work, settings, parts).await
    }

    pub async fn start_for(purpose: Purpose, settings: &Settings, parts: &Parts) -> Result<Self> {
        let file = settings.database_url.file();
        let lock = file.map(open::lock).transpose()?;
        let listener = listen(settings.listen, "--listen").await?;
        let ops_listener = listen(settings.ops_listen, "--ops-listen").await?;
        let address = listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let ops_address = ops_listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let store = open::store(settings, parts).await?;
        let world = match parts.iter().any(|part| part.is_outside()) {
            true => Some(open_world(settings).await?),
            false => None,
        };
        let broker = open::broker(settings, parts, &*store).await?;
        let chaos = (purpose == Purpose::Play).then(|| Chaos::around(broker.clone()));
        let broker = chaos.as_ref().map_or(broker, |chaos| chaos.faulty_broker(None));
        let stop = CancellationToken::new();
        let (redeliveries, record_redeliveries) = RedeliveryRecorder::recording(store.clone(), stop.clone());
        let interval = open::ingress_interval(&settings.database_url);
        let (ingress, run_ingress) =
            Ingress::open(store.clone(), broker.clone(), redeliveries.clone(), interval, stop.clone());
        let mut system = Self {
            store,
            broker,
            ingress,
            redeliveries,
            world,
            parts: parts.clone(),
            chaos,
            address,
            ops_address,
            run: file.zip(address).map(|(file, address)| (file.to_path_buf(), RunFile::new(address))),
            tasks: JoinSet::new(),
            stop,
            _lock: lock,
        };
        system.spawn("the ingress", run_ingress);
        system.spawn("redelivery counts", record_redeliveries);
        system.spawn_workers(settings);
        system.spawn_timers(settings);
        let probe = Probe::new(system.store.clone(), system.broker.clone(), system.parts.clone());
        if let Some(listener) = ops_listener {
            system.spawn_listener("the ops listener", settings, listener, probe::routes(probe.clone()));
        }
        if let Some(listener) = listener {
            system.spawn_pages(settings, listener, probe).await?;
        }
        Ok(system)
    }

    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The address of the separate listener for health, readiness and metrics, if there is one.
    pub fn ops_address(&self) -> Option<SocketAddr> {
        self.ops_address
    }

    /// The mock world; only a process that deals with it has it.
    pub fn world(&self) -> Result<&MockWorld> {
        self.world.as_deref().context("this process does not deal with the world outside")
    }

    /// Publishes our address for other commands; called once the sample goods are in stock.
    pub fn announce(&self) -> Result<()> {
        self.run.as_ref().map_or(Ok(()), |(database, run)| run.write(database))
    }

    /// Waits until a part ends that should not: then the process should end too, and be started again.
    pub async fn broken(&mut self) -> String {
        match self.tasks.join_next().await {
            Some(Ok(name)) => format!("{name} ended unasked"),
            Some(Err(panic)) => format!("a part of the system panicked: {panic}"),
            None => "nothing runs".to_string(),
        }
    }

    /// Finishes running batches, and takes nothing new.
    pub async fn stop(mut self) -> Result<()> {
        self.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_WITHIN, ended).await.is_err() {
            tracing::warn!("some parts did not stop in time; nothing is lost by that");
        }
        if self.parts.contains(&Part::Timers)
            && let Err(why) = self.store.advance_mark().await
        {
            tracing::warn!("the next start will look further back: {why}");
        }
        self.store.close().await;
        if let Some(world) = self.world {
            world.close().await;
        }
        if let Some((database, _)) = self.run {
            std::fs::remove_file(RunFile::path(&database)).ok();
        }
        Ok(())
    }

    fn spawn_workers(&mut self, settings: &Settings) {
        let (paused, keep_looking) = Paused::watching(self.store.clone(), self.stop.clone());
        let here = WORKERS.into_iter().filter(|(role, _)| self.parts.contains(&Part::Worker(*role)));
        let handlers: Vec<_> = here
            .filter_map(|(role, queues)| {
                Some((handlers::handler(role, settings, self.world.as_ref())?, queues))
            })
            .collect();
        if handlers.is_empty() {
            return;
        }
        let local_handlers = LocalHandlers::of(handlers.iter().map(|(handler, _)| handler.clone()));
        if let Some(chaos) = &self.chaos {
            chaos.separates(local_handlers.clone());
        }
        for (handler, queues) in handlers {
            let (store, broker, paused) = (self.store.clone(), self.broker.clone(), paused.clone());
            let batch_size = open::batch_size(settings, self.ingress.backpressure());
            let local_handlers = local_handlers.clone();
            let (redeliveries, linger) = (self.redeliveries.clone(), open::linger(&settings.database_url));
            let name = handler.role().name();
            let consumer = Consumer {
                store,
                broker,
                handler,
                queues,
                batch_size,
                paused,
                local_handlers,
                redeliveries,
                linger,
            };
            let concurrency = open::concurrency(&settings.database_url, &self.parts);
            if let Some(chaos) = self.chaos.clone() {
                self.spawn(name, chaos.keep_alive(consumer, concurrency, self.stop.clone()));
                continue;
            }
            for _ in 0..concurrency {
                self.spawn(name, consumer.clone().run(self.stop.clone()));
            }
        }
        self.spawn("pauses", keep_looking);
    }

    fn spawn_timers(&mut self, settings: &Settings) {
        if !self.parts.contains(&Part::Timers) {
            return;
        }
        let (store, broker, stop) = (self.store.clone(), self.broker.clone(), self.stop.clone());
        self.spawn("timers", timers::run(store.clone(), broker.clone(), stop.clone()));
        self.spawn("the import of dead letters", import::run(store.clone(), broker, stop.clone()));
        if let Some(world) = self.world.clone() {
            let way = courier::Way::of(settings, &self.ingress);
            self.spawn("courier", courier::bring_events(world, way, stop.clone()));
        }
        let keep_archive = archive::keep_archive(
            store.clone(),
            self.ingress.clone(),
            settings.archive_after_days,
            stop.clone(),
        );
        self.spawn("the archive", keep_archive);
        self.spawn("housekeeping", prune::prune_loop(store, settings.journal_keep_days, stop));
    }

    /// The gateway serves all pages; every other process only health, readiness and metrics.
    async fn spawn_pages(
        &mut self,
        settings: &Settings,
        listener: TcpListener,
        probe: Arc<Probe>,
    ) -> Result<()> {
        let vital = match settings.ops_listen {
            Listen::Nowhere => probe::routes(probe.clone()),
            Listen::At(_) => probe::health_routes(probe.clone()),
        };
        if !self.parts.contains(&Part::Gateway) {
            self.spawn_listener("the listener", settings, listener, vital);
            return Ok(());
        }
        let (store, broker, ingress) = (self.store.clone(), self.broker.clone(), self.ingress.clone());
        let world = match &self.world {
            Some(world) => world.clone(),
            // The dashboard's auditor compares our books with the world's.
            None => open_world(settings).await?,
        };
        let stop = self.stop.clone();
        let (dry_run, chaos) = (handlers::dry_run(settings), self.chaos.clone());
        let deps = Deps { store, broker, ingress, probe, dry_run, world, chaos, stop };
        let gateway = gateway::open(settings, deps, self.run.as_ref().map(|(_, run)| run)).await?;
        self.spawn("the gateway", gateway::serve(gateway, listener, vital, Caps::of(settings)));
        Ok(())
    }

    fn spawn_listener(
        &mut self,
        name: &'static str,
        settings: &Settings,
        listener: TcpListener,
        routes: Router,
    ) {
        let (caps, stop) = (Caps::of(settings), self.stop.clone());
        self.spawn(name, listener::serve(listener, routes.clone(), routes, caps, stop));
    }

    fn spawn(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(async move {
            work.await;
            name
        });
    }
}

async fn listen(listen: Listen, flag: &str) -> Result<Option<TcpListener>> {
    let Listen::At(address) = listen else { return Ok(None) };
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address}; choose another address with {flag}, port 0 picks a free one, none has none"
        )
    })?;
    Ok(Some(listener))
}
