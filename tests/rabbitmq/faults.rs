//! Connections break, confirms are lost, and no message is lost by that.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::Broker;
use broker::rabbitmq::RabbitBroker;
use contract::{Message, Queue, Raw, Time};
use engine::pause::Paused;
use engine::redelivery::RedeliveryRecorder;
use engine::run::{BatchSize, Consumer, Linger, LocalHandlers, WorkerHandler};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use order::OrderWorker;
use store::Database;
use store::Emitted;
use store::sqlite::SqliteStore;
use tokio_util::sync::CancellationToken;

use super::{down, numbers, publish, say, take};
use crate::support::proxy::{Forgery, Mode, Proxy};
use crate::support::rabbit::{Namespace, url};
use crate::support::usual;
use crate::support::{PATIENCE, until_stored};

/// A broker that can be reached only through a proxy.
pub(super) struct ProxiedBroker {
    pub(super) namespace: Namespace,
    pub(super) proxy: Proxy,
}

impl ProxiedBroker {
    pub(super) async fn new() -> Self {
        Self::forging(None).await
    }

    async fn forging(forgery: Forgery) -> Self {
        let uri: lapin::uri::AMQPUri = url().parse().unwrap();
        let host = (uri.authority.host.as_str(), uri.authority.port);
        let server: SocketAddr = tokio::net::lookup_host(host).await.unwrap().next().unwrap();
        Self { namespace: Namespace::new().await, proxy: Proxy::before(server, forgery).await }
    }

    fn url(&self) -> String {
        let mut uri: lapin::uri::AMQPUri = url().parse().unwrap();
        uri.authority.host = self.proxy.address().ip().to_string();
        uri.authority.port = self.proxy.address().port();
        uri.to_string()
    }

    pub(super) async fn broker(&self) -> Arc<RabbitBroker> {
        let options = broker::rabbitmq::Options { url: self.url(), ..self.namespace.options() };
        self.namespace.broker_with(options).await
    }
}

#[tokio::test]
async fn connections_that_break_under_load_lose_nothing() {
    const MESSAGES: u64 = 3000;
    const CUTS: u64 = 6;
    let proxied = ProxiedBroker::new().await;
    let broker = proxied.broker().await;
    let publishing = broker.clone();
    let publisher = tokio::spawn(async move {
        let mut failed = 0;
        for batch in 0..MESSAGES / 30 {
            let said: Vec<_> = (batch * 30..batch * 30 + 30).map(|n| say(n, Queue::Order)).collect();
            failed += publish(&*publishing, &said).await;
        }
        failed
    });
    let (mut seen, mut cuts) = (BTreeMap::<u64, u64>::new(), 0);
    while seen.len() < MESSAGES as usize {
        let taken = take(&*broker, Queue::Order).await;
        numbers(&taken).into_iter().for_each(|n| *seen.entry(n).or_default() += 1);
        if seen.len() as u64 > (cuts + 1) * MESSAGES / (CUTS + 2) && cuts < CUTS {
            // Cut before the messages just taken are acknowledged.
            proxied.proxy.cut();
            cuts += 1;
        }
        broker.ack(&taken).await.unwrap();
    }
    let failed = publisher.await.unwrap();
    // Only repeats are left; after them the queue is empty.
    let since = Instant::now();
    while broker.depth(Queue::Order).await.is_ok_and(|depth| depth.messages > 0) {
        assert!(since.elapsed() < PATIENCE, "the queue does not become empty");
        let rest = tokio::time::timeout(Duration::from_millis(100), broker.take(Queue::Order, 1000)).await;
        if let Ok(Ok(rest)) = rest {
            numbers(&rest).into_iter().for_each(|n| *seen.get_mut(&n).expect("a repeat") += 1);
            broker.ack(&rest).await.unwrap();
        }
    }
    let repeats: u64 = seen.values().sum::<u64>() - MESSAGES;
    println!("{MESSAGES} messages, {cuts} cuts, {failed} failed publishes, {repeats} repeats, 0 lost");
    assert!(cuts == CUTS && proxied.proxy.connections() > CUTS && repeats > 0);
}

