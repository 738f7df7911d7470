//! What payment promises, one story each.

use contract::ChargeStanding;
use expect_test::expect;

use super::*;

#[test]
fn the_same_charge_is_never_asked_under_another_key() {
    let dearer = charge_of(Method::Paypal, eur("60.00"));
    let mut books = Books::default();
    for body in [charge(), charge(), dearer] {
        assert_eq!(books.says(body), "provider.charge(charge/O, 50.00 EUR)");
    }
}

#[test]
fn what_is_decided_is_never_charged_again() {
    for decided in [succeeded(), failed()] {
        let mut books = Books::after(&[charge(), decided]);
        for body in [charge(), settle(), check(), charge()] {
            assert!(!books.says(body).contains("provider."));
        }
    }
}

#[test]
fn what_was_given_up_is_asked_about_again_until_the_provider_has_decided() {
    let mut books = Books::after(&[charge(), check()]);
    let mut looks = Vec::new();
    let (mut now, mut after) = (Time::from_unix_ms(1_700_000_000_000), answer(ChargeStanding::NotFound));
    loop {
        let decision = books.hear_at(after, now);
        match decision.deadlines.as_slice() {
            [Deadline::Set { due, body, .. }] => {
                assert_eq!(said(&[(**body).clone()]), "provider.query(charge/O)");
                looks.push((due.unix_ms() - now.unix_ms()) / 60_000);
                now = *due;
            }
            [Deadline::Clear { .. }] => break,
            other => panic!("{other:?}"),
        }
        assert!(looks.len() < 50, "it never ends");
        after = answer(ChargeStanding::Pending);
    }
    expect!["[10, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240]"].assert_eq(&format!("{looks:?}"));
    let found = books.hear_at(found(eur(TOTAL)), now);
    assert_eq!(said(&found.send), "provider.refund(refund/O/0/1, 50.00 EUR of ch_1)");
    assert!(matches!(found.deadlines.as_slice(), [Deadline::Clear { .. }]));
}

#[test]
fn what_the_provider_has_refused_is_not_asked_about_any_more() {
    let refused = ChargeStanding::Failed { transaction_id: "ch_1".into(), failure_code: "lost_card".into() };
    for undone in [check(), refund_all()] {
        let mut books = Books::after(&[charge(), undone, answer(ChargeStanding::NotFound)]);
        let decision = books.hear(answer(refused.clone()));
        assert!(matches!(decision.deadlines.as_slice(), [Deadline::Clear { .. }]));
        assert_eq!(said(&decision.send), "nothing");
    }
}

