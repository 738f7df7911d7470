//! Publishes what has come due; the worker that handles the message removes the deadline. What no worker sets as a deadline,
//! or cannot be read, becomes a dead letter instead.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::{Broker, State};
use contract::{BODY_BYTES_MAX, Body, Message, Queue, Speaker, Time};
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
    let (mut delays, mut unpublished) = (Delays::new(), Vec::new());
    loop {
        let pause = match round(&*store, &*broker, &mut unpublished).await {
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

/// What was taken at that time for one set of queues.
struct Share {
    taken: Instant,
    emitted: Vec<Emitted>,
}

/// Takes deadlines only while the broker can be reached. What a queue does not accept is kept and published in a later
/// round, until it comes due again and is taken anew; it holds up nothing that is for other queues.
async fn round(
    store: &dyn Deadlines,
    broker: &dyn Broker,
    unpublished: &mut Vec<Share>,
) -> Result<usize, Error> {
    if let State::Blocked(why) | State::Down(why) = broker.state() {
        return Err(Error::Unavailable(why));
    }
    let mut due = Due::take(store).await?;
    let count = due.count();
    unpublished.retain(|share| share.taken.elapsed() < Duration::from_secs(AGAIN_AFTER_S));
    unpublished.extend(due.shares());
    let (mut refused, mut failed) = (Vec::new(), None);
    for share in unpublished.drain(..) {
        if let Err(why) = publish(broker, &share.emitted).await {
            failed = Some(why);
            refused.push(share);
        }
    }
    *unpublished = refused;
    due.refuse(store).await?;
    failed.map_or(Ok(count), Err)
}

/// One round, for a caller that keeps nothing; returns how many deadlines came due.
pub async fn publish_due(store: &dyn Deadlines, broker: &dyn Broker) -> Result<usize, Error> {
    round(store, broker, &mut Vec::new()).await
}

async fn publish(broker: &dyn Broker, emitted: &[Emitted]) -> Result<(), Error> {
    broker.publish(emitted).await.map_err(|away| Error::Unavailable(away.to_string()))?;
    METRICS.deadlines(emitted.len());
    Ok(())
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

    fn count(&self) -> usize {
        self.emitted.len() + self.refused.len()
    }

    /// What is to be published, apart for each set of queues.
    fn shares(&mut self) -> Vec<Share> {
        let mut by_queues: BTreeMap<Vec<Queue>, Vec<Emitted>> = BTreeMap::new();
        for one in self.emitted.drain(..) {
            by_queues.entry(one.queues.clone()).or_default().push(one);
        }
        let taken = Instant::now();
        by_queues.into_values().map(|emitted| Share { taken, emitted }).collect()
    }

    async fn refuse(self, store: &dyn Deadlines) -> Result<(), Error> {
        if self.refused.is_empty() { Ok(()) } else { refuse(store, self.refused).await }
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
