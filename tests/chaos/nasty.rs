//! No message from a publisher, however odd, kills a process: it becomes a dead letter with a reason, and every good
//! order is fulfilled.

use std::collections::BTreeMap;

use crate::support::fleet::{Fleet, checkout};
use crate::support::raw_amqp::{
    FRAME_MAX, Place, Properties, RawPublisher, entry, long, nested, nested_arrays,
};
use crate::support::{new_id, until};

/// A good order is placed before and after each of them.
const GOOD_BETWEEN: usize = 4;
/// Nested deeper than a client with a recursive parser survives.
const DEEP: usize = 10_000;
/// Half a body: a message whose properties are merely odd is refused for this.
const HALF: &[u8] = b"{\"customer_id\": ";

/// A message, and the code of its dead letter; without a code, the broker refuses it.
struct Nasty {
    what: &'static str,
    key: &'static [u8],
    properties: Properties,
    body: Vec<u8>,
    dies_of: Option<&'static str>,
}

fn nasty(what: &'static str, properties: Properties, body: &[u8], dies_of: &'static str) -> Nasty {
    Nasty { what, key: b"checkout.submit", properties, body: body.to_vec(), dies_of: Some(dies_of) }
}

fn refused(what: &'static str, properties: Properties) -> Nasty {
    Nasty { dies_of: None, ..nasty(what, properties, HALF, "") }
}

fn by(key: &'static [u8], nasty: Nasty) -> Nasty {
    Nasty { key, ..nasty }
}

fn headers(entries: &[Vec<u8>]) -> Properties {
    Properties::id("an id").headers(entries)
}

fn every_type() -> Vec<Vec<u8>> {
    let text = long(b"a text that is \xff no text");
    let fixed = [
        (b't', 1),
        (b'b', 1),
        (b'B', 1),
        (b's', 2),
        (b'u', 2),
        (b'I', 4),
        (b'i', 4),
        (b'l', 8),
        (b'f', 4),
        (b'd', 8),
        (b'D', 5),
        (b'T', 8),
        (b'V', 0),
    ];
    let mut all: Vec<_> = fixed.map(|(kind, bytes)| entry(&[kind], kind, &vec![1; bytes])).to_vec();
    all.extend([b'S', b'x'].map(|kind| entry(&[kind], kind, &text)));
    all.push(entry(b"F", b'F', &long(&all.concat())));
    all.push(entry(b"A", b'A', &long(&[&b"V"[..], b"t\x01", b"S", &text].concat())));
    all
}

fn odd_headers() -> Vec<Nasty> {
    let text = |name: &[u8], text: &[u8]| entry(name, b'S', &long(text));
    let many: Vec<_> = (0..2000).map(|n| entry(format!("header-{n}").as_bytes(), b'I', &[0; 4])).collect();
    let order = checkout(&new_id(), "tok_ok").to_string();
    vec![
        nasty("tables without end", headers(&[nested(b"deep", DEEP)]), order.as_bytes(), "headers_too_deep"),
        nasty(
            "arrays without end",
            headers(&[nested_arrays(b"deep", DEEP)]),
            order.as_bytes(),
            "headers_too_deep",
        ),
        nasty(
            "as deep as a frame",
            headers(&[nested(b"deep", FRAME_MAX / 8)]),
            order.as_bytes(),
            "headers_too_deep",
        ),
        nasty("every type there is", headers(&every_type()), HALF, "body_malformed"),
        nasty("thousands of headers", headers(&many), HALF, "body_malformed"),
        nasty(
            "one that fills a frame",
            headers(&[text(b"baggage", &vec![b'x'; FRAME_MAX - 200])]),
            HALF,
            "body_malformed",
        ),
        nasty(
            "a name in Latin-1",
            headers(&[text(b"caf\xe9", b"x")]),
            order.as_bytes(),
            "properties_not_utf8",
        ),
        nasty("no name", headers(&[text(b"", b"x")]), HALF, "body_malformed"),
        nasty("the same name twice", headers(&[text(b"a", b"x"), text(b"a", b"y")]), HALF, "body_malformed"),
        nasty(
            "a schema that is a table",
            headers(&[nested(b"schema", 2)]),
            order.as_bytes(),
            "schema_unknown",
        ),
        nasty(
            "our own mark",
            headers(&[text(b"removed_headers", b"headers_too_deep")]),
            order.as_bytes(),
            "headers_too_deep",
        ),
        nasty(
            "our own mark, with another word",
            headers(&[text(b"removed_headers", b"\0")]),
            HALF,
            "body_malformed",
        ),
        nasty("a death that it did not die", headers(&[nested(b"x-death", 3)]), HALF, "not_allowed"),
        nasty(
            "a copy to nobody",
            headers(&[entry(b"CC", b'A', &long(&[&b"S"[..], &long(b"nobody")].concat()))]),
            HALF,
            "body_malformed",
        ),
        nasty(
            "a blind copy to nobody",
            headers(&[entry(b"BCC", b'A', &long(&[&b"S"[..], &long(b"\xff")].concat()))]),
            HALF,
            "body_malformed",
        ),
        refused("a type that there is not", headers(&[entry(b"odd", b'?', &[])])),
        refused("a copy to a number", headers(&[entry(b"CC", b'I', &[0; 4])])),
    ]
}

