//! Something is asked of an order that exists; the answer is the order worker's, and is waited for within bounds.

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

/// Who does not say how long they would wait is answered within this.
const WAIT: Duration = Duration::from_secs(5);
/// A reason, not a correspondence.
const REASON_CHARS_MAX: usize = 500;
/// What comes of a payment has many facts, and one may be missed: who waits for it looks again after this, each time twice as
/// long …
const LOOK_FIRST: Duration = Duration::from_millis(50);
/// … and at last so seldom.
const LOOK_LAST: Duration = Duration::from_secs(1);

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
    let asked = Asked {
        body: Body::OrderCancel(OrderCancel { order_id, reason, by, who, customer_id }),
        answers: Role::Order,
        refusal: "ORDER_NOT_CANCELLABLE",
        taken: StatusCode::OK,
        done: |order| matches!(order["status"].as_str(), Some("cancelled" | "refunded")),
    };
    Ok(ask(&call, order_id, &asked).await?.into_response())
}

/// A command, who answers it, the code of its refusal, and the status of the answer once an order looks as if it is done.
pub(crate) struct Asked {
    pub(crate) body: Body,
    pub(crate) answers: Role,
    pub(crate) refusal: &'static str,
    pub(crate) taken: StatusCode,
    pub(crate) done: fn(&Value) -> bool,
}

impl Asked {
    /// The order worker holds it until the order is there.
    fn may_be_early(&self) -> bool {
        matches!(self.body, Body::OrderCancel(_) | Body::OrderPay(_))
    }
}

/// `taken` with the order as it is when that is done, or 202 when time is up.
pub(crate) async fn ask(
    call: &Call,
    order_id: OrderId,
    asked: &Asked,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (gateway, caller) = (&call.gateway, call.caller()?);
    let order = show::of(gateway, caller, order_id).await?;
    match order["status"].as_str() {
        Some("submitted") if asked.may_be_early() => {}
        Some(status @ ("submitted" | "rejected")) => {
            let allowed = order["actions"].as_array().cloned().unwrap_or_default();
            let why = match status {
                "submitted" => {
                    "it was accepted and is not created yet; it can be cancelled, and asked for more in a moment"
                }
                _ => "nothing can be asked of it",
            };
            return Err(Problem::conflict(asked.refusal, format!("order {order_id} is {status}: {why}"))
                .with("order_status", status)
                .with("allowed", allowed));
        }
        Some(_) | None => {}
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
        Ok(answered) => Ok((asked.taken, Json(answered?))),
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
    let pays = matches!(asked.body, Body::OrderPay(_));
    let mut pause = LOOK_FIRST;
    loop {
        // In this order: what is refused after this look has changed nothing.
        let order = view::order(&*gateway.store, &order_id.to_string()).await?;
        let order = order.filter(|order| show::is_own(order, caller));
        let rows = readable(gateway.store.journal_of(order_id).await?);
        match heard(&rows, id, asked) {
            Heard::Refused(problem) => return Err(*problem),
            Heard::Passed(at) => {
                if let Some(order) = order.clone().filter(|order| (asked.done)(order)) {
                    return Ok(show::for_caller(order, caller));
                }
                if pays
                    && let Some(failed) = unpaid::failed(call, order_id, order.as_ref(), &rows, at).await?
                {
                    return Err(failed);
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
        tokio::select! {
            () = waiter.news() => {}
            () = tokio::time::sleep(pause), if pays => pause = (pause * 2).min(LOOK_LAST),
        }
    }
}

enum Heard {
    /// It has not been handled yet.
    Nothing,
    /// It was, in this row.
    Passed(usize),
    Refused(Box<Problem>),
}

/// What was said to it so far.
fn heard(rows: &[JournalRow], id: &MessageId, asked: &Asked) -> Heard {
    let Some(at) = rows.iter().position(|row| row.role == asked.answers && row.id == *id) else {
        return Heard::Nothing;
    };
    if let (Role::Saga, Some(why)) = (asked.answers, rows[at].outcome.strip_prefix("ignored: ")) {
        return Heard::Refused(Box::new(Problem::conflict(asked.refusal, why)));
    }
    let cancels = matches!(asked.body, Body::OrderCancel(_));
    let since = rows[at..].iter().filter(|row| row.role == Role::Order);
    for (row, said) in since.flat_map(|row| row.said.iter().map(move |said| (row, said))) {
        let is_its = row.id == *id || unpaid::answers_held(row);
        let (reason, message, status, allowed) = match &said.message.body {
            Body::OrderCancelRefused(no) if cancels => (&no.reason, &no.message, no.status, &no.allowed),
            Body::OrderRefused(no) if is_its && no.command == asked.body.name() => {
                (&no.reason, &no.message, no.status, &no.allowed)
            }
            _ => continue,
        };
        // Between the look at who submitted it and this, it became another customer's order. Where held commands are
        // answered together, that may be said of another one than this.
        if reason == "order_unknown" && row.id != *id {
            continue;
        }
        if reason == "order_unknown" {
            return Heard::Refused(Box::new(Problem::order_not_found()));
        }
        if reason == unpaid::BY_THE_SHOP {
            return Heard::Refused(Box::new(unpaid::not_by_customers(allowed)));
        }
        let problem = Problem::conflict(asked.refusal, message.clone())
            .with("reason", reason.clone())
            .with("order_status", json!(status.map(|status| status.name())))
            .with("allowed", json!(allowed));
        let errors = match &said.message.body {
            Body::OrderRefused(no) if !no.errors.is_empty() => json!(no.errors),
            _ => return Heard::Refused(Box::new(problem)),
        };
        return Heard::Refused(Box::new(problem.with("errors", errors)));
    }
    Heard::Passed(at)
}
