//! A shop of the order worker alone, and the messages for it. Its answers are in the files below.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use contract::{
    Body, By, CartClear, CartEnd, CartItemPut, CartItemRemove, CartOrder, CartPut, CartSettle, Currency,
    Decision, DiscountUpsert, Fault, Line, MarkAccepted, MarkFulfilled, MarkPaid, MarkReturned, MarkUndone,
    Message, MessageId, Method, MethodSwitch, Money, OrderArchive, OrderCancel, OrderId, OrderPay,
    OrderRefund, OrderRejected, Outcome, PaymentRefunded, ProductUpsert, Reason, Record as _, Records,
    RefuseCancel, RefusePay, Sku, Speaker, Status, Submit, Table, Time, Wish, Worker,
};
use expect_test::{Expect, expect, expect_file};
use serde_json::{Value, json};

use crate::{
    AuditEntry, Order, OrderWorker, Record, Rejected, StoredCart, Submission, TRANSITIONS, actions,
    allowed_next,
};

mod carts;
mod catalogue;
mod early;
mod edges;
mod marks;
mod replies;
mod returns;
mod submissions;
mod trail;
mod transitions;

use transitions::{State, messages, states};

const ORDER: &str = "01932b4a-1111-7000-8000-000000000001";

/// A database of the order worker alone. Every record passes through its JSON, as it would on disk.
#[derive(Clone, Default)]
struct Shop {
    rows: BTreeMap<(Table, String), Arc<str>>,
    messages: u64,
}

impl Shop {
    fn with_catalogue() -> Self {
        let mut shop = Shop::default();
        for (sku, title, price) in
            [("TEA", "Green tea", "3.33"), ("CUP", "A cup", "9.99"), ("BOOK", "The book of tea", "20.00")]
        {
            shop.hear(product(sku, title, eur(price)));
        }
        shop.hear(product("YEN", "Something from Japan", money("500", "JPY")));
        shop.hear(product("GEM", "A very large gem", eur("90000000000.00")));
        shop.hear(percent("TENTH", "10"));
        shop.hear(amount("FIVER", eur("5.00")));
        shop.hear(Body::DiscountUpsert(DiscountUpsert {
            valid_until: Some(Time::from_unix_ms(0)),
            ..off("OLD", Some("10"), None)
        }));
        shop.hear(Body::DiscountUpsert(DiscountUpsert { active: false, ..off("OFF", Some("10"), None) }));
        shop
    }

    fn hear(&mut self, body: Body) -> Decision<Record> {
        self.hear_at(self.now().plus_s(1), body)
    }

    /// When the last message came, if the clock advances only with messages.
    fn now(&self) -> Time {
        Time::from_unix_ms(1_700_000_000_000).plus_s(self.messages)
    }

    fn hear_at(&mut self, now: Time, body: Body) -> Decision<Record> {
        let message = self.message(now, body);
        self.decide(&message, now)
    }

    fn hear_by(&mut self, by: Speaker, body: Body) -> Decision<Record> {
        let now = self.now().plus_s(1);
        let message = self.message(now, body).said_by(by);
        self.decide(&message, now)
    }

    fn message(&mut self, now: Time, body: Body) -> Message {
        self.messages += 1;
        Message::new(MessageId::new(&format!("m{}", self.messages)).unwrap(), now, body)
    }

    fn decide(&mut self, message: &Message, now: Time) -> Decision<Record> {
        let mut records = Records::default();
        for need in OrderWorker.needs(message) {
            let row = self.rows.get(&(need.table, need.id.clone()));
            let found = row.map(|json| (1, Record::from_json(need.table, json).unwrap()));
            records.put(need, found);
        }
        let decision = OrderWorker.decide(&records, message, now);
        for record in &decision.save {
            records.save(record.clone()); // panics on a record that needs() did not name
            let row = (record.table(), record.id());
            let before = self.rows.insert(row.clone(), record.to_json());
            assert!(before.is_none() || row.0 != Table::Audit, "audit entry {} was overwritten", row.1);
        }
        decision
    }

    fn order(&self) -> Order {
        serde_json::from_str(&self.rows[&(Table::Orders, ORDER.into())]).unwrap()
    }

