//! Every broker keeps the promise at the top of `crates/broker/src/lib.rs`.

mod backends;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::Delivery;
use contract::{Body, Message, MessageId, Queue, Role, Time, bodies};
use store::{Emitted, JournalRow};
use tokio::time::timeout;
use uuid::Uuid;

use backends::{Embedded, Harness, Rabbit, SOON};

/// One line for each backend: the module's name and how to get an empty broker.
macro_rules! every_broker {
    ($($name:ident),* $(,)?) => {
        stamp!(embedded, Embedded, $($name)*);
        stamp!(rabbitmq, Rabbit, $($name)*);
    };
}

macro_rules! stamp {
    ($backend:ident, $broker:ident, $($name:ident)*) => {
        mod $backend {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Harness::of(super::$broker::fresh().await).await).await;
            })*
        }
    };
}

every_broker!(
    what_is_published_reaches_every_queue_it_is_addressed_to,
    messages_come_in_the_order_in_which_they_were_published,
    take_waits_until_something_arrives,
    take_gives_what_is_there_and_never_more_than_asked,
    what_was_not_acknowledged_comes_again_after_a_death,
    what_was_emitted_and_never_published_comes_after_a_death_and_a_refill,
    what_was_acknowledged_does_not_come_again,
    what_is_handed_back_comes_at_once_in_its_old_order,
    a_retry_comes_after_its_delay_with_one_more_attempt,
    a_retry_holds_up_no_other_message,
    a_message_that_waits_for_a_retry_survives_the_process,
    a_fact_for_no_queue_is_no_failure_and_listeners_hear_it,
    a_listener_to_one_kind_of_fact_gets_it_and_a_later_listener_gets_more,
    two_takers_share_a_queue_and_no_message_is_taken_twice,
    depth_counts_ready_and_taken_messages,
    a_cancelled_take_loses_nothing,
    messages_of_a_paused_queue_are_all_there_when_it_is_consumed_again,
    publishing_again_is_delivering_again,
);

// ---- the promises ----------------------------------------------------------------------------------------

async fn what_is_published_reaches_every_queue_it_is_addressed_to(broker: Harness) {
    let everywhere: Vec<_> = (0..3).map(|n| say(n, &Queue::ALL)).collect();
    broker.publish(&everywhere).await;
    broker.publish(&[say(3, &[Queue::Sms])]).await;
    for queue in Queue::ALL {
        let expected = if queue == Queue::Sms { vec![0, 1, 2, 3] } else { vec![0, 1, 2] };
        let taken = broker.take_all(queue, expected.len()).await;
        assert_eq!(numbers(&taken), expected, "{queue}");
        assert!(taken.iter().all(|one| one.queue == queue && !one.redelivered && one.attempt == 0));
        broker.nothing_comes(queue).await;
    }
}

async fn messages_come_in_the_order_in_which_they_were_published(broker: Harness) {
    broker.publish(&said(0..50)).await;
    broker.publish(&said(50..100)).await;
    assert_eq!(numbers(&broker.take_all(Queue::Order, 100).await), (0..100).collect::<Vec<_>>());
}

async fn take_waits_until_something_arrives(harness: Harness) {
    let waiting = harness.broker.clone();
    let taker = tokio::spawn(async move { waiting.take(Queue::Order, 10).await });
    harness.nothing_comes(Queue::Saga).await;
    assert!(!taker.is_finished());
    // A message for another queue does not wake this consumer.
    harness.publish(&[say(1, &[Queue::Saga])]).await;
    harness.publish(&said(2..3)).await;
    assert_eq!(numbers(&timeout(SOON, taker).await.unwrap().unwrap().unwrap()), [2]);
}

