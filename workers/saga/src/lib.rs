//! Moves every order from its checkout to its end, and back when a step is refused. It touches no stock and
//! no money: it asks, waits, asks again, and calls an operator rather than guess.

#![warn(clippy::wildcard_enum_match_arm)]

mod checkout;
mod interpreter;
mod record;
mod reply;

use contract::{
    Body, Deadline, Decision, MarkUndone, Message, Method, Need, NeedsAttention, OrderId, Reason, Records,
    RefuseCancel, Resolution, Role, SagaOverdue, Table, Time, Worker, bodies,
};

pub use record::{Attention, Intervention, Record, Saga, Status, saga_id};

use checkout::Definition;
use interpreter::{Input, Move, Phase, Progress, Undo};
use record::Subject;
use reply::{Answer, Heard};

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
            None => return Vec::new(),
            Some(Heard::Start(m)) => (m.order_id, 0),
            Some(Heard::Return(m)) => (m.order_id, m.return_no),
            Some(Heard::Cancel(m)) => (m.order_id, 0),
            Some(Heard::Overdue(m)) => (m.order_id, m.return_no),
            Some(Heard::Retry(m)) => (m.order_id, m.return_no),
            Some(Heard::Resolve(m)) => (m.order_id, m.return_no),
            Some(Heard::Answer(a)) => (a.order_id, a.return_no),
        };
        vec![Need::of(Table::Sagas, saga_id(order_id, return_no))]
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
            Some(Heard::Retry(m)) => {
                let saga = find(m.order_id, m.return_no);
                self.intervene(saga, message, Input::Retry, "retry", &m.by, None, now)
            }
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
            Some(saga) if saga.status == Status::Awaited => saga.cancel_early,
            Some(_) => return Decision::ignored("the saga was started before"),
            None => None,
        };
        let definition = match m.payment.method {
            Method::Card | Method::DebitCard | Method::Paypal => Definition::newest(checkout::CHECKOUT),
            Method::Cod => Definition::newest(checkout::CASH_ON_DELIVERY),
        };
        let subject = Subject {
            order_id: m.order_id,
            return_no: 0,
            customer_id: m.customer_id.clone(),
            lines: m.lines.clone(),
            total: m.total,
            payment: m.payment.clone(),
            transaction_id: None,
        };
        let mut saga = Saga::new(definition, subject, now);
        let Some(reason) = cancel_early else {
            let (progress, first) = Progress::start(&definition.rules());
            return self.go(saga, definition, progress, first, now);
        };
        // Nothing was asked yet, so there is nothing to undo: only the order has to be told.
        saga.reason = Some(reason);
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
            payment: contract::PaymentChoice { method: Method::Card, token: None },
            transaction_id: None,
        };
        let (progress, first) = Progress::start(&definition.rules());
        self.go(Saga::new(definition, subject, now), definition, progress, first, now)
    }

    fn cancel(&self, known: Option<&Saga>, m: &bodies::SagaCancel, now: Time) -> Decision<Record> {
        let Some(saga) = known else {
            return Decision::done("the cancellation is remembered until the saga starts")
                .save(Saga::awaited(m.order_id, m.reason, now));
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
        if declined_now {
            saga.reason = answer.reason;
            saga.short = answer.short;
        }
        if let (Some(subject), Some(id)) = (saga.subject.as_mut(), answer.transaction_id) {
            subject.transaction_id.get_or_insert(id);
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

    /// Turns the interpreter's move into what is kept and said.
    fn go(
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
                (say("asked", (step(*at).ask)(&subject)), Some((step(*at).patience_s)(&self.patience)))
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
                    short: saga.short.clone(),
                });
                (say("everything is undone", body), Some(self.patience.stock_s))
            }
            Move::Complete => {
                saga.reason = None;
                (Decision::done("completed"), None)
            }
            Move::End => (Decision::done("ended undone"), None),
            Move::Stop => return self.stop(saga, definition, progress, now),
            Move::RefuseCancel => {
                let refuse = Body::RefuseCancel(RefuseCancel { order_id: saga.order_id });
                return Decision::done("too late to cancel").say(refuse);
            }
            Move::RefuseCancelAndAsk(at) => {
                let refuse = Body::RefuseCancel(RefuseCancel { order_id: saga.order_id });
                saga.reason = None;
                let decision = say("too late to cancel; asked", (step(*at).ask)(&subject)).say(refuse);
                (decision, Some((step(*at).patience_s)(&self.patience)))
            }
            Move::RefuseCancelAndComplete => {
                saga.reason = None;
                let refuse = Body::RefuseCancel(RefuseCancel { order_id: saga.order_id });
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
            checkout::Way::By(undo) => undo(subject),
            checkout::Way::Needless(_) | checkout::Way::Impossible(_) => {
                unreachable!("the interpreter undoes by command only")
            }
        }
    }

    /// Keeps where the saga stands, and its one deadline: every asking has its own.
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

impl Saga {
    fn new(definition: &Definition, subject: Subject, now: Time) -> Self {
        Self {
            order_id: subject.order_id,
            return_no: subject.return_no,
            status: Status::Running,
            step: String::new(),
            definition: definition.name.to_string(),
            version: definition.version,
            reason: None,
            short: Vec::new(),
            attention: None,
            interventions: Vec::new(),
            asked: 0,
            progress: None,
            subject: Some(subject),
            cancel_early: None,
            created_at: now,
            updated_at: now,
        }
    }

    fn awaited(order_id: OrderId, reason: Reason, now: Time) -> Self {
        Self {
            order_id,
            return_no: 0,
            status: Status::Awaited,
            step: String::new(),
            definition: String::new(),
            version: 0,
            reason: None,
            short: Vec::new(),
            attention: None,
            interventions: Vec::new(),
            asked: 0,
            progress: None,
            subject: None,
            cancel_early: Some(reason),
            created_at: now,
            updated_at: now,
        }
    }

    fn forward_at(&self) -> Option<usize> {
        match self.progress.as_ref().map(|progress| progress.phase) {
            Some(Phase::Forward(at)) => Some(at),
            Some(Phase::Backward(_) | Phase::Closing | Phase::Completed | Phase::Undone) | None => None,
        }
    }
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

/// What an operator can do, as the command line has it.
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

/// The whole table, for documents and tests: a line for each step of each definition.
pub fn table() -> Vec<[String; 6]> {
    let mut lines = Vec::new();
    for definition in checkout::DEFINITIONS {
        for (step, rule) in definition.steps.iter().zip(definition.rules()) {
            let subject = example();
            let undo = match (&step.undo, rule.undo) {
                (checkout::Way::By(undo), _) => undo(&subject).name().to_string(),
                (_, Undo::Needless(why)) => format!("needless: {why}"),
                (_, Undo::Impossible(why)) => format!("none: {why}"),
                (_, Undo::ByCommand) => unreachable!("a rule says what its step says"),
            };
            lines.push([
                format!("{} v{}", definition.name, definition.version),
                step.name.to_string(),
                (step.ask)(&subject).name().to_string(),
                undo,
                if step.pivot { "pivot".to_string() } else { String::new() },
                format!("{:?}, {:?}", step.overdue, step.declined),
            ]);
        }
    }
    lines
}

fn example() -> Subject {
    let order_id = OrderId::default();
    let euro = contract::Currency::from_code("EUR").expect("EUR is a currency");
    Subject {
        order_id,
        return_no: 0,
        customer_id: String::new(),
        lines: Vec::new(),
        total: contract::Money::zero(euro),
        payment: contract::PaymentChoice { method: Method::Card, token: None },
        transaction_id: None,
    }
}

#[cfg(test)]
mod tests;
