//! Whatever comes from a queue is a message, or is refused with a reason; no input stops the consumer.

use contract::{Message, Queue, Raw, Speaker, Time, speakers_of};
use fuzz::{JSON, PERSONAL, Target, refusal};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::dead::{letter, letters};
use super::envelope::{Unread, unpack};
use super::frame::REMOVED;
use super::incoming::{Incoming, read, read_fact};
use super::logins::Logins;
use super::topology::Names;

/// The message after a round trip through JSON, as text.
fn accepted(message: &Message) -> String {
    let Message { id, cause, at, .. } = message;
    let again = Message::restore(id.clone(), cause.clone(), *at, message.name(), message.json());
    let again = again.map(|again| again.said_by(message.by));
    assert_eq!(again.as_ref(), Ok(message), "it is not the same after it was kept");
    message.name().to_string()
}

fn refused(unread: &Unread, input: &[u8]) -> String {
    // A dead letter can be made of it, too.
    letter(&names(), Queue::Order, unread);
    // An unknown type is repeated in the reason; nothing else is.
    let secrets = if unread.name.contains(PERSONAL) { &[] } else { input };
    refusal(unread.why.code, &unread.why.why, secrets)
}

fn names() -> Names {
    Names::new("p").expect("a good prefix")
}

/// One login for all.
fn logins() -> Logins {
    Logins::shared("guest")
}

/// The input is a line with the type, then the body.
#[test]
fn a_body_is_a_message_that_stays_the_same_or_is_refused_without_repeating_it() {
    Target { name: "body", words: JSON }.run(|input| {
        let (name, body) = line(input);
        let id = Some("m1".to_string());
        let raw = Raw { message_id: id, name: name.to_string(), body: body.to_vec(), ..Raw::default() };
        // A speaker that may send it, so that the body is read.
        let by = speakers_of(name).first().copied().unwrap_or(Speaker::Outsider);
        match Message::accept(by, &raw, Time::default()) {
            Ok(message) => accepted(&message),
            Err(why) => {
                // An unknown type is repeated in the reason; nothing else is.
                let secrets = if name.contains(PERSONAL) { &[] } else { body };
                format!("{name:.20} {}", refusal(why.code, &why.why, secrets))
            }
        }
    });
}

#[test]
fn a_bundle_is_messages_or_refused() {
    Target { name: "bundle", words: JSON }.run(|input| match unpack(input, |_, _| Ok(())) {
        Ok(messages) => {
            let emitted = messages.iter().map(|one| match one {
                Ok(message) => accepted(message),
                Err(unread) => refused(unread, input),
            });
            emitted.take(3).collect::<Vec<_>>().join(" ")
        }
        Err(_) => "no bundle".into(),
    });
}

/// The input is a line for each property, an empty line, and the body.
#[test]
fn whatever_comes_from_a_queue_is_a_message_or_a_dead_letter() {
    const WORDS: &[&str] = &[
        "exchange: p.queues\nuser-id: guest\n",
        "user-id: guest\n",
        "by: saga\n",
        "exchange: p.commands\n",
        "type: bundle\n",
        "type: order.cancel\n",
        "reply-to: p.order\n",
        "id: \u{7}\n",
        "schema: 2\n",
        "attempt: -1\n",
        "content-type: application/json; charset=\u{ff}\n",
        "\n\n",
        "{",
        "}",
        "[",
        "\"",
        "geheim-4242",
        "removed: headers_too_deep\n",
        "dead-code: x\n",
        "reason: delivery_limit\n",
    ];
    Target { name: "incoming", words: WORDS }.run(|input| {
        let Parts { exchange, key, properties, body } = Parts::of(input);
        let incoming = Incoming { exchange: &exchange, key: &key, properties: &properties, body };
        let became = read(&names(), &logins(), Queue::Order, &incoming, Time::default());
        // An unknown name or key is repeated in the reason; nothing else is.
        let head = String::from_utf8_lossy(&input[..input.len() - body.len()]);
        let secrets = if head.contains(PERSONAL) { &[] } else { body };
        let became = became.iter().take(3).map(|one| match one {
            Ok(read) => accepted(&read.message),
            Err(unread) => refused(unread, secrets),
        });
        let became: Vec<_> = became.collect();
        assert!(!became.is_empty() || incoming.kind() == Some("bundle"), "it is neither");
        read_fact(&incoming, Time::default());
        // The same input from a dead-letter queue, and as unroutable.
        let mut dead = letters(&names(), &logins(), Some(Queue::Order), &incoming);
        dead.extend(letters(&names(), &logins(), None, &incoming));
        assert!(
            dead.len() > 1 && dead.iter().all(|one| !one.code.contains('\0') && !one.body.contains('\0'))
        );
        became.join(" ")
    });
}

