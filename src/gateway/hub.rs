//! Wakes whoever waits for news of an order. It only says "look again": what is true stands in the views.
//!
//! One subscription serves all who wait in this process. A fact may be missed, by a reader that lags or a broker that
//! is away, and may have been said by another process: so everybody looks again after a while without being woken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contract::OrderId;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::broker::Broker;

/// The facts after which an order looks different to its customer.
const NEWS: [&str; 15] = [
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

/// A customer who waits for more at once is answered without waiting: every wait holds a connection.
const PLACES_MAX: usize = 128;

/// Clones share what they know.
#[derive(Clone, Default)]
pub(crate) struct Hub {
    waiting: Arc<Mutex<HashMap<OrderId, watch::Sender<()>>>>,
    places: Arc<Mutex<HashMap<Arc<str>, usize>>>,
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
    /// Hears all news, until it is stopped.
    pub(crate) async fn listen(self, broker: Arc<dyn Broker>, stop: CancellationToken) {
        let mut facts = tokio::select! {
            facts = broker.facts(&NEWS) => facts,
            () = stop.cancelled() => return,
        };
        loop {
            let fact = tokio::select! {
                fact = facts.recv() => fact,
                () = stop.cancelled() => return,
            };
            match fact {
                Ok(fact) => {
                    if let Some(sender) = fact.order_id.and_then(|id| self.waiting().get(&id).cloned()) {
                        sender.send_replace(());
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    for sender in self.waiting().values() {
                        sender.send_replace(());
                    }
                }
                // Nobody speaks any more; everybody still looks by themselves.
                Err(RecvError::Closed) => return stop.cancelled().await,
            }
        }
    }

    /// From now on no news of this order is missed. Look at it once after this.
    pub(crate) fn wait_for(&self, order_id: OrderId) -> Waiter {
        let mut waiting = self.waiting();
        let sender = waiting.entry(order_id).or_insert_with(|| watch::channel(()).0);
        Waiter { hub: self.clone(), order_id, news: sender.subscribe() }
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
