//! Stories of a few rows, told as lines: from → to, the message, and what came of it.

use std::sync::Arc;

use expect_test::{Expect, expect};
use serde_json::json;
use store::Emitted;
use store::batch;

use super::*;

const ORDER: &str = "01932b4a-1111-7000-8000-000000000001";

fn at(s: u64) -> Time {
    Time::from_unix_ms(1_700_000_000_000).plus_s(s)
}

fn message(id: &str, cause: Option<&str>, s: u64, name: &str, fields: serde_json::Value) -> Message {
    let mut body = json!({"order_id": ORDER});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    let known_by = |id: &str| MessageId::new(id).unwrap();
    Message::restore(known_by(id), cause.map(known_by), at(s), name, &body.to_string()).unwrap()
}

fn row(role: Role, message: &Message, s: u64, outcome: &str, emitted: &[&Message]) -> JournalRow {
    let say = |message: &&Message| Emitted {
        message: Arc::new((*message).clone()),
        queues: message.body.queues().to_vec(),
    };
    batch::journal_row(role, message, outcome.into(), emitted.iter().map(say).collect(), at(s))
}

fn story(rows: Vec<JournalRow>, letters: Vec<DeadLetter>) -> Story {
    let known = Known {
        rows,
        letters,
        standing: Vec::new(),
        redeliveries: Vec::new(),
        now: at(100),
        sight: Sight::Masked,
    };
    tell(ORDER.parse().unwrap(), &known)
}

fn check(story: &Story, expected: Expect) {
    let line = |step: &Step| {
        let waited = step.waited_ms.map(|ms| format!(", waited {ms} ms")).unwrap_or_default();
        let again =
            if step.repeats > 0 { format!(", told {} times before", step.repeats) } else { String::new() };
        let (word, words) = (step.verdict.word(), &step.words);
        format!("{} → {}: {} ({word}: {words}{waited}{again})\n", step.from, step.to, step.name)
    };
    expected.assert_eq(&story.steps.iter().map(line).collect::<String>());
}

fn submit() -> Message {
    let fields = json!({
        "customer_id": "ann", "items": [{"sku": "TEA", "quantity": 1}],
        "payment": {"method": "card", "token": "tok_ok"}, "contact": {"email": "ann@example.org"},
    });
    message("m1", None, 0, "checkout.submit", fields)
}

#[test]
fn every_message_goes_from_its_sender_to_its_handler() {
    let submit = submit();
    let mark = message("m2", Some("m1"), 2, "order.mark_fulfilled", json!({}));
    let told = json!({"customer_id": "ann", "at": "2026-01-01T00:00:00Z"});
    let fulfilled = message("m3", Some("m2"), 5, "order.fulfilled", told.clone());
    let archived = message("m4", Some("m2"), 5, "order.archived", told);
    let overdue = message("m5", Some("m3"), 6, "saga.overdue", json!({"asked": 1}));
    let cancel = message("m6", None, 8, "order.cancel", json!({}));
    let rows = vec![
        row(Role::Gateway, &submit, 0, "accepted", &[&submit]),
        row(Role::Order, &submit, 2, "created", &[&mark]),
        row(Role::Order, &mark, 5, "fulfilled", &[&fulfilled, &archived]),
        row(Role::Saga, &overdue, 7, "ignored: it was answered in time", &[]),
        row(Role::Order, &cancel, 8, "refused", &[]),
        row(Role::Order, &message("m7", None, 9, "order.cancel", json!({})), 9, "refused", &[]),
    ];
    let story = story(rows, Vec::new());
    check(
        &story,
        expect![[r#"
        customer → gateway: checkout.submit (done: accepted)
        gateway → order: checkout.submit (done: created, waited 2000 ms)
        order → order: order.mark_fulfilled (done: fulfilled, waited 3000 ms)
        order → listeners: order.archived (told: )
        timers → saga: saga.overdue (absorbed: it was answered in time)
        broker → order: order.cancel (done: refused)
        broker → order: order.cancel (done: refused, told 1 times before)
        order → saga: order.fulfilled (under way: , waited 95000 ms)
    "#]],
    );
    let names: Vec<_> = story.lifelines.iter().map(|lifeline| lifeline.name.as_str()).collect();
    assert_eq!(names, ["customer", "broker", "timers", "gateway", "order", "saga", "listeners"]);
    let shown = serde_json::to_string(&story).unwrap();
    assert!(!shown.contains("tok_ok") && !shown.contains("ann@example.org"), "{shown}");
}

#[test]
fn what_died_stands_where_it_died_and_what_became_of_it_after_it() {
    let submit = submit();
    let mark = message("m2", Some("m1"), 1, "order.mark_fulfilled", json!({}));
    let other = message("m3", Some("m1"), 1, "order.mark_accepted", json!({}));
    let again = message("replay", Some("m1"), 60, "order.mark_fulfilled", json!({}));
    let mut letter = batch::dead_letter(Queue::Order, &mark, 5, "failed", "the disk is full", at(50));
    letter.status = DeadStatus::Replayed;
    let open = batch::dead_letter(Queue::Order, &other, 5, "failed", "the disk is full", at(51));
    let rows = vec![
        row(Role::Order, &submit, 1, "created", &[&mark, &other]),
        row(Role::Operator, &again, 60, "replayed by anna: mended", &[&mark]),
        row(Role::Order, &mark, 61, "fulfilled", &[]),
    ];
    check(
        &story(rows, vec![letter, open]),
        expect![[r#"
        broker → order: checkout.submit (done: created)
        order → order: order.mark_fulfilled (was a dead letter: failed: the disk is full, waited 49000 ms)
        order → order: order.mark_accepted (dead letter: failed: the disk is full, waited 50000 ms)
        operator → order: order.mark_fulfilled (done: replayed by anna: mended)
        order → order: order.mark_fulfilled (done: fulfilled, waited 60000 ms)
    "#]],
    );
}

#[test]
fn what_came_again_or_failed_is_said_where_it_was_handled_in_the_end() {
    let submit = submit();
    let stats = |role, repeats, failures, why: &str| RedeliveryStats {
        role,
        id: submit.id.clone(),
        order_id: ORDER.parse().unwrap(),
        repeats,
        failures,
        why: why.into(),
    };
    let rows = vec![
        row(Role::Gateway, &submit, 0, "accepted", &[&submit]),
        row(Role::Order, &submit, 11, "created", &[]),
    ];
    let redeliveries = vec![stats(Role::Gateway, 3, 0, ""), stats(Role::Order, 1, 2, "the disk is full")];
    let known = Known {
        rows,
        letters: Vec::new(),
        standing: Vec::new(),
        redeliveries,
        now: at(100),
        sight: Sight::Masked,
    };
    let story = tell(ORDER.parse().unwrap(), &known);
    let asides: Vec<_> = story.steps.iter().map(Step::aside).collect();
    assert_eq!(
        asides,
        [
            " (came 3 times more without effect)",
            " (failed 2 times before: the disk is full; came 1 times more without effect)"
        ]
    );
}

#[test]
fn a_story_that_is_too_long_is_told_without_its_middle() {
    let rows = (0..1500).map(|n| {
        row(Role::Order, &message(&format!("m{n}"), None, n, "order.cancel", json!({})), n, "refused", &[])
    });
    let story = story(rows.collect(), Vec::new());
    assert_eq!((story.steps.len(), story.left_out), (STEPS_MAX, 1200));
    assert_eq!((story.steps[0].message_id.as_str(), story.steps[299].message_id.as_str()), ("m0", "m1499"));
}
