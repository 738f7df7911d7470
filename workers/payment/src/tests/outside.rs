//! Refunds that were not requested here, reported one by one, as a total, or both.

use expect_test::expect;

use super::*;
use crate::RefundState;

/// As Stripe reports a refund: by its own id, with both ids of its charge.
fn named(id: &str, amount: &str) -> Body {
    changed(event(ProviderEventKind::RefundSucceeded, id, eur(amount), None), None)
}

/// … and of the charge's refunded total.
fn in_all(amount: &str) -> Body {
    let amount = eur(amount);
    changed(event(ProviderEventKind::RefundSucceeded, "ch_1", amount, None), Some(amount))
}

fn changed(body: Body, refunded_in_all: Option<Money>) -> Body {
    let Body::ProviderEvent(mut event) = body else { unreachable!("it is an event") };
    event.data.charged_as = vec!["ch_1".into(), "pi_1".into()];
    event.data.refunded_in_all = refunded_in_all;
    Body::ProviderEvent(event)
}

/// Captured under that id, as an event from outside reported.
fn captured_as(name: &str) -> Books {
    let mut books = Books::after(&[charge()]);
    books.hear_by(
        Speaker::PaymentProvider,
        event(ProviderEventKind::PaymentSucceeded, name, eur(TOTAL), None),
    );
    books
}

/// What the provider's books learn of refunds, in minor units.
fn learnt(send: &[Body]) -> i64 {
    let learnt = send.iter().map(|body| {
        if let Body::ProviderTold(ProviderTold::Refund(refund)) = body {
            return refund.amount.minor();
        }
        assert_eq!(body.name(), "payment.refunded");
        0
    });
    learnt.sum()
}

fn orders_of<T: Clone>(events: &[T]) -> Vec<Vec<T>> {
    if events.is_empty() {
        return vec![Vec::new()];
    }
    let first = |at: usize| {
        let mut rest = events.to_vec();
        let one = rest.remove(at);
        orders_of(&rest).into_iter().map(move |rest| [vec![one.clone()], rest].concat())
    };
    (0..events.len()).flat_map(first).collect()
}

#[test]
fn two_refunds_told_by_name_and_by_sum_are_booked_once_in_every_order_of_arrival() {
    let events = [named("re_1", "20.00"), in_all("20.00"), named("re_2", "5.00"), in_all("25.00")];
    for name in ["ch_1", "pi_1"] {
        for order in orders_of(&events) {
            let (mut books, mut told) = (captured_as(name), 0);
            for body in order.iter().chain(&order) {
                let refunded = books.payment().refunded_minor;
                let heard = books.hear_by(Speaker::PaymentProvider, body.clone());
                told += learnt(&heard.send);
                assert!(books.payment().refunded_minor >= refunded && refunded <= 2500, "{order:?}");
                assert_eq!(told, books.payment().refunded_minor, "both books hold the same: {order:?}");
            }
            let payment = books.payment();
            assert_eq!(payment.refunded_minor, 2500, "{order:?}");
            let names: Vec<_> =
                payment.refunds.iter().map(|refund| refund.transaction_id.as_deref()).collect();
            assert!(names.contains(&Some("re_1")) && names.contains(&Some("re_2")), "{names:?}");
            assert_eq!(names.len(), 2, "nothing without a name is left: {names:?}");
        }
    }
}

#[test]
fn a_refund_that_only_the_sum_tells_of_is_booked() {
    for name in ["ch_1", "pi_1"] {
        let mut books = captured_as(name);
        books.hear_by(Speaker::PaymentProvider, named("re_1", "20.00"));
        let second = books.hear_by(Speaker::PaymentProvider, in_all("25.00"));
        assert_eq!(
            said(&second.send),
            format!(
                "payment.refunded(outside, 5.00 EUR), provider.told(outside/O/in_all/2500, 5.00 EUR of {name})"
            )
        );
        assert_eq!(books.payment().refunded_minor, 2500);
        let more = books.hear_by(Speaker::PaymentProvider, in_all("50.01"));
        assert!(matches!(more.outcome, Outcome::Alarm(_)), "more than there was cannot have gone back");
        assert_eq!(books.payment().refunded_minor, 2500);
    }
}

