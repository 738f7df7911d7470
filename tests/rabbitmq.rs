//! What is true of RabbitMQ only. What is true of every broker is in `broker_contract.rs`.

mod dead;
mod facts;
mod faults;
mod unparsable;
mod users;

use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::rabbitmq::topology::topology;
use broker::rabbitmq::{Difference, RabbitBroker, apply, plan};
use broker::{Broker, Delivery, State};
use contract::{Body, Message, MessageId, Queue, Time, bodies};
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use store::Emitted;
use uuid::Uuid;

use crate::support::PATIENCE;
use crate::support::rabbit::Namespace;

#[tokio::test]
async fn the_plan_names_what_is_missing_or_different_and_apply_puts_right_what_can_be() {
    let namespace = Namespace::new().await;
    let whole = topology(&namespace.names());
    let missing = plan(&namespace.options()).await.unwrap();
    assert_eq!(missing.len(), whole.exchanges.len() + whole.queues.len());
    apply(&namespace.options()).await.unwrap();
    apply(&namespace.options()).await.unwrap();
    assert_eq!(plan(&namespace.options()).await.unwrap(), []);

    let outsider = namespace.outsider().await;
    let email = namespace.names().queue(Queue::Email);
    outsider.channel.queue_delete(email.as_str().into(), Default::default()).await.unwrap();
    assert_eq!(plan(&namespace.options()).await.unwrap(), [Difference::MissingQueue(email.clone())]);
    let classic = outsider.channel.queue_declare(
        email.as_str().into(),
        QueueDeclareOptions::durable(),
        FieldTable::default(),
    );
    classic.await.unwrap();
    let found = plan(&namespace.options()).await.unwrap();
    assert!(matches!(&found[..], [Difference::Differs { name, .. }] if *name == email), "{found:?}");
    // The broker refuses to work with a queue that may lose messages, and says why.
    let broker = RabbitBroker::connect(namespace.options()).unwrap();
    let why = down(&*broker).await;
    assert!(why.contains(&email) && why.contains("other arguments"), "{why}");
}

#[tokio::test]
async fn every_queue_is_a_durable_quorum_queue_with_a_limit_and_never_drops() {
    let namespace = Namespace::new().await;
    for queue in topology(&namespace.names()).queues {
        let shown = format!("{:?}", queue.arguments);
        for said in ["\"quorum\"", "\"reject-publish\""] {
            assert!(shown.contains(said), "{}: {shown}", queue.name);
        }
        let waits = queue.name.contains(".retry.");
        assert_eq!(shown.contains("x-delivery-limit"), !waits, "{}: {shown}", queue.name);
        if shown.contains("x-dead-letter-exchange") {
            assert!(shown.contains("\"at-least-once\""), "{}: {shown}", queue.name);
        }
    }
}

#[tokio::test]
async fn a_deleted_queue_is_declared_again_and_gets_what_is_sent_to_it() {
    let namespace = Namespace::new().await;
    let broker = namespace.broker().await;
    let outsider = namespace.outsider().await;
    outsider
        .channel
        .queue_delete(namespace.names().queue(Queue::Stock).into(), Default::default())
        .await
        .unwrap();
    let why = broker.publish(&[say(1, Queue::Stock)]).await.unwrap_err();
    assert!(why.to_string().contains("no queue is bound"), "{why}");
    publish(&*broker, &[say(1, Queue::Stock)]).await;
    assert_eq!(numbers(&take(&*broker, Queue::Stock).await), [1]);
}

#[tokio::test]
async fn a_bundle_is_one_message_to_the_broker_and_many_to_us_however_few_are_taken_at_once() {
    let namespace = Namespace::new().await;
    let broker = namespace.broker().await;
    let outsider = namespace.outsider().await;
    let many: Vec<_> = (0..1000).map(|n| say(n, Queue::Saga)).collect();
    broker.publish(&many).await.unwrap();
    let pieces = outsider.ready_in(&namespace.names().queue(Queue::Saga)).await;
    assert!((2..=4).contains(&pieces), "{pieces} messages");
    let mut all = Vec::new();
    while all.len() < many.len() {
        let taken = tokio::time::timeout(PATIENCE, broker.take(Queue::Saga, 7)).await.unwrap().unwrap();
        assert!(taken.len() <= 7);
        broker.ack(&taken).await.unwrap();
        all.extend(numbers(&taken));
    }
    assert_eq!(all, (0..1000).collect::<Vec<_>>());
    assert_eq!(broker.depth(Queue::Saga).await.unwrap().messages, 0);
}

