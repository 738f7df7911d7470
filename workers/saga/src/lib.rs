//! Moves every order from its checkout to its end, and back when a step is refused. It touches no stock and no money:
//! it asks, waits, asks again, and calls an operator rather than guess.

#![warn(clippy::wildcard_enum_match_arm)]

mod checkout;
mod deadline;
mod interpreter;
mod moves;
mod record;
mod reply;
mod sketch;
mod subject;

use contract::{
    Confirm, Decision, Message, Method, Need, PrefetchHint, Reason, Records, Resolution, Role, Table, Time,
    Worker, bodies,
};

pub use checkout::table;
pub use record::{Attention, Intervention, Record, Saga, Status, saga_id};
pub use sketch::{Flow, Sketch, SketchStep, Traffic, sketches};

use checkout::Definition;
use interpreter::{Input, Phase, Progress};
use reply::{Answer, Heard};
use subject::Subject;

/// How long each step may take before the saga asks again or gives up.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub stock_s: u64,
    pub payment_s: u64,
    pub ship_s: u64,
    pub cod_s: u64,
}

pub struct SagaWorker {
    pub patience: Patience,
}

impl Worker for SagaWorker {
    const ROLE: Role = Role::Saga;
    type Record = Record;

    fn needs(&self, message: &Message) -> Vec<Need> {
        let (order_id, return_no) = match reply::read(&message.body) {
            None | Some(Heard::Aside) => return Vec::new(),
            Some(Heard::Start(m)) => (m.order_id, 0),
            Some(Heard::Return(m)) => (m.order_id, m.return_no),
            Some(Heard::Cancel(m)) => (m.order_id, 0),
            Some(Heard::Overdue(m)) => (m.order_id, m.return_no),
            Some(Heard::Retry(m)) => (m.order_id, m.return_no),
            Some(Heard::Resolve(m)) => (m.order_id, m.return_no),
            Some(Heard::Deadline(m)) => (m.order_id, m.return_no),
            Some(Heard::Answer(a)) => (a.order_id, a.return_no),
        };
        vec![Need::of(Table::Sagas, saga_id(order_id, return_no))]
    }

    fn prefetch(&self, hint: PrefetchHint<'_>) -> Vec<Need> {
        let order_id = match hint {
            PrefetchHint::Checkout(submit) => submit.order_id,
            PrefetchHint::Payment(order_id) => order_id,
        };
        vec![Need::of(Table::Sagas, saga_id(order_id, 0))]
    }

    fn decide(&self, records: &Records<Record>, message: &Message, now: Time) -> Decision<Record> {
        let find = |order_id, return_no| records.get::<Saga>(&saga_id(order_id, return_no));
        match reply::read(&message.body) {
            None => Decision::misrouted(Self::ROLE, message),
            Some(Heard::Start(m)) => self.start(find(m.order_id, 0), m, now),
            Some(Heard::Return(m)) => self.start_return(find(m.order_id, m.return_no), m, now),
            Some(Heard::Cancel(m)) => self.cancel(find(m.order_id, 0), m, now),
            Some(Heard::Overdue(m)) => self.overdue(find(m.order_id, m.return_no), m, now),
            Some(Heard::Answer(a)) => self.answer(find(a.order_id, a.return_no), a, now),
            Some(Heard::Aside) => Decision::ignored("no step has asked for it"),
            Some(Heard::Retry(m)) => {
                let saga = find(m.order_id, m.return_no);
                self.intervene(saga, message, Input::Retry, "retry", &m.by, m.why.as_deref(), now)
            }
            Some(Heard::Deadline(m)) => self.change_deadline(find(m.order_id, m.return_no), message, m, now),
            Some(Heard::Resolve(m)) => {
                let saga = find(m.order_id, m.return_no);
                let (input, what) = match m.outcome {
                    Resolution::Done => (Input::ResolveDone, "refunded by hand"),
                    Resolution::GiveUp => (Input::GiveUp, "gave up"),
                };
                self.intervene(saga, message, input, what, &m.by, Some(&m.evidence), now)
            }
        }
    }
}

impl SagaWorker {
    fn start(&self, known: Option<&Saga>, m: &bodies::SagaStart, now: Time) -> Decision<Record> {
        let cancel_early = match known {
            Some(saga) if saga.status == Status::Awaited => {
                saga.cancel_early.map(|reason| (reason, saga.wish.clone()))
            }
            Some(_) => return Decision::ignored("the saga was started before"),
            None => None,
        };
        let ahead = m.cancelled.clone().map(|cancelled| (cancelled.reason, cancelled.wish));
        let cancel_early = cancel_early.or(ahead);
        let definition = Definition::newest(match (m.payment.method, m.payment.confirm) {
            (Method::Cod, _) => checkout::CASH_ON_DELIVERY,
            (Method::Card | Method::DebitCard | Method::Paypal, Confirm::Automatic) => checkout::CHECKOUT,
            (Method::Card | Method::DebitCard | Method::Paypal, Confirm::Manual) => checkout::PAY_LATER,
        });
        let subject = Subject {
            order_id: m.order_id,
            return_no: 0,
            customer_id: m.customer_id.clone(),
            lines: m.lines.clone(),
            total: m.total,
            payment: m.payment.clone(),
            transaction_id: None,
            refunded: None,
        };
        let mut saga = Saga::new(definition, subject, now);
        let Some((reason, wish)) = cancel_early else {
            let (progress, first) = Progress::start(&definition.rules());
            return self.go(saga, definition, progress, first, now);
        };
        // Nothing was asked yet, so there is nothing to undo: only the order has to be informed.
        saga.reason = Some(reason);
        saga.wish = wish;
        let mut progress = Progress::start(&definition.rules()).0;
        progress.steps[0] = interpreter::Standing::Idle;
        let first = progress.advance(&definition.rules(), Input::Cancel);
        self.go(saga, definition, progress, first, now)
    }

