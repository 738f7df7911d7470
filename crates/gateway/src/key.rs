//! An Idempotency-Key determines the ids of the message and the order: the same customer and key give the same ids, on
//! every gateway and for ever, and no other pair gives them.

use contract::{MessageId, OrderId};

use super::call::Call;
use super::problem::Problem;

const CHARS_MAX: usize = 255;

/// The ids of the message that a request under this key sends, and of the order that it places.
pub(crate) struct Key {
    pub(crate) message_id: MessageId,
    pub(crate) order_id: OrderId,
}

impl Call {
    pub(crate) async fn key(&self, customer_id: &str) -> Result<Option<Key>, Problem> {
        let Some(text) = text(self)? else { return Ok(None) };
        let secret = self.gateway.key_secret().await?;
        Ok(Some(Key {
            message_id: MessageId::of_key(secret, customer_id, text),
            order_id: OrderId::of_key(secret, customer_id, text),
        }))
    }

    /// Derived from the idempotency key, so that a retried request is the same message; without a key, a new id.
    pub(crate) async fn message_id(&self, customer_id: &str) -> Result<MessageId, Problem> {
        let key = self.key(customer_id).await?;
        Ok(key.map_or_else(|| uuid::Uuid::now_v7().into(), |key| key.message_id))
    }
}

fn text(call: &Call) -> Result<Option<&str>, Problem> {
    let Some(key) = call.headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().map(str::trim);
    let fits =
        |key: &&str| (1..=CHARS_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    key.filter(fits).map(Some).ok_or_else(|| {
        let why = format!("an Idempotency-Key has 1 to {CHARS_MAX} visible ASCII characters");
        Problem::bad_request("IDEMPOTENCY_KEY_INVALID", why)
    })
}
