//! The words that workers and the outside share: messages, money, time, ids, and what a worker is.
//!
//! No code in here decides anything, and none can reach the outside world.

mod answer;
mod card;
mod hash;
mod id;
mod json;
mod message;
mod money;
mod payload;
mod queue;
mod record;
mod reply;
#[cfg(feature = "schema")]
mod schema;
mod shape;
mod speaker;
mod submission;
mod text;
mod time;
mod unfit;
mod worker;

pub use answer::{Answer, Answers};
pub use card::{holds_card_number, json_holds_card_number, without_card_numbers};
pub use hash::BodyHash;
pub use id::{KeySecret, MessageId, OrderId};
pub use json::json_of;
pub use message::{
    BODY_BYTES_MAX, Body, Kind, MESSAGES, Message, Raw, Unreadable, bodies, first_who_may, speakers_of,
};
pub use money::{Currency, Money, MoneyError};
pub use payload::*;
pub use queue::{Queue, Role};
pub use record::{Contention, Holds, Record, Records, Stored, Table};
pub use reply::{Ending, Reply, ReplyTo};
pub use speaker::Speaker;
pub use submission::{Cart, CartSeen, Fault, LINES_MAX, QUANTITY_MAX, Submit, token_fault};
pub use text::{Sku, clean_text, is_unseen};
pub use time::Time;
pub use unfit::{in_plain_words, not_json};
pub use worker::{Deadline, Decision, Need, Outcome, PrefetchHint, Worker};

#[cfg(test)]
mod tests;
