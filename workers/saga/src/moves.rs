//! Turns the interpreter's move into saved records and messages, and gives every request its own deadline.

use contract::{
    Body, By, Deadline, Decision, MarkUndone, NeedsAttention, Reason, RefuseCancel, SagaOverdue, Time, Wish,
};

use crate::SagaWorker;
use crate::checkout::{Definition, Step, Way};
use crate::interpreter::{Input, Move, Overdue, Phase, Progress};
use crate::record::{Attention, Record, Saga, Status, saga_id};
use crate::subject::Subject;

impl SagaWorker {
    /// One move, carried out.
    pub(crate) fn go(
        &self,
        mut saga: Saga,
        definition: &Definition,
        progress: Progress,
        next: Move,
        now: Time,
    ) -> Decision<Record> {
        let subject = saga.subject.clone().expect("a saga that moves has been started");
        let step = |at: usize| &definition.steps[at];
        let (decision, wait_s) = match &next {
            Move::Ask(at) => {
                let wait_s = (step(*at).patience_s)(&self.patience);
                (say("asked", ask(step(*at), &subject, wait_s)), Some(wait_s))
            }
            Move::Check(at) => {
                let ask = step(*at).check.unwrap_or(step(*at).ask);
                (say("asked what became of it", ask(&subject)), Some(self.patience.stock_s))
            }
            Move::Undo(at) => {
                (say("asked to undo", self.undo(definition, *at, &subject)), Some(self.patience.stock_s))
            }
            Move::Close => {
                let body = Body::MarkUndone(MarkUndone {
                    order_id: saga.order_id,
                    reason: saga.reason.unwrap_or(Reason::CancelledByAdmin),
                    decline_code: saga.decline_code.clone(),
                    short: saga.short.clone(),
                    wish: saga.wish.clone(),
                });
                (say("everything is undone", body), Some(self.patience.stock_s))
            }
            Move::Complete => {
                saga.reason = None;
                (Decision::done("completed"), None)
            }
            Move::End => (Decision::done("ended undone"), None),
            Move::Stop => return self.stop(saga, definition, progress, now),
            Move::RefuseCancel => return Decision::done("too late to cancel").say(refuse_cancel(&saga)),
            Move::RefuseCancelAndAsk(at) => {
                let refuse = refuse_cancel(&saga);
                saga.reason = None;
                saga.wish = Wish::default();
                let wait_s = (step(*at).patience_s)(&self.patience);
                let body = ask(step(*at), &subject, wait_s);
                (say("too late to cancel; asked", body).say(refuse), Some(wait_s))
            }
            Move::RefuseCancelAndComplete => {
                let refuse = refuse_cancel(&saga);
                saga.reason = None;
                saga.wish = Wish::default();
                (say("too late to cancel; completed", refuse), None)
            }
            Move::ByHand(at) => {
                let evidence = saga.interventions.last().and_then(|i| i.evidence.clone()).unwrap_or_default();
                match step(*at).by_hand {
                    Some(by_hand) => {
                        (say("refunded by hand", by_hand(&subject, evidence)), Some(self.patience.stock_s))
                    }
                    None => return Decision::ignored("this step is never made by hand"),
                }
            }
            Move::Nothing(why) if Some(&progress) == saga.progress.as_ref() => return Decision::ignored(why),
            Move::Nothing(why) => {
                saga.progress = Some(progress);
                saga.updated_at = now;
                return Decision::done(why).save(saga);
            }
            Move::Refuse(why) => return Decision::ignored(why),
        };
        self.keep(saga, definition, progress, decision, wait_s, now)
    }

    fn undo(&self, definition: &Definition, at: usize, subject: &Subject) -> Body {
        match &definition.steps[at].undo {
            Way::By(undo) => undo(subject),
            Way::Needless(_) | Way::Impossible(_) => {
                unreachable!("the interpreter undoes by command only")
            }
        }
    }

    /// Saves the saga and its one deadline: every asking has its own.
    fn keep(
        &self,
        mut saga: Saga,
        definition: &Definition,
        progress: Progress,
        decision: Decision<Record>,
        wait_s: Option<u64>,
        now: Time,
    ) -> Decision<Record> {
        saga.asked += 1;
        saga.status = Status::of(&progress);
        saga.step = step_name(definition, &progress);
        saga.attention = None;
        saga.progress = Some(progress);
        saga.updated_at = now;
        let key = saga_id(saga.order_id, saga.return_no);
        let deadline = match wait_s {
            None => Deadline::Clear { key },
            Some(wait_s) => {
                let overdue =
                    SagaOverdue { order_id: saga.order_id, return_no: saga.return_no, asked: saga.asked };
                Deadline::Set { key, due: now.plus_s(wait_s), body: Box::new(Body::SagaOverdue(overdue)) }
            }
        };
        decision.deadline(deadline).save(saga)
    }

    fn stop(
        &self,
        mut saga: Saga,
        definition: &Definition,
        progress: Progress,
        now: Time,
    ) -> Decision<Record> {
        let why = progress.stuck.clone().unwrap_or_default();
        let actions = what_can_be_done(definition, &progress);
        let fact = NeedsAttention {
            order_id: saga.order_id,
            return_no: saga.return_no,
            customer_id: saga.subject.as_ref().map(|s| s.customer_id.clone()).unwrap_or_default(),
            at: now,
            step: step_name(definition, &progress),
            why: why.clone(),
            actions: actions.clone(),
        };
        saga.asked += 1;
        saga.status = Status::NeedsAttention;
        saga.step = fact.step.clone();
        saga.attention = Some(Attention { why: why.clone(), actions, since: now });
        saga.progress = Some(progress);
        saga.updated_at = now;
        let key = saga_id(saga.order_id, saga.return_no);
        let alarm = format!("{} of {key} needs an operator: {why}", fact.step);
        Decision::alarm(alarm).say(Body::NeedsAttention(fact)).deadline(Deadline::Clear { key }).save(saga)
    }
}

/// Where the saga gives up when its patience is over, nothing may be charged after that.
pub(crate) fn ask(step: &Step, subject: &Subject, wait_s: u64) -> Body {
    let mut body = (step.ask)(subject);
    if let (Body::PaymentCharge(charge), Overdue::Check) = (&mut body, step.overdue) {
        charge.patience_s = Some(wait_s);
    }
    body
}

/// The reason of the cancellation shows who requested it.
fn refuse_cancel(saga: &Saga) -> Body {
    let by = if saga.reason == Some(Reason::CancelledByAdmin) { By::Admin } else { By::Customer };
    Body::RefuseCancel(RefuseCancel { order_id: saga.order_id, by })
}

fn say(what: &'static str, body: Body) -> Decision<Record> {
    Decision::done(what).say(body)
}

fn step_name(definition: &Definition, progress: &Progress) -> String {
    match progress.phase {
        Phase::Forward(at) | Phase::Backward(at) => definition.steps[at].name.to_string(),
        Phase::Closing => "close".to_string(),
        Phase::Completed | Phase::Undone => String::new(),
    }
}

/// What an operator can do, as commands of the command line.
fn what_can_be_done(definition: &Definition, progress: &Progress) -> Vec<String> {
    let mut actions = vec!["retry".to_string()];
    let rules = definition.rules();
    if progress.waits_for_refund(&rules) {
        actions.push("resolve done".to_string());
    }
    let mut given_up = progress.clone();
    if !matches!(given_up.advance(&rules, Input::GiveUp), Move::Refuse(_)) {
        actions.push("resolve give_up".to_string());
    }
    actions
}