    fn status(&self) -> &'static str {
        let row = |table| self.rows.get(&(table, ORDER.to_string()));
        match (row(Table::Orders), row(Table::Submissions)) {
            (Some(_), _) => self.order().status.name(),
            (None, Some(known)) => match serde_json::from_str(known).unwrap() {
                Submission::Rejected(_) => "rejected",
                Submission::Early(_) => "absent",
            },
            (None, None) => "absent",
        }
    }

    fn audit(&self) -> Vec<AuditEntry> {
        let rows = self.rows.iter().filter(|((table, _), _)| *table == Table::Audit);
        rows.map(|(_, json)| serde_json::from_str(json).unwrap()).collect()
    }

    fn rejected(&mut self, body: Value) -> OrderRejected {
        match self.hear(submit(body)).send.as_slice() {
            [Body::OrderRejected(rejected)] => rejected.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// An order for these items, brought to fulfilled.
    fn fulfilled(items: Value, discount_code: Option<&str>) -> Self {
        let mut shop = Shop::with_catalogue();
        shop.hear(submit(json!({"items": items, "discount_code": discount_code})));
        shop.hear(mark_paid("ch_1"));
        shop.hear(mark_fulfilled());
        assert_eq!(shop.status(), "fulfilled");
        shop
    }
}

fn money(amount: &str, currency: &str) -> Money {
    Money::parse(amount, Currency::from_code(currency).unwrap()).unwrap()
}

fn eur(amount: &str) -> Money {
    money(amount, "EUR")
}

fn sku(text: &str) -> Sku {
    Sku::new(text).unwrap()
}

fn order_id() -> OrderId {
    ORDER.parse().unwrap()
}

fn line(name: &str, quantity: u32) -> Line {
    Line { sku: sku(name), quantity }
}

fn product(name: &str, title: &str, price: Money) -> Body {
    Body::ProductUpsert(ProductUpsert {
        sku: sku(name),
        title: title.into(),
        author: None,
        price,
        on_hand: None,
        reason: None,
        who: None,
    })
}

fn off(code: &str, percent: Option<&str>, amount: Option<Money>) -> DiscountUpsert {
    let percent = percent.map(Into::into);
    DiscountUpsert {
        code: code.into(),
        percent,
        amount,
        valid_until: None,
        active: true,
        reason: None,
        who: None,
    }
}

fn percent(code: &str, percent: &str) -> Body {
    Body::DiscountUpsert(off(code, Some(percent), None))
}

fn amount(code: &str, amount: Money) -> Body {
    Body::DiscountUpsert(off(code, None, Some(amount)))
}

/// A checkout by card for two teas and a cup, with these fields instead.
fn submit(fields: Value) -> Body {
    let mut body = json!({
        "order_id": ORDER,
        "customer_id": "ann",
        "items": [{"sku": "TEA", "quantity": 2}, {"sku": "CUP", "quantity": 1}],
        "payment": {"method": "card", "token": "tok_ok"},
        "contact": {"email": "ann@example.org"},
    });
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    Body::Submit(Submit::read(body, None).unwrap())
}

fn mark_paid(transaction_id: &str) -> Body {
    Body::MarkPaid(MarkPaid { order_id: order_id(), transaction_id: transaction_id.into() })
}

fn mark_accepted() -> Body {
    Body::MarkAccepted(MarkAccepted { order_id: order_id() })
}

fn mark_fulfilled() -> Body {
    Body::MarkFulfilled(MarkFulfilled { order_id: order_id() })
}

fn mark_undone(reason: Reason) -> Body {
    let declined = (reason == Reason::PaymentDeclined).then(|| "lost_card".to_string());
    let (decline_code, short, wish) = (declined, Vec::new(), Wish::default());
    Body::MarkUndone(MarkUndone { order_id: order_id(), reason, decline_code, short, wish })
}

fn mark_returned(return_no: u32) -> Body {
    Body::MarkReturned(MarkReturned { order_id: order_id(), return_no, amount: None })
}

/// Most of its share had been refunded at the provider's side.
fn mark_returned_with_less(return_no: u32) -> Body {
    let amount = Some(eur("0.40"));
    Body::MarkReturned(MarkReturned { order_id: order_id(), return_no, amount })
}

fn refuse_pay() -> Body {
    Body::RefusePay(RefusePay { order_id: order_id(), reason: "payment_under_way".into() })
}

fn cancel(by: By) -> Body {
    Body::OrderCancel(OrderCancel { order_id: order_id(), by, ..OrderCancel::default() })
}

fn refund(items: Option<Vec<Line>>) -> Body {
    Body::OrderRefund(OrderRefund { order_id: order_id(), items, reason: None, who: None })
}

fn pay() -> Body {
    Body::OrderPay(OrderPay { order_id: order_id(), ..OrderPay::default() })
}

fn archive() -> Body {
    Body::OrderArchive(OrderArchive { order_id: order_id(), ..OrderArchive::default() })
}

fn payment_refunded(late: bool) -> Body {
    let at = Time::default();
    Body::PaymentRefunded(PaymentRefunded {
        order_id: order_id(),
        at,
        amount: eur("1.00"),
        transaction_id: Some("re_1".into()),
        return_no: 0,
        late,
        outside: false,
    })
}

/// A message in a few words: its name and what a reader would want to know next.
fn told(body: &Body) -> String {
    let json: Value = serde_json::from_str(
        Message::new(MessageId::new("m").unwrap(), Time::default(), body.clone()).json(),
    )
    .unwrap();
    let mut words: Vec<String> = Vec::new();
    for field in [
        "event",
        "command",
        "code",
        "reason",
        "decline_code",
        "status",
        "transaction_id",
        "return_no",
        "allowed",
    ] {
        match &json[field] {
            Value::Null => {}
            Value::String(text) => words.push(text.clone()),
            Value::Array(list) => {
                let list: Vec<_> = list.iter().filter_map(Value::as_str).collect();
                words.push(format!(
                    "allowed: {}",
                    if list.is_empty() { "none".into() } else { list.join("|") }
                ));
            }
            other @ (Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
                words.push(format!("{field} {other}"));
            }
        }
    }
    if let Some(money) = json.get("amount") {
        words.push(format!("{} {}", money["amount"].as_str().unwrap(), money["currency"].as_str().unwrap()));
    }
    if words.is_empty() { body.name().into() } else { format!("{}({})", body.name(), words.join(", ")) }
}

fn said(decision: &Decision<Record>) -> String {
    let said: Vec<_> = decision.send.iter().map(told).collect();
    if said.is_empty() { "nothing".into() } else { said.join(", ") }
}

fn outcome(decision: &Decision<Record>) -> String {
    match &decision.outcome {
        Outcome::Done(what) => format!("done: {what}"),
        Outcome::Ignored(why) => format!("ignored: {why}"),
        Outcome::Alarm(why) => format!("ALARM: {}", why.replace(ORDER, "O")),
        Outcome::Parked { code, why } => format!("PARKED {code}: {}", why.replace(ORDER, "O")),
    }
}

#[test]
fn what_may_be_done_next_is_what_is_not_refused() {
    // The first two states have no order.
    for State { name: state, shop, .. } in states().into_iter().skip(2) {
        for by in [Speaker::Customer, Speaker::Shop, Speaker::Admin] {
            let offered = actions(&shop.order(), by);
            for (action, body) in [
                ("cancel", cancel(By::Customer)),
                ("pay", pay()),
                ("refund", refund(None)),
                ("archive", archive()),
            ] {
                let may_say = contract::speakers_of(body.name()).contains(&by);
                let taken = may_say && outcome(&shop.clone().hear_by(by, body)) != "done: refused";
                assert_eq!(offered.contains(&action), taken, "{state}: {action} by {by}");
            }
        }
    }
}

#[test]
fn a_message_for_another_worker_is_parked() {
    let body = Body::OrderPaid(contract::OrderPaid {
        order_id: order_id(),
        customer_id: "ann".into(),
        at: Time::default(),
        transaction_id: "ch_1".into(),
        amount: None,
    });
    assert!(outcome(&Shop::default().hear(body)).starts_with("PARKED misrouted"));
}

#[test]
fn an_order_is_kept_under_the_names_that_sql_reads() {
    let mut shop = Shop::with_catalogue();
    shop.hear(submit(json!({"discount_code": "TENTH"})));
    shop.hear(mark_paid("ch_1"));
    let row: BTreeMap<String, Value> =
        serde_json::from_str(&shop.rows[&(Table::Orders, ORDER.into())]).unwrap();
    let names: Vec<_> = row.keys().map(String::as_str).collect();
    expect!["contact content created_at customer_id discount discount_code entries items method order_id reached refunded returns status subtotal total transaction_id updated_at"].assert_eq(&names.join(" "));
}

#[test]
fn an_order_that_its_payment_moves_is_foreseen() {
    let order_id: OrderId = ORDER.parse().unwrap();
    let prefetched = OrderWorker.prefetch(contract::PrefetchHint::Payment(order_id));
    assert_eq!(prefetched, [contract::Need::of(Table::Orders, order_id)]);
}
