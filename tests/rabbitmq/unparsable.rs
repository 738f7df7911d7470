//! A message that no AMQP client library can parse becomes a dead letter at its first delivery.

use std::collections::BTreeSet;
use std::sync::Arc;

use broker::rabbitmq::{Options, RabbitBroker};
use broker::{Broker, DeadDelivery};
use contract::Queue;
use lapin::BasicProperties;

use super::take;
use crate::support::PATIENCE;
use crate::support::rabbit::Namespace;
use crate::support::raw_amqp::{
    FRAME_MAX, Place, Properties, RawPublisher, entry, long, nested, nested_arrays,
};

const CANCEL: &[u8] = br#"{"order_id":"0195d2a4-0000-7000-8000-000000000001"}"#;
/// A client with a recursive parser overflows its stack at this depth.
const DEEP: usize = 10_000;

async fn reader(namespace: &Namespace) -> Arc<RabbitBroker> {
    namespace.broker_with(Options { consume: vec![Queue::Order], ..namespace.options() }).await
}

async fn dead(broker: &RabbitBroker, count: usize) -> Vec<DeadDelivery> {
    let mut dead = Vec::new();
    while dead.len() < count {
        let taken = tokio::time::timeout(PATIENCE, broker.take_dead(100)).await;
        let taken = taken.unwrap_or_else(|_| panic!("only {} of {count} died", dead.len())).unwrap();
        broker.ack_dead(&taken).await.unwrap();
        dead.extend(taken);
    }
    dead
}

#[tokio::test]
async fn headers_that_nest_without_end_are_a_dead_letter_at_once_and_cost_no_good_message_a_delivery() {
    const GOOD: usize = 1000;
    let namespace = Namespace::new().await;
    let broker = reader(&namespace).await;
    let (outsider, mut raw) = (namespace.outsider().await, RawPublisher::connect().await);
    let commands = namespace.names().commands();
    for n in 0..GOOD {
        if n == GOOD / 2 {
            let deep = [nested(b"deep", DEEP), entry(b"flat", b'S', &long(b"a text"))];
            let deep = Properties::id("deep").headers(&deep);
            raw.publishes(&commands, b"order.cancel", &deep, CANCEL).await.unwrap();
            let arrays = Properties::id("deep arrays").headers(&[nested_arrays(b"deep", DEEP)]);
            raw.publishes(&commands, b"order.cancel", &arrays, CANCEL).await.unwrap();
        }
        let good = BasicProperties::default().with_message_id(format!("good {n}").into());
        outsider.sends("order.cancel", good, CANCEL).await;
    }
    let mut good = BTreeSet::new();
    while good.len() < GOOD {
        let taken = take(&*broker, Queue::Order).await;
        assert!(taken.iter().all(|one| !one.redelivered), "a connection broke");
        broker.ack(&taken).await.unwrap();
        good.extend(taken.iter().map(|one| one.message.id.to_string()));
    }
    let letters = dead(&broker, 2).await;
    for letter in &letters {
        assert_eq!((letter.code.as_str(), letter.attempts), ("headers_too_deep", 1), "{letter:?}");
        assert!(letter.why.contains("more than 16 deep"), "{}", letter.why);
        assert_eq!((letter.name.as_str(), letter.body.as_bytes()), ("order.cancel", CANCEL));
    }
    let ids: BTreeSet<_> = letters.iter().filter_map(|letter| letter.message_id.as_deref()).collect();
    assert_eq!(ids, BTreeSet::from(["deep", "deep arrays"]));
    broker.close().await;
    assert_eq!(outsider.ready_in(&namespace.names().queue(Queue::Order)).await, 0);
    assert_eq!(outsider.ready_in(&namespace.names().dead_queue(Queue::Order)).await, 0);
}

#[tokio::test]
async fn names_and_properties_that_are_not_utf8_are_a_dead_letter_at_once() {
    let namespace = Namespace::new().await;
    let broker = reader(&namespace).await;
    let mut raw = RawPublisher::connect().await;
    let commands = namespace.names().commands();
    let latin = b"caf\xe9";
    let bad = [
        Properties::default().short(Place::MessageId, latin),
        Properties::id("m2").short(Place::Type, latin),
        Properties::id("m3").short(Place::ContentType, latin),
        Properties::id("m4").short(Place::ContentEncoding, latin),
        Properties::id("m5").short(Place::CorrelationId, latin),
        Properties::id("m6").short(Place::ReplyTo, latin),
        Properties::id("m7").short(Place::AppId, latin),
        Properties::id("m8").short(Place::ClusterId, latin),
        Properties::id("m9").headers(&[entry(latin, b'S', &long(b"a text"))]),
        Properties::id("m10").headers(&[entry(b"in", b'F', &long(&entry(latin, b't', &[1])))]),
    ];
    for properties in &bad {
        raw.publishes(&commands, b"order.cancel", properties, CANCEL).await.unwrap();
    }
    let letters = dead(&broker, bad.len()).await;
    for letter in &letters {
        assert_eq!((letter.code.as_str(), letter.attempts), ("properties_not_utf8", 1), "{letter:?}");
        assert_eq!((letter.name.as_str(), letter.body.as_bytes()), ("order.cancel", CANCEL));
    }
    let ids: BTreeSet<_> = letters.iter().map(|letter| letter.message_id.as_deref()).collect();
    assert_eq!(ids.len(), bad.len(), "each keeps the id that it has: {ids:?}");
}

