//! Limits at their exact value, by what an order that is paid later is charged, and which records are not read.

use contract::{Confirm, Deadline, Need, PaymentChoice, ReplyTo, Token};

use super::*;

fn pay_by(method: Option<Method>, token: Option<&str>, stored: Option<&str>) -> Body {
    let (token, payment_method_id) = (token.map(|token| Token(token.into())), stored.map(Into::into));
    Body::OrderPay(OrderPay { order_id: order_id(), method, token, payment_method_id, ..OrderPay::default() })
}

fn placed(fields: Value) -> Shop {
    let mut shop = Shop::with_catalogue();
    shop.hear(submit(fields));
    shop
}

fn needs(body: Body) -> Vec<Need> {
    OrderWorker.needs(&Shop::default().message(Time::default(), body))
}

#[test]
fn an_order_that_is_paid_later_is_charged_by_what_its_customer_names_then() {
    let later = || placed(json!({"payment": {"method": "card", "token": "tok_ok", "confirm": "manual"}}));
    let wanted = |body| {
        let mut decision = later().hear_by(Speaker::Customer, body);
        let Some(Body::PaymentConfirm(confirm)) = decision.send.pop() else { panic!("{decision:?}") };
        confirm.payment
    };
    assert_eq!(wanted(pay()), None, "as the order said");
    let choice = |method, token: Option<&str>, stored: Option<&str>| PaymentChoice {
        payment_method_id: stored.map(Into::into),
        confirm: Confirm::Manual,
        ..PaymentChoice::by(method, token.map(|token| Token(token.into())))
    };
    for (method, token, stored, of) in [
        (None, Some("tok_new"), None, Method::Card),
        (None, None, Some("pm_1"), Method::Card),
        (Some(Method::Paypal), None, None, Method::Paypal),
        (Some(Method::DebitCard), Some("tok_new"), None, Method::DebitCard),
    ] {
        assert_eq!(wanted(pay_by(method, token, stored)), Some(choice(of, token, stored)));
    }
}

#[test]
fn what_is_paid_at_the_door_is_paid_in_cash_and_by_nothing_else() {
    let mut shop = placed(json!({"payment": {"method": "cod"}}));
    let mut says = |body| said(&shop.hear_by(Speaker::Admin, body));
    for body in [
        pay_by(None, Some("tok_ok"), None),
        pay_by(None, None, Some("pm_1")),
        pay_by(Some(Method::Card), None, None),
    ] {
        assert!(says(body).starts_with("order.refused(order.pay, token_not_taken"));
    }
    let receipt = |text: &str| {
        let transaction_id = Some(text.to_string());
        Body::OrderPay(OrderPay { order_id: order_id(), transaction_id, ..OrderPay::default() })
    };
    for unfit in ["", "a\u{7}b", &"9".repeat(101)] {
        assert!(says(receipt(unfit)).starts_with("order.refused(order.pay, transaction_id_invalid"));
    }
    let longest = "9".repeat(100);
    assert_eq!(says(receipt(&longest)), format!("payment.settle({longest})"));
}

#[test]
fn no_order_is_read_for_a_refund_that_the_saga_asked_for() {
    assert_eq!(needs(payment_refunded(false)), []);
    assert_eq!(needs(payment_refunded(true)), [Need::of(Table::Orders, order_id())]);
}

#[test]
fn a_cart_holds_a_hundred_lines_and_of_more_nothing_is_looked_up() {
    let names: Vec<_> = (0..101).map(|no| format!("S{no}")).collect();
    let put = |count: usize| {
        let items = names[..count].iter().map(|name| line(name, 1)).collect();
        Body::CartPut(CartPut { customer_id: "ann".into(), items, version: None })
    };
    let cart = || Need::of(Table::Carts, "ann");
    assert_eq!(needs(put(100)).len(), 101);
    assert_eq!(needs(put(101)), [cart()]);

    let mut shop = Shop::default();
    for name in &names {
        shop.hear(product(name, name, eur("1.00")));
    }
    let lines = |shop: &Shop| {
        let cart: StoredCart = serde_json::from_str(&shop.rows[&(Table::Carts, "ann".into())]).unwrap();
        cart.lines.len()
    };
    shop.hear(put(100));
    assert_eq!(lines(&shop), 100);
    let one_more = CartItemPut { customer_id: "ann".into(), sku: sku("S100"), quantity: 1, version: None };
    shop.hear(Body::CartItemPut(one_more));
    assert_eq!(lines(&shop), 100, "the hundred and first is refused");
}

#[test]
fn a_cart_takes_a_thousand_of_one_thing() {
    let mut shop = Shop::with_catalogue();
    let items = vec![line("TEA", 400), line("TEA", 600)];
    shop.hear(Body::CartPut(CartPut { customer_id: "ann".into(), items, version: None }));
    let cart: StoredCart = serde_json::from_str(&shop.rows[&(Table::Carts, "ann".into())]).unwrap();
    assert_eq!(cart.lines, [line("TEA", 1000)]);
}

