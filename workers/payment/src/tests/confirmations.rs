//! A payment by confirmation: charged when the customer confirms, tried again after a decline, and paid once.

use contract::ChargeStanding;

use super::*;

fn no(transaction_id: &str) -> Body {
    event(ProviderEventKind::PaymentFailed, transaction_id, eur(TOTAL), None)
}

fn paid(transaction_id: &str) -> Body {
    event(ProviderEventKind::PaymentSucceeded, transaction_id, eur(TOTAL), None)
}

/// The story's messages with the answers to each.
fn says(story: &[Body]) -> Vec<String> {
    let mut books = Books::default();
    story.iter().map(|body| books.says(body.clone())).collect()
}

#[test]
fn nothing_is_charged_before_it_is_confirmed() {
    let told = says(&[charge_later(), charge_later(), confirm(Some("tok_ok")), paid("ch_1")]);
    assert_eq!(told[..2], ["nothing", "nothing"]);
    assert_eq!(told[2], "provider.charge(charge/O, 50.00 EUR)");
    assert_eq!(told[3], "payment.captured(ch_1, 50.00 EUR)");
}

#[test]
fn confirming_and_the_providers_word_race_in_every_order_and_one_charge_is_paid() {
    let (yes, word) = (confirm(Some("tok_ok")), paid("ch_1"));
    for story in [
        [&yes, &word, &yes, &word],
        [&yes, &yes, &word, &word],
        [&word, &yes, &word, &yes],
        [&word, &word, &yes, &yes],
        [&yes, &word, &word, &yes],
        [&word, &yes, &yes, &word],
    ] {
        let story: Vec<Body> = story.into_iter().cloned().collect();
        let told = says(&[&[charge_later()], &story[..]].concat());
        let count = |what: &str| told.iter().filter(|said| said.contains(what)).count();
        assert!(count("provider.charge") <= 1 && count("provider.refund") == 0, "{told:?}");
        assert_eq!(count("payment.captured"), 1, "{told:?}");
        let books = Books::after(&[&[charge_later()], &story[..]].concat());
        assert_eq!(books.standing(), "captured, 50.00/0.00");
    }
}

#[test]
fn a_declined_confirmation_may_be_tried_again_under_a_new_key() {
    let told = says(&[
        charge_later(),
        confirm(Some("tok_declined")),
        no("ch_1"),
        // The same event once more: it is not about what comes next.
        no("ch_1"),
        confirm(Some("tok_ok")),
        no("ch_1"),
        answer(ChargeStanding::Failed { transaction_id: "ch_1".into(), failure_code: "x".into() }),
        paid("ch_2"),
    ]);
    let asked = "provider.charge(charge/O, 50.00 EUR)";
    let anew = "provider.charge(charge/O/2, 50.00 EUR)";
    let nothing = "nothing";
    let captured = "payment.captured(ch_2, 50.00 EUR)";
    let declined = "payment.declined(insufficient_funds, may be retried)";
    assert_eq!(told, [nothing, asked, declined, nothing, anew, nothing, nothing, captured]);
    let out =
        [charge_later(), confirm(Some("tok_declined")), no("ch_1"), confirm(Some("tok_ok")), no("ch_1")];
    assert_eq!(Books::after(&out).payment().status, Status::Asked, "the second try is still out");
}

#[test]
fn what_was_declined_is_charged_again_only_if_it_is_named_again() {
    let mut books = Books::after(&[charge_later(), confirm(Some("tok_declined")), no("ch_1")]);
    let declined = "payment.declined(payment_method_required, may be retried)";
    assert_eq!(books.says(confirm(None)), declined);
    let payment = books.payment();
    assert_eq!(payment.tries.last().unwrap().failure_code.as_deref(), Some("payment_method_required"));
    assert_eq!(books.says(confirm(Some("tok_declined"))), "provider.charge(charge/O/3, 50.00 EUR)");
    // PayPal asks its customer each time, and there is no token to name.
    let (order_id, customer_id) = (order_id(), "c1".to_string());
    let payment = Some(PaymentChoice::by(Method::Paypal, None));
    let paypal = Body::PaymentConfirm(PaymentConfirm { order_id, customer_id, payment });
    let told = says(&[charge_later(), paypal, no("ch_1"), confirm(None)]);
    assert_eq!(told[3], "provider.charge(charge/O/2, 50.00 EUR)");
}

#[test]
fn what_a_declined_try_captures_after_all_pays_or_goes_back() {
    let tried = [charge_later(), confirm(Some("tok_ok")), no("ch_1")];
    let told = says(&[&tried[..], &[paid("ch_1"), confirm(Some("tok_ok"))]].concat());
    assert_eq!(told[3..], ["payment.captured(ch_1, 50.00 EUR)", "order.refuse_pay(already_paid)"]);
    let told = says(&[&tried[..], &[confirm(Some("tok_ok")), paid("ch_2"), paid("ch_1")]].concat());
    assert_eq!(
        told[4..],
        ["payment.captured(ch_2, 50.00 EUR)", "provider.refund(stray/ch_1, 50.00 EUR of ch_1)"]
    );
}

#[test]
fn who_does_not_confirm_in_time_is_not_charged_any_more() {
    let told = says(&[charge_later(), check(), confirm(Some("tok_ok")), paid("ch_1")]);
    assert_eq!(told[1..3], ["payment.declined(payment_timeout)", "order.refuse_pay(payment_given_up)"]);
    assert_eq!(told[3], "provider.refund(refund/O/0/1, 50.00 EUR of ch_1)", "what comes after all goes back");
    let told = says(&[charge_later(), refund_all(), confirm(Some("tok_ok"))]);
    assert_eq!(told[1..], ["payment.voided()", "order.refuse_pay(payment_given_up)"]);
}

