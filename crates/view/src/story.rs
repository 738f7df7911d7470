//! The story of an order, put together from the journal: what came to whom, when, what it came to, and what was said
//! because of it; with what died, what is still under way, and what is waited for.
//!
//! A worker's time is the moment at which it took a message. What it says carries the same moment, so that the time a
//! message waited goes from its sayer's taking to its reader's: with the commit and the way between them.

mod tell;

use anyhow::Result;
use contract::{OrderId, Time};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use store::{Store, readable};

use super::mask::Sight;

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Story {
    pub order_id: OrderId,
    /// Everybody who takes part, outsiders first.
    pub lifelines: Vec<Lifeline>,
    pub steps: Vec<Step>,
    /// Those that stand now.
    pub deadlines: Vec<Deadline>,
    /// Where the time went: how long messages waited for each of their readers.
    pub waits: Vec<Wait>,
    /// From the first step to the last.
    pub took_ms: i64,
    /// Of a story that is too long, so many steps in the middle.
    pub left_out: usize,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Lifeline {
    pub name: String,
    /// Not one of our roles.
    pub outside: bool,
}

/// One message on its way from one lifeline to another, and what became of it there.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Step {
    pub at: Time,
    pub from: &'static str,
    pub to: &'static str,
    pub name: String,
    pub message_id: String,
    pub kind: Kind,
    pub verdict: Verdict,
    /// What it came to, in the words of whoever handled it.
    pub words: String,
    /// The names of what was said because of it.
    pub says: Vec<String>,
    /// From when it was said to when it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waited_ms: Option<i64>,
    /// How often the same reader had been told the same before, under other ids.
    pub repeats: u32,
    /// How often it came again and had no effect, as far as that was counted.
    #[serde(skip_serializing_if = "is_zero")]
    pub absorbed: u32,
    /// How often handling it failed before, and why the last time.
    #[serde(skip_serializing_if = "is_zero")]
    pub failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_because: Option<String>,
    /// Of what died: how often it was tried, and the dead letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub letter: Option<String>,
    /// Absent where the journal has the hash alone: of what came straight from the broker, and of deadlines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Command,
    Fact,
    Reply,
    /// A deadline whose time had come.
    Deadline,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Something changed, or an earlier answer was given again.
    Done,
    /// Heard, and nothing to do: a repeat, or too late.
    Absorbed,
    /// Handled, and somebody should know.
    Alarm,
    /// Kept as a dead letter that waits for somebody.
    Dead,
    /// It was a dead letter, and was dealt with.
    Buried,
    /// Replaced or given up by an operator.
    Closed,
    /// Emitted, and not handled so far.
    UnderWay,
    /// For whoever listens; nobody of ours reads it.
    Told,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Deadline {
    pub key: String,
    pub due: Time,
    pub name: String,
    /// By which message's handling, and when.
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
pub async fn story(store: &dyn Store, order_id: OrderId, sight: Sight) -> Result<Option<Story>> {
    // In this order: what is handled after the first look is not shown as under way when it is not.
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
    /// What else is to be said of it: in so many words, or nothing.
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
