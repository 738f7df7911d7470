//! One order's sagas, told one message after another by the message's name. A few messages have short words instead
//! (`start`, `cancel`, `overdue`); `#1` is about the first return.

mod cancellations;
mod deadlines;
mod definitions;
mod flows;
mod interpreter;
mod operators;
mod recipe;
mod stories;
mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{
    Body, By, Cancelled, Confirm, Currency, Deadline, DeadlineChange, Decision, MarkReturned, Message,
    MessageId, Method, Money, OrderAccepted, OrderCancelled, OrderFulfilled, OrderId, OrderPaid,
    OrderRefunded, OrderReturned, Outcome, PaymentCaptured, PaymentChoice, PaymentDeclined,
    PaymentRefundFailed, PaymentRefunded, PaymentVoided, Reason, Record as _, Records, Resolution,
    SagaCancel, SagaDeadline, SagaOverdue, SagaResolve, SagaRetry, SagaReturn, SagaStart, Short, Sku,
    StockFact, StockLine, StockRefused, StockRestocked, Table, Time, Wish, Worker,
};
use expect_test::Expect;

use crate::{Patience, Record, Saga, SagaWorker, Status, saga_id};

const ORDER: &str = "01932b4a-1111-7000-8000-000000000001";
/// A leap year: no deadline can be moved beyond it.
const YEAR_S: u64 = 31_622_400;
const WORKER: SagaWorker =
    SagaWorker { patience: Patience { stock_s: 30, payment_s: 300, ship_s: 60, cod_s: 2_592_000 } };

const HELD: &[&str] = &["start", "stock.reserved"];
const CAPTURED: &[&str] = &["start", "stock.reserved", "payment.captured"];
const PAID: &[&str] = &["start", "stock.reserved", "payment.captured", "order.paid"];
const SHIPPED: &[&str] = &["start", "stock.reserved", "payment.captured", "order.paid", "stock.shipped"];
const DELIVERED: &[&str] = &["start cod", "stock.reserved", "stock.shipped", "order.accepted"];
const GIVEN_UP: &[&str] = &[
    "start",
    "stock.reserved",
    "overdue",
    "payment.declined (timeout)",
    "stock.released",
    "order.cancelled",
];

/// A database of the saga worker alone, with its deadlines. Every saga passes through its JSON.
#[derive(Clone, Default)]
struct SagaStore {
    sagas: BTreeMap<String, Arc<str>>,
    deadlines: BTreeMap<String, (u64, Body)>,
    messages: u64,
}

impl SagaStore {
    fn after(story: &[&str]) -> Self {
        let mut store = Self::default();
        for message in story {
            store.hear(message);
        }
        store
    }

    fn hear(&mut self, message: &str) -> Decision<Record> {
        let body = self.body(message);
        self.messages += 1;
        let id = MessageId::new(&format!("m{}", self.messages)).unwrap();
        let now = Time::from_unix_ms(1_700_000_000_000).plus_s(self.messages);
        let message = Message::new(id, now, body);
        let mut records = Records::default();
        for need in WORKER.needs(&message) {
            let found = self.sagas.get(&need.id).map(|json| Record::from_json(Table::Sagas, json).unwrap());
            records.put(need, found.map(|record| (1, record)));
        }
        let decision = WORKER.decide(&records, &message, now);
        for record in &decision.save {
            records.save(record.clone()); // panics on a record that needs() did not name
            self.sagas.insert(record.id(), record.to_json());
        }
        for deadline in &decision.deadlines {
            match deadline {
                Deadline::Clear { key } => _ = self.deadlines.remove(key),
                Deadline::Set { key, due, body } => {
                    let wait_s = (due.unix_ms() - now.unix_ms()) as u64 / 1000;
                    self.deadlines.insert(key.clone(), (wait_s, Body::clone(body)));
                }
            }
        }
        decision
    }

    fn saga(&self, return_no: u32) -> Option<Saga> {
        self.sagas.get(&saga_id(order_id(), return_no)).map(|json| serde_json::from_str(json).unwrap())
    }

    /// `running, take_payment, 300 s`: the status, the step, and how long it may take.
    fn standing(&self, return_no: u32) -> String {
        let Some(saga) = self.saga(return_no) else { return "absent".into() };
        let step = if saga.step.is_empty() { String::new() } else { format!(", {}", saga.step) };
        let wait = self.deadlines.get(&saga_id(order_id(), return_no));
        let wait = wait.map(|(wait_s, _)| format!(", {wait_s} s")).unwrap_or_default();
        format!("{}{step}{wait}", name(saga.status))
    }

    /// The answers to each message of a story, and the saga after it.
    fn tells(&mut self, story: &[&str]) -> String {
        let mut told = String::new();
        for message in story {
            let decision = self.hear(message);
            let says =
                if decision.send.is_empty() { outcome(&decision.outcome) } else { said(&decision.send) };
            told += &format!("{message} → {says} | {}\n", self.standing(return_no(message)));
        }
        told
    }

