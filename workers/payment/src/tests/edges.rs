//! Limits at their exact value, what arrives before the money is asked for, and answers about an older try or another amount.

use contract::{ChargeStanding, Expiry, Need, ProviderEventKind, WalletAdd};

use super::*;
use crate::Wallet;

/// A card payment that waits for its confirmation.
fn to_be_confirmed(amount: Money) -> Body {
    let payment = PaymentChoice { confirm: Confirm::Manual, ..PaymentChoice::by(Method::Card, None) };
    Body::PaymentCharge(PaymentCharge {
        order_id: order_id(),
        customer_id: "c1".into(),
        amount,
        payment,
        patience_s: None,
    })
}

fn confirm_by(method: Method) -> Body {
    let payment = Some(PaymentChoice::by(method, Some(Token("tok_ok".into()))));
    Body::PaymentConfirm(PaymentConfirm { order_id: order_id(), customer_id: "c1".into(), payment })
}

#[test]
fn a_wallet_is_read_only_for_what_may_be_paid_by_a_stored_method() {
    let needs = |body| PaymentWorker.needs(&Books::default().message(body, Time::default()));
    let (payment, wallet) = (Need::of(Table::Payments, order_id()), Need::of(Table::Wallets, "c1"));
    assert_eq!(needs(charge()), std::slice::from_ref(&payment));
    let by_stored =
        PaymentChoice { payment_method_id: Some("pm_1".into()), ..PaymentChoice::by(Method::Card, None) };
    let (order_id, amount) = (order_id(), eur(TOTAL));
    let by_stored =
        PaymentCharge { order_id, customer_id: "c1".into(), amount, payment: by_stored, patience_s: None };
    // The customer may confirm it by a stored method before the saga asks for the money.
    for stored in [Body::PaymentCharge(by_stored), charge_later()] {
        assert_eq!(needs(stored), [payment.clone(), wallet.clone()]);
    }
}

#[test]
fn cash_that_came_ahead_is_known_by_its_receipt() {
    let captured = |receipt: Option<&str>| {
        let transaction_id = receipt.map(Into::into);
        let settle = Body::PaymentSettle(PaymentSettle { order_id: order_id(), transaction_id });
        Books::after(&[settle, charge_on_delivery()]).says(succeeded())
    };
    assert_eq!(captured(Some("receipt 9")), "payment.captured(receipt 9, 50.00 EUR)");
    assert_eq!(captured(None), "payment.captured(ch_1, 50.00 EUR)", "without one, by the provider's name");
}

#[test]
fn an_order_that_costs_nothing_is_paid_by_a_transaction_of_its_own() {
    let free = charge_of(Method::Card, eur("0.00"));
    assert_eq!(Books::default().says(free), "payment.captured(free_O, 0.00 EUR)");
}

#[test]
fn a_confirmation_that_comes_ahead_is_a_change_of_the_payment() {
    let mut books = Books::after(&[intend("s")]);
    let later = books.payment().updated_at.plus_s(60);
    books.hear_at(confirm(Some("tok_ok")), later);
    assert_eq!(books.payment().updated_at, later);
}

#[test]
fn a_confirmation_by_a_method_that_cannot_carry_the_amount_is_a_try_that_asks_no_provider() {
    let mut books = Books::after(&[to_be_confirmed(eur("10000.01"))]);
    assert_eq!(books.says(confirm_by(Method::Paypal)), "payment.declined(amount_over_limit, may be retried)");
    let payment = books.payment();
    assert_eq!(payment.tries[0].failure_code.as_deref(), Some("amount_over_limit"));
    assert_eq!(payment.status, Status::AwaitingConfirmation);
    assert_eq!(books.says(confirm_by(Method::Card)), "provider.charge(charge/O/2, 10000.01 EUR)");
    let mut books = Books::after(&[to_be_confirmed(eur("10000.00"))]);
    assert_eq!(books.says(confirm_by(Method::Paypal)), "provider.charge(charge/O, 10000.00 EUR)");
}

#[test]
fn a_payment_that_was_declined_ten_times_waits_for_no_confirmation_any_more() {
    let mut books = Books::after(&[charge_later()]);
    for tries in 0..10 {
        assert!(books.payment().waits_to_be_paid(), "after {tries}");
        books.hear(confirm(None));
    }
    assert!(!books.payment().waits_to_be_paid());
}

