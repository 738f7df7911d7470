//! What the saga reports counts once, and the customer hears of it once.

use super::*;

#[test]
fn a_second_payment_is_refused() {
    for State { name: state, mut shop, .. } in states() {
        let settles = shop.hear(pay()).send.iter().any(|body| matches!(body, Body::PaymentSettle(_)));
        assert_eq!(settles, ["created, cod", "on its way, cod"].contains(&state), "{state}");
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
        (vec![], mark_accepted()),
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

#[test]
fn of_cash_on_delivery_each_change_is_told_once_in_the_order_in_which_it_happened() {
    let mut shop = Shop::with_catalogue();
    let story = [
        submit(json!({"payment": {"method": "cod"}})),
        mark_accepted(),
        mark_accepted(),
        mark_paid("ch_1"),
        mark_fulfilled(),
        mark_fulfilled(),
    ];
    let said: Vec<Body> = story.into_iter().flat_map(|body| shop.hear(body).send).collect();
    let told = said.iter().filter(|body| matches!(body, Body::Tell(_))).map(told);
    expect![[r#"
        notification.tell(created, 16.65 EUR)
        notification.tell(accepted, 16.65 EUR)
        notification.tell(paid, 16.65 EUR)
        notification.tell(delivered, 16.65 EUR)"#]]
    .assert_eq(&told.collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_late_payment_that_went_back_is_told_with_its_own_amount() {
    let mut shop = Shop::with_catalogue();
    shop.hear(submit(json!({"contact": {"phone": "+49301234567"}})));
    shop.hear(mark_undone(Reason::PaymentTimeout));
    let decision = shop.hear(payment_refunded(true));
    expect!["notification.tell(late_payment_refunded, 1.00 EUR)"].assert_eq(&said(&decision));
}

#[test]
fn amounts_and_the_code_of_a_decline_go_along_with_what_is_told() {
    let placed = || {
        let mut shop = Shop::with_catalogue();
        shop.hear(submit(json!({})));
        shop
    };
    let mut shop = placed();
    let total = Some(shop.order().total);
    let paid = shop.hear(mark_paid("ch_1")).send;
    assert!(matches!(&paid[0], Body::OrderPaid(fact) if fact.amount == total));
    let refunded = shop.hear(mark_undone(Reason::StockUnavailable)).send;
    assert!(matches!(&refunded[0], Body::OrderRefunded(fact) if fact.amount == total));

    let declined = placed().hear(mark_undone(Reason::PaymentDeclined)).send;
    let Body::OrderCancelled(fact) = &declined[0] else { panic!("{declined:?}") };
    assert_eq!((fact.reason, fact.decline_code.as_deref()), (Reason::PaymentDeclined, Some("lost_card")));

    let mut shop = placed();
    [mark_paid("ch_1"), mark_fulfilled()].into_iter().for_each(|body| drop(shop.hear(body)));
    shop.hear(refund(Some(vec![line("TEA", 1)])));
    let part = Some(shop.order().returns[0].amount);
    let returned = shop.hear(mark_returned(1)).send;
    assert!(matches!(&returned[0], Body::OrderReturned(fact) if fact.amount == part));
    shop.hear(refund(None));
    let refunded = shop.hear(mark_returned(2)).send;
    assert!(matches!(&refunded[0], Body::OrderRefunded(fact) if fact.amount == total), "all of it went back");
}