#[test]
fn patience_that_ends_while_a_try_is_out_asks_the_provider() {
    let out = [charge_later(), confirm(Some("tok_ok")), check()];
    let told = says(&[&out[..], &[no("ch_1"), confirm(Some("tok_ok"))]].concat());
    let (asked, declined) = ("provider.query(charge/O)", "payment.declined(insufficient_funds)");
    assert_eq!(told[2..], [asked, declined, "order.refuse_pay(payment_given_up)"]);
    let told = says(&[&out[..], &[paid("ch_1")]].concat());
    assert_eq!(told[3], "payment.captured(ch_1, 50.00 EUR)");
}

#[test]
fn what_cannot_be_charged_is_a_try_that_asks_no_provider() {
    let mut books = Books::after(&[charge_later()]);
    let unknown =
        PaymentChoice { payment_method_id: Some("pm_x".into()), ..PaymentChoice::by(Method::Card, None) };
    for (payment, code) in [
        (None, "payment_method_required"),
        (Some(unknown), "payment_method_unknown"),
        (Some(PaymentChoice::by(Method::Cod, None)), "payment_method_mismatch"),
    ] {
        let (order_id, customer_id) = (order_id(), "c1".to_string());
        let confirm = Body::PaymentConfirm(PaymentConfirm { order_id, customer_id, payment });
        assert_eq!(books.says(confirm), format!("payment.declined({code}, may be retried)"));
        let payment = books.payment();
        assert_eq!(payment.tries.last().unwrap().failure_code.as_deref(), Some(code));
        assert_eq!(payment.status, Status::AwaitingConfirmation);
    }
    for _ in 0..7 {
        books.hear(confirm(None));
    }
    let enough = books.says(confirm(Some("tok_ok")));
    assert_eq!(enough, "order.refuse_pay(too_many_tries)", "after ten tries it is enough");
}

#[test]
fn what_is_confirmed_before_the_money_is_asked_for_is_charged_then_once() {
    let asked = "provider.charge(charge/O, 50.00 EUR)";
    for ahead in [vec![], vec![intend("one")]] {
        let story =
            [&ahead[..], &[confirm(Some("tok_ok")), confirm(Some("tok_other")), charge_later()]].concat();
        let told = says(&story);
        assert_eq!(told[ahead.len()..], ["nothing", "order.refuse_pay(payment_under_way)", asked]);
        let mut books = Books::after(&story);
        let payment = books.payment();
        assert_eq!(payment.tries[0].confirmed_by.as_str(), format!("m{}", ahead.len() + 1));
        assert_eq!(payment.charge.unwrap().payment.token, Some(Token("tok_ok".into())));
        assert_eq!(books.says(paid("ch_1")), "payment.captured(ch_1, 50.00 EUR)");
    }
    // A payment that cannot be charged counts as a try then, and may be tried again.
    let mut books = Books::after(&[confirm(None)]);
    assert_eq!(books.says(charge_later()), "payment.declined(payment_method_required, may be retried)");
    assert_eq!(books.payment().tries[0].failure_code.as_deref(), Some("payment_method_required"));
    assert_eq!(books.says(confirm(Some("tok_ok"))), asked.replace("/O", "/O/2"));
    // The order was given up meanwhile.
    assert_eq!(
        says(&[confirm(Some("tok_ok")), refund_all(), charge_later()])[1..],
        ["payment.voided()", "nothing"]
    );
    // Nothing is remembered of an order that is not known here.
    for by in [Speaker::Customer, Speaker::Admin, Speaker::Operator] {
        let early = Books::default().hear_by(by, confirm(Some("tok_ok")));
        assert!(outcome(&early.outcome).starts_with("PARKED payment_unknown"), "{early:?}");
    }
}

#[test]
fn it_is_known_whether_a_confirmation_would_be_taken() {
    for (story, taken) in [
        (vec![charge_later()], true),
        (vec![intend("one")], true),
        (vec![confirm(Some("tok_ok"))], false),
        (vec![charge_later(), confirm(Some("tok_ok"))], false),
        (vec![charge_later(), confirm(Some("tok_ok")), no("ch_1")], true),
        (vec![charge_later(), confirm(Some("tok_ok")), paid("ch_1")], false),
        (vec![charge_later(), check()], false),
    ] {
        let mut books = Books::after(&story);
        assert_eq!(books.payment().waits_to_be_paid(), taken, "{story:?}");
        let ignored = matches!(books.hear(confirm(Some("tok_ok"))).outcome, Outcome::Ignored(_));
        assert_eq!(ignored, !taken, "{story:?}");
    }
}

#[test]
fn the_secret_is_the_first_one_and_may_come_before_the_money_is_asked_for() {
    let mut books = Books::after(&[intend("one"), charge_later(), intend("two")]);
    assert_eq!(books.payment().intent, Some(Token("one".into())));
    assert_eq!(books.says(confirm(Some("tok_ok"))), "provider.charge(charge/O, 50.00 EUR)");
    let given_up = Books::after(&[intend("one"), check(), charge_later()]);
    assert_eq!(given_up.standing(), "given_up");
}

/// A front end that confirms by itself reads the payment: it sent the order worker no request that could be refused.
#[test]
fn only_who_paid_by_the_order_is_refused_through_it() {
    for (by, said) in [
        (Speaker::Order, "order.refuse_pay(payment_under_way)"),
        (Speaker::Customer, "nothing"),
        (Speaker::Admin, "nothing"),
    ] {
        let mut books = Books::after(&[charge_later(), confirm(Some("tok_ok"))]);
        assert_eq!(super::said(&books.hear_by(by, confirm(Some("tok_other"))).send), said);
    }
}
