use std::collections::BTreeMap;
use std::fmt::Write as _;

use contract::{
    Body, By, Currency, Decision, DiscountUpsert, Fault, Line, MarkFulfilled, MarkPaid, MarkReturned,
    MarkUndone, Message, MessageId, Money, OrderArchive, OrderCancel, OrderId, OrderPay, OrderRefund,
    OrderRejected, Outcome, PaymentRefunded, ProductUpsert, Reason, Record as _, Records, RefuseCancel, Sku,
    Status, Submit, Table, Time, Worker,
};
use expect_test::{Expect, expect, expect_file};
use serde_json::{Value, json};

use crate::{AuditEntry, Order, OrderWorker, Record, Submission, TRANSITIONS, actions, allowed_next};

mod replies;

const ORDER: &str = "01932b4a-1111-7000-8000-000000000001";

/// A database of the order worker alone. Every record passes through its JSON, as it would on disk.
#[derive(Clone, Default)]
struct Shop {
    rows: BTreeMap<(Table, String), String>,
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
        self.messages += 1;
        let id = MessageId::new(&format!("m{}", self.messages)).unwrap();
        let now = Time::from_unix_ms(1_700_000_000_000).plus_s(self.messages);
        let message = Message::new(id, now, body);
        let mut records = Records::default();
        for need in OrderWorker.needs(&message) {
            let row = self.rows.get(&(need.table, need.id.clone()));
            let found = row.map(|json| (1, Record::from_json(need.table, json).unwrap()));
            records.put(need, found);
        }
        let decision = OrderWorker.decide(&records, &message, now);
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
        let row = |table| self.rows.contains_key(&(table, ORDER.to_string()));
        match (row(Table::Orders), row(Table::Submissions)) {
            (true, _) => self.order().status.name(),
            (false, true) => "rejected",
            (false, false) => "absent",
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
    })
}

