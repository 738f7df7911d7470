//! An Idempotency-Key determines the ids of the message and the order: the same customer and key give the same ids, on
//! every gateway and for ever, and no other pair gives them.

use contract::{MessageId, OrderId, Role, Table};
use serde::Deserialize;
use store::{Keys, Store};

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
        let Keys { secret, some_are_public } = self.gateway.keys().await?;
        if *some_are_public && let Some(key) = used_before(&*self.gateway.store, customer_id, text).await? {
            return Ok(Some(key));
        }
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

/// A key that was used before ids depended on a secret keeps its old ids, if this customer used it. The order id alone
/// does not prove that, since another customer may have chosen the same id; but a message id that is journalled for the
/// role `gateway` was accepted by a gateway.
async fn used_before(store: &dyn Store, customer_id: &str, key: &str) -> Result<Option<Key>, Problem> {
    #[derive(Deserialize)]
    struct Owned {
        customer_id: String,
    }
    let message_id = MessageId::of_key_before(customer_id, key);
    let order_id = OrderId::of_key_before(customer_id, key);
    let (_, handled) = store.begin().await?.handled(Role::Gateway, std::slice::from_ref(&message_id)).await?;
    let known = match handled.is_empty() {
        false => true,
        // The journal of an order that ended long ago is pruned, so the order itself is looked up.
        true => match store.get(Table::Orders, &order_id.to_string()).await? {
            Some(doc) => {
                let order: Owned = serde_json::from_str(&doc).map_err(Problem::internal)?;
                order.customer_id == customer_id
            }
            None => false,
        },
    };
    Ok(known.then_some(Key { message_id, order_id }))
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