/// The values of headers may be any bytes.
#[tokio::test]
async fn a_header_whose_value_is_no_text_harms_no_other_message() {
    let namespace = Namespace::new().await;
    let broker = reader(&namespace).await;
    let mut raw = RawPublisher::connect().await;
    let headers = [
        entry(b"picture", b'S', &long(b"\xff\xfe\0")),
        entry(b"bytes", b'x', &long(b"\xff")),
        nested(b"flat", 15),
    ];
    let good = Properties::id("good").headers(&headers);
    raw.publishes(&namespace.names().commands(), b"order.cancel", &good, CANCEL).await.unwrap();
    let taken = take(&*broker, Queue::Order).await;
    assert_eq!(taken[0].message.id.as_str(), "good");
}

#[tokio::test]
async fn what_no_queue_wants_is_a_dead_letter_however_it_is_written() {
    let namespace = Namespace::new().await;
    let broker = reader(&namespace).await;
    let mut raw = RawPublisher::connect().await;
    let commands = namespace.names().commands();
    let deep = Properties::id("deep").headers(&[nested(b"deep", DEEP)]);
    raw.publishes(&commands, b"order.cancle", &deep, CANCEL).await.unwrap();
    raw.publishes(&commands, b"caf\xe9", &Properties::id("latin"), CANCEL).await.unwrap();
    let latin = Properties::default().short(Place::MessageId, b"caf\xe9").short(Place::Type, b"\xff");
    raw.publishes(&commands, &[0xff; 255], &latin, CANCEL).await.unwrap();
    let letters = dead(&broker, 3).await;
    for letter in &letters {
        assert_eq!((letter.code.as_str(), letter.queue), ("unroutable", None), "{letter:?}");
        assert_eq!(letter.body.as_bytes(), CANCEL);
    }
    let names: BTreeSet<_> = letters.iter().map(|letter| letter.name.as_str()).collect();
    assert!(names.contains("order.cancle") && names.contains("caf?"), "{names:?}");
}

/// The broker adds headers to what it moves to `Q.dead`, so headers that just fitted a frame no longer fit one.
#[tokio::test]
async fn what_died_on_its_way_is_a_dead_letter_however_large_or_deep_its_headers_are() {
    let namespace = Namespace::new().await;
    // No consumer reads the queue, so each of them expires in it.
    let broker = namespace.broker().await;
    let mut raw = RawPublisher::connect().await;
    let commands = namespace.names().commands();
    let expiring = |id| Properties::id(id).short(Place::Expiration, b"1");
    let full = FRAME_MAX - 200;
    let large = expiring("large").headers(&[entry(b"baggage", b'S', &long(&vec![b'x'; full]))]);
    raw.publishes(&commands, b"order.cancel", &large, CANCEL).await.unwrap();
    let deep = expiring("deep").headers(&[nested(b"deep", DEEP)]);
    raw.publishes(&commands, b"order.cancel", &deep, CANCEL).await.unwrap();
    let latin = expiring("latin").short(Place::AppId, b"caf\xe9");
    raw.publishes(&commands, b"order.cancel", &latin, CANCEL).await.unwrap();
    let letters = dead(&broker, 3).await;
    for letter in &letters {
        assert_eq!((letter.code.as_str(), letter.queue), ("expired", Some(Queue::Order)), "{letter:?}");
        assert_eq!((letter.name.as_str(), letter.body.as_bytes()), ("order.cancel", CANCEL));
    }
    let ids: BTreeSet<_> = letters.iter().filter_map(|letter| letter.message_id.as_deref()).collect();
    assert_eq!(ids, BTreeSet::from(["deep", "large", "latin"]));
    let outsider = namespace.outsider().await;
    assert_eq!(outsider.ready_in(&namespace.names().unreadable()).await, 0);
}

/// The broker and the client know the same header types, and the sender of any other type is refused.
#[tokio::test]
async fn a_header_of_any_type_is_refused_to_its_sender_or_read() {
    let namespace = Namespace::new().await;
    let broker = reader(&namespace).await;
    let commands = namespace.names().commands();
    let mut raw = RawPublisher::connect().await;
    let mut read = String::new();
    for kind in (b'A'..=b'Z').chain(b'a'..=b'z') {
        let bytes = match kind {
            b't' | b'b' | b'B' => 1,
            b's' | b'U' | b'u' => 2,
            b'I' | b'i' | b'f' | b'S' | b'x' | b'A' | b'F' => 4,
            b'D' => 5,
            b'l' | b'L' | b'd' | b'T' => 8,
            _ => 0,
        };
        let properties = Properties::id("odd").headers(&[entry(b"odd", kind, &vec![0; bytes])]);
        if raw.publishes(&commands, b"order.cancel", &properties, CANCEL).await.is_err() {
            raw = RawPublisher::connect().await;
            continue;
        }
        let taken = take(&*broker, Queue::Order).await;
        assert!(taken.iter().all(|one| !one.redelivered), "a connection broke at {:?}", char::from(kind));
        broker.ack(&taken).await.unwrap();
        read.push(char::from(kind));
    }
    println!("the broker lets these through: {read}");
    assert!("tbBsIldDSAFTxV".chars().all(|kind| read.contains(kind)), "{read}");
}
