//! Whoever asked for the outcome hears the first end of their order, once; nobody else is written to.

use contract::{Ending, ReplyTo};

use super::*;

/// The same checkout, by a client that waits at this queue.
fn asked(fields: Value, queue: &str) -> Body {
    let Body::Submit(mut submit) = submit(fields) else { unreachable!("submit makes submissions") };
    submit.reply_to = Some(ReplyTo::new(queue, Some("my-1")).unwrap());
    Body::Submit(submit)
}

/// What the askers are told, in the order of being told.
fn told_askers(decision: &Decision<Record>) -> Vec<String> {
    let reply = |body: &Body| {
        let Body::Reply(reply) = body else { return None };
        assert_eq!(reply.reply_to.correlation_id(), Some("my-1"));
        let event = Body::from(reply.ending.clone());
        assert!(decision.send.contains(&event), "listeners hear the same");
        Some(format!("{} at {}", event.name(), reply.reply_to.queue()))
    };
    decision.send.iter().filter_map(reply).collect()
}

#[test]
fn the_asker_hears_the_first_end_once() {
    let shortly = mark_undone(Reason::InsufficientStock);
    let stories = [
        ("rejected", json!({"items": []}), vec![]),
        ("fulfilled", json!({}), vec![mark_paid("ch_1"), mark_fulfilled()]),
        ("cancelled", json!({}), vec![shortly.clone()]),
        ("refunded before it shipped", json!({}), vec![mark_paid("ch_1"), shortly]),
        ("came back", json!({}), vec![mark_paid("ch_1"), mark_fulfilled(), refund(None), mark_returned(1)]),
    ];
    let mut table = String::new();
    for (story, checkout, later) in stories {
        let mut shop = Shop::with_catalogue();
        let mut told = Vec::new();
        let first = asked(checkout.clone(), "answers");
        // Said again, and sent again by somebody who waits elsewhere: neither is a second outcome.
        let again = asked(checkout, "elsewhere");
        for body in [vec![first, again.clone()], later.clone(), later, vec![again, archive()]].concat() {
            told.extend(told_askers(&shop.hear(body)));
        }
        writeln!(table, "{story}: {}", told.join(", ")).unwrap();
    }
    expect![[r#"
        rejected: order.rejected at answers
        fulfilled: order.fulfilled at answers
        cancelled: order.cancelled at answers
        refunded before it shipped: order.refunded at answers
        came back: order.fulfilled at answers
    "#]]
    .assert_eq(&table);
}

#[test]
fn nobody_is_told_who_did_not_ask() {
    for State { checkout, mut shop, .. } in states() {
        for (_, body) in messages(&checkout) {
            assert_eq!(told_askers(&shop.hear(body)), Vec::<String>::new());
        }
    }
}

#[test]
fn an_ending_is_kept_as_its_event_and_read_again() {
    let mut shop = Shop::with_catalogue();
    let decision = shop.hear(asked(json!({"items": []}), "answers"));
    let [rejected, reply] = decision.send.as_slice() else { panic!("{:?}", decision.send) };
    let json = |body: &Body| -> Value {
        let message = Message::new(MessageId::new("m").unwrap(), Time::default(), body.clone());
        serde_json::from_str(message.json()).unwrap()
    };
    assert_eq!(json(reply)["ending"], json!({"type": "order.rejected", "body": json(rejected)}));
    let again: Ending = serde_json::from_value(json(reply)["ending"].clone()).unwrap();
    assert_eq!(Body::from(again), *rejected);
}
