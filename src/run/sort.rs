//! A batch as it was taken: what is new, what came again, and what bears another's name.

use std::collections::HashMap;
use std::sync::Arc;

use contract::{Message, MessageId, Time};

use crate::batch;
use crate::broker::Delivery;
use crate::store::{DeadChange, DeadLetter, Handled, Said};

/// A batch, by what is to be done about each message.
pub(super) struct Sorted {
    pub(super) fresh: Vec<Arc<Message>>,
    /// Said before, and perhaps never published.
    pub(super) owed: Vec<Said>,
    /// Another message under a known id.
    pub(super) reused: Vec<DeadChange>,
    /// Those that were handled before, or stand in the batch already.
    pub(super) repeats: Vec<Arc<Message>>,
}

pub(super) fn sort(deliveries: &[Delivery], handled: Vec<Handled>, answer_lost: bool, now: Time) -> Sorted {
    let mut known: HashMap<MessageId, Handled> = handled.into_iter().map(|h| (h.id.clone(), h)).collect();
    let mut sorted = Sorted {
        fresh: Vec::with_capacity(deliveries.len()),
        owed: Vec::new(),
        reused: Vec::new(),
        repeats: Vec::new(),
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
                sorted.repeats.push(message.clone());
                false
            }
            (None, Some(before)) if before.hash() == message.hash() => {
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
            sorted.reused.push(DeadChange::Bury(reused_letter(letter, message)));
        }
    }
    sorted
}

/// The letter's id is made from queue and message id, which here belong to another message as well.
fn reused_letter(letter: DeadLetter, message: &Message) -> DeadLetter {
    let name = format!("{}/{}", letter.id, message.hash());
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).hyphenated().to_string();
    DeadLetter { id, ..letter }
}
