//! Wakes requests and streams that wait for changes of an order. A wake-up carries no data: the waiter reads the view.
//!
//! One broker subscription serves all waiters of this process. It exists only while there are waiters, because facts
//! without a bound queue are mostly not even sent. A fact can be missed, by a lagging reader or while the broker is
//! away. So the hub also polls the database for the progress of all awaited orders, in one query, and wakes the waiters
//! of those that have moved.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contract::{Message, OrderId};
use store::{Database, Error, Progress};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

/// The facts that change what a customer sees of an order.
pub(crate) const NEWS: [&str; 16] = [
    "order.accepted",
    "order.created",
    "order.rejected",
    "order.paid",
    "order.fulfilled",
    "order.cancelled",
    "order.refunded",
    "order.returned",
    "order.archived",
    "order.cancel_refused",
    "order.refused",
    "stock.reserved",
    "payment.captured",
    "payment.declined",
    "payment.refunded",
    "saga.needs_attention",
];

/// While there are waiters, the database is polled at most this often.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// The pause is at least this many times as long as the last query took, so that polling uses at most a tenth of one
/// connection.
const PAUSE_FACTOR: u32 = 10;

/// After this long without waiters the subscription ends, until the next waiter comes.
const IDLE_AFTER: Duration = Duration::from_secs(10);

/// Waits that one customer may have at once, since each holds a connection. A request past it is answered without
/// waiting.
const WAITS_PER_CUSTOMER_MAX: usize = 128;

/// Clones share their state.
#[derive(Clone, Default)]
pub(crate) struct Hub {
    waiting: Arc<Mutex<HashMap<OrderId, Watched>>>,
    waits_by_customer: Arc<Mutex<HashMap<Arc<str>, usize>>>,
    /// Notified whenever a waiter is added.
    waiter_added: watch::Sender<()>,
}

/// An order that at least one request waits for.
struct Watched {
    news: watch::Sender<()>,
    /// The order's progress at the last poll.
    seen: Option<Progress>,
    looked: bool,
}

/// One of the waits that a customer may have at once; dropping it gives it back.
pub(crate) struct WaitPermit {
    hub: Hub,
    customer: Arc<str>,
}

/// The number of waiters is bounded by the listener's connections: each request waits for at most one order.
pub(crate) struct Waiter {
    hub: Hub,
    order_id: OrderId,
    news: watch::Receiver<()>,
}