async fn take_gives_what_is_there_and_never_more_than_asked(broker: Harness) {
    broker.publish(&said(0..5)).await;
    let first = broker.take(Queue::Order, 3).await;
    assert!((1..=3).contains(&first.len()), "{first:?}");
    // With fewer messages than asked for, `take` does not wait for more.
    let rest = broker.take_all(Queue::Order, 5 - first.len()).await;
    assert_eq!(numbers(&[first, rest].concat()), [0, 1, 2, 3, 4]);
    broker.publish(&said(5..6)).await;
    assert_eq!(numbers(&broker.take(Queue::Order, 100).await), [5]);
}

async fn what_was_not_acknowledged_comes_again_after_a_death(mut broker: Harness) {
    // One by one: of messages that came in one bundle, all come again.
    for n in 0..4 {
        broker.publish(&said(n..n + 1)).await;
    }
    let taken = broker.take_all(Queue::Order, 3).await;
    broker.done(&taken[..1]).await;
    broker.die().await;
    let again = broker.take_all(Queue::Order, 3).await;
    assert_eq!(numbers(&again), [1, 2, 3]);
    assert!(again[..2].iter().all(|one| one.redelivered), "they were taken before: {again:?}");
    broker.nothing_comes(Queue::Order).await;
}

async fn what_was_emitted_and_never_published_comes_after_a_death_and_a_refill(mut broker: Harness) {
    broker.journal(&[say(1, &[Queue::Order, Queue::Saga])]).await;
    broker.nothing_comes(Queue::Order).await;
    broker.die().await;
    broker.backend.refill(&*broker.broker).await;
    for queue in [Queue::Order, Queue::Saga] {
        assert_eq!(numbers(&broker.take(queue, 10).await), [1]);
        broker.nothing_comes(queue).await;
    }
}

async fn what_was_acknowledged_does_not_come_again(mut broker: Harness) {
    broker.publish(&[say(1, &[Queue::Order, Queue::Saga])]).await;
    let taken = broker.take(Queue::Order, 10).await;
    broker.done(&taken).await;
    broker.nothing_comes(Queue::Order).await;
    broker.die().await;
    broker.nothing_comes(Queue::Order).await;
    assert_eq!(numbers(&broker.take(Queue::Saga, 10).await), [1], "each queue has its own");
}

async fn what_is_handed_back_comes_at_once_in_its_old_order(broker: Harness) {
    broker.publish(&said(0..4)).await;
    let taken = broker.take_all(Queue::Order, 3).await;
    broker.broker.hand_back(&taken).await;
    let again = broker.take_all(Queue::Order, 4).await;
    assert_eq!(numbers(&again), [0, 1, 2, 3]);
    let flags: Vec<_> = again.iter().map(|one| (one.redelivered, one.attempt)).collect();
    assert_eq!(flags, [(true, 0), (true, 0), (true, 0), (false, 0)], "handing back is no failed attempt");
}

async fn messages_of_a_paused_queue_are_all_there_when_it_is_consumed_again(broker: Harness) {
    broker.publish(&said(0..5)).await;
    let one = broker.take_all(Queue::Order, 1).await;
    broker.done(&one).await;
    for _ in 0..3 {
        broker.broker.rest(Queue::Order).await;
        let mut rest = broker.take_all(Queue::Order, 4).await;
        // The messages that came in the same bundle come again with them; the journal recognises those as duplicates.
        if rest.iter().any(|again| again.message.id == one[0].message.id) {
            rest.extend(broker.take_all(Queue::Order, 1).await);
        }
        broker.broker.hand_back(&rest).await;
        rest.retain(|again| again.message.id != one[0].message.id);
        assert_eq!(numbers(&rest), [1, 2, 3, 4]);
    }
}

