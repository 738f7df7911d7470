//! One order as its customer may see it: without internals, and with only the actions that the customer may take.

use axum::Json;
use axum::response::{IntoResponse, Response};
use contract::{Body, Method, OrderId, Role};
use serde_json::{Value, json};
use store::readable;

use crate::auth::Caller;
use crate::call::Call;
use crate::problem::Problem;
use crate::state::Gateway;

pub(super) async fn show(call: Call) -> Result<Response, Problem> {
    let order = of(&call.gateway, call.caller()?, call.order_id()?).await?;
    Ok(Json(order).into_response())
}

/// The order as the caller may see it. Another customer's order is not found.
pub(crate) async fn of(gateway: &Gateway, caller: &Caller, order_id: OrderId) -> Result<Value, Problem> {
    Ok(for_caller(whole(gateway, caller, order_id).await?, caller))
}

/// The order with its internals. Another customer's order is not found.
pub(super) async fn whole(gateway: &Gateway, caller: &Caller, order_id: OrderId) -> Result<Value, Problem> {
    let known = view::order(&*gateway.store, &order_id.to_string()).await?;
    let order = match known {
        Some(order) => Some(order),
        None => submitted(gateway, order_id).await?,
    };
    order.filter(|order| is_own(order, caller)).ok_or_else(Problem::order_not_found)
}

pub(crate) fn is_own(order: &Value, caller: &Caller) -> bool {
    caller.is_admin() || order["customer_id"].as_str() == Some(&*caller.id)
}

pub(crate) fn for_caller(mut order: Value, caller: &Caller) -> Value {
    if caller.is_admin() {
        return order;
    }
    if let Some(fields) = order.as_object_mut() {
        fields.remove("saga");
    }
    // Customers do not see the names of admins.
    for list in ["audit", "returns"] {
        for entry in order.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            entry.as_object_mut().map(|fields| fields.remove("who"));
        }
    }
    let method: Option<Method> = serde_json::from_value(order["payment"]["method"].clone()).ok();
    if let Some((actions, method)) = order.get_mut("actions").and_then(Value::as_array_mut).zip(method) {
        let theirs = |action: &str| order::may(caller.speaker(), action, method);
        actions.retain(|action| action.as_str().is_some_and(theirs));
    }
    order
}

/// An order that the order worker has not created yet: the gateway's journal row has its customer.
async fn submitted(gateway: &Gateway, order_id: OrderId) -> Result<Option<Value>, Problem> {
    let rows = readable(gateway.store.journal_of(order_id).await?);
    let accepted = rows.iter().filter(|row| row.role == Role::Gateway).flat_map(|row| &row.emitted);
    let mut customer = accepted.filter_map(|said| match &said.message.body {
        Body::Submit(submit) => submit.customer_id.clone(),
        _ => None,
    });
    Ok(customer.next().map(|customer_id| as_submitted(order_id, &customer_id)))
}

/// A journalled submission may be cancelled at once: the order worker sees the cancellation before anything is charged.
pub(super) fn as_submitted(order_id: OrderId, customer_id: &str) -> Value {
    json!({"order_id": order_id, "customer_id": customer_id, "status": "submitted", "actions": ["cancel"]})
}
