//! Parses what came from a queue. The broker proves the speaker: by the login that published it, and for outsiders by
//! the exchange. A message whose speaker is not proven is refused.

use std::borrow::Cow;

use contract::{
    MESSAGES, Message, MessageId, Queue, Raw, Speaker, Time, Unreadable, first_who_may, speakers_of,
    without_card_numbers,
};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::envelope::{BUNDLE, Unread, unpack};
use super::frame::{Flaw, REMOVED};
use super::logins::{Entrance, Logins, Voice};
use super::topology::{Names, OUTSIDE};

/// Part of the reason of each dead letter that came to one of our exchanges by a binding from another exchange.
pub const BY_A_BINDING: &str = "came here by a binding";

/// An AMQP message, unchanged.
pub(super) struct Incoming<'a> {
    pub(super) exchange: &'a str,
    pub(super) key: &'a str,
    pub(super) properties: &'a BasicProperties,
    pub(super) body: &'a [u8],
}

impl<'a> From<&'a lapin::message::Delivery> for Incoming<'a> {
    fn from(delivery: &'a lapin::message::Delivery) -> Self {
        Self {
            exchange: delivery.exchange.as_str(),
            key: delivery.routing_key.as_str(),
            properties: &delivery.properties,
            body: &delivery.data,
        }
    }
}

/// When an outsider's message arrived: its own timestamp is not believed.
pub(super) fn outsiders_now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[derive(Debug)]
pub(super) struct Read {
    pub(super) message: Message,
    /// How many attempts have failed.
    pub(super) attempt: u32,
}

/// The messages in what came from `queue`.
pub(super) fn read(
    names: &Names,
    logins: &Logins,
    queue: Queue,
    incoming: &Incoming<'_>,
    now: Time,
) -> Vec<Result<Read, Box<Unread>>> {
    if incoming.exchange == names.queues() {
        return inside(names, logins, queue, incoming, now);
    }
    let read = match incoming.entrance(names) {
        Ok(entrance) => {
            let by = logins.outside(entrance, incoming.name());
            from_outside(names, by, incoming, now).map_err(|why| (by, why))
        }
        Err(why) => Err((Speaker::Outsider, why)),
    };
    let read = read.map(|message| Read { message, attempt: 0 });
    vec![read.map_err(|(by, Unreadable { code, why })| {
        let (message_id, why) = incoming.without_an_id_of_ours(why);
        Box::new(Unread { by, ..*unread(incoming, message_id, Unreadable { code, why }) })
    })]
}

/// A message that came by our own exchange, from one of our logins that may say it.
fn inside(
    names: &Names,
    logins: &Logins,
    queue: Queue,
    incoming: &Incoming<'_>,
    now: Time,
) -> Vec<Result<Read, Box<Unread>>> {
    let attempt = incoming.number("attempt").and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let refuse = |by, why| {
        let cause = incoming.said_cause().map(String::from);
        let message_id = incoming.message_id().map(String::from);
        vec![Err(Box::new(Unread { by, attempt, cause, ..*unread(incoming, message_id, why) }))]
    };
    let voice = match proven(names, logins, queue, incoming) {
        Ok(voice) => voice,
        Err(why) => return refuse(Speaker::Outsider, why),
    };
    let admit = |name: &str, by: Speaker| admit(voice, queue, name, by);
    if incoming.kind() != Some(BUNDLE) {
        let name = incoming.kind().unwrap_or_default();
        let by = incoming.said_by().unwrap_or(first_who_may(name));
        return match admit(name, by).and_then(|()| ours(incoming, now)) {
            Ok(message) => vec![Ok(Read { message, attempt })],
            Err(why) => refuse(proven_by(voice, queue, by), why),
        };
    }
    match unpack(incoming.body, admit) {
        Ok(messages) => messages
            .into_iter()
            .map(|one| match one {
                Ok(message) => Ok(Read { message, attempt: 0 }),
                Err(torn) => Err(Box::new(Unread { by: proven_by(voice, queue, torn.by), ..*torn })),
            })
            .collect(),
        Err(error) => {
            let why = Unreadable::new("bundle_malformed", format!("this is no bundle of ours: {error}"));
            refuse(voice.alone().unwrap_or(Speaker::Outsider), why)
        }
    }
}