#[test]
fn a_late_capture_goes_back() {
    tells(
        &[charge(), check(), answer(ChargeStanding::NotFound), succeeded(), refund_succeeded(1)],
        expect![[r#"
            payment.charge → provider.charge(charge/O, 50.00 EUR) | asked, 0.00/0.00
            payment.check → provider.query(charge/O) | checking, 0.00/0.00
            provider.answer → payment.declined(payment_timeout) | given_up, 0.00/0.00
            payment.webhook → provider.refund(refund/O/0/1, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
            payment.webhook → payment.refunded(#0, 50.00 EUR, late) | captured, 50.00/50.00, refund done
        "#]],
    );
    tells(
        &[charge(), failed(), succeeded(), refund_succeeded(1)],
        expect![[r#"
        payment.charge → provider.charge(charge/O, 50.00 EUR) | asked, 0.00/0.00
        payment.webhook → payment.declined(insufficient_funds) | declined, 0.00/0.00
        payment.webhook → provider.refund(refund/O/0/1, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
        payment.webhook → payment.refunded(#0, 50.00 EUR, late) | captured, 50.00/50.00, refund done
    "#]],
    );
    tells(
        &[charge(), refund_all(), succeeded(), refund_succeeded(1)],
        expect![[r#"
        payment.charge → provider.charge(charge/O, 50.00 EUR) | asked, 0.00/0.00
        payment.refund → provider.query(charge/O) | undoing, 0.00/0.00
        payment.webhook → provider.refund(refund/O/0/1, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
        payment.webhook → payment.refunded(#0, 50.00 EUR) | captured, 50.00/50.00, refund done
    "#]],
    );
}

#[test]
fn what_goes_back_whole_is_never_called_paid() {
    let mismatched = [charge(), check(), found(eur("49.99"))];
    let late = [charge(), failed(), succeeded()];
    let undone = [charge(), succeeded(), refund_all()];
    for story in [&mismatched[..], &late[..], &undone[..]] {
        for again in [charge(), check(), succeeded(), found(eur(TOTAL))] {
            let said = Books::after(story).says(again);
            assert!(!said.contains("payment.captured"), "{said}");
        }
    }
}

#[test]
fn unknown_is_not_declined() {
    tells(
        &[charge(), check(), check(), succeeded()],
        expect![[r#"
        payment.charge → provider.charge(charge/O, 50.00 EUR) | asked, 0.00/0.00
        payment.check → provider.query(charge/O) | checking, 0.00/0.00
        payment.check → provider.query(charge/O) | checking, 0.00/0.00
        payment.webhook → payment.captured(ch_1, 50.00 EUR) | captured, 50.00/0.00
    "#]],
    );
    tells(
        &[charge(), check(), found(eur(TOTAL))],
        expect![[r#"
        payment.charge → provider.charge(charge/O, 50.00 EUR) | asked, 0.00/0.00
        payment.check → provider.query(charge/O) | checking, 0.00/0.00
        provider.answer → payment.captured(ch_1, 50.00 EUR) | captured, 50.00/0.00
    "#]],
    );
    tells(
        &[charge(), check(), answer(ChargeStanding::Pending)],
        expect![[r#"
        payment.charge → provider.charge(charge/O, 50.00 EUR) | asked, 0.00/0.00
        payment.check → provider.query(charge/O) | checking, 0.00/0.00
        provider.answer → payment.declined(payment_timeout) | given_up, 0.00/0.00
    "#]],
    );
}

#[test]
fn an_undo_that_comes_first_stops_the_charge() {
    tells(
        &[refund_all(), charge(), answer(ChargeStanding::NotFound), charge(), charge()],
        expect![[r#"
        payment.refund → provider.query(charge/O) | undoing
        payment.charge → provider.query(charge/O) | undoing
        provider.answer → payment.voided() | given_up
        payment.charge → nothing | given_up
        payment.charge → nothing | given_up
    "#]],
    );
    tells(
        &[check(), charge(), answer(ChargeStanding::NotFound), charge()],
        expect![[r#"
        payment.check → provider.query(charge/O) | checking
        payment.charge → provider.query(charge/O) | checking
        provider.answer → payment.declined(payment_timeout) | given_up
        payment.charge → nothing | given_up
    "#]],
    );
}

#[test]
fn amounts_and_currencies_are_checked() {
    let other = |amount| event(ProviderEventKind::PaymentSucceeded, "ch_1", amount, None);
    for amount in [eur("49.99"), eur("50.01"), money("50.00", "USD"), money("5000", "JPY")] {
        let mut books = Books::after(&[charge()]);
        assert_eq!(books.says(other(amount)), "provider.query(charge/O)", "{amount}");
        assert_eq!(books.standing(), "asked, 0.00/0.00");
    }
    tells(
        &[charge(), other(eur("49.99")), found(eur("49.99")), charge()],
        expect![[r#"
            payment.charge → provider.charge(charge/O, 50.00 EUR) | asked, 0.00/0.00
            payment.webhook → provider.query(charge/O) | asked, 0.00/0.00
            provider.answer → provider.refund(refund/O/0/1, 49.99 EUR of ch_1), payment.declined(amount_mismatch) | captured, 49.99/0.00, refund asked
            payment.charge → payment.declined(amount_mismatch) | captured, 49.99/0.00, refund asked
        "#]],
    );
    tells(
        &[charge(), other(money("50.00", "USD")), found(money("50.00", "USD"))],
        expect![[r#"
        payment.charge → provider.charge(charge/O, 50.00 EUR) | asked, 0.00/0.00
        payment.webhook → provider.query(charge/O) | asked, 0.00/0.00
        provider.answer → provider.refund(refund/O/0/1, 50.00 USD of ch_1), payment.declined(amount_mismatch) | captured, 50.00/0.00, refund asked
    "#]],
    );
}

#[test]
fn nothing_is_worth_less_than_nothing() {
    let minus = eur("-5.00");
    assert!(matches!(Books::default().hear(charge_of(Method::Card, minus)).outcome, Outcome::Parked { .. }));
    for story in [vec![], vec![charge()], vec![charge(), failed()], vec![charge(), succeeded()]] {
        for kind in [ProviderEventKind::PaymentSucceeded, ProviderEventKind::RefundSucceeded] {
            let mut books = Books::after(&story);
            let decision = books.hear(event(kind, "ch_2", minus, None));
            assert!(matches!(decision.outcome, Outcome::Parked { .. }), "{:?}", decision.outcome);
        }
        let mut books = Books::after(&story);
        let before = books.standing();
        books.hear(found(minus));
        assert_eq!(books.standing(), before);
    }
}

#[test]
fn each_method_has_its_own_rule() {
    let mut lines = String::new();
    for (method, most) in [
        (Method::Card, "50000.00"),
        (Method::DebitCard, "10000.00"),
        (Method::Paypal, "10000.00"),
        (Method::Cod, "2000.00"),
    ] {
        let most = eur(most);
        let more = most.plus(eur("0.01")).unwrap();
        for amount in [most, more] {
            let mut books = Books::default();
            let decision = books.hear(charge_of(method, amount));
            let says = said(&decision.send);
            let again = books.says(charge_of(method, amount));
            lines +=
                &format!("{} {amount}: {} | says {says} | again {again}\n", name(&method), books.standing());
        }
    }
    expect![[r#"
        card 50000.00 EUR: asked, 0.00/0.00 | says provider.charge(charge/O, 50000.00 EUR) | again provider.charge(charge/O, 50000.00 EUR)
        card 50000.01 EUR: declined, 0.00/0.00 | says payment.declined(amount_over_limit) | again payment.declined(amount_over_limit)
        debit_card 10000.00 EUR: asked, 0.00/0.00 | says provider.charge(charge/O, 10000.00 EUR) | again provider.charge(charge/O, 10000.00 EUR)
        debit_card 10000.01 EUR: declined, 0.00/0.00 | says payment.declined(amount_over_limit) | again payment.declined(amount_over_limit)
        paypal 10000.00 EUR: asked, 0.00/0.00 | says provider.charge(charge/O, 10000.00 EUR) | again provider.charge(charge/O, 10000.00 EUR)
        paypal 10000.01 EUR: declined, 0.00/0.00 | says payment.declined(amount_over_limit) | again payment.declined(amount_over_limit)
        cod 2000.00 EUR: awaiting_cash, 0.00/0.00 | says nothing | again nothing
        cod 2000.01 EUR: declined, 0.00/0.00 | says payment.declined(amount_over_limit) | again payment.declined(amount_over_limit)
    "#]].assert_eq(&lines);
}

#[test]
fn a_refusal_says_the_same_however_often_it_is_asked_for() {
    for story in [charge_of(Method::Cod, eur("2000.01")), charge()] {
        let mut books = Books::default();
        let first = books.hear(story.clone()).send;
        let first = if first[0].name() == "payment.declined" { first } else { books.hear(failed()).send };
        let text = |send: &[Body]| match send {
            [Body::PaymentDeclined(declined)] => (declined.code.clone(), declined.message.clone()),
            other => panic!("{other:?}"),
        };
        for again in [story, check()] {
            assert_eq!(text(&books.hear(again).send), text(&first));
        }
    }
}

#[test]
fn cash_is_booked_when_an_admin_says_that_it_came() {
    tells(
        &[charge_on_delivery(), check(), settle(), settle(), succeeded(), settle()],
        expect![[r#"
            payment.charge → nothing | awaiting_cash, 0.00/0.00
            payment.check → nothing | awaiting_cash, 0.00/0.00
            payment.settle → provider.charge(charge/O, 50.00 EUR) | asked, 0.00/0.00
            payment.settle → order.refuse_pay(payment_under_way) | asked, 0.00/0.00
            payment.webhook → payment.captured(receipt 9, 50.00 EUR) | captured, 50.00/0.00
            payment.settle → order.refuse_pay(already_paid) | captured, 50.00/0.00
        "#]],
    );
    tells(
        &[charge_on_delivery(), refund_all(), settle()],
        expect![[r#"
            payment.charge → nothing | awaiting_cash, 0.00/0.00
            payment.refund → payment.voided() | given_up, 0.00/0.00
            payment.settle → order.refuse_pay(payment_given_up) | given_up, 0.00/0.00
        "#]],
    );
}

#[test]
fn a_total_of_nothing_never_reaches_the_provider() {
    for method in [Method::Card, Method::DebitCard, Method::Paypal, Method::Cod] {
        let free = charge_of(method, eur("0.00"));
        let nothing = event(ProviderEventKind::PaymentSucceeded, "ch_1", eur("0.00"), None);
        let mut books = Books::default();
        for body in [free.clone(), free, check(), nothing, refund_all(), refund_all()] {
            let said = books.says(body);
            assert!(!said.contains("provider."), "{said}");
        }
        assert_eq!(books.standing(), "captured, 0.00/0.00, refund done");
    }
}

#[test]
fn what_is_not_for_payment_is_parked() {
    let mut books = Books::default();
    let stray = Body::StockReserved(contract::StockFact { order_id: order_id(), at: Time::default() });
    assert!(matches!(books.hear(stray).outcome, Outcome::Parked { code: "misrouted", .. }));
    assert!(books.row.is_none());
}

#[test]
fn the_history_holds_each_status_once_and_in_order() {
    let gone =
        [charge(), check(), check(), answer(ChargeStanding::NotFound), check(), succeeded(), succeeded()];
    let history = Books::after(&gone).payment().history;
    let statuses: Vec<_> = history.iter().map(|(_, status)| *status).collect();
    assert_eq!(statuses, [Status::Asked, Status::Checking, Status::GivenUp, Status::Captured]);
    assert!(history.is_sorted());
}

#[test]
fn cash_that_comes_before_it_is_asked_for_is_remembered() {
    let mut books = Books::after(&[settle(), settle()]);
    assert_eq!(books.says(charge_of(Method::Cod, eur(TOTAL))), "provider.charge(charge/O, 50.00 EUR)");
    let mut books = Books::after(&[settle()]);
    let undone = books.hear(refund_all());
    assert!(matches!(undone.outcome, Outcome::Alarm(_)), "{:?}", undone.outcome);
    assert_eq!(said(&undone.send), "payment.voided()");
}