#[test]
fn what_the_provider_says_of_a_declined_try_does_not_give_up_the_one_that_is_out() {
    let no = event(ProviderEventKind::PaymentFailed, "ch_1", eur(TOTAL), None);
    let yes = || confirm(Some("tok_ok"));
    let mut books = Books::after(&[charge_later(), yes(), no, yes(), check()]);
    let failed = ChargeStanding::Failed { transaction_id: "ch_1".into(), failure_code: "lost_card".into() };
    for standing in [ChargeStanding::NotFound, ChargeStanding::Pending, failed] {
        assert_eq!(books.says(answer(standing)), "nothing");
        assert_eq!(books.payment().status, Status::Checking);
    }
    let (key, charge) = (format!("charge/{ORDER}/2"), ChargeStanding::NotFound);
    let of_the_last = Body::ProviderAnswer(ProviderAnswer { key, order_id: order_id(), charge });
    assert_eq!(books.says(of_the_last), "payment.declined(payment_timeout)");
}

#[test]
fn each_payment_that_was_given_up_has_a_deadline_of_its_own() {
    let given_up = Books::after(&[charge(), check()]).hear(answer(ChargeStanding::NotFound));
    let [Deadline::Set { key, .. }] = &given_up.deadlines[..] else { panic!("{:?}", given_up.deadlines) };
    assert!(key.ends_with(ORDER), "{key}");
}

#[test]
fn a_refund_of_another_amount_than_was_asked_for_is_not_booked_and_calls_for_a_person() {
    for amount in [eur("49.99"), money(TOTAL, "USD")] {
        let mut books = Books::after(&[charge(), succeeded(), refund_all()]);
        let told =
            books.hear(event(ProviderEventKind::RefundSucceeded, "re_1", amount, Some(&refund_key(0, 1))));
        assert!(matches!(told.outcome, Outcome::Alarm(_)), "{:?}", told.outcome);
        assert_eq!(said(&told.send), "nothing");
        assert_eq!(books.standing(), "captured, 50.00/0.00, refund asked");
    }
}

#[test]
fn a_refund_that_is_told_of_without_its_key_is_the_one_of_its_amount() {
    let shares = [refund_share(1, eur("30.00")), refund_share(2, eur("20.00"))];
    let mut books = Books::after(&[&[charge(), succeeded()], &shares[..]].concat());
    for (transaction, amount, told) in [
        ("re_b", "20.00", "payment.refunded(#2, 20.00 EUR)"),
        ("re_a", "30.00", "payment.refunded(#1, 30.00 EUR)"),
    ] {
        let back = event(ProviderEventKind::RefundSucceeded, transaction, eur(amount), None);
        assert_eq!(books.says(back), told);
    }
}

#[test]
fn a_card_may_be_valid_for_thirty_years_and_no_longer() {
    let add = |year| {
        Body::WalletAdd(WalletAdd {
            customer_id: "c1".into(),
            method_id: "pm_1".into(),
            method: Method::Card,
            token: Token("tok_ok".into()),
            brand: None,
            last_four: Some("4242".into()),
            expires: Some(Expiry { year, month: 12 }),
            default: false,
        })
    };
    // It is November 2023.
    for (year, stored) in [(2053, 1), (2054, 0)] {
        let books = Books::after(&[add(year)]);
        let wallet: Wallet = serde_json::from_str(books.wallet.as_ref().unwrap()).unwrap();
        assert_eq!(wallet.methods.len(), stored, "{year}");
    }
}

#[test]
fn an_event_that_was_held_is_looked_at_no_more_once_it_is_booked() {
    let mut books = Books::default();
    let at = |seconds| Time::default().plus_s(seconds);
    let early = books.hear_at(succeeded(), at(2));
    assert!(outcome(&early.outcome).ends_with("it is held"), "{:?}", early.outcome);
    let [Deadline::Set { key: held, body, .. }] = &early.deadlines[..] else { panic!("{early:?}") };
    for body in [charge(), check(), answer(ChargeStanding::NotFound)] {
        books.hear_at(body, at(3));
    }
    // It comes too late: the money is refunded, and the provider need not be queried again either.
    let late = books.hear_at(Body::clone(body), at(4));
    assert_eq!(books.standing(), "captured, 50.00/0.00, refund asked");
    let cleared = |wanted: &str| {
        late.deadlines.iter().any(|deadline| matches!(deadline, Deadline::Clear { key } if key == wanted))
    };
    assert!(cleared(held) && cleared(&format!("payment/{ORDER}")), "{:?}", late.deadlines);
}
