//! Every status × every message: `state × message → outcome | status, captured/refunded | says …`.

use std::fmt::Write as _;

use contract::{ChargeStanding, ProviderEventKind};
use expect_test::expect_file;

use super::*;

#[test]
fn every_message_has_a_line_in_every_state() {
    let mut table = String::new();
    for (state, books) in states() {
        writeln!(table, "\n{state}: {}", books.standing()).unwrap();
        for (message, body) in messages(&books) {
            let mut books = books.clone();
            let decision = books.hear(body);
            let (outcome, says) = (outcome(&decision.outcome), said(&decision.send));
            let after = books.standing();
            writeln!(table, "{state} × {message} → {outcome} | {after} | says {says}").unwrap();
        }
    }
    expect_file!["transitions.txt"].assert_eq(table.trim_start());
}

fn states() -> Vec<(&'static str, Books)> {
    let not_found = answer(ChargeStanding::NotFound);
    let gone = vec![charge(), check(), not_found.clone()];
    let back = vec![charge(), succeeded(), refund_all(), refund_failed(1)];
    let then = |story: &[Body], more: &[Body]| Books::after(&[story, more].concat());
    vec![
        ("absent", Books::default()),
        ("checking unasked", Books::after(&[check()])),
        ("undoing unasked", Books::after(&[refund_all()])),
        ("given up unasked", Books::after(&[refund_all(), not_found.clone()])),
        ("given up unasked, captured", Books::after(&[check(), found(eur(TOTAL))])),
        ("cash came ahead", Books::after(&[settle()])),
        ("intended ahead", Books::after(&[intend("s")])),
        ("awaiting cash", Books::after(&[charge_on_delivery()])),
        ("awaiting confirmation", Books::after(&[charge_later()])),
        ("confirmed", Books::after(&[charge_later(), confirm(Some("tok_ok"))])),
        (
            "declined once",
            Books::after(&[
                charge_later(),
                confirm(Some("tok_ok")),
                event(ProviderEventKind::PaymentFailed, "ch_0", eur(TOTAL), None),
            ]),
        ),
        ("asked", Books::after(&[charge()])),
        ("checking", Books::after(&[charge(), check()])),
        ("undoing", Books::after(&[charge(), refund_all()])),
        ("captured", Books::after(&[charge(), succeeded()])),
        ("going back", then(&back, &[])),
        ("went back", then(&back, &[refund_succeeded(2)])),
        ("not taken back", then(&back, &[refund_failed(2), refund_failed(3)])),
        ("declined", Books::after(&[charge(), failed()])),
        ("over the limit", Books::after(&[charge_of(Method::Card, eur("50000.01"))])),
        ("given up", then(&gone, &[])),
        ("captured late", then(&gone, &[succeeded()])),
    ]
}

fn messages(books: &Books) -> Vec<(&'static str, Body)> {
    use ProviderEventKind::{PaymentFailed, PaymentSucceeded, RefundFailed, RefundSucceeded};
    let tries =
        books.row.as_ref().and_then(|_| books.payment().refunds.first().map(|r| r.tries)).unwrap_or(1);
    let (older, unknown) = (refund_key(0, tries.saturating_sub(1)), refund_key(7, 1));
    let refund = |kind, key: Option<&str>| event(kind, "re_1", eur(TOTAL), key);
    let without_key = |kind, tries| event(kind, &format!("re_{tries}"), eur(TOTAL), None);
    vec![
        ("charge", charge()),
        ("check", check()),
        ("refund", refund_all()),
        ("return refund of 10", refund_share(1, eur("10.00"))),
        ("refunded by hand", by_hand()),
        ("settle", settle()),
        ("intend", intend("s")),
        ("confirm", confirm(Some("tok_ok"))),
        ("confirm, no token", confirm(None)),
        ("charge later", charge_later()),
        ("payment.succeeded", succeeded()),
        ("payment.succeeded, 49.99", event(PaymentSucceeded, "ch_1", eur("49.99"), None)),
        ("payment.succeeded, ch_2", event(PaymentSucceeded, "ch_2", eur(TOTAL), None)),
        ("payment.succeeded, held", early::held(succeeded())),
        ("payment.failed", failed()),
        ("payment.failed, 49.99", event(PaymentFailed, "ch_1", eur("49.99"), None)),
        ("refund.succeeded, this key", refund_succeeded(tries)),
        ("refund.succeeded, older key", refund(RefundSucceeded, Some(&older))),
        ("refund.succeeded, unknown key", refund(RefundSucceeded, Some(&unknown))),
        ("refund.succeeded, no key", without_key(RefundSucceeded, tries)),
        ("refund.succeeded, no key, older", without_key(RefundSucceeded, tries.saturating_sub(1))),
        ("refund.succeeded, no key, unknown", without_key(RefundSucceeded, 99)),
        ("refund.failed, this key", refund_failed(tries)),
        ("refund.failed, older key", refund(RefundFailed, Some(&older))),
        ("refund.failed, unknown key", refund(RefundFailed, Some(&unknown))),
        ("refund.failed, no key", without_key(RefundFailed, tries)),
        ("refund.failed, no key, older", without_key(RefundFailed, tries.saturating_sub(1))),
        ("refund.failed, no key, unknown", without_key(RefundFailed, 99)),
        ("answer not_found", answer(ChargeStanding::NotFound)),
        ("answer pending", answer(ChargeStanding::Pending)),
        ("answer succeeded", found(eur(TOTAL))),
        ("answer succeeded, 49.99", found(eur("49.99"))),
        (
            "answer failed",
            answer(ChargeStanding::Failed {
                transaction_id: "ch_1".into(),
                failure_code: "expired_card".into(),
            }),
        ),
    ]
}
