//! Wakes whoever waits for news of an order. It only says "look again": what is true stands in the views.
//!
//! One subscription serves all who wait in this process, and there is none while nobody does: facts that nobody hears are
//! not even sent. A fact may be missed, by a reader that lags or a broker that is away. So the hub also asks the database
//! how far the orders are, in one query for all of them however many requests wait, and wakes those whose order has moved.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contract::{Message, OrderId};
use store::{Error, Progress, Store};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

/// The facts after which an order looks different to its customer.
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

/// The database is asked this often at most, while any request waits.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After a query that took long the pause is so many times as long: looking costs a tenth of one connection at most.
const PAUSE_TIMES: u32 = 10;

/// When nobody has waited for so long, nothing is heard until somebody does.
const HEARS_ON: Duration = Duration::from_secs(10);

/// A customer who waits for more at once is answered without waiting: every wait holds a connection.
const PLACES_MAX: usize = 128;

/// Clones share what they know.
#[derive(Clone, Default)]
pub(crate) struct Hub {
    waiting: Arc<Mutex<HashMap<OrderId, Watched>>>,
    places: Arc<Mutex<HashMap<Arc<str>, usize>>>,
    /// Marked whenever somebody begins to wait.
    came: watch::Sender<()>,
}

/// An order that at least one request waits for.
struct Watched {
    news: watch::Sender<()>,
    /// How far it was when the hub looked last.
    seen: Option<Progress>,
    looked: bool,
}

/// Where one request of a customer's waits, until it is dropped.
pub(crate) struct Place {
    hub: Hub,
    customer: Arc<str>,
}

/// Bounded by the connections that the listener takes: each request waits for one order at most.
pub(crate) struct Waiter {
    hub: Hub,
    order_id: OrderId,
    news: watch::Receiver<()>,
}

impl Hub {
    /// Brings news to the waiting requests, from facts and from the database, until it is stopped.
    pub(crate) async fn run<F>(self, facts: impl Fn() -> F, store: Arc<dyn Store>, stop: CancellationToken)
    where
        F: Future<Output = broadcast::Receiver<Arc<Message>>>,
    {
        let look = |ids: Vec<OrderId>| {
            let store = store.clone();
            async move { store.progress_of(&ids).await }
        };
        tokio::select! {
            () = self.hear_in_turns(facts, HEARS_ON) => {}
            () = self.look_in_turns(look, LOOK_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }

    async fn look_in_turns<F>(&self, look: impl Fn(Vec<OrderId>) -> F, every: Duration)
    where
        F: Future<Output = Result<HashMap<OrderId, Progress>, Error>>,
    {
        let (mut came, mut pause, mut failed) = (self.came.subscribe(), every, false);
        loop {
            let none_waits = self.waiting().is_empty();
            // It cannot fail: the sender is here.
            if none_waits && came.changed().await.is_err() {
                return;
            }
            // Facts answer most requests within this time, which then cost no query.
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
                // The requests wait on: if each of them asked now, a database in trouble would have more of it.
                Err(why) => {
                    if !std::mem::replace(&mut failed, true) {
                        tracing::warn!("the orders that are waited for cannot be looked at: {why}");
                    }
                }
            }
            pause = pause_after(asked.elapsed(), every);
        }
    }

    /// An order that is looked at for the first time may have moved since its first request began to wait.
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

    async fn hear_in_turns<F>(&self, facts: impl Fn() -> F, hears_on: Duration)
    where
        F: Future<Output = broadcast::Receiver<Arc<Message>>>,
    {
        let mut came = self.came.subscribe();
        // It cannot fail: one who could say so is here.
        while came.changed().await.is_ok() {
            let facts = facts().await;
            // Whatever was said until now was not heard.
            self.wake_all();
            self.hear(facts, &mut came, hears_on).await;
        }
    }

    /// Until nobody waits, and nobody has begun to for a while.
    async fn hear(
        &self,
        mut facts: broadcast::Receiver<Arc<Message>>,
        came: &mut watch::Receiver<()>,
        hears_on: Duration,
    ) {
        let mut look = interval(hears_on);
        look.reset();
        loop {
            tokio::select! {
                _ = look.tick() => {
                    let somebody_came = came.has_changed().unwrap_or(false);
                    if !somebody_came && self.waiting().is_empty() {
                        return;
                    }
                    came.mark_unchanged();
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
                    // No facts come any more; the hub still looks.
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

    /// From now on no news of this order is missed. Look at it once after this.
    pub(crate) fn wait_for(&self, order_id: OrderId) -> Waiter {
        let new = || Watched { news: watch::channel(()).0, seen: None, looked: false };
        let news = self.waiting().entry(order_id).or_insert_with(new).news.subscribe();
        // Once it stands there: who is woken because of it finds it.
        self.came.send_replace(());
        Waiter { hub: self.clone(), order_id, news }
    }

    /// `None`: this customer waits for enough already.
    pub(crate) fn place(&self, customer: &Arc<str>) -> Option<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = places.entry(customer.clone()).or_default();
        if *taken == PLACES_MAX {
            return None;
        }
        *taken += 1;
        Some(Place { hub: self.clone(), customer: customer.clone() })
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<OrderId, Watched>> {
        // Nothing that could panic runs under this lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pause_after(took: Duration, every: Duration) -> Duration {
    every.max(took.saturating_mul(PAUSE_TIMES))
}

impl Waiter {
    /// Until the order may look different.
    pub(crate) async fn news(&mut self) {
        // The sender stays as long as we wait.
        self.news.changed().await.ok();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.hub.places.lock().unwrap_or_else(PoisonError::into_inner);
        match places.get_mut(&self.customer) {
            Some(taken) if *taken > 1 => *taken -= 1,
            _ => drop(places.remove(&self.customer)),
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
    async fn facts_are_heard_while_somebody_waits_and_only_then() {
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
        let listens = tokio::spawn(async move { ear.hear_in_turns(subscribe, SHORT).await });
        tokio::time::sleep(3 * SHORT).await;
        assert_eq!(turns.load(Ordering::Relaxed), 0, "nobody waits");
        for turn in 1..=2 {
            let mut waiter = hub.wait_for(order(turn));
            until("somebody hears", || said.receiver_count() == 1).await;
            // What was said before that is not known, so everybody looks.
            tokio::time::timeout(LONG, waiter.news.changed()).await.unwrap().unwrap();
            said.send(fact(order(9))).unwrap();
            said.send(fact(order(turn))).unwrap();
            tokio::time::timeout(LONG, waiter.news.changed()).await.unwrap().unwrap();
            tokio::time::sleep(3 * SHORT).await;
            assert_eq!(said.receiver_count(), 1, "somebody waits still");
            drop(waiter);
            until("nobody hears", || said.receiver_count() == 0).await;
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
            let looks = tokio::spawn(async move { hub.look_in_turns(look, Duration::from_millis(1)).await });
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
        let pause = |took_ms| pause_after(Duration::from_millis(took_ms), LOOK_EVERY).as_millis();
        assert_eq!([pause(0), pause(100), pause(101), pause(3000)], [1000, 1000, 1010, 30_000]);
    }
}
