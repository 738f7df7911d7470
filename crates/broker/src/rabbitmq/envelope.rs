//! The wire format of our own messages: alone with the envelope in the AMQP properties, or in a bundle.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use contract::{Body, Kind, Message, MessageId, Queue, Speaker, Time, Unreadable, first_who_may};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::Emitted;

use super::link::short;
use super::outgoing::{Arrival, Outgoing};
use super::topology::Names;

pub(super) const BUNDLE: &str = "bundle";

/// Between our own roles, all messages of a batch for one queue travel as one AMQP message, because a broker's costs
/// are per message. Larger bundles than 512 save nothing that can be measured.
const BUNDLE_COUNT_MAX: usize = 512;

/// A consumer may have its whole prefetch of bundles in memory: 64 of these are 16 MiB.
const BUNDLE_BYTES_MAX: usize = 256 * 1024;

/// Written to disk by every replica before it is confirmed.
const PERSISTENT: u8 = 2;

const APP: &str = "checkout";
const JSON: &str = "application/json";

/// RabbitMQ's direct reply-to: it writes a name that begins like this into `reply_to`.
const DIRECT_REPLY: &str = "amq.rabbitmq.reply-to.";

/// One message in a bundle. `at` is in milliseconds since 1970.
#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(rename = "type", borrow)]
    name: Cow<'a, str>,
    /// The sender, if not the first speaker that may send this type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Speaker>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    cause: Option<Cow<'a, str>>,
    at: i64,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// What could not be read as a message, with what its sender should change.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) why: Unreadable,
    pub(super) message_id: Option<String>,
    pub(super) name: String,
    /// The sender, as far as that is proven.
    pub(super) by: Speaker,
    pub(super) cause: Option<String>,
    pub(super) body: Vec<u8>,
    pub(super) attempt: u32,
}

/// The AMQP messages for our own queues; for each queue in the order of `said`.
pub(super) fn to_queues(names: &Names, emitted: &[Emitted]) -> Vec<Outgoing> {
    let mut by_queue: BTreeMap<Queue, Vec<&Message>> = BTreeMap::new();
    for Emitted { message, queues } in emitted {
        for queue in queues {
            by_queue.entry(*queue).or_default().push(message);
        }
    }
    let exchange = short(names.queues());
    let mut outgoing = Vec::new();
    for (queue, messages) in by_queue {
        let key = short(names.queue(queue));
        for (properties, body) in packed(&messages) {
            let (exchange, key) = (exchange.clone(), key.clone());
            outgoing.push(Outgoing { exchange, key, arrival: Arrival::InAQueue, properties, body });
        }
    }
    outgoing
}

/// The facts among `said`, for listeners outside. (Replies go over a channel of their own: `answers`.)
pub(super) fn facts(emitted: &[Emitted]) -> Vec<&Message> {
    emitted.iter().map(|one| &*one.message).filter(|message| message.body.kind() == Kind::Fact).collect()
}

pub(super) fn fact(names: &Names, message: &Message) -> Outgoing {
    let (properties, body) = alone(message, 0);
    let (exchange, key) = (short(names.events()), short(message.name()));
    Outgoing { exchange, key, arrival: Arrival::Anywhere, properties, body }
}

/// The replies among `said`, each for one asker. The body is the event alone, with the asker's correlation id.
pub(super) fn answers(emitted: &[Emitted]) -> Vec<Outgoing> {
    emitted.iter().filter_map(|one| answer(&one.message)).collect()
}

fn answer(message: &Message) -> Option<Outgoing> {
    let Body::Reply(reply) = &message.body else { return None };
    let event = Body::from(reply.ending.clone());
    let event = Message::with_cause(message.id.clone(), message.cause.clone(), message.at, event);
    let (properties, body) = alone(&event, 0);
    let properties = match reply.reply_to.correlation_id() {
        Some(id) => properties.with_correlation_id(short(id)),
        None => properties,
    };
    // The default exchange has no name, and routes to the queue whose name is the routing key.
    let (exchange, key) = (short(""), short(reply.reply_to.queue()));
    let direct = reply.reply_to.queue().starts_with(DIRECT_REPLY);
    let arrival = if direct { Arrival::AtAChannel } else { Arrival::AtAnAsker };
    Some(Outgoing { exchange, key, arrival, properties, body })
}

