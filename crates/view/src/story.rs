//! The story of an order, built from the journal: which message came to which role and when, its outcome, and what
//! was emitted because of it; with dead letters, what is in flight, and open deadlines.
//!
//! A role's time is the moment at which it took a message. What it emits carries the same time, so that a message's
//! queue time is from its sender's take to its reader's: it includes the commit and the transport.

mod tell;

use anyhow::Result;
use contract::{OrderId, Time};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use store::{Database, readable};

use super::mask::Sight;

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Story {
    pub order_id: OrderId,
    /// All participants, outsiders first.
    pub lifelines: Vec<Lifeline>,
    pub steps: Vec<Step>,
    /// The open ones.
    pub deadlines: Vec<Deadline>,
    /// Where the time went: how long messages waited for each reader.
    pub waits: Vec<Wait>,
    /// From the first step to the last.
    pub took_ms: i64,
    /// How many steps were left out of the middle of a story that is too long.
    pub left_out: usize,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Lifeline {
    pub name: String,
    /// Not one of our roles.
    pub outside: bool,
}

/// One message from one lifeline to another, and its outcome there.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Step {
    pub at: Time,
    pub from: &'static str,
    pub to: &'static str,
    pub name: String,
    pub message_id: String,
    pub kind: Kind,
    pub verdict: Verdict,
    /// The outcome, in the words of the role that handled it.
    pub words: String,
    /// The names of the messages that were emitted because of it.
    pub says: Vec<String>,
    /// From the time it was emitted to the time it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waited_ms: Option<i64>,
    /// How often the same reader had been told the same before, under other ids.
    pub repeats: u32,
    /// How often it was redelivered without effect, as far as that was counted.
    #[serde(skip_serializing_if = "is_zero")]
    pub absorbed: u32,
    /// How often handling it failed before, and why the last time.
    #[serde(skip_serializing_if = "is_zero")]
    pub failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_because: Option<String>,
    /// Of a dead letter: how often it was tried, and its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub letter: Option<String>,
    /// Absent where the journal has only the hash: of deadlines, and of what came straight from the broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Command,
    Fact,
    Reply,
    /// A deadline that came due.
    Deadline,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Something changed, or an earlier answer was given again.
    Done,
    /// Handled without effect: a repeat, or too late.
    Absorbed,
    /// Handled, and a person should know of it.
    Alarm,
    /// A dead letter that waits for a person.
    Dead,
    /// It was a dead letter, and was dealt with.
    Buried,
    /// Replaced or discarded by an operator.
    Closed,
    /// Emitted, and not handled so far.
    UnderWay,
    /// For listeners outside; none of our roles reads it.
    Told,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Deadline {
    pub key: String,
    pub due: Time,
    pub name: String,
    /// The message whose handling set it, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_by: Option<String>,
    pub set_at: Time,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Wait {
    pub reader: &'static str,
    pub messages: u32,
    pub total_ms: i64,
    pub longest_ms: i64,
}

/// `None` when the journal has nothing of it (any more).
pub async fn story(store: &dyn Database, order_id: OrderId, sight: Sight) -> Result<Option<Story>> {
    // In this order: what is handled after the first read must not be shown as in flight.
    let standing = store.deadlines_of(order_id).await?;
    let letters = store.letters_of(order_id).await?;
    let redeliveries = store.redelivery_stats_of(order_id).await?;
    let rows = readable(store.journal_of(order_id).await?);
    if rows.is_empty() && letters.is_empty() {
        return Ok(None);
    }
    let now = store.now().await?;
    Ok(Some(tell::tell(order_id, &tell::Known { rows, letters, standing, redeliveries, now, sight })))
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Step {
    /// What else is worth saying of it, in one line; may be empty.
    pub fn aside(&self) -> String {
        let mut asides = Vec::new();
        if let Some(tries) = self.attempts {
            asides.push(format!("tried {tries} times"));
        }
        if self.failures > 0 {
            let why = self.failed_because.as_deref().unwrap_or_default();
            asides.push(format!("failed {} times before: {why}", self.failures));
        }
        if self.absorbed > 0 {
            asides.push(format!("came {} times more without effect", self.absorbed));
        }
        if self.repeats > 0 {
            asides.push(format!("the same had been said {} times before", self.repeats));
        }
        if asides.is_empty() { String::new() } else { format!(" ({})", asides.join("; ")) }
    }
}

impl Verdict {
    /// As a person reads it.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Done => "done",
            Verdict::Absorbed => "absorbed",
            Verdict::Alarm => "alarm",
            Verdict::Dead => "dead letter",
            Verdict::Buried => "was a dead letter",
            Verdict::Closed => "closed by an operator",
            Verdict::UnderWay => "under way",
            Verdict::Told => "told",
        }
    }
}
