//! Decides on a batch in memory, message by message; each decision sees the ones before it.
//!
//! Pure code: the consumer runs it between loading and committing, the simulation runs it on records in a map.

use std::sync::Arc;

use contract::{Deadline, Message, Need, Outcome, Queue, Record, Records, Role, Time, Worker};

use crate::{DeadLetter, DeadStatus, Emitted, JournalRow, Loaded};

/// One message and what was decided on it.
#[derive(Debug)]
pub struct Settled {
    pub message: Arc<Message>,
    pub outcome: Outcome,
    pub emitted: Vec<Emitted>,
    pub deadlines: Vec<(String, Option<Due>)>,
}

/// When a deadline is due, and the message to send then.
pub type Due = (Time, Arc<Message>);

/// Every record that the batch needs, once, in key order.
pub fn needs<W: Worker>(worker: &W, batch: &[Arc<Message>]) -> Vec<Need> {
    let mut needs: Vec<_> = batch.iter().flat_map(|message| worker.needs(message)).collect();
    needs.sort_unstable();
    needs.dedup();
    needs
}

/// Adds the loaded records, and for every needed record that does not exist the fact that it does not.
pub fn put<R: Record>(records: &mut Records<R>, needs: Vec<Need>, found: Vec<Loaded>) -> Result<(), String> {
    records.reserve(needs.len());
    for need in needs {
        records.put(need, None);
    }
    for Loaded { need, version, json } in found {
        let record = R::from_json(need.table, &json)
            .map_err(|why| format!("{} {} cannot be read: {why}", need.table.name(), need.id))?;
        records.put(need, Some((version, record)));
    }
    Ok(())
}

pub fn settle<W: Worker>(
    worker: &W,
    records: &mut Records<W::Record>,
    batch: &[Arc<Message>],
    now: Time,
) -> Vec<Settled> {
    batch.iter().map(|message| settle_one(worker, records, message, now)).collect()
}

fn settle_one<W: Worker>(
    worker: &W,
    records: &mut Records<W::Record>,
    message: &Arc<Message>,
    now: Time,
) -> Settled {
    let decision = worker.decide(records, message, now);
    for record in decision.save {
        assert!(record.table().owner() == W::ROLE, "{} writes {}", W::ROLE, record.table().name());
        records.save(record);
    }
    let emitted = say(W::ROLE, message, decision.send, now);
    let first = emitted.len();
    let deadlines = decision.deadlines.into_iter().enumerate().map(|(at, deadline)| match deadline {
        Deadline::Clear { key } => (key, None),
        Deadline::Set { key, due, body } => {
            (key, Some((due, Arc::new(Message::said(W::ROLE, message, first + at, now, *body)))))
        }
    });
    let deadlines = deadlines.collect();
    Settled { message: message.clone(), outcome: decision.outcome, emitted, deadlines }
}

/// Gives each body its envelope and its queues. Ids derive from the cause, so a repeated decision sends the same ids.
pub fn say(role: Role, cause: &Message, bodies: Vec<contract::Body>, now: Time) -> Vec<Emitted> {
    let emitted = |(at, body): (usize, contract::Body)| {
        let queues = body.queues().to_vec();
        let message = Message::said(role, cause, at, now, body);
        assert!(message.is_allowed(), "{role} says {}", message.name());
        Emitted { message: Arc::new(message), queues }
    };
    bodies.into_iter().enumerate().map(emitted).collect()
}

impl Settled {
    /// The journal row of this message; none if it was parked, because then it was not handled.
    pub fn journal_row(&self, role: Role, now: Time) -> Option<JournalRow> {
        let outcome = match &self.outcome {
            Outcome::Done(what) => (*what).to_string(),
            Outcome::Ignored(why) => format!("ignored: {why}"),
            Outcome::Alarm(why) => format!("alarm: {why}"),
            Outcome::Parked { .. } => return None,
        };
        Some(journal_row(role, &self.message, outcome, self.emitted.clone(), now))
    }
}

pub fn journal_row(
    role: Role,
    message: &Message,
    outcome: String,
    emitted: Vec<Emitted>,
    now: Time,
) -> JournalRow {
    JournalRow {
        role,
        id: message.id.clone(),
        name: message.name().to_string(),
        hash: message.hash(),
        order_id: message.order_id,
        cause: message.cause.clone(),
        at: now,
        outcome,
        emitted,
    }
}

/// The dead letter of a message that could not be handled.
pub fn dead_letter(
    queue: Queue,
    message: &Message,
    attempts: u32,
    code: &str,
    why: &str,
    now: Time,
) -> DeadLetter {
    DeadLetter {
        id: dead_letter_id(queue.name(), message.id.as_str()),
        queue: queue.name().to_string(),
        message_id: Some(message.id.to_string()),
        name: message.name().to_string(),
        by: message.by,
        order_id: message.order_id,
        cause: message.cause.as_ref().map(ToString::to_string),
        code: code.to_string(),
        why: why.to_string(),
        attempts,
        at: now,
        body: message.json().to_string(),
        status: DeadStatus::Open,
    }
}

/// Derived from queue and message id, so that a message that fails again has the same dead letter.
pub fn dead_letter_id(queue: &str, message_id: &str) -> String {
    let name = format!("{queue}/{message_id}");
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).hyphenated().to_string()
}
