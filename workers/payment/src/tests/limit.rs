//! Until when a charge may be made: as long as its order waits for it.

use super::*;

fn waits(patience_s: u64, body: Body) -> Body {
    let Body::PaymentCharge(ask) = body else { panic!("it asks for the money") };
    Body::PaymentCharge(PaymentCharge { patience_s: Some(patience_s), ..ask })
}

/// Until when the provider may be asked for the money.
fn limit(decision: &Decision<Record>) -> Option<Time> {
    let [Body::ProviderCharge(ask)] = &decision.send[..] else { panic!("{decision:?}") };
    ask.not_after
}

#[test]
fn a_charge_says_when_its_order_is_given_up() {
    let at = |s| Time::default().plus_s(s);
    let mut books = Books::default();
    // The wish has lain in a queue for a while.
    let wish = books.message(waits(300, charge()), at(0));
    assert_eq!(limit(&books.decide(&wish, at(200))), Some(at(300)));
    // An operator has the saga ask again: its patience begins anew.
    assert_eq!(limit(&books.hear_at(waits(300, charge()), at(400))), Some(at(700)));
    // An older program's saga says nothing of it, and cash is never too late.
    assert_eq!(limit(&Books::default().hear_at(charge(), at(0))), None);
    assert_eq!(limit(&Books::after(&[charge_on_delivery()]).hear(settle())), None);
}

#[test]
fn a_confirmed_charge_says_when_its_order_is_given_up_unless_the_saga_waits_longer() {
    let at = |s| Time::default().plus_s(s);
    for (confirmed_at, not_after) in [(200, Some(at(300))), (400, None)] {
        let mut books = Books::default();
        books.hear_at(waits(300, charge_later()), at(0));
        assert_eq!(limit(&books.hear_at(confirm(Some("tok_ok")), at(confirmed_at))), not_after);
    }
}

#[test]
fn a_saga_that_waits_longer_is_believed_by_a_payment_that_waits_to_be_confirmed() {
    let at = |s| Time::default().plus_s(s);
    let mut books = Books::default();
    books.hear_at(waits(300, charge_later()), at(0));
    // An operator has moved its deadline; the customer confirms shortly before the first one.
    books.hear_at(waits(600, charge_later()), at(200));
    assert_eq!(limit(&books.hear_at(confirm(Some("tok_ok")), at(299))), Some(at(800)));
}
