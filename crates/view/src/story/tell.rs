//! Builds a story from journal rows, dead letters and deadlines; nothing in here does any I/O.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use contract::{Body, Kind as MessageKind, Message, MessageId, OrderId, Queue, Role, Time};
use store::{DeadLetter, DeadStatus, JournalRow, OrderDeadline, RedeliveryStats};

use super::{Deadline, Kind, Lifeline, Step, Story, Verdict, Wait};
use crate::mask::{Sight, text_for_people};

/// More than a person reads: the first and the last steps show how the story began and where it stands.
const STEPS_MAX: usize = 300;

pub(super) struct Known {
    pub(super) rows: Vec<JournalRow>,
    pub(super) letters: Vec<DeadLetter>,
    pub(super) standing: Vec<OrderDeadline>,
    pub(super) redeliveries: Vec<RedeliveryStats>,
    pub(super) now: Time,
    pub(super) sight: Sight,
}

/// The outsiders.
const CUSTOMER: &str = "customer";
const PROVIDER: &str = "payment provider";
const OPERATOR: &str = "operator";
const BROKER: &str = "broker";
const TIMERS: &str = "timers";
const LISTENERS: &str = "listeners";

/// From left to right.
const LIFELINES: [&str; 15] = [
    CUSTOMER,
    PROVIDER,
    OPERATOR,
    BROKER,
    TIMERS,
    "gateway",
    "order",
    "saga",
    "stock",
    "payment",
    "provider",
    "notification",
    "email",
    "sms",
    LISTENERS,
];

const OUTSIDE: [&str; 6] = [CUSTOMER, PROVIDER, OPERATOR, BROKER, TIMERS, LISTENERS];

/// The row that emitted a message first.
struct Sayer<'a> {
    role: Role,
    message: &'a Arc<Message>,
}

pub(super) fn tell(order_id: OrderId, known: &Known) -> Story {
    let mut sayers: HashMap<&MessageId, Sayer<'_>> = HashMap::new();
    for row in &known.rows {
        for said in &row.emitted {
            let sayer = Sayer { role: row.role, message: &said.message };
            sayers.entry(&said.message.id).or_insert(sayer);
        }
    }
    let mut steps = handled(known, &sayers);
    insert_letters(&mut steps, known, &sayers);
    steps.extend(under_way(known));
    add_redelivery_stats(&mut steps, &known.redeliveries);
    let waits = waits(&steps);
    let left_out = steps.len().saturating_sub(STEPS_MAX);
    if left_out > 0 {
        steps.drain(STEPS_MAX / 2..STEPS_MAX / 2 + left_out);
    }
    let moments = || steps.iter().map(|step| step.at.unix_ms());
    let took_ms = moments().max().unwrap_or(0) - moments().min().unwrap_or(0);
    let lifelines = lifelines(&steps);
    let deadlines = known.standing.iter().map(deadline).collect();
    Story { order_id, lifelines, steps, deadlines, waits, took_ms, left_out }
}

fn handled(known: &Known, sayers: &HashMap<&MessageId, Sayer<'_>>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut heard: HashMap<(Role, &str, contract::BodyHash), u32> = HashMap::new();
    for row in &known.rows {
        let times = heard.entry((row.role, row.name.as_str(), row.hash)).or_default();
        let step = Step { repeats: *times, ..step(row, sayers.get(&row.id), known.sight) };
        *times += 1;
        steps.push(step);
        let for_listeners = row.emitted.iter().filter(|said| said.queues.is_empty());
        steps.extend(for_listeners.map(|said| Step {
            from: row.role.name(),
            to: if said.message.body.kind() == MessageKind::Reply { CUSTOMER } else { LISTENERS },
            verdict: Verdict::Told,
            ..plain(&said.message, row.at, known.sight)
        }));
    }
    steps
}

