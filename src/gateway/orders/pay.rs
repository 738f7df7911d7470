//! An order is paid because its customer says so now, or because the shop took the cash. What came of it is
//! told as soon as it is known.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contract::{Body, Method, OrderId, OrderPay, Role, token_fault};
use payment::{Payment, Status, Wallet};
use serde_json::Value;

use super::ask::{self, Asked};
use super::shapes::Pay;
use super::show;
use crate::gateway::call::Call;
use crate::gateway::problem::Problem;
use crate::gateway::written;
use crate::store::JournalRow;

/// What the order worker says of a customer who would book cash.
pub(super) const BY_THE_SHOP: &str = "paid_on_delivery";

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
    let asked = Asked {
        body: Body::OrderPay(body),
        answers: Role::Order,
        refusal: "ORDER_NOT_PAYABLE",
        taken: StatusCode::CREATED,
        done: is_paid,
    };
    Ok(ask::ask(&call, order_id, &asked).await?.into_response())
}

pub(crate) fn is_paid(order: &Value) -> bool {
    matches!(order["status"].as_str(), Some("paid" | "fulfilled"))
}

/// `allowed` is what the customer may do instead: nothing, once the parcel has left.
pub(super) fn not_by_customers(allowed: &[String]) -> Problem {
    let instead = match allowed.iter().any(|action| action == "cancel") {
        true => "you may cancel it until it leaves the warehouse",
        false => {
            "it is on its way, and can no longer be cancelled: refuse it at the door if you do not want it"
        }
    };
    Problem::forbidden(format!("it is paid on delivery, and the courier books that; {instead}"))
}

/// What the stored payment method is of. One that is not there is the payment worker's to refuse.
async fn method_of(call: &Call, order: &Value, stored: &str) -> Result<Option<Method>, Problem> {
    let customer_id = order["customer_id"].as_str().unwrap_or_default();
    let wallet = written::read::<Wallet>(call, customer_id).await?;
    let mut methods = wallet.into_iter().flat_map(|wallet| wallet.methods);
    Ok(methods.find(|known| known.method_id == stored).map(|known| known.method))
}

/// Why no money comes of what was asked for in the row `rows[at]`, if that is known by now.
pub(super) async fn failed(
    call: &Call,
    order_id: OrderId,
    order: Option<&Value>,
    rows: &[JournalRow],
    at: usize,
) -> Result<Option<Problem>, Problem> {
    let caller = call.caller()?;
    let Some(passed_on) = passed_on(rows, at) else { return Ok(None) };
    let handled = rows.iter().find(|row| row.role == Role::Payment && row.id == *passed_on);
    let Some(handled) = handled else { return Ok(None) };
    if let Some((_, why)) =
        handled.outcome.split_once(": ").filter(|(kind, _)| matches!(*kind, "ignored" | "alarm"))
    {
        let problem = Problem::conflict("ORDER_NOT_PAYABLE", format!("order {order_id}: {why}"));
        let seen = order.map(|order| show::for_caller(order.clone(), caller)).unwrap_or_default();
        return Ok(Some(
            problem.with("order_status", seen["status"].clone()).with("allowed", seen["actions"].clone()),
        ));
    }
    let Some(payment) = written::read::<Payment>(call, &order_id.to_string()).await? else { return Ok(None) };
    let mine = payment.tries.iter().find(|one| one.confirmed_by == *passed_on);
    let charge = payment.charge.as_ref().filter(|_| payment.status == Status::Declined);
    let code = mine.and_then(|one| one.failure_code.as_ref());
    if let Some(code) = code.or(charge.and_then(|charge| charge.failure_code.as_ref())) {
        let why = format!("nothing was charged for order {order_id} ({code})");
        let problem = Problem::new(StatusCode::PAYMENT_REQUIRED, "PAYMENT_DECLINED", why);
        return Ok(Some(problem.with("decline_code", code.clone())));
    }
    let status = order.and_then(|order| order["status"].as_str());
    Ok(status.filter(|status| matches!(*status, "cancelled" | "refunded")).map(|status| {
        let why = format!("order {order_id} is {status}; what was charged for it goes back");
        Problem::conflict("ORDER_NOT_PAYABLE", why).with("order_status", status)
    }))
}

/// The message that the order worker asked payment with: at once, or when a held command was answered.
fn passed_on(rows: &[JournalRow], at: usize) -> Option<&contract::MessageId> {
    let later = rows[at + 1..].iter().filter(|row| row.role == Role::Order && ask::answers_held(row));
    let said = std::iter::once(&rows[at]).chain(later).flat_map(|row| &row.said);
    let mut asks =
        said.filter(|said| matches!(said.message.body, Body::PaymentConfirm(_) | Body::PaymentSettle(_)));
    asks.next().map(|said| &said.message.id)
}
