//! The lines and the total are decided once, when an order is submitted; every fault is told at once.

use super::*;

fn totals(fields: Value) -> String {
    let mut shop = Shop::with_catalogue();
    shop.hear(percent("ODD", "12.3456"));
    shop.hear(percent("ALL", "100"));
    shop.hear(amount("HUGE", eur("1000.00")));
    shop.hear(submit(fields));
    let order = shop.order();
    format!("{} - {} = {}", order.subtotal, order.discount, order.total)
}

fn faults(rejected: &OrderRejected, expected: Expect) {
    let line = |fault: &Fault| format!("{}: {} ({})\n", fault.field, fault.message, fault.code);
    let errors: String = rejected.errors.iter().map(line).collect();
    expected.assert_eq(&format!("{} | {}\n{errors}", rejected.code, rejected.message));
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
    assert_eq!(quiet.send.len(), 2, "no address to notify");
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
    let kept: Rejected = serde_json::from_str(&shop.rows[&(Table::Submissions, ORDER.into())]).unwrap();
    assert_eq!((kept.errors, kept.code), (rejected.errors, rejected.code));
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
fn a_fixed_discount_is_never_more_than_the_order() {
    let mut shop = Shop::with_catalogue();
    shop.hear(submit(json!({"items": [{"sku": "TEA", "quantity": 1}], "discount_code": "FIVER"})));
    assert_eq!((shop.order().discount, shop.order().total), (eur("3.33"), eur("0")));
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
fn a_paused_method_refuses_new_checkouts_and_leaves_the_others_alone() {
    let mut shop = Shop::with_catalogue();
    let switch = |why: &str| MethodSwitch { method: Method::Paypal, why: why.into(), by: "anna".into() };
    let checkout = |no: u8, method: &str| {
        let id = format!("01932b4a-1111-7000-8000-00000000000{no}");
        submit(json!({"order_id": id, "payment": {"method": method, "token": "tok_ok"}}))
    };
    shop.hear(checkout(1, "paypal"));
    assert_eq!(outcome(&shop.hear(Body::MethodPause(switch("it is down")))), "done: method paused");
    assert_eq!(outcome(&shop.hear(Body::MethodPause(switch("again")))), "ignored: it is paused already");
    let refused = shop.hear(checkout(2, "paypal"));
    let [Body::OrderRejected(refused)] = refused.send.as_slice() else { panic!("{refused:?}") };
    assert_eq!(refused.code, "payment_method_paused");
    assert!(refused.message.contains("choose another"), "{}", refused.message);
    // Orders under way go on.
    shop.hear(mark_paid("PAYID-1"));
    shop.hear(mark_fulfilled());
    assert_eq!(shop.status(), "fulfilled");
    assert_eq!(outcome(&shop.hear(checkout(3, "card"))), "done: created");
    assert_eq!(outcome(&shop.hear(Body::MethodResume(switch("it is back")))), "done: method resumed");
    assert_eq!(outcome(&shop.hear(Body::MethodResume(switch("again")))), "ignored: it is not paused");
    assert_eq!(outcome(&shop.hear(checkout(4, "paypal"))), "done: created");
    assert!(outcome(&shop.hear(Body::MethodPause(switch("")))).contains("reason_invalid"));
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