/// A copy that waits for about `delay` and then comes to `queue` again.
pub(super) fn again_later(
    names: &Names,
    queue: Queue,
    message: &Message,
    attempt: u32,
    delay: Duration,
) -> Outgoing {
    let (properties, body) = alone(message, attempt);
    let (exchange, key) = (short(names.retry(delay)), short(names.queue(queue)));
    Outgoing { exchange, key, arrival: Arrival::InAQueue, properties, body }
}

/// Properties of a message outside a bundle.
pub(super) fn plain(name: Option<ShortString>, headers: FieldTable) -> BasicProperties {
    let properties = BasicProperties::default()
        .with_content_type(short(JSON))
        .with_delivery_mode(PERSISTENT)
        .with_app_id(short(APP))
        .with_headers(headers);
    match name {
        Some(name) => properties.with_type(name),
        None => properties,
    }
}

/// The messages of a bundle. `admit` is called for each, with type and speaker, before its body is read. `Err`: the
/// body is no bundle.
pub(super) fn unpack(
    body: &[u8],
    admit: impl Fn(&str, Speaker) -> Result<(), Unreadable>,
) -> Result<Vec<Result<Message, Box<Unread>>>, serde_json::Error> {
    let envelopes: Vec<Envelope<'_>> = serde_json::from_slice(body)?;
    Ok(envelopes.into_iter().map(|envelope| open(envelope, &admit)).collect())
}

fn open(
    envelope: Envelope<'_>,
    admit: impl Fn(&str, Speaker) -> Result<(), Unreadable>,
) -> Result<Message, Box<Unread>> {
    let Envelope { id, name, by, cause, at, body } = envelope;
    let usable = |id: &str| {
        let why = "an id in a bundle has 1 to 255 bytes and no control characters";
        MessageId::new(id).ok_or_else(|| Unreadable::new("message_id_invalid", why))
    };
    let by = by.unwrap_or(first_who_may(&name));
    let read = || {
        admit(&name, by)?;
        let cause = cause.as_deref().map(usable).transpose()?;
        let message = Message::restore(usable(&id)?, cause, Time::from_unix_ms(at), &name, body.get())?;
        Ok(message.said_by(by))
    };
    read().map_err(|why: Unreadable| {
        Box::new(Unread {
            why,
            by,
            message_id: Some(id.to_string()),
            name: name.to_string(),
            cause: cause.as_deref().map(String::from),
            body: body.get().as_bytes().to_vec(),
            attempt: 0,
        })
    })
}

fn packed(messages: &[&Message]) -> Vec<(BasicProperties, Vec<u8>)> {
    let mut packed = Vec::new();
    let mut rest = messages;
    while !rest.is_empty() {
        let (bundle, after) = rest.split_at(fitting(rest));
        rest = after;
        packed.push(match bundle {
            [one] => alone(one, 0),
            several => (bundle_properties(), bundled(several)),
        });
    }
    packed
}

/// How many of these messages go into one bundle: at least one, however large it is.
fn fitting(messages: &[&Message]) -> usize {
    // Everything but the body: the keys, two ids and a name. None of ours is longer than this.
    const ENVELOPE_BYTES: usize = 700;
    let mut bytes = 0;
    let fits = |message: &&&Message| {
        bytes += message.json().len() + ENVELOPE_BYTES;
        bytes <= BUNDLE_BYTES_MAX
    };
    messages.iter().take(BUNDLE_COUNT_MAX).take_while(fits).count().max(1)
}

fn bundled(messages: &[&Message]) -> Vec<u8> {
    let envelopes: Vec<_> = messages
        .iter()
        .map(|message| Envelope {
            id: message.id.as_str().into(),
            name: message.name().into(),
            by: message.unusual_speaker(),
            cause: message.cause.as_ref().map(|cause| cause.as_str().into()),
            at: message.at.unix_ms(),
            body: serde_json::from_str(message.json()).expect("a message's body was JSON when it was made"),
        })
        .collect();
    serde_json::to_vec(&envelopes).expect("envelopes have string keys and no failing serializers")
}

