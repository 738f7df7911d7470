//! One order's books, told one message after another. The helpers of the tables and the claims are here.

mod claims;
mod confirmations;
mod early;
mod edges;
mod limit;
mod lost;
mod outside;
mod refunds;
mod told;
mod transitions;
mod walk;
mod wallets;

use std::sync::Arc;

use contract::{
    Body, ChargeStanding, Confirm, Currency, Deadline, Decision, Message, MessageId, Method, Money, OrderId,
    Outcome, PaymentByHand, PaymentCharge, PaymentCheck, PaymentChoice, PaymentConfirm, PaymentHeld,
    PaymentIntend, PaymentRefund, PaymentSettle, ProviderAnswer, ProviderEvent, ProviderEventData,
    ProviderEventKind, ProviderTold, Record as _, Records, Speaker, Table, Time, Token, Worker,
};

use expect_test::Expect;

use crate::{Payment, PaymentWorker, Record, Status};

const ORDER: &str = "01932b4a-1111-7000-8000-000000000001";
const TOTAL: &str = "50.00";

/// A database with one payment in it, and its customer's wallet. It passes through its JSON each time, as it would on disk.
#[derive(Clone, Default)]
struct Books {
    row: Option<Arc<str>>,
    wallet: Option<Arc<str>>,
    messages: u64,
}

impl Books {
    fn after(story: &[Body]) -> Self {
        let mut books = Self::default();
        for body in story {
            books.hear(body.clone());
        }
        books
    }

    fn hear(&mut self, body: Body) -> Decision<Record> {
        self.hear_at(body, Time::from_unix_ms(1_700_000_000_000).plus_s(self.messages + 1))
    }

    /// An event comes from the provider's own books, as most do.
    fn hear_at(&mut self, body: Body, now: Time) -> Decision<Record> {
        let message = self.message(body, now);
        self.decide(&message, now)
    }

    fn hear_by(&mut self, by: Speaker, body: Body) -> Decision<Record> {
        let now = Time::from_unix_ms(1_700_000_000_000).plus_s(self.messages + 1);
        self.hear_from(by, body, now)
    }

    fn hear_from(&mut self, by: Speaker, body: Body, now: Time) -> Decision<Record> {
        let message = self.message(body, now).said_by(by);
        self.decide(&message, now)
    }

    fn message(&mut self, body: Body, now: Time) -> Message {
        self.messages += 1;
        let by = if body.name() == "payment.webhook" { Speaker::Provider } else { body.speakers()[0] };
        Message::new(MessageId::new(&format!("m{}", self.messages)).unwrap(), now, body).said_by(by)
    }

    fn decide(&mut self, message: &Message, now: Time) -> Decision<Record> {
        let mut records = Records::default();
        for need in PaymentWorker.needs(message) {
            let row = if need.table == Table::Wallets { &self.wallet } else { &self.row };
            let found = row.as_deref().map(|json| Record::from_json(need.table, json).unwrap());
            records.put(need, found.map(|record| (1, record)));
        }
        let decision = PaymentWorker.decide(&records, message, now);
        for record in &decision.save {
            records.save(record.clone()); // panics on a record that needs() did not name
            let row = if record.table() == Table::Wallets { &mut self.wallet } else { &mut self.row };
            *row = Some(record.to_json());
        }
        decision
    }

    /// The answers to a message, in one line.
    fn says(&mut self, body: Body) -> String {
        said(&self.hear(body).send)
    }

    fn payment(&self) -> Payment {
        serde_json::from_str(self.row.as_ref().unwrap()).unwrap()
    }

    /// `captured, 50.00/20.00 EUR`: the status, what was captured, what was refunded.
    fn standing(&self) -> String {
        let Some(json) = &self.row else { return "absent".into() };
        let payment: Payment = serde_json::from_str(json).unwrap();
        let status = name(&payment.status);
        let refunds: Vec<_> =
            payment.refunds.iter().map(|r| format!(", refund {}", name(&r.state))).collect();
        let Some(currency) = payment.currency else { return status };
        let money = |minor| Money::from_minor(minor, currency).unwrap().amount();
        let (captured, refunded) = (money(payment.captured_minor), money(payment.refunded_minor));
        format!("{status}, {captured}/{refunded}{}", refunds.concat())
    }
}

