//! Publishes what has come due; the worker that handles the message removes the deadline. What no worker sets as a deadline,
//! or cannot be read, becomes a dead letter instead.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::{Broker, State};
use contract::{BODY_BYTES_MAX, Body, Message, Speaker, Time};
use metrics::METRICS;
use retry::Delays;
use store::batch;
use store::{Changes, DeadChange, DeadLetter, DeadStatus, Deadlines, Emitted, Error};
use tokio_util::sync::CancellationToken;

use crate::import::UNROUTED;

/// A deadline that was published and not handled for this long is published again.
const AGAIN_AFTER_S: u64 = 30;
const BATCH_MAX: usize = 500;

/// A refused deadline is looked at again then, and its dead letter is opened again: until the row is deleted.
const REFUSED_AGAIN_AFTER_S: u64 = 24 * 3600;

/// How late a deadline may be noticed.
const EVERY: Duration = Duration::from_millis(200);

pub async fn run(store: Arc<dyn Deadlines>, broker: Arc<dyn Broker>, stop: CancellationToken) {
    let mut delays = Delays::new();
    loop {
        let pause = match round(&*store, &*broker, &stop).await {
            Ok(count) if count == BATCH_MAX => continue,
            Ok(_) => {
                delays = Delays::new();
                EVERY
            }
            Err(why) => {
                tracing::warn!("deadlines wait: {why}");
                delays.next_delay()
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Takes deadlines only while the broker can be reached, and tries to publish what it has taken until that succeeds: no
/// other process takes them before they come due again.
async fn round(store: &dyn Deadlines, broker: &dyn Broker, stop: &CancellationToken) -> Result<usize, Error> {
    if let State::Blocked(why) | State::Down(why) = broker.state() {
        return Err(Error::Unavailable(why));
    }
    let due = Due::take(store).await?;
    let (taken, mut delays) = (Instant::now(), Delays::new());
    while let Err(why) = due.publish(broker).await {
        if taken.elapsed() >= Duration::from_secs(AGAIN_AFTER_S) {
            return Err(why);
        }
        tracing::debug!("due deadlines are published again: {why}");
        tokio::select! {
            () = stop.cancelled() => return Err(why),
            () = tokio::time::sleep(delays.next_delay()) => {}
        }
    }
    due.refuse(store).await
}

/// Publishes what is due, without trying again; returns how many deadlines came due.
pub async fn publish_due(store: &dyn Deadlines, broker: &dyn Broker) -> Result<usize, Error> {
    let due = Due::take(store).await?;
    due.publish(broker).await?;
    due.refuse(store).await
}

/// Deadlines that have come due, and those among them that no worker has set.
struct Due {
    emitted: Vec<Emitted>,
    refused: Vec<(String, Option<Message>, String)>,
}

impl Due {
    async fn take(store: &dyn Deadlines) -> Result<Self, Error> {
        let mut due = Self { emitted: Vec::new(), refused: Vec::new() };
        for (key, message) in store.due_deadlines(BATCH_MAX, AGAIN_AFTER_S).await? {
            match message {
                Ok(message) if is_a_deadline(&message) => {
                    let queues = message.body.queues().to_vec();
                    due.emitted.push(Emitted { queues, message: Arc::new(message) });
                }
                Ok(message) => {
                    let why = format!("{} is no deadline that {} may set", message.name(), message.by);
                    due.refused.push((key, Some(message), why));
                }
                Err(why) => due.refused.push((key, None, why.to_string())),
            }
        }
        Ok(due)
    }

    async fn publish(&self, broker: &dyn Broker) -> Result<(), Error> {
        broker.publish(&self.emitted).await.map_err(|away| Error::Unavailable(away.to_string()))?;
        METRICS.deadlines(self.emitted.len());
        Ok(())
    }

    async fn refuse(self, store: &dyn Deadlines) -> Result<usize, Error> {
        let count = self.emitted.len() + self.refused.len();
        if !self.refused.is_empty() {
            refuse(store, self.refused).await?;
        }
        Ok(count)
    }
}

/// The messages that workers set as deadlines: only one role may send each of these types.
fn is_a_deadline(message: &Message) -> bool {
    let set_by_a_worker = matches!(
        message.body,
        Body::SagaOverdue(_) | Body::OrderHeld(_) | Body::PaymentHeld(_) | Body::ProviderQuery(_)
    );
    set_by_a_worker && message.is_allowed()
}

/// A person finds them among the dead letters; the rows stay as the proof, and come again a day later.
async fn refuse(store: &dyn Deadlines, refused: Vec<(String, Option<Message>, String)>) -> Result<(), Error> {
    let now = store.now().await?;
    let mut changes = Changes::default();
    for (key, message, why) in &refused {
        tracing::error!(key, "a deadline is not published: {why}");
        changes.dead.push(DeadChange::Park(letter(key, message.as_ref(), why, now)));
    }
    store.begin().await?.commit(changes).await?;
    let keys: Vec<_> = refused.into_iter().map(|(key, ..)| key).collect();
    store.put_off(&keys, REFUSED_AGAIN_AFTER_S).await
}

/// The dead letter has no proven speaker, so no replay can send it; and it has no message id, so the true message may
/// still come under it.
fn letter(key: &str, message: Option<&Message>, why: &str, now: Time) -> DeadLetter {
    let body = message.map_or("", Message::json);
    let shown: String = key.chars().take(KEY_CHARS_MAX).collect();
    DeadLetter {
        id: batch::dead_letter_id("deadline", key),
        queue: UNROUTED.to_string(),
        message_id: None,
        name: message.map_or("deadline", Message::name).to_string(),
        by: Speaker::Outsider,
        order_id: message.and_then(|message| message.order_id),
        cause: None,
        code: "deadline_refused".to_string(),
        why: format!("the deadline {shown:?} was not published: {why}"),
        attempts: 1,
        at: now,
        body: body.chars().take(BODY_BYTES_MAX).collect(),
        status: DeadStatus::Open,
    }
}

/// Our own keys have fewer than a hundred.
const KEY_CHARS_MAX: usize = 200;