async fn a_retry_comes_after_its_delay_with_one_more_attempt(broker: Harness) {
    let delay = retry::RETRY_DELAYS[0];
    broker.publish(&said(0..1)).await;
    for attempt in 0..2 {
        let taken = broker.take(Queue::Order, 10).await;
        assert_eq!((numbers(&taken), taken[0].attempt), (vec![0], attempt));
        let begin = Instant::now();
        broker.broker.retry(&taken[0], delay).await.unwrap();
        broker.nothing_comes(Queue::Order).await;
        if broker.backend.counts_what_waits() {
            assert_eq!(broker.depth(Queue::Order).await, 1, "it is not forgotten while it waits");
        }
        let again = broker.take(Queue::Order, 10).await;
        assert!(begin.elapsed() >= delay, "it came after {:?}", begin.elapsed());
        assert!(again[0].redelivered && again[0].attempt == attempt + 1, "{again:?}");
        broker.broker.hand_back(&again).await;
    }
}

async fn a_retry_holds_up_no_other_message(broker: Harness) {
    broker.publish(&said(0..1)).await;
    let failed = broker.take(Queue::Order, 1).await;
    broker.broker.retry(&failed[0], Duration::from_secs(600)).await.unwrap();
    broker.publish(&said(1..2)).await;
    assert_eq!(numbers(&broker.take(Queue::Order, 10).await), [1]);
}

async fn a_message_that_waits_for_a_retry_survives_the_process(mut broker: Harness) {
    broker.publish(&said(0..1)).await;
    let failed = broker.take(Queue::Order, 1).await;
    broker.broker.retry(&failed[0], retry::RETRY_DELAYS[0]).await.unwrap();
    broker.die().await;
    assert_eq!(numbers(&broker.take(Queue::Order, 10).await), [0]);
}

async fn a_fact_for_no_queue_is_no_failure_and_listeners_hear_it(broker: Harness) {
    broker.publish(&[Emitted { message: fact(1), queues: Vec::new() }]).await;
    let (mut one, mut other) = (broker.broker.facts(&[]).await, broker.broker.facts(&[]).await);
    broker.publish(&[Emitted { message: fact(2), queues: Vec::new() }, say(3, &[Queue::Order])]).await;
    broker.publish(&[Emitted { message: fact(4), queues: vec![Queue::Saga] }]).await;
    for listener in [&mut one, &mut other] {
        for expected in [2, 4] {
            let heard = timeout(SOON, listener.recv()).await.unwrap().unwrap();
            assert_eq!(heard.id, id(expected), "facts from now on, and no commands");
        }
    }
    assert_eq!(numbers(&broker.take(Queue::Saga, 10).await), [4]);
}

async fn a_listener_to_one_kind_of_fact_gets_it_and_a_later_listener_gets_more(broker: Harness) {
    let mut ends = broker.broker.facts(&["order.fulfilled"]).await;
    broker.publish(&[Emitted { message: fact(1), queues: Vec::new() }]).await;
    assert_eq!(timeout(SOON, ends.recv()).await.unwrap().unwrap().id, id(1));
    let json = fact(2).json().to_string();
    let paid = Message::restore(id(2), None, Time::default(), "order.archived", &json).unwrap();
    let paid = Emitted { message: Arc::new(paid), queues: Vec::new() };
    let mut all = broker.broker.facts(&[]).await;
    broker.publish(&[paid, Emitted { message: fact(3), queues: Vec::new() }]).await;
    for expected in [2, 3] {
        assert_eq!(timeout(SOON, all.recv()).await.unwrap().unwrap().id, id(expected));
    }
}

async fn two_takers_share_a_queue_and_no_message_is_taken_twice(harness: Harness) {
    const MESSAGES: u64 = 200;
    let takers: Vec<_> = (0..2)
        .map(|_| {
            let broker = harness.broker.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                // The consumer that gets the last message tells the others nothing: each waits until nothing more
                // comes.
                while let Ok(taken) = timeout(Duration::from_millis(500), broker.take(Queue::Order, 7)).await
                {
                    let taken = taken.unwrap();
                    broker.ack(&taken).await.unwrap();
                    mine.extend(numbers(&taken));
                }
                mine
            })
        })
        .collect();
    for n in 0..MESSAGES / 10 {
        harness.publish(&said(n * 10..n * 10 + 10)).await;
    }
    let mut all = Vec::new();
    for taker in takers {
        all.extend(taker.await.unwrap());
    }
    assert_eq!(all.len() as u64, MESSAGES);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len() as u64, MESSAGES);
}

