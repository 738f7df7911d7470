//! `POST /orders/{id}/pay`: a customer pays now, or an admin books cash on delivery. The answer is sent as soon as the
//! result is known.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contract::{Body, Method, OrderPay, Role, token_fault};
use payment::Wallet;
use serde_json::Value;

use super::ask::{self, OrderCommand};
use super::shapes::Pay;
use super::show;
use super::unpaid::not_by_customers;
use crate::call::Call;
use crate::problem::Problem;
use crate::written;

pub(super) async fn pay(call: Call) -> Result<Response, Problem> {
    let (caller, order_id, wanted) = (call.caller()?, call.order_id()?, call.json_if_any::<Pay>()?);
    let order = show::of(&call.gateway, caller, order_id).await?;
    let on_delivery = order["status"] == "created" && order["payment"]["method"] == Method::Cod.code();
    if on_delivery && !order::may(caller.speaker(), "pay", Method::Cod) {
        let allowed: Vec<String> = serde_json::from_value(order["actions"].clone()).unwrap_or_default();
        return Err(not_by_customers(&allowed));
    }
    let means = [
        ("token", wanted.token.as_ref().map(|token| &token.0)),
        ("payment_method_id", wanted.payment_method_id.as_ref()),
    ];
    for (field, means) in means {
        if let Some((_, why)) = means.and_then(|means| token_fault(means)) {
            return Err(Problem::unprocessable("PAYMENT_METHOD_INVALID", format!("{field}: {why}")));
        }
    }
    if wanted.token.is_some() && wanted.payment_method_id.is_some() {
        let why = "payment_method_id: send either a token or this";
        return Err(Problem::unprocessable("PAYMENT_METHOD_INVALID", why));
    }
    let method = match (&wanted.payment_method_id, wanted.method) {
        (Some(stored), None) => method_of(&call, &order, stored).await?,
        (_, method) => method,
    };
    let Pay { transaction_id, token, payment_method_id, .. } = wanted;
    let customer_id = (!caller.is_admin()).then(|| caller.id.to_string());
    let body =
        OrderPay { order_id, transaction_id, token, payment_method_id, method, customer_id, who: None };
    let command = OrderCommand {
        body: Body::OrderPay(body),
        answers: Role::Order,
        refusal: "ORDER_NOT_PAYABLE",
        taken: StatusCode::CREATED,
        done: is_paid,
    };
    Ok(ask::ask(&call, order_id, &command).await?.into_response())
}

pub(crate) fn is_paid(order: &Value) -> bool {
    matches!(order["status"].as_str(), Some("paid" | "fulfilled"))
}

/// The method (card, PayPal, …) of a stored payment method. The payment worker refuses an unknown one.
async fn method_of(call: &Call, order: &Value, stored: &str) -> Result<Option<Method>, Problem> {
    let customer_id = order["customer_id"].as_str().unwrap_or_default();
    let wallet = written::read::<Wallet>(call, customer_id).await?;
    let mut methods = wallet.into_iter().flat_map(|wallet| wallet.methods);
    Ok(methods.find(|known| known.method_id == stored).map(|known| known.method))
}
