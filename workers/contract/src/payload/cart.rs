//! What is said about a customer's stored cart. Nobody outside sends or reads these, so they may change.

use serde::{Deserialize, Serialize};

use crate::{OrderId, Sku, Submit};

use super::words::Line;

/// The whole cart is to be these lines.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CartPut {
    pub customer_id: String,
    pub items: Vec<Line>,
    /// The version that the sender saw; any other is not overwritten. Without it, whatever is there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// So many of one thing, however many there were.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CartItemPut {
    pub customer_id: String,
    pub sku: Sku,
    pub quantity: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CartItemRemove {
    pub customer_id: String,
    pub sku: Sku,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CartClear {
    pub customer_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// A submission of the stored cart, with the lines that were in it when it was taken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CartOrder {
    pub submit: Submit,
    pub lines: Vec<Line>,
}

/// It is known how the order ended that was made of this cart.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CartSettle {
    pub customer_id: String,
    pub order_id: OrderId,
    pub ended: CartEnd,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CartEnd {
    /// Its lines are bought.
    Bought,
    /// It came to nothing, and the customer may try again.
    Kept,
}