    fn start_return(&self, known: Option<&Saga>, m: &bodies::SagaReturn, now: Time) -> Decision<Record> {
        if known.is_some() {
            return Decision::ignored("the return was started before");
        }
        let definition = Definition::newest(checkout::RETURN);
        let subject = Subject {
            order_id: m.order_id,
            return_no: m.return_no,
            customer_id: m.customer_id.clone(),
            lines: m.lines.clone(),
            total: m.amount,
            payment: contract::PaymentChoice::by(Method::Card, None),
            transaction_id: None,
            refunded: None,
        };
        let (progress, first) = Progress::start(&definition.rules());
        self.go(Saga::new(definition, subject, now), definition, progress, first, now)
    }

    fn cancel(&self, known: Option<&Saga>, m: &bodies::SagaCancel, now: Time) -> Decision<Record> {
        let Some(saga) = known else {
            return Decision::done("the cancellation is remembered until the saga starts")
                .save(Saga::awaited(m.order_id, m.reason, m.wish.clone(), now));
        };
        if saga.status == Status::Awaited {
            return Decision::ignored("a cancellation is remembered already");
        }
        let mut saga = saga.clone();
        // A cancellation that has to wait keeps its reason for when the answer turns the saga around.
        if !matches!(
            saga.progress.as_ref().map(|p| p.phase),
            Some(Phase::Backward(_) | Phase::Closing | Phase::Undone)
        ) {
            saga.reason = Some(m.reason);
            saga.wish = m.wish.clone();
        }
        self.advance(saga, Input::Cancel, now)
    }

    fn overdue(&self, known: Option<&Saga>, m: &bodies::SagaOverdue, now: Time) -> Decision<Record> {
        match known {
            None => Decision::ignored("no saga stands under this deadline"),
            Some(saga) if saga.asked != m.asked => Decision::ignored("it was answered in time"),
            Some(saga) => self.advance(saga.clone(), Input::Overdue, now),
        }
    }

    fn answer(&self, known: Option<&Saga>, answer: Answer, now: Time) -> Decision<Record> {
        let Some(mut saga) = known.cloned() else {
            return Decision::parked(
                "saga_unknown",
                "no saga has asked for this; replay it once the order exists",
            );
        };
        let definition = Definition::of(&saga.definition, saga.version);
        let Some(input) = definition.and_then(|definition| answer.input(definition)) else {
            return Decision::alarm(format!("{} version {} has no such step", saga.definition, saga.version));
        };
        let declined_now =
            matches!((input, saga.forward_at()), (Input::Declined(step), Some(at)) if step == at);
        // A cancellation that waits is granted now, and its sender hears that; that the goods could not have been
        // shipped anyway is reported by stock.ship_refused.
        let cancel_waits = saga.progress.as_ref().is_some_and(|progress| progress.cancel);
        if declined_now && !cancel_waits {
            saga.reason = answer.reason;
            saga.decline_code = answer.decline_code;
            saga.short = answer.short;
        }
        if let (Some(subject), Some(id)) = (saga.subject.as_mut(), answer.transaction_id) {
            subject.transaction_id.get_or_insert(id);
        }
        if let (Some(subject), Some(amount)) = (saga.subject.as_mut(), answer.amount) {
            subject.refunded = Some(amount).filter(|amount| amount.minor() < subject.total.minor());
        }
        self.advance(saga, input, now)
    }

    #[allow(clippy::too_many_arguments)]
    fn intervene(
        &self,
        known: Option<&Saga>,
        message: &Message,
        input: Input,
        what: &str,
        by: &str,
        evidence: Option<&str>,
        now: Time,
    ) -> Decision<Record> {
        let Some(mut saga) = known.cloned() else {
            return Decision::parked(
                "saga_unknown",
                "no such saga; `checkout saga list` shows those that wait",
            );
        };
        if saga.status == Status::Awaited {
            return Decision::ignored("the saga has not started, and waits for no operator");
        }
        saga.interventions.push(Intervention {
            at: now,
            by: by.to_string(),
            what: what.to_string(),
            evidence: evidence.map(Into::into),
            message_id: message.id.clone(),
        });
        if input == Input::GiveUp && saga.reason.is_none() {
            saga.reason = Some(Reason::CancelledByAdmin);
        }
        self.advance(saga, input, now)
    }

    fn advance(&self, saga: Saga, input: Input, now: Time) -> Decision<Record> {
        let (Some(definition), Some(mut progress)) =
            (Definition::of(&saga.definition, saga.version), saga.progress.clone())
        else {
            return Decision::parked(
                "definition_unknown",
                format!("this program does not know {} version {}", saga.definition, saga.version),
            );
        };
        let next = progress.advance(&definition.rules(), input);
        self.go(saga, definition, progress, next, now)
    }
}

#[cfg(test)]
mod tests;