/// The answers to each message of a story, and the books after it.
fn tells(story: &[Body], expected: Expect) {
    let mut books = Books::default();
    let mut told = String::new();
    for body in story {
        let name = body.name();
        told += &format!("{name} → {} | {}\n", books.says(body.clone()), books.standing());
    }
    expected.assert_eq(&told);
}

fn name(word: &impl serde::Serialize) -> String {
    serde_json::to_value(word).unwrap().as_str().unwrap().to_string()
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(what) => format!("done: {what}"),
        Outcome::Ignored(why) => format!("ignored: {why}"),
        Outcome::Alarm(why) => format!("ALARM: {why}"),
        Outcome::Parked { code, why } => format!("PARKED {code}: {why}"),
    }
}

#[allow(clippy::wildcard_enum_match_arm)]
fn said(send: &[Body]) -> String {
    let late = |late| if late { ", late" } else { "" };
    let say = |body: &Body| {
        let what = match body {
            Body::ProviderCharge(b) => format!("{}, {}", b.key, b.amount),
            Body::ProviderQuery(b) => b.key.clone(),
            Body::ProviderRefund(b) => format!("{}, {} of {}", b.key, b.amount, b.transaction_id),
            Body::ProviderTold(ProviderTold::Charge(b)) => {
                let end = b.failure_code.as_deref().unwrap_or("taken");
                format!("{}, {} as {}, {end}", b.key, b.amount, b.transaction_id)
            }
            Body::ProviderTold(ProviderTold::Refund(b)) => {
                format!("{}, {} of {}", b.key, b.amount, b.transaction_id)
            }
            Body::PaymentCaptured(b) => format!("{}, {}", b.transaction_id, b.amount),
            Body::PaymentDeclined(b) if b.may_be_retried => format!("{}, may be retried", b.code),
            Body::PaymentDeclined(b) => b.code.clone(),
            Body::PaymentRefunded(b) if b.outside => format!("outside, {}", b.amount),
            Body::PaymentRefunded(b) => format!("#{}, {}{}", b.return_no, b.amount, late(b.late)),
            Body::PaymentRefundFailed(b) => format!("#{}, {}{}", b.return_no, b.code, late(b.late)),
            Body::PaymentVoided(_) => String::new(),
            Body::RefusePay(b) => b.reason.clone(),
            other => panic!("payment says {}", other.name()),
        };
        format!("{}({})", body.name(), what.replace(ORDER, "O"))
    };
    if send.is_empty() { "nothing".into() } else { send.iter().map(say).collect::<Vec<_>>().join(", ") }
}

fn order_id() -> OrderId {
    ORDER.parse().unwrap()
}

fn money(amount: &str, currency: &str) -> Money {
    Money::parse(amount, Currency::from_code(currency).unwrap()).unwrap()
}

fn eur(amount: &str) -> Money {
    money(amount, "EUR")
}

fn charge_of(method: Method, amount: Money) -> Body {
    let payment = PaymentChoice::by(method, Some(Token("tok_ok".into())));
    Body::PaymentCharge(PaymentCharge {
        order_id: order_id(),
        customer_id: "c1".into(),
        amount,
        payment,
        patience_s: None,
    })
}

fn charge() -> Body {
    charge_of(Method::Card, eur(TOTAL))
}

fn charge_later() -> Body {
    let payment = PaymentChoice { confirm: Confirm::Manual, ..PaymentChoice::by(Method::Card, None) };
    let (order_id, amount) = (order_id(), eur(TOTAL));
    Body::PaymentCharge(PaymentCharge {
        order_id,
        customer_id: "c1".into(),
        amount,
        payment,
        patience_s: None,
    })
}

