//! Makes messages of what came from a queue. What comes by our own exchange is ours; nothing else is believed.

use contract::{MESSAGES, Message, MessageId, Raw, Time, Unreadable};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::envelope::{BUNDLE, unpack};
use super::topology::{Names, OUTSIDE};

/// An AMQP message, as it came.
pub(super) struct Incoming<'a> {
    pub(super) exchange: &'a str,
    pub(super) key: &'a str,
    pub(super) properties: &'a BasicProperties,
    pub(super) body: &'a [u8],
}

#[derive(Debug)]
pub(super) struct Read {
    pub(super) message: Message,
    /// How often it failed.
    pub(super) attempt: u32,
}

/// What came and is no message, with what its sender should change.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) why: Unreadable,
    pub(super) message_id: Option<String>,
    pub(super) name: String,
    pub(super) cause: Option<String>,
    pub(super) body: Vec<u8>,
    pub(super) attempt: u32,
}

pub(super) fn read(names: &Names, incoming: &Incoming<'_>, now: Time) -> Vec<Result<Read, Box<Unread>>> {
    if incoming.exchange != names.queues() {
        let read = from_outside(names, incoming, now).map(|message| Read { message, attempt: 0 });
        return vec![read.map_err(|why| unread(incoming, why))];
    }
    let attempt = incoming.number("attempt").and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    if incoming.kind() != Some(BUNDLE) {
        let read = ours(incoming, now).map(|message| Read { message, attempt });
        return vec![read.map_err(|why| {
            let cause = incoming.said_cause().map(String::from);
            Box::new(Unread { attempt, cause, ..*unread(incoming, why) })
        })];
    }
    match unpack(incoming.body) {
        Ok(messages) => {
            messages.into_iter().map(|one| one.map(|message| Read { message, attempt: 0 })).collect()
        }
        Err(error) => {
            let why = Unreadable::new("bundle_malformed", format!("this is no bundle of ours: {error}"));
            vec![Err(unread(incoming, why))]
        }
    }
}

/// A fact as it goes out to listeners. `None`: somebody else's, or from another version.
pub(super) fn read_fact(incoming: &Incoming<'_>, now: Time) -> Option<Message> {
    ours(incoming, now).ok()
}

/// A single message of ours, with its envelope in the properties.
fn ours(incoming: &Incoming<'_>, now: Time) -> Result<Message, Unreadable> {
    let missing =
        |what| Unreadable::new("envelope_incomplete", format!("a message of ours came without {what}"));
    let id = incoming.message_id().and_then(MessageId::new).ok_or_else(|| missing("a usable message_id"))?;
    let name = incoming.kind().ok_or_else(|| missing("a type"))?;
    let json = std::str::from_utf8(incoming.body).map_err(|_| missing("a body in UTF-8"))?;
    let at = incoming.text("at").and_then(|at| at.parse().ok()).unwrap_or(now);
    Message::restore(id, incoming.said_cause().and_then(MessageId::new), at, name, json)
}

/// A checkout that nobody handled keeps its asker, who is in no letter otherwise: as a replay would need it.
pub(super) fn with_asker(names: &Names, incoming: &Incoming<'_>) -> Option<Message> {
    text_of(incoming.properties.reply_to())?;
    from_outside(names, incoming, Time::default()).ok()
}

fn text_of(property: &Option<ShortString>) -> Option<&str> {
    property.as_ref().map(ShortString::as_str).filter(|text| !text.is_empty())
}

