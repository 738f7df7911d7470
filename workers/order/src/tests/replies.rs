//! Each client that asked for the outcome hears the first end of its order, once at each queue that it named; no
//! other queue is written to.

use contract::{Ending, ReplyTo};

use super::*;

/// The same checkout, by a client that waits at this queue.
fn asked(fields: Value, queue: &str) -> Body {
    let Body::Submit(mut submit) = submit(fields) else { unreachable!("submit makes submissions") };
    submit.reply_to = Some(ReplyTo::new(queue, Some("my-1")).unwrap());
    Body::Submit(submit)
}

/// The replies to clients, in their order.
fn told_askers(decision: &Decision<Record>) -> Vec<String> {
    let reply = |body: &Body| {
        let Body::Reply(reply) = body else { return None };
        assert_eq!(reply.reply_to.correlation_id(), Some("my-1"));
        Some(format!("{} at {}", Body::from(reply.ending.clone()).name(), reply.reply_to.queue()))
    };
    decision.send.iter().filter_map(reply).collect()
}

/// The stories in which a checkout ends, and what leads to each end.
fn stories() -> [(&'static str, Value, Vec<Body>); 6] {
    let shortly = mark_undone(Reason::InsufficientStock);
    let paid = || vec![mark_paid("ch_1"), mark_fulfilled()];
    [
        ("rejected", json!({"items": []}), vec![]),
        ("fulfilled", json!({}), paid()),
        ("cancelled", json!({}), vec![shortly.clone()]),
        ("refunded before it shipped", json!({}), vec![mark_paid("ch_1"), shortly]),
        ("came back", json!({}), [paid(), vec![refund(None), mark_returned(1)]].concat()),
        ("on delivery", json!({"payment": {"method": "cod"}}), [vec![mark_accepted()], paid()].concat()),
    ]
}

#[test]
fn the_asker_hears_the_first_end_once_and_of_goods_on_delivery_that_they_are_on_their_way() {
    let mut table = String::new();
    for (story, checkout, later) in stories() {
        let mut shop = Shop::with_catalogue();
        let mut told = Vec::new();
        let first = asked(checkout, "answers");
        for body in
            [vec![first.clone(), first.clone()], later.clone(), later, vec![first, archive()]].concat()
        {
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
        on delivery: order.accepted at answers, order.fulfilled at answers
    "#]]
    .assert_eq(&table);
}

#[test]
fn a_checkout_sent_again_is_answered_where_it_waits_then_as_well() {
    let mut table = String::new();
    for (story, checkout, later) in stories() {
        let mut shop = Shop::with_catalogue();
        let mut told = Vec::new();
        let at = |queue| asked(checkout.clone(), queue);
        let bodies = [vec![at("answers"), at("again")], later, vec![at("late"), at("late"), at("again")]];
        for body in bodies.concat() {
            told.extend(told_askers(&shop.hear(body)));
        }
        let told = told.join(", ").replace("order.", "");
        writeln!(table, "{story}: {told}").unwrap();
    }
    expect![[r#"
        rejected: rejected at answers, rejected at again, rejected at late
        fulfilled: fulfilled at answers, fulfilled at again, fulfilled at late
        cancelled: cancelled at answers, cancelled at again, cancelled at late
        refunded before it shipped: refunded at answers, refunded at again, refunded at late
        came back: fulfilled at answers, fulfilled at again, fulfilled at late
        on delivery: accepted at answers, accepted at again, fulfilled at answers, fulfilled at again, fulfilled at late
    "#]]
    .assert_eq(&table);
    // The goods are on their way already.
    let mut shop = Shop::with_catalogue();
    let cod = || json!({"payment": {"method": "cod"}});
    shop.hear(submit(cod()));
    shop.hear(mark_accepted());
    assert_eq!(told_askers(&shop.hear(asked(cod(), "late"))), ["order.accepted at late"]);
}

#[test]
fn however_many_queues_are_named_the_last_four_are_remembered() {
    let mut shop = Shop::with_catalogue();
    for no in 0..9 {
        shop.hear(asked(json!({}), &format!("q{no}")));
    }
    shop.hear(mark_paid("ch_1"));
    let told: Vec<_> = told_askers(&shop.hear(mark_fulfilled()));
    assert_eq!(told, [0, 5, 6, 7, 8].map(|no| format!("order.fulfilled at q{no}")));
}

#[test]
fn only_those_who_asked_are_told() {
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