fn confirm(token: Option<&str>) -> Body {
    let payment = token.map(|token| PaymentChoice::by(Method::Card, Some(Token(token.into()))));
    Body::PaymentConfirm(PaymentConfirm { order_id: order_id(), customer_id: "c1".into(), payment })
}

fn intend(secret: &str) -> Body {
    Body::PaymentIntend(PaymentIntend { order_id: order_id(), secret: Token(secret.into()) })
}

fn charge_on_delivery() -> Body {
    charge_of(Method::Cod, eur(TOTAL))
}

fn check() -> Body {
    Body::PaymentCheck(PaymentCheck { order_id: order_id() })
}

fn refund_all() -> Body {
    Body::PaymentRefund(PaymentRefund { order_id: order_id(), return_no: 0, amount: None })
}

fn refund_share(return_no: u32, amount: Money) -> Body {
    Body::PaymentRefund(PaymentRefund { order_id: order_id(), return_no, amount: Some(amount) })
}

fn by_hand() -> Body {
    Body::PaymentByHand(PaymentByHand { order_id: order_id(), return_no: 0, evidence: "wire 17".into() })
}

fn settle() -> Body {
    Body::PaymentSettle(PaymentSettle { order_id: order_id(), transaction_id: Some("receipt 9".into()) })
}

fn event(kind: ProviderEventKind, transaction_id: &str, amount: Money, key: Option<&str>) -> Body {
    let failure_code = match kind {
        ProviderEventKind::PaymentFailed => Some("insufficient_funds".to_string()),
        ProviderEventKind::RefundFailed => Some("account_closed".to_string()),
        ProviderEventKind::PaymentSucceeded | ProviderEventKind::RefundSucceeded => None,
    };
    let data = ProviderEventData {
        reference: order_id(),
        transaction_id: transaction_id.into(),
        amount,
        failure_code,
        key: key.map(Into::into),
        charged_as: Vec::new(),
        refunded_in_all: None,
    };
    Body::ProviderEvent(ProviderEvent { id: "evt_1".into(), kind, created: Time::default(), data })
}

fn succeeded() -> Body {
    event(ProviderEventKind::PaymentSucceeded, "ch_1", eur(TOTAL), None)
}

fn failed() -> Body {
    event(ProviderEventKind::PaymentFailed, "ch_1", eur(TOTAL), None)
}

fn refund_key(return_no: u32, tries: u32) -> String {
    format!("refund/{ORDER}/{return_no}/{tries}")
}

fn refund_succeeded(tries: u32) -> Body {
    event(ProviderEventKind::RefundSucceeded, &format!("re_{tries}"), eur(TOTAL), Some(&refund_key(0, tries)))
}

fn refund_failed(tries: u32) -> Body {
    event(ProviderEventKind::RefundFailed, &format!("re_{tries}"), eur(TOTAL), Some(&refund_key(0, tries)))
}

fn answer(charge: ChargeStanding) -> Body {
    Body::ProviderAnswer(ProviderAnswer { key: format!("charge/{ORDER}"), order_id: order_id(), charge })
}

fn found(amount: Money) -> Body {
    answer(ChargeStanding::Succeeded { transaction_id: "ch_1".into(), amount })
}

#[test]
fn the_payment_of_an_order_under_way_is_foreseen() {
    let order_id: OrderId = ORDER.parse().unwrap();
    let json = format!(r#"{{"order_id":"{ORDER}","customer_id":"c1"}}"#);
    let id = MessageId::new("m1").unwrap();
    let submit = Message::restore(id, None, Time::default(), "checkout.submit", &json).unwrap();
    let payment = [contract::Need::of(Table::Payments, order_id)];
    assert_eq!(PaymentWorker.prefetch(contract::PrefetchHint::of(&submit).unwrap()), payment);
    assert_eq!(PaymentWorker.prefetch(contract::PrefetchHint::Payment(order_id)), payment);
}
