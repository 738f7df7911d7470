//! The outcome of a submission, for a caller that waits for it: accepted, or refused with all that the caller can fix.

use axum::http::StatusCode;
use contract::{Fault, OrderId};
use serde_json::{Value, json};

use super::refusal::{id_reused, refusal};
use super::show;
use crate::auth::Caller;
use crate::hub::Waiter;
use crate::problem::Problem;
use crate::state::Gateway;

pub(super) enum Outcome {
    Accepted(Value),
    /// Nothing more happens until the customer confirms the payment.
    WaitsForCustomer(Value),
    Refused(Box<Problem>),
}

/// Reads the order after each wake-up until there is an outcome. The caller sets the timeout.
pub(super) async fn of(
    gateway: &Gateway,
    caller: &Caller,
    order_id: OrderId,
    waiter: &mut Waiter,
) -> Result<Outcome, Problem> {
    loop {
        if let Some(order) = view::order(&*gateway.store, &order_id.to_string()).await? {
            if !show::is_own(&order, caller) {
                return Ok(Outcome::Refused(Box::new(id_reused())));
            }
            if let Some(outcome) = seen(order, caller) {
                return Ok(outcome);
            }
        }
        waiter.news().await;
    }
}

fn seen(order: Value, caller: &Caller) -> Option<Outcome> {
    let refused = |problem: Problem| Some(Outcome::Refused(Box::new(problem)));
    let id = order["order_id"].clone();
    match order["status"].as_str().unwrap_or_default() {
        "rejected" => {
            let faults: Vec<Fault> = serde_json::from_value(order["errors"].clone()).unwrap_or_default();
            refused(refusal(&faults).with("order_id", id))
        }
        "paid" | "fulfilled" | "archived" => Some(Outcome::Accepted(show::for_caller(order, caller))),
        // Cash on delivery: the parcel is on its way, and nothing more happens until it is delivered.
        "created" if order["saga"]["step"] == "collect_cash" => {
            Some(Outcome::Accepted(show::for_caller(order, caller)))
        }
        "created"
            if order["saga"]["step"] == "await_payment"
                && order["payment"]["status"] == "awaiting_confirmation" =>
        {
            Some(Outcome::WaitsForCustomer(show::for_caller(order, caller)))
        }
        "cancelled" | "refunded" => {
            let reason = order["reason"].as_str().unwrap_or_default().to_string();
            let (status, code, why) = match reason.as_str() {
                "payment_declined" | "payment_timeout" => {
                    (StatusCode::PAYMENT_REQUIRED, "ORDER_PAYMENT_FAILED", "the payment was not taken")
                }
                "insufficient_stock" | "stock_unavailable" => (
                    StatusCode::CONFLICT,
                    "ORDER_INSUFFICIENT_STOCK",
                    "there is not enough of it; whatever was paid goes back",
                ),
                _ => (StatusCode::CONFLICT, "ORDER_CANCELLED", "it was cancelled meanwhile"),
            };
            let problem = Problem::new(status, code, why).with("order_id", id).with("reason", reason);
            let short = order["short"].as_array().cloned().unwrap_or_default();
            refused(match (code, order["decline_code"].as_str()) {
                ("ORDER_INSUFFICIENT_STOCK", _) => problem.with("items", json!(short)),
                ("ORDER_PAYMENT_FAILED", Some(declined)) => problem.with("decline_code", declined),
                _ => problem,
            })
        }
        _ => None,
    }
}
