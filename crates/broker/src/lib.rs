//! A published message is delivered at least once to each of its queues, even if this process dies right after
//! publishing.
//!
//! `Broker` is the seam. Its promise, which `tests/broker_contract.rs` checks on every implementation:
//!
//! * Callers publish only what stands in the journal (or in a deadline's row). After `publish` returns `Ok`,
//!   every message is delivered at least once to each of its queues, whatever dies in between.
//! * A delivery belongs to this process until it is acknowledged, retried or handed back; if the process dies,
//!   the message is delivered again, flagged `redelivered`.
//! * `publish` returning `Err` means that the result is unknown: publish again, the ids make repeats harmless.
//! * A retried delivery comes again after its delay, with one more attempt counted.
//! * A reply goes to the queue that its asker named, outside. If that queue is gone, so is the asker: the reply is
//!   dropped and logged. The embedded broker has no outsiders, so it has no replies.
//! * What could not be read, routed or delivered is not dropped: it waits to be taken as a [`DeadDelivery`].

pub mod embedded;
pub mod rabbitmq;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contract::{Message, Queue, Speaker};
use store::Emitted;
use tokio::sync::broadcast;

#[derive(Debug, thiserror::Error)]
#[error("the broker is not available: {0}")]
pub struct Unavailable(pub String);

#[async_trait]
pub trait Broker: Send + Sync + 'static {
    async fn publish(&self, emitted: &[Emitted]) -> Result<(), Unavailable>;

    /// Waits for at least one message and returns at most `max` that are ready. It does not wait for a fuller batch.
    async fn take(&self, queue: Queue, max: usize) -> Result<Vec<Delivery>, Unavailable>;

    /// These are handled and need not be delivered again.
    async fn ack(&self, deliveries: &[Delivery]) -> Result<(), Unavailable>;

    /// These are not handled: they are delivered again at once, flagged as redelivered.
    async fn hand_back(&self, deliveries: &[Delivery]);

    /// Stops the prefetch of this queue until the next `take`; prefetched messages that were not taken go to other
    /// consumers.
    async fn rest(&self, _queue: Queue) {}

    /// Delivers the message again after `delay`, with one more attempt counted.
    async fn retry(&self, delivery: &Delivery, delay: Duration) -> Result<(), Unavailable>;

    /// How many messages are in a queue, ready or unacknowledged, and how long the oldest has been there.
    async fn depth(&self, queue: Queue) -> Result<Depth, Unavailable>;

    /// Subscribes to the facts of these names, perhaps to others as well; with no names, to all facts. A slow
    /// receiver misses some: facts are for observing, no work depends on them.
    async fn facts(&self, names: &[&'static str]) -> broadcast::Receiver<Arc<Message>>;

    /// Whether the broker is usable right now, for people and probes. Callers need not check it before they work.
    fn state(&self) -> State {
        State::Up
    }

    /// Whether a starting process finds in this broker everything that was journalled and not handled, published or
    /// not.
    fn starts_from_journal(&self) -> bool {
        false
    }

    /// Waits for messages that the broker dead-lettered and returns at most `max`. A broker that dead-letters nothing
    /// waits for ever.
    async fn take_dead(&self, _max: usize) -> Result<Vec<DeadDelivery>, Unavailable> {
        std::future::pending().await
    }

    /// These are stored elsewhere from now on.
    async fn ack_dead(&self, _dead: &[DeadDelivery]) -> Result<(), Unavailable> {
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Up,
    /// It answers and delivers, but accepts no publish for now.
    Blocked(String),
    Down(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// A bundle that no consumer has taken yet counts as one; messages that wait for a retry may not be counted.
    pub messages: usize,
    /// `None` when the broker does not tell.
    pub oldest: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct Delivery {
    pub queue: Queue,
    pub message: Arc<Message>,
    /// It may have been delivered before.
    pub redelivered: bool,
    /// How many attempts have failed.
    pub attempt: u32,
    /// Identifies the delivery to the broker implementation.
    pub mark: Mark,
}

/// One of our messages within one AMQP message (piece). It means something only to the broker implementation that
/// made it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mark {
    pub piece: u64,
    pub at: usize,
}

/// A message that was dead-lettered, unchanged, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadDelivery {
    /// The queue it was in or was meant for. `None`: it was meant for no queue of ours.
    pub queue: Option<Queue>,
    pub message_id: Option<String>,
    pub name: String,
    /// The sender, as far as that is proven.
    pub by: Speaker,
    pub cause: Option<String>,
    pub code: String,
    pub why: String,
    pub attempts: u32,
    pub body: String,
    pub mark: Mark,
}

impl DeadDelivery {
    /// Masks the digits of card numbers in every field.
    pub(crate) fn without_card_numbers(self) -> Self {
        let masked = |text: String| contract::without_card_numbers(&text).into_owned();
        let Self { queue, message_id, name, by, cause, code, why, attempts, body, mark } = self;
        // Deduplication against the journal compares bodies, so the body is changed only if it must be.
        let body = if contract::json_holds_card_number(&body) { masked(body) } else { body };
        let (message_id, cause) = (message_id.map(masked), cause.map(masked));
        let (name, why) = (masked(name), masked(why));
        Self { queue, message_id, name, by, cause, code, why, attempts, body, mark }
    }
}
