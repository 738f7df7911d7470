//! Which dead letters a stranger can cause at will, and which are our own failures. This is decided only here.

use contract::{MessageId, Speaker};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DeadLetter;

/// Whose failure a dead letter is. While there are too many of our own, new checkouts are refused; they are never
/// evicted. Those of strangers never close the shop for others, and only the newest of them are kept.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Own,
    Stranger,
}

/// The handling failed, or a message was damaged between our own roles. Customers may be waiting for the effect of
/// these messages, no matter who sent them.
const OWN: [&str; 8] = [
    "failed",
    "delivery_limit",
    "misrouted",
    "envelope_incomplete",
    "bundle_malformed",
    // A row in our own database that none of our workers writes.
    "deadline_refused",
    // A person with access to the broker caused this.
    "rejected",
    "dead_lettered",
];

/// The message was refused while it was read from outside. The speaker that it names proves nothing: with a binding
/// from one exchange to another, a user of the broker can make facts of ours unroutable.
const NEVER_LET_IN: [&str; 15] = [
    "message_id_invalid",
    "message_id_missing",
    "body_too_large",
    "body_malformed",
    "body_invalid",
    "schema_unknown",
    "type_unknown",
    "type_differs",
    "type_internal",
    "reply_to_invalid",
    "content_type_unknown",
    "content_encoding_unknown",
    "bundle_refused",
    "unroutable",
    "expired",
];

/// Another message has used the id before. Messages of our own have ids that no outsider may choose.
const ID_TAKEN: &str = "message_id_reused";

/// A command came before its order, was held back, and the order never came. A stranger can cause this, because anyone
/// who may cancel may name any order id. The letter names the order worker, because it had held the command back.
const HELD_FOR_STRANGERS: &str = "order_never_came";

impl Origin {
    fn of(code: &str, said_by_a_stranger: bool) -> Self {
        // If a worker refuses a message (`order_id_reused`, `order_unknown`, …), its sender is at fault: a stranger, or
        // one of our own roles.
        let theirs = NEVER_LET_IN.contains(&code) || code == HELD_FOR_STRANGERS;
        let strangers = !OWN.contains(&code) && (theirs || said_by_a_stranger);
        if strangers { Self::Stranger } else { Self::Own }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Stranger => "stranger",
        }
    }
}

/// Speakers who can send as many messages as they like. Admins and the payment provider are known to the shop, and a
/// failed event about money needs a person's attention.
fn is_a_stranger(by: Speaker) -> bool {
    matches!(by, Speaker::Customer | Speaker::Shop | Speaker::Outsider)
}

impl DeadLetter {
    pub fn origin(&self) -> Origin {
        Origin::of(&self.code, is_a_stranger(self.by) || self.may_have_been_forestalled())
    }

    /// Whether a stranger may have used its id before: the id of an admin's command can be guessed, and strangers may
    /// send to the same queue. They cannot send to the queue of the provider's events.
    fn may_have_been_forestalled(&self) -> bool {
        let id = self.message_id.as_deref().and_then(MessageId::new);
        let can_be_chosen = id.is_none_or(|id| !id.is_reserved());
        self.code == ID_TAKEN && can_be_chosen && self.by != Speaker::PaymentProvider
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order worker had held the message back and sends it in its own name, but a flood of them must not close the
    /// shop.
    #[test]
    fn what_was_asked_of_an_order_that_never_came_is_no_trouble_of_our_own() {
        assert_eq!(Origin::of("order_never_came", is_a_stranger(Speaker::Order)), Origin::Stranger);
        assert_eq!(Origin::of("order_unknown", is_a_stranger(Speaker::Saga)), Origin::Own);
    }

    #[test]
    fn a_letter_whose_id_an_outsider_could_have_used_first_is_no_trouble_of_our_own() {
        let letter = |by, id: &str| {
            let order_id = contract::OrderId::default();
            let body = contract::OrderArchive { order_id, ..Default::default() };
            let body = contract::Body::OrderArchive(body);
            let id = MessageId::new(id).unwrap();
            let message = contract::Message::new(id, contract::Time::default(), body).said_by(by);
            let (queue, now) = (contract::Queue::Order, contract::Time::default());
            crate::batch::dead_letter(queue, &message, 1, ID_TAKEN, "", now).origin()
        };
        let (ours, chosen) = ("0195d2a4-0000-8000-8000-000000000001", "upsert-1001");
        assert_eq!(letter(Speaker::Shop, ours), Origin::Stranger);
        for by in [Speaker::Shop, Speaker::Admin, Speaker::Timers, Speaker::Saga] {
            assert_eq!(letter(by, chosen), Origin::Stranger, "{by}");
        }
        assert_eq!(letter(Speaker::Saga, ours), Origin::Own);
        assert_eq!(letter(Speaker::PaymentProvider, chosen), Origin::Own, "a person looks where money is");
    }
}