fn off(code: &str, percent: Option<&str>, amount: Option<Money>) -> DiscountUpsert {
    let percent = percent.map(Into::into);
    DiscountUpsert { code: code.into(), percent, amount, valid_until: None, active: true }
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

fn mark_fulfilled() -> Body {
    Body::MarkFulfilled(MarkFulfilled { order_id: order_id() })
}

fn mark_undone(reason: Reason) -> Body {
    Body::MarkUndone(MarkUndone { order_id: order_id(), reason, short: Vec::new() })
}

fn mark_returned(return_no: u32) -> Body {
    Body::MarkReturned(MarkReturned { order_id: order_id(), return_no })
}

fn cancel(by: By) -> Body {
    Body::OrderCancel(OrderCancel { order_id: order_id(), reason: None, by })
}

fn refund(items: Option<Vec<Line>>) -> Body {
    Body::OrderRefund(OrderRefund { order_id: order_id(), items, reason: None })
}

fn pay() -> Body {
    Body::OrderPay(OrderPay { order_id: order_id(), transaction_id: None })
}

fn archive() -> Body {
    Body::OrderArchive(OrderArchive { order_id: order_id() })
}

fn payment_refunded(late: bool) -> Body {
    let at = Time::default();
    Body::PaymentRefunded(PaymentRefunded {
        order_id: order_id(),
        at,
        amount: eur("1.00"),
        return_no: 0,
        late,
    })
}

// ---- the table ----------------------------------------------------------------------------------------

/// A state by name, the checkout that it began with, and the shop that is in it.
struct State {
    name: &'static str,
    checkout: Value,
    shop: Shop,
}

impl State {
    fn after(name: &'static str, checkout: Value, later: Vec<Body>) -> Self {
        let mut shop = Shop::with_catalogue();
        shop.hear(submit(checkout.clone()));
        for body in later {
            shop.hear(body);
        }
        Self { name, checkout, shop }
    }
}

fn states() -> Vec<State> {
    let card = |name, later| State::after(name, json!({}), later);
    let cod = |name, later| State::after(name, json!({"payment": {"method": "cod"}}), later);
    let shipped = |name, later| {
        let first = vec![mark_paid("ch_1"), mark_fulfilled()];
        card(name, first.into_iter().chain(later).collect::<Vec<_>>())
    };
    let one_tea = || refund(Some(vec![line("TEA", 1)]));
    let declined = || mark_undone(Reason::PaymentDeclined);
    vec![
        State { name: "absent", checkout: json!({}), shop: Shop::with_catalogue() },
        State::after("rejected", json!({"items": []}), vec![]),
        card("created", vec![]),
        cod("created, cod", vec![]),
        card("paid", vec![mark_paid("ch_1")]),
        cod("paid, cod", vec![mark_paid("ch_1")]),
        shipped("fulfilled", vec![]),
        shipped("fulfilled, return asked", vec![one_tea()]),
        shipped("fulfilled, return done", vec![one_tea(), mark_returned(1)]),
        card("cancelled", vec![declined()]),
        card("refunded, never shipped", vec![mark_paid("ch_1"), declined()]),
        shipped("refunded, came back", vec![refund(None), mark_returned(1)]),
        card("archived, was cancelled", vec![declined(), archive()]),
        shipped("archived, was fulfilled", vec![archive()]),
    ]
}

fn messages(checkout: &Value) -> Vec<(&'static str, Body)> {
    vec![
        ("checkout.submit (same)", submit(checkout.clone())),
        ("checkout.submit (other)", submit(json!({"items": [{"sku": "BOOK", "quantity": 1}]}))),
        ("order.cancel (customer)", cancel(By::Customer)),
        ("order.cancel (admin)", cancel(By::Admin)),
        ("order.refuse_cancel", Body::RefuseCancel(RefuseCancel { order_id: order_id() })),
        ("order.pay", pay()),
        ("order.mark_paid (ch_1)", mark_paid("ch_1")),
        ("order.mark_paid (ch_2)", mark_paid("ch_2")),
        ("order.mark_fulfilled", mark_fulfilled()),
        ("order.mark_undone", mark_undone(Reason::StockUnavailable)),
        ("order.refund (all)", refund(None)),
        ("order.mark_returned (1)", mark_returned(1)),
        ("order.archive", archive()),
        ("payment.refunded", payment_refunded(false)),
        ("payment.refunded (late)", payment_refunded(true)),
    ]
}

/// A message in a few words: its name and what a reader would ask next.
fn told(body: &Body) -> String {
    let json: Value = serde_json::from_str(
        Message::new(MessageId::new("m").unwrap(), Time::default(), body.clone()).json(),
    )
    .unwrap();
    let mut words: Vec<String> = Vec::new();
    for field in ["event", "command", "code", "reason", "status", "transaction_id", "return_no", "allowed"] {
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
fn every_state_has_an_answer_to_every_message() {
    let mut table = String::new();
    for State { name: state, checkout, shop } in states() {
        for (name, body) in messages(&checkout) {
            let mut shop = shop.clone();
            let decision = shop.hear(body);
            let (outcome, status, says) = (outcome(&decision), shop.status(), said(&decision));
            writeln!(table, "{state} × {name} → {outcome} | {status} | says {says}").unwrap();
        }
        table.push('\n');
    }
    expect_file!["./transitions.txt"].assert_eq(&table);
}

#[test]
fn an_order_moves_only_along_the_table_and_errors_say_what_is_allowed() {
    let mut table = String::new();
    for status in Status::ALL {
        let next: Vec<_> = allowed_next(status).into_iter().map(Status::name).collect();
        writeln!(table, "{} → {}", status.name(), next.join(", ")).unwrap();
    }
    expect![[r#"
        created → paid, cancelled
        paid → fulfilled, refunded
        fulfilled → refunded, archived
        cancelled → archived
        refunded → archived
        archived → 
    "#]]
    .assert_eq(&table);
    // Whatever a saga says in whatever state: no change of status outside of the table.
    for State { checkout, shop: before, .. } in states() {
        for (name, body) in messages(&checkout) {
            let mut after = before.clone();
            after.hear(body);
            let (from, to) = (before.status(), after.status());
            let allowed = TRANSITIONS.iter().any(|(a, b)| a.name() == from && b.name() == to);
            let begins = from == "absent" && to == "created";
            assert!(from == to || begins || allowed, "{from} → {to} by {name}");
        }
    }
}

// ---- submissions --------------------------------------------------------------------------------------

fn totals(fields: Value) -> String {
    let mut shop = Shop::with_catalogue();
    shop.hear(percent("ODD", "12.3456"));
    shop.hear(percent("ALL", "100"));
    shop.hear(amount("HUGE", eur("1000.00")));
    shop.hear(submit(fields));
    let order = shop.order();
    format!("{} - {} = {}", order.subtotal, order.discount, order.total)
}

#[test]
fn totals_are_exact_with_every_kind_of_discount() {
    let tea = |quantity: u32, code: Value| json!({"items": [{"sku": "TEA", "quantity": quantity}], "discount_code": code});
    let rows = [
        totals(json!({})),
        totals(json!({"discount_code": "TENTH"})),
        totals(json!({"discount_code": "FIVER"})),
        totals(json!({"discount_code": "ALL"})),
        totals(json!({"discount_code": "HUGE"})),
        totals(tea(1, json!("ODD"))),
        totals(tea(1000, json!("ODD"))),
        // 10 % of 16.65 is 1.665 and of 49.95 is 4.995: half a cent goes to the even neighbour.
        totals(tea(5, json!("TENTH"))),
        totals(tea(15, json!("TENTH"))),
        totals(json!({"items": [{"sku": "YEN", "quantity": 3}], "discount_code": "TENTH"})),
    ];
    expect![[r#"
        16.65 EUR - 0.00 EUR = 16.65 EUR
        16.65 EUR - 1.66 EUR = 14.99 EUR
        16.65 EUR - 5.00 EUR = 11.65 EUR
        16.65 EUR - 16.65 EUR = 0.00 EUR
        16.65 EUR - 16.65 EUR = 0.00 EUR
        3.33 EUR - 0.41 EUR = 2.92 EUR
        3330.00 EUR - 411.11 EUR = 2918.89 EUR
        16.65 EUR - 1.66 EUR = 14.99 EUR
        49.95 EUR - 5.00 EUR = 44.95 EUR
        1500 JPY - 150 JPY = 1350 JPY"#]]
    .assert_eq(&rows.join("\n"));
}

#[test]
fn an_accepted_order_starts_its_saga_and_tells_outsiders_neither_contact_nor_token() {
    let mut shop = Shop::with_catalogue();
    let decision = shop.hear(submit(json!({})));
    let names: Vec<_> = decision.send.iter().map(Body::name).collect();
    assert_eq!(names, ["saga.start", "order.created", "notification.tell"]);
    let fact = Message::new(MessageId::new("m").unwrap(), Time::default(), decision.send[1].clone());
    assert!(!fact.json().contains("tok_ok") && !fact.json().contains("ann@example.org"), "{}", fact.json());
    let order = shop.order();
    assert!(!serde_json::to_string(&order).unwrap().contains("tok_ok"));
    let quiet = Shop::with_catalogue().hear(submit(json!({"contact": {}})));
    assert_eq!(quiet.send.len(), 2, "nobody to tell");
}

fn faults(rejected: &OrderRejected, expected: Expect) {
    let line = |fault: &Fault| format!("{}: {} ({})\n", fault.field, fault.message, fault.code);
    let details: String = rejected.details.iter().map(line).collect();
    expected.assert_eq(&format!("{} | {}\n{details}", rejected.code, rejected.message));
}

#[test]
fn every_fault_of_a_checkout_is_listed() {
    let mut shop = Shop::with_catalogue();
    let rejected = shop.rejected(json!({
        "items": [{"sku": "NOPE", "quantity": 1}, {"sku": "TEA", "quantity": 1}, {"sku": "GEM", "quantity": 1000},
                  {"sku": "NADA", "quantity": 2}, {"sku": "YEN", "quantity": 1}],
        "discount_code": "NONE",
    }));
    faults(
        &rejected,
        expect![[r#"
        amount_too_large | items[2].sku: the amount is larger than can be handled (and 4 more)
        items[2].sku: the amount is larger than can be handled (amount_too_large)
        items[3].sku: there is no product NADA (product_unknown)
        items[0].sku: there is no product NOPE (product_unknown)
        discount_code: there is no discount NONE (discount_invalid)
        items: prices in EUR and JPY cannot be added: order them separately (currencies_mixed)
    "#]],
    );
    let kept: Submission = serde_json::from_str(&shop.rows[&(Table::Submissions, ORDER.into())]).unwrap();
    assert_eq!((kept.faults, kept.code), (rejected.details, rejected.code));
    assert!(shop.audit().is_empty(), "a refused submission is no order");
}

#[test]
fn a_discount_that_does_not_hold_is_refused_with_its_reason() {
    let mut why = String::new();
    for (code, item) in [("OLD", "TEA"), ("OFF", "TEA"), ("NONE", "TEA"), ("FIVER", "YEN")] {
        let rejected = Shop::with_catalogue()
            .rejected(json!({"items": [{"sku": item, "quantity": 1}], "discount_code": code}));
        writeln!(why, "{} | {}", rejected.code, rejected.message).unwrap();
    }
    expect![[r#"
        discount_invalid | discount_code: OLD was valid until 1970-01-01T00:00:00.000Z
        discount_invalid | discount_code: OFF is not active
        discount_invalid | discount_code: there is no discount NONE
        discount_invalid | discount_code: FIVER takes off EUR, and the prices are in JPY
    "#]]
    .assert_eq(&why);
}

#[test]
fn amounts_beyond_any_checkout_are_refused_also_as_a_sum() {
    let rejected = Shop::with_catalogue().rejected(json!({"items": [{"sku": "GEM", "quantity": 2}]}));
    faults(
        &rejected,
        expect![[r#"
        amount_too_large | items[0].sku: the amount is larger than can be handled
        items[0].sku: the amount is larger than can be handled (amount_too_large)
    "#]],
    );
    let mut shop = Shop::with_catalogue();
    shop.hear(product("GEM2", "Its twin", eur("90000000000.00")));
    let both = json!({"items": [{"sku": "GEM", "quantity": 1}, {"sku": "GEM2", "quantity": 1}]});
    faults(
        &shop.rejected(both),
        expect![[r#"
        amount_too_large | items: the amount is larger than can be handled
        items: the amount is larger than can be handled (amount_too_large)
    "#]],
    );
}

#[test]
fn more_than_a_method_may_carry_is_refused_before_anything_is_held_or_shipped() {
    let mut shop = Shop::with_catalogue();
    shop.hear(product("RING", "Ring", eur("2000.01")));
    let by = |method| json!({"items": [{"sku": "RING", "quantity": 1}], "payment": {"method": method}});
    faults(
        &shop.rejected(by("cod")),
        expect![[r#"
        amount_over_limit | payment.method: 2000.01 EUR is more than 2000.00 EUR, the most for cash on delivery
        payment.method: 2000.01 EUR is more than 2000.00 EUR, the most for cash on delivery (amount_over_limit)
    "#]],
    );
}

#[test]
fn a_known_order_id_is_absorbed_or_parked_and_never_rejected() {
    let parked = |decision: Decision<Record>| {
        assert!(decision.send.is_empty() && decision.save.is_empty());
        matches!(decision.outcome, Outcome::Parked { code: "order_id_reused", .. })
    };
    for State { name: state, shop, .. } in states().into_iter().skip(1) {
        assert!(parked(shop.clone().hear(submit(json!({"customer_id": "bob"})))), "{state}");
        assert!(parked(shop.clone().hear(submit(json!({"items": "broken"})))), "{state}");
    }
    let mut shop = Shop::with_catalogue();
    let empty = || submit(json!({"items": []}));
    shop.hear(empty());
    let again = shop.hear(empty());
    assert!(matches!(again.outcome, Outcome::Ignored(_)) && again.send.is_empty());
}

#[test]
fn a_price_change_does_not_touch_an_existing_order() {
    let mut shop = Shop::with_catalogue();
    shop.hear(submit(json!({})));
    let before = shop.order();
    shop.hear(product("TEA", "Green tea, now in gold", eur("99.00")));
    shop.hear(submit(json!({})));
    assert_eq!(shop.order(), before);
    shop.hear(mark_paid("ch_1"));
    assert_eq!((shop.order().items, shop.order().total), (before.items, before.total));
}

// ---- money --------------------------------------------------------------------------------------------

#[test]
fn a_second_payment_is_refused() {
    for State { name: state, mut shop, .. } in states() {
        let settles = shop.hear(pay()).send.iter().any(|body| matches!(body, Body::PaymentSettle(_)));
        assert_eq!(settles, state == "created, cod", "{state}");
    }
    let mut shop = Shop::with_catalogue();
    shop.hear(submit(json!({})));
    shop.hear(mark_paid("ch_1"));
    let second = shop.hear(mark_paid("ch_2"));
    assert!(matches!(second.outcome, Outcome::Alarm(_)) && second.save.is_empty());
    assert_eq!(shop.order().transaction_id.as_deref(), Some("ch_1"));
}

#[test]
fn what_was_undone_before_it_was_marked_as_paid_stays_undone_without_an_alarm() {
    let mut shop = Shop::with_catalogue();
    shop.hear(submit(json!({})));
    shop.hear(mark_undone(Reason::CancelledByCustomer));
    let late = shop.hear(mark_paid("ch_1"));
    assert!(matches!(late.outcome, Outcome::Ignored(_)), "{:?}", late.outcome);
    assert!(late.save.is_empty() && late.send.is_empty());
}

#[test]
fn what_is_said_again_is_the_same_but_the_customer_is_not_told_twice() {
    for (advance, again) in [
        (vec![], mark_paid("ch_1")),
        (vec![mark_paid("ch_1")], mark_fulfilled()),
        (vec![], mark_undone(Reason::PaymentTimeout)),
        (vec![mark_paid("ch_1")], mark_undone(Reason::StockUnavailable)),
        (vec![mark_paid("ch_1"), mark_fulfilled(), refund(None)], mark_returned(1)),
        (vec![mark_paid("ch_1"), mark_fulfilled(), refund(Some(vec![line("TEA", 1)]))], mark_returned(1)),
    ] {
        let mut shop = Shop::with_catalogue();
        shop.hear(submit(json!({})));
        advance.into_iter().for_each(|body| drop(shop.hear(body)));
        let first = shop.hear(again.clone());
        let second = shop.hear(again);
        assert_eq!(first.send[0], second.send[0]);
        assert_eq!((first.send[1].name(), second.send.len()), ("notification.tell", 1));
        assert!(second.save.is_empty());
    }
}

/// Asks everything back in pieces that `seed` decides, and gives their refunds in order.
fn come_back(shop: &mut Shop, mut seed: u64) -> Vec<Money> {
    let mut refunds = Vec::new();
    let mut left: Vec<(Sku, u32)> = shop.order().items.into_iter().map(|i| (i.sku, i.quantity)).collect();
    while !left.is_empty() {
        // A small linear congruential generator: the same splits in every run.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = (seed >> 33) as usize;
        let at = random % left.len();
        let quantity = 1 + (random as u32 / 7) % left[at].1;
        let decision = shop.hear(refund(Some(vec![Line { sku: left[at].0.clone(), quantity }])));
        match decision.send.as_slice() {
            [Body::SagaReturn(back)] => refunds.push(back.amount),
            other => panic!("{other:?}"),
        }
        left[at].1 -= quantity;
        left.retain(|(_, quantity)| *quantity > 0);
    }
    refunds
}

#[test]
fn partial_returns_add_up_to_the_total_to_the_cent() {
    let items =
        json!([{"sku": "TEA", "quantity": 7}, {"sku": "CUP", "quantity": 3}, {"sku": "BOOK", "quantity": 2}]);
    for code in [None, Some("TENTH"), Some("FIVER"), Some("ODD")] {
        let mut fulfilled = Shop::with_catalogue();
        fulfilled.hear(percent("ODD", "33.3333"));
        fulfilled.hear(submit(json!({"items": items, "discount_code": code})));
        fulfilled.hear(mark_paid("ch_1"));
        fulfilled.hear(mark_fulfilled());
        let total = fulfilled.order().total;
        for seed in 0..200 {
            let mut shop = fulfilled.clone();
            let refunds = come_back(&mut shop, seed);
            assert!(refunds.iter().all(|refund| !refund.is_negative()));
            // Marked in reverse: the last to come back need not be the last that was asked for.
            for no in (1..=refunds.len() as u32).rev() {
                assert_eq!(shop.status(), "fulfilled");
                shop.hear(mark_returned(no));
            }
            assert_eq!((shop.status(), shop.order().refunded), ("refunded", total), "{code:?} seed {seed}");
        }
    }
}

#[test]
fn an_order_that_cost_nothing_can_come_back_too() {
    let mut shop = Shop::with_catalogue();
    shop.hear(product("TEA", "A free sample", eur("0")));
    shop.hear(submit(json!({"items": [{"sku": "TEA", "quantity": 2}]})));
    shop.hear(mark_paid("ch_1"));
    shop.hear(mark_fulfilled());
    assert_eq!(come_back(&mut shop, 3).iter().map(|money| money.minor()).sum::<i64>(), 0);
}

#[test]
fn a_return_asks_back_only_what_was_bought_and_is_not_yet_on_its_way() {
    let mut answers = String::new();
    let mut shop =
        Shop::fulfilled(json!([{"sku": "TEA", "quantity": 3}, {"sku": "CUP", "quantity": 1}]), None);
    let mut ask = |what: &str, body: Body| {
        let decision = shop.hear(body);
        writeln!(answers, "{what}: {}", said(&decision)).unwrap();
    };
    let some = |lines: &[(&str, u32)]| refund(Some(lines.iter().map(|(sku, n)| line(sku, *n)).collect()));
    ask("a book", some(&[("BOOK", 1)]));
    ask("no tea", some(&[("TEA", 0)]));
    ask("4 of 3 teas", some(&[("TEA", 4)]));
    ask("2 teas and 2 teas", some(&[("TEA", 2), ("TEA", 2)]));
    ask("no lines", some(&[]));
    ask("1 tea and 1 tea", some(&[("TEA", 1), ("TEA", 1)]));
    ask("2 of 1 teas left", some(&[("TEA", 2)]));
    ask("archive", archive());
    ask("the rest", refund(None));
    ask("a tea", some(&[("TEA", 1)]));
    ask("the rest again", refund(None));
    ask("return 2 is back", mark_returned(2));
    ask("return 3 is back", mark_returned(3));
    ask("return 1 is back", mark_returned(1));
    ask("archive", archive());
    ask("return 1 again", mark_returned(1));
    ask("return 2 again", mark_returned(2));
    expect![[r#"
        a book: order.refused(order.refund, item_unknown, fulfilled, allowed: refund|archive)
        no tea: order.refused(order.refund, quantity_invalid, fulfilled, allowed: refund|archive)
        4 of 3 teas: order.refused(order.refund, quantity_too_large, fulfilled, allowed: refund|archive)
        2 teas and 2 teas: order.refused(order.refund, quantity_too_large, fulfilled, allowed: refund|archive)
        no lines: order.refused(order.refund, nothing_to_return, fulfilled, allowed: refund|archive)
        1 tea and 1 tea: saga.return(return_no 1, 6.66 EUR)
        2 of 1 teas left: order.refused(order.refund, quantity_too_large, fulfilled, allowed: refund)
        archive: order.refused(order.archive, return_under_way, fulfilled, allowed: refund)
        the rest: saga.return(return_no 2, 13.32 EUR)
        a tea: order.refused(order.refund, already_returned, fulfilled, allowed: none)
        the rest again: order.refused(order.refund, nothing_to_return, fulfilled, allowed: none)
        return 2 is back: order.returned(return_no 2), notification.tell(refunded, returned, return_no 2, 13.32 EUR)
        return 3 is back: nothing
        return 1 is back: order.refunded(returned, return_no 1), notification.tell(refunded, returned, return_no 1, 6.66 EUR)
        archive: order.archived
        return 1 again: order.refunded(returned, return_no 1)
        return 2 again: order.returned(return_no 2)
    "#]].assert_eq(&answers);
    let mut shop = Shop::fulfilled(json!([{"sku": "TEA", "quantity": 1}]), None);
    let noted = OrderRefund { order_id: order_id(), items: None, reason: Some("a\u{7}b".into()) };
    assert!(said(&shop.hear(Body::OrderRefund(noted))).contains("reason_invalid"));
}

#[test]
fn a_fixed_discount_is_never_more_than_the_order() {
    let mut shop = Shop::with_catalogue();
    shop.hear(submit(json!({"items": [{"sku": "TEA", "quantity": 1}], "discount_code": "FIVER"})));
    assert_eq!((shop.order().discount, shop.order().total), (eur("3.33"), eur("0")));
}

#[test]
fn a_late_payment_that_went_back_is_told_with_its_own_amount() {
    let mut shop = Shop::with_catalogue();
    shop.hear(submit(json!({"contact": {"phone": "+49301234567"}})));
    shop.hear(mark_undone(Reason::PaymentTimeout));
    let decision = shop.hear(payment_refunded(true));
    expect!["notification.tell(late_payment_refunded, 1.00 EUR)"].assert_eq(&said(&decision));
}

// ---- the audit trail ------------------------------------------------------------------------------------

#[test]
fn the_audit_trail_has_one_entry_per_change_and_no_gaps() {
    for State { name: state, checkout, mut shop } in states() {
        // Everything there is, twice over: whatever changes the status must leave exactly one entry.
        for (name, body) in messages(&checkout).into_iter().chain(messages(&checkout)) {
            let (before, entries) = (shop.status(), shop.audit().len());
            shop.hear(body);
            let changed = usize::from(before != shop.status() && shop.status() != "rejected");
            assert_eq!(shop.audit().len(), entries + changed, "{state}, {name}");
        }
        let audit = shop.audit();
        for (at, entry) in audit.iter().enumerate() {
            assert_eq!(entry.seq as usize, at + 1, "{state}");
            assert_eq!(entry.from, at.checked_sub(1).map(|before| audit[before].to), "{state}");
        }
        if let Some(last) = audit.last() {
            let order = shop.order();
            assert_eq!((order.entries as usize, order.status), (audit.len(), last.to));
        }
    }
}

#[test]
fn the_audit_trail_says_who_wanted_it_and_why() {
    let mut shop = Shop::fulfilled(json!([{"sku": "TEA", "quantity": 1}]), None);
    let reason = Some("wrong colour".to_string());
    shop.hear(Body::OrderRefund(OrderRefund { order_id: order_id(), items: None, reason }));
    shop.hear(mark_returned(1));
    shop.hear(archive());
    let mut trail = String::new();
    for entry in shop.audit() {
        let from = entry.from.map_or("-", Status::name);
        let (by, reason, note) = (entry.by, entry.reason, &entry.note);
        assert_eq!(contract::Stored::id(&entry), format!("{ORDER}/{:06}", entry.seq));
        writeln!(
            trail,
            "{} {from} → {} by {by:?} {reason:?} {note:?} ({})",
            entry.seq,
            entry.to.name(),
            entry.message_id
        )
        .unwrap();
    }
    expect![[r#"
        1 - → created by Customer None None (m10)
        2 created → paid by System None None (m11)
        3 paid → fulfilled by System None None (m12)
        4 fulfilled → refunded by Admin Some(Returned) Some("wrong colour") (m14)
        5 refunded → archived by Admin None None (m15)
    "#]]
    .assert_eq(&trail);
}

// ---- what may be done next, the catalogue ------------------------------------------------------------------

#[test]
fn what_may_be_done_next_is_what_is_not_refused() {
    // The first two states have no order.
    for State { name: state, shop, .. } in states().into_iter().skip(2) {
        let offered = actions(&shop.order());
        for (action, body) in [
            ("cancel", cancel(By::Customer)),
            ("pay", pay()),
            ("refund", refund(None)),
            ("archive", archive()),
        ] {
            let refused = outcome(&shop.clone().hear(body)) == "done: refused";
            assert_eq!(offered.contains(&action), !refused, "{state}: {action}");
        }
    }
}

#[test]
fn what_the_catalogue_cannot_show_or_charge_is_parked() {
    let title = |title: &str| product("TEA", title, eur("1.00"));
    let bodies = [
        title("Tea\u{1b}[2J"),
        title("\u{202e}aet"),
        title(" "),
        title(&"t".repeat(201)),
        product("TEA", "Tea", eur("-0.01")),
        percent("", "10"),
        percent("TWO WORDS", "10"),
        percent(&"C".repeat(41), "10"),
        percent("NUL\0", "10"),
        percent("P", "0"),
        percent("P", "100.0001"),
        percent("P", "12.34567"),
        percent("P", "1_0"),
        percent("P", "-1"),
        percent("P", "1e1"),
        percent("P", "ten"),
        amount("A", eur("0")),
        amount("A", eur("-1.00")),
        Body::DiscountUpsert(off("BOTH", Some("10"), Some(eur("1.00")))),
        Body::DiscountUpsert(off("NEITHER", None, None)),
    ];
    let mut shop = Shop::default();
    let parked: Vec<_> = bodies.into_iter().map(|body| outcome(&shop.hear(body))).collect();
    assert!(shop.rows.is_empty());
    expect![[r#"
        PARKED product_invalid: product TEA: title holds the control character U+001B
        PARKED product_invalid: product TEA: title holds the control character U+202E
        PARKED product_invalid: product TEA: title is empty
        PARKED product_invalid: product TEA: title is longer than 200 characters
        PARKED product_invalid: product TEA: price is negative; 0 or more
        PARKED discount_invalid: code must have 1 to 40 visible ASCII characters
        PARKED discount_invalid: code must have 1 to 40 visible ASCII characters
        PARKED discount_invalid: code must have 1 to 40 visible ASCII characters
        PARKED discount_invalid: code must have 1 to 40 visible ASCII characters
        PARKED discount_invalid: percent must be a decimal string like "12.5": over 0, at most 100, at most 4 decimals
        PARKED discount_invalid: percent must be a decimal string like "12.5": over 0, at most 100, at most 4 decimals
        PARKED discount_invalid: percent must be a decimal string like "12.5": over 0, at most 100, at most 4 decimals
        PARKED discount_invalid: percent must be a decimal string like "12.5": over 0, at most 100, at most 4 decimals
        PARKED discount_invalid: percent must be a decimal string like "12.5": over 0, at most 100, at most 4 decimals
        PARKED discount_invalid: percent must be a decimal string like "12.5": over 0, at most 100, at most 4 decimals
        PARKED discount_invalid: percent must be a decimal string like "12.5": over 0, at most 100, at most 4 decimals
        PARKED discount_invalid: amount must be more than 0
        PARKED discount_invalid: amount must be more than 0
        PARKED discount_invalid: give either percent or amount
        PARKED discount_invalid: give either percent or amount"#]].assert_eq(&parked.join("\n"));
}

#[test]
fn a_counted_product_tells_stock_and_an_uncounted_one_does_not() {
    let mut shop = Shop::default();
    let counted = ProductUpsert {
        sku: sku("TEA"),
        title: "Tea".into(),
        author: Some("Camellia".into()),
        price: eur("0"),
        on_hand: Some(7),
    };
    let decision = shop.hear(Body::ProductUpsert(counted));
    assert!(matches!(&decision.send[..], [Body::StockCount(count)] if count.on_hand == 7));
    assert!(shop.hear(product("TEA", "Tea", eur("1.00"))).send.is_empty());
}

#[test]
fn a_message_for_somebody_else_is_parked() {
    let body = Body::OrderPaid(contract::OrderPaid {
        order_id: order_id(),
        customer_id: "ann".into(),
        at: Time::default(),
        transaction_id: "ch_1".into(),
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
