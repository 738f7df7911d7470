//! A customer can cancel until the pivot is asked: what had been done is undone, and a later cancellation is refused.

use expect_test::expect;

use super::*;

#[test]
fn a_cancellation_before_the_pivot_unwinds_last_first() {
    check(
        &["start"],
        &["cancel", "stock.released", "order.cancelled"],
        expect![[r#"
        cancel → stock.release | unwinding, hold_stock, 30 s
        stock.released → order.mark_undone(cancelled_by_customer) | unwinding, close, 30 s
        order.cancelled → (done: ended undone) | undone
    "#]],
    );
    check(
        HELD,
        &["cancel", "payment.voided", "stock.released", "order.cancelled"],
        expect![[r#"
        cancel → payment.refund | unwinding, take_payment, 30 s
        payment.voided → stock.release | unwinding, hold_stock, 30 s
        stock.released → order.mark_undone(cancelled_by_customer) | unwinding, close, 30 s
        order.cancelled → (done: ended undone) | undone
    "#]],
    );
    check(
        CAPTURED,
        &["cancel", "payment.refunded", "stock.released", "order.cancelled"],
        expect![[r#"
        cancel → payment.refund | unwinding, take_payment, 30 s
        payment.refunded → stock.release | unwinding, hold_stock, 30 s
        stock.released → order.mark_undone(cancelled_by_customer) | unwinding, close, 30 s
        order.cancelled → (done: ended undone) | undone
    "#]],
    );
}

#[test]
fn a_cancellation_waits_for_the_pivot() {
    check(
        PAID,
        &["cancel", "cancel by admin", "stock.shipped", "order.fulfilled"],
        expect![[r#"
        cancel → (done: the answer to the last step that could not be taken back is awaited) | running, ship, 60 s
        cancel by admin → (ignored: the answer to the last step that could not be taken back is awaited) | running, ship, 60 s
        stock.shipped → order.mark_fulfilled + order.refuse_cancel | running, mark_fulfilled, 30 s
        order.fulfilled → (done: completed) | completed
    "#]],
    );
    check(
        DELIVERED,
        &["cancel"],
        expect![[r#"
        cancel → order.refuse_cancel | running, collect_cash, 2592000 s
    "#]],
    );
}

#[test]
fn who_wanted_to_cancel_hears_that_and_not_that_it_could_not_be_shipped_anyway() {
    check(
        PAID,
        &["cancel", "stock.ship_refused", "payment.refunded", "stock.released", "order.refunded"],
        expect![[r#"
            cancel → (done: the answer to the last step that could not be taken back is awaited) | running, ship, 60 s
            stock.ship_refused → payment.refund | unwinding, take_payment, 30 s
            payment.refunded → stock.release | unwinding, hold_stock, 30 s
            stock.released → order.mark_undone(cancelled_by_customer) | unwinding, close, 30 s
            order.refunded → (done: ended undone) | undone
        "#]],
    );
    check(
        &[],
        &[
            "start cod",
            "stock.reserved",
            "cancel by admin",
            "stock.ship_refused",
            "stock.released",
            "order.cancelled",
        ],
        expect![[r#"
            start cod → stock.reserve | running, hold_stock, 30 s
            stock.reserved → stock.ship | running, ship, 60 s
            cancel by admin → (done: the answer to the last step that could not be taken back is awaited) | running, ship, 60 s
            stock.ship_refused → stock.release | unwinding, hold_stock, 30 s
            stock.released → order.mark_undone(cancelled_by_admin) | unwinding, close, 30 s
            order.cancelled → (done: ended undone) | undone
        "#]],
    );
}

#[test]
fn a_cancellation_after_the_pivot_is_refused() {
    check(
        SHIPPED,
        &["cancel", "order.fulfilled", "cancel"],
        expect![[r#"
        cancel → order.refuse_cancel | running, mark_fulfilled, 30 s
        order.fulfilled → (done: completed) | completed
        cancel → order.refuse_cancel | completed
    "#]],
    );
}

#[test]
fn a_second_cancellation_changes_nothing() {
    check(
        HELD,
        &[
            "cancel",
            "cancel by admin",
            "payment.voided",
            "stock.released",
            "cancel",
            "order.cancelled",
            "cancel",
        ],
        expect![[r#"
            cancel → payment.refund | unwinding, take_payment, 30 s
            cancel by admin → (ignored: it is being undone already) | unwinding, take_payment, 30 s
            payment.voided → stock.release | unwinding, hold_stock, 30 s
            stock.released → order.mark_undone(cancelled_by_customer) | unwinding, close, 30 s
            cancel → (ignored: it is being undone already) | unwinding, close, 30 s
            order.cancelled → (done: ended undone) | undone
            cancel → (ignored: it is being undone already) | undone
        "#]],
    );
}

#[test]
fn a_cancellation_before_the_start_is_remembered() {
    check(
        &[],
        &["cancel", "cancel", "start", "order.cancelled", "start"],
        expect![[r#"
        cancel → (done: the cancellation is remembered until the saga starts) | awaited
        cancel → (ignored: a cancellation is remembered already) | awaited
        start → order.mark_undone(cancelled_by_customer) | unwinding, close, 30 s
        order.cancelled → (done: ended undone) | undone
        start → (ignored: the saga was started before) | undone
    "#]],
    );
}

#[test]
fn an_order_that_was_cancelled_before_it_was_one_has_nothing_asked_for_it() {
    check(
        &[],
        &["start cancelled", "order.cancelled", "start cancelled"],
        expect![[r#"
        start cancelled → order.mark_undone(cancelled_by_customer) | unwinding, close, 30 s
        order.cancelled → (done: ended undone) | undone
        start cancelled → (ignored: the saga was started before) | undone
    "#]],
    );
}

#[test]
fn a_refused_cancellation_is_answered_to_the_one_who_wanted_it() {
    for (cancel, by) in [("cancel", By::Customer), ("cancel by admin", By::Admin)] {
        let asked_too_late = SagaStore::after(SHIPPED).hear(cancel);
        let waited_in_vain = SagaStore::after(&[PAID, &[cancel]].concat()).hear("stock.shipped");
        for decision in [asked_too_late, waited_in_vain] {
            let refused = decision
                .send
                .iter()
                .find_map(|body| if let Body::RefuseCancel(refuse) = body { Some(refuse.by) } else { None });
            assert_eq!(refused, Some(by), "{cancel}: {decision:?}");
        }
    }
}

#[test]
fn it_is_known_whether_a_wish_to_cancel_would_be_granted() {
    for (story, granted) in [
        (HELD, true),
        (PAID, false),
        (SHIPPED, false),
        (&["start cod", "stock.reserved"][..], false),
        (DELIVERED, false),
        (&["start", "cancel"][..], false),
    ] {
        let mut store = SagaStore::after(story);
        assert_eq!(store.saga(0).unwrap().can_be_cancelled(), granted, "{story:?}");
        let turns_around = store.hear("cancel").save.iter().any(|record| match record {
            Record::Saga(saga) => saga.status == Status::Unwinding,
        });
        assert_eq!(turns_around, granted, "{story:?}");
    }
}