/// The login, checked by the broker, and what it may say.
fn proven<'a>(
    names: &Names,
    logins: &'a Logins,
    queue: Queue,
    incoming: &Incoming<'_>,
) -> Result<&'a Voice, Unreadable> {
    let not_allowed = |why: String| Unreadable::new("not_allowed", why);
    let exchange = names.queues();
    let Some(login) = incoming.login() else {
        let why =
            format!("what comes by {exchange} names the login that published it in user_id; this does not");
        return Err(not_allowed(why));
    };
    let voice = logins.voice(Some(login)).filter(|voice| voice.is_ours()).ok_or_else(|| {
        not_allowed(format!(
            "login {login:?} is none of ours, so that nothing it publishes to {exchange} is believed; the settings \
             separate_logins and logins say who speaks for whom"
        ))
    })?;
    // A retry waits in a delay queue and comes back dead-lettered from there, published by the role that put it
    // there.
    if incoming.was_dead_lettered() && !voice.reads(queue) {
        let why =
            format!("login {login:?} had it dead-lettered into {queue}, and only the role that reads it may");
        return Err(not_allowed(why));
    }
    Ok(voice)
}

/// Whether a message of this type, said by `by`, may come to `queue` from this login; its body is not read for that.
fn admit(voice: &Voice, queue: Queue, name: &str, by: Speaker) -> Result<(), Unreadable> {
    let speakers = speakers_of(name);
    if speakers.is_empty() {
        // An unknown type is refused when its body is read.
        return Ok(());
    }
    match (voice.may_bring(by, queue), speakers.contains(&by)) {
        (true, true) => Ok(()),
        (true, false) => Err(Unreadable::not_allowed(by, name)),
        (false, _) => {
            let why = format!("its login does not speak for {by}, who is said to have said this {name}");
            Err(Unreadable::new("not_allowed", why))
        }
    }
}

/// The speaker, as far as the login proves that.
fn proven_by(voice: &Voice, queue: Queue, by: Speaker) -> Speaker {
    if voice.may_bring(by, queue) { by } else { voice.alone().unwrap_or(Speaker::Outsider) }
}

/// The speaker of a message of ours that the broker dead-lettered, if the login may have sent it.
pub(super) fn proven_speaker(
    logins: &Logins,
    queue: Queue,
    incoming: &Incoming<'_>,
    message: &Message,
) -> Option<Speaker> {
    let voice = logins.voice(incoming.login()).filter(|voice| voice.is_ours())?;
    (message.is_allowed() && voice.may_bring(message.by, queue)).then_some(message.by)
}

/// A fact as it is sent to listeners. `None`: it is from another program, or from another version of this one.
pub(super) fn read_fact(incoming: &Incoming<'_>, now: Time) -> Option<Message> {
    ours(incoming, now).ok()
}

/// A single message of ours, with its envelope in the properties.
pub(super) fn ours(incoming: &Incoming<'_>, now: Time) -> Result<Message, Unreadable> {
    let missing =
        |what| Unreadable::new("envelope_incomplete", format!("a message of ours came without {what}"));
    let id = incoming.message_id().and_then(MessageId::new).ok_or_else(|| missing("a usable message_id"))?;
    let name = incoming.kind().ok_or_else(|| missing("a type"))?;
    let json = std::str::from_utf8(incoming.body).map_err(|_| missing("a body in UTF-8"))?;
    let at = incoming.text("at").and_then(|at| at.parse().ok()).unwrap_or(now);
    let message = Message::restore(id, incoming.said_cause().and_then(MessageId::new), at, name, json)?;
    Ok(match incoming.said_by() {
        Some(by) => message.said_by(by),
        None => message,
    })
}

/// A checkout that was not handled, with the sender's reply queue: a replay needs it, and a dead letter has no field
/// for it.
pub(super) fn with_asker(names: &Names, by: Speaker, incoming: &Incoming<'_>) -> Option<Message> {
    text_of(incoming.properties.reply_to())?;
    from_outside(names, by, incoming, Time::default()).ok()
}

fn text_of(property: &Option<ShortString>) -> Option<&str> {
    property.as_ref().map(ShortString::as_str).filter(|text| !text.is_empty())
}

