//! What a message would cause, decided by the workers themselves on the records as they are now. Nothing of it is
//! stored: they decide on a read-only view of the store.
//!
//! It goes as far as the first outside party. What a provider will answer is not known before it is asked.

mod differ;
mod looking;
mod meaning;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use anyhow::{Result, bail};
use contract::{Kind, Message, Outcome, Queue, Role, Time};
use futures_util::FutureExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::Database;
use store::batch::Settled;

use crate::run::{BatchError, Handler, Reached, UnitOfWork};
use looking::Looking;

pub use differ::edits;

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    /// Why it would not be done, in the refusing worker's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What each worker would decide, in order.
    pub steps: Vec<Step>,
    /// What would be different in the records.
    pub changes: Vec<Change>,
    /// What the payment provider would be asked for.
    pub money: Vec<Money>,
    /// What the customer would be sent.
    pub notices: Vec<Notice>,
    /// The facts that listeners would receive.
    pub facts: Vec<String>,
    pub deadlines: Vec<Deadline>,
    /// What could not be taken back afterwards.
    pub for_good: Vec<String>,
    /// It would wait for these: they are asked outside, or rest.
    pub waits_for: Vec<Waiting>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    pub role: String,
    pub message: String,
    pub outcome: String,
    pub says: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    pub table: String,
    pub id: String,
    /// Empty: the whole record is new.
    pub field: String,
    pub from: Value,
    pub to: Value,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Money {
    /// `charge`, `refund` or `query`.
    pub ask: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<contract::Money>,
    /// The provider does the same thing once under one key.
    pub key: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    pub channel: String,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deadline {
    pub key: String,
    /// Absent: it would be cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Waiting {
    pub role: String,
    pub message: String,
    pub why: String,
}

/// Tries a message out: the workers of this program decide on it, and nothing is written or sent.
pub struct DryRun(Vec<Arc<dyn Handler>>);

/// No order needs this many steps; only a defect goes on and on.
const STEPS_MAX: usize = 500;

impl DryRun {
    /// Adapters are left out: they would reach the outside world.
    pub fn of(handlers: impl IntoIterator<Item = Arc<dyn Handler>>) -> Self {
        Self(handlers.into_iter().filter(|handler| !handler.reaches_out()).collect())
    }

    pub async fn preview(&self, store: &dyn Database, message: Message) -> Result<Preview> {
        self.preview_at(store, message.body.queues().to_vec(), message).await
    }

    /// At these queues alone: where a dead letter would go.
    pub async fn preview_at(
        &self,
        store: &dyn Database,
        queues: Vec<Queue>,
        message: Message,
    ) -> Result<Preview> {
        let resting = store.pauses().await?;
        let mut looking = Looking::at(store).await?;
        let mut units: BTreeMap<Role, Box<dyn UnitOfWork + '_>> = BTreeMap::new();
        let mut preview = Preview::default();
        let mut next: BTreeMap<Queue, Vec<Arc<Message>>> = BTreeMap::new();
        let message = Arc::new(message);
        queues.iter().for_each(|queue| next.entry(*queue).or_default().push(message.clone()));
        while !next.is_empty() {
            for (queue, messages) in std::mem::take(&mut next) {
                let role = queue.reader();
                if let Some(pause) = resting.iter().find(|pause| pause.role == role) {
                    let why = format!("paused by {}: {}", pause.by, pause.why);
                    preview.waits(role, &messages, &why);
                    continue;
                }
                let Some(handler) = self.0.iter().find(|handler| handler.role() == role) else {
                    preview.asks_outside(role, &messages);
                    continue;
                };
                let unit = units.entry(role).or_insert_with(|| handler.unit());
                for settled in decide(&mut **unit, &mut looking, &messages).await? {
                    preview.enter(role, &settled);
                    for emitted in settled.emitted {
                        emitted
                            .queues
                            .iter()
                            .for_each(|q| next.entry(*q).or_default().push(emitted.message.clone()));
                    }
                }
                if preview.steps.len() > STEPS_MAX {
                    bail!("it would go on for more than {STEPS_MAX} steps; nothing of ours does that");
                }
            }
        }
        let changed = units.into_values().flat_map(|unit| unit.changed());
        preview.changes = changed.flat_map(|record| differ::changes(&looking, &record)).collect();
        meaning::explain(&mut preview);
        Ok(preview)
    }
}

/// A worker that panics would make a dead letter of it.
async fn decide(
    unit: &mut dyn UnitOfWork,
    looking: &mut Looking<'_>,
    messages: &[Arc<Message>],
) -> Result<Vec<Settled>> {
    let now = looking.now();
    let work = AssertUnwindSafe(unit.settle(looking, Reached::new(), messages, now));
    match work.catch_unwind().await {
        Ok(Ok(settled)) => Ok(settled),
        Ok(Err(BatchError::Unavailable(why) | BatchError::Faulty(why) | BatchError::Recheck { why, .. })) => {
            bail!(why)
        }
        Err(_) => bail!("it would fail, be tried again and end as a dead letter"),
    }
}

impl Preview {
    /// A worker decided.
    fn enter(&mut self, role: Role, settled: &Settled) {
        let outcome = match &settled.outcome {
            Outcome::Done(what) => (*what).to_string(),
            Outcome::Ignored(why) => format!("ignored: {why}"),
            Outcome::Alarm(why) => format!("alarm: {why}"),
            Outcome::Parked { code, why } => format!("dead letter {code}: {why}"),
        };
        // The first message is the one that was asked for; its refusal counts. An alarm calls a person, and is done.
        let declined = matches!(settled.outcome, Outcome::Ignored(_) | Outcome::Parked { .. });
        if self.steps.is_empty() && declined {
            self.refused = Some(outcome.clone());
        }
        let says = settled.emitted.iter().map(|emitted| emitted.message.name().to_string()).collect();
        let message = settled.message.name().to_string();
        self.steps.push(Step { role: role.to_string(), message, outcome, says });
        let bodies = settled.emitted.iter().map(|emitted| &emitted.message);
        for message in bodies.filter(|message| message.body.kind() == Kind::Fact) {
            self.facts.push(message.name().to_string());
            if let Some(no) = meaning::refusal(&message.body) {
                self.refused.get_or_insert(no);
            }
        }
        let due = |due: &Option<store::batch::Due>| due.as_ref().map(|(due, _)| *due);
        for (key, set) in &settled.deadlines {
            self.deadlines.retain(|known| known.key != *key);
            self.deadlines.push(Deadline { key: key.clone(), due: due(set) });
        }
    }

    fn asks_outside(&mut self, role: Role, messages: &[Arc<Message>]) {
        for message in messages {
            meaning::outside(self, &message.body);
        }
        self.waits(role, messages, "it asks somebody outside");
    }

    fn waits(&mut self, role: Role, messages: &[Arc<Message>], why: &str) {
        let waiting = |message: &Arc<Message>| Waiting {
            role: role.to_string(),
            message: message.name().to_string(),
            why: why.to_string(),
        };
        self.waits_for.extend(messages.iter().map(waiting));
    }
}
