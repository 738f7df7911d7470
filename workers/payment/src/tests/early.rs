//! What is known of a payment before its order exists.

use super::*;

/// What the deadline says when it is time to look again.
pub(super) fn held(event: Body) -> Body {
    let Body::ProviderEvent(event) = event else { panic!("only the provider's events are held") };
    Body::PaymentHeld(PaymentHeld { event })
}

/// The provider is told as well: its books may not know what comes early.
const CAPTURED: &str = "payment.captured(ch_1, 50.00 EUR), provider.told(charge/O, 50.00 EUR as ch_1, taken)";

fn at(s: u64) -> Time {
    Time::default().plus_s(s)
}

/// Its key, when it is due, and the message that is sent then.
#[track_caller]
fn set(decision: &Decision<Record>) -> (String, Time, Body) {
    let [Deadline::Set { key, due, body }] = decision.deadlines.as_slice() else {
        panic!("{:?}", decision.deadlines)
    };
    (key.clone(), *due, (**body).clone())
}

#[test]
fn an_event_before_its_order_is_held_and_then_believed_once() {
    let mut books = Books::default();
    let (key, due, held) = set(&books.hear_at(succeeded(), at(2)));
    assert_eq!((books.standing().as_str(), due), ("absent", at(4)));
    // The order does not exist yet: the waits grow longer.
    let again = set(&books.hear_at(held.clone(), due));
    assert_eq!(again, (key.clone(), at(8), held.clone()));

    books.hear_at(charge(), at(5));
    let matched = books.hear_at(held, at(8));
    assert_eq!(said(&matched.send), CAPTURED);
    assert!(matches!(matched.deadlines.as_slice(), [Deadline::Clear { key: cleared }] if *cleared == key));
    assert_eq!(
        outcome(&books.hear_at(succeeded(), at(9)).outcome),
        "ignored: it is known that this was captured"
    );
}

/// Patience had run out before the saga asked for the money, and a front end had paid before both.
#[test]
fn what_was_paid_early_for_an_order_that_was_given_up_unasked_goes_back_once() {
    for (over, of) in [(check(), eur(TOTAL)), (refund_all(), eur("49.99"))] {
        for charge_comes in 1..=5 {
            let mut books = Books::default();
            let (_, due, held) = set(&books.hear_at(succeeded(), at(2)));
            let mut story = vec![over.clone(), held, found(of), refund_all(), found(of), succeeded()];
            story.insert(charge_comes, charge());
            let mut refunds = Vec::new();
            for body in story {
                for said in books.hear_at(body, due).send {
                    assert!(!matches!(said, Body::ProviderCharge(_) | Body::PaymentCaptured(_)), "{said:?}");
                    refunds.extend(if let Body::ProviderRefund(refund) = said { Some(refund) } else { None });
                }
            }
            let [first, again @ ..] = refunds.as_slice() else { panic!("nothing goes back") };
            assert_eq!((first.amount, first.transaction_id.as_str()), (of, "ch_1"));
            assert!(again.iter().all(|refund| refund.key == first.key), "{refunds:?}");
            books.hear_at(event(ProviderEventKind::RefundSucceeded, "re_1", of, Some(&first.key)), due);
            assert_eq!(
                (books.payment().captured_minor, books.payment().refunded_minor),
                (of.minor(), of.minor())
            );
        }
    }
}

#[test]
fn what_waits_to_be_asked_for_is_held_as_well() {
    for ahead in [settle(), intend("s")] {
        let mut books = Books::after(&[ahead]);
        let (_, due, held) = set(&books.hear_at(succeeded(), at(2)));
        books.hear_at(charge_later(), at(3));
        assert_eq!(said(&books.hear_at(held, due).send), CAPTURED);
    }
}

#[test]
fn an_event_of_an_order_that_never_comes_ends_where_a_person_sees_it() {
    let mut books = Books::default();
    let (mut now, mut event, mut looks) = (at(0), succeeded(), 0);
    let decision = loop {
        let decision = books.hear_at(event, now);
        if matches!(decision.outcome, Outcome::Parked { .. }) {
            break decision;
        }
        (_, now, event) = set(&decision);
        looks += 1;
        assert!(looks < 100, "it never ends");
    };
    assert!(outcome(&decision.outcome).starts_with("PARKED payment_unknown"));
    assert!(matches!(decision.deadlines.as_slice(), [Deadline::Clear { .. }]));
    assert!((at(3600)..at(3660)).contains(&now), "after an hour, not {now}");
}

#[test]
fn no_order_waits_for_what_is_old_or_comes_from_the_future() {
    let from_the_future = {
        let Body::ProviderEvent(event) = succeeded() else { panic!() };
        Body::ProviderEvent(ProviderEvent { created: at(10_000), ..event })
    };
    for (event, now) in [(succeeded(), at(3600)), (from_the_future, at(6400))] {
        let decision = Books::default().hear_at(event, now);
        assert!(outcome(&decision.outcome).starts_with("PARKED payment_unknown"), "{decision:?}");
    }
}

#[test]
fn two_early_events_of_one_order_are_both_held() {
    let of = |body| set(&Books::default().hear_at(body, at(1))).0;
    assert_ne!(of(succeeded()), of(failed()));
    assert_eq!(of(succeeded()), of(succeeded()));
}
