//! The sender of a checkout may name a queue for its outcome: how it ended, and before that whether goods that are
//! paid for at the door are on their way. Each is one message, once, to one queue of the sender.

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Body, OrderAccepted, OrderCancelled, OrderFulfilled, OrderId, OrderRefunded, OrderRejected};

/// AMQP carries both as short strings, which end at 255 bytes.
const BYTES_MAX: usize = 255;

/// Where the outcome is sent, and the sender's own id by which they recognise it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ReplyTo {
    queue: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
}

impl ReplyTo {
    /// `Err` says what no broker would carry or no log should show.
    pub fn new(queue: &str, correlation_id: Option<&str>) -> Result<Self, String> {
        fits("reply_to", queue)?;
        if let Some(id) = correlation_id {
            fits("correlation_id", id)?;
        }
        Ok(Self { queue: queue.into(), correlation_id: correlation_id.map(Into::into) })
    }

    pub fn queue(&self) -> &str {
        &self.queue
    }

    pub fn correlation_id(&self) -> Option<&str> {
        self.correlation_id.as_deref()
    }
}

fn fits(what: &str, text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > BYTES_MAX || text.chars().any(char::is_control) {
        return Err(format!("{what} must have 1 to {BYTES_MAX} bytes and no control characters"));
    }
    Ok(())
}

impl<'de> Deserialize<'de> for ReplyTo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Kept {
            queue: String,
            #[serde(default)]
            correlation_id: Option<String>,
        }
        let kept = Kept::deserialize(deserializer)?;
        Self::new(&kept.queue, kept.correlation_id.as_deref()).map_err(serde::de::Error::custom)
    }
}

/// `checkout.reply`: the broker unwraps it, so that the asker gets the event itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reply {
    pub order_id: OrderId,
    pub reply_to: ReplyTo,
    pub ending: Ending,
}

/// The events that answer a submission: the one it ends with, and `order.accepted` before that. A later return is not
/// part of the answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "body")]
pub enum Ending {
    #[serde(rename = "order.rejected")]
    Rejected(OrderRejected),
    #[serde(rename = "order.accepted")]
    Accepted(OrderAccepted),
    #[serde(rename = "order.fulfilled")]
    Fulfilled(OrderFulfilled),
    #[serde(rename = "order.cancelled")]
    Cancelled(OrderCancelled),
    #[serde(rename = "order.refunded")]
    Refunded(OrderRefunded),
}

impl Ending {
    pub fn order_id(&self) -> OrderId {
        match self {
            Ending::Rejected(event) => event.order_id,
            Ending::Accepted(event) => event.order_id,
            Ending::Fulfilled(event) => event.order_id,
            Ending::Cancelled(event) => event.order_id,
            Ending::Refunded(event) => event.order_id,
        }
    }
}

impl From<Ending> for Body {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Rejected(event) => Body::OrderRejected(event),
            Ending::Accepted(event) => Body::OrderAccepted(event),
            Ending::Fulfilled(event) => Body::OrderFulfilled(event),
            Ending::Cancelled(event) => Body::OrderCancelled(event),
            Ending::Refunded(event) => Body::OrderRefunded(event),
        }
    }
}
