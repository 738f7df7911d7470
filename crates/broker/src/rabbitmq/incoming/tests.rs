use contract::{Body, Queue, bodies};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use store::Emitted;

use super::*;
use crate::rabbitmq::envelope::{text, to_queues};

const CANCEL: &str =
    r#"{"order_id":"0195d2a4-0000-7000-8000-000000000001","note":"foreign fields are nobody's business"}"#;

fn names() -> Names {
    Names::new("p").unwrap()
}

/// The logins as the order worker has them, when each role has a login of its own.
fn separate() -> Logins {
    Logins::separate("p.order", "p", "").unwrap()
}

fn short(text: &str) -> ShortString {
    ShortString::try_new(text).unwrap()
}

fn headers(pairs: &[(&str, AMQPValue)]) -> FieldTable {
    let mut headers = FieldTable::default();
    for (name, value) in pairs {
        headers.insert(short(name), value.clone());
    }
    headers
}

fn with_id() -> BasicProperties {
    BasicProperties::default().with_message_id(short("m1"))
}

/// How an outsider's message to `P.commands` is read: its name and id, or the code it is refused with.
#[track_caller]
fn check(key: &str, properties: BasicProperties, body: &[u8], expected: Result<(&str, &str), &str>) {
    let incoming = Incoming { exchange: "p.commands", key, properties: &properties, body };
    let shared = Logins::shared("us");
    let read = read(&names(), &shared, Queue::Order, &incoming, Time::default()).pop().unwrap();
    let found = match &read {
        Ok(read) => {
            assert!(read.message.cause.is_none() && read.attempt == 0, "{read:?}");
            Ok((read.message.name(), read.message.id.as_str()))
        }
        Err(unread) => {
            assert!(unread.why.why.len() > 20, "a reason that helps its sender: {unread:?}");
            Err(unread.why.code)
        }
    };
    let why = read.as_ref().err().map(|unread| &unread.why);
    assert_eq!(found, expected, "{why:?}");
}

#[test]
fn a_plain_message_is_read_with_whatever_properties_a_client_sets_by_default() {
    check("order.cancel", with_id(), CANCEL.as_bytes(), Ok(("order.cancel", "m1")));
    let decorated = with_id()
        .with_type(short("order.cancel"))
        .with_content_type(short("Application/JSON; charset=utf-8"))
        .with_content_encoding(short("UTF-8"))
        .with_reply_to(short("somewhere"))
        .with_expiration(short("60000"))
        .with_headers(headers(&[
            ("schema", AMQPValue::LongLongInt(1)),
            ("causation_id", text("what he likes")),
            ("attempt", AMQPValue::LongInt(7)),
            ("MT-Activity-Id", text("foreign")),
        ]));
    check("order.cancel", decorated, CANCEL.as_bytes(), Ok(("order.cancel", "m1")));
}

#[test]
fn a_cloud_event_in_binary_mode_is_read_in_both_spellings() {
    for colon in ["_", ":"] {
        let attributes = [
            (format!("cloudEvents{colon}type"), text("order.cancel")),
            (format!("cloudEvents{colon}id"), text("ce-1")),
            (format!("cloudEvents{colon}specversion"), text("1.0")),
        ];
        let pairs: Vec<_> = attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let event = BasicProperties::default().with_headers(headers(&pairs));
        check("order.cancel", event, CANCEL.as_bytes(), Ok(("order.cancel", "ce-1")));
    }
    let long = headers(&[("cloudEvents_id", text("x".repeat(300)))]);
    let event = BasicProperties::default().with_headers(long);
    check("order.cancel", event, CANCEL.as_bytes(), Err("message_id_invalid"));
}

