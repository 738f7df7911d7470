//! The order is commit, publish, acknowledge. Killing the process would not reveal a wrong order, because queues are
//! refilled from the journal, so these tests watch the calls.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use broker::embedded::EmbeddedBroker;
use broker::{Broker, Delivery, Depth, Mark, Unavailable};
use contract::{Message, Queue, Raw, Time};
use engine::pause::Paused;
use engine::redelivery::RedeliveryRecorder;
use engine::run::{BatchSize, Consumer, Linger, LocalHandlers, RetryState, WorkerHandler};
use order::OrderWorker;
use store::sqlite::SqliteStore;
use store::{Database, Emitted};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::support::PATIENCE;
use crate::support::usual;

#[tokio::test]
async fn nothing_is_published_before_it_is_committed_nor_acknowledged_before_it_is_published() {
    let recording = RecordingBroker::over(2).await;
    recording.inner.publish(&[said()]).await.unwrap();
    let stop = CancellationToken::new();
    let consumer = tokio::spawn(recording.consumer().run(stop.clone()));
    tokio::time::timeout(PATIENCE, async {
        while recording.seen().last().is_none_or(|last| last != "acknowledged product-1") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("it was not acknowledged: {:?}", recording.seen()));
    stop.cancel();
    consumer.await.unwrap();
    // The broker is away twice: messages that are not published stay in hand.
    let publish = "committed, and publishes stock.count";
    assert_eq!(recording.seen(), [publish, publish, publish, "acknowledged product-1"]);
}

#[tokio::test]
async fn a_repeat_whose_outbox_may_be_unpublished_publishes_it_and_any_other_does_not() {
    let recording = RecordingBroker::over(0).await;
    let consumer = recording.consumer();
    let message = said().message;
    recording.inner.publish(&[said()]).await.unwrap();
    let first = recording.inner.take(Queue::Order, 1).await.unwrap();
    consumer.handle(&first, RetryState::default()).await.unwrap();
    let publish = "committed, and publishes stock.count";
    assert_eq!(recording.seen_since_last(), [publish, "acknowledged product-1"]);
    for (redelivered, attempt, answer_lost, owes) in
        [(false, 0, false, false), (true, 0, false, true), (false, 1, false, true), (false, 0, true, true)]
    {
        recording.inner.publish(&[said()]).await.unwrap();
        recording.inner.take(Queue::Order, 1).await.unwrap();
        let repeat = Delivery {
            queue: Queue::Order,
            message: message.clone(),
            redelivered,
            attempt,
            mark: Mark::default(),
        };
        consumer.handle(&[repeat], RetryState { answer_lost, ..RetryState::default() }).await.unwrap();
        let expected: &[&str] = if owes {
            &[publish, "acknowledged product-1"]
        } else {
            &["publishes nothing", "acknowledged product-1"]
        };
        assert_eq!(recording.seen_since_last(), expected, "{redelivered} {attempt} {answer_lost}");
    }
    assert_eq!(recording.store.journal_page(0, 10).await.unwrap().len(), 1, "it was handled once");
}

fn said() -> Emitted {
    let product = br#"{"sku":"A","title":"A","price":{"amount":"1.00","currency":"EUR"},"on_hand":5}"#;
    let raw = Raw {
        message_id: Some("product-1".into()),
        name: "product.upsert".into(),

        body: product.to_vec(),
        ..Raw::default()
    };
    let message = Message::accept(usual(&raw.name), &raw, Time::default()).unwrap();
    Emitted { message: Arc::new(message), queues: vec![Queue::Order] }
}

/// The embedded broker, with a list of the calls to it.
#[derive(Clone)]
struct RecordingBroker {
    store: Arc<dyn Database>,
    inner: Arc<EmbeddedBroker>,
    seen: Arc<Mutex<Vec<String>>>,
    /// How many times publishing still fails.
    away: Arc<Mutex<u32>>,
}

impl RecordingBroker {
    async fn over(away: u32) -> Self {
        Self {
            store: Arc::new(SqliteStore::in_memory().await.unwrap()),
            inner: Arc::new(EmbeddedBroker::refilled(Vec::new())),
            seen: Arc::default(),
            away: Arc::new(Mutex::new(away)),
        }
    }

    fn consumer(&self) -> Consumer {
        let (store, broker) = (self.store.clone(), Arc::new(self.clone()));
        Consumer {
            store,
            broker,
            handler: Arc::new(WorkerHandler(OrderWorker)),
            queues: &[Queue::Order],
            batch_size: BatchSize::up_to(10),
            paused: Paused::never(),
            local_handlers: LocalHandlers::none(),
            redeliveries: RedeliveryRecorder::off(),
            linger: Linger::default(),
        }
    }

    fn see(&self, what: String) {
        self.seen.lock().unwrap().push(what);
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    fn seen_since_last(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

#[async_trait]
impl Broker for RecordingBroker {
    async fn publish(&self, emitted: &[Emitted]) -> Result<(), Unavailable> {
        let journal = self.store.journal_page(0, 1000).await.unwrap();
        for one in emitted {
            let says = |row: &store::JournalRow| row.emitted.contains(one);
            let committed = if journal.iter().any(|(_, row)| says(row.as_ref().unwrap())) {
                "committed"
            } else {
                "NOT COMMITTED"
            };
            self.see(format!("{committed}, and publishes {}", one.message.name()));
        }
        if emitted.is_empty() {
            self.see("publishes nothing".into());
        }
        let mut away = self.away.lock().unwrap();
        if *away > 0 {
            *away -= 1;
            return Err(Unavailable("a watched broker".into()));
        }
        Ok(())
    }

    async fn take(&self, queue: Queue, max: usize) -> Result<Vec<Delivery>, Unavailable> {
        self.inner.take(queue, max).await
    }

    async fn ack(&self, deliveries: &[Delivery]) -> Result<(), Unavailable> {
        for one in deliveries {
            self.see(format!("acknowledged {}", one.message.id));
        }
        self.inner.ack(deliveries).await
    }

    async fn hand_back(&self, deliveries: &[Delivery]) {
        self.inner.hand_back(deliveries).await;
    }

    async fn retry(&self, delivery: &Delivery, delay: Duration) -> Result<(), Unavailable> {
        self.inner.retry(delivery, delay).await
    }

    async fn depth(&self, queue: Queue) -> Result<Depth, Unavailable> {
        self.inner.depth(queue).await
    }

    async fn facts(&self, names: &[&'static str]) -> broadcast::Receiver<Arc<Message>> {
        self.inner.facts(names).await
    }
}
