//! A message that was published is delivered at least once to each of its queues, even if we die now.
//!
//! `Broker` is the seam. Its promise, which `tests/broker_contract.rs` checks on every implementation:
//!
//! * Callers publish only what stands in the journal (or in a deadline's row). After `publish` answers `Ok`,
//!   every message is delivered at least once to every queue it was said to, whatever dies in between.
//! * A delivery stays ours until it is acknowledged, retried or handed back; if we die, somebody gets it
//!   again, flagged `redelivered`.
//! * `publish` answering `Err` means unknown: publish again, the ids make repeats harmless.
//! * A retried delivery comes again after its delay, with one more attempt counted.
//! * A reply goes to the queue that its asker named, outside. If that is gone, so is the asker: the reply is dropped and
//!   logged. Where there are no outsiders (embedded), nobody can have asked.

pub mod embedded;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contract::{Message, Queue};
use tokio::sync::broadcast;

use crate::store::Said;

#[derive(Debug, thiserror::Error)]
#[error("the broker is not available: {0}")]
pub struct Unavailable(pub String);

#[async_trait]
pub trait Broker: Send + Sync + 'static {
    async fn publish(&self, said: &[Said]) -> Result<(), Unavailable>;

    /// Waits for at least one message, and takes up to `max` that are there now. It does not wait for more.
    async fn take(&self, queue: Queue, max: usize) -> Result<Vec<Delivery>, Unavailable>;

    /// Done with these.
    async fn ack(&self, deliveries: &[Delivery]) -> Result<(), Unavailable>;

    /// Not done: they come again at once, flagged as redelivered.
    async fn hand_back(&self, deliveries: &[Delivery]);

    /// Not now: it comes again after `delay`, with one more attempt counted.
    async fn retry(&self, delivery: &Delivery, delay: Duration) -> Result<(), Unavailable>;

    /// How many lie in a queue, ready or taken, and how long the oldest has been there.
    fn depth(&self, queue: Queue) -> Depth;

    /// Hears every fact from now on. Who is too slow misses some: this is for looking, not for working.
    fn facts(&self) -> broadcast::Receiver<Arc<Message>>;
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    pub messages: usize,
    pub oldest: Duration,
}

#[derive(Clone, Debug)]
pub struct Delivery {
    pub queue: Queue,
    pub message: Arc<Message>,
    /// It may have been delivered before.
    pub redelivered: bool,
    /// How often it failed.
    pub attempt: u32,
}