#[test]
fn what_cannot_be_read_is_refused_with_a_code_and_a_reason() {
    let cancel = |properties, expected| check("order.cancel", properties, CANCEL.as_bytes(), Err(expected));
    cancel(BasicProperties::default(), "message_id_missing");
    cancel(with_id().with_type(short("product.upsert")), "type_differs");
    cancel(with_id().with_type(short("bundle")), "bundle_refused");
    cancel(with_id().with_content_type(short("application/cloudevents+json")), "content_type_unknown");
    cancel(with_id().with_content_type(short("application/x-protobuf")), "content_type_unknown");
    cancel(with_id().with_content_encoding(short("gzip")), "content_encoding_unknown");
    cancel(with_id().with_headers(headers(&[("schema", AMQPValue::LongInt(2))])), "schema_unknown");
    cancel(with_id().with_headers(headers(&[("schema", text("one"))])), "schema_unknown");
    cancel(BasicProperties::default().with_message_id(short("a\nb")), "message_id_invalid");
    check("order.cancle", with_id(), CANCEL.as_bytes(), Err("type_unknown"));
    check("order.mark_paid", with_id(), CANCEL.as_bytes(), Err("type_internal"));
    check("order.cancel", with_id(), b"", Err("body_malformed"));
    check("order.cancel", with_id(), b"\xff\xfe", Err("body_malformed"));
    check("order.cancel", with_id(), b"[]", Err("body_invalid"));
    check("order.cancel", with_id(), "[".repeat(60_000).as_bytes(), Err("body_malformed"));
    check("order.cancel", with_id(), &vec![b' '; contract::BODY_BYTES_MAX + 1], Err("body_too_large"));
}

/// Any outsider can compute it.
const OURS: &str = "0195d2a4-0000-8000-8000-000000000001";

