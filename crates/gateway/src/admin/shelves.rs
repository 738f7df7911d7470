//! Shows the products, the stock and the discounts: one by its id, or all of them, ordered by id.

use axum::Json;
use axum::response::{IntoResponse, Response};
use contract::{Money, Sku, Stored, Time};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::goods::{discount_code, sku};
use crate::call::Call;
use crate::orders::limit_of;
use crate::problem::Problem;

#[derive(Deserialize, JsonSchema)]
pub(super) struct Wanted {
    /// At most 100; 20 if it is left out.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
    /// The `next` of the previous page.
    #[serde(default)]
    cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Page<T> {
    items: Vec<T>,
    /// The `cursor` of the next page.
    next: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ProductAsItIs")]
pub(super) struct Product {
    sku: Sku,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    price: Money,
    /// The product is not sold any more.
    retired: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StockAsItIs")]
pub(super) struct Stock {
    sku: Sku,
    on_hand: i64,
    /// Held for orders and not shipped yet.
    reserved: i64,
    /// Available to new orders.
    free: i64,
    /// What stock counts and adjustments have added, minus what they have removed.
    received: i64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DiscountAsItIs")]
pub(super) struct Discount {
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Money>,
    /// The last moment at which the discount is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<Time>,
    active: bool,
}

pub(super) async fn products(call: Call) -> Result<Response, Problem> {
    all::<order::Product, Product>(&call).await
}

pub(super) async fn product(call: Call) -> Result<Response, Problem> {
    let sku = sku(&call)?;
    one::<order::Product, Product>(&call, sku.as_str(), "PRODUCT_NOT_FOUND").await
}

pub(super) async fn stocks(call: Call) -> Result<Response, Problem> {
    all::<stock::Item, Stock>(&call).await
}

pub(super) async fn stock(call: Call) -> Result<Response, Problem> {
    let sku = sku(&call)?;
    one::<stock::Item, Stock>(&call, sku.as_str(), "STOCK_NOT_FOUND").await
}

pub(super) async fn discounts(call: Call) -> Result<Response, Problem> {
    all::<order::Discount, Discount>(&call).await
}

pub(super) async fn discount(call: Call) -> Result<Response, Problem> {
    let code = discount_code(&call)?;
    one::<order::Discount, Discount>(&call, &code, "DISCOUNT_NOT_FOUND").await
}

async fn one<R: Stored + DeserializeOwned, T: Serialize + From<R>>(
    call: &Call,
    id: &str,
    unknown: &str,
) -> Result<Response, Problem> {
    let doc = call.gateway.store.get(R::TABLE, id).await?;
    let doc = doc.ok_or_else(|| Problem::not_found(unknown, format!("nothing is known of {id} here")))?;
    let kept: R = serde_json::from_str(&doc).map_err(Problem::internal)?;
    Ok(Json(T::from(kept)).into_response())
}

async fn all<R: Stored + DeserializeOwned, T: Serialize + From<R>>(call: &Call) -> Result<Response, Problem> {
    let Wanted { limit, cursor } = call.query()?;
    let (limit, after) = (limit_of(limit)?, cursor.as_deref().map_or(Ok(String::new()), read_cursor)?);
    // One more than asked for shows whether there is another page.
    let mut docs = call.gateway.store.page(R::TABLE, &after, limit + 1).await?;
    let more = docs.len() > limit;
    docs.truncate(limit);
    let next = docs.last().filter(|_| more).map(|(id, _)| cursor_after(id));
    let read = docs.iter().map(|(_, doc)| serde_json::from_str::<R>(doc).map(T::from));
    let items: Vec<T> = read.collect::<Result<_, _>>().map_err(Problem::internal)?;
    Ok(Json(Page { items, next }).into_response())
}

/// In hex, like an order's cursor, so that it looks opaque to clients and needs no escaping in a query.
fn cursor_after(id: &str) -> String {
    id.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn read_cursor(cursor: &str) -> Result<String, Problem> {
    let byte = |at: usize| cursor.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..cursor.len()).step_by(2).map(byte).collect();
    let id = bytes.filter(|bytes| bytes.iter().all(u8::is_ascii_graphic));
    id.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
        let why = "give the `next` of a page as it was, or begin without a cursor";
        Problem::bad_request("CURSOR_INVALID", why)
    })
}

impl From<order::Product> for Product {
    fn from(kept: order::Product) -> Self {
        let order::Product { sku, title, author, price, retired } = kept;
        Self { sku, title, author, price, retired }
    }
}

impl From<stock::Item> for Stock {
    fn from(kept: stock::Item) -> Self {
        let free = kept.free();
        let stock::Item { sku, on_hand, reserved, received } = kept;
        Self { sku, on_hand, reserved, free, received }
    }
}

impl From<order::Discount> for Discount {
    fn from(kept: order::Discount) -> Self {
        let order::Discount { code, percent, amount, valid_until, active } = kept;
        Self { code, percent: percent.map(|percent| percent.to_string()), amount, valid_until, active }
    }
}
