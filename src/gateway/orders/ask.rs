//! Something is asked of an order that exists; the answer is the order worker's, and is waited for within bounds.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contract::{Body, By, Message, MessageId, OrderCancel, OrderId, OrderPay, Role, clean_text};
use serde_json::{Value, json};

use super::shapes::{Cancel, Pay};
use super::show;
use crate::door::Refused;
use crate::gateway::call::Call;
use crate::gateway::hub::Waiter;
use crate::gateway::parked;
use crate::gateway::problem::Problem;
use crate::view;

/// Who does not say how long they would wait is answered within this.
const WAIT: Duration = Duration::from_secs(5);
/// A reason, not a correspondence.
const REASON_CHARS_MAX: usize = 500;

pub(super) async fn cancel(call: Call) -> Result<Response, Problem> {
    let (caller, order_id, Cancel { reason }) = (call.caller()?, call.order_id()?, call.json_if_any()?);
    if let Some(Err(why)) = reason.as_ref().map(|reason| clean_text(reason, REASON_CHARS_MAX)) {
        return Err(Problem::field_invalid("reason", &why));
    }
    let by = if caller.is_admin() { By::Admin } else { By::Customer };
    let who = caller.is_admin().then(|| caller.id.to_string());
    let asked = Asked {
        body: Body::OrderCancel(OrderCancel { order_id, reason, by, who }),
        answers: Role::Order,
        refusal: "ORDER_NOT_CANCELLABLE",
        done: |order| matches!(order["status"].as_str(), Some("cancelled" | "refunded")),
    };
    Ok(ask(&call, order_id, &asked).await?.into_response())
}

pub(super) async fn pay(call: Call) -> Result<Response, Problem> {
    let (caller, order_id, Pay { transaction_id }) = (call.caller()?, call.order_id()?, call.json_if_any()?);
    let order = show::of(&call.gateway, caller, order_id).await?;
    let on_delivery = order["status"] == "created" && order["payment"]["method"] == "cod";
    if on_delivery && !caller.is_admin() {
        let why = "it is paid on delivery, and whoever brings it books that; you may still cancel it";
        return Err(Problem::forbidden(why));
    }
    let asked = Asked {
        body: Body::OrderPay(OrderPay { order_id, transaction_id, who: None }),
        answers: Role::Order,
        refusal: "ORDER_NOT_PAYABLE",
        done: |order| matches!(order["status"].as_str(), Some("paid" | "fulfilled")),
    };
    Ok(ask(&call, order_id, &asked).await?.into_response())
}

/// A command, who answers it, the code of its refusal, and how an order looks when it is done.
pub(crate) struct Asked {
    pub(crate) body: Body,
    pub(crate) answers: Role,
    pub(crate) refusal: &'static str,
    pub(crate) done: fn(&Value) -> bool,
}

/// 200 with the order as it is when that is done, or 202 when time is up.
pub(crate) async fn ask(
    call: &Call,
    order_id: OrderId,
    asked: &Asked,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (gateway, caller) = (&call.gateway, call.caller()?);
    let order = show::of(gateway, caller, order_id).await?;
    if let Some(status @ ("submitted" | "rejected")) = order["status"].as_str() {
        let why = format!("order {order_id} is {status}: nothing can be asked of it");
        return Err(Problem::conflict(asked.refusal, why)
            .with("order_status", status)
            .with("allowed", json!([])));
    }
    let id = call.message_id(&caller.id).await?;
    let now = gateway.store.now().await?;
    let mut waiter = gateway.hub.wait_for(order_id);
    let place = gateway.hub.place(&caller.id);
    let message = Message::new(id.clone(), now, asked.body.clone());
    call.let_in(message).await.map_err(|refused| match refused {
        Refused::IdReused => Problem::key_reused(),
        Refused::Unavailable(_) => Problem::unavailable(refused),
    })?;
    let time = place.as_ref().map_or(Duration::ZERO, |_| call.would_wait().unwrap_or(WAIT));
    match tokio::time::timeout(time, answer(call, order_id, &id, asked, &mut waiter)).await {
        Ok(answered) => Ok((StatusCode::OK, Json(answered?))),
        Err(_) => Ok((StatusCode::ACCEPTED, Json(show::of(gateway, caller, order_id).await?))),
    }
}

/// Until it is done, or refused, which may come late: only the saga knows whether an order can still turn around.
async fn answer(
    call: &Call,
    order_id: OrderId,
    id: &MessageId,
    asked: &Asked,
    waiter: &mut Waiter,
) -> Result<Value, Problem> {
    let (gateway, caller) = (&call.gateway, call.caller()?);
    let queue = asked.body.queues().first().copied();
    loop {
        // In this order: what is refused after this look has changed nothing.
        let order = view::order(&*gateway.store, &order_id.to_string()).await?;
        match heard(call, order_id, id, asked).await? {
            Heard::Refused(problem) => return Err(*problem),
            Heard::Passed => {
                if let Some(order) = order.filter(|order| (asked.done)(order)) {
                    return Ok(show::for_caller(order, caller));
                }
            }
            Heard::Nothing => {
                if let Some(queue) = queue
                    && let Some(parked) = parked::told(&*gateway.store, queue, id, &caller.id).await?
                {
                    return Err(parked);
                }
            }
        }
        waiter.news().await;
    }
}

enum Heard {
    /// It has not been handled yet.
    Nothing,
    Passed,
    Refused(Box<Problem>),
}

/// What was said to it so far.
async fn heard(call: &Call, order_id: OrderId, id: &MessageId, asked: &Asked) -> Result<Heard, Problem> {
    let rows = call.gateway.store.journal_of(order_id).await?;
    let Some(at) = rows.iter().position(|row| row.role == asked.answers && row.id == *id) else {
        return Ok(Heard::Nothing);
    };
    if let (Role::Saga, Some(why)) = (asked.answers, rows[at].outcome.strip_prefix("ignored: ")) {
        return Ok(Heard::Refused(Box::new(Problem::conflict(asked.refusal, why))));
    }
    let cancels = matches!(asked.body, Body::OrderCancel(_));
    let since = rows[at..].iter().filter(|row| row.role == Role::Order);
    for (row, said) in since.flat_map(|row| row.said.iter().map(move |said| (row, said))) {
        let (reason, message, status, allowed) = match &said.message.body {
            Body::OrderCancelRefused(no) if cancels => (&no.reason, &no.message, no.status, &no.allowed),
            Body::OrderRefused(no) if row.id == *id => (&no.reason, &no.message, no.status, &no.allowed),
            _ => continue,
        };
        let caller = call.caller()?;
        let allowed: Vec<_> = allowed.iter().filter(|action| show::may(caller, action)).collect();
        let problem = Problem::conflict(asked.refusal, message.clone())
            .with("reason", reason.clone())
            .with("order_status", json!(status.map(|status| status.name())))
            .with("allowed", json!(allowed));
        let errors = match &said.message.body {
            Body::OrderRefused(no) if !no.errors.is_empty() => json!(no.errors),
            _ => return Ok(Heard::Refused(Box::new(problem))),
        };
        return Ok(Heard::Refused(Box::new(problem.with("errors", errors))));
    }
    Ok(Heard::Passed)
}
