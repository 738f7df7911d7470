//! Publishes what has come due; the worker that handles the message removes the deadline. What no worker sets as a deadline,
//! or cannot be read, becomes a dead letter instead.

use std::sync::Arc;
use std::time::Duration;

use broker::Broker;
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
        let pause = match publish_due(&*store, &*broker).await {
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

/// One round; returns how many came due.
pub async fn publish_due(store: &dyn Deadlines, broker: &dyn Broker) -> Result<usize, Error> {
    let due = store.due_deadlines(BATCH_MAX, AGAIN_AFTER_S).await?;
    let count = due.len();
    let (mut emitted, mut refused) = (Vec::with_capacity(count), Vec::new());
    for (key, message) in due {
        match message {
            Ok(message) if is_a_deadline(&message) => {
                emitted.push(Emitted { queues: message.body.queues().to_vec(), message: Arc::new(message) });
            }
            Ok(message) => {
                let why = format!("{} is no deadline that {} may set", message.name(), message.by);
                refused.push((key, Some(message), why));
            }
            Err(why) => refused.push((key, None, why.to_string())),
        }
    }
    broker.publish(&emitted).await.map_err(|away| Error::Unavailable(away.to_string()))?;
    METRICS.deadlines(emitted.len());
    if !refused.is_empty() {
        refuse(store, refused).await?;
    }
    Ok(count)
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