#[tokio::test]
async fn what_is_published_again_because_its_confirm_was_lost_is_absorbed_by_the_journal() {
    let proxied = ProxiedBroker::new().await;
    let broker = proxied.broker().await;
    let outsider = proxied.namespace.outsider().await;
    proxied.proxy.set(Mode::DeafToServer);
    let publishing = broker.clone();
    let unconfirmed = tokio::spawn(async move { publishing.publish(&[product()]).await });
    let name = proxied.namespace.names().queue(Queue::Order);
    until_stored("the message's arrival", async || outsider.ready_in(&name).await == 1).await;
    assert!(!unconfirmed.is_finished());
    proxied.proxy.cut();
    unconfirmed.await.unwrap().unwrap_err();
    proxied.proxy.set(Mode::Pass);
    publish(&*broker, &[product()]).await;
    until_stored("its second arrival", async || outsider.ready_in(&name).await == 2).await;

    let store: Arc<dyn Database> = Arc::new(SqliteStore::in_memory().await.unwrap());
    let stop = CancellationToken::new();
    let consumer = Consumer {
        store: store.clone(),
        broker: broker.clone(),
        handler: Arc::new(WorkerHandler(OrderWorker)),
        queues: &[Queue::Order],
        batch_size: BatchSize::up_to(1),
        paused: Paused::never(),
        local_handlers: LocalHandlers::none(),
        redeliveries: RedeliveryRecorder::off(),
        linger: Linger::default(),
    };
    let working = tokio::spawn(consumer.run(stop.clone()));
    until_stored("its handling", async || !store.journal_page(0, 10).await.unwrap().is_empty()).await;
    // A message on its way to us is in no queue any more, and not here yet: one look at an empty queue proves
    // nothing.
    let mut empty = 0;
    until_stored("an empty queue", async || {
        let now = broker.depth(Queue::Order).await.is_ok_and(|depth| depth.messages == 0);
        empty = if now { empty + 1 } else { 0 };
        empty == 10
    })
    .await;
    stop.cancel();
    working.await.unwrap();
    assert_eq!(store.journal_page(0, 10).await.unwrap().len(), 1, "it was handled once");
    // Its output was published once: the second delivery was a duplicate, although the broker did not flag it as
    // redelivered.
    assert_eq!(take(&*broker, Queue::Stock).await.len(), 1);
    assert_eq!(broker.depth(Queue::Stock).await.unwrap().messages, 1);
    // A message that was not acknowledged would be in the queue again.
    broker.close().await;
    assert_eq!(outsider.ready_in(&name).await, 0);
}

#[tokio::test]
async fn a_broker_that_does_not_answer_is_given_up_within_a_bound_and_found_again() {
    let proxied = ProxiedBroker::new().await;
    let broker = proxied.broker().await;
    proxied.proxy.set(Mode::Stall);
    let since = Instant::now();
    let why = broker.publish(&[say(1, Queue::Order)]).await.unwrap_err();
    assert!(since.elapsed() < Duration::from_secs(20), "{why}");
    assert!(!why.to_string().contains("guest"), "{why}");
    proxied.proxy.set(Mode::Pass);
    proxied.proxy.cut();
    publish(&*broker, &[say(1, Queue::Order)]).await;
    assert_eq!(numbers(&take(&*broker, Queue::Order).await)[0], 1);
}

