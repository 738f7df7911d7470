//! A journal row may send messages of its own role only: a database login can write nothing but rows of its role, but
//! can put anything into them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use contract::{Message, Queue, Role, Speaker};

use super::{Emitted, Read};

/// A message that was sent to a queue of ours and that the queue's reader has not handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// The role of the journal row that it is in.
    pub role: Role,
    pub queue: Queue,
    pub message: Message,
}

impl InFlight {
    pub fn is_believed(&self) -> bool {
        may_say(self.role, &self.message)
    }
}

/// Whether a journal row of this role may send this message.
pub fn may_say(role: Role, message: &Message) -> bool {
    let own = match role {
        // Replays messages of others, with their senders.
        Role::Operator => true,
        // Journals messages of others, and sends none of its own.
        Role::Gateway => match message.by {
            Speaker::Customer
            | Speaker::PaymentProvider
            | Speaker::Admin
            | Speaker::Operator
            | Speaker::Timers => true,
            Speaker::Shop
            | Speaker::Order
            | Speaker::Payment
            | Speaker::Stock
            | Speaker::Notification
            | Speaker::Saga
            | Speaker::Provider
            | Speaker::Email
            | Speaker::Sms
            | Speaker::Outsider => false,
        },
        Role::Order
        | Role::Payment
        | Role::Stock
        | Role::Notification
        | Role::Saga
        | Role::Provider
        | Role::Email
        | Role::Sms => message.by == Speaker::from(role),
    };
    own && message.is_allowed()
}

/// The messages of a row, without those that its role may not send. Those are forged, and must not be sent again by a
/// process whose login may send anything.
pub fn believed(role: Role, emitted: Vec<Emitted>) -> Vec<Emitted> {
    let is_own = |emitted: &Emitted| {
        let message = &emitted.message;
        let own = may_say(role, message);
        if !own {
            tracing::error!(%role, by = %message.by, name = message.name(), message_id = %message.id,
                "a row of the journal says what its role may not, and is not believed; `checkout audit` tells more");
        }
        own
    };
    emitted.into_iter().filter(is_own).collect()
}

/// The same message may be in rows of several roles, but is in flight once: as it is in the first row whose role may
/// send it, so that a forged row cannot hide the true one. If none may, as it is in the first row.
pub(super) fn once_each(found: Vec<Read<InFlight>>) -> Vec<Read<InFlight>> {
    let mut once: Vec<Option<Read<InFlight>>> = Vec::with_capacity(found.len());
    let mut places = HashMap::new();
    for one in found {
        let Ok(in_flight) = &one else {
            once.push(Some(one));
            continue;
        };
        let believed = in_flight.is_believed();
        match places.entry((in_flight.queue, in_flight.message.id.clone())) {
            Entry::Vacant(new) => {
                new.insert((once.len(), believed));
                once.push(Some(one));
            }
            Entry::Occupied(mut before) => {
                let (place, was_believed) = *before.get();
                if believed && !was_believed {
                    if let Some(forged) = once.get_mut(place) {
                        *forged = None;
                    }
                    before.insert((once.len(), true));
                    once.push(Some(one));
                }
            }
        }
    }
    once.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