fn step(row: &JournalRow, sayer: Option<&Sayer<'_>>, sight: Sight) -> Step {
    let said = sayer.map(|sayer| sayer.message);
    let (verdict, words) = verdict(&row.outcome);
    let by_timer = sayer.is_none() && row.cause.is_some();
    let (from, to) = match (row.role, sayer, by_timer) {
        (Role::Gateway, ..) => (outsider(said.map(|message| &message.body)), "gateway"),
        (Role::Operator, ..) => (OPERATOR, reader(row)),
        (role, ..) if verdict == Verdict::Closed => (OPERATOR, role.name()),
        (role, Some(sayer), _) => (named(sayer.role), role.name()),
        (role, None, true) => (TIMERS, role.name()),
        (role, None, false) => (BROKER, role.name()),
    };
    let waited = said.filter(|_| row.role != Role::Gateway).map(|said| since(said.at, row.at));
    Step {
        at: row.at,
        from,
        to,
        name: row.name.clone(),
        message_id: row.id.to_string(),
        kind: match (by_timer, said.map(|said| said.body.kind())) {
            (true, _) => Kind::Deadline,
            (false, Some(MessageKind::Fact)) => Kind::Fact,
            (false, Some(MessageKind::Reply)) => Kind::Reply,
            (false, Some(MessageKind::Command) | None) => Kind::Command,
        },
        verdict,
        words,
        // The gateway only passes on what it lets in.
        says: match row.role {
            Role::Gateway => Vec::new(),
            _ => row.emitted.iter().map(|said| said.message.name().to_string()).collect(),
        },
        waited_ms: waited,
        repeats: 0,
        absorbed: 0,
        failures: 0,
        failed_because: None,
        attempts: None,
        letter: None,
        payload: said.map(|said| text_for_people(said.json(), sight)),
    }
}

/// A step with nothing but the message.
fn plain(message: &Message, at: Time, sight: Sight) -> Step {
    Step {
        at,
        from: BROKER,
        to: BROKER,
        name: message.name().to_string(),
        message_id: message.id.to_string(),
        kind: match message.body.kind() {
            MessageKind::Command => Kind::Command,
            MessageKind::Fact => Kind::Fact,
            MessageKind::Reply => Kind::Reply,
        },
        verdict: Verdict::UnderWay,
        words: String::new(),
        says: Vec::new(),
        waited_ms: None,
        repeats: 0,
        absorbed: 0,
        failures: 0,
        failed_because: None,
        attempts: None,
        letter: None,
        payload: Some(text_for_people(message.json(), sight)),
    }
}

/// Inserts each dead letter before what happened after its message died.
fn insert_letters(steps: &mut Vec<Step>, known: &Known, sayers: &HashMap<&MessageId, Sayer<'_>>) {
    for letter in &known.letters {
        let id = letter.message_id.as_deref().and_then(MessageId::new);
        let sayer = id.as_ref().and_then(|id| sayers.get(id));
        let step = Step {
            at: letter.at,
            from: sayer.map_or(BROKER, |sayer| named(sayer.role)),
            to: Queue::named(&letter.queue).map_or(BROKER, |queue| queue.reader().name()),
            name: letter.name.clone(),
            message_id: letter.message_id.clone().unwrap_or_default(),
            kind: Kind::Command,
            verdict: if letter.status == DeadStatus::Open { Verdict::Dead } else { Verdict::Buried },
            words: format!("{}: {}", letter.code, letter.why),
            says: Vec::new(),
            waited_ms: sayer.map(|sayer| since(sayer.message.at, letter.at)),
            repeats: 0,
            absorbed: 0,
            failures: 0,
            failed_because: None,
            attempts: Some(letter.attempts),
            letter: Some(letter.id.clone()),
            payload: Some(text_for_people(&letter.body, known.sight)),
        };
        let place = steps.iter().position(|other| other.at > letter.at).unwrap_or(steps.len());
        steps.insert(place, step);
    }
}

/// Adds the counts to the steps of messages that were redelivered or failed; a dead letter has its own number of
/// tries.
fn add_redelivery_stats(steps: &mut [Step], redeliveries: &[RedeliveryStats]) {
    for stats in redeliveries {
        let here = |step: &&mut Step| {
            step.to == stats.role.name() && step.message_id == stats.id.as_str() && step.letter.is_none()
        };
        if let Some(step) = steps.iter_mut().find(here) {
            step.absorbed = stats.repeats;
            step.failures = stats.failures;
            step.failed_because = Some(stats.why.clone()).filter(|why| !why.is_empty());
        }
    }
}