/// A plain single message from an outsider. Its cause is dropped: every cause in the journal is a message of ours.
fn from_outside(
    names: &Names,
    by: Speaker,
    incoming: &Incoming<'_>,
    now: Time,
) -> Result<Message, Unreadable> {
    if let Some(flaw) = incoming.text(REMOVED).and_then(Flaw::of_code) {
        return Err(flaw.reason());
    }
    // Before everything else that the sender may have got wrong: no other correction helps without this one.
    let message_id = incoming.message_id().map(MessageId::chosen).transpose()?.map(|id| id.to_string());
    speaks_json(incoming.properties)?;
    if incoming.kind() == Some(BUNDLE) {
        let why = "bundles are for our own roles; send each message by itself, to the exchange for commands";
        return Err(Unreadable::new("bundle_refused", why));
    }
    let name = incoming.name();
    // Permissions are on routing keys: a type that differs from the key would get around them.
    if Entrance::of(names, incoming.exchange).is_some() && name != incoming.key {
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
    let allowed = speakers_of(name);
    if !allowed.is_empty() && !allowed.contains(&by) {
        let other = names.entrance_for(name);
        let why = format!(
            "{}; publish it to {other}, with a login that may",
            Unreadable::not_allowed(by, name).why
        );
        return Err(Unreadable::new("not_allowed", why));
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
        ..Raw::default()
    };
    Message::accept(by, &raw, now)
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

fn unread(incoming: &Incoming<'_>, message_id: Option<String>, why: Unreadable) -> Box<Unread> {
    let unread = Unread {
        why,
        message_id,
        name: incoming.name().to_string(),
        by: Speaker::Outsider,
        cause: None,
        body: incoming.body.to_vec(),
        attempt: 0,
    };
    Box::new(unread.without_card_numbers())
}

impl Unread {
    /// Dead letters are logged, and stored on disk by the broker and the database.
    fn without_card_numbers(self) -> Self {
        let Self { why: Unreadable { code, why }, message_id, name, by, cause, body, attempt } = self;
        let masked = |text: String| without_card_numbers(&text).into_owned();
        let body = match String::from_utf8(body) {
            Ok(text) => masked(text).into_bytes(),
            Err(bytes) => {
                let text = String::from_utf8_lossy(bytes.as_bytes()).into_owned();
                // A body that is not UTF-8 stays bytes, unless something in it was masked.
                match without_card_numbers(&text) {
                    Cow::Borrowed(_) => bytes.into_bytes(),
                    Cow::Owned(masked) => masked.into_bytes(),
                }
            }
        };
        let (message_id, cause) = (message_id.map(masked), cause.map(masked));
        let why = Unreadable::new(code, masked(why));
        Self { why, message_id, name: masked(name), by, cause, body, attempt }
    }
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

    /// The id and the reason for an outsider's dead letter. A reserved id appears in the reason only: as the dead
    /// letter's id it would pass for a message of ours wherever dead letters are compared with what is in flight or
    /// was handled.
    pub(super) fn without_an_id_of_ours(&self, why: String) -> (Option<String>, String) {
        match self.message_id() {
            Some(id) if MessageId::new(id).is_some_and(|id| id.is_reserved()) => {
                let told = why.contains(id);
                (None, if told { why } else { format!("{why}; its message_id was {id}") })
            }
            id => (id.map(String::from), why),
        }
    }

    /// The exchange for outsiders that it was published to directly.
    pub(super) fn entrance(&self, names: &Names) -> Result<Entrance, Unreadable> {
        let not_allowed = |why: String| Err(Unreadable::new("not_allowed", why));
        if self.exchange == names.events() {
            return not_allowed(format!(
                "it was published to exchange {:?} and {BY_A_BINDING}: what we tell comes back to us, and means nothing \
                 here. Take that binding away; `rabbitmqctl list_bindings` shows it",
                self.exchange
            ));
        }
        let Some(entrance) = Entrance::of(names, self.exchange) else {
            return not_allowed(format!(
                "it was published to exchange {:?} and {BY_A_BINDING}; publish it to {} itself",
                self.exchange,
                names.entrance_for(self.name())
            ));
        };
        if self.was_dead_lettered() {
            let why = format!(
                "it came to {} out of a dead-lettering queue; publish it there itself",
                self.exchange
            );
            return not_allowed(why);
        }
        Ok(entrance)
    }

    /// The speaker that the header names; absent if it is the first that may send this type.
    fn said_by(&self) -> Option<Speaker> {
        self.text("by").map(|by| Speaker::named(by).unwrap_or(Speaker::Outsider))
    }

    /// Only the absence of this header proves something: the broker always adds it.
    pub(super) fn was_dead_lettered(&self) -> bool {
        self.header("x-death").is_some()
    }

    /// The broker refuses a publisher that writes a login here that is not its own.
    pub(super) fn login(&self) -> Option<&str> {
        text_of(self.properties.user_id())
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

    /// In both spellings that the specification allows.
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
