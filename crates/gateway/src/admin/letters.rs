//! Lists dead letters one by one or grouped by error, and replays or discards groups of them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use engine::dead::{self, BulkAction};
use engine::operator::Operator;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use store::{DeadStatus, Letters, Origin};
use view::mask::{Sight, letter_for_people};

use super::given::{check_text, one_of};
use crate::call::Call;
use crate::orders::limit_of;
use crate::problem::Problem;

#[derive(Deserialize, JsonSchema)]
pub(super) struct Wanted {
    /// By default, the open ones.
    #[serde(default)]
    status: Option<DeadStatus>,
    /// Caused by trouble of our own (`own`), or by outside senders (`stranger`).
    #[serde(default)]
    origin: Option<Origin>,
    /// Only with this error code.
    #[serde(default)]
    code: Option<String>,
    /// Only for this queue.
    #[serde(default)]
    queue: Option<String>,
    /// Only of this message type.
    #[serde(default, rename = "type")]
    name: Option<String>,
    /// At most 100; 20 if it is left out.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
}

/// Selects open letters by these fields; without any, all of them.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"code": "failed", "queue": "payment", "why": "the provider is back"}]))]
pub(super) struct Group {
    #[serde(default)]
    origin: Option<Origin>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    queue: Option<String>,
    #[serde(default, rename = "type")]
    name: Option<String>,
    /// At most 500 characters; it stays in the journal.
    why: String,
    /// At most 100 in one request; `left` in the answer says how many remain.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
}

pub(super) async fn list(call: Call) -> Result<Response, Problem> {
    let Wanted { status, origin, code, queue, name, limit } = call.query()?;
    let status = Some(status.unwrap_or(DeadStatus::Open));
    let code = one_of("code", code, dead::known_code)?;
    let queue = one_of("queue", queue, dead::known_queue)?;
    let wanted = Letters { status, origin, code, queue, name, limit: limit_of(limit)?, before: None };
    let letters = dead::own_first(&*call.gateway.store, wanted).await?.into_iter();
    let letters: Vec<_> = letters.map(|letter| letter_for_people(letter, Sight::Masked)).collect();
    Ok(Json(json!({"items": letters, "next": null})).into_response())
}

pub(super) async fn groups(call: Call) -> Result<Response, Problem> {
    const GROUPS_MAX: usize = 100;
    let store = &call.gateway.store;
    let (groups, vitals) = (store.dead_groups(GROUPS_MAX).await?, store.vitals().await?);
    let evicted = vitals.evicted_dead_letters;
    Ok(Json(json!({"items": groups, "next": null, "evicted": evicted})).into_response())
}

pub(super) async fn show(call: Call) -> Result<Response, Problem> {
    let letter = call.gateway.store.dead_letter(call.param("id")).await?;
    let letter =
        letter.ok_or_else(|| Problem::not_found("DEAD_LETTER_NOT_FOUND", "there is no such dead letter"))?;
    Ok(Json(letter_for_people(letter, Sight::Masked)).into_response())
}

pub(super) async fn replay_group(call: Call) -> Result<Response, Problem> {
    each(call, BulkAction::Replay).await
}

pub(super) async fn discard_group(call: Call) -> Result<Response, Problem> {
    each(call, BulkAction::Discard).await
}

async fn each(call: Call, action: BulkAction) -> Result<Response, Problem> {
    let Group { origin, code, queue, name, why, limit } = call.json()?;
    check_text("why", &why)?;
    for (field, known) in
        [("code", code.as_deref().map(dead::known_code)), ("queue", queue.as_deref().map(dead::known_queue))]
    {
        if let Some(Err(why)) = known {
            return Err(Problem::unprocessable("BODY_INVALID", format!("{field}: {why}")));
        }
    }
    let who = Operator::new(&*call.caller()?.id, why);
    let status = Some(DeadStatus::Open);
    let wanted = Letters { status, origin, code, queue, name, limit: limit_of(limit)?, before: None };
    let (store, broker) = (&*call.gateway.store, &*call.gateway.broker);
    let result = dead::deal_with(store, broker, &wanted, action, &who).await?;
    Ok(Json(result).into_response())
}
