//! Sends a command about an existing order and waits, up to a timeout, for the worker's answer.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contract::{Body, By, Message, MessageId, OrderCancel, OrderId, Role, clean_text};
use engine::ingress::Refused;
use serde_json::{Value, json};
use store::{JournalRow, readable};

use super::shapes::Cancel;
use super::{show, unpaid};
use crate::call::Call;
use crate::hub::Waiter;
use crate::parked;
use crate::problem::Problem;

/// The timeout of a caller that sends no `Prefer: wait`.
const WAIT: Duration = Duration::from_secs(5);
/// A reason is short.
const REASON_CHARS_MAX: usize = 500;
/// A payment's outcome can be any of several facts, and one may be missed. So a request that waits for a payment also
/// polls: first after this pause, which doubles each time …
const POLL_FIRST: Duration = Duration::from_millis(50);
/// … up to this.
const POLL_SLOWEST: Duration = Duration::from_secs(1);

pub(super) async fn cancel(call: Call) -> Result<Response, Problem> {
    let (caller, order_id, Cancel { reason }) = (call.caller()?, call.order_id()?, call.json_if_any()?);
    if let Some(Err(why)) = reason.as_ref().map(|reason| clean_text(reason, REASON_CHARS_MAX)) {
        return Err(Problem::field_invalid("reason", &why));
    }
    let name = caller.id.to_string();
    let (by, who, customer_id) = match caller.is_admin() {
        true => (By::Admin, Some(name), None),
        false => (By::Customer, None, Some(name)),
    };
    let command = OrderCommand {
        body: Body::OrderCancel(OrderCancel { order_id, reason, by, who, customer_id }),
        answers: Role::Order,
        refusal: "ORDER_NOT_CANCELLABLE",
        taken: StatusCode::OK,
        done: |order| matches!(order["status"].as_str(), Some("cancelled" | "refunded")),
    };
    Ok(ask(&call, order_id, &command).await?.into_response())
}

/// A command to an order, and how its answer is recognised.
pub(crate) struct OrderCommand {
    pub(crate) body: Body,
    /// The worker that answers it.
    pub(crate) answers: Role,
    /// The error code of a refusal.
    pub(crate) refusal: &'static str,
    /// The HTTP status once it is accepted.
    pub(crate) taken: StatusCode,
    /// Whether an order looks as if it is done.
    pub(crate) done: fn(&Value) -> bool,
}

impl OrderCommand {
    /// Whether the order worker holds the command until the order has been created.
    fn may_be_early(&self) -> bool {
        matches!(self.body, Body::OrderCancel(_) | Body::OrderPay(_))
    }
}

/// Answers with `taken` and the order once the command is done, or with 202 at the timeout.
pub(crate) async fn ask(
    call: &Call,
    order_id: OrderId,
    command: &OrderCommand,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (gateway, caller) = (&call.gateway, call.caller()?);
    let order = show::of(gateway, caller, order_id).await?;
    match order["status"].as_str() {
        Some("submitted") if command.may_be_early() => {}
        Some(status @ ("submitted" | "rejected")) => {
            let allowed = order["actions"].as_array().cloned().unwrap_or_default();
            let why = match status {
                "submitted" => {
                    "it was accepted and is not created yet; it can be cancelled, and asked for more in a moment"
                }
                _ => "nothing can be asked of it",
            };
            return Err(Problem::conflict(command.refusal, format!("order {order_id} is {status}: {why}"))
                .with("order_status", status)
                .with("allowed", allowed));
        }
        Some(_) | None => {}
    }
    let id = call.message_id(&caller.id).await?;
    let now = gateway.store.now().await?;
    let mut waiter = gateway.hub.wait_for(order_id);
    let permit = gateway.hub.wait_permit(&caller.id);
    let message = Message::new(id.clone(), now, command.body.clone());
    call.send(message).await.map_err(|refused| match refused {
        Refused::IdReused => Problem::key_reused(),
        Refused::Unavailable(_) => Problem::unavailable(refused),
    })?;
    let time = permit.as_ref().map_or(Duration::ZERO, |_| call.would_wait().unwrap_or(WAIT));
    match tokio::time::timeout(time, answer(call, order_id, &id, command, &mut waiter)).await {
        Ok(answered) => Ok((command.taken, Json(answered?))),
        Err(_) => Ok((StatusCode::ACCEPTED, Json(show::of(gateway, caller, order_id).await?))),
    }
}

