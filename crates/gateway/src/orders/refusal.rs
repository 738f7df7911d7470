//! Translates the faults of a refused order into HTTP statuses and error codes.

use axum::http::StatusCode;
use contract::Fault;
use serde_json::json;

use crate::problem::Problem;

pub(super) fn id_reused() -> Problem {
    let why = "this order_id was used before, with another content; give every order its own";
    Problem::unprocessable("ORDER_ID_REUSED", why)
}

/// The first fault determines the error code; `errors` lists all faults.
pub(super) fn refusal(faults: &[Fault]) -> Problem {
    let (status, code) = match faults.first().map(|fault| fault.code.as_str()) {
        Some("cart_empty") => (StatusCode::UNPROCESSABLE_ENTITY, "ORDER_CART_EMPTY"),
        Some("product_unknown") => (StatusCode::UNPROCESSABLE_ENTITY, "PRODUCT_UNKNOWN"),
        Some("cart_changed") => (StatusCode::CONFLICT, "CART_CHANGED"),
        Some("cart_in_checkout") => (StatusCode::CONFLICT, "CART_IN_CHECKOUT"),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, "ORDER_INVALID"),
    };
    let why = Fault::in_words(faults).unwrap_or_else(|| "the order cannot be read".into());
    Problem::new(status, code, why).with("errors", json!(faults))
}
