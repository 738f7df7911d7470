//! What could not be read, routed or handled goes to `Q.dead` with its reason; this file writes it and reads it back.

use contract::{Message, Queue, Speaker, Time, Unreadable};
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::envelope::{BUNDLE, Unread, plain, text, unpack};
use super::incoming::{Incoming, ours, proven_speaker, with_asker};
use super::link::short;
use super::logins::{Entrance, Logins};
use super::outgoing::{Arrival, Outgoing};
use super::topology::{DELIVERY_LIMIT, Names, outside_commands};
use crate::{DeadDelivery, Mark};

/// How much of a body is kept: the limit for our own messages. The sender of a larger one must send something else
/// anyway.
const BODY_BYTES_KEPT: usize = contract::BODY_BYTES_MAX;

/// Names and reasons come from outside; this much of them is enough to find the cause.
const TEXT_BYTES_KEPT: usize = 1024;

/// The dead letter for a message that could not be read, for the dead-letter queue of the queue it came from.
pub(super) fn letter(names: &Names, queue: Queue, unread: &Unread) -> Outgoing {
    let mut headers = FieldTable::default();
    headers.insert(short("dead_code"), text(unread.why.code));
    headers.insert(short("dead_why"), text(cut(&unread.why.why, TEXT_BYTES_KEPT)));
    headers.insert(short("dead_name"), text(cut(&unread.name, TEXT_BYTES_KEPT)));
    headers.insert(short("dead_by"), text(unread.by.name()));
    headers.insert(short("dead_attempts"), AMQPValue::LongLongInt(i64::from(unread.attempt) + 1));
    if let Some(id) = &unread.message_id {
        headers.insert(short("dead_message_id"), text(cut(id, TEXT_BYTES_KEPT)));
    }
    if let Some(cause) = &unread.cause {
        headers.insert(short("causation_id"), text(cut(cause, TEXT_BYTES_KEPT)));
    }
    let mut properties = plain(ShortString::try_new(unread.name.as_str()).ok(), headers);
    if let Some(id) = unread.message_id.as_deref().and_then(|id| ShortString::try_new(id).ok()) {
        properties = properties.with_message_id(id);
    }
    let body = unread.body[..unread.body.len().min(BODY_BYTES_KEPT)].to_vec();
    let (exchange, key) = (short(names.dead_exchange()), short(names.queue(queue)));
    Outgoing { exchange, key, arrival: Arrival::InAQueue, properties, body }
}

/// The dead letters in an AMQP message from `Q.dead`, or from `P.unrouted` when there is no queue. What the broker
/// put there is unchanged and may hold card numbers; the letters do not.
pub(super) fn letters(
    names: &Names,
    logins: &Logins,
    lay_in: Option<Queue>,
    incoming: &Incoming<'_>,
) -> Vec<DeadDelivery> {
    let came = as_they_came(names, logins, lay_in, incoming);
    came.into_iter().map(DeadDelivery::without_card_numbers).collect()
}

fn as_they_came(
    names: &Names,
    logins: &Logins,
    lay_in: Option<Queue>,
    incoming: &Incoming<'_>,
) -> Vec<DeadDelivery> {
    let died = Died::of(incoming);
    let letter = DeadDelivery {
        queue: lay_in,
        message_id: incoming.message_id().map(String::from),
        name: match incoming.kind() {
            Some(kind) => kind.to_string(),
            None => died.key.clone().unwrap_or_else(|| incoming.name().to_string()),
        },
        by: Speaker::Outsider,
        cause: None,
        code: String::new(),
        why: String::new(),
        attempts: 1,
        body: printable(incoming.body),
        mark: Mark::default(),
    };
    let by = logins.of_dead(incoming.login(), &letter.name);
    let letter = DeadDelivery { by, ..letter };
    let Some(queue) = lay_in else {
        return vec![unrouted(names, incoming, letter)];
    };
    // The broker marks what it dead-letters. Without that mark, one of our own logins published it here.
    if let (false, Some(code)) = (incoming.was_dead_lettered(), incoming.text("dead_code")) {
        let dead_lettered = logins.voice(incoming.login()).filter(|voice| voice.reads(queue));
        let by = dead_lettered.and_then(|_| Speaker::named(incoming.text("dead_by")?));
        return vec![DeadDelivery {
            by: by.unwrap_or(Speaker::Outsider),
            message_id: incoming.text("dead_message_id").map(String::from),
            name: incoming.text("dead_name").unwrap_or(&letter.name).to_string(),
            cause: incoming.said_cause().map(String::from),
            code: printable(code.as_bytes()),
            why: incoming.text("dead_why").unwrap_or("no reason came with it").to_string(),
            attempts: incoming.number("dead_attempts").and_then(|n| u32::try_from(n).ok()).unwrap_or(1),
            ..letter
        }];
    }
    let (code, why, attempts) = match died.reason.as_deref() {
        Some("delivery_limit") => {
            let why = format!(
                "it was delivered more than {DELIVERY_LIMIT} times from {} and never acknowledged: whoever took \
                 it died or gave it back",
                names.queue(queue)
            );
            ("delivery_limit", why, DELIVERY_LIMIT + 1)
        }
        Some("expired") => {
            ("expired", "its sender gave it an expiration, and that passed before its turn came".into(), 1)
        }
        Some("rejected") => ("rejected", "a person or another program took it and rejected it".into(), 1),
        Some(other) => ("dead_lettered", format!("the broker put it here and calls the reason {other:?}"), 1),
        None => ("dead_lettered", "a person or another program put it here".into(), 1),
    };
    let letter = DeadDelivery { code: code.into(), why, attempts, ..letter };
    // What is ours was published with a login of ours; an outsider's cause is never believed.
    let ours = logins.voice(incoming.login()).is_some_and(|voice| voice.is_ours());
    if ours && died.exchange.as_deref().and_then(|exchange| Entrance::of(names, exchange)).is_none() {
        return of_ours(logins, queue, incoming, &letter);
    }
    // What a person puts here by hand may be one of our messages, which is recognised by its id.
    let letter = match incoming.was_dead_lettered() {
        true => {
            let (message_id, why) = incoming.without_an_id_of_ours(letter.why);
            DeadDelivery { message_id, why, ..letter }
        }
        false => letter,
    };
    match with_asker(names, letter.by, incoming) {
        Some(asked) => {
            let (message_id, body) = (Some(asked.id.to_string()), asked.json().to_string());
            vec![DeadDelivery { message_id, body, ..letter }]
        }
        None => vec![letter],
    }
}

