//! Messages whose senders wait at the ingress for an answer come before messages that can wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::embedded::EmbeddedBroker;
use broker::{Broker, Delivery, Depth, Unavailable};
use contract::{Message, Queue, Raw, Time};
use engine::ingress::{Backpressure, Ingress};
use engine::pause::Paused;
use engine::redelivery::RedeliveryRecorder;
use engine::run::{BatchSize, Consumer, Linger, LocalHandlers, WorkerHandler};
use order::OrderWorker;
use store::Emitted;
use store::sqlite::SqliteStore;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

const CALLERS: usize = 16;
const A_WHILE: Duration = Duration::from_millis(20);

#[tokio::test]
async fn while_many_customers_wait_at_the_ingress_batches_are_small() {
    let store = Arc::new(SqliteStore::in_memory().await.unwrap());
    // No task handles what comes in here, so every caller waits.
    let (ingress, _keeper) = Ingress::open(
        store.clone(),
        Arc::new(EmbeddedBroker::refilled(Vec::new())),
        RedeliveryRecorder::off(),
        Duration::ZERO,
        CancellationToken::new(),
    );
    let (asked, mut batch_size) = mpsc::unbounded_channel();
    let consumer = Consumer {
        store,
        broker: Arc::new(Counter(asked)),
        handler: Arc::new(WorkerHandler(OrderWorker)),
        queues: &[Queue::Order],
        batch_size: BatchSize::under(ingress.backpressure(), 256, 16),
        paused: Paused::never(),
        local_handlers: LocalHandlers::of([]),
        redeliveries: RedeliveryRecorder::off(),
        linger: Linger::default(),
    };

    let waiting: Vec<_> = (0..CALLERS).map(|number| come(&ingress, number)).collect();
    wait_for_backpressure(&ingress.backpressure(), true).await;
    let stop = CancellationToken::new();
    let runs = tokio::spawn(consumer.run(stop.clone()));
    assert_eq!(batch_size.recv().await.unwrap(), 16);

    waiting.iter().for_each(|one| one.abort());
    wait_for_backpressure(&ingress.backpressure(), false).await;
    while batch_size.recv().await.unwrap() != 256 {}
    stop.cancel();
    runs.await.unwrap();
}

/// They are answered together, and come again together.
#[tokio::test]
async fn customers_that_were_answered_count_for_backpressure_a_moment_longer() {
    let store = Arc::new(SqliteStore::in_memory().await.unwrap());
    let broker = Arc::new(EmbeddedBroker::refilled(Vec::new()));
    let (ingress, _keeper) =
        Ingress::open(store, broker, RedeliveryRecorder::off(), Duration::ZERO, CancellationToken::new());
    // On a busy machine the moment may be over before the test looks: then it tries again.
    loop {
        let came = Instant::now();
        let waiting: Vec<_> = (0..CALLERS).map(|number| come(&ingress, number)).collect();
        tokio::time::sleep(A_WHILE).await;
        for one in waiting {
            one.abort();
            one.await.unwrap_err();
        }
        let still_here = ingress.backpressure().lasting();
        let again: Vec<_> = (0..CALLERS).map(|number| come(&ingress, number)).collect();
        tokio::task::yield_now().await;
        let here_again = ingress.backpressure().lasting();
        again.iter().for_each(|one| one.abort());
        if came.elapsed() < Duration::from_millis(100) {
            assert!(still_here.unwrap() >= A_WHILE / 2, "{still_here:?}");
            assert!(here_again.unwrap() >= still_here.unwrap(), "they are the same callers: {here_again:?}");
            break;
        }
        wait_for_backpressure(&ingress.backpressure(), false).await;
    }
    wait_for_backpressure(&ingress.backpressure(), false).await;
}

/// Otherwise backpressure would never end.
#[tokio::test]
async fn backpressure_of_unanswered_customers_has_one_beginning() {
    let store = Arc::new(SqliteStore::in_memory().await.unwrap());
    let broker = Arc::new(EmbeddedBroker::refilled(Vec::new()));
    let (ingress, _keeper) =
        Ingress::open(store, broker, RedeliveryRecorder::off(), Duration::ZERO, CancellationToken::new());
    let _waiting: Vec<_> = (0..CALLERS).map(|number| come(&ingress, number)).collect();
    wait_for_backpressure(&ingress.backpressure(), true).await;
    tokio::time::sleep(Duration::from_millis(250)).await;
    let _another = come(&ingress, CALLERS);
    tokio::task::yield_now().await;
    let here_for = ingress.backpressure().lasting().expect("they still wait");
    assert!(here_for >= Duration::from_millis(250), "{here_for:?}");
}

#[tokio::test]
async fn messages_that_come_as_from_a_queue_cause_no_backpressure() {
    let store = Arc::new(SqliteStore::in_memory().await.unwrap());
    let broker = Arc::new(EmbeddedBroker::refilled(Vec::new()));
    let (ingress, _keeper) =
        Ingress::open(store, broker, RedeliveryRecorder::off(), Duration::ZERO, CancellationToken::new());
    for number in 0..CALLERS * 2 {
        let ingress = ingress.clone();
        tokio::spawn(async move { ingress.bring(message(number)).await });
    }
    tokio::task::yield_now().await;
    assert!(ingress.backpressure().lasting().is_none());
}

fn come(ingress: &Ingress, number: usize) -> tokio::task::JoinHandle<()> {
    let ingress = ingress.clone();
    tokio::spawn(async move { ingress.accept(message(number)).await.map(drop).unwrap() })
}

async fn wait_for_backpressure(backpressure: &Backpressure, expected: bool) {
    for _ in 0..1000 {
        if backpressure.lasting().is_some() == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("backpressure did not become {expected}");
}

fn message(number: usize) -> Message {
    let raw = Raw {
        message_id: Some(format!("discount-{number}")),
        name: "order.cancel".into(),
        body: format!(r#"{{"order_id":"01932b4a-1111-7000-8000-{number:012}"}}"#).into(),
        ..Raw::default()
    };
    Message::accept(crate::support::usual(&raw.name), &raw, Time::default()).unwrap()
}

/// Reports how many messages were asked for, has none, and is asked again.
struct Counter(mpsc::UnboundedSender<usize>);

#[async_trait::async_trait]
impl Broker for Counter {
    async fn take(&self, _: Queue, max: usize) -> Result<Vec<Delivery>, Unavailable> {
        self.0.send(max).unwrap();
        Err(Unavailable("there is nothing".into()))
    }

    async fn publish(&self, _: &[Emitted]) -> Result<(), Unavailable> {
        unreachable!("nothing was taken")
    }

    async fn ack(&self, _: &[Delivery]) -> Result<(), Unavailable> {
        unreachable!("nothing was taken")
    }

    async fn hand_back(&self, _: &[Delivery]) {}

    async fn retry(&self, _: &Delivery, _: Duration) -> Result<(), Unavailable> {
        unreachable!("nothing was taken")
    }

    async fn depth(&self, _: Queue) -> Result<Depth, Unavailable> {
        Err(Unavailable("nobody asks".into()))
    }

    async fn facts(&self, _: &[&'static str]) -> broadcast::Receiver<Arc<Message>> {
        broadcast::channel(1).1
    }
}
