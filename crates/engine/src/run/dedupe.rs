//! Sorts a batch by what the journal knows: what is new, what came again, and what bears the id of another message.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use broker::Delivery;
use contract::{Body, Message, MessageId, Role, Submit, Time};
use store::batch;
use store::{DeadChange, DeadLetter, Emitted, Error, Handled, Transaction};

use super::still_owed;

/// A batch, by what is to be done about each message.
pub(super) struct Deduped {
    /// The database's time at which this was asked.
    pub(super) now: Time,
    pub(super) fresh: Vec<Arc<Message>>,
    /// Emitted by an earlier handling, and perhaps never published.
    pub(super) owed: Vec<Emitted>,
    /// Another message under a known id.
    pub(super) reused: Vec<DeadChange>,
    /// Those that were handled before, or stand in the batch already.
    pub(super) repeats: Vec<Arc<Message>>,
}

/// Asks the journal which of these messages the role has handled. `answer_lost`: an earlier attempt may have committed.
pub(super) async fn dedupe(
    transaction: &mut dyn Transaction,
    role: Role,
    deliveries: &[Delivery],
    answer_lost: bool,
) -> Result<Deduped, Error> {
    let ids: Vec<_> = deliveries.iter().map(|delivery| delivery.message.id.clone()).collect();
    let (now, handled) = transaction.handled(role, &ids).await?;
    let (mut batch, to_answer_anew) = sort(deliveries, handled, answer_lost, now);
    batch.owed = still_owed(transaction, batch.owed).await?;
    batch.fresh.extend(not_handled(transaction, role, to_answer_anew).await?);
    Ok(batch)
}

/// The batch, and the repeated checkouts whose sender may want an answer at another queue.
fn sort(
    deliveries: &[Delivery],
    handled: Vec<Handled>,
    answer_lost: bool,
    now: Time,
) -> (Deduped, Vec<Arc<Message>>) {
    let mut known: HashMap<MessageId, Handled> = handled.into_iter().map(|h| (h.id.clone(), h)).collect();
    let mut sorted = Deduped {
        now,
        fresh: Vec::with_capacity(deliveries.len()),
        owed: Vec::new(),
        reused: Vec::new(),
        repeats: Vec::new(),
    };
    let mut to_answer_anew = Vec::new();
    let mut seen: HashMap<&MessageId, &Arc<Message>> = HashMap::with_capacity(deliveries.len());
    for delivery in deliveries {
        let message = &delivery.message;
        let reused = match (known.get_mut(&message.id), seen.get(&message.id)) {
            (Some(before), _) if before.hash == message.hash() => {
                // Only if the first handling may have died before it published is its outbox still owed.
                if delivery.redelivered || delivery.attempt > 0 || answer_lost {
                    sorted.owed.append(&mut before.emitted);
                }
                to_answer_anew.extend(asked_anew(delivery));
                sorted.repeats.push(message.clone());
                false
            }
            (None, Some(before)) if before.hash() == message.hash() => {
                to_answer_anew.extend(asked_anew(delivery));
                sorted.repeats.push(message.clone());
                false
            }
            (None, Some(_)) => true,
            (Some(_), _) => true,
            (None, None) => {
                seen.insert(&message.id, message);
                sorted.fresh.push(message.clone());
                false
            }
        };
        if reused {
            let why =
                "this message_id was used before, with another type or body; give every message its own";
            let letter =
                batch::dead_letter(delivery.queue, message, delivery.attempt, "message_id_reused", why, now);
            sorted.reused.push(DeadChange::Park(reused_letter(letter, message)));
        }
    }
    (sorted, to_answer_anew)
}

/// The hash leaves out `reply_to`, so a checkout that is sent again under its id may name another queue for the answer. That
/// answer is still due: the message is handled once more, under an id made from its own, the queue and the
/// correlation id. The order worker knows which queues it has answered.
fn asked_anew(delivery: &Delivery) -> Option<Arc<Message>> {
    let Body::Submit(Submit { order_id, reply_to: Some(reply_to), .. }) = &delivery.message.body else {
        return None;
    };
    // Delivered again by the broker: its sender has sent it once.
    if delivery.redelivered || delivery.attempt > 0 {
        return None;
    }
    let Message { id, by, at, body, .. } = &*delivery.message;
    let correlation_id = reply_to.correlation_id().unwrap_or_default();
    let name = format!("asked_anew\0{order_id}\0{id}\0{}\0{correlation_id}", reply_to.queue());
    let again = MessageId::of_name(*order_id, &name);
    Some(Arc::new(Message::new(again, *at, body.clone()).said_by(*by)))
}

/// Those that the role has not handled, each once.
async fn not_handled(
    transaction: &mut dyn Transaction,
    role: Role,
    mut messages: Vec<Arc<Message>>,
) -> Result<Vec<Arc<Message>>, Error> {
    if messages.is_empty() {
        return Ok(messages);
    }
    let ids: Vec<_> = messages.iter().map(|message| message.id.clone()).collect();
    let (_, handled) = transaction.handled(role, &ids).await?;
    let mut known: HashSet<_> = handled.into_iter().map(|handled| handled.id).collect();
    messages.retain(|message| known.insert(message.id.clone()));
    Ok(messages)
}

/// The letter's id is made from queue and message id, which here belong to another message as well.
fn reused_letter(letter: DeadLetter, message: &Message) -> DeadLetter {
    let name = format!("{}/{}", letter.id, message.hash());
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).hyphenated().to_string();
    DeadLetter { id, ..letter }
}