fn odd_properties() -> Vec<Nasty> {
    let id = || Properties::id("another id");
    let every = |text: &[u8]| {
        let places = [
            Place::ContentType,
            Place::ContentEncoding,
            Place::CorrelationId,
            Place::ReplyTo,
            Place::MessageId,
            Place::Type,
            Place::AppId,
            Place::ClusterId,
        ];
        places.into_iter().fold(Properties::default(), |properties, place| properties.short(place, text))
    };
    let cancel = b"{\"order_id\":\"01932b4a-1111-7000-8000-000000000001\"}";
    vec![
        by(b"order.cancel", nasty("none at all", Properties::default(), cancel, "message_id_missing")),
        by(b"order.cancel", nasty("all of them empty", every(b""), cancel, "message_id_missing")),
        by(
            b"order.cancel",
            nasty("all of them in Latin-1", every(b"caf\xe9"), cancel, "properties_not_utf8"),
        ),
        nasty("255 bytes in each", every(&[b'x'; 255]), HALF, "content_type_unknown"),
        nasty("an id of 255 bytes", Properties::id(&("ü".repeat(127) + "x")), HALF, "body_malformed"),
        nasty("an id with a bell", Properties::id("a\u{7}"), HALF, "message_id_invalid"),
        nasty("a type of 255 bytes", id().short(Place::Type, &[b'x'; 255]), HALF, "type_differs"),
        nasty("another type", id().short(Place::Type, b"order.cancel"), HALF, "type_differs"),
        nasty("a bundle", id().short(Place::Type, b"bundle"), b"[]", "bundle_refused"),
        nasty("XML", id().short(Place::ContentType, b"text/xml"), b"<a/>", "content_type_unknown"),
        nasty("compressed", id().short(Place::ContentEncoding, b"gzip"), HALF, "content_encoding_unknown"),
        nasty("an expiration", id().short(Place::Expiration, b"600000"), HALF, "body_malformed"),
        nasty("the highest priority", id().raw(Place::Priority, vec![255]), HALF, "body_malformed"),
        nasty("the end of time", id().raw(Place::Timestamp, vec![255; 8]), HALF, "body_malformed"),
        refused("an expiration that is no number", id().short(Place::Expiration, b"soon")),
        refused("no known delivery mode", id().raw(Place::DeliveryMode, vec![77])),
        refused("another user", id().short(Place::UserId, b"nobody-has-this-name")),
        by(b"order.cancle", nasty("a key that nobody has", id(), cancel, "unroutable")),
        by(b"caf\xe9", nasty("a key in Latin-1", id(), cancel, "unroutable")),
        by(b"", nasty("no key", id(), cancel, "unroutable")),
        by(b"order.mark_paid", nasty("a command between workers", id(), cancel, "unroutable")),
    ]
}