impl Hub {
    /// Wakes waiters, on facts and on changes in the database, until `stop` is cancelled.
    pub(crate) async fn run<F>(self, facts: impl Fn() -> F, store: Arc<dyn Database>, stop: CancellationToken)
    where
        F: Future<Output = broadcast::Receiver<Arc<Message>>>,
    {
        let look = |ids: Vec<OrderId>| {
            let store = store.clone();
            async move { store.progress_of(&ids).await }
        };
        tokio::select! {
            () = self.follow_facts(facts, IDLE_AFTER) => {}
            () = self.poll(look, POLL_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }

    async fn poll<F>(&self, look: impl Fn(Vec<OrderId>) -> F, every: Duration)
    where
        F: Future<Output = Result<HashMap<OrderId, Progress>, Error>>,
    {
        let (mut waiter_added, mut pause, mut failed) = (self.waiter_added.subscribe(), every, false);
        loop {
            let none_waits = self.waiting().is_empty();
            // It cannot fail: `self` holds the sender.
            if none_waits && waiter_added.changed().await.is_err() {
                return;
            }
            // Most requests are answered by a fact within this time and then cost no query.
            tokio::time::sleep(pause).await;
            let ids: Vec<OrderId> = self.waiting().keys().copied().collect();
            if ids.is_empty() {
                continue;
            }
            let asked = Instant::now();
            match look(ids.clone()).await {
                Ok(found) => {
                    failed = false;
                    self.wake_moved(&ids, &found);
                }
                // The waiters are not woken: they would all query a database that is already in trouble.
                Err(why) => {
                    if !std::mem::replace(&mut failed, true) {
                        tracing::warn!("the orders that are waited for cannot be looked at: {why}");
                    }
                }
            }
            pause = pause_after(asked.elapsed(), every);
        }
    }

    /// Also wakes the waiters of an order that is polled for the first time: it may have moved since they came.
    fn wake_moved(&self, ids: &[OrderId], found: &HashMap<OrderId, Progress>) {
        let mut waiting = self.waiting();
        for id in ids {
            let Some(order) = waiting.get_mut(id) else { continue };
            let now = found.get(id).copied();
            if !order.looked || order.seen != now {
                (order.looked, order.seen) = (true, now);
                order.news.send_replace(());
            }
        }
    }

    async fn follow_facts<F>(&self, facts: impl Fn() -> F, idle_after: Duration)
    where
        F: Future<Output = broadcast::Receiver<Arc<Message>>>,
    {
        let mut waiter_added = self.waiter_added.subscribe();
        // It cannot fail: `self` holds the sender.
        while waiter_added.changed().await.is_ok() {
            let facts = facts().await;
            // Facts that were published before the subscription were missed.
            self.wake_all();
            self.forward_facts(facts, &mut waiter_added, idle_after).await;
        }
    }

    /// Runs until there are no waiters and none has come for `idle_after`.
    async fn forward_facts(
        &self,
        mut facts: broadcast::Receiver<Arc<Message>>,
        waiter_added: &mut watch::Receiver<()>,
        idle_after: Duration,
    ) {
        let mut look = interval(idle_after);
        look.reset();
        loop {
            tokio::select! {
                _ = look.tick() => {
                    let waiter_came = waiter_added.has_changed().unwrap_or(false);
                    if !waiter_came && self.waiting().is_empty() {
                        return;
                    }
                    waiter_added.mark_unchanged();
                }
                fact = facts.recv() => match fact {
                    Ok(fact) => {
                        if let Some(id) = fact.order_id
                            && let Some(order) = self.waiting().get(&id)
                        {
                            order.news.send_replace(());
                        }
                    }
                    Err(RecvError::Lagged(_)) => self.wake_all(),
                    // No more facts will come; polling goes on.
                    Err(RecvError::Closed) => return,
                }
            }
        }
    }

    fn wake_all(&self) {
        for order in self.waiting().values() {
            order.news.send_replace(());
        }
    }

    /// From now on no change of this order is missed. Read the order once after this call.
    pub(crate) fn wait_for(&self, order_id: OrderId) -> Waiter {
        let new = || Watched { news: watch::channel(()).0, seen: None, looked: false };
        let news = self.waiting().entry(order_id).or_insert_with(new).news.subscribe();
        // Only after the insertion, so that the loops that this wakes find the new waiter.
        self.waiter_added.send_replace(());
        Waiter { hub: self.clone(), order_id, news }
    }

    /// `None` if this customer has as many waits as allowed.
    pub(crate) fn wait_permit(&self, customer: &Arc<str>) -> Option<WaitPermit> {
        let mut waits_by_customer = self.waits_by_customer.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = waits_by_customer.entry(customer.clone()).or_default();
        if *taken == WAITS_PER_CUSTOMER_MAX {
            return None;
        }
        *taken += 1;
        Some(WaitPermit { hub: self.clone(), customer: customer.clone() })
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<OrderId, Watched>> {
        // Nothing that could panic runs under this lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pause_after(took: Duration, every: Duration) -> Duration {
    every.max(took.saturating_mul(PAUSE_FACTOR))
}

impl Waiter {
    /// Waits until the order may have changed.
    pub(crate) async fn news(&mut self) {
        // It cannot fail: the sender lives as long as this waiter.
        self.news.changed().await.ok();
    }
}

impl Drop for WaitPermit {
    fn drop(&mut self) {
        let mut waits_by_customer = self.hub.waits_by_customer.lock().unwrap_or_else(PoisonError::into_inner);
        match waits_by_customer.get_mut(&self.customer) {
            Some(taken) if *taken > 1 => *taken -= 1,
            _ => drop(waits_by_customer.remove(&self.customer)),
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waiting = self.hub.waiting();
        if waiting.get(&self.order_id).is_some_and(|order| order.news.receiver_count() <= 1) {
            waiting.remove(&self.order_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{MessageId, Time};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use uuid::Uuid;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(5);

    fn order(n: u128) -> OrderId {
        OrderId::new(Uuid::from_u128(n))
    }

    fn fact(order_id: OrderId) -> Arc<Message> {
        let json = format!(r#"{{"order_id":"{order_id}","customer_id":"c1","at":"2026-11-20T18:53:00Z"}}"#);
        let id = MessageId::from(Uuid::from_u128(7));
        Arc::new(Message::restore(id, None, Time::default(), "order.fulfilled", &json).unwrap())
    }

    async fn until(what: &str, is_so: impl Fn() -> bool) {
        let seen = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(LONG, seen).await.unwrap_or_else(|_| panic!("never: {what}"));
    }

    #[tokio::test]
    async fn facts_are_received_while_a_request_waits_and_only_then() {
        let (hub, said) = (Hub::default(), broadcast::Sender::new(8));
        let turns = Arc::new(AtomicUsize::new(0));
        let subscribe = {
            let (said, turns) = (said.clone(), turns.clone());
            move || {
                turns.fetch_add(1, Ordering::Relaxed);
                std::future::ready(said.subscribe())
            }
        };
        let ear = hub.clone();
        let listens = tokio::spawn(async move { ear.follow_facts(subscribe, SHORT).await });
        tokio::time::sleep(3 * SHORT).await;
        assert_eq!(turns.load(Ordering::Relaxed), 0, "no stream waits");
        for turn in 1..=2 {
            let mut waiter = hub.wait_for(order(turn));
            until("a listener", || said.receiver_count() == 1).await;
            // Facts from before the subscription were missed, so every waiter is woken.
            tokio::time::timeout(LONG, waiter.news.changed()).await.unwrap().unwrap();
            said.send(fact(order(9))).unwrap();
            said.send(fact(order(turn))).unwrap();
            tokio::time::timeout(LONG, waiter.news.changed()).await.unwrap().unwrap();
            tokio::time::sleep(3 * SHORT).await;
            assert_eq!(said.receiver_count(), 1, "a stream still waits");
            drop(waiter);
            until("no listener", || said.receiver_count() == 0).await;
            assert_eq!(turns.load(Ordering::Relaxed) as u128, turn);
        }
        listens.abort();
    }

    /// A database that answers one query for each permit that a test gives.
    #[derive(Clone)]
    struct Database {
        permits: Arc<tokio::sync::Semaphore>,
        /// How many orders each query was about.
        asked: Arc<Mutex<Vec<usize>>>,
        progress: Arc<Mutex<Result<HashMap<OrderId, Progress>, Error>>>,
    }

    impl Database {
        fn looked_at_by(hub: &Hub) -> (Self, tokio::task::JoinHandle<()>) {
            let permits = Arc::new(tokio::sync::Semaphore::new(0));
            let progress = Arc::new(Mutex::new(Ok(HashMap::new())));
            let database = Self { permits, asked: Arc::default(), progress };
            let (hub, shared) = (hub.clone(), database.clone());
            let look = move |ids: Vec<OrderId>| {
                let shared = shared.clone();
                async move {
                    shared.permits.acquire().await.unwrap().forget();
                    shared.asked.lock().unwrap().push(ids.len());
                    shared.progress.lock().unwrap().clone()
                }
            };
            let looks = tokio::spawn(async move { hub.poll(look, Duration::from_millis(1)).await });
            (database, looks)
        }

        /// Lets one more query be answered, and waits until its answer has been used.
        async fn answers(&self) {
            let before = self.asked.lock().unwrap().len();
            self.permits.add_permits(1);
            until("a query", || self.asked.lock().unwrap().len() > before).await;
            // On the one thread of this test, what follows the answer runs before anything else does.
            tokio::task::yield_now().await;
        }
    }

    fn woken(waiters: &mut [Waiter]) -> usize {
        let woken = waiters.iter_mut().filter(|waiter| waiter.news.has_changed().unwrap());
        woken.map(|waiter| waiter.news.mark_unchanged()).count()
    }

    #[tokio::test]
    async fn all_waiting_requests_share_one_query_and_those_whose_order_moved_wake() {
        let hub = Hub::default();
        let (database, looks) = Database::looked_at_by(&hub);
        // Fifty orders, two requests each.
        let mut waiters: Vec<_> = (0..100).map(|n| hub.wait_for(order(n / 2))).collect();
        database.answers().await;
        assert_eq!(woken(&mut waiters), 100, "the first look has nothing to compare with");
        database.answers().await;
        assert_eq!(woken(&mut waiters), 0, "nothing moved");
        let moved = HashMap::from([(order(7), Progress { handled: 1, open_dead_letters: 0 })]);
        *database.progress.lock().unwrap() = Ok(moved);
        database.answers().await;
        assert_eq!(woken(&mut waiters), 2, "both that wait for that order");
        *database.progress.lock().unwrap() = Err(Error::Unavailable("it is away".into()));
        database.answers().await;
        assert_eq!(woken(&mut waiters), 0, "while the database is away they do not ask it themselves");
        assert_eq!(*database.asked.lock().unwrap(), [50; 4], "each query is about all of them");
        looks.abort();
    }

    #[test]
    fn the_longer_a_look_takes_the_longer_is_the_pause() {
        let pause = |took_ms| pause_after(Duration::from_millis(took_ms), POLL_EVERY).as_millis();
        assert_eq!([pause(0), pause(100), pause(101), pause(3000)], [1000, 1000, 1010, 30_000]);
    }
}
