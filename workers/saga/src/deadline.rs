//! An operator may change how long a saga waits for an answer. No saga that goes on is without a deadline: one whose
//! deadline is cancelled is among those that wait for a person.

use contract::{
    Body, Deadline, DeadlineChange, Decision, Message, SagaDeadline, SagaOverdue, Time, clean_text,
};

use crate::SagaWorker;
use crate::checkout::Definition;
use crate::interpreter::Input;
use crate::moves::ask;
use crate::record::{Intervention, Record, Saga, Status, saga_id};

const WORDS_MAX: usize = 500;
/// A person who waits longer has forgotten it.
const MOVED_S_MAX: u64 = 366 * 24 * 3600;

impl SagaWorker {
    pub(crate) fn change_deadline(
        &self,
        known: Option<&Saga>,
        message: &Message,
        m: &SagaDeadline,
        now: Time,
    ) -> Decision<Record> {
        for (name, text) in [("why", &m.why), ("by", &m.by)] {
            if let Err(why) = clean_text(text, WORDS_MAX) {
                return Decision::parked("reason_invalid", format!("{name} {why}"));
            }
        }
        let intervene = |input, what| self.intervene(known, message, input, what, &m.by, Some(&m.why), now);
        let going = known.filter(|saga| matches!(saga.status, Status::Running | Status::Unwinding));
        let Some(saga) = going else {
            // None of these has a deadline, and each is refused in its own words.
            return intervene(Input::Wait, "cancelled its deadline");
        };
        match m.change {
            DeadlineChange::Fire => intervene(Input::Overdue, "let its deadline come"),
            DeadlineChange::Cancel => intervene(Input::Wait, "cancelled its deadline"),
            DeadlineChange::Move { due } => moved(saga, message, m, due, now),
        }
    }
}

/// The asking that it is about stays the same: an answer clears it as ever.
fn moved(saga: &Saga, message: &Message, m: &SagaDeadline, due: Time, now: Time) -> Decision<Record> {
    if due <= now || due > now.plus_s(MOVED_S_MAX) {
        return Decision::ignored("a deadline is moved to a time to come, and no further than a year ahead");
    }
    let mut saga = saga.clone();
    saga.interventions.push(Intervention {
        at: now,
        by: m.by.clone(),
        what: format!("moved its deadline to {due}"),
        evidence: Some(m.why.clone()),
        message_id: message.id.clone(),
    });
    let key = saga_id(saga.order_id, saga.return_no);
    let overdue = SagaOverdue { order_id: saga.order_id, return_no: saga.return_no, asked: saga.asked };
    let body = Box::new(Body::SagaOverdue(overdue));
    let again = charge_until(&saga, due, now);
    let decision =
        Decision::done("its deadline is moved").deadline(Deadline::Set { key, due, body }).save(saga);
    again.into_iter().fold(decision, Decision::say)
}

/// A charge that was asked for names the old time, and would not be made after it. Asked for again it is the same one.
fn charge_until(saga: &Saga, due: Time, now: Time) -> Option<Body> {
    let definition = Definition::of(&saga.definition, saga.version)?;
    let step = &definition.steps[saga.forward_at()?];
    let wait_s = (due.unix_ms() - now.unix_ms()).unsigned_abs() / 1000;
    let body = ask(step, saga.subject.as_ref()?, wait_s);
    matches!(&body, Body::PaymentCharge(charge) if charge.patience_s.is_some()).then_some(body)
}
