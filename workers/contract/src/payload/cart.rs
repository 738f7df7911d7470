//! Messages about a customer's stored cart. No outsider sends or reads these, so they may change.

use serde::{Deserialize, Serialize};

use crate::{OrderId, Sku, Submit};

use super::words::Line;

/// Replaces the whole cart by these lines.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CartPut {
    pub customer_id: String,
    pub items: Vec<Line>,
    /// The version that the sender saw; another version is not overwritten. `None`: any version is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// Sets the quantity of one product, whatever it was.
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

/// The order that was made of this cart has ended.
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
    /// The order was given up, and the customer may try again.
    Kept,
}
