//! While the broker accepts nothing, no deadline loses its turn.

use std::sync::Mutex;

use async_trait::async_trait;
use broker::{Broker, Delivery, Depth, Unavailable};
use contract::{MessageId, OrderId, ProviderQuery, SagaOverdue};
use store::sqlite::SqliteStore;
use tokio::sync::broadcast;

use super::*;

/// Accepts nothing for a while, and then everything but what is for the provider.
struct Unwilling {
    state: State,
    refusals: Mutex<u32>,
    published: Mutex<Vec<Emitted>>,
}

impl Unwilling {
    fn new(state: State, refusals: u32) -> Self {
        Self { state, refusals: Mutex::new(refusals), published: Mutex::default() }
    }
}

#[async_trait]
impl Broker for Unwilling {
    async fn publish(&self, emitted: &[Emitted]) -> Result<(), Unavailable> {
        if emitted.iter().any(|one| one.queues.contains(&Queue::Provider)) {
            return Err(Unavailable("no leader".into()));
        }
        let mut refusals = self.refusals.lock().unwrap();
        if *refusals > 0 {
            *refusals -= 1;
            return Err(Unavailable("a test".into()));
        }
        self.published.lock().unwrap().extend(emitted.iter().cloned());
        Ok(())
    }

    async fn take(&self, _: Queue, _: usize) -> Result<Vec<Delivery>, Unavailable> {
        std::future::pending().await
    }

    async fn ack(&self, _: &[Delivery]) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn hand_back(&self, _: &[Delivery]) {}

    async fn retry(&self, _: &Delivery, _: Duration) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn depth(&self, _: Queue) -> Result<Depth, Unavailable> {
        Ok(Depth::default())
    }

    async fn facts(&self, _: &[&'static str]) -> broadcast::Receiver<Arc<Message>> {
        broadcast::channel(1).1
    }

    fn state(&self) -> State {
        self.state.clone()
    }
}

const DUE_MS: i64 = 1_000;

async fn with_one_due() -> SqliteStore {
    let store = SqliteStore::in_memory().await.unwrap();
    let body = Body::SagaOverdue(SagaOverdue { order_id: OrderId::default(), return_no: 0, asked: 1 });
    set(&store, "k", body).await;
    store
}

async fn set(store: &SqliteStore, key: &str, body: Body) {
    let message = Message::new(MessageId::new(key).unwrap(), Time::default(), body);
    let due = Time::from_unix_ms(DUE_MS);
    let deadlines = [(key.to_string(), Some((due, Arc::new(message))))].into();
    let changes = Changes { deadlines, ..Changes::default() };
    store::Store::begin(store).await.unwrap().commit(changes).await.unwrap();
}

#[tokio::test]
async fn what_came_due_is_published_as_soon_as_the_broker_accepts_it() {
    let (store, broker) = (with_one_due().await, Unwilling::new(State::Up, 2));
    let mut unpublished = Vec::new();
    for _ in 0..2 {
        let refused = round(&store, &broker, &mut unpublished).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    }
    round(&store, &broker, &mut unpublished).await.unwrap();
    assert_eq!((broker.published.lock().unwrap().len(), unpublished.len()), (1, 0));
}

#[tokio::test]
async fn a_queue_that_accepts_nothing_holds_up_no_other() {
    let (store, broker) = (with_one_due().await, Unwilling::new(State::Up, 0));
    let query = ProviderQuery { key: "charge/1".into(), order_id: OrderId::default() };
    set(&store, "query", Body::ProviderQuery(query)).await;
    let mut unpublished = Vec::new();
    for _ in 0..2 {
        assert!(round(&store, &broker, &mut unpublished).await.is_err());
        assert_eq!((broker.published.lock().unwrap().len(), unpublished.len()), (1, 1));
    }
}

#[tokio::test]
async fn nothing_is_taken_while_the_broker_is_away_or_blocked() {
    for state in [State::Down("a test".into()), State::Blocked("a test".into())] {
        let (store, broker) = (with_one_due().await, Unwilling::new(state, 0));
        let refused = round(&store, &broker, &mut Vec::new()).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
        assert_eq!(store.deadlines(9).await.unwrap()[0].due.unix_ms(), DUE_MS, "it is still due");
    }
}
