//! A fact without a listener is not sent to the broker, and a fact with listeners reaches all of them.

use std::sync::Arc;

use broker::Broker;
use contract::{Message, MessageId, Time};
use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use store::Emitted;
use uuid::Uuid;

use super::faults::ProxiedBroker;
use crate::support::rabbit::Namespace;

const MANY: u64 = 200;

fn fact(n: u64, name: &str) -> Emitted {
    let json = format!(r#"{{"order_id":"{}","customer_id":"c1","at":"2026-11-20T18:53:00Z"}}"#, Uuid::nil());
    let id = MessageId::new(&format!("{name} {n}")).unwrap();
    let message = Message::restore(id, None, Time::default(), name, &json).unwrap();
    Emitted { message: Arc::new(message), queues: Vec::new() }
}

fn fulfilled(numbers: std::ops::Range<u64>) -> Vec<Emitted> {
    numbers.map(|n| fact(n, "order.fulfilled")).collect()
}

fn ids(facts: &[Emitted]) -> Vec<String> {
    facts.iter().map(|one| one.message.id.to_string()).collect()
}

async fn bind(channel: &Channel, namespace: &Namespace, key: &str) -> String {
    let queue = format!("{}.{}", namespace.names().listener(), key);
    let options = QueueDeclareOptions::exclusive();
    channel.queue_declare(queue.as_str().into(), options, FieldTable::default()).await.unwrap();
    let (events, none) = (namespace.names().events(), FieldTable::default());
    let binding =
        channel.queue_bind(queue.as_str().into(), events.into(), key.into(), Default::default(), none);
    binding.await.unwrap();
    queue
}

/// The ids of all messages in the queue.
async fn heard(channel: &Channel, queue: &str) -> Vec<String> {
    let mut heard = Vec::new();
    while let Some(one) = channel.basic_get(queue.into(), Default::default()).await.unwrap() {
        heard.push(one.properties.message_id().as_ref().unwrap().to_string());
    }
    heard
}

#[tokio::test]
async fn facts_without_a_listener_are_not_sent_and_a_new_listener_gets_all_from_then_on() {
    let proxied = ProxiedBroker::new().await;
    let broker = proxied.broker().await;
    let outsider = proxied.namespace.outsider().await;
    // Everything is sent while the connection is new.
    broker.publish(&fulfilled(0..MANY)).await.unwrap();
    let before = proxied.proxy.bytes_up();
    broker.publish(&fulfilled(0..MANY)).await.unwrap();
    let unheard = proxied.proxy.bytes_up() - before;
    assert!(unheard < 5_000, "{unheard} bytes went to a broker without listeners");

    let queue = bind(&outsider.channel, &proxied.namespace, "order.*").await;
    for numbers in [0..MANY, MANY..2 * MANY, 2 * MANY..2 * MANY + 1] {
        let facts = fulfilled(numbers);
        broker.publish(&facts).await.unwrap();
        assert_eq!(heard(&outsider.channel, &queue).await, ids(&facts));
    }
}

#[tokio::test]
async fn a_listener_to_one_name_gets_all_of_it_among_others_and_from_all_senders_at_once() {
    let namespace = Namespace::new().await;
    let broker = namespace.broker().await;
    let outsider = namespace.outsider().await;
    let queue = bind(&outsider.channel, &namespace, "order.fulfilled").await;
    let batch = |b: u64| -> Vec<Emitted> {
        let numbers = b * MANY..(b + 1) * MANY;
        numbers.flat_map(|n| ["order.fulfilled", "order.archived"].map(|name| fact(n, name))).collect()
    };
    let mut publishing = tokio::task::JoinSet::new();
    for b in 0..8 {
        let (broker, facts) = (broker.clone(), batch(b));
        publishing.spawn(async move { broker.publish(&facts).await.unwrap() });
    }
    publishing.join_all().await;
    let mut heard = heard(&outsider.channel, &queue).await;
    let mut expected = ids(&fulfilled(0..8 * MANY));
    heard.sort_unstable();
    expected.sort_unstable();
    assert_eq!(heard, expected);
}
