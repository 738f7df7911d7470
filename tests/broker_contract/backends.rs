//! Each broker, what it leaves behind when its process dies, and how tests ask it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use broker::embedded::EmbeddedBroker;
use broker::rabbitmq::RabbitBroker;
use broker::{Broker, Delivery};
use contract::{Queue, Role};
use store::sqlite::SqliteStore;
use store::{Changes, Database, Emitted, JournalRow};
use tokio::time::timeout;

use super::row;
use crate::support::rabbit::Namespace;

/// A broker that a test can kill, and what it leaves behind.
#[async_trait]
pub(super) trait Backend: Send + Sync {
    fn store(&self) -> Arc<dyn Database>;

    /// The broker as a process that starts now gets it, whatever happened to the one before.
    async fn open(&self) -> Arc<dyn Broker>;

    /// The process dies. Its messages on the broker stay.
    async fn die(&mut self);

    /// What an operator does, or a start does by itself, so that no emitted message is missing.
    async fn refill(&self, broker: &dyn Broker);

    /// Whether `depth` counts the messages that wait for a retry.
    fn counts_what_waits(&self) -> bool;

    /// A queue that brings nothing for this long is empty.
    fn quiet(&self) -> Duration;
}

pub(super) struct Embedded(Arc<dyn Database>);

impl Embedded {
    pub(super) async fn fresh() -> Self {
        Self(Arc::new(SqliteStore::in_memory().await.unwrap()))
    }
}

#[async_trait]
impl Backend for Embedded {
    fn store(&self) -> Arc<dyn Database> {
        self.0.clone()
    }

    async fn open(&self) -> Arc<dyn Broker> {
        let found = self.0.in_flight().await.unwrap().into_iter().flatten();
        Arc::new(EmbeddedBroker::refilled(found.map(|one| (one.queue, one.message)).collect()))
    }

    async fn die(&mut self) {}

    /// This broker refills its queues at every start.
    async fn refill(&self, _broker: &dyn Broker) {}

    fn counts_what_waits(&self) -> bool {
        true
    }

    fn quiet(&self) -> Duration {
        Duration::from_millis(20)
    }
}

pub(super) struct Rabbit {
    store: Arc<dyn Database>,
    namespace: Namespace,
    running: Mutex<Option<Arc<RabbitBroker>>>,
}

impl Rabbit {
    pub(super) async fn fresh() -> Self {
        let store = Arc::new(SqliteStore::in_memory().await.unwrap());
        Self { store, namespace: Namespace::new().await, running: Mutex::new(None) }
    }
}

#[async_trait]
impl Backend for Rabbit {
    fn store(&self) -> Arc<dyn Database> {
        self.store.clone()
    }

    async fn open(&self) -> Arc<dyn Broker> {
        let broker = self.namespace.broker().await;
        *self.running.lock().unwrap() = Some(broker.clone());
        broker
    }

    async fn die(&mut self) {
        let running = self.running.lock().unwrap().take();
        running.expect("it was opened").close().await;
    }

    async fn refill(&self, broker: &dyn Broker) {
        for one in self.store.in_flight().await.unwrap().into_iter().flatten() {
            let said = Emitted { message: Arc::new(one.message), queues: vec![one.queue] };
            broker.publish(&[said]).await.unwrap();
        }
    }

    fn counts_what_waits(&self) -> bool {
        false
    }

    fn quiet(&self) -> Duration {
        Duration::from_millis(200)
    }
}

pub(super) struct Harness {
    pub(super) backend: Box<dyn Backend>,
    pub(super) broker: Arc<dyn Broker>,
}

/// A message that is in the queue arrives within this time.
pub(super) const SOON: Duration = Duration::from_secs(20);

impl Harness {
    pub(super) async fn of(backend: impl Backend + 'static) -> Self {
        let broker = backend.open().await;
        Self { backend: Box::new(backend), broker }
    }

    /// Every caller must journal a message before publishing it.
    pub(super) async fn publish(&self, emitted: &[Emitted]) {
        self.journal(emitted).await;
        self.broker.publish(emitted).await.unwrap();
    }

    pub(super) async fn journal(&self, emitted: &[Emitted]) {
        let rows = emitted.iter().map(|one| row(Role::Gateway, &one.message, vec![one.clone()]));
        self.keep(rows.collect()).await;
    }

    pub(super) async fn keep(&self, journal: Vec<JournalRow>) {
        let transaction = self.backend.store().begin().await.unwrap();
        transaction.commit(Changes { journal, ..Changes::default() }).await.unwrap();
    }

    /// Handled and acknowledged.
    pub(super) async fn done(&self, deliveries: &[Delivery]) {
        let rows = deliveries.iter().map(|one| row(one.queue.reader(), &one.message, Vec::new()));
        self.keep(rows.collect()).await;
        self.broker.ack(deliveries).await.unwrap();
    }

    pub(super) async fn take(&self, queue: Queue, max: usize) -> Vec<Delivery> {
        timeout(SOON, self.broker.take(queue, max)).await.expect("nothing came").unwrap()
    }

    /// Takes one after the other until there are so many.
    pub(super) async fn take_all(&self, queue: Queue, count: usize) -> Vec<Delivery> {
        let mut all = Vec::new();
        while all.len() < count {
            all.extend(self.take(queue, count - all.len()).await);
        }
        all
    }

    pub(super) async fn depth(&self, queue: Queue) -> usize {
        self.broker.depth(queue).await.unwrap().messages
    }

    /// On its way from a queue to its consumer, a message may briefly be counted in neither.
    pub(super) async fn depth_becomes(&self, queue: Queue, messages: usize) {
        let since = Instant::now();
        while self.depth(queue).await != messages {
            assert!(since.elapsed() < SOON, "{queue} holds {}, not {messages}", self.depth(queue).await);
        }
    }

    pub(super) async fn nothing_comes(&self, queue: Queue) {
        let came = timeout(self.backend.quiet(), self.broker.take(queue, 10)).await;
        assert!(came.is_err(), "something came: {came:?}");
    }

    pub(super) async fn die(&mut self) {
        // The last handle of the old broker is dropped before the new one opens.
        self.broker = Arc::new(EmbeddedBroker::refilled(Vec::new()));
        self.backend.die().await;
        self.broker = self.backend.open().await;
    }
}
