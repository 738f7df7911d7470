//! Operators fire, move and cancel deadlines, and no saga is ever without one unseen.

use expect_test::expect;

use super::*;

#[test]
fn a_deadline_that_is_fired_does_what_it_would_have_done_in_its_time() {
    check(
        HELD,
        &["fire", "payment.captured"],
        expect![[r#"
        fire → payment.check | running, take_payment, 30 s
        payment.captured → order.mark_paid(ch_1) | running, mark_paid, 30 s
    "#]],
    );
    check(
        CAPTURED,
        &["cancel", "fire"],
        expect![[r#"
        cancel → payment.refund | unwinding, take_payment, 30 s
        fire → payment.refund | unwinding, take_payment, 30 s
    "#]],
    );
}

#[test]
fn a_deadline_that_is_moved_is_about_the_same_asking() {
    check(
        HELD,
        &["move", "move back", "overdue"],
        expect![[r#"
            move → payment.charge | running, take_payment, 4997 s
            move back → (ignored: a deadline is moved to a time to come, and no further than a year ahead) | running, take_payment, 4997 s
            overdue → payment.check | running, take_payment, 30 s
        "#]],
    );
    check(
        HELD,
        &["move", "payment.captured"],
        expect![[r#"
            move → payment.charge | running, take_payment, 4997 s
            payment.captured → order.mark_paid(ch_1) | running, mark_paid, 30 s
        "#]],
    );
}

#[test]
fn a_deadline_is_moved_a_year_ahead_at_most() {
    check(
        HELD,
        &["move to now", "move by more", "move by a year"],
        expect![[r#"
            move to now → (ignored: a deadline is moved to a time to come, and no further than a year ahead) | running, take_payment, 300 s
            move by more → (ignored: a deadline is moved to a time to come, and no further than a year ahead) | running, take_payment, 300 s
            move by a year → payment.charge | running, take_payment, 31622400 s
        "#]],
    );
}

#[test]
fn a_saga_whose_deadline_is_cancelled_stands_where_a_person_sees_it_and_goes_on_when_it_is_answered() {
    check(
        HELD,
        &["wait", "overdue", "payment.captured"],
        expect![[r#"
        wait → saga.needs_attention(its deadline was cancelled: the answer is awaited, however long it takes: retry / resolve give_up) | needs_attention, take_payment
        overdue → (ignored: it was answered in time) | needs_attention, take_payment
        payment.captured → order.mark_paid(ch_1) | running, mark_paid, 30 s
    "#]],
    );
    check(
        HELD,
        &["wait", "retry"],
        expect![[r#"
        wait → saga.needs_attention(its deadline was cancelled: the answer is awaited, however long it takes: retry / resolve give_up) | needs_attention, take_payment
        retry → payment.charge | running, take_payment, 300 s
    "#]],
    );
    check(
        CAPTURED,
        &["cancel", "wait", "payment.refunded"],
        expect![[r#"
        cancel → payment.refund | unwinding, take_payment, 30 s
        wait → saga.needs_attention(its deadline was cancelled: the answer is awaited, however long it takes: retry / resolve done) | needs_attention, take_payment
        payment.refunded → stock.release | unwinding, hold_stock, 30 s
    "#]],
    );
}

#[test]
fn where_no_deadline_stands_an_operator_is_told_so() {
    let stuck = [&["start"], &["overdue"; 6][..]].concat();
    check(
        &stuck,
        &["fire", "move", "wait"],
        expect![[r#"
        fire → (ignored: no deadline stands: it waits for an operator already) | needs_attention, hold_stock
        move → (ignored: no deadline stands: it waits for an operator already) | needs_attention, hold_stock
        wait → (ignored: no deadline stands: it waits for an operator already) | needs_attention, hold_stock
    "#]],
    );
    check(
        GIVEN_UP,
        &["fire", "move", "wait"],
        expect![[r#"
        fire → (ignored: the saga has ended) | undone
        move → (ignored: the saga has ended) | undone
        wait → (ignored: the saga has ended) | undone
    "#]],
    );
    check(
        &[],
        &["fire", "move", "wait"],
        expect![[r#"
        fire → (PARKED saga_unknown: no such saga; `checkout saga list` shows those that wait) | absent
        move → (PARKED saga_unknown: no such saga; `checkout saga list` shows those that wait) | absent
        wait → (PARKED saga_unknown: no such saga; `checkout saga list` shows those that wait) | absent
    "#]],
    );
    check(
        &[],
        &["cancel", "fire", "move", "wait"],
        expect![[r#"
        cancel → (done: the cancellation is remembered until the saga starts) | awaited
        fire → (ignored: the saga has not started, and waits for no operator) | awaited
        move → (ignored: the saga has not started, and waits for no operator) | awaited
        wait → (ignored: the saga has not started, and waits for no operator) | awaited
    "#]],
    );
}

#[test]
fn who_changed_a_deadline_and_why_stays_with_the_saga() {
    let saga = SagaStore::after(&[HELD, &["move", "fire", "wait", "retry"]].concat()).saga(0).unwrap();
    let told: Vec<_> =
        saga.interventions.iter().map(|one| (one.what.as_str(), one.evidence.as_deref())).collect();
    let why = Some("the warehouse is moving");
    let moved = "moved its deadline to 2023-11-14T23:36:40.000Z";
    assert_eq!(
        told,
        [(moved, why), ("let its deadline come", why), ("cancelled its deadline", why), ("retry", None)]
    );
    assert!(saga.interventions.iter().all(|one| one.by == "anna"));
}

#[test]
fn a_charge_says_how_long_its_order_waits_for_it_where_the_saga_gives_up_then() {
    // Only a person gives up an order that is paid on delivery.
    for (story, patience_s) in
        [(HELD, Some(300)), (&["start later", "stock.reserved"], Some(300)), (DELIVERED, None)]
    {
        let (last, before) = story.split_last().unwrap();
        let decision = SagaStore::after(before).hear(last);
        let [Body::PaymentCharge(ask)] = &decision.send[..] else { panic!("{decision:?}") };
        assert_eq!(ask.patience_s, patience_s, "{story:?}");
    }
}

#[test]
fn a_charge_is_asked_for_again_when_its_deadline_is_moved() {
    for (story, anew) in [(HELD, true), (&["start later", "stock.reserved"], true), (DELIVERED, false)] {
        let decision = SagaStore::after(story).hear("move");
        let asked = |body: &Body| {
            let Body::PaymentCharge(ask) = body else { panic!("{body:?}") };
            ask.patience_s
        };
        let asked: Vec<_> = decision.send.iter().map(asked).collect();
        assert_eq!(asked, if anew { vec![Some(4_997)] } else { vec![] }, "{story:?}");
    }
}