#[test]
fn the_sum_tells_of_a_refund_that_was_asked_for_here_and_its_own_event_adds_its_name() {
    for first in [in_all("50.00"), refund_succeeded(1)] {
        let mut books = captured_as("ch_1");
        books.hear(refund_all());
        assert_eq!(books.says(first), "payment.refunded(#0, 50.00 EUR)");
        for again in [refund_succeeded(1), in_all("50.00")] {
            assert_eq!(books.says(again), "nothing");
        }
        assert_eq!(books.standing(), "captured, 50.00/50.00, refund done");
        assert_eq!(books.payment().refunds[0].transaction_id.as_deref(), Some("re_1"));
    }
}

#[test]
fn what_was_made_by_hand_is_in_no_sum_of_the_providers() {
    let mut books = captured_as("ch_1");
    books.hear(refund_share(1, eur("20.00")));
    for tries in 1..=3 {
        let key = refund_key(1, tries);
        books.hear(event(ProviderEventKind::RefundFailed, &format!("re_{tries}"), eur("20.00"), Some(&key)));
    }
    books.hear(Body::PaymentByHand(PaymentByHand {
        order_id: order_id(),
        return_no: 1,
        evidence: "wire 17".into(),
    }));
    assert_eq!(books.payment().refunded_minor, 2000);
    books.hear_by(Speaker::PaymentProvider, in_all("5.00"));
    assert_eq!(books.payment().refunded_minor, 2500);
}

#[test]
fn a_refund_of_another_charge_is_not_booked_here() {
    let mut books = captured_as("ch_7");
    for body in [named("re_1", "20.00"), in_all("20.00")] {
        let heard = books.hear_by(Speaker::PaymentProvider, body);
        assert!(matches!(heard.outcome, Outcome::Ignored(_)), "{:?}", heard.outcome);
    }
    assert_eq!(books.standing(), "captured, 50.00/0.00");
}

#[test]
fn a_name_of_another_kind_than_the_captures_does_not_tell_of_another_charge() {
    for (name, booked) in [("pi_7", 2000), ("ch_7", 0)] {
        let mut books = captured_as(name);
        let Body::ProviderEvent(mut event) = named("re_1", "20.00") else { unreachable!("it is an event") };
        event.data.charged_as = vec!["ch_1".into()];
        books.hear_by(Speaker::PaymentProvider, Body::ProviderEvent(event));
        assert_eq!(books.payment().refunded_minor, booked, "{name}");
    }
}

#[test]
fn a_refund_that_overtakes_its_capture_waits_for_it() {
    for body in [named("re_1", "20.00"), in_all("20.00")] {
        let mut books = Books::after(&[charge()]);
        let early = books.hear_from(Speaker::PaymentProvider, body, Time::from_unix_ms(2000));
        let [Deadline::Set { key, due, body }] = early.deadlines.as_slice() else {
            panic!("{:?}", early.outcome)
        };
        // It is still too early, and held once more.
        let again = books.hear_at((**body).clone(), *due);
        assert!(matches!(again.deadlines.as_slice(), [Deadline::Set { key: same, .. }] if same == key));
        books.hear_by(Speaker::PaymentProvider, succeeded());
        let booked = books.hear_at((**body).clone(), due.plus_s(2));
        assert!(said(&booked.send).starts_with("payment.refunded(outside, 20.00 EUR)"));
        assert!(matches!(booked.deadlines.as_slice(), [Deadline::Clear { key: same }] if same == key));
    }
}

