//! Messages are stored as readable JSON. Their bodies are JSON already and are inserted as they are.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use contract::{BodyHash, Message, MessageId, Queue, Role, Speaker, Time};
use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Emitted, Error, JournalRow};

/// A JSON array for `json_each`: of keys to look up, or of rows too rare to be worth a block statement.
pub(super) struct Rows {
    text: String,
    count: usize,
}

impl Rows {
    pub(super) fn new() -> Self {
        Self { text: String::from("["), count: 0 }
    }

    pub(super) fn push_text(&mut self, value: &str) {
        self.separate();
        text(&mut self.text, value);
    }

    /// `value` must be JSON already.
    pub(super) fn push_json(&mut self, value: &str) {
        self.separate();
        self.text.push_str(value);
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn finish(mut self) -> String {
        self.text.push(']');
        self.text
    }

    fn separate(&mut self) {
        if self.count > 0 {
            self.text.push(',');
        }
        self.count += 1;
    }
}

/// What a journal row emitted: the messages that were sent when one was handled. Nearly all of them have the cause and
/// the time of the row; these are left out, which saves a seventh of the row.
pub(super) fn emitted(row: &JournalRow) -> String {
    let bytes: usize = row.emitted.iter().map(|emitted| emitted.message.json().len() + 200).sum();
    let mut out = String::with_capacity(2 + bytes);
    out.push('[');
    for (index, Emitted { message, queues }) in row.emitted.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let implied_by_row = message.at == row.at && message.cause.as_ref() == Some(&row.id);
        write(&mut out, message, queues, !implied_by_row);
    }
    out.push(']');
    out
}

/// A message outside of a journal row, with its own cause and time.
pub(super) fn message(message: &Message) -> String {
    let mut out = String::with_capacity(message.json().len() + 200);
    write(&mut out, message, &[], true);
    out
}

/// Writes a message with the queues it goes to. The order id is left out: it is in the body.
fn write(out: &mut String, message: &Message, to: &[Queue], with_origin: bool) {
    out.push_str("{\"id\":");
    text(out, message.id.as_str());
    out.push_str(",\"name\":");
    text(out, message.name());
    if let Some(by) = message.unusual_speaker() {
        out.push_str(",\"by\":");
        text(out, by.name());
    }
    if with_origin {
        if let Some(cause) = &message.cause {
            out.push_str(",\"cause\":");
            text(out, cause.as_str());
        }
        write!(out, ",\"at\":\"{}\"", message.at).expect("a String takes all that is written");
    }
    out.push_str(",\"to\":[");
    for (index, queue) in to.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        text(out, queue.name());
    }
    out.push_str("],\"body\":");
    out.push_str(message.json());
    out.push('}');
}

/// A message as [`write`] has written it.
#[derive(Deserialize)]
struct Kept<'a> {
    id: MessageId,
    #[serde(borrow)]
    name: Cow<'a, str>,
    /// If missing, the first of the speakers that may send such a message.
    by: Option<Speaker>,
    cause: Option<MessageId>,
    /// If missing, both time and cause are those of the journal row.
    at: Option<Time>,
    #[serde(borrow)]
    to: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// Reads what a journal row emitted: the row of the message `id`, which was handled at `at`.
pub(super) fn read_emitted(json: &str, id: &MessageId, at: Time) -> Result<Vec<Emitted>, Error> {
    let kept: Vec<Kept<'_>> = serde_json::from_str(json).map_err(|e| unreadable("what was emitted", e))?;
    kept.into_iter()
        .map(|kept| {
            let queues = kept.to.iter().map(|name| queue(name)).collect::<Result<_, _>>()?;
            Ok(Emitted { message: Arc::new(restore(kept, Some((id, at)))?), queues })
        })
        .collect()
}

/// What was emitted because of the message `id`, which was delivered again to the role that has handled it. If it cannot be read,
/// nothing is sent again; the message still counts as handled.
pub(super) fn emitted_before(json: &str, id: &MessageId, at: Time) -> Vec<Emitted> {
    read_emitted(json, id, at).unwrap_or_else(|why| {
        tracing::error!(message_id = %id,
            "what this message led to when it was handled is not sent again: {why}; `checkout audit` names the row");
        Vec::new()
    })
}

/// The message with the id `wanted` among those that a journal row emitted.
pub(super) fn find_emitted(json: &str, id: &MessageId, at: Time, wanted: &str) -> Result<Message, Error> {
    let mut emitted = read_emitted(json, id, at)?.into_iter().map(|emitted| emitted.message);
    let found = emitted.find(|message| message.id.as_str() == wanted);
    let found = found.ok_or_else(|| unreadable("what was emitted", format!("{wanted} is not in it")))?;
    Ok(Arc::unwrap_or_clone(found))
}

pub(super) fn read_message(json: &str) -> Result<Message, Error> {
    restore(serde_json::from_str(json).map_err(|e| unreadable("a message", e))?, None)
}

pub(super) fn queue(name: &str) -> Result<Queue, Error> {
    Queue::named(name).ok_or_else(|| unreadable("a queue", format!("none is called {name:?}")))
}

pub(super) fn role(name: &str) -> Result<Role, Error> {
    Role::named(name).ok_or_else(|| unreadable("a role", format!("none is called {name:?}")))
}

pub(super) fn id(text: &str) -> Result<MessageId, Error> {
    MessageId::new(text).ok_or_else(|| unreadable("a message id", format!("{text:?}")))
}

pub(super) fn time(text: &str) -> Result<Time, Error> {
    text.parse().map_err(|why: String| unreadable("a time", why))
}

pub(super) fn hash(text: &str) -> Result<BodyHash, Error> {
    plain(text).map_err(|why| unreadable("a hash", why))
}

/// Deserializes a value that is a JSON string from the text without its quotes.
pub(super) fn plain<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde::de::value::Error> {
    T::deserialize(text.into_deserializer())
}

pub(super) fn written(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("ours have string keys and no failing serializers")
}

pub(super) fn unreadable(what: &str, why: impl std::fmt::Display) -> Error {
    Error::Refused(format!("this program cannot read {what} that is kept here: {why}"))
}

fn restore(kept: Kept<'_>, row: Option<(&MessageId, Time)>) -> Result<Message, Error> {
    let Kept { id, name, by, cause, at, body, .. } = kept;
    let (cause, at) = match (at, row) {
        (Some(at), _) => (cause, at),
        (None, Some((id, at))) => (Some(id.clone()), at),
        (None, None) => return Err(unreadable(&format!("message {id}"), "it does not say when it was sent")),
    };
    let message = Message::restore(id.clone(), cause, at, &name, body.get())
        .map_err(|why| unreadable(&format!("message {id}"), why))?;
    Ok(match by {
        Some(by) => message.said_by(by),
        None => message,
    })
}

fn text(out: &mut String, value: &str) {
    if value.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(value);
        out.push('"');
    } else {
        out.push_str(&serde_json::to_string(value).expect("a string is always JSON"));
    }
}
