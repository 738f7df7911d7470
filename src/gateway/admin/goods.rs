//! The catalogue, the stock and the discounts. What is wrong with them is the workers' to say.

use axum::response::Response;
use contract::{Body, DiscountUpsert, Money, ProductRetire, ProductUpsert, Sku, StockAdjust, Table, Time};
use schemars::JsonSchema;
use serde::Deserialize;

use super::applied::apply;
use crate::gateway::call::Call;
use crate::gateway::problem::Problem;

#[derive(Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"title": "Emma", "price": {"amount": "7.50", "currency": "EUR"}, "on_hand": 20}]))]
pub(super) struct Product {
    /// 1 to 200 characters.
    title: String,
    #[serde(default)]
    author: Option<String>,
    price: Money,
    /// What was counted. Without it the stock stays as it is.
    #[serde(default)]
    on_hand: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"delta": 2, "reason": "stock-take"}]))]
pub(super) struct Adjustment {
    /// What was found more (or, below zero, less) than was thought.
    delta: i64,
    /// 1 to 200 characters.
    reason: String,
}

/// Exactly one of `percent` (a decimal string, more than 0 and at most 100) and `amount`.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"percent": "15"}]))]
pub(super) struct Discount {
    #[serde(default)]
    percent: Option<String>,
    #[serde(default)]
    amount: Option<Money>,
    /// The last moment it is valid at.
    #[serde(default)]
    valid_until: Option<Time>,
    #[serde(default = "yes")]
    active: bool,
}

fn yes() -> bool {
    true
}

pub(super) async fn product(call: Call) -> Result<Response, Problem> {
    let (sku, Product { title, author, price, on_hand }) = (sku(&call)?, call.json()?);
    let body = Body::ProductUpsert(ProductUpsert { sku: sku.clone(), title, author, price, on_hand });
    apply(&call, body, Table::Products, sku.as_str()).await
}

pub(super) async fn retire(call: Call) -> Result<Response, Problem> {
    let sku = sku(&call)?;
    apply(&call, Body::ProductRetire(ProductRetire { sku: sku.clone() }), Table::Products, sku.as_str()).await
}

pub(super) async fn adjust(call: Call) -> Result<Response, Problem> {
    let (sku, Adjustment { delta, reason }) = (sku(&call)?, call.json()?);
    let body = Body::StockAdjust(StockAdjust { sku: sku.clone(), delta, reason });
    apply(&call, body, Table::Stock, sku.as_str()).await
}

pub(super) async fn discount(call: Call) -> Result<Response, Problem> {
    let (code, Discount { percent, amount, valid_until, active }) =
        (call.param("code").to_string(), call.json()?);
    let body = DiscountUpsert { code: code.clone(), percent, amount, valid_until, active };
    apply(&call, Body::DiscountUpsert(body), Table::Discounts, &code).await
}

fn sku(call: &Call) -> Result<Sku, Problem> {
    Sku::new(call.param("sku")).ok_or_else(|| {
        Problem::bad_request("PATH_INVALID", "a sku has 1 to 64 visible ASCII characters and no spaces")
    })
}
