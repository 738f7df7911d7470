//! Why a requested payment of an order failed, read from the workers' journal rows and the payment's record.

use axum::http::StatusCode;
use contract::{Body, OrderId, Role};
use payment::{Payment, Status};
use serde_json::Value;
use store::JournalRow;

use super::show;
use crate::call::Call;
use crate::problem::Problem;
use crate::written;

/// The order worker's reason for refusing a customer who tries to book cash.
pub(super) const BY_THE_SHOP: &str = "paid_on_delivery";

/// `allowed` has what the customer may do instead; it is empty once the parcel has left.
pub(super) fn not_by_customers(allowed: &[String]) -> Problem {
    let instead = match allowed.iter().any(|action| action == "cancel") {
        true => "you may cancel it until it leaves the warehouse",
        false => {
            "it is on its way, and can no longer be cancelled: refuse it at the door if you do not want it"
        }
    };
    Problem::forbidden(format!("it is paid on delivery, and the courier books that; {instead}"))
}

/// Whether this row may contain the answer to a held command, which is one that came before its order was created.
pub(super) fn answers_held(row: &JournalRow) -> bool {
    matches!(row.name.as_str(), "checkout.submit" | "cart.order" | "order.held")
}

/// Why the payment that `rows[at]` requested failed, if that is known yet.
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

/// The order worker's message to payment, sent at once or when a held command was answered.
fn passed_on(rows: &[JournalRow], at: usize) -> Option<&contract::MessageId> {
    let later = rows[at + 1..].iter().filter(|row| row.role == Role::Order && answers_held(row));
    let said = std::iter::once(&rows[at]).chain(later).flat_map(|row| &row.emitted);
    let mut asks =
        said.filter(|said| matches!(said.message.body, Body::PaymentConfirm(_) | Body::PaymentSettle(_)));
    asks.next().map(|said| &said.message.id)
}