#[test]
fn a_cart_that_is_being_ordered_names_the_order() {
    let mut shop = Shop::with_catalogue();
    let items = vec![line("TEA", 1)];
    shop.hear(Body::CartPut(CartPut { customer_id: "ann".into(), items, version: None }));
    shop.hear(submit(json!({"items": null, "cart": true})));
    let other = "01932b4a-2222-7000-8000-000000000002";
    let rejected = shop.rejected(json!({"order_id": other, "items": null, "cart": true}));
    assert_eq!(rejected.errors[0].order_id, Some(order_id()));
}

#[test]
fn a_discount_may_have_forty_characters_four_decimals_and_a_hundred_per_cent() {
    let saved = |body| outcome(&Shop::default().hear(body)) == "done: discount saved";
    for (code, of) in [
        ("C", "10"),
        (&*"C".repeat(40), "10"),
        ("P", "100"),
        ("P", "0.0001"),
        ("P", "12.34560"),
        ("P", &format!("{:0>32}", "10")),
    ] {
        assert!(saved(percent(code, of)), "{code} {of}");
    }
    for of in [".5", "5.", "", ".", "1.2.3", "+5", " 5", "0.0", "100.1", &format!("{:0>33}", "10")] {
        assert!(!saved(percent("P", of)), "{of}");
    }
    assert!(saved(amount("A", eur("0.01"))));
}

#[test]
fn a_discount_is_valid_until_its_last_moment() {
    let mut shop = Shop::with_catalogue();
    let until = shop.now().plus_s(60);
    shop.hear(Body::DiscountUpsert(DiscountUpsert {
        valid_until: Some(until),
        ..off("LAST", Some("10"), None)
    }));
    let taken_off = |at| {
        let mut shop = shop.clone();
        let decision = shop.hear_at(at, submit(json!({"discount_code": "LAST"})));
        (outcome(&decision) == "done: created").then(|| shop.order().discount)
    };
    assert_eq!(taken_off(until), Some(eur("1.66")));
    assert_eq!(taken_off(until.plus_ms(1)), None);
}

#[test]
fn an_order_that_an_admin_placed_for_its_customer_begins_with_that_admin() {
    let Body::Submit(mut checkout) = submit(json!({})) else { unreachable!("submit makes submissions") };
    checkout.placed_by = Some("anna".into());
    let mut shop = Shop::with_catalogue();
    shop.hear(Body::Submit(checkout));
    let first = shop.audit().remove(0);
    assert_eq!((first.by, first.who.as_deref()), (By::Admin, Some("anna")));
}

#[test]
fn a_method_that_was_resumed_says_who_did_it_and_why() {
    let switch = |why: &str| MethodSwitch { method: Method::Paypal, why: why.into(), by: "anna".into() };
    let mut shop = Shop::default();
    shop.hear(Body::MethodPause(switch("it is down")));
    shop.hear(Body::MethodResume(switch("it is back")));
    let row = &shop.rows[&(Table::Methods, "paypal".to_string())];
    let state: crate::MethodState = serde_json::from_str(row).unwrap();
    assert_eq!((state.paused, &*state.why, &*state.by, state.at), (false, "it is back", "anna", shop.now()));
}

#[test]
fn an_order_that_changed_says_when() {
    for State { name: state, checkout, shop } in states() {
        for (name, body) in messages(&checkout) {
            let mut after = shop.clone();
            after.hear(body);
            let row = |shop: &Shop| shop.rows.get(&(Table::Orders, ORDER.into())).cloned();
            if row(&after) != row(&shop) {
                assert_eq!(after.order().updated_at, after.now(), "{state}, {name}");
            }
        }
    }
}

#[test]
fn what_happened_is_told_and_told_again_with_the_moment_at_which_it_happened() {
    let at = |body: &Body| match told_json(body)["at"].as_str() {
        Some(at) => at.parse::<Time>().unwrap(),
        None => panic!("{} has no moment", body.name()),
    };
    for (before, what) in [
        (vec![], mark_paid("ch_1")),
        (vec![], mark_accepted()),
        (vec![], mark_undone(Reason::PaymentTimeout)),
        (vec![mark_paid("ch_1")], mark_fulfilled()),
        (vec![mark_paid("ch_1")], mark_undone(Reason::StockUnavailable)),
        (vec![mark_paid("ch_1"), mark_fulfilled(), refund(None)], mark_returned(1)),
    ] {
        let mut shop = placed(json!({}));
        before.into_iter().for_each(|body| drop(shop.hear(body)));
        let first = shop.hear(what.clone());
        let happened = shop.now();
        let again = shop.hear(what);
        assert_eq!(
            (at(&first.send[0]), at(&again.send[0])),
            (happened, happened),
            "{}",
            first.send[0].name()
        );
    }
    let mut shop = Shop::fulfilled(json!([{"sku": "TEA", "quantity": 1}]), None);
    assert_eq!(at(&shop.hear(archive()).send[0]), shop.now());
}

