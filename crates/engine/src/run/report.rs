//! What a decided batch writes, and what it adds to the log and to the metrics once that is committed.

use broker::Delivery;
use contract::{Outcome, Queue, Role, Time};
use metrics::{Ending, METRICS};
use store::Changes;
use store::batch::{self, Settled};

use super::inline::Decided;
use super::{BatchResult, DeadChange};

/// Records, journal rows, deadlines and dead letters.
pub(super) fn changes(
    decided: &mut BatchResult,
    reused: Vec<DeadChange>,
    deliveries: &[Delivery],
    now: Time,
) -> Changes {
    let mut changes =
        Changes { records: std::mem::take(&mut decided.records), dead: reused, ..Changes::default() };
    for Decided { role, bypassed, settled } in &decided.entries {
        if let Outcome::Parked { code, why } = &settled.outcome {
            let delivery = deliveries.iter().find(|delivery| delivery.message.id == settled.message.id);
            // Not found: it was handled inline (then `bypassed` names its queue), or is a checkout under a new id from
            // `dedupe`, which came by the intake.
            let came = delivery.map_or((Queue::Intake, 0), |d| (d.queue, d.attempt));
            let (queue, attempts) = bypassed.map_or(came, |queue| (queue, 0));
            let letter = batch::dead_letter(queue, &settled.message, attempts + 1, code, why, now);
            changes.dead.push(DeadChange::Park(letter));
        }
        changes.journal.extend(settled.journal_row(*role, now));
        changes.deadlines.extend(settled.deadlines.iter().cloned());
    }
    changes
}

/// Call it after the commit: what is counted has happened.
pub(super) fn report(role: Role, decided: &BatchResult, duplicates: usize, dead_letters: usize) {
    METRICS.duplicates(role, duplicates);
    METRICS.dead_lettered(role, dead_letters);
    for entry in &decided.entries {
        report_one(entry.role, &entry.settled);
    }
}

fn report_one(role: Role, settled: &Settled) {
    let message = &settled.message;
    let order_id = message.order_id.map(tracing::field::display);
    let (id, name) = (&message.id, message.name());
    let ending = match &settled.outcome {
        Outcome::Done(what) => {
            tracing::debug!(%role, order_id, message_id = %id, name, "{what}");
            Ending::Done
        }
        Outcome::Ignored(why) => {
            tracing::debug!(%role, order_id, message_id = %id, name, "ignored: {why}");
            Ending::Ignored
        }
        Outcome::Alarm(why) => {
            tracing::warn!(%role, order_id, message_id = %id, name, "{why}");
            Ending::Alarm
        }
        Outcome::Parked { code, why } => {
            tracing::warn!(%role, order_id, message_id = %id, name, code, "kept as a dead letter: {why}");
            Ending::Parked
        }
    };
    METRICS.ended(role, ending);
}
