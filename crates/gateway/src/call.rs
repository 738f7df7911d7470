//! What a handler is given: the caller, the request and the shared state. Rate limits and tokens were checked before.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, Uri};
use contract::{Message, OrderId, Speaker};
use engine::ingress::{Accepted, Refused};
use serde::de::DeserializeOwned;
use webhook::outside;

use super::auth::Caller;
use super::problem::Problem;
use super::query;
use super::session::{self, Session};
use super::state::Gateway;

pub(crate) struct Call {
    pub(crate) gateway: Arc<Gateway>,
    /// `None` only on routes that need no token.
    pub(crate) caller: Option<Caller>,
    /// `Some` only on dashboard pages and forms.
    pub(crate) session: Option<Session>,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// An error only on routes that need no token.
    pub(crate) fn caller(&self) -> Result<&Caller, Problem> {
        self.caller.as_ref().ok_or_else(Problem::unauthorized)
    }

    /// The path parameter `{name}`.
    pub(crate) fn param(&self, name: &str) -> &str {
        let found = self.params.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// `{id}` on routes of orders. A text that is not a UUID cannot be an order's id, so it is answered as not found.
    pub(crate) fn order_id(&self) -> Result<OrderId, Problem> {
        self.param("id").parse().map_err(|_| Problem::order_not_found())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn customer_id(&self) -> Result<String, Problem> {
        Ok(self.caller()?.id.to_string())
    }

    /// Hands a message to the ingress in the caller's name. An admin's message is logged, and journalled with the name.
    pub(crate) async fn send(&self, message: Message) -> Result<Accepted, Refused> {
        // A request that proves itself by an order's secret has no token: it speaks for the order's customer.
        let speaker = self.caller.as_ref().map_or(Speaker::Customer, Caller::speaker);
        let message = message.said_by(speaker);
        let Some(caller) = self.caller.as_ref().filter(|caller| caller.is_admin()) else {
            return self.gateway.ingress.accept(message).await;
        };
        let order_id = message.order_id.map(tracing::field::display);
        tracing::info!(by = &*caller.id, order_id, message_id = %message.id, name = message.name(), "said by hand");
        self.gateway.ingress.accept_from(message, &caller.id).await
    }

    pub(crate) fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        query::read(&self.uri)
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        read_json(&self.body)
    }

    /// The body of a dashboard form.
    pub(crate) fn form<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        session::read_form(&self.body)
    }

    /// For routes with an optional body: none counts as an empty object.
    pub(crate) fn json_if_any<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        read_json(if self.body.is_empty() { b"{}" } else { &self.body })
    }

    /// How long the caller is willing to wait for the outcome (RFC 7240): `Prefer: wait=10`.
    pub(crate) fn would_wait(&self) -> Option<std::time::Duration> {
        let preferences = self.headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        let mut each = preferences.flat_map(|value| value.split([',', ';'])).map(str::trim);
        let seconds: u64 = each.find_map(|one| one.strip_prefix("wait=")?.trim().parse().ok())?;
        Some(std::time::Duration::from_secs(seconds.min(WAIT_S_MAX)))
    }
}

/// Proxies between us and the caller take longer waits for a hanging connection.
const WAIT_S_MAX: u64 = 30;

impl Problem {
    /// The same for an unknown order and for another customer's, so that the answer does not reveal which.
    pub(crate) fn order_not_found() -> Self {
        Self::not_found("ORDER_NOT_FOUND", "you have no order of that id")
    }

    /// `why` is the error of `clean_text` for the field's text.
    pub(crate) fn field_invalid(field: &str, why: &str) -> Self {
        Self::unprocessable("BODY_INVALID", format!("{field} {why}"))
    }

    pub(crate) fn key_reused() -> Self {
        let why = "this Idempotency-Key was used before, for something else; give every request its own";
        Self::unprocessable("IDEMPOTENCY_KEY_REUSED", why)
    }

    /// The body is not JSON, or does not fit the schema; `why` is the parser's error.
    pub(crate) fn body_invalid(body: &[u8], why: &str) -> Self {
        match contract::not_json(body) {
            Some(why) => Self::bad_request("BODY_MALFORMED", format!("the body is not JSON: {why}")),
            None => Self::unprocessable("BODY_INVALID", contract::in_plain_words(why)),
        }
    }
}

fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    outside::read(body).map_err(|why| Problem::body_invalid(body, &why))
}
