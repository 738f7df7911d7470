//! Shows sagas, and sends an admin's commands for those that wait.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contract::{
    Body, DeadlineChange, OrderId, Resolution, Role, SagaDeadline, SagaResolve, SagaRetry, Table, Time,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use view::search::{self, public};

use super::given::{check_text, next_of, one_of};
use crate::call::Call;
use crate::orders::{self, OrderCommand, limit_of, read_cursor};
use crate::problem::Problem;

/// The saga's own status.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    Awaited,
    Running,
    Unwinding,
    NeedsAttention,
    Completed,
    Undone,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Wanted {
    /// The beginning of an order id, or a customer id.
    #[serde(default)]
    q: Option<String>,
    #[serde(default)]
    status: Option<Status>,
    /// The step that is running or being undone.
    #[serde(default)]
    step: Option<String>,
    /// Sagas in flight that have been idle for this many seconds.
    #[serde(default)]
    idle_s: Option<u64>,
    /// At most 100; 20 if it is left out.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
    #[serde(default)]
    cursor: Option<String>,
}

/// Selects one of an order's sagas.
#[derive(Default, Deserialize, JsonSchema)]
pub(super) struct Which {
    /// The number of a return, for its saga; 0 or nothing for the checkout's saga.
    #[serde(default, rename = "return")]
    return_no: Option<u32>,
}

#[derive(Default, Deserialize, JsonSchema)]
pub(super) struct Retry {
    #[serde(default, rename = "return")]
    return_no: Option<u32>,
    /// At most 500 characters; it stays with the saga.
    #[serde(default)]
    why: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"change": "move", "due": "2026-12-24T18:00:00Z", "why": "the warehouse is closed"}]))]
pub(super) struct Deadline {
    #[serde(default, rename = "return")]
    return_no: Option<u32>,
    /// Fire the deadline now, move it, or cancel it and wait without one.
    change: Change,
    /// With `move`: the new time, within a year.
    #[serde(default)]
    due: Option<Time>,
    /// At most 500 characters; it stays with the saga.
    why: String,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Change {
    Fire,
    Move,
    Cancel,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Resolve {
    #[serde(default, rename = "return")]
    return_no: Option<u32>,
    outcome: Resolution,
    /// The evidence; it stays with the saga.
    evidence: String,
}

pub(super) async fn list(call: Call) -> Result<Response, Problem> {
    let Wanted { q, status, step, idle_s, limit, cursor: before } = call.query()?;
    let status = status.and_then(|status| serde_json::to_value(status).ok());
    let wanted = search::Wanted {
        q,
        status: status.and_then(|status| status.as_str().map(str::to_string)),
        step: one_of("step", step, search::known_step)?,
        idle_s,
        before: before.as_deref().map(read_cursor).transpose()?,
        limit: limit_of(limit)?,
        ..search::Wanted::default()
    };
    let found = search::sagas(&*call.gateway.store, &wanted).await?;
    Ok(Json(json!({"items": found.items, "next": next_of(found.next)})).into_response())
}

pub(super) async fn show(call: Call) -> Result<Response, Problem> {
    let which: Which = call.query()?;
    Ok(Json(load(&call, id(&call)?, which.return_no.unwrap_or(0)).await?).into_response())
}

pub(super) async fn retry(call: Call) -> Result<Response, Problem> {
    let (order_id, by) = (id(&call)?, call.caller()?.id.to_string());
    let Retry { return_no, why } = call.json_if_any()?;
    why.as_ref().map_or(Ok(()), |why| check_text("why", why))?;
    let return_no = return_no.unwrap_or(0);
    by_hand(&call, order_id, return_no, Body::SagaRetry(SagaRetry { order_id, return_no, by, why })).await
}

pub(super) async fn deadline(call: Call) -> Result<Response, Problem> {
    let (order_id, by) = (id(&call)?, call.caller()?.id.to_string());
    let Deadline { return_no, change, due, why } = call.json()?;
    check_text("why", &why)?;
    let change = match (change, due) {
        (Change::Fire, _) => DeadlineChange::Fire,
        (Change::Cancel, _) => DeadlineChange::Cancel,
        (Change::Move, Some(due)) => DeadlineChange::Move { due },
        (Change::Move, None) => {
            return Err(Problem::field_invalid("due", "is missing: when should it come?"));
        }
    };
    let return_no = return_no.unwrap_or(0);
    let body = Body::SagaDeadline(SagaDeadline { order_id, return_no, change, by, why });
    by_hand(&call, order_id, return_no, body).await
}

pub(super) async fn resolve(call: Call) -> Result<Response, Problem> {
    let (order_id, by) = (id(&call)?, call.caller()?.id.to_string());
    let Resolve { return_no, outcome, evidence } = call.json()?;
    check_text("evidence", &evidence)?;
    let return_no = return_no.unwrap_or(0);
    let body = Body::SagaResolve(SagaResolve { order_id, return_no, outcome, evidence, by });
    by_hand(&call, order_id, return_no, body).await
}

async fn by_hand(call: &Call, order_id: OrderId, return_no: u32, body: Body) -> Result<Response, Problem> {
    load(call, order_id, return_no).await?;
    let taken = StatusCode::OK;
    let command = OrderCommand { body, answers: Role::Saga, refusal: "NOT_POSSIBLE", taken, done: |_| true };
    let (status, _) = orders::ask(call, order_id, &command).await?;
    Ok((status, Json(load(call, order_id, return_no).await?)).into_response())
}

async fn load(call: &Call, order_id: OrderId, return_no: u32) -> Result<Value, Problem> {
    let doc = call.gateway.store.get(Table::Sagas, &saga::saga_id(order_id, return_no)).await?;
    let doc = doc.ok_or_else(not_found)?;
    Ok(public(serde_json::from_str(&doc).map_err(Problem::internal)?))
}

fn id(call: &Call) -> Result<OrderId, Problem> {
    call.order_id().map_err(|_| not_found())
}

fn not_found() -> Problem {
    Problem::not_found("SAGA_NOT_FOUND", "no saga runs for such an order; `return` names that of a return")
}
