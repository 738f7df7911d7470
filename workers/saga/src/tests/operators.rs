//! When no answer comes or a refund is refused: who is called, what the operator can do, and how it ends.

use expect_test::expect;

use super::*;

#[test]
fn an_unanswered_step_is_asked_again_and_then_an_operator_is_called() {
    let overdue = ["overdue"; 7];
    check(
        &["start"],
        &overdue,
        expect![[r#"
        overdue → stock.reserve | running, hold_stock, 30 s
        overdue → stock.reserve | running, hold_stock, 30 s
        overdue → stock.reserve | running, hold_stock, 30 s
        overdue → stock.reserve | running, hold_stock, 30 s
        overdue → stock.reserve | running, hold_stock, 30 s
        overdue → saga.needs_attention(asked again and again, and no answer came: retry / resolve give_up) | needs_attention, hold_stock
        overdue → (ignored: it was answered in time) | needs_attention, hold_stock
    "#]],
    );
    check(
        &[&["start"], &overdue[..]].concat(),
        &["retry", "stock.reserved"],
        expect![[r#"
        retry → stock.reserve | running, hold_stock, 30 s
        stock.reserved → payment.charge | running, take_payment, 300 s
    "#]],
    );
    check(
        &[&["start"], &overdue[..]].concat(),
        &["stock.reserved"],
        expect![[r#"
        stock.reserved → payment.charge | running, take_payment, 300 s
    "#]],
    );
    check(
        &[&["start"], &overdue[..]].concat(),
        &["cancel"],
        expect![[r#"
        cancel → stock.release | unwinding, hold_stock, 30 s
    "#]],
    );
}

#[test]
fn an_unanswered_pivot_is_only_asked_again() {
    let stuck = [PAID, &["overdue"; 6]].concat();
    check(
        PAID,
        &["overdue"; 6],
        expect![[r#"
        overdue → stock.ship | running, ship, 60 s
        overdue → stock.ship | running, ship, 60 s
        overdue → stock.ship | running, ship, 60 s
        overdue → stock.ship | running, ship, 60 s
        overdue → stock.ship | running, ship, 60 s
        overdue → saga.needs_attention(asked again and again, and no answer came: retry) | needs_attention, ship
    "#]],
    );
    check(
        &stuck,
        &["give up", "resolve done", "cancel", "retry", "stock.shipped"],
        expect![[r#"
            give up → (ignored: a step that may have happened cannot be undone; retry it) | needs_attention, ship
            resolve done → (ignored: only a refund can be made by hand) | needs_attention, ship
            cancel → (done: the answer to the last step that could not be taken back is awaited) | needs_attention, ship
            retry → stock.ship | running, ship, 60 s
            stock.shipped → order.mark_fulfilled + order.refuse_cancel | running, mark_fulfilled, 30 s
        "#]],
    );
}

#[test]
fn an_undo_that_does_not_answer_is_asked_again_and_then_an_operator_is_called() {
    check(
        HELD,
        &[&["payment.declined"], &["overdue"; 6][..], &["retry", "stock.released"]].concat(),
        expect![[r#"
            payment.declined → stock.release | unwinding, hold_stock, 30 s
            overdue → stock.release | unwinding, hold_stock, 30 s
            overdue → stock.release | unwinding, hold_stock, 30 s
            overdue → stock.release | unwinding, hold_stock, 30 s
            overdue → stock.release | unwinding, hold_stock, 30 s
            overdue → stock.release | unwinding, hold_stock, 30 s
            overdue → saga.needs_attention(its undo was asked for again and again, and no answer came: retry) | needs_attention, hold_stock
            retry → stock.release | unwinding, hold_stock, 30 s
            stock.released → order.mark_undone(payment_declined: insufficient_funds) | unwinding, close, 30 s
        "#]],
    );
    check(
        &["start", "cancel", "stock.released"],
        &[&["overdue"; 6][..], &["retry", "order.cancelled"]].concat(),
        expect![[r#"
        overdue → order.mark_undone(cancelled_by_customer) | unwinding, close, 30 s
        overdue → order.mark_undone(cancelled_by_customer) | unwinding, close, 30 s
        overdue → order.mark_undone(cancelled_by_customer) | unwinding, close, 30 s
        overdue → order.mark_undone(cancelled_by_customer) | unwinding, close, 30 s
        overdue → order.mark_undone(cancelled_by_customer) | unwinding, close, 30 s
        overdue → saga.needs_attention(the order was told again and again, and did not answer: retry) | needs_attention, close
        retry → order.mark_undone(cancelled_by_customer) | unwinding, close, 30 s
        order.cancelled → (done: ended undone) | undone
    "#]],
    );
}

#[test]
fn a_refund_that_fails_waits_for_an_operator() {
    let failed = [CAPTURED, &["cancel", "payment.refund_failed"]].concat();
    check(
        CAPTURED,
        &["cancel", "payment.refund_failed", "overdue", "give up"],
        expect![[r#"
        cancel → payment.refund | unwinding, take_payment, 30 s
        payment.refund_failed → saga.needs_attention(its undo failed for good: retry / resolve done) | needs_attention, take_payment
        overdue → (ignored: it was answered in time) | needs_attention, take_payment
        give up → (ignored: it is being undone already; retry, or make the refund by hand) | needs_attention, take_payment
    "#]],
    );
    check(
        &failed,
        &["retry", "payment.refunded", "stock.released", "order.cancelled"],
        expect![[r#"
        retry → payment.refund | unwinding, take_payment, 30 s
        payment.refunded → stock.release | unwinding, hold_stock, 30 s
        stock.released → order.mark_undone(cancelled_by_customer) | unwinding, close, 30 s
        order.cancelled → (done: ended undone) | undone
    "#]],
    );
    check(
        &failed,
        &["retry", "payment.refund_failed"],
        expect![[r#"
        retry → payment.refund | unwinding, take_payment, 30 s
        payment.refund_failed → saga.needs_attention(its undo failed for good: retry / resolve done) | needs_attention, take_payment
    "#]],
    );
    check(
        &failed,
        &["resolve done", "payment.refunded", "stock.released", "order.cancelled"],
        expect![[r#"
        resolve done → payment.refunded_by_hand | unwinding, take_payment, 30 s
        payment.refunded → stock.release | unwinding, hold_stock, 30 s
        stock.released → order.mark_undone(cancelled_by_customer) | unwinding, close, 30 s
        order.cancelled → (done: ended undone) | undone
    "#]],
    );
}

#[test]
fn what_an_operator_does_is_kept_with_its_evidence() {
    let store = SagaStore::after(&[CAPTURED, &["cancel", "payment.refund_failed", "resolve done"]].concat());
    let kept: Vec<_> = store.saga(0).unwrap().interventions;
    let kept: Vec<_> = kept.iter().map(|i| (i.by.as_str(), i.what.as_str(), i.evidence.as_deref())).collect();
    assert_eq!(kept, [("anna", "refunded by hand", Some("wire 17"))]);
}

#[test]
fn only_a_refund_is_made_by_hand() {
    let unanswered = [HELD, &["overdue"; 6]].concat();
    check(
        &unanswered,
        &["resolve done"],
        expect![[r#"
            resolve done → (ignored: only a refund can be made by hand) | needs_attention, take_payment
        "#]],
    );
    check(
        DELIVERED,
        &["overdue", "resolve done"],
        expect![[r#"
            overdue → saga.needs_attention(no answer came in time: retry / resolve give_up) | needs_attention, collect_cash
            resolve done → (ignored: only a refund can be made by hand) | needs_attention, collect_cash
        "#]],
    );
}

#[test]
fn unpaid_goods_are_brought_back() {
    check(
        DELIVERED,
        &["overdue", "give up", "payment.voided", "stock.restocked", "stock.released", "order.cancelled"],
        expect![[r#"
            overdue → saga.needs_attention(no answer came in time: retry / resolve give_up) | needs_attention, collect_cash
            give up → payment.refund | unwinding, collect_cash, 30 s
            payment.voided → stock.restock | unwinding, ship, 30 s
            stock.restocked → stock.release | unwinding, hold_stock, 30 s
            stock.released → order.mark_undone(cancelled_by_admin) | unwinding, close, 30 s
            order.cancelled → (done: ended undone) | undone
        "#]],
    );
}

#[test]
fn cash_that_comes_while_an_operator_is_called_is_welcome() {
    check(
        DELIVERED,
        &["overdue", "payment.captured", "order.paid", "order.fulfilled"],
        expect![[r#"
        overdue → saga.needs_attention(no answer came in time: retry / resolve give_up) | needs_attention, collect_cash
        payment.captured → order.mark_paid(ch_1) | running, mark_paid, 30 s
        order.paid → order.mark_fulfilled | running, mark_fulfilled, 30 s
        order.fulfilled → (done: completed) | completed
    "#]],
    );
    check(
        DELIVERED,
        &["payment.declined", "retry", "payment.captured", "order.paid", "order.fulfilled"],
        expect![[r#"
            payment.declined → saga.needs_attention(it was refused; only a person can tell what to do: retry / resolve give_up) | needs_attention, collect_cash
            retry → payment.charge | running, collect_cash, 2592000 s
            payment.captured → order.mark_paid(ch_1) | running, mark_paid, 30 s
            order.paid → order.mark_fulfilled | running, mark_fulfilled, 30 s
            order.fulfilled → (done: completed) | completed
        "#]],
    );
}

#[test]
fn a_late_refund_that_fails_opens_the_saga_again() {
    check(
        GIVEN_UP,
        &["payment.refund_failed (late)", "retry", "payment.refunded (late)", "order.cancelled"],
        expect![[r#"
            payment.refund_failed (late) → saga.needs_attention(what came late could not be given back: retry / resolve done) | needs_attention, take_payment
            retry → payment.refund | unwinding, take_payment, 30 s
            payment.refunded (late) → order.mark_undone(payment_timeout) | unwinding, close, 30 s
            order.cancelled → (done: ended undone) | undone
        "#]],
    );
    check(
        GIVEN_UP,
        &["payment.refund_failed (late)", "resolve done", "payment.refunded (late)", "order.cancelled"],
        expect![[r#"
            payment.refund_failed (late) → saga.needs_attention(what came late could not be given back: retry / resolve done) | needs_attention, take_payment
            resolve done → payment.refunded_by_hand | unwinding, take_payment, 30 s
            payment.refunded (late) → order.mark_undone(payment_timeout) | unwinding, close, 30 s
            order.cancelled → (done: ended undone) | undone
        "#]],
    );
    check(
        GIVEN_UP,
        &["payment.refunded (late)"],
        expect![[r#"
        payment.refunded (late) → (ignored: the saga has ended) | undone
    "#]],
    );
}

#[test]
fn a_late_refund_that_fails_is_not_lost_while_the_rest_is_undone() {
    check(
        HELD,
        &[
            "overdue",
            "payment.declined (timeout)",
            "payment.refund_failed (late)",
            "stock.released",
            "retry",
            "payment.refunded (late)",
            "stock.released",
            "order.cancelled",
        ],
        expect![[r#"
            overdue → payment.check | running, take_payment, 30 s
            payment.declined (timeout) → stock.release | unwinding, hold_stock, 30 s
            payment.refund_failed (late) → saga.needs_attention(what came late could not be given back: retry / resolve done) | needs_attention, take_payment
            stock.released → (ignored: undone before) | needs_attention, take_payment
            retry → payment.refund | unwinding, take_payment, 30 s
            payment.refunded (late) → stock.release | unwinding, hold_stock, 30 s
            stock.released → order.mark_undone(payment_timeout) | unwinding, close, 30 s
            order.cancelled → (done: ended undone) | undone
        "#]],
    );
    check(
        HELD,
        &["payment.refund_failed (late)", "payment.declined (timeout)", "retry"],
        expect![[r#"
        payment.refund_failed (late) → saga.needs_attention(what came late could not be given back: retry / resolve done) | needs_attention, take_payment
        payment.declined (timeout) → (ignored: it comes after its undo was asked for) | needs_attention, take_payment
        retry → payment.refund | unwinding, take_payment, 30 s
    "#]],
    );
}

#[test]
fn a_completed_saga_is_never_undone() {
    let done = [SHIPPED, &["order.fulfilled"]].concat();
    check(
        &done,
        &["payment.refund_failed (late)", "retry", "give up", "resolve done", "overdue"],
        expect![[r#"
        payment.refund_failed (late) → (ignored: the saga has ended) | completed
        retry → (ignored: the saga is not waiting for an operator) | completed
        give up → (ignored: the saga is not waiting for an operator) | completed
        resolve done → (ignored: the saga is not waiting for an operator) | completed
        overdue → (ignored: it was answered in time) | completed
    "#]],
    );
}

#[test]
fn a_return_whose_refund_fails_waits_for_an_operator() {
    let failed = ["#1 return", "#1 payment.refund_failed"];
    check(
        &[],
        &[&failed[..], &["#1 give up", "#1 resolve done", "#1 payment.refunded"]].concat(),
        expect![[r#"
        #1 return → payment.refund | running, refund, 30 s
        #1 payment.refund_failed → saga.needs_attention(it failed for good: retry / resolve done) | needs_attention, refund
        #1 give up → (ignored: a step that may have happened cannot be undone; retry it) | needs_attention, refund
        #1 resolve done → payment.refunded_by_hand | running, refund, 30 s
        #1 payment.refunded → stock.restock | running, take_back, 30 s
    "#]],
    );
    check(
        &failed,
        &["#1 retry", "#1 payment.refunded"],
        expect![[r#"
        #1 retry → payment.refund | running, refund, 30 s
        #1 payment.refunded → stock.restock | running, take_back, 30 s
    "#]],
    );
}

#[test]
fn an_operator_is_told_no_when_no_saga_waits_for_one() {
    check(
        HELD,
        &["retry", "give up", "resolve done"],
        expect![[r#"
        retry → (ignored: the saga is not waiting for an operator) | running, take_payment, 300 s
        give up → (ignored: the saga is not waiting for an operator) | running, take_payment, 300 s
        resolve done → (ignored: the saga is not waiting for an operator) | running, take_payment, 300 s
    "#]],
    );
}

#[test]
fn a_saga_that_has_not_started_waits_for_no_operator() {
    check(
        &["cancel"],
        &["retry", "give up", "resolve done"],
        expect![[r#"
        retry → (ignored: the saga has not started, and waits for no operator) | awaited
        give up → (ignored: the saga has not started, and waits for no operator) | awaited
        resolve done → (ignored: the saga has not started, and waits for no operator) | awaited
    "#]],
    );
}

#[test]
fn giving_up_tells_why_the_order_ends_where_nothing_else_does() {
    let overdue = ["overdue"; 6];
    let mut unanswered = SagaStore::after(&[&["start"], &overdue[..]].concat());
    unanswered.hear("retry");
    assert_eq!(unanswered.saga(0).unwrap().reason, None, "an order that is tried again has not ended");
    unanswered.tells(&overdue);
    unanswered.hear("give up");
    assert_eq!(unanswered.saga(0).unwrap().reason, Some(Reason::CancelledByAdmin));
    let mut refused = SagaStore::after(&[
        "start cod",
        "stock.reserved",
        "stock.shipped",
        "order.accepted",
        "payment.declined",
    ]);
    let why = refused.saga(0).unwrap().reason;
    assert_eq!(why, Some(Reason::PaymentDeclined));
    refused.hear("give up");
    assert_eq!(refused.saga(0).unwrap().reason, why);
}

#[test]
fn the_saga_of_an_order_under_way_is_foreseen() {
    let saga = [contract::Need::of(Table::Sagas, saga_id(order_id(), 0))];
    let json = format!(r#"{{"order_id":"{ORDER}","customer_id":"c1"}}"#);
    let id = MessageId::new("m1").unwrap();
    let submit = Message::restore(id, None, Time::default(), "checkout.submit", &json).unwrap();
    assert_eq!(WORKER.prefetch(contract::PrefetchHint::of(&submit).unwrap()), saga);
    assert_eq!(WORKER.prefetch(contract::PrefetchHint::Payment(order_id())), saga);
}
