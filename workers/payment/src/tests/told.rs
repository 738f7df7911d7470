//! A trusted event from outside is also sent to the adapter that keeps the provider's books.

use contract::ChargeStanding;
use expect_test::expect;

use super::*;
use crate::RefundState;

const OUTSIDE: [Speaker; 2] = [Speaker::PaymentProvider, Speaker::Operator];
const BOOKS: [Speaker; 2] = [Speaker::Provider, Speaker::Timers];

fn hear(books: &mut Books, by: Speaker, body: Body) -> Decision<Record> {
    books.hear_from(by, body, Time::from_unix_ms(1_700_000_100_000))
}

/// The answers to an event from this speaker at the end of a story.
fn says(story: &[Body], by: Speaker, body: Body) -> String {
    said(&hear(&mut Books::after(story), by, body).send)
}

#[test]
fn the_books_hear_of_a_charge_only_from_outside() {
    let captured = "payment.captured(ch_1, 50.00 EUR)";
    let declined = "payment.declined(insufficient_funds)";
    for by in BOOKS {
        assert_eq!(says(&[charge()], by, succeeded()), captured);
        assert_eq!(says(&[charge()], by, failed()), declined);
    }
    for by in OUTSIDE {
        let told = "provider.told(charge/O, 50.00 EUR as ch_1";
        assert_eq!(says(&[charge()], by, succeeded()), format!("{captured}, {told}, taken)"));
        assert_eq!(says(&[charge()], by, failed()), format!("{declined}, {told}, insufficient_funds)"));
        let tried = [charge_later(), confirm(Some("tok_ok")), failed(), confirm(Some("tok_ok"))];
        assert_eq!(
            says(&tried, by, event(ProviderEventKind::PaymentSucceeded, "ch_2", eur(TOTAL), None)),
            "payment.captured(ch_2, 50.00 EUR), provider.told(charge/O/2, 50.00 EUR as ch_2, taken)"
        );
    }
}

#[test]
fn what_does_not_fit_is_asked_about_and_teaches_the_books_nothing() {
    let less = event(ProviderEventKind::PaymentSucceeded, "ch_1", eur("49.99"), None);
    let dollars = event(ProviderEventKind::PaymentSucceeded, "ch_1", money(TOTAL, "USD"), None);
    let second = event(ProviderEventKind::PaymentSucceeded, "ch_2", eur(TOTAL), None);
    for by in OUTSIDE {
        for odd in [&less, &dollars] {
            assert_eq!(says(&[charge()], by, odd.clone()), "provider.query(charge/O)");
        }
        assert_eq!(says(&[check()], by, succeeded()), "provider.query(charge/O)", "nothing was asked for");
        let stray = says(&[charge(), succeeded()], by, second.clone());
        assert_eq!(
            stray,
            "provider.refund(stray/ch_2, 50.00 EUR of ch_2), provider.told(stray/O/ch_2, 50.00 EUR as ch_2, taken)"
        );
    }
}

#[test]
fn a_second_capture_that_was_told_goes_back_from_books_that_know_it() {
    let second = event(ProviderEventKind::PaymentSucceeded, "ch_2", eur(TOTAL), None);
    let said =
        hear(&mut Books::after(&[charge(), succeeded()]), Speaker::PaymentProvider, second.clone()).send;
    let [Body::ProviderRefund(back), Body::ProviderTold(ProviderTold::Charge(told))] = said.as_slice() else {
        panic!("{}", super::said(&said))
    };
    assert_eq!(back.charged.as_ref(), Some(told), "whichever of the two is handled first");
    assert_ne!(told.key, format!("charge/{ORDER}"));
    // The provider's own books know what they report.
    let known = hear(&mut Books::after(&[charge(), succeeded()]), Speaker::Provider, second).send;
    assert!(matches!(&known[..], [Body::ProviderRefund(back)] if back.charged.is_none()));
}

