//! What happens when a batch fails: wait for what is away, look again, go one by one, and at last retry a single message
//! later or park it as a dead letter.

use std::panic::AssertUnwindSafe;

use broker::Delivery;
use futures_util::FutureExt;
use metrics::METRICS;
use retry::{Delays, RETRY_DELAYS};
use store::{Changes, DeadChange, Emitted, Error, batch};
use tokio_util::sync::CancellationToken;

use super::Consumer;
use super::linger::Permit;

/// Three kinds of failure, because there are three things to do.
#[derive(Debug)]
pub enum BatchError {
    /// The database, the broker or the outside world is away: keep the deliveries, wait, try again.
    Unavailable(String),
    /// Another process was faster, or the answer to a commit was lost: ask the journal again.
    Recheck { answer_lost: bool, why: String },
    /// One of these messages fails by itself.
    Faulty(String),
}

impl From<Error> for BatchError {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(why) => BatchError::Unavailable(why),
            Error::Conflict(why) => BatchError::Recheck { answer_lost: false, why },
            Error::Unknown(why) => BatchError::Recheck { answer_lost: true, why },
            Error::Refused(why) => BatchError::Faulty(why),
        }
    }
}

/// What earlier attempts at the same batch have shown.
#[derive(Clone, Copy, Default, Debug)]
pub struct RetryState {
    /// Its commit may have happened.
    pub answer_lost: bool,
    /// Nothing is handled inline now, and follow-ups go by their queues: an earlier attempt met a conflict, or failed with
    /// its follow-ups.
    pub without_inline: bool,
}

impl RetryState {
    /// False when the next attempt would be no different: then the batch itself is at fault.
    pub fn learn(&mut self, error: &BatchError) -> bool {
        match error {
            BatchError::Unavailable(_) => true,
            BatchError::Recheck { answer_lost, .. } => {
                self.answer_lost |= answer_lost;
                self.without_inline = true;
                true
            }
            BatchError::Faulty(_) => !std::mem::replace(&mut self.without_inline, true),
        }
    }
}

impl Consumer {
    /// Handles a batch until it is done, waiting for what is away. When told to stop meanwhile, hands it back.
    /// The permit goes at the first failure: while this batch waits, the other consumers of the role may take.
    pub(super) async fn handle_to_the_end(
        &self,
        deliveries: Vec<Delivery>,
        mut permit: Option<Permit>,
        stop: &CancellationToken,
    ) {
        let mut delays = Delays::new();
        let mut retry_state = RetryState::default();
        loop {
            let Err(error) = self.handle(&deliveries, retry_state).await else { return };
            drop(permit.take());
            let learned = retry_state.learn(&error);
            match error {
                BatchError::Unavailable(why) => {
                    tracing::warn!(role = %self.handler.role(), messages = deliveries.len(), "{why}; waiting for it");
                }
                BatchError::Recheck { why, .. } => {
                    tracing::debug!(role = %self.handler.role(), "{why}; looking again");
                }
                BatchError::Faulty(why) if learned => {
                    tracing::debug!(role = %self.handler.role(), "{why}; trying again without what follows from it");
                    continue;
                }
                BatchError::Faulty(why) => return self.one_by_one(deliveries, &why, stop).await,
            }
            tokio::select! {
                () = stop.cancelled() => return self.broker.hand_back(&deliveries).await,
                () = tokio::time::sleep(delays.next_delay()) => {}
            }
        }
    }

    /// Finds the message that fails: each is a batch of its own, and the one at fault is retried later.
    async fn one_by_one(&self, deliveries: Vec<Delivery>, why: &str, stop: &CancellationToken) {
        if let [only] = deliveries.as_slice() {
            return self.retry_later(only, why).await;
        }
        tracing::debug!(role = %self.handler.role(), "a batch failed, handling it one by one: {why}");
        for delivery in deliveries {
            Box::pin(self.handle_to_the_end(vec![delivery], None, stop)).await;
        }
    }

    /// Publishes until the broker has confirmed. Unknown is not lost: the ids make repeats harmless.
    pub(super) async fn publish(&self, outbox: &[Emitted]) {
        let mut delays = Delays::new();
        while let Err(away) = self.broker.publish(outbox).await {
            tracing::warn!(role = %self.handler.role(), messages = outbox.len(), "{away}; publishing again");
            tokio::time::sleep(delays.next_delay()).await;
        }
    }

    /// A message that fails by itself comes again after each of `RETRY_DELAYS`, and is then parked.
    async fn retry_later(&self, delivery: &Delivery, why: &str) {
        let role = self.handler.role();
        let message = &delivery.message;
        let order_id = message.order_id.map(tracing::field::display);
        if let Some(delay) = RETRY_DELAYS.get(delivery.attempt as usize) {
            tracing::warn!(%role, order_id, message_id = %message.id, name = message.name(), attempt = delivery.attempt + 1,
                "it failed and is tried again in {} s: {why}", delay.as_secs());
            METRICS.retried(role);
            self.redeliveries.failed(role, message, why);
            if self.broker.retry(delivery, *delay).await.is_ok() {
                return;
            }
            return self.broker.hand_back(std::slice::from_ref(delivery)).await;
        }
        tracing::error!(%role, order_id, message_id = %message.id, name = message.name(),
            "it failed {} times and is kept as a dead letter: {why}", delivery.attempt + 1);
        match self.park(delivery, why).await {
            Ok(()) => METRICS.dead_lettered(role, 1),
            // Only time is lost: it is delivered again and fails again.
            Err(_) => self.broker.hand_back(std::slice::from_ref(delivery)).await,
        }
    }

    async fn park(&self, delivery: &Delivery, why: &str) -> Result<(), BatchError> {
        let now = self.store.now().await?;
        let letter =
            batch::dead_letter(delivery.queue, &delivery.message, delivery.attempt + 1, "failed", why, now);
        let changes = Changes { dead: vec![DeadChange::Park(letter)], ..Changes::default() };
        self.store.begin().await?.commit(changes).await?;
        self.broker
            .ack(std::slice::from_ref(delivery))
            .await
            .map_err(|away| BatchError::Unavailable(away.to_string()))
    }
}

/// A panic in a handler is a fault of one of its messages.
pub(super) async fn caught<T>(work: impl Future<Output = Result<T, BatchError>>) -> Result<T, BatchError> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => result,
        Err(panic) => Err(BatchError::Faulty(format!("it panicked: {}", text_of(&*panic)))),
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_string())
}