    fn body(&self, message: &str) -> Body {
        let no = return_no(message);
        let overdue = |asked| Body::SagaOverdue(SagaOverdue { order_id: order_id(), return_no: no, asked });
        match message.trim_start_matches("#1 ") {
            "overdue" => match self.deadlines.get(&saga_id(order_id(), no)) {
                Some((_, body)) => body.clone(),
                None => overdue(u32::MAX),
            },
            "move to now" => self.moved_by(no, 0),
            "move by a year" => self.moved_by(no, YEAR_S),
            "move by more" => self.moved_by(no, YEAR_S + 1),
            "stale overdue" => overdue(self.saga(no).map_or(0, |saga| saga.asked.saturating_sub(1))),
            name => body(name, no),
        }
    }
}

impl SagaStore {
    /// From the moment at which the message is heard.
    fn moved_by(&self, return_no: u32, seconds: u64) -> Body {
        let due = Time::from_unix_ms(1_700_000_000_000).plus_s(self.messages + 1 + seconds);
        let (by, why) = ("anna".to_string(), "the warehouse is moving".to_string());
        let change = DeadlineChange::Move { due };
        Body::SagaDeadline(SagaDeadline { order_id: order_id(), return_no, change, by, why })
    }
}

/// The answers to `then`, after the earlier messages.
fn check(before: &[&str], then: &[&str], expected: Expect) {
    expected.assert_eq(&SagaStore::after(before).tells(then));
}

fn return_no(message: &str) -> u32 {
    u32::from(message.starts_with("#1 "))
}

fn name(status: Status) -> String {
    serde_json::to_value(status).unwrap().as_str().unwrap().to_string()
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(what) => format!("(done: {what})"),
        Outcome::Ignored(why) => format!("(ignored: {why})"),
        Outcome::Alarm(why) => format!("(ALARM: {why})"),
        Outcome::Parked { code, why } => format!("(PARKED {code}: {why})"),
    }
}

#[allow(clippy::wildcard_enum_match_arm)]
fn said(send: &[Body]) -> String {
    let say = |body: &Body| match body {
        Body::MarkUndone(b) if b.short.is_empty() => {
            let code = b.decline_code.as_ref().map_or(String::new(), |code| format!(": {code}"));
            format!("{}({}{code})", body.name(), b.reason.code())
        }
        Body::MarkUndone(b) => {
            let short: Vec<_> = b.short.iter().map(|short| short.sku.as_str()).collect();
            format!("{}({}: {})", body.name(), b.reason.code(), short.join(", "))
        }
        Body::MarkPaid(b) => format!("{}({})", body.name(), b.transaction_id),
        Body::MarkReturned(MarkReturned { amount: Some(amount), .. }) => format!("{}({amount})", body.name()),
        Body::NeedsAttention(b) => format!("{}({}: {})", body.name(), b.why, b.actions.join(" / ")),
        _ => body.name().to_string(),
    };
    send.iter().map(say).collect::<Vec<_>>().join(" + ")
}

fn order_id() -> OrderId {
    ORDER.parse().unwrap()
}

fn eur(amount: &str) -> Money {
    Money::parse(amount, Currency::from_code("EUR").unwrap()).unwrap()
}

fn start(method: Method) -> Body {
    let line = |sku: &str| StockLine { sku: Sku::new(sku).unwrap(), title: sku.into(), quantity: 2 };
    Body::SagaStart(SagaStart {
        order_id: order_id(),
        customer_id: "c1".into(),
        lines: vec![line("CUP"), line("TEA")],
        total: eur("50.00"),
        payment: PaymentChoice::by(method, None),
        cancelled: None,
    })
}

fn start_later() -> Body {
    let Body::SagaStart(mut start) = start(Method::Card) else { unreachable!() };
    start.payment.confirm = Confirm::Manual;
    Body::SagaStart(start)
}

/// The order was cancelled before it was submitted.
fn start_cancelled() -> Body {
    let Body::SagaStart(mut start) = start(Method::Card) else { unreachable!() };
    start.cancelled = Some(Cancelled { reason: Reason::CancelledByCustomer, wish: Wish::default() });
    Body::SagaStart(start)
}

