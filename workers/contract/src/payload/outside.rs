//! Commands from outside; `checkout.submit` reads itself in `submission.rs`. Outsiders depend on these names.

use serde::{Deserialize, Serialize};

use super::words::Method;
use crate::{Money, OrderId, Sku, Time};

use super::words::{By, Line, Token, is_zero};

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderCancel {
    pub order_id: OrderId,
    /// Up to 500 characters, kept in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who wants it, kept in the order's audit trail.
    #[serde(default)]
    pub by: By,
    /// By name, if it was a person of the shop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// If it is named, only an order of this customer is cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
}

/// A return after fulfilment. Without items: everything that has not been returned yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderRefund {
    pub order_id: OrderId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<Line>>,
    /// At most 500 characters, kept in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The name of the person who takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// The money for an order that is paid on delivery has come, or an order that waits for confirmation is to be charged
/// now.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderPay {
    pub order_id: OrderId,
    /// A receipt's number, at most 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// The provider's token, if the order is to be charged by another than it came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// Instead of a token: one of the customer's stored payment methods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method_id: Option<String>,
    /// The token's payment method, if that is not what the order said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// If it is named, only an order of this customer is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    /// Who does it, by name, for the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderArchive {
    pub order_id: OrderId,
    /// Up to 500 characters, kept in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The name of the person who archives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProductUpsert {
    pub sku: Sku,
    /// 1 to 200 characters, none of them a control character.
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    pub price: Money,
    /// What was counted in the warehouse. Without it the stock stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_hand: Option<u32>,
    /// Why, for the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who does it, by name, for the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// It is not sold any more. Existing orders keep their lines, and another upsert sells it again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProductRetire {
    pub sku: Sku,
    /// Why, for the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who does it, by name, for the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// Exactly one of `percent` (a decimal string, more than 0 and at most 100) and `amount`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DiscountUpsert {
    /// 1 to 40 visible ASCII characters.
    pub code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// The last moment it is valid at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Time>,
    #[serde(default = "yes")]
    pub active: bool,
    /// Why, for the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who does it, by name, for the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

fn yes() -> bool {
    true
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StockAdjust {
    pub sku: Sku,
    /// How much more (or, below zero, less) was found than expected.
    pub delta: i64,
    pub reason: String,
    /// Who does it, by name, for the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// New checkouts by this method are refused from now on, or accepted again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MethodSwitch {
    pub method: Method,
    pub why: String,
    pub by: String,
}

/// The provider's event, the same on the queue and by HTTP.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProviderEvent {
    /// The provider's own id for it.
    pub id: String,
    #[serde(rename = "type")]
    pub kind: ProviderEventKind,
    /// Seconds since 1970, as a number or in digits, or RFC 3339.
    #[serde(deserialize_with = "crate::time::in_any_form")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub created: Time,
    pub data: ProviderEventData,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ProviderEventKind {
    #[serde(rename = "payment.succeeded")]
    PaymentSucceeded,
    #[serde(rename = "payment.failed")]
    PaymentFailed,
    #[serde(rename = "refund.succeeded")]
    RefundSucceeded,
    #[serde(rename = "refund.failed")]
    RefundFailed,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProviderEventData {
    /// The order id that the charge was made for.
    pub reference: OrderId,
    pub transaction_id: String,
    /// What was captured or refunded: an event about another amount than was asked for moves nothing.
    pub amount: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_code: Option<String>,
    /// For refunds: the key that the refund was asked for under, if the provider sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// For refunds: each id that the refunded charge has at the provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charged_as: Vec<String>,
    /// For refunds, if the provider sends it: the total that was ever refunded of the charge. It then counts instead
    /// of the amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded_in_all: Option<Money>,
}

/// An operator asks the saga to send the waiting step's command again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SagaRetry {
    pub order_id: OrderId,
    /// 0 for the checkout itself, else which return.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub return_no: u32,
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// An operator changes how long a saga waits for an answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SagaDeadline {
    pub order_id: OrderId,
    /// 0 for the checkout itself, else which return.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub return_no: u32,
    #[serde(flatten)]
    pub change: DeadlineChange,
    pub by: String,
    pub why: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum DeadlineChange {
    /// As if its time had come.
    Fire,
    Move {
        due: Time,
    },
    /// Wait for the answer however long it takes; the saga is listed as needing action.
    Cancel,
}

/// An operator says, with evidence, how the waiting step ended in the outside world.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SagaResolve {
    pub order_id: OrderId,
    /// 0 for the checkout itself, else which return.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub return_no: u32,
    pub outcome: Resolution,
    pub evidence: String,
    pub by: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The refund was made by hand: book it and go on.
    Done,
    /// The step will not happen: turn around and undo what was done.
    GiveUp,
}