#[tokio::test]
async fn what_one_had_fetched_ahead_when_it_was_paused_goes_to_another() {
    let namespace = Namespace::new().await;
    let (paused, other) = (namespace.broker().await, namespace.broker().await);
    for n in 0..20 {
        paused.publish(&[say(n, Queue::Saga)]).await.unwrap();
    }
    let first = paused.take(Queue::Saga, 1).await.unwrap();
    paused.ack(&first).await.unwrap();
    paused.rest(Queue::Saga).await;
    let mut heard = Vec::new();
    while heard.len() < 19 {
        let taken = take(&*other, Queue::Saga).await;
        other.ack(&taken).await.unwrap();
        heard.extend(numbers(&taken));
    }
    heard.sort_unstable();
    assert_eq!(heard, (1..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn messages_go_to_one_process_until_its_share_is_full_and_then_to_the_other() {
    const FEW: u64 = 12;
    let namespace = Namespace::new().await;
    let (one, other) = (namespace.broker().await, namespace.broker().await);
    // Both consume the queue before any message comes.
    for reader in [&one, &other] {
        let nothing = tokio::time::timeout(Duration::from_millis(300), reader.take(Queue::Saga, 1)).await;
        assert!(nothing.is_err(), "something came");
    }
    let mut expected = Vec::new();
    for n in 0..FEW {
        one.publish(&[say(n, Queue::Saga)]).await.unwrap();
        expected.push(n);
    }
    let (first, second, mut held) = tokio::select! {
        held = take(&*one, Queue::Saga) => (&one, &other, held),
        held = take(&*other, Queue::Saga) => (&other, &one, held),
    };
    while held.len() < expected.len() {
        held.extend(take(&**first, Queue::Saga).await);
    }
    assert_eq!(numbers(&held), expected, "the other consumer got some of these few");
    // A consumer whose share is full of unfinished messages gets no more; the others get the rest.
    for n in FEW..FEW + 4 {
        one.publish(&[say(n, Queue::Saga)]).await.unwrap();
    }
    let rest = take(&**second, Queue::Saga).await;
    assert!(numbers(&rest).iter().all(|n| *n >= FEW), "{:?}", numbers(&rest));
}

#[tokio::test]
async fn a_bundle_that_is_not_fully_acknowledged_comes_again_whole() {
    let namespace = Namespace::new().await;
    let broker = namespace.broker().await;
    broker.publish(&[say(1, Queue::Saga), say(2, Queue::Saga)]).await.unwrap();
    let taken = take(&*broker, Queue::Saga).await;
    broker.ack(&taken[..1]).await.unwrap();
    broker.close().await;
    let next = namespace.broker().await;
    let again = take(&*next, Queue::Saga).await;
    assert_eq!(numbers(&again), [1, 2], "the journal knows the first");
    assert!(again.iter().all(|one| one.redelivered));
    // Acknowledges on the new connection; delivery tags of the old one must not count.
    next.ack(&taken).await.unwrap();
    assert_eq!(next.depth(Queue::Saga).await.unwrap().messages, 2);
}

#[tokio::test]
async fn a_message_id_of_255_bytes_goes_through_and_a_longer_one_cannot_be_made() {
    let namespace = Namespace::new().await;
    let broker = namespace.broker().await;
    let id = "ü".repeat(127) + "x";
    let body = Body::OrderArchive(bodies::OrderArchive {
        order_id: contract::OrderId::new(Uuid::nil()),
        ..Default::default()
    });
    let message = Message::new(MessageId::new(&id).unwrap(), Time::default(), body);
    let said = Emitted { message: Arc::new(message), queues: vec![Queue::Order] };
    broker.publish(&[said]).await.unwrap();
    assert_eq!(take(&*broker, Queue::Order).await[0].message.id.as_str(), id);
    assert!(MessageId::new(&(id + "y")).is_none());
}

#[tokio::test]
async fn an_outsider_hears_facts_as_plain_single_messages() {
    let namespace = Namespace::new().await;
    let broker = namespace.broker().await;
    let outsider = namespace.outsider().await;
    let channel = &outsider.channel;
    let queue = format!("{}.shop", namespace.names().queue(Queue::Email));
    channel
        .queue_declare(queue.as_str().into(), QueueDeclareOptions::exclusive(), FieldTable::default())
        .await
        .unwrap();
    let (events, key) = (namespace.names().events(), "order.*");
    channel
        .queue_bind(
            queue.as_str().into(),
            events.into(),
            key.into(),
            Default::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    let json = format!(r#"{{"order_id":"{}","customer_id":"c1","at":"2026-11-20T18:53:00Z"}}"#, Uuid::nil());
    let cause = MessageId::new("its cause");
    let fact = Message::restore(
        MessageId::new("f1").unwrap(),
        cause,
        Time::from_unix_ms(1500),
        "order.fulfilled",
        &json,
    );
    let facts = vec![Emitted { message: Arc::new(fact.unwrap()), queues: vec![Queue::Saga] }; 3];
    broker.publish(&facts).await.unwrap();
    for _ in &facts {
        let heard = channel.basic_get(queue.as_str().into(), Default::default()).await.unwrap().unwrap();
        let properties = &heard.properties;
        let text = |value: &Option<lapin::types::ShortString>| value.as_ref().unwrap().to_string();
        assert_eq!(text(properties.message_id()), "f1");
        assert_eq!(text(properties.kind()), "order.fulfilled");
        assert_eq!(text(properties.correlation_id()), Uuid::nil().to_string());
        assert_eq!(text(properties.content_type()), "application/json");
        assert_eq!((*properties.delivery_mode(), *properties.timestamp()), (Some(2), Some(1)));
        assert_eq!(heard.routing_key.as_str(), "order.fulfilled");
        let headers = properties.headers().as_ref().unwrap();
        assert!(headers.contains_key("causation_id") && headers.contains_key("schema"));
        assert!(headers.into_iter().all(|(name, _)| !name.as_str().starts_with("x-")));
        let body: serde_json::Value = serde_json::from_slice(&heard.data).unwrap();
        assert_eq!(body["customer_id"], "c1");
    }
}

// ---- helpers ---------------------------------------------------------------------------------------------

fn say(n: u64, queue: Queue) -> Emitted {
    let uuid = Uuid::from_u128(u128::from(n));
    let body = Body::OrderArchive(bodies::OrderArchive {
        order_id: contract::OrderId::new(uuid),
        ..Default::default()
    });
    Emitted {
        message: Arc::new(Message::new(MessageId::from(uuid), Time::default(), body)),
        queues: vec![queue],
    }
}

fn numbers(deliveries: &[Delivery]) -> Vec<u64> {
    let number = |one: &Delivery| one.message.id.as_str().parse::<Uuid>().unwrap().as_u128();
    deliveries.iter().map(|one| u64::try_from(number(one)).unwrap()).collect()
}

async fn take(broker: &dyn Broker, queue: Queue) -> Vec<Delivery> {
    tokio::time::timeout(PATIENCE, broker.take(queue, 1000)).await.expect("nothing came").unwrap()
}

/// Publishes until it is confirmed, as every caller must. How often it failed.
async fn publish(broker: &dyn Broker, emitted: &[Emitted]) -> u64 {
    let (mut failed, since) = (0, Instant::now());
    while let Err(why) = broker.publish(emitted).await {
        assert!(since.elapsed() < PATIENCE, "it cannot be published: {why}");
        failed += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    failed
}

/// Why it is down, once it has found out.
async fn down(broker: &dyn Broker) -> String {
    let found = async {
        loop {
            match broker.state() {
                State::Down(why) if !why.contains("no connection was made yet") => return why,
                State::Down(_) | State::Up | State::Blocked(_) => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("it does not go down")
}
