//! A batch as it was taken: what is new, what came again, and what bears another's name.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use broker::Delivery;
use contract::{Body, Message, MessageId, Role, Submit, Time};
use store::batch;
use store::{DeadChange, DeadLetter, Emitted, Error, Handled, Transaction};

/// A batch, by what is to be done about each message.
pub(super) struct Sorted {
    pub(super) fresh: Vec<Arc<Message>>,
    /// Emitted before, and perhaps never published.
    pub(super) owed: Vec<Emitted>,
    /// Another message under a known id.
    pub(super) reused: Vec<DeadChange>,
    /// Those that were handled before, or stand in the batch already.
    pub(super) repeats: Vec<Arc<Message>>,
    /// Of those, checkouts whose sender may want to be answered elsewhere.
    pub(super) elsewhere: Vec<Arc<Message>>,
}

pub(super) fn sort(deliveries: &[Delivery], handled: Vec<Handled>, answer_lost: bool, now: Time) -> Sorted {
    let mut known: HashMap<MessageId, Handled> = handled.into_iter().map(|h| (h.id.clone(), h)).collect();
    let mut sorted = Sorted {
        fresh: Vec::with_capacity(deliveries.len()),
        owed: Vec::new(),
        reused: Vec::new(),
        repeats: Vec::new(),
        elsewhere: Vec::new(),
    };
    let mut seen: HashMap<&MessageId, &Arc<Message>> = HashMap::with_capacity(deliveries.len());
    for delivery in deliveries {
        let message = &delivery.message;
        let reused = match (known.get_mut(&message.id), seen.get(&message.id)) {
            (Some(before), _) if before.hash == message.hash() => {
                // Only a delivery whose first handling may have died half-way owes what was said then.
                if delivery.redelivered || delivery.attempt > 0 || answer_lost {
                    sorted.owed.append(&mut before.said);
                }
                sorted.elsewhere.extend(asked_anew(delivery));
                sorted.repeats.push(message.clone());
                false
            }
            (None, Some(before)) if before.hash() == message.hash() => {
                sorted.elsewhere.extend(asked_anew(delivery));
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
    sorted
}

/// A checkout sent again under its id may name another queue to be answered at. That much of it may be new, and is handled
/// under an id of its own; the order worker knows whom it has answered.
fn asked_anew(delivery: &Delivery) -> Option<Arc<Message>> {
    let Body::Submit(Submit { order_id, reply_to: Some(reply_to), .. }) = &delivery.message.body else {
        return None;
    };
    // Delivered again by the broker: its sender has sent it once.
    if delivery.redelivered || delivery.attempt > 0 {
        return None;
    }
    let Message { id, by, at, body, .. } = &*delivery.message;
    let word = reply_to.correlation_id().unwrap_or_default();
    let name = format!("asked_anew\0{order_id}\0{id}\0{}\0{word}", reply_to.queue());
    let again = MessageId::of_name(*order_id, &name);
    Some(Arc::new(Message::new(again, *at, body.clone()).said_by(*by)))
}

/// Of these the ones that are new to the role, each once.
pub(super) async fn not_handled(
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