fn told_json(body: &Body) -> Value {
    let message = Message::new(MessageId::new("m").unwrap(), Time::default(), body.clone());
    serde_json::from_str(message.json()).unwrap()
}

#[test]
fn a_command_that_was_held_is_asked_as_its_own_sender_would_ask_it() {
    for (by, answer) in [
        (Speaker::Admin, "payment.settle"),
        (Speaker::Customer, "order.refused(order.pay, paid_on_delivery, created, allowed: cancel)"),
    ] {
        let mut shop = Shop::with_catalogue();
        let held = shop.hear_by(by, pay());
        let [Deadline::Set { due, body, .. }] = &held.deadlines[..] else { panic!("{held:?}") };
        // Another replica made the order meanwhile, without seeing the command.
        let other = placed(json!({"payment": {"method": "cod"}}));
        shop.rows.extend(other.rows.into_iter().filter(|((table, _), _)| *table == Table::Orders));
        assert_eq!(said(&shop.hear_at(*due, Body::clone(body))), answer);
    }
}

#[test]
fn each_command_that_is_held_has_a_deadline_of_its_own_beside_those_of_its_order() {
    let mut shop = Shop::with_catalogue();
    let mut key = |body| match &shop.hear(body).deadlines[..] {
        [Deadline::Set { key, .. }] => key.clone(),
        other => panic!("{other:?}"),
    };
    let (first, second) = (key(cancel(By::Customer)), key(pay()));
    assert!(first.starts_with(ORDER) && second.starts_with(ORDER), "{first} {second}");
    assert_ne!(first, second);
}

#[test]
fn the_trail_says_whose_wish_it_was_that_an_order_was_given_up() {
    for (reason, by) in [
        (Reason::CancelledByCustomer, By::Customer),
        (Reason::CancelledByAdmin, By::Admin),
        (Reason::InsufficientStock, By::System),
        (Reason::PaymentDeclined, By::System),
        (Reason::PaymentTimeout, By::System),
        (Reason::StockUnavailable, By::System),
    ] {
        let mut shop = placed(json!({}));
        shop.hear(mark_undone(reason));
        let last = shop.audit().pop().unwrap();
        assert_eq!((last.to, last.by), (Status::Cancelled, by), "{reason:?}");
    }
}

#[test]
fn of_a_cart_without_lines_no_order_is_made() {
    let Body::Submit(submit) = submit(json!({"items": null, "cart": true})) else { unreachable!() };
    let mut shop = Shop::with_catalogue();
    let said = shop.hear(Body::CartOrder(CartOrder { submit, lines: Vec::new() })).send;
    assert!(
        matches!(&said[..], [Body::OrderRejected(rejected)] if rejected.code == "cart_empty"),
        "{said:?}"
    );
}

#[test]
fn goods_that_come_back_are_called_what_they_were_sold_as() {
    let mut shop =
        Shop::fulfilled(json!([{"sku": "TEA", "quantity": 3}, {"sku": "CUP", "quantity": 1}]), None);
    shop.hear(product("TEA", "Another tea", eur("4.00")));
    let said = shop.hear(refund(Some(vec![line("CUP", 1), line("TEA", 2)]))).send;
    let Some(Body::SagaReturn(back)) = said.first() else { panic!("{said:?}") };
    let lines: Vec<_> = back.lines.iter().map(|line| (line.title.as_str(), line.quantity)).collect();
    assert_eq!(lines, [("A cup", 1), ("Green tea", 2)]);
}

#[test]
fn what_is_on_its_way_and_was_paid_at_the_door_cannot_be_cancelled() {
    let mut shop = placed(json!({"payment": {"method": "cod"}}));
    shop.hear(mark_accepted());
    shop.hear(mark_paid("receipt 9"));
    assert_eq!(actions(&shop.order(), Speaker::Admin), Vec::<&str>::new());
    let refused = said(&shop.hear_by(Speaker::Admin, cancel(By::Admin)));
    assert_eq!(refused, "order.cancel_refused(already_shipping, paid, allowed: none)");
}

#[test]
fn another_checkout_under_a_known_id_is_answered_nowhere() {
    for first in [json!({}), json!({"items": []})] {
        let mut shop = placed(first);
        let Body::Submit(mut other) = submit(json!({"customer_id": "bob"})) else { unreachable!() };
        other.reply_to = Some(ReplyTo::new("answers.7", None).unwrap());
        let decision = shop.hear(Body::Submit(other));
        assert!(outcome(&decision).starts_with("PARKED order_id_reused"), "{decision:?}");
        assert!(decision.send.is_empty() && decision.save.is_empty());
    }
}

#[test]
fn an_order_is_paid_by_a_token_or_by_a_stored_method_and_not_by_both() {
    let mut shop = placed(json!({"payment": {"method": "card", "token": "tok_ok", "confirm": "manual"}}));
    let refused = said(&shop.hear_by(Speaker::Customer, pay_by(None, Some("tok_new"), Some("pm_1"))));
    assert!(refused.starts_with("order.refused(order.pay, payment_method_ambiguous"), "{refused}");
}