async fn depth_counts_ready_and_taken_messages(broker: Harness) {
    broker.depth_becomes(Queue::Order, 0).await;
    // One by one: a bundle that no consumer has taken may count as one.
    for n in 0..3 {
        broker.publish(&said(n..n + 1)).await;
    }
    broker.depth_becomes(Queue::Order, 3).await;
    let taken = broker.take_all(Queue::Order, 2).await;
    broker.depth_becomes(Queue::Order, 3).await;
    broker.done(&taken[..1]).await;
    broker.depth_becomes(Queue::Order, 2).await;
    broker.broker.hand_back(&taken[1..]).await;
    broker.depth_becomes(Queue::Order, 2).await;
    let since = Instant::now();
    while broker.broker.depth(Queue::Order).await.unwrap().oldest.is_some_and(|age| age.is_zero()) {
        assert!(since.elapsed() < SOON, "a message on the queue gets no older");
        tokio::task::yield_now().await;
    }
    broker.depth_becomes(Queue::Saga, 0).await;
}

async fn a_cancelled_take_loses_nothing(harness: Harness) {
    for round in 0..50 {
        // One consumer gives up before anything is there, one just as the message arrives.
        let gives_up = harness.broker.clone();
        let early = tokio::spawn(async move { gives_up.take(Queue::Order, 10).await });
        tokio::task::yield_now().await;
        harness.publish(&said(round..round + 1)).await;
        early.abort();
        match early.await {
            // This consumer was faster, and the message is its.
            Ok(taken) => assert_eq!(numbers(&taken.unwrap()), [round]),
            Err(_) => assert_eq!(numbers(&harness.take(Queue::Order, 10).await), [round]),
        };
    }
}

async fn publishing_again_is_delivering_again(broker: Harness) {
    broker.publish(&said(0..1)).await;
    broker.broker.publish(&said(0..1)).await.unwrap();
    assert_eq!(numbers(&broker.take_all(Queue::Order, 2).await), [0, 0]);
}

// ---- test messages -----------------------------------------------------------------------------------------

fn said(numbers: std::ops::Range<u64>) -> Vec<Emitted> {
    numbers.map(|n| say(n, &[Queue::Order])).collect()
}

fn say(n: u64, queues: &[Queue]) -> Emitted {
    let body = Body::OrderArchive(bodies::OrderArchive {
        order_id: contract::OrderId::new(uuid(n)),
        ..Default::default()
    });
    Emitted { message: Arc::new(Message::new(id(n), Time::default(), body)), queues: queues.to_vec() }
}

fn fact(n: u64) -> Arc<Message> {
    let json = format!(r#"{{"order_id":"{}","customer_id":"c1","at":"2026-11-20T18:53:00Z"}}"#, uuid(n));
    Arc::new(Message::restore(id(n), None, Time::default(), "order.fulfilled", &json).unwrap())
}

fn id(n: u64) -> MessageId {
    MessageId::from(uuid(n))
}

fn uuid(n: u64) -> Uuid {
    Uuid::from_u128(u128::from(n))
}

fn numbers(deliveries: &[Delivery]) -> Vec<u64> {
    let number = |one: &Delivery| one.message.id.as_str().parse::<Uuid>().unwrap().as_u128();
    deliveries.iter().map(|one| u64::try_from(number(one)).unwrap()).collect()
}

fn row(role: Role, message: &Message, emitted: Vec<Emitted>) -> JournalRow {
    JournalRow {
        role,
        id: message.id.clone(),
        name: message.name().to_string(),
        hash: message.hash(),
        order_id: message.order_id,
        cause: None,
        at: Time::default(),
        outcome: "done".into(),
        emitted,
    }
}
