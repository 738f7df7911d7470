//! What has happened. Anyone may listen; nothing secret and nothing personal is in here.

use serde::{Deserialize, Serialize};

use crate::{Fault, Money, OrderId, Time};

use super::words::{Item, Method, Reason, Short, Status, is_zero};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderCreated {
    pub order_id: OrderId,
    pub customer_id: String,
    pub at: Time,
    pub items: Vec<Item>,
    pub subtotal: Money,
    pub discount: Money,
    pub total: Money,
    pub payment_method: Method,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderRejected {
    pub order_id: OrderId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    pub at: Time,
    /// The first fault's code: what most senders branch on.
    pub code: String,
    /// For people.
    pub message: String,
    /// Every fault that was found.
    #[serde(alias = "details")]
    pub errors: Vec<Fault>,
}

/// Cash on delivery: the goods are on their way, and the money is still to come.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderAccepted {
    pub order_id: OrderId,
    pub customer_id: String,
    pub at: Time,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderPaid {
    pub order_id: OrderId,
    pub customer_id: String,
    pub at: Time,
    pub transaction_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderFulfilled {
    pub order_id: OrderId,
    pub customer_id: String,
    pub at: Time,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderCancelled {
    pub order_id: OrderId,
    pub customer_id: String,
    pub at: Time,
    pub reason: Reason,
    /// For `payment_declined`: the code of the decline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_code: Option<String>,
    /// For `insufficient_stock`: every line that could not be had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub short: Vec<Short>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderRefunded {
    pub order_id: OrderId,
    pub customer_id: String,
    pub at: Time,
    pub reason: Reason,
    /// All that was refunded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// The return that brought the last goods back. Absent: it was given up before it shipped.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub return_no: u32,
}

/// A partial return was taken back; the order stays fulfilled.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderReturned {
    pub order_id: OrderId,
    pub customer_id: String,
    pub at: Time,
    pub return_no: u32,
    /// How much was refunded: the return's share, or what was left of that after refunds at the provider's side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderArchived {
    pub order_id: OrderId,
    pub customer_id: String,
    pub at: Time,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderCancelRefused {
    pub order_id: OrderId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    pub at: Time,
    /// A code to branch on.
    pub reason: String,
    /// For people: the order, its status, what was asked and what is possible.
    #[serde(default)]
    pub message: String,
    /// The order's status; absent when there is no order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// What may be asked of it now.
    #[serde(default)]
    pub allowed: Vec<String>,
}

/// Any other command about an order that its state does not allow.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderRefused {
    pub order_id: OrderId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    pub at: Time,
    /// What was asked.
    pub command: String,
    /// A code to branch on.
    pub reason: String,
    /// For people: the order, its status, what was asked and what is possible.
    #[serde(default)]
    pub message: String,
    /// Where the command itself is wrong: every fault that was found.
    #[serde(default, alias = "details", skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// The order's status; absent when there is no order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// What may be asked of it now.
    pub allowed: Vec<String>,
}

/// `stock.reserved`, `stock.released`, `stock.shipped`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StockFact {
    pub order_id: OrderId,
    pub at: Time,
}

/// `stock.refused`, `stock.ship_refused`: every short line, not just the first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StockRefused {
    pub order_id: OrderId,
    pub at: Time,
    pub short: Vec<Short>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StockRestocked {
    pub order_id: OrderId,
    pub at: Time,
    pub return_no: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PaymentCaptured {
    pub order_id: OrderId,
    pub at: Time,
    pub transaction_id: String,
    pub amount: Money,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PaymentDeclined {
    pub order_id: OrderId,
    pub at: Time,
    /// `payment_timeout` means: the result was not known in time, so the payment was given up.
    pub code: String,
    pub message: String,
    /// The order still waits for its money: its customer may pay in another way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_retried: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PaymentRefunded {
    pub order_id: OrderId,
    pub at: Time,
    /// Less than a return's share, perhaps nothing, if the rest was refunded at the provider's side.
    pub amount: Money,
    /// The provider's id of the refund, if the refund has an id of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// The return it was for; absent when the order was given up.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub return_no: u32,
    /// The capture came after the order had been given up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// It was made at the provider's side, not asked for here, and the order stays as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outside: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PaymentRefundFailed {
    pub order_id: OrderId,
    pub at: Time,
    pub code: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub return_no: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

/// Nothing was captured, and whatever is still captured is refunded at once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PaymentVoided {
    pub order_id: OrderId,
    pub at: Time,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NeedsAttention {
    pub order_id: OrderId,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub return_no: u32,
    pub customer_id: String,
    pub at: Time,
    /// The step that is stuck.
    pub step: String,
    pub why: String,
    /// What an operator can do now.
    pub actions: Vec<String>,
}

/// A webhook was trusted and does not concern us, or names no order of ours: nothing is done about it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WebhookSetAside {
    /// `payments` or `stripe`: where it was posted to.
    pub source: String,
    /// The provider's own id for it.
    pub event_id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub at: Time,
    pub why: String,
}