#[test]
fn a_return_gives_back_what_is_left_and_nothing_is_asked_where_nothing_is() {
    let after = |outside: &str| {
        let mut books = captured_as("ch_1");
        books.hear_by(Speaker::PaymentProvider, in_all(outside));
        books
    };
    let mut table = String::new();
    for outside in ["5.00", "45.00", "50.00"] {
        let mut books = after(outside);
        let decision = books.hear(refund_share(1, eur("20.00")));
        table += &format!(
            "{outside}: {} → {}\n",
            outcome(&decision.outcome),
            said(&decision.send).replace(ORDER, "O")
        );
        // Asked again, it is answered again.
        let again = said(&books.hear(refund_share(1, eur("20.00"))).send);
        assert_eq!(again, said(&decision.send));
    }
    expect![[r#"
        5.00: done: gives the money back → provider.refund(refund/O/1/1, 20.00 EUR of ch_1)
        45.00: done: less is left than its share: gives back what is left → provider.refund(refund/O/1/1, 5.00 EUR of ch_1)
        50.00: done: less is left than its share: gives back what is left → payment.refunded(#1, 0.00 EUR)
    "#]].assert_eq(&table);
}

/// A return's refund and one at the provider's side refund the same money.
#[test]
fn a_refund_at_the_providers_side_that_crosses_a_return_is_booked_once_the_return_has_been_refused() {
    let mut books = captured_as("ch_1");
    books.hear(refund_share(1, eur("50.00")));
    let held = books.hear_from(Speaker::PaymentProvider, in_all("20.00"), Time::from_unix_ms(2000));
    let [Deadline::Set { body, .. }] = held.deadlines.as_slice() else { panic!("{:?}", held.outcome) };
    for tries in 1..=3 {
        let key = refund_key(1, tries);
        books.hear(event(ProviderEventKind::RefundFailed, &format!("re_{tries}"), eur("50.00"), Some(&key)));
    }
    books.hear_from(Speaker::Timers, (**body).clone(), Time::from_unix_ms(9000));
    assert_eq!(books.standing(), "captured, 50.00/20.00, refund failed, refund done");
    assert_eq!(books.says(refund_share(1, eur("50.00"))), "provider.refund(refund/O/1/4, 30.00 EUR of ch_1)");
    let back = event(ProviderEventKind::RefundSucceeded, "re_4", eur("30.00"), Some(&refund_key(1, 4)));
    assert_eq!(books.says(back), "payment.refunded(#1, 30.00 EUR)");
    assert_eq!(books.standing(), "captured, 50.00/50.00, refund done, refund done");
}

#[test]
fn a_sum_that_may_hold_a_refund_under_way_is_booked_once_that_has_ended() {
    let mut books = captured_as("ch_1");
    books.hear(refund_share(1, eur("20.00")));
    let held = books.hear_from(Speaker::PaymentProvider, in_all("30.00"), Time::from_unix_ms(2000));
    let [Deadline::Set { body, .. }] = held.deadlines.as_slice() else { panic!("{:?}", held.outcome) };
    assert_eq!(books.standing(), "captured, 50.00/0.00, refund asked");
    let back = event(ProviderEventKind::RefundSucceeded, "re_1", eur("20.00"), Some(&refund_key(1, 1)));
    books.hear(back);
    let booked = books.hear_from(Speaker::Timers, (**body).clone(), Time::from_unix_ms(9000));
    assert_eq!(
        said(&booked.send),
        "payment.refunded(outside, 10.00 EUR), provider.told(outside/O/in_all/3000, 10.00 EUR of ch_1)"
    );
    assert_eq!(books.standing(), "captured, 50.00/30.00, refund done, refund done");
}

#[test]
fn a_refusal_that_leaves_nothing_is_done_once_it_is_retried() {
    let mut books = captured_as("ch_1");
    books.hear(refund_share(1, eur("20.00")));
    for tries in 1..=3 {
        let key = refund_key(1, tries);
        books.hear(event(ProviderEventKind::RefundFailed, &format!("re_{tries}"), eur("20.00"), Some(&key)));
    }
    books.hear_by(Speaker::PaymentProvider, in_all("50.00"));
    assert_eq!(books.says(refund_share(1, eur("20.00"))), "payment.refunded(#1, 0.00 EUR)");
    assert!(books.payment().refunds.iter().all(|refund| refund.state == RefundState::Done));
}

#[test]
fn what_the_providers_books_had_refused_and_an_event_tells_was_made_is_told_to_them() {
    let mut books = captured_as("ch_1");
    books.hear(refund_all());
    (1..=3).for_each(|tries| drop(books.hear(refund_failed(tries))));
    let made = books.hear_by(Speaker::PaymentProvider, named("re_9", TOTAL));
    assert_eq!(
        said(&made.send),
        "payment.refunded(#0, 50.00 EUR), provider.told(outside/O/re_9, 50.00 EUR of ch_1)"
    );
}

#[test]
fn each_refund_knows_since_when_it_has_been_done() {
    let mut books = captured_as("ch_1");
    books.hear_from(Speaker::PaymentProvider, in_all("20.00"), Time::from_unix_ms(5000));
    books.hear_from(Speaker::PaymentProvider, named("re_1", "20.00"), Time::from_unix_ms(7000));
    books.hear(refund_all());
    assert_eq!(books.payment().refunds[1].done_at, None, "it is under way");
    books.hear_at(
        event(ProviderEventKind::RefundSucceeded, "re_2", eur("30.00"), Some(&refund_key(0, 1))),
        Time::from_unix_ms(9000),
    );
    let times: Vec<_> = books.payment().refunds.iter().map(|refund| refund.done_at).collect();
    assert_eq!(times, [5000, 9000].map(|ms| Some(Time::from_unix_ms(ms))));
}

#[test]
fn a_refund_of_nothing_or_in_another_currency_is_not_booked_and_calls_for_a_person() {
    let dollars = money("20.00", "USD");
    let in_dollars = event(ProviderEventKind::RefundSucceeded, "re_1", dollars, None);
    let all_in_dollars = event(ProviderEventKind::RefundSucceeded, "ch_1", dollars, None);
    for strange in [
        changed(in_dollars, None),
        changed(all_in_dollars, Some(dollars)),
        named("re_1", "0.00"),
        in_all("0.00"),
    ] {
        let mut books = captured_as("ch_1");
        let heard = books.hear_by(Speaker::PaymentProvider, strange);
        assert!(matches!(heard.outcome, Outcome::Alarm(_)), "{:?}", heard.outcome);
        assert_eq!(said(&heard.send), "nothing");
        assert_eq!(books.standing(), "captured, 50.00/0.00");
    }
}

#[test]
fn a_refund_that_exceeds_what_the_sum_had_told_is_told_on_with_the_rest_alone() {
    let mut books = captured_as("ch_1");
    books.hear_by(Speaker::PaymentProvider, in_all("20.00"));
    let named = books.hear_by(Speaker::PaymentProvider, named("re_1", "25.00"));
    assert_eq!(
        said(&named.send),
        "payment.refunded(outside, 5.00 EUR), provider.told(outside/O/re_1, 5.00 EUR of ch_1)"
    );
    assert_eq!(books.standing(), "captured, 50.00/25.00, refund done");
    assert_eq!(books.payment().refunds[0].amount, eur("25.00"));
}

/// Two returns that the provider keeps refusing are about the same money as a refund at its side.
#[test]
fn refusals_make_room_for_what_went_back_from_the_newest_on_and_for_no_more_than_that() {
    for (outside, left) in [("10.00", [2000, 2000]), ("15.00", [2000, 1500]), ("35.00", [1500, 0])] {
        let mut books = captured_as("ch_1");
        for return_no in [1, 2] {
            books.hear(refund_share(return_no, eur("20.00")));
            for tries in 1..=3 {
                let (name, key) = (format!("re_{return_no}_{tries}"), refund_key(return_no, tries));
                books.hear(event(ProviderEventKind::RefundFailed, &name, eur("20.00"), Some(&key)));
            }
        }
        books.hear_by(Speaker::PaymentProvider, in_all(outside));
        let payment = books.payment();
        let wanted: Vec<_> = payment.refunds[..2].iter().map(|refund| refund.amount.minor()).collect();
        assert_eq!(wanted, left, "{outside}");
    }
}
