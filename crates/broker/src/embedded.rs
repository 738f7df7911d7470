//! Queues in memory that lose nothing: the journal has their content, and a new process fills them from it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use contract::{Message, Queue};
use store::Emitted;
use tokio::sync::{Notify, broadcast};

use super::{Broker, Delivery, Depth, Mark, Unavailable};

/// A listener that falls further behind misses facts; it is told how many.
const FACTS_MAX: usize = 65_536;

pub struct EmbeddedBroker {
    queues: Arc<[QueueState; Queue::ALL.len()]>,
    facts: broadcast::Sender<Arc<Message>>,
}

#[derive(Default)]
struct QueueState {
    inside: Mutex<Inside>,
    arrived: Notify,
}

#[derive(Default)]
struct Inside {
    ready: VecDeque<Entry>,
    /// Taken, or waiting for a retry.
    away: usize,
}

struct Entry {
    message: Arc<Message>,
    redelivered: bool,
    attempt: u32,
    since: Instant,
}

impl EmbeddedBroker {
    /// Starts with what was in flight when the previous process ended, whether gracefully or not.
    pub fn refilled(in_flight: Vec<(Queue, Message)>) -> Self {
        let broker = Self { queues: Arc::default(), facts: broadcast::channel(FACTS_MAX).0 };
        for (queue, message) in in_flight {
            broker.queues[queue as usize].push(Entry {
                message: Arc::new(message),
                redelivered: true,
                attempt: 0,
                since: Instant::now(),
            });
        }
        broker
    }
}

#[async_trait]
impl Broker for EmbeddedBroker {
    async fn publish(&self, emitted: &[Emitted]) -> Result<(), Unavailable> {
        let since = Instant::now();
        for Emitted { message, queues } in emitted {
            for queue in queues {
                let entry = Entry { message: message.clone(), redelivered: false, attempt: 0, since };
                self.queues[*queue as usize].push(entry);
            }
            if message.body.kind() == contract::Kind::Fact && self.facts.receiver_count() > 0 {
                // Having no listener is no failure.
                self.facts.send(message.clone()).ok();
            }
        }
        Ok(())
    }

    async fn take(&self, queue: Queue, max: usize) -> Result<Vec<Delivery>, Unavailable> {
        let state = &self.queues[queue as usize];
        loop {
            // Registered before the look into the queue, so that a message that arrives in between wakes this task.
            let arrived = state.arrived.notified();
            let taken = state.take(queue, max);
            if !taken.is_empty() {
                return Ok(taken);
            }
            arrived.await;
        }
    }

    async fn ack(&self, deliveries: &[Delivery]) -> Result<(), Unavailable> {
        for delivery in deliveries {
            self.queues[delivery.queue as usize].inside().away -= 1;
        }
        Ok(())
    }

    async fn hand_back(&self, deliveries: &[Delivery]) {
        // To the front, in their old order.
        for delivery in deliveries.iter().rev() {
            self.queues[delivery.queue as usize].come_back(delivery, delivery.attempt);
        }
    }

    async fn retry(&self, delivery: &Delivery, delay: Duration) -> Result<(), Unavailable> {
        let (queues, delivery) = (self.queues.clone(), delivery.clone());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            queues[delivery.queue as usize].come_back(&delivery, delivery.attempt + 1);
        });
        Ok(())
    }

    async fn depth(&self, queue: Queue) -> Result<Depth, Unavailable> {
        let inside = self.queues[queue as usize].inside();
        let oldest = inside.ready.front().map_or(Duration::ZERO, |entry| entry.since.elapsed());
        Ok(Depth { messages: inside.ready.len() + inside.away, oldest: Some(oldest) })
    }

    async fn facts(&self, _names: &[&'static str]) -> broadcast::Receiver<Arc<Message>> {
        self.facts.subscribe()
    }

    fn starts_from_journal(&self) -> bool {
        true
    }
}

impl QueueState {
    /// A poisoned lock is safe to use: no code under it can panic halfway through a change.
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, entry: Entry) {
        self.inside().ready.push_back(entry);
        self.arrived.notify_one();
    }

    fn come_back(&self, delivery: &Delivery, attempt: u32) {
        let message = delivery.message.clone();
        let mut inside = self.inside();
        inside.away -= 1;
        inside.ready.push_front(Entry { message, redelivered: true, attempt, since: Instant::now() });
        drop(inside);
        self.arrived.notify_one();
    }

    fn take(&self, queue: Queue, max: usize) -> Vec<Delivery> {
        let mut inside = self.inside();
        let count = inside.ready.len().min(max);
        inside.away += count;
        let more = inside.ready.len() > count;
        let taken: Vec<_> = inside
            .ready
            .drain(..count)
            .map(|Entry { message, redelivered, attempt, .. }| Delivery {
                queue,
                message,
                redelivered,
                attempt,
                mark: Mark::default(),
            })
            .collect();
        drop(inside);
        if more {
            // Another task may be waiting for the remaining messages.
            self.arrived.notify_one();
        }
        taken
    }
}
