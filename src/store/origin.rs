//! Which dead letters a stranger can cause at will, and which tell of our own trouble. This is decided here alone.

use contract::Speaker;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DeadLetter;

/// New checkouts are refused while there is too much of our own trouble, and none of it is ever evicted. A stranger's
/// letters never close the shop for others, and only the newest of them are kept.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Own,
    Stranger,
}

/// The handling failed, or a message broke on the way between our own roles. Customers may be waiting for what these
/// messages ask for, no matter who sent them.
const OWN: [&str; 8] = [
    "failed",
    "delivery_limit",
    "misrouted",
    "envelope_incomplete",
    "bundle_malformed",
    // A row of our own database that no worker of ours writes.
    "deadline_refused",
    // A person with access to the broker did this.
    "rejected",
    "dead_lettered",
];

/// The message never got past the reading of what comes from outside. Whose words stand in it proves nothing: with a
/// binding from one exchange to another, a user of the broker makes facts of ours unroutable.
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

/// Anyone who may cancel an order may name any order id. The order worker held the command, and so it speaks in the letter.
const HELD_FOR_STRANGERS: &str = "order_never_came";

impl Origin {
    fn of(code: &str, said_by_a_stranger: bool) -> Self {
        // A worker's refusal of what a message asks for (`order_id_reused`, `order_unknown`, …) is the fault of its
        // sender: of a stranger, or of one of our own roles.
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

/// Those who can send as much as they like. Admins and the payment provider are known to the shop, and what became of an
/// event about money is looked at by a person.
fn is_a_stranger(by: Speaker) -> bool {
    matches!(by, Speaker::Customer | Speaker::Shop | Speaker::Outsider)
}

impl DeadLetter {
    pub fn origin(&self) -> Origin {
        Origin::of(&self.code, is_a_stranger(self.by))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order worker held it and says it in its own name: a flood of such letters closes no shop all the same.
    #[test]
    fn what_was_asked_of_an_order_that_never_came_is_no_trouble_of_our_own() {
        assert_eq!(Origin::of("order_never_came", is_a_stranger(Speaker::Order)), Origin::Stranger);
        assert_eq!(Origin::of("order_unknown", is_a_stranger(Speaker::Saga)), Origin::Own);
    }
}
