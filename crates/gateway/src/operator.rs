//! The routes that our command line calls on a running system: submit or preview messages, replay or discard dead
//! letters, pause and resume roles. An admin's token may call them too.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contract::{Message, Raw, Role, Unreadable, clean_text};
use engine::dead;
use engine::ingress::{Accepted, Refused};
use engine::operator::Operator;
use engine::part::WORKERS;
use engine::pause;
use engine::preview::Preview;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use webhook::outside;

use super::call::Call;
use super::problem::Problem;
use super::route::{Route, Who};

/// A message of 64 KiB plus its envelope.
const ENVELOPE_BYTES_MAX: usize = 96 * 1024;

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Submission {
    #[serde(rename = "type")]
    pub name: String,
    /// Identifies a repeat of the same message.
    #[serde(default)]
    pub message_id: Option<String>,
    #[schemars(with = "serde_json::Value")]
    pub body: Box<RawValue>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    pub message_id: String,
    pub order_id: Option<String>,
    /// The message was accepted before; this one has no effect.
    pub repeat: bool,
}

pub(super) fn routes() -> Vec<Route> {
    let by_hand = |route: Route| {
        let done = route.by(Who::Admin).takes::<Operator>().answers_nothing(204, "done");
        done.problem(409, "NOT_POSSIBLE")
    };
    let takes_message = |route: Route| {
        let unreadable = [
            (403, "not_allowed"),
            (413, "body_too_large"),
            (422, "body_invalid"),
            (422, "body_malformed"),
            (422, "message_id_invalid"),
            (422, "message_id_missing"),
            (422, "schema_unknown"),
            (422, "type_unknown"),
        ];
        let route = route.by(Who::Admin).takes_up_to::<Submission>(ENVELOPE_BYTES_MAX);
        let route = route.problem(400, "ENVELOPE_INVALID");
        unreadable.into_iter().fold(route, |route, (status, code)| route.problem(status, code))
    };
    vec![
        takes_message(Route::post("/admin/messages", "submit_message", |call| Box::pin(submit(call))))
            .about("Let any message in, as if it came from the broker")
            .answers::<Receipt>(202, "it is safe")
            .problem(422, "message_id_reused"),
        takes_message(Route::post("/admin/preview", "preview_message", |call| Box::pin(preview(call))))
            .about(
                "What a message would cause if it were let in now: decided by the workers on the records as they are, \
                 and kept nowhere",
            )
            .answers::<Preview>(200, "what would happen")
            .problem(409, "NOT_POSSIBLE"),
        by_hand(Route::post("/admin/dead-letters/{id}/replay", "replay", |call| Box::pin(replay(call))))
            .about("Send a dead letter to its queue again, as it was or edited"),
        by_hand(Route::post("/admin/dead-letters/{id}/discard", "discard", |call| Box::pin(discard(call))))
            .about("Give a dead letter up"),
        by_hand(Route::post("/admin/roles/{role}/pause", "pause_role", |call| Box::pin(pause_role(call))))
            .about("Let a role rest, wherever it runs")
            .problem(404, "ROLE_UNKNOWN"),
        by_hand(Route::post("/admin/roles/{role}/resume", "resume_role", |call| Box::pin(resume_role(call))))
            .about("Let a role go on")
            .problem(404, "ROLE_UNKNOWN"),
    ]
}

async fn preview(call: Call) -> Result<Response, Problem> {
    let message = message(&call, Some(uuid::Uuid::now_v7().to_string())).await?;
    let (store, dry_run) = (&*call.gateway.store, &call.gateway.dry_run);
    match dry_run.preview(store, message).await {
        Ok(preview) => Ok(Json(preview).into_response()),
        Err(why) => Err(Problem::conflict("NOT_POSSIBLE", format!("{why:#}"))),
    }
}

/// The submitted message, with the id `or_id` if it has none.
async fn message(call: &Call, or_id: Option<String>) -> Result<Message, Problem> {
    let submission: Submission = outside::read(&call.body).map_err(|why| {
        let Problem { detail, .. } = Problem::body_invalid(&call.body, &why);
        Problem::bad_request("ENVELOPE_INVALID", detail)
    })?;
    let raw = Raw {
        message_id: submission.message_id.or(or_id),
        name: submission.name,
        body: submission.body.get().as_bytes().to_vec(),
        ..Raw::default()
    };
    let now = call.gateway.store.now().await?;
    Message::accept(call.caller()?.speaker(), &raw, now).map_err(|Unreadable { code, why }| match code {
        "not_allowed" => Problem::new(StatusCode::FORBIDDEN, code, why),
        "body_too_large" => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, code, why),
        "card_number_refused" => Problem::unprocessable("CARD_NUMBER_REFUSED", why),
        _ => Problem::unprocessable(code, why),
    })
}

async fn submit(call: Call) -> Result<Response, Problem> {
    let message = message(&call, None).await?;
    let (message_id, order_id) = (message.id.to_string(), message.order_id.map(|id| id.to_string()));
    match call.send(message).await {
        Ok(accepted) => {
            let receipt = Receipt { message_id, order_id, repeat: accepted == Accepted::Repeat };
            Ok((StatusCode::ACCEPTED, Json(receipt)).into_response())
        }
        Err(refused @ Refused::IdReused) => {
            Err(Problem::unprocessable("message_id_reused", refused.to_string()))
        }
        Err(refused @ Refused::Unavailable(_)) => Err(Problem::unavailable(refused)),
    }
}

async fn replay(call: Call) -> Result<Response, Problem> {
    let (gateway, who) = (&call.gateway, who(&call)?);
    done(dead::replay(&*gateway.store, &*gateway.broker, call.param("id"), &who).await)
}

async fn discard(call: Call) -> Result<Response, Problem> {
    done(dead::discard(&*call.gateway.store, call.param("id"), &who(&call)?).await)
}

async fn pause_role(call: Call) -> Result<Response, Problem> {
    done(pause::pause(&*call.gateway.store, worker(&call)?, &who(&call)?).await)
}

async fn resume_role(call: Call) -> Result<Response, Problem> {
    done(pause::resume(&*call.gateway.store, worker(&call)?, &who(&call)?).await)
}

/// Limits of texts that stay in the journal.
const BY_CHARS_MAX: usize = 100;
const WHY_CHARS_MAX: usize = 500;

/// The command line may name its user; an admin's name comes from the token.
fn who(call: &Call) -> Result<Operator, Problem> {
    let (caller, who) = (call.caller()?, call.json_if_any::<Operator>()?);
    for (field, words, chars_max) in [("by", &who.by, BY_CHARS_MAX), ("why", &who.why, WHY_CHARS_MAX)] {
        if !words.is_empty() {
            clean_text(words, chars_max).map_err(|why| Problem::field_invalid(field, &why))?;
        }
    }
    Ok(match caller.role {
        super::auth::Role::Operator if !who.by.is_empty() => who,
        _ => Operator { by: caller.id.to_string(), ..who },
    })
}

fn worker(call: &Call) -> Result<Role, Problem> {
    let name = call.param("role");
    let found = WORKERS.iter().map(|(role, _)| *role).find(|role| role.name() == name);
    found.ok_or_else(|| {
        let names: Vec<_> = WORKERS.iter().map(|(role, _)| role.name()).collect();
        Problem::not_found("ROLE_UNKNOWN", format!("the roles that work at a queue are {}", names.join(", ")))
    })
}

fn done(done: anyhow::Result<()>) -> Result<Response, Problem> {
    match done {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(why) => Err(Problem::conflict("NOT_POSSIBLE", format!("{why:#}"))),
    }
}
