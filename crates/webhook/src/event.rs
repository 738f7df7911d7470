//! The content of a trusted webhook, in our own words: an event about a payment, or something that does not concern
//! us.

use contract::{ProviderEvent, ProviderEventKind, clean_text};
use serde::Deserialize;
use serde::de::value::{Error as Unknown, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};

use crate::outside;

/// Providers' own ids have about 30 characters.
const ID_CHARS_MAX: usize = 200;
const KIND_CHARS_MAX: usize = 100;

#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    Event(Box<ProviderEvent>),
    /// It is stored, and nothing is done about it.
    SetAside {
        event_id: String,
        kind: String,
        why: &'static str,
    },
}

/// Its signature is valid, and its content cannot be understood. `event_id` as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub event_id: Option<String>,
    pub why: String,
}

/// The fields that every provider's event has.
#[derive(Deserialize)]
pub(super) struct Envelope {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

impl Envelope {
    pub(super) fn read(body: &[u8]) -> Result<Self, Unreadable> {
        let nameless = |why: String| Unreadable { event_id: None, why };
        let envelope: Self = parse(body).map_err(nameless)?;
        clean_text(&envelope.id, ID_CHARS_MAX).map_err(|why| nameless(format!("its id {why}")))?;
        clean_text(&envelope.kind, KIND_CHARS_MAX)
            .map_err(|why| envelope.unreadable(format!("its type {why}")))?;
        Ok(envelope)
    }

    pub(super) fn unreadable(&self, why: impl Into<String>) -> Unreadable {
        Unreadable { event_id: Some(self.id.clone()), why: why.into() }
    }

    pub(super) fn set_aside(self, why: &'static str) -> Heard {
        Heard::SetAside { event_id: self.id, kind: self.kind, why }
    }
}

/// `Err` names the field that does not fit, but not its value: that may be personal.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    outside::read(body).map_err(|why| match contract::not_json(body) {
        Some(place) => format!("it is not JSON: {place}"),
        None => contract::in_plain_words(&why),
    })
}

/// The event in the format of our own queue, `docs/asyncapi.yaml`.
pub fn read(body: &[u8]) -> Result<Heard, Unreadable> {
    let envelope = Envelope::read(body)?;
    let kind: StrDeserializer<'_, Unknown> = envelope.kind.as_str().into_deserializer();
    if ProviderEventKind::deserialize(kind).is_err() {
        return Ok(envelope.set_aside("events of this type are not about payments or refunds"));
    }
    let event = parse(body).map_err(|why| envelope.unreadable(why))?;
    Ok(Heard::Event(Box::new(event)))
}