/// Emitted to a queue of ours, neither handled nor dead.
fn under_way(known: &Known) -> Vec<Step> {
    let mut settled: HashSet<(Role, &str)> =
        known.rows.iter().map(|row| (row.role, row.id.as_str())).collect();
    for letter in known.letters.iter().filter(|letter| letter.status == DeadStatus::Open) {
        let reader = Queue::named(&letter.queue).map(Queue::reader);
        settled.extend(reader.zip(letter.message_id.as_deref()));
    }
    let mut steps = Vec::new();
    for row in &known.rows {
        for said in &row.emitted {
            for reader in said.queues.iter().map(|queue| queue.reader()) {
                if settled.insert((reader, said.message.id.as_str())) {
                    steps.push(Step {
                        from: named(row.role),
                        to: reader.name(),
                        waited_ms: Some(since(said.message.at, known.now)),
                        ..plain(&said.message, row.at, known.sight)
                    });
                }
            }
        }
    }
    steps
}

fn verdict(outcome: &str) -> (Verdict, String) {
    for (begins, verdict) in [("ignored: ", Verdict::Absorbed), ("alarm: ", Verdict::Alarm)] {
        if let Some(words) = outcome.strip_prefix(begins) {
            return (verdict, words.to_string());
        }
    }
    let by_hand = ["superseded by ", "discarded by "].iter().any(|begins| outcome.starts_with(begins));
    (if by_hand { Verdict::Closed } else { Verdict::Done }, outcome.to_string())
}

/// Events come from the provider; what only operators may ask for comes from an operator.
fn outsider(body: Option<&Body>) -> &'static str {
    match body.map(Body::name).unwrap_or_default() {
        "payment.webhook" => PROVIDER,
        "order.archive" | "order.refund" => OPERATOR,
        name if name.starts_with("saga.") => OPERATOR,
        _ => CUSTOMER,
    }
}

fn reader(row: &JournalRow) -> &'static str {
    let queue = row.emitted.iter().flat_map(|said| &said.queues).next();
    queue.map_or(OPERATOR, |queue| queue.reader().name())
}

/// A replay is shown as coming from the operator who wanted it.
fn named(role: Role) -> &'static str {
    if role == Role::Operator { OPERATOR } else { role.name() }
}

fn since(said: Time, taken: Time) -> i64 {
    (taken.unix_ms() - said.unix_ms()).max(0)
}

fn waits(steps: &[Step]) -> Vec<Wait> {
    let mut waits: BTreeMap<&'static str, Wait> = BTreeMap::new();
    for step in steps {
        let Some(waited_ms) = step.waited_ms else { continue };
        let none = Wait { reader: step.to, messages: 0, total_ms: 0, longest_ms: 0 };
        let wait = waits.entry(step.to).or_insert(none);
        wait.messages += 1;
        wait.total_ms += waited_ms;
        wait.longest_ms = wait.longest_ms.max(waited_ms);
    }
    let mut waits: Vec<_> = waits.into_values().collect();
    waits.sort_by_key(|wait| std::cmp::Reverse(wait.total_ms));
    waits
}

fn lifelines(steps: &[Step]) -> Vec<Lifeline> {
    let taking_part: HashSet<&str> = steps.iter().flat_map(|step| [step.from, step.to]).collect();
    let lifeline = |name: &&str| Lifeline { name: (*name).to_string(), outside: OUTSIDE.contains(name) };
    LIFELINES.iter().filter(|name| taking_part.contains(**name)).map(lifeline).collect()
}

fn deadline(standing: &OrderDeadline) -> Deadline {
    Deadline {
        key: standing.key.clone(),
        due: standing.due,
        name: standing.message.name().to_string(),
        set_by: standing.message.cause.as_ref().map(ToString::to_string),
        set_at: standing.message.at,
    }
}

#[cfg(test)]
mod tests;