fn bundle_properties() -> BasicProperties {
    plain(Some(short(BUNDLE)), FieldTable::default())
}

/// The format that outsiders see: the envelope in the properties, the payload in the body.
fn alone(message: &Message, attempt: u32) -> (BasicProperties, Vec<u8>) {
    let mut headers = FieldTable::default();
    headers.insert(short("schema"), AMQPValue::LongInt(1));
    // The property `timestamp` has whole seconds only.
    headers.insert(short("at"), text(message.at.to_string()));
    if let Some(cause) = &message.cause {
        headers.insert(short("causation_id"), text(cause.as_str()));
    }
    if let Some(by) = message.unusual_speaker() {
        headers.insert(short("by"), text(by.name()));
    }
    if attempt > 0 {
        headers.insert(short("attempt"), AMQPValue::LongLongInt(i64::from(attempt)));
    }
    let properties = plain(Some(short(message.name())), headers)
        .with_message_id(short(message.id.as_str()))
        .with_timestamp(u64::try_from(message.at.unix_ms() / 1000).unwrap_or(0));
    let properties = match message.order_id {
        Some(order_id) => properties.with_correlation_id(short(order_id.to_string())),
        None => properties,
    };
    (properties, message.json().as_bytes().to_vec())
}

pub(super) fn text(text: impl Into<String>) -> AMQPValue {
    AMQPValue::LongString(text.into().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::bodies;

    fn message(n: u128, id: &str) -> Message {
        let order_id = contract::OrderId::new(uuid::Uuid::from_u128(n));
        let body = Body::OrderArchive(bodies::OrderArchive { order_id, ..Default::default() });
        Message::with_cause(
            MessageId::new(id).unwrap(),
            MessageId::new("its \"cause\""),
            Time::default(),
            body,
        )
    }

    #[test]
    fn what_is_packed_comes_out_as_it_was() {
        let messages: Vec<_> =
            (0..3).map(|n| message(n, &format!("id \\ \" {n} {}", "ü".repeat(100)))).collect();
        let bundle = bundled(&messages.iter().collect::<Vec<_>>());
        let unpacked: Vec<_> =
            unpack(&bundle, |_, _| Ok(())).unwrap().into_iter().map(|one| one.ok().unwrap()).collect();
        assert_eq!(unpacked, messages);
    }

    #[test]
    fn bundles_are_bounded_in_count_and_bytes_and_one_alone_is_no_bundle() {
        let many: Vec<_> = (0..1500).map(|n| message(n, &format!("m{n}"))).collect();
        let packed = packed(&many.iter().collect::<Vec<_>>());
        let mut counts = Vec::new();
        for (properties, body) in &packed {
            assert!(body.len() <= BUNDLE_BYTES_MAX);
            assert_eq!(properties.kind().as_ref().unwrap().as_str(), BUNDLE);
            counts.push(unpack(body, |_, _| Ok(())).unwrap().len());
        }
        assert!(counts.iter().all(|count| *count <= BUNDLE_COUNT_MAX), "{counts:?}");
        assert_eq!(counts.iter().sum::<usize>(), 1500);
        let (properties, body) = &super::packed(&[&many[0]])[0];
        assert_eq!(properties.kind().as_ref().unwrap().as_str(), "order.archive");
        assert_eq!(body, many[0].json().as_bytes());
    }

    #[test]
    fn a_message_that_cannot_be_read_leaves_its_bundle_and_the_others_stay() {
        let good = message(1, "good");
        let text = String::from_utf8(bundled(&[&good, &message(2, "bad"), &good])).unwrap();
        let text =
            text.replacen("order.archive", "order.shelve", 2).replacen("order.shelve", "order.archive", 1);
        let unpacked = unpack(text.as_bytes(), |_, _| Ok(())).unwrap();
        assert_eq!(unpacked.len(), 3);
        let torn = unpacked.into_iter().find_map(Result::err).unwrap();
        assert_eq!(
            (torn.message_id.as_deref(), torn.name.as_str(), torn.why.code),
            (Some("bad"), "order.shelve", "type_unknown")
        );
    }
}