/// A plain single message from anybody. Its cause is dropped: every cause in our journal was said by one of us.
fn from_outside(names: &Names, incoming: &Incoming<'_>, now: Time) -> Result<Message, Unreadable> {
    speaks_json(incoming.properties)?;
    if incoming.kind() == Some(BUNDLE) {
        let why = "bundles are for our own roles; send each message by itself, to the exchange for commands";
        return Err(Unreadable::new("bundle_refused", why));
    }
    let name = incoming.name();
    // Who may send what is a matter of routing keys: a type that says something else would get around that.
    if incoming.exchange == names.commands() && name != incoming.key {
        let why =
            format!("the type is {name:?} and the routing key {:?}; they must be the same", incoming.key);
        return Err(Unreadable::new("type_differs", why));
    }
    if MESSAGES.iter().any(|(known, ..)| *known == name) && !OUTSIDE.contains(&name) {
        let why = format!(
            "{name} is said between our own workers; what may be sent here is {}",
            OUTSIDE.join(", ")
        );
        return Err(Unreadable::new("type_internal", why));
    }
    let schema = match incoming.header("schema") {
        None => None,
        Some(value) => Some(whole(value).ok_or_else(|| {
            Unreadable::new(
                "schema_unknown",
                "the header schema must be a whole number; leave it out, or send 1",
            )
        })?),
    };
    let message_id = incoming.message_id().map(String::from);
    let reply_to = text_of(incoming.properties.reply_to());
    if let Some(queue) = reply_to.filter(|queue| names.are_of(queue)) {
        let why = format!("reply_to {queue:?} is a queue of ours; name one of your own");
        return Err(Unreadable::new("reply_to_invalid", why));
    }
    let raw = Raw {
        message_id,
        name: name.to_string(),
        schema,
        reply_to: reply_to.map(String::from),
        correlation_id: text_of(incoming.properties.correlation_id()).map(String::from),
        body: incoming.body.to_vec(),
    };
    Message::accept(&raw, now)
}

fn speaks_json(properties: &BasicProperties) -> Result<(), Unreadable> {
    let given = |value: &Option<lapin::types::ShortString>| {
        let text = value.as_ref().map_or("", |value| value.as_str());
        // Parameters, as in `; charset=utf-8`, change nothing for JSON.
        text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    };
    let kind = given(properties.content_type());
    if !matches!(kind.as_str(), "" | "application/json") {
        let why = format!(
            "content_type {kind:?} is not read here; send a JSON object as application/json, and the attributes of a \
             CloudEvent as headers"
        );
        return Err(Unreadable::new("content_type_unknown", why));
    }
    let encoding = given(properties.content_encoding());
    if !matches!(encoding.as_str(), "" | "utf-8" | "utf8" | "identity") {
        let why = format!("content_encoding {encoding:?} is not read here; send plain UTF-8");
        return Err(Unreadable::new("content_encoding_unknown", why));
    }
    Ok(())
}

fn unread(incoming: &Incoming<'_>, why: Unreadable) -> Box<Unread> {
    Box::new(Unread {
        why,
        message_id: incoming.message_id().map(String::from),
        name: incoming.name().to_string(),
        cause: None,
        body: incoming.body.to_vec(),
        attempt: 0,
    })
}

impl Incoming<'_> {
    /// The property, else the CloudEvents attribute, else the routing key.
    pub(super) fn name(&self) -> &str {
        self.kind().or_else(|| self.cloud_event("type")).unwrap_or(self.key)
    }

    pub(super) fn kind(&self) -> Option<&str> {
        self.properties.kind().as_ref().map(|kind| kind.as_str()).filter(|kind| !kind.is_empty())
    }

    /// The property, else the CloudEvents attribute.
    pub(super) fn message_id(&self) -> Option<&str> {
        let id = self.properties.message_id().as_ref().map(|id| id.as_str());
        id.filter(|id| !id.is_empty()).or_else(|| self.cloud_event("id"))
    }

    pub(super) fn said_cause(&self) -> Option<&str> {
        self.text("causation_id")
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.header(name)? {
            AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
            AMQPValue::ShortString(text) => Some(text.as_str()),
            AMQPValue::ByteArray(bytes) => std::str::from_utf8(bytes.as_slice()).ok(),
            _ => None,
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.header(name).and_then(whole)
    }

    pub(super) fn header(&self, name: &str) -> Option<&AMQPValue> {
        self.properties.headers().as_ref().map(FieldTable::inner).and_then(|headers| headers.get(name))
    }

    /// Both spellings that the specification allows.
    fn cloud_event(&self, attribute: &str) -> Option<&str> {
        self.text(&format!("cloudEvents_{attribute}"))
            .or_else(|| self.text(&format!("cloudEvents:{attribute}")))
    }
}

fn whole(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::ShortShortInt(n) => Some(i64::from(*n)),
        AMQPValue::ShortShortUInt(n) => Some(i64::from(*n)),
        AMQPValue::ShortInt(n) => Some(i64::from(*n)),
        AMQPValue::ShortUInt(n) => Some(i64::from(*n)),
        AMQPValue::LongInt(n) => Some(i64::from(*n)),
        AMQPValue::LongUInt(n) => Some(i64::from(*n)),
        AMQPValue::LongLongInt(n) => Some(*n),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
