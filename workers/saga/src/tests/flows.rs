//! The drawings of sagas and their counts, and what a saga says about what can still be done with it.

use std::fmt::Write as _;

use expect_test::expect;
use serde_json::Value;

use super::*;
use crate::{Flow, Sketch, sketches, table};

fn sketch(name: &str) -> Sketch {
    sketches().into_iter().find(|sketch| sketch.name == name).unwrap()
}

/// Adds `count` sagas that went like this.
fn add(flow: &mut Flow, story: &[&str], count: u64) {
    let store = SagaStore::after(story);
    let saga: Value = serde_json::from_str(&store.sagas[&saga_id(order_id(), 0)]).unwrap();
    let progress = &saga["progress"];
    let stuck = progress.get("stuck").is_some();
    flow.add(&progress["phase"].to_string(), &progress["steps"].to_string(), stuck, count);
}

#[test]
fn the_drawing_of_a_saga_says_what_the_table_of_its_steps_says() {
    let drawn = sketches().into_iter().flat_map(|sketch| {
        let name = format!("{} v{}", sketch.name, sketch.version);
        sketch.steps.into_iter().map(move |step| {
            let undo = match step.undo {
                Ok(command) => command.to_string(),
                Err(why) => why.to_string(),
            };
            let pivot = if step.pivot { "pivot" } else { "" };
            [name.clone(), step.name.into(), step.ask.into(), undo, pivot.into()]
        })
    });
    let written = table().into_iter().map(|[name, step, ask, undo, pivot, _]| {
        let undo = undo.trim_start_matches("needless: ").trim_start_matches("none: ").to_string();
        [name, step, ask, undo, pivot]
    });
    assert_eq!(drawn.collect::<Vec<_>>(), written.collect::<Vec<_>>());
}

#[test]
fn every_saga_is_counted_at_the_step_where_it_stands_and_where_it_has_been() {
    let checkout = sketch("checkout");
    let mut flow = Flow::of(&checkout);
    let then = |story: &[&'static str], more: &[&'static str]| [story, more].concat();
    for (story, count) in [
        (HELD.to_vec(), 1),
        (PAID.to_vec(), 2),
        (then(HELD, &["payment.declined"]), 4),
        (then(HELD, &["payment.declined", "stock.released"]), 8),
        (GIVEN_UP.to_vec(), 16),
        (then(SHIPPED, &["order.fulfilled"]), 32),
        (then(&["start"], &["overdue"; 6]), 64),
        (then(CAPTURED, &["cancel", "payment.refund_failed"]), 128),
        // From a list with more steps: not counted in this drawing.
        (DELIVERED.to_vec(), 256),
    ] {
        add(&mut flow, &story, count);
    }
    flow.add("no phase", "no steps", false, 512);
    let mut drawn = format!("completed {}, undone {}\n", flow.completed, flow.undone);
    for (step, traffic) in checkout.steps.iter().zip(&flow.steps) {
        writeln!(drawn, "{}: {traffic:?}", step.name).unwrap();
    }
    expect![[r#"
        completed 32, undone 16
        hold_stock: { asked: 255, waits: 0, undoes: 12, stuck: 64, declined: 0, undone: 24 }
        take_payment: { asked: 191, waits: 1, undoes: 0, stuck: 128, declined: 28, undone: 0 }
        mark_paid: { asked: 162, waits: 0, undoes: 0, stuck: 0, declined: 0, undone: 0 }
        ship: { asked: 34, waits: 2, undoes: 0, stuck: 0, declined: 0, undone: 0 }
        mark_fulfilled: { asked: 32, waits: 0, undoes: 0, stuck: 0, declined: 0, undone: 0 }
    "#]]
    .assert_eq(&drawn.replace("Traffic ", ""));
}

#[test]
fn a_saga_can_be_cancelled_until_what_cannot_be_taken_back_is_asked() {
    let mut table = String::new();
    for (what, story) in [
        ("cancelled before it started", &["cancel"][..]),
        ("held", HELD),
        ("captured", CAPTURED),
        ("being shipped", PAID),
        ("on its way, to be paid at the door", DELIVERED),
        ("turned around", &["start", "stock.reserved", "cancel"]),
        ("given up", GIVEN_UP),
        ("shipped", SHIPPED),
        ("completed", &[SHIPPED, &["order.fulfilled"]].concat()),
    ] {
        let saga = SagaStore::after(story).saga(0).unwrap();
        let forward = if saga.goes_forward() { "goes forward" } else { "does not go forward" };
        let cancelled = if saga.can_be_cancelled() { "can be cancelled" } else { "cannot be cancelled" };
        writeln!(table, "{what}: {forward}, {cancelled}").unwrap();
    }
    expect![[r#"
        cancelled before it started: does not go forward, cannot be cancelled
        held: goes forward, can be cancelled
        captured: goes forward, can be cancelled
        being shipped: goes forward, cannot be cancelled
        on its way, to be paid at the door: goes forward, cannot be cancelled
        turned around: does not go forward, cannot be cancelled
        given up: does not go forward, cannot be cancelled
        shipped: goes forward, cannot be cancelled
        completed: does not go forward, cannot be cancelled
    "#]]
    .assert_eq(&table);
}

#[test]
fn a_cancellation_that_comes_too_late_is_refused_to_the_one_who_wanted_it() {
    for (wish, by) in [("cancel", By::Customer), ("cancel by admin", By::Admin)] {
        for story in [&[wish, "stock.shipped"][..], &["stock.shipped", wish]] {
            let mut store = SagaStore::after(PAID);
            let said: Vec<_> = story.iter().flat_map(|message| store.hear(message).send).collect();
            let refused = said.iter().find_map(|body| {
                let Body::RefuseCancel(refused) = body else { return None };
                Some(refused.by)
            });
            assert_eq!(refused, Some(by), "{story:?}");
        }
    }
}

#[test]
fn a_deadline_that_comes_after_an_operator_was_called_is_one_of_an_older_asking() {
    let mut store = SagaStore::after(HELD);
    for message in ["overdue", "wait", "retry"] {
        let asked = store.saga(0).unwrap().asked;
        store.hear(message);
        assert_eq!(store.saga(0).unwrap().asked, asked + 1, "{message}");
    }
}
