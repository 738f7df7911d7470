//! Any order for admins: list, story, status changes and refunds. Each change sends a message; the order worker's state
//! table decides which changes are allowed.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contract::{
    Body, By, Line, Method, OrderArchive, OrderCancel, OrderId, OrderPay, OrderRefund, Resolution, Role,
    SagaResolve, Status, Table, Time,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use view::mask::Sight;
use view::{search, story};

use super::given::{check_text, next_of, one_of};
use crate::call::Call;
use crate::orders::{self, OrderCommand, limit_of, read_cursor, totals};
use crate::problem::Problem;

#[derive(Deserialize, JsonSchema)]
pub(super) struct Wanted {
    /// The beginning of an order id, or a customer id.
    #[serde(default)]
    q: Option<String>,
    #[serde(default)]
    status: Option<Status>,
    /// Orders whose saga is at this step.
    #[serde(default)]
    step: Option<String>,
    /// Orders in flight that have been idle for this many seconds.
    #[serde(default)]
    idle_s: Option<u64>,
    /// Only this customer's orders.
    #[serde(default)]
    customer_id: Option<String>,
    /// Created at this time or later, …
    #[serde(default)]
    from: Option<Time>,
    /// … and before this one.
    #[serde(default)]
    to: Option<Time>,
    /// The total is at least this, …
    #[serde(default)]
    min_total: Option<String>,
    /// … and at most this: decimals like `12.34`, in `currency`.
    #[serde(default)]
    max_total: Option<String>,
    /// Only orders that were priced in this currency.
    #[serde(default)]
    currency: Option<String>,
    /// At most 100; 20 if it is left out.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
    #[serde(default)]
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Sees {
    /// Show addresses and telephone numbers in full. Tokens are never shown.
    #[serde(default)]
    personal: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"status": "cancelled"}]))]
