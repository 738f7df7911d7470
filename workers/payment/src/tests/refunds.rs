//! Each refund, and each try of it, is distinguished from every other, and booked once.

use expect_test::expect;

use super::*;

#[test]
fn a_refund_key_changes_only_after_a_definite_refusal() {
    tells(
        &[
            charge(),
            succeeded(),
            refund_all(),
            refund_all(),
            refund_failed(1),
            refund_failed(1),
            refund_all(),
        ],
        expect![[r#"
            payment.charge → provider.charge(charge/O, 50.00 EUR) | asked, 0.00/0.00
            payment.webhook → payment.captured(ch_1, 50.00 EUR) | captured, 50.00/0.00
            payment.refund → provider.refund(refund/O/0/1, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
            payment.refund → provider.refund(refund/O/0/1, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
            payment.webhook → provider.refund(refund/O/0/2, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
            payment.webhook → nothing | captured, 50.00/0.00, refund asked
            payment.refund → provider.refund(refund/O/0/2, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
        "#]],
    );
}

#[test]
fn three_refusals_call_for_a_person() {
    let refused = [charge(), succeeded(), refund_all(), refund_failed(1), refund_failed(2), refund_failed(3)];
    tells(
        &[&refused[..], &[refund_all(), refund_succeeded(4)]].concat(),
        expect![[r#"
        payment.charge → provider.charge(charge/O, 50.00 EUR) | asked, 0.00/0.00
        payment.webhook → payment.captured(ch_1, 50.00 EUR) | captured, 50.00/0.00
        payment.refund → provider.refund(refund/O/0/1, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
        payment.webhook → provider.refund(refund/O/0/2, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
        payment.webhook → provider.refund(refund/O/0/3, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
        payment.webhook → payment.refund_failed(#0, account_closed) | captured, 50.00/0.00, refund failed
        payment.refund → provider.refund(refund/O/0/4, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
        payment.webhook → payment.refunded(#0, 50.00 EUR) | captured, 50.00/50.00, refund done
    "#]],
    );
    tells(
        &[&refused[..], &[by_hand(), by_hand(), refund_all()]].concat(),
        expect![[r#"
        payment.charge → provider.charge(charge/O, 50.00 EUR) | asked, 0.00/0.00
        payment.webhook → payment.captured(ch_1, 50.00 EUR) | captured, 50.00/0.00
        payment.refund → provider.refund(refund/O/0/1, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
        payment.webhook → provider.refund(refund/O/0/2, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
        payment.webhook → provider.refund(refund/O/0/3, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
        payment.webhook → payment.refund_failed(#0, account_closed) | captured, 50.00/0.00, refund failed
        payment.refunded_by_hand → payment.refunded(#0, 50.00 EUR) | captured, 50.00/50.00, refund done
        payment.refunded_by_hand → payment.refunded(#0, 50.00 EUR) | captured, 50.00/50.00, refund done
        payment.refund → payment.refunded(#0, 50.00 EUR) | captured, 50.00/50.00, refund done
    "#]],
    );
}

#[test]
fn money_that_went_back_twice_calls_for_a_person() {
    let refused = [charge(), succeeded(), refund_all(), refund_failed(1), refund_failed(2), refund_failed(3)];
    let by_hand = [&refused[..], &[by_hand()]].concat();
    let by_a_later_try = vec![charge(), succeeded(), refund_all(), refund_failed(1), refund_succeeded(2)];
    for (story, twice) in [(by_hand, refund_succeeded(3)), (by_a_later_try, refund_succeeded(1))] {
        let mut books = Books::after(&story);
        assert!(matches!(books.hear(twice).outcome, Outcome::Alarm(_)));
        assert_eq!(books.standing(), "captured, 50.00/50.00, refund done");
    }
}

#[test]
fn a_refund_is_booked_by_hand_only_once_the_provider_has_refused_it() {
    let mut books = Books::after(&[charge(), succeeded(), refund_all()]);
    assert!(matches!(books.hear(by_hand()).outcome, Outcome::Alarm(_)));
    assert_eq!(books.standing(), "captured, 50.00/0.00, refund asked");
}

#[test]
fn returns_never_give_back_more_than_was_paid() {
    tells(
        &[
            charge(),
            succeeded(),
            refund_share(1, eur("30.00")),
            refund_share(2, money("20", "JPY")),
            refund_share(2, eur("-1.00")),
            refund_share(2, eur("20.01")),
            refund_share(3, eur("0.01")),
        ],
        expect![[r#"
            payment.charge → provider.charge(charge/O, 50.00 EUR) | asked, 0.00/0.00
            payment.webhook → payment.captured(ch_1, 50.00 EUR) | captured, 50.00/0.00
            payment.refund → provider.refund(refund/O/1/1, 30.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
            payment.refund → payment.refund_failed(#2, refund_exceeds_capture) | captured, 50.00/0.00, refund asked
            payment.refund → payment.refund_failed(#2, refund_exceeds_capture) | captured, 50.00/0.00, refund asked
            payment.refund → provider.refund(refund/O/2/1, 20.00 EUR of ch_1) | captured, 50.00/0.00, refund asked, refund asked
            payment.refund → payment.refunded(#3, 0.00 EUR) | captured, 50.00/0.00, refund asked, refund asked, refund done
        "#]],
    );
}

#[test]
fn a_return_undoes_no_charge_that_is_under_way() {
    for story in [vec![], vec![charge()], vec![charge_on_delivery()], vec![charge(), check()]] {
        let mut books = Books::after(&story);
        let before = books.standing();
        let said = books.says(refund_share(1, eur("10.00")));
        assert_eq!(
            (said.as_str(), books.standing()),
            ("payment.refund_failed(#1, refund_exceeds_capture)", before)
        );
    }
}

#[test]
fn returns_of_the_same_amount_are_told_apart_by_their_keys() {
    let part = |kind, return_no| event(kind, "re_1", eur("25.00"), Some(&refund_key(return_no, 1)));
    tells(
        &[
            charge(),
            succeeded(),
            refund_share(1, eur("25.00")),
            refund_share(2, eur("25.00")),
            part(ProviderEventKind::RefundSucceeded, 2),
            part(ProviderEventKind::RefundFailed, 1),
        ],
        expect![[r#"
            payment.charge → provider.charge(charge/O, 50.00 EUR) | asked, 0.00/0.00
            payment.webhook → payment.captured(ch_1, 50.00 EUR) | captured, 50.00/0.00
            payment.refund → provider.refund(refund/O/1/1, 25.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
            payment.refund → provider.refund(refund/O/2/1, 25.00 EUR of ch_1) | captured, 50.00/0.00, refund asked, refund asked
            payment.webhook → payment.refunded(#2, 25.00 EUR) | captured, 50.00/25.00, refund asked, refund done
            payment.webhook → provider.refund(refund/O/1/2, 25.00 EUR of ch_1) | captured, 50.00/25.00, refund asked, refund done
        "#]],
    );
}

#[test]
fn a_second_capture_goes_back_and_the_first_stays() {
    let second = event(ProviderEventKind::PaymentSucceeded, "ch_2", eur(TOTAL), None);
    let back = |kind| event(kind, "re_2", eur(TOTAL), Some("stray/ch_2"));
    tells(
        &[
            charge(),
            succeeded(),
            second,
            back(ProviderEventKind::RefundSucceeded),
            back(ProviderEventKind::RefundFailed),
        ],
        expect![[r#"
            payment.charge → provider.charge(charge/O, 50.00 EUR) | asked, 0.00/0.00
            payment.webhook → payment.captured(ch_1, 50.00 EUR) | captured, 50.00/0.00
            payment.webhook → provider.refund(stray/ch_2, 50.00 EUR of ch_2) | captured, 50.00/0.00
            payment.webhook → nothing | captured, 50.00/0.00
            payment.webhook → nothing | captured, 50.00/0.00
        "#]],
    );
}

#[test]
fn a_second_capture_that_stays_out_calls_for_a_person() {
    let back = |kind| event(kind, "re_2", eur(TOTAL), Some("stray/ch_2"));
    let mut books = Books::after(&[charge(), succeeded()]);
    let went = books.hear(back(ProviderEventKind::RefundSucceeded));
    assert_eq!(outcome(&went.outcome), "done: what was captured a second time went back");
    let stayed = books.hear(back(ProviderEventKind::RefundFailed));
    assert!(matches!(stayed.outcome, Outcome::Alarm(_)));
}

#[test]
fn a_refund_that_is_told_of_by_its_charge_and_by_its_own_name_went_back_once() {
    use ProviderEventKind::RefundSucceeded;
    let by_charge = || event(RefundSucceeded, "ch_1", eur(TOTAL), None);
    let by_itself = || event(RefundSucceeded, "re_1", eur(TOTAL), None);
    for told in [[by_charge(), by_itself()], [by_itself(), by_charge()], [by_charge(), by_charge()]] {
        let mut books = Books::after(&[charge(), succeeded(), refund_all()]);
        assert_eq!(outcome(&books.hear(told[0].clone()).outcome), "done: the money went back");
        let again = books.hear(told[1].clone());
        assert!(matches!(again.outcome, Outcome::Ignored(_) | Outcome::Done(_)), "{:?}", again.outcome);
        assert_eq!(books.standing(), "captured, 50.00/50.00, refund done");
    }
}

#[test]
fn an_event_without_a_key_belongs_to_the_try_that_its_transaction_names() {
    let refund = |kind, transaction| event(kind, transaction, eur(TOTAL), None);
    use ProviderEventKind::{RefundFailed, RefundSucceeded};
    tells(
        &[
            charge(),
            succeeded(),
            refund_all(),
            refund(RefundFailed, "re_a"),
            // Reported again: the current try has not been refused.
            refund(RefundFailed, "re_a"),
            refund(RefundSucceeded, "re_b"),
            refund(RefundSucceeded, "re_b"),
            // The first try, refused, went through after all: the customer was refunded more than was paid.
            refund(RefundSucceeded, "re_a"),
            refund(RefundSucceeded, "re_c"),
        ],
        expect![[r#"
            payment.charge → provider.charge(charge/O, 50.00 EUR) | asked, 0.00/0.00
            payment.webhook → payment.captured(ch_1, 50.00 EUR) | captured, 50.00/0.00
            payment.refund → provider.refund(refund/O/0/1, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
            payment.webhook → provider.refund(refund/O/0/2, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
            payment.webhook → nothing | captured, 50.00/0.00, refund asked
            payment.webhook → payment.refunded(#0, 50.00 EUR) | captured, 50.00/50.00, refund done
            payment.webhook → nothing | captured, 50.00/50.00, refund done
            payment.webhook → nothing | captured, 50.00/50.00, refund done
            payment.webhook → nothing | captured, 50.00/50.00, refund done
        "#]],
    );
    // A provider that names the charge in all of them says nothing about the try: every refusal counts.
    tells(
        &[
            charge(),
            succeeded(),
            refund_all(),
            refund(RefundFailed, "ch_1"),
            refund(RefundFailed, "ch_1"),
            refund(RefundSucceeded, "ch_1"),
            refund(RefundSucceeded, "ch_1"),
        ],
        expect![[r#"
            payment.charge → provider.charge(charge/O, 50.00 EUR) | asked, 0.00/0.00
            payment.webhook → payment.captured(ch_1, 50.00 EUR) | captured, 50.00/0.00
            payment.refund → provider.refund(refund/O/0/1, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
            payment.webhook → provider.refund(refund/O/0/2, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
            payment.webhook → provider.refund(refund/O/0/3, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
            payment.webhook → payment.refunded(#0, 50.00 EUR) | captured, 50.00/50.00, refund done
            payment.webhook → nothing | captured, 50.00/50.00, refund done
        "#]],
    );
}
