//! A customer's stored cart. A write may name the version that it expects, and is answered with the cart after it.

use std::collections::HashMap;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use contract::{
    Body, CartClear, CartItemPut, CartItemRemove, CartPut, Fault, Line, Money, OrderId, Sku, Time,
};
use order::{Product, StoredCart};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Call;
use super::problem::Problem;
use super::products::look_up;
use super::route::{Route, SMALL_BODY_BYTES_MAX, Who};
use super::written::{self, Written};

const IF_MATCH: &str =
    "the version that was seen, as in ETag: the write is refused if there is another one by now";
const KEY: &str =
    "1 to 255 visible characters of your own; the same key and the same body are the same request";

pub(super) fn routes() -> Vec<Route> {
    let write = |route: Route| {
        let route = route.by(Who::Customer).header("If-Match", IF_MATCH).header("Idempotency-Key", KEY);
        let route = route
            .answers::<Cart>(200, "the cart after it")
            .answers::<Cart>(202, "it is safe, and not done yet");
        route
            .problem(400, "IF_MATCH_INVALID")
            .problem(400, "IDEMPOTENCY_KEY_INVALID")
            .problem(412, "CART_CHANGED")
            .problem(422, "IDEMPOTENCY_KEY_REUSED")
    };
    let put = |route| write(route).problem(422, "CART_INVALID").problem(422, "PRODUCT_UNKNOWN");
    vec![
        Route::get("/cart", "show_cart", |call| Box::pin(show(call)))
            .by(Who::Customer)
            .about("Your stored cart, with today's prices")
            .answers::<Cart>(200, "the cart, perhaps empty"),
        put(Route::put("/cart", "put_cart", |call| Box::pin(put_all(call))))
            .about("Put these things in instead")
            .takes_up_to::<NewCart>(CART_BYTES_MAX),
        write(Route::delete("/cart", "clear_cart", |call| Box::pin(clear(call))))
            .about("Take everything out"),
        put(Route::put("/cart/items/{sku}", "put_cart_item", |call| Box::pin(put_item(call))))
            .about("Have so many of one thing in it, however many there were")
            .takes_up_to::<NewItem>(SMALL_BODY_BYTES_MAX),
        write(Route::delete("/cart/items/{sku}", "remove_cart_item", |call| Box::pin(remove(call))))
            .about("Take one thing out")
            .problem(422, "CART_INVALID"),
    ]
}

#[derive(Serialize, JsonSchema)]
struct Cart {
    /// Increases with each change. A checkout may send it as `cart_version`.
    version: u64,
    items: Vec<Item>,
    /// The order that is being made of this cart. Until it has ended, the cart cannot be ordered again.
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<OrderId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Time>,
}

#[derive(Serialize, JsonSchema)]
struct Item {
    sku: Sku,
    quantity: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// The current price. The price at checkout is what counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_price: Option<Money>,
    /// The product is not sold any more: a checkout of the cart is refused until the item is removed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    retired: bool,
}

/// 100 lines of the longest sku, with room for a client that indents.
const CART_BYTES_MAX: usize = 16 * 1024;

#[derive(Deserialize, JsonSchema)]
struct NewCart {
    /// At most 100 lines, at most 1000 of one thing.
    items: Vec<Line>,
}

#[derive(Deserialize, JsonSchema)]
struct NewItem {
    /// 1 to 1000.
    quantity: u32,
}

async fn show(call: Call) -> Result<Response, Problem> {
    let cart = written::read::<StoredCart>(&call, &call.caller()?.id).await?;
    respond(&call, StatusCode::OK, cart).await
}

async fn put_all(call: Call) -> Result<Response, Problem> {
    let (customer_id, version, NewCart { items }) =
        (call.customer_id()?, expected_version(&call)?, call.json()?);
    write(&call, Body::CartPut(CartPut { customer_id, items, version })).await
}

async fn put_item(call: Call) -> Result<Response, Problem> {
    let (customer_id, version, sku) = (call.customer_id()?, expected_version(&call)?, sku(&call)?);
    let NewItem { quantity } = call.json()?;
    write(&call, Body::CartItemPut(CartItemPut { customer_id, sku, quantity, version })).await
}

async fn remove(call: Call) -> Result<Response, Problem> {
    let (customer_id, version, sku) = (call.customer_id()?, expected_version(&call)?, sku(&call)?);
    write(&call, Body::CartItemRemove(CartItemRemove { customer_id, sku, version })).await
}

async fn clear(call: Call) -> Result<Response, Problem> {
    let (customer_id, version) = (call.customer_id()?, expected_version(&call)?);
    write(&call, Body::CartClear(CartClear { customer_id, version })).await
}

async fn write(call: &Call, body: Body) -> Result<Response, Problem> {
    let customer_id = call.customer_id()?;
    let written = written::write(
        call,
        call.message_id(&customer_id).await?,
        body,
        &customer_id,
        |cart: &StoredCart| &cart.answers,
    );
    match written.await? {
        Written::Done(cart) => respond(call, StatusCode::OK, Some(cart)).await,
        Written::Refused(fault) => Err(refusal(&fault)),
        Written::NotYet => {
            let cart = written::read::<StoredCart>(call, &customer_id).await?;
            respond(call, StatusCode::ACCEPTED, cart).await
        }
    }
}

async fn respond(call: &Call, status: StatusCode, cart: Option<StoredCart>) -> Result<Response, Problem> {
    let version = cart.as_ref().map_or(0, |cart| cart.version);
    let lines = cart.as_ref().map_or(&[][..], |cart| &cart.lines);
    let products = match lines {
        [] => HashMap::new(),
        lines => look_up(&*call.gateway.store, lines.iter().map(|line| &line.sku)).await?,
    };
    let body = Cart {
        version,
        items: lines.iter().map(|line| item(line, products.get(line.sku.as_str()))).collect(),
        order_id: cart.as_ref().and_then(|cart| cart.ordered.as_ref()).map(|ordered| ordered.order_id),
        updated_at: cart.as_ref().map(|cart| cart.updated_at),
    };
    let mut response = (status, Json(body)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

fn item(line: &Line, product: Option<&Product>) -> Item {
    let (title, unit_price) = product.map(|product| (product.title.clone(), product.price)).unzip();
    let retired = product.is_some_and(|product| product.retired);
    Item { sku: line.sku.clone(), quantity: line.quantity, title, unit_price, retired }
}

fn expected_version(call: &Call) -> Result<Option<u64>, Problem> {
    let Some(tag) = call.header("if-match").filter(|tag| *tag != "*") else { return Ok(None) };
    let version = tag.trim().trim_matches('"').parse().map(Some);
    version.map_err(|_| {
        Problem::bad_request(
            "IF_MATCH_INVALID",
            "If-Match is the ETag that the cart was shown with, like \"3\"",
        )
    })
}

fn sku(call: &Call) -> Result<Sku, Problem> {
    Sku::new(call.param("sku")).ok_or_else(|| {
        let why = "a sku has 1 to 64 visible ASCII characters and no spaces";
        refusal(&Fault::new("sku", "invalid", why))
    })
}

fn refusal(fault: &Fault) -> Problem {
    let (status, code) = match fault.code.as_str() {
        "cart_changed" => (StatusCode::PRECONDITION_FAILED, "CART_CHANGED"),
        "product_unknown" => (StatusCode::UNPROCESSABLE_ENTITY, "PRODUCT_UNKNOWN"),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, "CART_INVALID"),
    };
    Problem::new(status, code, format!("{}: {}", fault.field, fault.message)).with("errors", json!([fault]))
}
