//! Sends orders at a rate, or keeps a number of them in flight, and records how they end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use contract::{Body, Message, OrderId};
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use tokio::sync::{Semaphore, broadcast, mpsc};

use super::entry::{Admission, Way};
use super::orders::{self, Fate, Mix};
use crate::app::System;

/// How orders are sent.
#[derive(Clone, Copy)]
pub(super) struct LoadProfile {
    pub(super) orders: u64,
    /// Open loop: orders per second, however slow the system is.
    pub(super) rate: Option<u64>,
    /// Closed loop: orders in flight at any time.
    pub(super) in_flight: u32,
}

/// The length of one slice of the time line.
pub(super) const SLICE: Duration = Duration::from_millis(250);

pub(super) struct Outcome {
    pub(super) fulfilled: u64,
    pub(super) cancelled: u64,
    pub(super) rejected: u64,
    /// Orders that the ingress turned away, and that were not sent again.
    pub(super) refused: u64,
    /// Orders that ended differently than planned.
    pub(super) otherwise: u64,
    pub(super) latency_us: Histogram<u64>,
    /// Orders that ended in each slice.
    pub(super) ended: Vec<u64>,
    pub(super) took: Duration,
}

/// The facts by which an order ends.
const ENDS: [&str; 4] = ["order.fulfilled", "order.cancelled", "order.refunded", "order.rejected"];

#[derive(Clone, Copy)]
enum End {
    Fulfilled,
    Cancelled,
    Rejected,
}

impl End {
    fn of(fact: &Body) -> Option<Self> {
        match fact {
            Body::OrderFulfilled(_) => Some(End::Fulfilled),
            Body::OrderCancelled(_) | Body::OrderRefunded(_) => Some(End::Cancelled),
            Body::OrderRejected(_) => Some(End::Rejected),
            _ => None,
        }
    }
}

struct Sent {
    id: OrderId,
    /// The clock starts when an order was due, even if it was sent later.
    due: Instant,
    fate: Fate,
}

/// Sends all orders and waits until the last has ended.
pub(super) async fn drive(
    mix: &Mix,
    profile: LoadProfile,
    way: &Arc<Way>,
    system: &System,
    progress: &ProgressBar,
) -> Result<Outcome> {
    let facts = system.broker.facts(&ENDS).await;
    let (sent, sending) = mpsc::unbounded_channel();
    let (turned_away, refusals) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(profile.in_flight as usize));
    let started = Instant::now();
    let listener = Listener { sending, refusals, room: room.clone(), progress: progress.clone(), started };
    let listener = tokio::spawn(listener.listen(facts, profile.orders));
    for number in 0..profile.orders {
        let due = match profile.rate {
            Some(rate) => {
                let due = started + Duration::from_secs_f64(number as f64 / rate as f64);
                tokio::time::sleep_until(due.into()).await;
                due
            }
            None => {
                room.acquire().await?.forget();
                Instant::now()
            }
        };
        let (key, fate) = (uuid::Uuid::now_v7(), mix.fate(number));
        let id = way.order_of(key);
        let order = mix.order(number, id, key);
        sent.send(Sent { id, due, fate }).context("the listener has given up")?;
        let (way, turned_away) = (way.clone(), turned_away.clone());
        tokio::spawn(async move {
            let mut brought = way.bring(order).await;
            if fate == Fate::Cancelled && matches!(brought, Ok(Admission::In)) {
                brought = way.bring(orders::cancel(id, key)).await.map(|_| Admission::In);
            }
            match brought {
                Ok(Admission::In) => {}
                // The receiver is gone only if there is nothing more to count.
                Ok(Admission::TurnedAway) => drop(turned_away.send(id)),
                Err(why) => tracing::error!("an order was not brought: {why:#}"),
            }
        });
    }
    drop(sent);
    listener.await?
}

struct Listener {
    sending: mpsc::UnboundedReceiver<Sent>,
    refusals: mpsc::UnboundedReceiver<OrderId>,
    room: Arc<Semaphore>,
    progress: ProgressBar,
    started: Instant,
}

enum Heard {
    Fact(Arc<Message>),
    Refusal(OrderId),
}

impl Listener {
    async fn listen(mut self, mut facts: broadcast::Receiver<Arc<Message>>, orders: u64) -> Result<Outcome> {
        const QUIET_TOO_LONG: Duration = Duration::from_secs(30);
        let mut under_way: HashMap<OrderId, Sent> = HashMap::new();
        let mut outcome = Outcome::new()?;
        while outcome.count() < orders {
            let quiet = tokio::time::sleep(QUIET_TOO_LONG);
            let heard = tokio::select! {
                fact = facts.recv() => fact.map(Heard::Fact),
                Some(id) = self.refusals.recv() => Ok(Heard::Refusal(id)),
                () = quiet => {
                    let open = under_way.len();
                    bail!("nothing has happened for {QUIET_TOO_LONG:?}; {open} orders are under way")
                }
            };
            while let Ok(sent) = self.sending.try_recv() {
                under_way.insert(sent.id, sent);
            }
            match heard {
                // An order may have two final facts: cancelled, and refunded after that.
                Ok(Heard::Fact(fact)) => {
                    let Some(end) = End::of(&fact.body) else { continue };
                    let Some(sent) = fact.order_id.and_then(|id| under_way.remove(&id)) else { continue };
                    outcome.count_in(end, &sent, self.started);
                }
                Ok(Heard::Refusal(id)) => {
                    under_way.remove(&id);
                    outcome.refused += 1;
                }
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    bail!("{missed} facts were missed; use less --in-flight")
                }
                Err(broadcast::error::RecvError::Closed) => bail!("the system has stopped"),
            }
            self.room.add_permits(1);
            self.progress.inc(1);
        }
        outcome.took = self.started.elapsed();
        Ok(outcome)
    }
}

impl Outcome {
    pub(super) fn new() -> Result<Self> {
        let latency_us = Histogram::new(3)?;
        Ok(Self {
            fulfilled: 0,
            cancelled: 0,
            rejected: 0,
            refused: 0,
            otherwise: 0,
            latency_us,
            ended: Vec::new(),
            took: Duration::ZERO,
        })
    }

    fn count(&self) -> u64 {
        self.fulfilled + self.cancelled + self.rejected + self.refused
    }

    fn count_in(&mut self, end: End, sent: &Sent, started: Instant) {
        let (count, fits) = match end {
            End::Fulfilled => (&mut self.fulfilled, matches!(sent.fate, Fate::Fulfilled | Fate::Cancelled)),
            End::Cancelled => (&mut self.cancelled, sent.fate != Fate::Fulfilled),
            End::Rejected => (&mut self.rejected, false),
        };
        *count += 1;
        self.otherwise += u64::from(!fits);
        self.latency_us.record(sent.due.elapsed().as_micros() as u64).ok();
        let slice = (started.elapsed().as_millis() / SLICE.as_millis()) as usize;
        if self.ended.len() <= slice {
            self.ended.resize(slice + 1, 0);
        }
        self.ended[slice] += 1;
    }
}