pub(super) struct NewStatus {
    status: Status,
    /// At most 500 characters.
    #[serde(default)]
    reason: Option<String>,
    /// If a step waits for an operator: the evidence that it was settled outside the system.
    #[serde(default)]
    evidence: Option<String>,
    /// If cash on delivery is booked: the receipt's number.
    #[serde(default)]
    transaction_id: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Refund {
    /// By default, everything that has not been returned yet.
    #[serde(default)]
    items: Option<Vec<Line>>,
    /// At most 500 characters; it appears in the audit trail.
    #[serde(default)]
    reason: Option<String>,
}

pub(super) async fn list(call: Call) -> Result<Response, Problem> {
    let wanted: Wanted = call.query()?;
    let totals = totals(wanted.min_total, wanted.max_total, wanted.currency)?;
    let wanted = search::Wanted {
        q: wanted.q,
        status: wanted.status.map(|status| status.name().to_string()),
        step: one_of("step", wanted.step, search::known_step)?,
        idle_s: wanted.idle_s,
        customer_id: wanted.customer_id,
        from: wanted.from,
        to: wanted.to,
        totals,
        before: wanted.cursor.as_deref().map(read_cursor).transpose()?,
        limit: limit_of(wanted.limit)?,
    };
    let found = search::orders(&*call.gateway.store, &wanted).await?;
    Ok(Json(json!({"items": found.items, "next": next_of(found.next)})).into_response())
}

pub(super) async fn story(call: Call) -> Result<Response, Problem> {
    let (order_id, Sees { personal }) = (call.order_id()?, call.query()?);
    let sight = if personal.unwrap_or(false) { Sight::Personal } else { Sight::Masked };
    let story = story::story(&*call.gateway.store, order_id, sight).await?;
    Ok(Json(story.ok_or_else(Problem::order_not_found)?).into_response())
}

pub(super) async fn set_status(call: Call) -> Result<Response, Problem> {
    let (order_id, wanted) = (call.order_id()?, call.json::<NewStatus>()?);
    if let Some(reason) = &wanted.reason {
        check_text("reason", reason)?;
    }
    let seen = orders::shown_order(&call.gateway, call.caller()?, order_id).await?;
    if let Some(is @ ("submitted" | "rejected")) = seen["status"].as_str() {
        return of_no_order(&call, order_id, is, wanted).await;
    }
    let doc = call.gateway.store.get(Table::Orders, &order_id.to_string()).await?;
    let order: order::Order =
        serde_json::from_str(&doc.ok_or_else(Problem::order_not_found)?).map_err(Problem::internal)?;
    let allowed = order::allowed_next(order.status);
    if !allowed.contains(&wanted.status) {
        let (is, asked) = (order.status.name(), wanted.status.name());
        return Err(invalid(&order, format!("order {order_id} is {is} and cannot become {asked}")));
    }
    let (body, answers) = match settled_outside(&call, order_id, &wanted).await? {
        Some(resolve) => (resolve, Role::Saga),
        None => (message(&order, &wanted, &call.caller()?.id)?, Role::Order),
    };
    let done = match wanted.status {
        Status::Created => |_: &Value| false,
        Status::Paid => orders::is_paid,
        Status::Fulfilled => |order: &Value| order["status"] == "fulfilled",
        Status::Cancelled => |order: &Value| order["status"] == "cancelled",
        Status::Refunded => |order: &Value| order["status"] == "refunded",
        Status::Archived => |order: &Value| order["status"] == "archived",
    };
    let taken = StatusCode::OK;
    let command = OrderCommand { body, answers, refusal: "ORDER_INVALID_TRANSITION", taken, done };
    Ok(orders::ask(&call, order_id, &command).await?.into_response())
}

/// Changes the status of a submission that has no order: one that is not created yet can be cancelled; a rejected one
/// cannot be changed.
async fn of_no_order(
    call: &Call,
    order_id: OrderId,
    is: &str,
    wanted: NewStatus,
) -> Result<Response, Problem> {
    let cancelled = Status::Cancelled;
    let refused = |why: String, allowed: &[&str]| {
        let problem = Problem::conflict("ORDER_INVALID_TRANSITION", why).with("order_status", is);
        problem.with("allowed", json!(allowed))
    };
    match (is, wanted.status) {
        ("submitted", Status::Cancelled) => {
            let body = cancellation(order_id, wanted.reason, &call.caller()?.id);
            let (refusal, taken) = ("ORDER_INVALID_TRANSITION", StatusCode::OK);
            let done = |order: &Value| order["status"] == "cancelled";
            let command = OrderCommand { body, answers: Role::Order, refusal, taken, done };
            Ok(orders::ask(call, order_id, &command).await?.into_response())
        }
        ("submitted", other) => {
            let why = format!(
                "order {order_id} was accepted and is not created yet: it can be cancelled, and not become {}; ask again \
                 in a moment",
                other.name()
            );
            Err(refused(why, &[cancelled.name()]).retry_after(1))
        }
        (_, other) => {
            let why = format!("order {order_id} is {is} and cannot become {}", other.name());
            Err(refused(why, &[]))
        }
    }
}

fn cancellation(order_id: OrderId, reason: Option<String>, who: &str) -> Body {
    let (by, who, customer_id) = (By::Admin, Some(who.to_string()), None);
    Body::OrderCancel(OrderCancel { order_id, reason, by, who, customer_id })
}

pub(super) async fn refund(call: Call) -> Result<Response, Problem> {
    let (order_id, Refund { items, reason }) = (call.order_id()?, call.json_if_any()?);
    let who = Some(call.caller()?.id.to_string());
    let command = OrderCommand {
        body: Body::OrderRefund(OrderRefund { order_id, items, reason, who }),
        answers: Role::Order,
        refusal: "ORDER_NOT_REFUNDABLE",
        taken: StatusCode::OK,
        done: |order| {
            let returns = order["returns"].as_array();
            returns.is_some_and(|returns| returns.iter().all(|one| one["done"] == json!(true)))
        },
    };
    Ok(orders::ask(&call, order_id, &command).await?.into_response())
}

/// The message that makes the change. An error for the changes that only the saga makes.
fn message(order: &order::Order, wanted: &NewStatus, who: &str) -> Result<Body, Problem> {
    let (order_id, reason) = (order.order_id, wanted.reason.clone());
    let named = Some(who.to_string());
    match (wanted.status, order.status, order.method) {
        (Status::Cancelled, _, _) | (Status::Refunded, Status::Paid, _) => {
            Ok(cancellation(order_id, reason, who))
        }
        (Status::Refunded, _, _) => {
            Ok(Body::OrderRefund(OrderRefund { order_id, items: None, reason, who: named }))
        }
        (Status::Archived, _, _) => Ok(Body::OrderArchive(OrderArchive { order_id, reason, who: named })),
        (Status::Paid, _, Method::Cod) => {
            let transaction_id = wanted.transaction_id.clone();
            Ok(Body::OrderPay(OrderPay { order_id, transaction_id, who: named, ..OrderPay::default() }))
        }
        (Status::Created | Status::Paid | Status::Fulfilled, _, _) => {
            let why = format!(
                "order {order_id} becomes {} by itself; if a step of it waits for an operator, say with `evidence` \
                 how that ended",
                wanted.status.name()
            );
            Err(invalid(order, why))
        }
    }
}

/// The command that resolves the waiting step with the given evidence; `None` if no step waits for an operator, or no
/// evidence was given.
async fn settled_outside(
    call: &Call,
    order_id: OrderId,
    wanted: &NewStatus,
) -> Result<Option<Body>, Problem> {
    let Some(evidence) = wanted.evidence.clone() else { return Ok(None) };
    check_text("evidence", &evidence)?;
    let Some(doc) = call.gateway.store.get(Table::Sagas, &saga::saga_id(order_id, 0)).await? else {
        return Ok(None);
    };
    let saga: saga::Saga = serde_json::from_str(&doc).map_err(Problem::internal)?;
    let Some(attention) = saga.attention.filter(|_| saga.status == saga::Status::NeedsAttention) else {
        return Ok(None);
    };
    let back = matches!(wanted.status, Status::Cancelled | Status::Refunded);
    let outcome = match back && attention.actions.iter().any(|action| action == "resolve give_up") {
        true => Resolution::GiveUp,
        false => Resolution::Done,
    };
    let by = call.caller()?.id.to_string();
    Ok(Some(Body::SagaResolve(SagaResolve { order_id, return_no: 0, outcome, evidence, by })))
}

/// The refusal, with the statuses that an admin may set; the saga sets the others.
fn invalid(order: &order::Order, why: String) -> Problem {
    let mut allowed = order::allowed_next(order.status);
    allowed.retain(|status| is_given_by_hand(order, *status));
    let allowed: Vec<_> = allowed.into_iter().map(Status::name).collect();
    Problem::conflict("ORDER_INVALID_TRANSITION", why)
        .with("order_status", order.status.name())
        .with("allowed", json!(allowed))
}

fn is_given_by_hand(order: &order::Order, status: Status) -> bool {
    match status {
        Status::Created | Status::Fulfilled => false,
        Status::Paid => order.method == Method::Cod,
        Status::Cancelled => order.accepted_at.is_none(),
        Status::Refunded | Status::Archived => true,
    }
}