fn odd_bodies() -> Vec<Nasty> {
    let id = || Properties::id("a third id");
    let body = |what, body: &[u8], dies_of| nasty(what, id(), body, dies_of);
    let order = checkout(&new_id(), "tok_ok").to_string();
    vec![
        body("nothing", b"", "body_malformed"),
        body("a byte too many", &vec![b' '; 64 * 1024 + 1], "body_too_large"),
        body("a MiB", &vec![b'x'; 1 << 20], "body_too_large"),
        body("100,000 brackets", &b"[".repeat(100_000), "body_too_large"),
        body("60,000 brackets", &b"[".repeat(60_000), "body_malformed"),
        body("10,000 objects", &b"{\"a\":".repeat(10_000), "body_malformed"),
        body(
            "a number too large",
            order.replace("\"quantity\":1", "\"quantity\":1e999").as_bytes(),
            "body_invalid",
        ),
        body("a NUL", order.replace("customer-1", "a\0b").as_bytes(), "body_malformed"),
        body("a byte order mark", format!("\u{feff}{order}").as_bytes(), "body_malformed"),
        body("Latin-1", b"{\"customer_id\": \"caf\xe9\"}", "body_malformed"),
        body("half a surrogate", order.replace("customer-1", "\\ud800").as_bytes(), "body_invalid"),
        body("a list", b"[1,2]", "body_invalid"),
        body("two of them", format!("{order}{order}").as_bytes(), "body_malformed"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_published_is_a_dead_letter_with_a_reason_while_every_good_order_is_fulfilled() {
    let mut fleet = Fleet::new().await;
    fleet.start_all();
    fleet.open().await;
    let commands = fleet.namespace.names().commands();
    let mut raw = RawPublisher::connect().await;
    let (mut good, mut expected) = (Vec::new(), BTreeMap::<&str, usize>::new());
    let all: Vec<_> = [odd_headers(), odd_properties(), odd_bodies()].into_iter().flatten().collect();
    for (number, mut nasty) in all.into_iter().enumerate() {
        good.extend(fleet.orders(GOOD_BETWEEN, "tok_ok").await);
        if let Some(code) = nasty.dies_of {
            *expected.entry(code).or_default() += 1;
            // Two with the same body would be one dead letter.
            nasty.body.extend(b" ".repeat(number));
            let sent = raw.publishes(&commands, nasty.key, &nasty.properties, &nasty.body).await;
            sent.unwrap_or_else(|why| panic!("{}: {why}", nasty.what));
        } else {
            let sent = raw.publishes(&commands, nasty.key, &nasty.properties, &nasty.body).await;
            sent.expect_err(nasty.what);
            raw = RawPublisher::connect().await;
        }
    }
    good.extend(fleet.orders(GOOD_BETWEEN, "tok_ok").await);
    let count = expected.values().sum::<usize>();
    let mut letters = Vec::new();
    until("that all of them are dead letters", || {
        letters = fleet.checkout(&["dead", "list", "--json"]).json().as_array().unwrap().clone();
        (letters.len() >= count).then_some(())
    });
    let mut codes = BTreeMap::<&str, usize>::new();
    for letter in &letters {
        *codes.entry(letter["code"].as_str().unwrap()).or_default() += 1;
        assert!(letter["why"].as_str().unwrap().len() > 20, "{letter}");
    }
    assert_eq!(codes, expected);
    fleet.wait_for_rest(good.len() as i64).await;
    fleet.assert_ended(&good, "fulfilled").await;
    let proof = fleet.prove(good.len() as i64).await;
    assert_eq!(proof.dead_letters, count as u64);
    println!("{count} nasty messages amid {} good orders: {proof}", good.len());
}