#[test]
fn a_message_of_which_something_was_taken_out_is_a_dead_letter_with_the_reason() {
    let headers = |code: &str| {
        let mut headers = FieldTable::default();
        headers.insert(REMOVED.into(), AMQPValue::LongString(code.into()));
        BasicProperties::default().with_message_id("m1".into()).with_headers(headers)
    };
    let code = |properties: &BasicProperties| {
        let body = br#"{"order_id":"01932b4a-1111-7000-8000-000000000001"}"#;
        let incoming = Incoming { exchange: "p.commands", key: "order.cancel", properties, body };
        read(&names(), &logins(), Queue::Order, &incoming, Time::default())
            .remove(0)
            .err()
            .map(|unread| unread.why.code)
    };
    assert_eq!(code(&headers("headers_too_deep")), Some("headers_too_deep"));
    assert_eq!(code(&headers("properties_not_utf8")), Some("properties_not_utf8"));
    assert_eq!(code(&headers("another word of a sender's own")), None);
}

struct Parts<'a> {
    exchange: String,
    key: String,
    properties: BasicProperties,
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(input: &'a [u8]) -> Self {
        let (mut exchange, mut key) = ("p.commands".to_string(), "order.cancel".to_string());
        let (mut properties, mut headers) = (BasicProperties::default(), FieldTable::default());
        let (mut head, mut rest) = line(input);
        while let Some((name, text)) = head.split_once(": ") {
            let short = || {
                ShortString::try_new(text.chars().take(60).collect::<String>()).expect("at most 240 bytes")
            };
            let long = || AMQPValue::LongString(text.as_bytes().into());
            let number = |text: &str| text.parse().map_or_else(|_| long(), AMQPValue::LongLongInt);
            properties = match name {
                "type" => properties.with_type(short()),
                "id" => properties.with_message_id(short()),
                "content-type" => properties.with_content_type(short()),
                "content-encoding" => properties.with_content_encoding(short()),
                "reply-to" => properties.with_reply_to(short()),
                "correlation-id" => properties.with_correlation_id(short()),
                "user-id" => properties.with_user_id(short()),
                _ => properties,
            };
            let mut header = |name: &str, value| {
                headers.insert(name.into(), value);
            };
            match name {
                "exchange" => exchange = text.into(),
                "key" => key = text.into(),
                "schema" | "attempt" => header(name, number(text)),
                "removed" => header(REMOVED, long()),
                "dead-code" => header("dead_code", long()),
                "reason" => {
                    let mut death = FieldTable::default();
                    death.insert("reason".into(), long());
                    let deaths = vec![AMQPValue::FieldTable(death)];
                    header("x-death", AMQPValue::FieldArray(deaths.into()));
                }
                "at" | "by" | "causation_id" | "cloudEvents_id" | "cloudEvents:type" => header(name, long()),
                _ => {}
            }
            (head, rest) = line(rest);
        }
        Self { exchange, key, properties: properties.with_headers(headers), body: rest }
    }
}

/// The first line, and the rest.
fn line(input: &[u8]) -> (&str, &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    (std::str::from_utf8(&input[..end]).unwrap_or_default(), input.get(end + 1..).unwrap_or_default())
}