/// The one message, or each message of a bundle, with its speaker as far as the login proves that.
fn of_ours(
    logins: &Logins,
    queue: Queue,
    incoming: &Incoming<'_>,
    letter: &DeadDelivery,
) -> Vec<DeadDelivery> {
    let proven = |message: &Message| proven_speaker(logins, queue, incoming, message);
    if letter.name != BUNDLE {
        let by = ours(incoming, Time::default()).ok().and_then(|message| proven(&message));
        let cause = by.and_then(|_| incoming.said_cause()).map(String::from);
        return vec![DeadDelivery { by: by.unwrap_or(Speaker::Outsider), cause, ..letter.clone() }];
    }
    let in_bundle = |one: Result<Message, Box<Unread>>| match one {
        Ok(message) => DeadDelivery {
            message_id: Some(message.id.to_string()),
            name: message.name().to_string(),
            by: proven(&message).unwrap_or(Speaker::Outsider),
            cause: message.cause.as_ref().map(ToString::to_string),
            body: message.json().to_string(),
            ..letter.clone()
        },
        Err(unread) => DeadDelivery {
            message_id: unread.message_id,
            name: unread.name,
            by: Speaker::Outsider,
            cause: unread.cause,
            body: printable(&unread.body),
            ..letter.clone()
        },
    };
    match unpack(incoming.body, |_, _| Ok(())) {
        Ok(messages) if !messages.is_empty() => messages.into_iter().map(in_bundle).collect(),
        Ok(_) | Err(_) => vec![letter.clone()],
    }
}

/// Its queue is the one that its type belongs to, if outsiders may send that type: then the letter can be replayed.
fn unrouted(names: &Names, incoming: &Incoming<'_>, letter: DeadDelivery) -> DeadDelivery {
    if let Err(Unreadable { code, why }) = incoming.entrance(names) {
        let (message_id, why) = incoming.without_an_id_of_ours(why);
        return DeadDelivery { message_id, by: Speaker::Outsider, code: code.into(), why, ..letter };
    }
    let meant = outside_commands().find(|(name, _)| *name == letter.name);
    let known: Vec<_> = outside_commands().map(|(name, _)| name).collect();
    let why =
        format!("no queue wants routing key {:?}; commands are {}", cut(incoming.key, 255), known.join(", "));
    let (message_id, why) = incoming.without_an_id_of_ours(why);
    DeadDelivery {
        message_id,
        queue: meant.map(|(_, queue)| queue),
        code: "unroutable".into(),
        why,
        ..letter
    }
}

/// What the broker wrote into the headers when it dead-lettered the message.
#[derive(Default)]
struct Died {
    reason: Option<String>,
    /// The exchange through which it had come to its queue.
    exchange: Option<String>,
    /// The routing key it was published with; its own is by now that of the dead-letter queue.
    key: Option<String>,
}

impl Died {
    fn of(incoming: &Incoming<'_>) -> Self {
        let Some(AMQPValue::FieldArray(deaths)) = incoming.header("x-death") else { return Self::default() };
        let Some(AMQPValue::FieldTable(death)) = deaths.as_slice().first() else { return Self::default() };
        let emitted = |name: &str| match death.inner().get(name)? {
            AMQPValue::LongString(text) => Some(text.to_string()),
            AMQPValue::FieldArray(several) => match several.as_slice().first()? {
                AMQPValue::LongString(text) => Some(text.to_string()),
                _ => None,
            },
            _ => None,
        };
        Died { reason: emitted("reason"), exchange: emitted("exchange"), key: emitted("routing-keys") }
    }
}

/// Replaces what is not UTF-8, and the NUL character, which Postgres cannot store.
fn printable(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(BODY_BYTES_KEPT)]).replace('\0', "\u{FFFD}")
}

fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