/// Whichever of two messages is handled first, the provider's books know the charge that is refunded.
#[test]
fn a_refund_of_a_charge_that_was_told_names_it() {
    let late = [charge(), check(), answer(ChargeStanding::NotFound)];
    for by in OUTSIDE {
        let mut books = Books::after(&late);
        let decision = hear(&mut books, by, succeeded());
        let (Some(Body::ProviderRefund(back)), Some(Body::ProviderTold(ProviderTold::Charge(told)))) =
            (decision.send.first(), decision.send.get(1))
        else {
            panic!("{}", said(&decision.send))
        };
        assert_eq!(
            (back.charged.as_ref(), told.key.as_str()),
            (Some(told), format!("charge/{ORDER}").as_str())
        );
        // Asked again, it is named again.
        let again = books.hear(refund_all()).send;
        assert!(matches!(&again[..], [Body::ProviderRefund(again)] if again == back), "{}", said(&again));
    }
    let known = Books::after(&[&late[..], &[succeeded()]].concat()).hear(refund_all()).send;
    assert!(matches!(&known[..], [Body::ProviderRefund(back)] if back.charged.is_none()), "{}", said(&known));
}

#[test]
fn a_refund_at_the_providers_side_is_booked_once_and_counts_against_what_is_left() {
    use ProviderEventKind::RefundSucceeded;
    let part = |id: &str, amount: &str, key| event(RefundSucceeded, id, eur(amount), key);
    let mut books = Books::after(&[charge(), succeeded()]);
    let booked = hear(&mut books, Speaker::PaymentProvider, part("re_a", "20.00", None));
    assert!(matches!(booked.outcome, Outcome::Alarm(_)), "a person hears of it too");
    expect!["payment.refunded(outside, 20.00 EUR), provider.told(outside/O/re_a, 20.00 EUR of ch_1)"]
        .assert_eq(&said(&booked.send));
    assert_eq!(books.standing(), "captured, 50.00/20.00, refund done");
    // Reported again by another event, with a key of theirs or without.
    for again in [part("re_a", "20.00", None), part("re_a", "20.00", Some("theirs"))] {
        assert_eq!(says_nothing(&mut books, again), "ignored: it is known that this went back");
    }
    // The same amount again is another refund if it has another id; more than is left cannot have been refunded.
    hear(&mut books, Speaker::PaymentProvider, part("re_b", "20.00", Some("theirs")));
    assert_eq!(books.standing(), "captured, 50.00/40.00, refund done, refund done");
    let strange = [part("re_c", "10.01", None), part("ch_1", "5.00", None)];
    for strange in strange {
        assert!(says_nothing(&mut books, strange).starts_with("ALARM: the provider gave back what was not"));
    }
    // A refund of everything refunds what is left.
    assert_eq!(books.says(refund_all()), "provider.refund(refund/O/0/1, 10.00 EUR of ch_1)");
    let back = event(RefundSucceeded, "re_d", eur("10.00"), Some(&refund_key(0, 1)));
    assert_eq!(books.says(back), "payment.refunded(#0, 10.00 EUR)");
    assert_eq!(books.payment().refunded_minor, 5000);
    assert!(books.payment().refunds.iter().all(|refund| refund.state == RefundState::Done));
}

#[track_caller]
fn says_nothing(books: &mut Books, body: Body) -> String {
    let before = books.standing();
    let decision = hear(books, Speaker::PaymentProvider, body);
    assert_eq!((said(&decision.send).as_str(), books.standing()), ("nothing", before));
    outcome(&decision.outcome)
}

#[test]
fn a_refund_that_went_back_says_what_the_provider_calls_it() {
    let mut books = Books::after(&[charge(), succeeded(), refund_all()]);
    let said = books.hear(refund_succeeded(1)).send;
    assert!(
        matches!(&said[..], [Body::PaymentRefunded(fact)] if fact.transaction_id.as_deref() == Some("re_1"))
    );
}
