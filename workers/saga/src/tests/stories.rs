//! What becomes of an order, one story each: what comes in, what the saga answers, and its state.

use expect_test::expect;

use super::*;

#[test]
fn a_card_order_is_held_paid_shipped_and_fulfilled() {
    check(
        &[],
        &["start", "stock.reserved", "payment.captured", "order.paid", "stock.shipped", "order.fulfilled"],
        expect![[r#"
            start → stock.reserve | running, hold_stock, 30 s
            stock.reserved → payment.charge | running, take_payment, 300 s
            payment.captured → order.mark_paid(ch_1) | running, mark_paid, 30 s
            order.paid → stock.ship | running, ship, 60 s
            stock.shipped → order.mark_fulfilled | running, mark_fulfilled, 30 s
            order.fulfilled → (done: completed) | completed
        "#]],
    );
}

#[test]
fn an_unpaid_order_is_given_up_and_its_goods_are_free_again() {
    check(
        &[],
        &[
            "start later",
            "stock.reserved",
            "overdue",
            "payment.declined (timeout)",
            "stock.released",
            "order.cancelled",
        ],
        expect![[r#"
            start later → stock.reserve | running, hold_stock, 30 s
            stock.reserved → payment.charge | running, await_payment, 300 s
            overdue → payment.check | running, await_payment, 30 s
            payment.declined (timeout) → stock.release | unwinding, hold_stock, 30 s
            stock.released → order.mark_undone(payment_timeout) | unwinding, close, 30 s
            order.cancelled → (done: ended undone) | undone
        "#]],
    );
}

#[test]
fn an_order_on_delivery_ships_before_the_money_comes() {
    check(
        &[],
        &[
            "start cod",
            "stock.reserved",
            "stock.shipped",
            "order.accepted",
            "payment.captured",
            "order.paid",
            "order.fulfilled",
        ],
        expect![[r#"
            start cod → stock.reserve | running, hold_stock, 30 s
            stock.reserved → stock.ship | running, ship, 60 s
            stock.shipped → order.mark_accepted | running, mark_accepted, 30 s
            order.accepted → payment.charge | running, collect_cash, 2592000 s
            payment.captured → order.mark_paid(ch_1) | running, mark_paid, 30 s
            order.paid → order.mark_fulfilled | running, mark_fulfilled, 30 s
            order.fulfilled → (done: completed) | completed
        "#]],
    );
}

#[test]
fn short_stock_cancels_the_order_and_names_every_short_line() {
    check(
        &[],
        &["start", "stock.refused", "order.cancelled"],
        expect![[r#"
        start → stock.reserve | running, hold_stock, 30 s
        stock.refused → order.mark_undone(insufficient_stock: CUP, TEA) | unwinding, close, 30 s
        order.cancelled → (done: ended undone) | undone
    "#]],
    );
}

#[test]
fn goods_come_back_when_the_card_is_declined() {
    check(
        HELD,
        &["payment.declined", "stock.released", "order.cancelled"],
        expect![[r#"
            payment.declined → stock.release | unwinding, hold_stock, 30 s
            stock.released → order.mark_undone(payment_declined: insufficient_funds) | unwinding, close, 30 s
            order.cancelled → (done: ended undone) | undone
        "#]],
    );
}

#[test]
fn an_unanswered_payment_is_asked_about_before_it_is_given_up() {
    check(
        HELD,
        &["overdue", "overdue", "payment.declined (timeout)", "stock.released", "order.cancelled"],
        expect![[r#"
            overdue → payment.check | running, take_payment, 30 s
            overdue → payment.check | running, take_payment, 30 s
            payment.declined (timeout) → stock.release | unwinding, hold_stock, 30 s
            stock.released → order.mark_undone(payment_timeout) | unwinding, close, 30 s
            order.cancelled → (done: ended undone) | undone
        "#]],
    );
    check(
        HELD,
        &["overdue", "payment.captured"],
        expect![[r#"
        overdue → payment.check | running, take_payment, 30 s
        payment.captured → order.mark_paid(ch_1) | running, mark_paid, 30 s
    "#]],
    );
}

#[test]
fn a_refused_shipment_gives_money_and_goods_back() {
    check(
        PAID,
        &["stock.ship_refused", "payment.refunded", "stock.released", "order.refunded"],
        expect![[r#"
            stock.ship_refused → payment.refund | unwinding, take_payment, 30 s
            payment.refunded → stock.release | unwinding, hold_stock, 30 s
            stock.released → order.mark_undone(stock_unavailable: CUP, TEA) | unwinding, close, 30 s
            order.refunded → (done: ended undone) | undone
        "#]],
    );
}

#[test]
fn an_answer_that_comes_after_its_undo_was_asked_changes_nothing() {
    check(
        &["start"],
        &["cancel", "stock.reserved", "stock.released"],
        expect![[r#"
        cancel → stock.release | unwinding, hold_stock, 30 s
        stock.reserved → (ignored: it comes after its undo was asked for) | unwinding, hold_stock, 30 s
        stock.released → order.mark_undone(cancelled_by_customer) | unwinding, close, 30 s
    "#]],
    );
    check(
        HELD,
        &["cancel", "payment.captured", "payment.declined", "payment.refunded"],
        expect![[r#"
        cancel → payment.refund | unwinding, take_payment, 30 s
        payment.captured → (ignored: it comes after its undo was asked for) | unwinding, take_payment, 30 s
        payment.declined → (ignored: it comes after its undo was asked for) | unwinding, take_payment, 30 s
        payment.refunded → stock.release | unwinding, hold_stock, 30 s
    "#]],
    );
}

#[test]
fn a_saga_that_completes_has_no_reason_to_be_undone() {
    let mut store = SagaStore::after(DELIVERED);
    store.tells(&["payment.declined", "retry", "payment.captured", "order.paid", "order.fulfilled"]);
    assert_eq!(store.saga(0).unwrap().reason, None);
    let store = SagaStore::after(&[PAID, &["cancel", "stock.shipped", "order.fulfilled"]].concat());
    assert_eq!(store.saga(0).unwrap().reason, None);
}

#[test]
fn a_return_pays_back_takes_back_and_is_marked() {
    let all = ["#1 return", "#1 payment.refunded", "#1 stock.restocked", "#1 order.refunded"];
    check(
        &[],
        &all,
        expect![[r#"
        #1 return → payment.refund | running, refund, 30 s
        #1 payment.refunded → stock.restock | running, take_back, 30 s
        #1 stock.restocked → order.mark_returned | running, mark_returned, 30 s
        #1 order.refunded → (done: completed) | completed
    "#]],
    );
    check(
        &all[..3],
        &["#1 order.returned", "#1 return", "#1 payment.refund_failed", "#1 retry"],
        expect![[r#"
        #1 order.returned → (done: completed) | completed
        #1 return → (ignored: the return was started before) | completed
        #1 payment.refund_failed → (ignored: the saga has ended) | completed
        #1 retry → (ignored: the saga is not waiting for an operator) | completed
    "#]],
    );
}

#[test]
fn a_return_leaves_its_orders_saga_alone() {
    let mut store = SagaStore::after(&[SHIPPED, &["order.fulfilled"]].concat());
    let before = store.sagas.clone();
    store.tells(&["#1 return", "#1 payment.refunded", "#1 stock.restocked", "#1 order.refunded"]);
    assert_eq!(store.sagas.get(ORDER), before.get(ORDER));
}

#[test]
fn a_stale_deadline_is_ignored() {
    check(
        HELD,
        &["stale overdue", "overdue", "stale overdue"],
        expect![[r#"
        stale overdue → (ignored: it was answered in time) | running, take_payment, 300 s
        overdue → payment.check | running, take_payment, 30 s
        stale overdue → (ignored: it was answered in time) | running, take_payment, 30 s
    "#]],
    );
    check(
        &[],
        &["overdue"],
        expect![[r#"
        overdue → (ignored: no saga stands under this deadline) | absent
    "#]],
    );
}

#[test]
fn what_is_heard_twice_is_done_once() {
    let story =
        ["start", "stock.reserved", "payment.captured", "order.paid", "stock.shipped", "order.fulfilled"];
    let twice: Vec<_> = story.iter().flat_map(|message| [*message, *message]).collect();
    check(
        &[],
        &twice,
        expect![[r#"
        start → stock.reserve | running, hold_stock, 30 s
        start → (ignored: the saga was started before) | running, hold_stock, 30 s
        stock.reserved → payment.charge | running, take_payment, 300 s
        stock.reserved → (ignored: answered before) | running, take_payment, 300 s
        payment.captured → order.mark_paid(ch_1) | running, mark_paid, 30 s
        payment.captured → (ignored: answered before) | running, mark_paid, 30 s
        order.paid → stock.ship | running, ship, 60 s
        order.paid → (ignored: answered before) | running, ship, 60 s
        stock.shipped → order.mark_fulfilled | running, mark_fulfilled, 30 s
        stock.shipped → (ignored: answered before) | running, mark_fulfilled, 30 s
        order.fulfilled → (done: completed) | completed
        order.fulfilled → (ignored: the saga has ended) | completed
    "#]],
    );
    let back = ["payment.declined", "stock.released", "order.cancelled"];
    let twice: Vec<_> = back.iter().flat_map(|message| [*message, *message]).collect();
    check(
        HELD,
        &twice,
        expect![[r#"
            payment.declined → stock.release | unwinding, hold_stock, 30 s
            payment.declined → (ignored: it comes after its undo was asked for) | unwinding, hold_stock, 30 s
            stock.released → order.mark_undone(payment_declined: insufficient_funds) | unwinding, close, 30 s
            stock.released → (ignored: everything is undone) | unwinding, close, 30 s
            order.cancelled → (done: ended undone) | undone
            order.cancelled → (ignored: the saga has ended) | undone
        "#]],
    );
}

#[test]
fn an_answer_for_no_saga_is_parked() {
    check(
        &[],
        &["stock.reserved", "payment.refund_failed (late)", "retry", "give up"],
        expect![[r#"
        stock.reserved → (PARKED saga_unknown: no saga has asked for this; replay it once the order exists) | absent
        payment.refund_failed (late) → (PARKED saga_unknown: no saga has asked for this; replay it once the order exists) | absent
        retry → (PARKED saga_unknown: no such saga; `checkout saga list` shows those that wait) | absent
        give up → (PARKED saga_unknown: no such saga; `checkout saga list` shows those that wait) | absent
    "#]],
    );
    check(
        &["start"],
        &["#1 payment.refunded"],
        expect![[r#"
        #1 payment.refunded → (PARKED saga_unknown: no saga has asked for this; replay it once the order exists) | absent
    "#]],
    );
}

/// Money that was refunded at the provider's side is not the refund that the saga waits for.
#[test]
fn a_refund_that_no_step_asked_for_answers_none() {
    let outside = "payment.refunded (outside)";
    check(
        CAPTURED,
        &[outside, "cancel", outside, "payment.refunded"],
        expect![[r#"
            payment.refunded (outside) → (ignored: no step has asked for it) | running, mark_paid, 30 s
            cancel → payment.refund | unwinding, take_payment, 30 s
            payment.refunded (outside) → (ignored: no step has asked for it) | unwinding, take_payment, 30 s
            payment.refunded → stock.release | unwinding, hold_stock, 30 s
        "#]],
    );
}

#[test]
fn a_decline_that_may_be_retried_leaves_the_order_waiting() {
    check(
        &["start later", "stock.reserved"],
        &["payment.declined (may be retried)", "payment.captured"],
        expect![[r#"
            payment.declined (may be retried) → (ignored: no step has asked for it) | running, await_payment, 300 s
            payment.captured → order.mark_paid(ch_1) | running, mark_paid, 30 s
        "#]],
    );
}

#[test]
fn the_order_hears_of_a_return_that_gave_back_less_than_its_share() {
    check(
        &[],
        &["#1 return", "#1 payment.refunded (less)", "#1 stock.restocked", "#1 order.returned"],
        expect![[r#"
            #1 return → payment.refund | running, refund, 30 s
            #1 payment.refunded (less) → stock.restock | running, take_back, 30 s
            #1 stock.restocked → order.mark_returned(0.00 EUR) | running, mark_returned, 30 s
            #1 order.returned → (done: completed) | completed
        "#]],
    );
}
