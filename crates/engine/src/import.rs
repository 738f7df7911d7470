//! Every message that died on its way becomes a dead letter in the store before the broker may forget it.
//!
//! One that was handled after all is dropped, and what it emitted then is published again, because its first handling may
//! have died before that.

use std::collections::HashMap;
use std::sync::Arc;

use broker::{Broker, DeadDelivery};
use contract::{Message, MessageId, Queue, Raw, Role, Time};
use retry::Delays;
use store::batch;
use store::{Changes, DeadChange, DeadLetter, DeadStatus, Error, Handled, Store, Transaction, believed};
use tokio_util::sync::CancellationToken;

use crate::run::still_owed;

const BATCH_MAX: usize = 100;

/// The queue name of dead letters that no queue of ours wanted.
pub(crate) const UNROUTED: &str = "unrouted";

/// Runs until told to stop. Several may run.
pub async fn run(store: Arc<dyn Store>, broker: Arc<dyn Broker>, stop: CancellationToken) {
    let mut delays = Delays::new();
    loop {
        let taken = tokio::select! {
            () = stop.cancelled() => return,
            taken = broker.take_dead(BATCH_MAX) => taken,
        };
        match taken {
            Ok(dead) => {
                delays = Delays::new();
                if see_through(&*store, &*broker, &dead, &stop).await.is_none() {
                    return;
                }
            }
            Err(away) => {
                tracing::warn!("dead letters cannot be taken: {away}");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(delays.next_delay()) => {}
                }
            }
        }
    }
}

/// Tries until they are kept, waiting for what is away. `None`: it is time to stop, and they come again.
async fn see_through(
    store: &dyn Store,
    broker: &dyn Broker,
    dead: &[DeadDelivery],
    stop: &CancellationToken,
) -> Option<()> {
    let mut delays = Delays::new();
    loop {
        match import(store, broker, dead).await {
            Ok(()) => return Some(()),
            Err(Error::Refused(why)) => match dead {
                [one] => {
                    // Unacknowledged, it stays in its queue and is tried again after the next connection.
                    tracing::error!(queue = ?one.queue, message_id = one.message_id,
                        "a dead letter cannot be kept and stays with the broker: {why}");
                    return Some(());
                }
                several => {
                    for one in several {
                        Box::pin(see_through(store, broker, std::slice::from_ref(one), stop)).await?;
                    }
                    return Some(());
                }
            },
            Err(error @ (Error::Unavailable(_) | Error::Conflict(_) | Error::Unknown(_))) => {
                tracing::warn!(letters = dead.len(), "dead letters wait: {error}");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(delays.next_delay()) => {}
        }
    }
}

/// One pass: look, store, publish what is owed, acknowledge.
pub async fn import(store: &dyn Store, broker: &dyn Broker, dead: &[DeadDelivery]) -> Result<(), Error> {
    let now = store.now().await?;
    let mut transaction = store.begin().await?;
    let messages: Vec<_> = dead.iter().map(|one| message_of(one, now)).collect();
    let mut handled = handled(&mut *transaction, dead, &messages).await?;
    let (mut owed, mut changes) = (Vec::new(), Changes::default());
    for (one, message) in dead.iter().zip(&messages) {
        let known = one.queue.zip(message.as_ref()).and_then(|(queue, message)| {
            let reader = queue.reader();
            let before = handled.get_mut(&(reader, message.id.clone()));
            Some((reader, before.filter(|before| before.hash == message.hash())?))
        });
        match known {
            Some((reader, before)) => {
                tracing::info!(
                    message_id = one.message_id,
                    name = one.name,
                    code = one.code,
                    "a dead letter had been handled after all, and is dropped"
                );
                owed.extend(believed(reader, std::mem::take(&mut before.emitted)));
            }
            None => {
                tracing::warn!(
                    queue = queue_name(one),
                    message_id = one.message_id,
                    name = one.name,
                    code = one.code,
                    "a dead letter came in: {}",
                    one.why
                );
                changes.dead.push(DeadChange::Park(letter(one, message.as_ref(), now)));
            }
        }
    }
    let owed = still_owed(&mut *transaction, owed).await?;
    if changes.dead.is_empty() {
        drop(transaction);
    } else {
        transaction.commit(changes).await?;
    }
    let away = |away: broker::Unavailable| Error::Unavailable(away.to_string());
    if !owed.is_empty() {
        broker.publish(&owed).await.map_err(away)?;
    }
    broker.ack_dead(dead).await.map_err(away)
}

/// What their readers know of them.
async fn handled(
    transaction: &mut dyn Transaction,
    dead: &[DeadDelivery],
    messages: &[Option<Message>],
) -> Result<HashMap<(Role, MessageId), Handled>, Error> {
    let mut ids: HashMap<Role, Vec<MessageId>> = HashMap::new();
    for (one, message) in dead.iter().zip(messages) {
        if let (Some(queue), Some(message)) = (one.queue, message) {
            ids.entry(queue.reader()).or_default().push(message.id.clone());
        }
    }
    let mut known = HashMap::new();
    for (role, ids) in ids {
        let (_, found) = transaction.handled(role, &ids).await?;
        known.extend(found.into_iter().map(|handled| ((role, handled.id.clone()), handled)));
    }
    Ok(known)
}

/// If it can be read. What cannot has never been handled.
fn message_of(dead: &DeadDelivery, now: Time) -> Option<Message> {
    let Some(id) = &dead.message_id else {
        // The one message that may come without an id has one all the same.
        let raw = Raw { name: dead.name.clone(), body: dead.body.clone().into_bytes(), ..Raw::default() };
        return Message::accept(dead.by, &raw, now).ok();
    };
    let id = MessageId::new(id)?;
    let cause = dead.cause.as_deref().and_then(MessageId::new);
    Some(Message::restore(id, cause, now, &dead.name, &dead.body).ok()?.said_by(dead.by))
}

fn letter(dead: &DeadDelivery, message: Option<&Message>, now: Time) -> DeadLetter {
    DeadLetter {
        id: letter_id(dead, message),
        queue: queue_name(dead).to_string(),
        message_id: dead.message_id.clone().or_else(|| message.map(|message| message.id.to_string())),
        name: dead.name.clone(),
        by: dead.by,
        order_id: message.and_then(|message| message.order_id),
        cause: dead.cause.clone(),
        code: dead.code.clone(),
        why: dead.why.clone(),
        attempts: dead.attempts,
        at: now,
        body: dead.body.clone(),
        status: DeadStatus::Open,
    }
}

/// The same dead letter has the same id however often it comes. A message that was delivered too often has the id
/// that the loop would give it. Other bad messages may share the message id of another, so their content is part of
/// the id. A message without an id may be named in the reason.
fn letter_id(dead: &DeadDelivery, message: Option<&Message>) -> String {
    match (dead.code.as_str(), dead.queue, message) {
        ("delivery_limit", Some(queue), Some(message)) => {
            batch::dead_letter_id(queue.name(), message.id.as_str())
        }
        _ => {
            let id = dead.message_id.as_deref().unwrap_or(&dead.why);
            let hash = contract::BodyHash::of(&dead.name, &dead.body);
            batch::dead_letter_id(queue_name(dead), &format!("{id}/{hash}"))
        }
    }
}

fn queue_name(dead: &DeadDelivery) -> &'static str {
    dead.queue.map_or(UNROUTED, Queue::name)
}