/// So a broker answers for as long as the node of the queue's leader is away, on channels that were open when it went.
#[tokio::test]
async fn a_channel_that_nacks_everything_is_replaced_without_a_new_connection() {
    // From basic.ack to basic.nack, on the second channel of each connection: the first declared the topology.
    const ACK: &[u8] = &[1, 0, 2, 0, 0, 0, 13, 0, 60, 0, 80];
    const NACK: &[u8] = &[1, 0, 2, 0, 0, 0, 13, 0, 60, 0, 120];
    let proxied = ProxiedBroker::forging(Some((ACK, NACK))).await;
    let broker = proxied.broker().await;
    let connections = proxied.proxy.connections();
    let why = broker.publish(&[say(1, Queue::Order)]).await.unwrap_err();
    assert!(why.to_string().contains("did not accept"), "{why}");
    let mut tries = 1;
    while broker.publish(&[say(1, Queue::Order)]).await.is_err() {
        tries += 1;
        assert!(tries < 5, "it goes on over the channel that nacks");
    }
    assert_eq!(proxied.proxy.connections(), connections);
}

#[tokio::test]
async fn a_node_that_hangs_costs_one_timeout_and_another_takes_over() {
    let (one, other) = (ProxiedBroker::new().await, ProxiedBroker::new().await);
    let both = format!("{},{}", one.proxy.address(), other.proxy.address());
    let url = one.url().replace(&one.proxy.address().to_string(), &both);
    let options = broker::rabbitmq::Options { url, ..one.namespace.options() };
    let broker = one.namespace.broker_with(options).await;
    let (hangs, spare) = match one.proxy.connections() {
        0 => (&other.proxy, &one.proxy),
        _ => (&one.proxy, &other.proxy),
    };
    assert_eq!(spare.connections(), 0, "a pair of connections goes to one node");
    hangs.set(Mode::Stall);
    let since = Instant::now();
    while broker.publish(&[say(1, Queue::Order)]).await.is_err() {
        // Two time-outs would take longer.
        assert!(since.elapsed() < Duration::from_secs(20), "the node that hangs is asked again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(spare.connections() >= 2);
    assert_eq!(numbers(&take(&*broker, Queue::Order).await)[0], 1);
}

#[tokio::test]
async fn a_node_that_is_down_is_passed_over() {
    let proxied = ProxiedBroker::new().await;
    let here = proxied.proxy.address().to_string();
    for both in [format!("127.0.0.1:1,{here}"), format!("{here},127.0.0.1:1")] {
        let url = proxied.url().replace(&here, &both);
        let options = broker::rabbitmq::Options { url, ..proxied.namespace.options() };
        assert_eq!(broker::rabbitmq::ping(&options).await, Ok(()), "a command tries each node");
        assert!(broker::rabbitmq::version(&options).await.unwrap().is_some());
        let broker = proxied.namespace.broker_with(options).await;
        publish(&*broker, &[say(1, Queue::Order)]).await;
        broker.close().await;
    }
}

#[tokio::test]
async fn what_waits_for_another_try_survives_the_connection() {
    let proxied = ProxiedBroker::new().await;
    let broker = proxied.broker().await;
    broker.publish(&[say(1, Queue::Order)]).await.unwrap();
    let failed = take(&*broker, Queue::Order).await;
    broker.retry(&failed[0], retry::RETRY_DELAYS[0]).await.unwrap();
    proxied.proxy.cut();
    // The acknowledgement of the first delivery may have been cut off: then that one comes again as well, before the
    // retry or with it.
    let retried = loop {
        let taken = take(&*broker, Queue::Order).await;
        if let Some(retried) = taken.into_iter().find(|one| one.attempt > 0) {
            break [retried];
        }
    };
    assert_eq!((numbers(&retried), retried[0].attempt, retried[0].redelivered), (vec![1], 1, true));
}

#[tokio::test]
async fn while_there_is_no_broker_its_state_says_why_and_keeps_the_password() {
    let namespace = Namespace::new().await;
    // No server listens on port 1.
    let url = "amqp://somebody:geheim@127.0.0.1:1/%2f".to_string();
    let options = broker::rabbitmq::Options { url, ..namespace.options() };
    let broker = RabbitBroker::connect(options).unwrap();
    let why = down(&*broker).await;
    assert!(why.contains("127.0.0.1:1") && !why.contains("geheim"), "{why}");
    assert!(broker.publish(&[say(1, Queue::Order)]).await.is_err());
    broker.close().await;
}

/// The end marker of its frame is wrong, which no publisher can bring about. Each delivery costs a connection, and
/// after so many deliveries the broker dead-letters the message.
#[tokio::test]
async fn a_delivery_that_is_garbled_takes_no_good_one_with_it_and_ends_where_a_person_finds_it() {
    const GOOD: u64 = 40;
    let proxied =
        ProxiedBroker::forging(Some((b"a text of 20 letters\xce", b"a text of 20 letters\xcd"))).await;
    let broker = proxied.broker().await;
    let outsider = proxied.namespace.outsider().await;
    for n in 0..GOOD {
        broker.publish(&[say(n, Queue::Order)]).await.unwrap();
        if n == GOOD / 2 {
            let properties = BasicProperties::default().with_message_id("garbled".into());
            outsider.sends("order.cancel", properties, b"a text of 20 letters").await;
        }
    }
    // It ends about fifty connections before the next good message comes, which takes seconds even on an idle
    // machine.
    let long = PATIENCE * 4;
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < GOOD as usize {
        let taken = tokio::time::timeout(long, broker.take(Queue::Order, 1000)).await;
        let taken = taken.unwrap_or_else(|_| panic!("only {} came", seen.len())).unwrap();
        seen.extend(numbers(&taken));
        let acknowledged = tokio::time::timeout(Duration::from_secs(8), broker.ack(&taken)).await;
        acknowledged.expect("it waits for a connection that has ended").unwrap();
    }
    let dead = proxied.namespace.names().dead_queue(Queue::Order);
    let far_off = Instant::now() + long;
    while outsider.ready_in(&dead).await == 0 {
        assert!(Instant::now() < far_off, "it was never dead-lettered");
        // The acknowledgement of a good message may have been cut off: it comes again, and delays the bad one.
        let again = tokio::time::timeout(Duration::from_millis(100), broker.take(Queue::Order, 1000)).await;
        if let Ok(again) = again {
            broker.ack(&again.unwrap()).await.unwrap();
        }
    }
    assert_eq!(outsider.ready_in(&dead).await, 1, "a good message died with it");
    // No consumer reads it in this test; in a system, the importer fails at it in the same way, and only the
    // importer.
    publish(&*broker, &[say(99, Queue::Saga)]).await;
    assert_eq!(numbers(&take(&*broker, Queue::Saga).await), [99]);
}

/// A frame has to hold all headers of one client. The first of them makes room for the others.
#[tokio::test]
async fn headers_that_fill_the_largest_frame_take_no_good_one_with_them() {
    let proxied = ProxiedBroker::new().await;
    let broker = proxied.namespace.broker().await;
    let outsider = proxied.namespace.outsider().await;
    let cancel = br#"{"order_id":"0195d2a4-0000-7000-8000-000000000001"}"#;
    for bytes in [7_000, 20_000, 100_000] {
        let mut headers = FieldTable::default();
        headers.insert("baggage".into(), AMQPValue::LongString("x".repeat(bytes).into()));
        let properties =
            BasicProperties::default().with_message_id(format!("of {bytes} bytes").try_into().unwrap());
        outsider.sends("order.cancel", properties.with_headers(headers), cancel).await;
    }
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 3 {
        let taken = take(&*broker, Queue::Order).await;
        seen.extend(taken.iter().map(|delivery| delivery.message.id.to_string()));
        broker.ack(&taken).await.unwrap();
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["of 100000 bytes", "of 20000 bytes", "of 7000 bytes"]);
}

fn product() -> Emitted {
    let body = br#"{"sku":"A","title":"A","price":{"amount":"1.00","currency":"EUR"},"on_hand":5}"#;
    let raw = Raw {
        message_id: Some("product-1".into()),
        name: "product.upsert".into(),
        schema: None,
        body: body.to_vec(),
        ..Raw::default()
    };
    let message = Message::accept(usual(&raw.name), &raw, Time::default()).unwrap();
    Emitted { message: Arc::new(message), queues: vec![Queue::Order] }
}