fn body(message: &str, return_no: u32) -> Body {
    let (order_id, customer_id, at) = (order_id(), "c1".to_string(), Time::default());
    let stock = StockFact { order_id, at };
    let short =
        |sku: &str| Short { sku: Sku::new(sku).unwrap(), title: sku.into(), requested: 2, available: 0 };
    let refused = StockRefused { order_id, at, short: vec![short("CUP"), short("TEA")] };
    let refunded = |late, outside, share: &str| {
        let amount = if return_no == 0 { eur("50.00") } else { eur(share) };
        let transaction_id = Some("re_1".to_string());
        Body::PaymentRefunded(PaymentRefunded {
            order_id,
            at,
            amount,
            transaction_id,
            return_no,
            late,
            outside,
        })
    };
    let cancel = |reason| SagaCancel { order_id, reason, wish: Wish::default() };
    let declined = |code: &str| PaymentDeclined {
        order_id,
        at,
        code: code.into(),
        message: String::new(),
        may_be_retried: false,
    };
    let refund_failed = |late| {
        let (code, message) = ("refund_failed".to_string(), String::new());
        PaymentRefundFailed { order_id, at, code, message, return_no, late }
    };
    let resolve = |outcome| {
        let (evidence, by) = ("wire 17".to_string(), "anna".to_string());
        SagaResolve { order_id, return_no, outcome, evidence, by }
    };
    let deadline = |change| {
        let (by, why) = ("anna".to_string(), "the warehouse is moving".to_string());
        Body::SagaDeadline(SagaDeadline { order_id, return_no, change, by, why })
    };
    match message {
        "start" => start(Method::Card),
        "start cod" => start(Method::Cod),
        "start later" => start_later(),
        "start cancelled" => start_cancelled(),
        "return" => Body::SagaReturn(SagaReturn {
            order_id,
            customer_id,
            return_no,
            lines: Vec::new(),
            amount: eur("20.00"),
        }),
        "cancel" => Body::SagaCancel(cancel(Reason::CancelledByCustomer)),
        "cancel by admin" => Body::SagaCancel(cancel(Reason::CancelledByAdmin)),
        "retry" => Body::SagaRetry(SagaRetry { order_id, return_no, by: "anna".into(), why: None }),
        "fire" => deadline(DeadlineChange::Fire),
        "move" => deadline(DeadlineChange::Move { due: Time::from_unix_ms(1_700_000_000_000).plus_s(5000) }),
        "move back" => deadline(DeadlineChange::Move { due: Time::default() }),
        "wait" => deadline(DeadlineChange::Cancel),
        "resolve done" => Body::SagaResolve(resolve(Resolution::Done)),
        "give up" => Body::SagaResolve(resolve(Resolution::GiveUp)),
        "stock.reserved" => Body::StockReserved(stock),
        "stock.refused" => Body::StockRefused(refused),
        "stock.released" => Body::StockReleased(stock),
        "stock.shipped" => Body::StockShipped(stock),
        "stock.ship_refused" => Body::StockShipRefused(refused),
        "stock.restocked" => Body::StockRestocked(StockRestocked { order_id, at, return_no }),
        "payment.captured" => {
            let transaction_id = "ch_1".into();
            Body::PaymentCaptured(PaymentCaptured { order_id, at, transaction_id, amount: eur("50.00") })
        }
        "payment.declined" => Body::PaymentDeclined(declined("insufficient_funds")),
        "payment.declined (timeout)" => Body::PaymentDeclined(declined("payment_timeout")),
        "payment.declined (may be retried)" => {
            let declined = declined("insufficient_funds");
            Body::PaymentDeclined(PaymentDeclined { may_be_retried: true, ..declined })
        }
        "payment.refunded" => refunded(false, false, "20.00"),
        "payment.refunded (less)" => refunded(false, false, "0.00"),
        "payment.refunded (late)" => refunded(true, false, "20.00"),
        "payment.refunded (outside)" => refunded(false, true, "20.00"),
        "payment.refund_failed" => Body::PaymentRefundFailed(refund_failed(false)),
        "payment.refund_failed (late)" => Body::PaymentRefundFailed(refund_failed(true)),
        "payment.voided" => Body::PaymentVoided(PaymentVoided { order_id, at }),
        "order.accepted" => Body::OrderAccepted(OrderAccepted { order_id, customer_id, at }),
        "order.paid" => {
            let (transaction_id, amount) = ("ch_1".into(), Some(eur("50.00")));
            Body::OrderPaid(OrderPaid { order_id, customer_id, at, transaction_id, amount })
        }
        "order.fulfilled" => Body::OrderFulfilled(OrderFulfilled { order_id, customer_id, at }),
        "order.cancelled" => {
            let (reason, decline_code, short) = (Reason::CancelledByCustomer, None, Vec::new());
            Body::OrderCancelled(OrderCancelled { order_id, customer_id, at, reason, decline_code, short })
        }
        "order.refunded" => {
            let (reason, amount) = (Reason::Returned, Some(eur("50.00")));
            Body::OrderRefunded(OrderRefunded { order_id, customer_id, at, reason, amount, return_no })
        }
        "order.returned" => Body::OrderReturned(OrderReturned {
            order_id,
            customer_id,
            at,
            return_no,
            amount: Some(eur("50.00")),
        }),
        other => panic!("no test says {other:?}"),
    }
}
