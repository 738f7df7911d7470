//! The subject of a saga is all that its steps need to know of an order or a return. It does not change, except for
//! what a step's answer adds.

use contract::{Money, OrderId, PaymentChoice, StockLine};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Subject {
    pub(crate) order_id: OrderId,
    pub(crate) return_no: u32,
    pub(crate) customer_id: String,
    pub(crate) lines: Vec<StockLine>,
    pub(crate) total: Money,
    pub(crate) payment: PaymentChoice,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) transaction_id: Option<String>,
    /// What was refunded for a return, if that is less than its share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refunded: Option<Money>,
}