/// Waits until the command is done or refused. A refusal may come late: only the saga knows whether an order can still
/// be cancelled.
async fn answer(
    call: &Call,
    order_id: OrderId,
    id: &MessageId,
    command: &OrderCommand,
    waiter: &mut Waiter,
) -> Result<Value, Problem> {
    let (gateway, caller) = (&call.gateway, call.caller()?);
    let queue = command.body.queues().first().copied();
    let pays = matches!(command.body, Body::OrderPay(_));
    let mut pause = POLL_FIRST;
    loop {
        // The order is read before the journal: a refusal that is found afterwards has not changed this order.
        let order = view::order(&*gateway.store, &order_id.to_string()).await?;
        let order = order.filter(|order| show::is_own(order, caller));
        let rows = readable(gateway.store.journal_of(order_id).await?);
        match reply_to(&rows, id, command) {
            Reply::Refused(problem) => return Err(*problem),
            Reply::Passed(at) => {
                if let Some(order) = order.clone().filter(|order| (command.done)(order)) {
                    return Ok(show::for_caller(order, caller));
                }
                if pays
                    && let Some(failed) = unpaid::failed(call, order_id, order.as_ref(), &rows, at).await?
                {
                    return Err(failed);
                }
            }
            Reply::NotHandled => {
                if let Some(queue) = queue
                    && let Some(parked) =
                        parked::reply_if_parked(&*gateway.store, queue, id, &caller.id).await?
                {
                    return Err(parked);
                }
            }
        }
        tokio::select! {
            () = waiter.news() => {}
            () = tokio::time::sleep(pause), if pays => pause = (pause * 2).min(POLL_SLOWEST),
        }
    }
}

enum Reply {
    /// The command has not been handled yet.
    NotHandled,
    /// It was handled, in the journal row with this index, and not refused so far.
    Passed(usize),
    Refused(Box<Problem>),
}

/// The worker's reply to the command so far.
fn reply_to(rows: &[JournalRow], id: &MessageId, command: &OrderCommand) -> Reply {
    let Some(at) = rows.iter().position(|row| row.role == command.answers && row.id == *id) else {
        return Reply::NotHandled;
    };
    if let (Role::Saga, Some(why)) = (command.answers, rows[at].outcome.strip_prefix("ignored: ")) {
        return Reply::Refused(Box::new(Problem::conflict(command.refusal, why)));
    }
    let cancels = matches!(command.body, Body::OrderCancel(_));
    let since = rows[at..].iter().filter(|row| row.role == Role::Order);
    for (row, said) in since.flat_map(|row| row.emitted.iter().map(move |said| (row, said))) {
        let is_its = row.id == *id || unpaid::answers_held(row);
        let (reason, message, status, allowed) = match &said.message.body {
            Body::OrderCancelRefused(no) if cancels => (&no.reason, &no.message, no.status, &no.allowed),
            Body::OrderRefused(no) if is_its && no.command == command.body.name() => {
                (&no.reason, &no.message, no.status, &no.allowed)
            }
            _ => continue,
        };
        // `order_unknown`, although the caller's order was found above: the id has since become another customer's order.
        // Only the command's own row counts here: a row that answers held commands may speak of another one.
        if reason == "order_unknown" && row.id != *id {
            continue;
        }
        if reason == "order_unknown" {
            return Reply::Refused(Box::new(Problem::order_not_found()));
        }
        if reason == unpaid::BY_THE_SHOP {
            return Reply::Refused(Box::new(unpaid::not_by_customers(allowed)));
        }
        let problem = Problem::conflict(command.refusal, message.clone())
            .with("reason", reason.clone())
            .with("order_status", json!(status.map(|status| status.name())))
            .with("allowed", json!(allowed));
        let errors = match &said.message.body {
            Body::OrderRefused(no) if !no.errors.is_empty() => json!(no.errors),
            _ => return Reply::Refused(Box::new(problem)),
        };
        return Reply::Refused(Box::new(problem.with("errors", errors)));
    }
    Reply::Passed(at)
}
