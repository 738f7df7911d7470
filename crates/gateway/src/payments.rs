//! Customers' payments, one for each order. Another customer's payment is answered as not found.

use axum::Json;
use axum::response::{IntoResponse, Response};
use contract::OrderId;
use order::Order;
use payment::Payment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::Filter;
use view::{PaymentView, payment_view};

use super::call::Call;
use super::letters;
use super::orders::{cursor, limit_of, read_cursor, shown_order};
use super::problem::Problem;
use super::route::{Route, Who};
use super::written;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/payments", "list_payments", |call| Box::pin(list(call)))
            .by(Who::Customer)
            .about("The payments of your orders, newest order first, or that of one order")
            .asks::<Wanted>()
            .answers::<Page>(200, "a page, perhaps empty")
            .problem(400, "CURSOR_INVALID")
            .problem(404, "ORDER_NOT_FOUND"),
        Route::get("/payments/{id}", "show_payment", |call| Box::pin(show(call)))
            .by(Who::Customer)
            .about("One payment with everything that has become of it")
            .answers::<PaymentView>(200, "the payment")
            .problem(404, "PAYMENT_NOT_FOUND"),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct Wanted {
    order_id: Option<OrderId>,
    /// Orders for each page, 1 to 100; 20 by default.
    limit: Option<u32>,
    /// The `next` of the previous page.
    cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Page {
    items: Vec<PaymentView>,
    next: Option<String>,
}

async fn list(call: Call) -> Result<Response, Problem> {
    let (caller, wanted) = (call.caller()?, call.query::<Wanted>()?);
    if let Some(order_id) = wanted.order_id {
        shown_order(&call.gateway, caller, order_id).await?;
        // A submission that was just accepted may have no order yet.
        let payment = match own_order(&call, order_id).await? {
            Some(order) => of_order(&call, &order).await?,
            None => None,
        };
        let items = payment.into_iter().collect();
        return Ok(Json(Page { items, next: None }).into_response());
    }
    let limit = limit_of(wanted.limit)?;
    let filter = Filter {
        customer_id: Some(caller.id.to_string()),
        before: wanted.cursor.as_deref().map(read_cursor).transpose()?,
        // One more than asked for shows whether there is another page.
        limit: limit + 1,
        ..Filter::default()
    };
    let docs = call.gateway.store.list(contract::Table::Orders, &filter).await?;
    let read = docs.iter().map(|doc| serde_json::from_str(doc));
    let mut orders: Vec<Order> = read.collect::<Result<_, _>>().map_err(Problem::internal)?;
    let more = orders.len() > limit;
    orders.truncate(limit);
    let next = orders.last().filter(|_| more).map(|last| cursor(last.created_at, last.order_id));
    let payments = futures_util::future::try_join_all(orders.iter().map(|order| of_order(&call, order)));
    let items = payments.await?.into_iter().flatten().collect();
    Ok(Json(Page { items, next }).into_response())
}

async fn show(call: Call) -> Result<Response, Problem> {
    let not_found = || Problem::not_found("PAYMENT_NOT_FOUND", "you have no payment of that id");
    let order_id = letters::read(PREFIX, call.param("id")).map(OrderId::new).ok_or_else(not_found)?;
    let order = own_order(&call, order_id).await?.ok_or_else(not_found)?;
    let payment = of_order(&call, &order).await?.ok_or_else(not_found)?;
    Ok(Json(payment).into_response())
}

const PREFIX: &str = "pay_";

/// `None` also for another customer's order.
pub(super) async fn own_order(call: &Call, order_id: OrderId) -> Result<Option<Order>, Problem> {
    let caller = call.caller()?;
    let order = written::read::<Order>(call, &order_id.to_string()).await?;
    Ok(order.filter(|order| caller.is_admin() || *order.customer_id == *caller.id))
}

async fn of_order(call: &Call, order: &Order) -> Result<Option<PaymentView>, Problem> {
    let record = written::read::<Payment>(call, &order.order_id.to_string()).await?;
    let id = letters::written(PREFIX, order.order_id.uuid());
    Ok(record.map(|record| payment_view(id, order.customer_id.clone(), record)))
}