#[test]
fn an_outsider_sends_nothing_under_an_id_of_ours_and_its_letter_does_not_bear_it() {
    let refund = br#"{"order_id":"0195d2a4-0000-7000-8000-000000000001"}"#;
    for (exchange, key) in [
        ("p.commands", "order.cancel"),
        ("p.commands", "checkout.submit"),
        ("p.provider", "payment.webhook"),
        ("p.admin", "order.refund"),
        // Refused for another reason, it is kept without that id as well.
        ("p.shop.own", "order.cancel"),
    ] {
        for logins in [separate(), Logins::shared("us")] {
            let as_property = BasicProperties::default().with_message_id(short(OURS));
            let as_attribute = BasicProperties::default()
                .with_headers(headers(&[("cloudEvents_id", text(OURS)), ("cloudEvents_type", text(key))]));
            for properties in [as_property.clone().with_type(short(key)), as_property, as_attribute] {
                let incoming = Incoming { exchange, key, properties: &properties, body: refund };
                let read = read(&names(), &logins, Queue::Order, &incoming, Time::default()).pop().unwrap();
                let unread = read.unwrap_err();
                let code = if exchange == "p.shop.own" { "not_allowed" } else { "message_id_invalid" };
                assert_eq!((unread.why.code, &unread.message_id), (code, &None), "{exchange}");
                assert!(unread.why.why.contains(OURS), "{}", unread.why);
            }
        }
    }
    let bundle = format!(r#"[{{"id":"{OURS}","type":"order.cancel","at":1,"body":{CANCEL}}}]"#);
    check("order.cancel", with_id().with_type(short("bundle")), bundle.as_bytes(), Err("bundle_refused"));
}

#[test]
fn what_we_say_alone_or_in_a_bundle_is_read_as_it_was_said() {
    let emitted: Vec<_> = (0..3u128).map(emitted).collect();
    for count in [1, 3] {
        let outgoing = to_queues(&names(), &emitted[..count]);
        let [one] = outgoing.as_slice() else { panic!("one message for one queue: {outgoing:?}") };
        let (exchange, key) = (one.exchange.as_str(), one.key.as_str());
        let properties = one.properties.clone().with_user_id(short("p.saga"));
        let incoming = Incoming { exchange, key, properties: &properties, body: &one.body };
        let read: Vec<_> = read(&names(), &separate(), Queue::Order, &incoming, Time::default())
            .into_iter()
            .map(|one| one.unwrap().message)
            .collect();
        let expected: Vec<_> = emitted[..count].iter().map(|emitted| (*emitted.message).clone()).collect();
        assert_eq!(read, expected);
        // By any other exchange, or from another login, the same is not allowed.
        let forged = Incoming { exchange: "", key: "p.order", ..incoming };
        assert_eq!(refusals(&separate(), &forged), vec!["not_allowed"]);
        for login in ["p.email", "p.gateway", "p.shop", "p.admin", "somebody"] {
            let properties = one.properties.clone().with_user_id(short(login));
            let incoming = Incoming { exchange, key, properties: &properties, body: &one.body };
            let refused = refusals(&separate(), &incoming);
            assert!(!refused.is_empty() && refused.iter().all(|code| *code == "not_allowed"), "{login}");
        }
        let unsigned = Incoming { exchange, key, properties: &one.properties, body: &one.body };
        assert_eq!(refusals(&separate(), &unsigned), vec!["not_allowed"]);
    }
}

#[test]
fn what_was_dead_lettered_is_only_a_retry_of_the_role_that_reads_it() {
    let outgoing = to_queues(&names(), &[emitted(1)]);
    let [one] = outgoing.as_slice() else { panic!("{outgoing:?}") };
    let mut headers = one.properties.headers().clone().unwrap();
    headers.insert(short("x-death"), AMQPValue::Boolean(true));
    for (login, refused) in [("p.order", vec![]), ("p.saga", vec!["not_allowed"])] {
        let properties = one.properties.clone().with_headers(headers.clone()).with_user_id(short(login));
        let (exchange, key) = (one.exchange.as_str(), one.key.as_str());
        let incoming = Incoming { exchange, key, properties: &properties, body: &one.body };
        assert_eq!(refusals(&separate(), &incoming), refused, "{login}");
    }
    let came = with_id().with_headers(headers);
    let incoming =
        Incoming { exchange: "p.commands", key: "order.cancel", properties: &came, body: CANCEL.as_bytes() };
    for logins in [separate(), Logins::shared("us")] {
        assert_eq!(refusals(&logins, &incoming), vec!["not_allowed"]);
    }
}

#[test]
fn each_exchange_for_outsiders_takes_what_those_may_say_that_it_is_for() {
    let refund = br#"{"order_id":"0195d2a4-0000-7000-8000-000000000001"}"#;
    let properties = with_id();
    for (exchange, key, by) in [
        ("p.commands", "order.cancel", Ok(Speaker::Shop)),
        ("p.admin", "order.refund", Ok(Speaker::Admin)),
        ("p.admin", "order.cancel", Ok(Speaker::Admin)),
        ("p.commands", "order.refund", Err("not_allowed")),
        ("p.provider", "order.refund", Err("not_allowed")),
        ("p.shop.own", "order.cancel", Err("not_allowed")),
    ] {
        let incoming = Incoming { exchange, key, properties: &properties, body: refund };
        let read = read(&names(), &separate(), Queue::Order, &incoming, Time::default()).pop().unwrap();
        let found = read.as_ref().map(|read| read.message.by).map_err(|unread| unread.why.code);
        assert_eq!(found, by, "{exchange} {key}: {read:?}");
    }
}

fn refusals(logins: &Logins, incoming: &Incoming<'_>) -> Vec<&'static str> {
    let read = read(&names(), logins, Queue::Order, incoming, Time::default());
    read.into_iter().filter_map(Result::err).map(|unread| unread.why.code).collect()
}

#[test]
fn a_message_of_ours_that_lost_part_of_its_envelope_is_no_message() {
    for properties in [
        BasicProperties::default(),
        with_id(),
        BasicProperties::default().with_type(short("order.mark_paid")),
    ] {
        let properties = properties.with_user_id(short("p.saga"));
        let incoming = Incoming {
            exchange: "p.queues",
            key: "p.order",
            properties: &properties,
            body: CANCEL.as_bytes(),
        };
        assert_eq!(refusals(&separate(), &incoming), vec!["envelope_incomplete"]);
    }
    let bundle = BasicProperties::default().with_type(short("bundle")).with_user_id(short("p.saga"));
    for (body, codes) in [("{}", vec!["bundle_malformed"]), ("[1]", vec!["bundle_malformed"]), ("[]", vec![])]
    {
        let incoming =
            Incoming { exchange: "p.queues", key: "p.order", properties: &bundle, body: body.as_bytes() };
        assert_eq!(refusals(&separate(), &incoming), codes, "{body}");
    }
}

fn emitted(n: u128) -> Emitted {
    let order_id = contract::OrderId::new(uuid::Uuid::from_u128(n));
    let body = Body::MarkPaid(
        serde_json::from_value::<bodies::MarkPaid>(serde_json::json!({
            "order_id": order_id, "transaction_id": "ch_1"
        }))
        .unwrap(),
    );
    let cause = MessageId::new("its cause");
    let message =
        Message::with_cause(MessageId::from(uuid::Uuid::from_u128(n)), cause, Time::from_unix_ms(1234), body);
    Emitted { message: std::sync::Arc::new(message), queues: vec![contract::Queue::Order] }
}
