//! Changes products, stock and discounts. The workers validate the values.

use axum::response::Response;
use contract::{Body, DiscountUpsert, Money, ProductRetire, ProductUpsert, Sku, StockAdjust, Table, Time};
use schemars::JsonSchema;
use serde::Deserialize;

use super::applied::apply;
use crate::call::Call;
use crate::problem::Problem;

const REASON_CHARS_MAX: usize = 500;

#[derive(Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"title": "Emma", "price": {"amount": "7.50", "currency": "EUR"}, "on_hand": 20}]))]
pub(super) struct Product {
    /// 1 to 200 characters.
    title: String,
    #[serde(default)]
    author: Option<String>,
    price: Money,
    /// The counted stock. Without it the stock stays as it is.
    #[serde(default)]
    on_hand: Option<u32>,
    /// At most 500 characters; it stays in the journal, beside your name.
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"delta": 2, "reason": "stock-take"}]))]
pub(super) struct Adjustment {
    /// How many more (or, if negative, fewer) were found than recorded.
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
    /// The last moment at which the discount is valid.
    #[serde(default)]
    valid_until: Option<Time>,
    #[serde(default = "yes")]
    active: bool,
    /// At most 500 characters; it stays in the journal, beside your name.
    #[serde(default)]
    reason: Option<String>,
}

/// Why a product is not sold any more.
#[derive(Default, Deserialize, JsonSchema)]
pub(super) struct Retirement {
    /// At most 500 characters; it stays in the journal, beside your name.
    #[serde(default)]
    reason: Option<String>,
}

fn yes() -> bool {
    true
}

pub(super) async fn product(call: Call) -> Result<Response, Problem> {
    let (sku, product) = (sku(&call)?, call.json::<Product>()?);
    let Product { title, author, price, on_hand, reason } = product;
    let (reason, who) = (clean(reason)?, who(&call)?);
    let body = ProductUpsert { sku: sku.clone(), title, author, price, on_hand, reason, who };
    apply(&call, Body::ProductUpsert(body), Table::Products, sku.as_str()).await
}

pub(super) async fn retire(call: Call) -> Result<Response, Problem> {
    let (sku, Retirement { reason }) = (sku(&call)?, call.json_if_any()?);
    let body = ProductRetire { sku: sku.clone(), reason: clean(reason)?, who: who(&call)? };
    apply(&call, Body::ProductRetire(body), Table::Products, sku.as_str()).await
}

pub(super) async fn adjust(call: Call) -> Result<Response, Problem> {
    let (sku, Adjustment { delta, reason }) = (sku(&call)?, call.json()?);
    let body = Body::StockAdjust(StockAdjust { sku: sku.clone(), delta, reason, who: who(&call)? });
    apply(&call, body, Table::Stock, sku.as_str()).await
}

pub(super) async fn discount(call: Call) -> Result<Response, Problem> {
    let (code, discount) = (discount_code(&call)?, call.json::<Discount>()?);
    let Discount { percent, amount, valid_until, active, reason } = discount;
    let (reason, who) = (clean(reason)?, who(&call)?);
    let body = DiscountUpsert { code: code.clone(), percent, amount, valid_until, active, reason, who };
    apply(&call, Body::DiscountUpsert(body), Table::Discounts, &code).await
}

fn who(call: &Call) -> Result<Option<String>, Problem> {
    Ok(Some(call.caller()?.id.to_string()))
}

fn clean(reason: Option<String>) -> Result<Option<String>, Problem> {
    let reason = reason.map(|text| contract::clean_text(&text, REASON_CHARS_MAX).map(str::to_string));
    reason.transpose().map_err(|why| Problem::field_invalid("reason", &why))
}

pub(super) fn discount_code(call: &Call) -> Result<String, Problem> {
    let code = call.param("code");
    let fits = (1..=40).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| code.to_string()).ok_or_else(|| {
        Problem::bad_request(
            "PATH_INVALID",
            "a discount code has 1 to 40 visible ASCII characters and no spaces",
        )
    })
}

pub(super) fn sku(call: &Call) -> Result<Sku, Problem> {
    Sku::new(call.param("sku")).ok_or_else(|| {
        Problem::bad_request("PATH_INVALID", "a sku has 1 to 64 visible ASCII characters and no spaces")
    })
}
