//! An id is derived from its cause: deriving it again gives the same id.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Role, Unreadable};

/// Also the id of the order's saga, and the correlation id of all messages about the order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderId(Uuid);

impl OrderId {
    pub fn new(id: Uuid) -> Self {
        Self(id)
    }

    pub fn uuid(self) -> Uuid {
        self.0
    }

    /// The order that a customer's idempotency key stands for: the same one each time, and never another customer's.
    /// If the key is a UUIDv7, the id gets its time.
    pub fn of_key(secret: &KeySecret, customer_id: &str, key: &str) -> Self {
        Self(beside(time_of_key(key), secret.id(customer_id, key)))
    }

    /// The order that a submission without `order_id` creates: the same one each time it is sent again.
    pub fn of_submission(message_id: &MessageId) -> Self {
        match Uuid::parse_str(message_id.as_str()) {
            Ok(id) => Self(id),
            Err(_) => Self(Uuid::new_v5(&NAMESPACE, message_id.as_str().as_bytes())),
        }
    }
}

impl FromStr for OrderId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identifies a message. Outsiders may choose any text of 1 to 255 bytes except a UUID of version 8: those are ours,
/// and most of them can be computed by anyone who knows how they are derived.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MessageId(Arc<str>);

/// AMQP carries ids as short strings, which end at 255 bytes.
const ID_BYTES_MAX: usize = 255;

/// For ids that an application derives in its own way, by RFC 9562.
const OUR_VERSION: usize = 8;

/// Separates our name-based ids from all others.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_4c1e_93a7_4d52_8d0c_c0de_c4ec_0a7a);

impl MessageId {
    /// `None` for what no broker would carry or no log should show: empty, too long, control characters.
    pub fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= ID_BYTES_MAX && !text.chars().any(char::is_control);
        fits.then(|| Self(text.into()))
    }

    /// An id that an outside sender chose.
    pub fn chosen(text: &str) -> Result<Self, Unreadable> {
        let invalid = |why: String| Unreadable::new("message_id_invalid", why);
        let id = Self::new(text)
            .ok_or_else(|| invalid("message_id must have 1 to 255 bytes and no control characters".into()))?;
        match id.is_reserved() {
            true => Err(invalid(format!(
                "message_id {id} is a UUID of version 8, and those are made here alone; send any other text, or a UUID \
                 of another version"
            ))),
            false => Ok(id),
        }
    }

    /// Whether it has the form that is reserved for our own ids: a UUID of version 8 (RFC 9562), written with its
    /// hyphens.
    pub fn is_reserved(&self) -> bool {
        let is_ours =
            |id: Uuid| id.get_version_num() == OUR_VERSION && id.get_variant() == uuid::Variant::RFC4122;
        self.0.len() == uuid::fmt::Hyphenated::LENGTH && Uuid::parse_str(&self.0).is_ok_and(is_ours)
    }

    /// The message that a customer's idempotency key stands for.
    pub fn of_key(secret: &KeySecret, customer_id: &str, key: &str) -> Self {
        secret.id(customer_id, key).into()
    }

    /// The id of the `position`-th message that `role` said because of `cause`. It begins like the order's id, so
    /// that the rows of an order are near each other in every index.
    pub fn derived(order: Option<OrderId>, role: Role, cause: &MessageId, position: usize) -> Self {
        let mut name = Vec::with_capacity(cause.0.len() + 24);
        name.extend_from_slice(cause.0.as_bytes());
        name.push(0);
        name.extend_from_slice(role.name().as_bytes());
        name.extend_from_slice(&(position as u64).to_be_bytes());
        let first = order.map(OrderId::uuid).or_else(|| Uuid::parse_str(&cause.0).ok());
        Self::ours(first, &name)
    }

    /// The id of a message about an order that no other message causes: the same one each time for the same name.
    pub fn of_name(order: OrderId, name: &str) -> Self {
        Self::ours(Some(order.uuid()), name.as_bytes())
    }

    /// The id of a checkout that was sent without one. An order id may have a form that an outsider's message id may
    /// not have.
    pub(crate) fn of_order(order: OrderId) -> Self {
        let id = Self::from(order.uuid());
        if id.is_reserved() { Self(format!("order/{id}").into()) } else { id }
    }

    fn ours(first: Option<Uuid>, name: &[u8]) -> Self {
        let id = Uuid::new_v5(&NAMESPACE, name);
        beside(first.or(Some(id)), id).into()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without copying.
    pub fn text(&self) -> Arc<str> {
        self.0.clone()
    }
}

/// Ids derived from idempotency keys depend on it, so that a stranger cannot predict such an id and use it for
/// another message or order before the customer uses the key.
#[derive(Clone)]
pub struct KeySecret([u8; 32]);

impl KeySecret {
    pub fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    fn id(&self, customer_id: &str, key: &str) -> Uuid {
        // The secret has a fixed length, and neither of the others holds a control character: two different triples
        // never give the same input. Half of the digest is left out, so it cannot be extended to that of a longer
        // key.
        let digest = Sha256::new().chain_update(self.0).chain_update(customer_id).chain_update([0u8]);
        let digest = digest.chain_update(key).finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }
}

/// A secret is never shown, not even by mistake.
impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret")
    }
}

fn time_of_key(key: &str) -> Option<Uuid> {
    Uuid::parse_str(key).ok().filter(|key| key.get_version_num() == 7)
}

/// With the first 48 bits of another id, which are the time of a UUIDv7.
fn beside(first: Option<Uuid>, id: Uuid) -> Uuid {
    let Some(first) = first else { return id };
    let mut bytes = id.into_bytes();
    bytes[..6].copy_from_slice(&first.as_bytes()[..6]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

impl From<Uuid> for MessageId {
    fn from(id: Uuid) -> Self {
        Self(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).into())
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        MessageId::new(&text).ok_or_else(|| {
            serde::de::Error::custom("a message id has 1 to 255 bytes and no control characters")
        })
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
