//! Wakes whoever waits for news of an order. It only says "look again": what is true stands in the views.
//!
//! One subscription serves all who wait in this process, and there is none while nobody does: facts that nobody hears are
//! not even sent. A fact may be missed, by a reader that lags or a broker that is away, and may have been said by another
//! process: so everybody looks again after a while without being woken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contract::{Message, OrderId};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

/// The facts after which an order looks different to its customer.
pub(crate) const NEWS: [&str; 15] = [
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
    "payment.refunded",
    "saga.needs_attention",
];

/// Without any news, everybody looks this often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// When nobody has waited for so long, nothing is heard until somebody does.
const HEARS_ON: Duration = Duration::from_secs(10);

/// A customer who waits for more at once is answered without waiting: every wait holds a connection.
const PLACES_MAX: usize = 128;

/// Clones share what they know.
#[derive(Clone, Default)]
pub(crate) struct Hub {
    waiting: Arc<Mutex<HashMap<OrderId, watch::Sender<()>>>>,
    places: Arc<Mutex<HashMap<Arc<str>, usize>>>,
    /// Marked whenever somebody begins to wait.
    came: watch::Sender<()>,
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
    /// Hears all news while somebody waits for some, until it is stopped.
    pub(crate) async fn listen<F>(self, facts: impl Fn() -> F, stop: CancellationToken)
    where
        F: Future<Output = broadcast::Receiver<Arc<Message>>>,
    {
        tokio::select! {
            () = self.hear_in_turns(facts, HEARS_ON) => {}
            () = stop.cancelled() => {}
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
                        if let Some(sender) = fact.order_id.and_then(|id| self.waiting().get(&id).cloned()) {
                            sender.send_replace(());
                        }
                    }
                    Err(RecvError::Lagged(_)) => self.wake_all(),
                    // Nobody speaks any more; everybody still looks by themselves.
                    Err(RecvError::Closed) => return,
                }
            }
        }
    }

    fn wake_all(&self) {
        for sender in self.waiting().values() {
            sender.send_replace(());
        }
    }

    /// From now on no news of this order is missed. Look at it once after this.
    pub(crate) fn wait_for(&self, order_id: OrderId) -> Waiter {
        let news = self.waiting().entry(order_id).or_insert_with(|| watch::channel(()).0).subscribe();
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

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<OrderId, watch::Sender<()>>> {
        // Nothing that could panic runs under this lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// Until there is news, or it is time to look without any.
    pub(crate) async fn news(&mut self) {
        // The sender stays as long as we wait.
        tokio::time::timeout(LOOK_AGAIN, self.news.changed()).await.ok();
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
        if waiting.get(&self.order_id).is_some_and(|sender| sender.receiver_count() <= 1) {
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
}
