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
    async fn publish(&self, said: &[Emitted]) -> Result<(), Unavailable>;

    /// Waits for at least one message, and takes up to `max` that are there now. It does not wait for more.
    async fn take(&self, queue: Queue, max: usize) -> Result<Vec<Delivery>, Unavailable>;

    /// Done with these.
    async fn ack(&self, deliveries: &[Delivery]) -> Result<(), Unavailable>;

    /// Not done: they come again at once, flagged as redelivered.
    async fn hand_back(&self, deliveries: &[Delivery]);

    /// Until it is taken from again, nothing is read ahead of this queue, and others can have what was not taken yet.
    async fn rest(&self, _queue: Queue) {}

    /// Not now: it comes again after `delay`, with one more attempt counted.
    async fn retry(&self, delivery: &Delivery, delay: Duration) -> Result<(), Unavailable>;

    /// How many lie in a queue, ready or taken, and how long the oldest has been there.
    async fn depth(&self, queue: Queue) -> Result<Depth, Unavailable>;

    /// Hears the facts of these names from now on, perhaps others as well; with no names, all of them. Who is too
    /// slow misses some: this is for looking, not for working.
    async fn facts(&self, names: &[&'static str]) -> broadcast::Receiver<Arc<Message>>;

    /// Whether it can be worked with right now, for people and probes. Nobody has to ask before working.
    fn state(&self) -> State {
        State::Up
    }

    /// Whether a process that starts finds in it whatever was journalled and not handled, published or not.
    fn starts_from_journal(&self) -> bool {
        false
    }

    /// Waits for messages that died on their way, and takes up to `max`. A broker in which none can die waits
    /// for ever.
    async fn take_dead(&self, _max: usize) -> Result<Vec<DeadDelivery>, Unavailable> {
        std::future::pending().await
    }

    /// These are kept elsewhere from now on.
    async fn ack_dead(&self, _dead: &[DeadDelivery]) -> Result<(), Unavailable> {
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Up,
    /// It answers and delivers, but accepts nothing for now.
    Blocked(String),
    Down(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// A bundle that nobody has taken yet counts as one; what waits for another try may not be counted.
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
    /// How often it failed.
    pub attempt: u32,
    /// By this the broker knows it again.
    pub mark: Mark,
}

/// One of the messages that came together in one piece. It means something only to the broker that made it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mark {
    pub piece: u64,
    pub at: usize,
}

/// A message that died on its way, as it came, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadDelivery {
    /// The queue it lay in or was meant for. `None`: no queue of ours wanted it.
    pub queue: Option<Queue>,
    pub message_id: Option<String>,
    pub name: String,
    /// Who said it, as far as that is proven.
    pub by: Speaker,
    pub cause: Option<String>,
    pub code: String,
    pub why: String,
    pub attempts: u32,
    pub body: String,
    pub mark: Mark,
}

impl DeadDelivery {
    /// With the digits of card numbers masked, wherever they stand in it.
    pub(crate) fn without_card_numbers(self) -> Self {
        let masked = |text: String| contract::without_card_numbers(&text).into_owned();
        let Self { queue, message_id, name, by, cause, code, why, attempts, body, mark } = self;
        // What a journal holds as well is recognised by its body, so that is changed only if it has to be.
        let body = if contract::json_holds_card_number(&body) { masked(body) } else { body };
        let (message_id, cause) = (message_id.map(masked), cause.map(masked));
        let (name, why) = (masked(name), masked(why));
        Self { queue, message_id, name, by, cause, code, why, attempts, body, mark }
    }
}
