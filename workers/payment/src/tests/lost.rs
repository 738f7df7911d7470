//! A failover may lose the record of a charge that is out: the provider is asked before anything is given up.

use contract::ChargeStanding;
use expect_test::expect;

use super::*;

#[test]
fn a_charge_whose_record_was_lost_is_found_when_patience_is_over_and_goes_back() {
    tells(
        &[check(), found(eur(TOTAL)), refund_succeeded(1), check()],
        expect![[r#"
        payment.check → provider.query(charge/O) | checking
        provider.answer → provider.refund(refund/O/0/1, 50.00 EUR of ch_1), payment.declined(payment_timeout) | captured, 50.00/0.00, refund asked
        payment.webhook → payment.refunded(#0, 50.00 EUR, late) | captured, 50.00/50.00, refund done
        payment.check → payment.declined(payment_timeout) | captured, 50.00/50.00, refund done
    "#]],
    );
    tells(
        &[refund_all(), found(eur(TOTAL)), refund_succeeded(1), refund_all()],
        expect![[r#"
        payment.refund → provider.query(charge/O) | undoing
        provider.answer → provider.refund(refund/O/0/1, 50.00 EUR of ch_1) | captured, 50.00/0.00, refund asked
        payment.webhook → payment.refunded(#0, 50.00 EUR) | captured, 50.00/50.00, refund done
        payment.refund → payment.refunded(#0, 50.00 EUR) | captured, 50.00/50.00, refund done
    "#]],
    );
}

/// However it is told, and whatever the saga asks meanwhile.
#[test]
fn a_charge_whose_record_was_lost_goes_back_once_and_nothing_is_charged() {
    for over in [check(), refund_all()] {
        for told in [found(eur(TOTAL)), succeeded()] {
            for again in [charge(), charge_later(), check(), refund_all(), confirm(Some("tok_ok")), failed()]
            {
                let mut books = Books::default();
                let story =
                    [over.clone(), again.clone(), told.clone(), again, found(eur(TOTAL)), succeeded()];
                let mut back = Vec::new();
                for said in story.into_iter().flat_map(|body| books.hear(body).send) {
                    assert!(!matches!(said, Body::ProviderCharge(_) | Body::PaymentCaptured(_)), "{said:?}");
                    back.extend(if let Body::ProviderRefund(refund) = said {
                        Some(refund.key)
                    } else {
                        None
                    });
                }
                back.dedup();
                assert_eq!(back, [refund_key(0, 1)], "once");
                books.hear(refund_succeeded(1));
                assert_eq!(books.standing(), "captured, 50.00/50.00, refund done");
            }
        }
    }
}

#[test]
fn a_query_about_a_lost_charge_that_is_lost_as_well_is_made_again() {
    for over in [check(), refund_all()] {
        let mut books = Books::default();
        let first = books.hear_at(over, Time::default());
        let [Deadline::Set { due, body, .. }] = &first.deadlines[..] else { panic!("{first:?}") };
        assert_eq!(said(&[(**body).clone()]), "provider.query(charge/O)");
        assert_eq!(*due, Time::default().plus_s(600));
        let found = books.hear_at(found(eur(TOTAL)), *due);
        assert!(matches!(found.deadlines[..], [Deadline::Clear { .. }]), "{found:?}");
    }
}

#[test]
fn what_the_provider_does_not_know_or_has_refused_is_given_up() {
    let refused = ChargeStanding::Failed { transaction_id: "ch_1".into(), failure_code: "lost_card".into() };
    let ends = [(ChargeStanding::NotFound, true), (ChargeStanding::Pending, true), (refused, false)];
    for (over, told) in [(check(), "payment.declined(payment_timeout)"), (refund_all(), "payment.voided()")] {
        for (standing, looks_again) in &ends {
            let mut books = Books::after(std::slice::from_ref(&over));
            let decision = books.hear(answer(standing.clone()));
            assert_eq!((said(&decision.send).as_str(), books.standing().as_str()), (told, "given_up"));
            let [deadline] = &decision.deadlines[..] else { panic!("{decision:?}") };
            assert_eq!(matches!(deadline, Deadline::Set { .. }), *looks_again, "{standing:?}");
        }
    }
}
