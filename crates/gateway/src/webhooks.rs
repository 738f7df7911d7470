//! Events that payment providers post. A signed event is answered with 2xx once it is journalled; the same event again
//! has no effect, because its id is known then. Bodies are not logged.

pub(super) mod secrets;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contract::{Body, BodyHash, Message, MessageId, ProviderEvent, Speaker, Time, WebhookSetAside};
use engine::ingress::{Accepted, Refused};
use schemars::JsonSchema;
use serde::Serialize;
use store::batch;
use store::{Changes, DeadChange, DeadLetter, DeadStatus};
use webhook::event::{self, Heard, Unreadable};
use webhook::stripe::Said;
use webhook::{Forged, standard, stripe};

use super::call::Call;
use super::cards;
use super::problem::Problem;
use super::route::{Route, Who};

/// The maximum that Standard Webhooks recommend.
const BODY_BYTES_MAX: usize = 20 * 1024;
/// The queue name of the gateway's dead letters, which came through no queue.
const LETTERS: &str = "gateway";

/// Timeout of the search for a payment by its charge.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// The answer to an event.
#[derive(Serialize, JsonSchema)]
struct Received {
    event_id: String,
    what: EventResult,
}

#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum EventResult {
    /// The event is stored and will be processed.
    Accepted,
    /// The event came before; this one has no effect.
    Repeat,
    /// The event is stored but does not concern us.
    SetAside,
}

/// The full format is in docs/asyncapi.yaml, or in Stripe's documentation.
#[derive(JsonSchema)]
#[allow(dead_code)]
struct SignedEvent {
    id: String,
    #[schemars(rename = "type")]
    kind: String,
}

pub(super) fn routes() -> Vec<Route> {
    let route = |route: Route| {
        route
            .by(Who::OwnProof)
            .takes_signed::<SignedEvent>(BODY_BYTES_MAX)
            .answers::<Received>(200, "it is safe, or was before")
            .problem(401, "SIGNATURE_INVALID")
            .problem(404, "WEBHOOKS_OFF")
            .problem(409, "WEBHOOK_ID_REUSED")
            .problem(422, "WEBHOOK_UNREADABLE")
    };
    vec![
        route(Route::post("/webhooks/payments", "payment_webhook", |call| Box::pin(payments(call))))
            .about("A payment provider tells what became of a charge or a refund, signed as Standard Webhooks ask for")
            .needs_header(standard::ID, "the event's id")
            .needs_header(standard::TIMESTAMP, "when it was sent, in seconds; within five minutes of now")
            .needs_header(standard::SIGNATURE, "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`"),
        route(Route::post("/webhooks/stripe", "stripe_webhook", |call| Box::pin(stripe_events(call))))
            .about("Stripe tells what became of a payment intent, a charge or a refund")
            .needs_header(stripe::SIGNATURE, "`t=…,v1=…`, as Stripe signs"),
    ]
}

async fn payments(call: Call) -> Result<Response, Problem> {
    let secrets = &call.gateway.webhooks.standard;
    if secrets.is_empty() {
        return Err(off("webhook_secret"));
    }
    let headers = standard::Headers {
        id: header(&call, standard::ID),
        timestamp: header(&call, standard::TIMESTAMP),
        signature: header(&call, standard::SIGNATURE),
    };
    secrets.verify(headers, &call.body, now_s()).map_err(forged)?;
    let heard = event::read(&call.body);
    // The same message id as from the queue, so that an event that arrives both ways has one effect.
    take_in(&call, "payments", heard, str::to_string).await
}

async fn stripe_events(call: Call) -> Result<Response, Problem> {
    let secrets = &call.gateway.webhooks.stripe;
    if secrets.is_empty() {
        return Err(off("stripe_webhook_secret"));
    }
    secrets.verify(header(&call, stripe::SIGNATURE), &call.body, now_s()).map_err(forged)?;
    let heard = match stripe::read(&call.body) {
        Ok(Said::OfCharge { event, kind }) => Ok(of_charge(&call, event, kind).await?),
        Ok(Said::Heard(heard)) => Ok(heard),
        Err(unreadable) => Err(unreadable),
    };
    take_in(&call, "stripe", heard, |id| format!("stripe/{id}")).await
}

/// Finds the order whose payment has the event's charge. No index serves this search, so only one event at a time runs
/// it, with a timeout: Stripe retries an event that was not accepted.
async fn of_charge(call: &Call, mut event: Box<ProviderEvent>, kind: String) -> Result<Heard, Problem> {
    let look = async {
        let _turn = call.gateway.webhooks.turn.lock().await;
        call.gateway.store.orders_charged_as(&event.data.charged_as).await
    };
    let found = tokio::time::timeout(LOOK_MAX, look).await.map_err(Problem::unavailable)??;
    let event_id = event.id.clone();
    let why = match found.as_slice() {
        [order_id] => {
            event.data.reference = *order_id;
            return Ok(Heard::Event(event));
        }
        [] => "it names no order of ours in metadata.order_id, and no payment is known by its charge",
        [_, _, ..] => "it names no order of ours, and several payments are known by its charge",
    };
    Ok(Heard::SetAside { event_id, kind, why })
}

async fn take_in(
    call: &Call,
    source: &str,
    heard: Result<Heard, Unreadable>,
    named: fn(&str) -> String,
) -> Result<Response, Problem> {
    let now = call.gateway.store.now().await?;
    refuse_card_numbers(call, &heard, now).await?;
    let (event_id, what, message) = match heard {
        Ok(Heard::Event(event)) => {
            let id = message_id(&named(&event.id))?;
            (event.id.clone(), EventResult::Accepted, Message::new(id, now, Body::ProviderEvent(*event)))
        }
        Ok(Heard::SetAside { event_id, kind, why }) => {
            tracing::info!(source, event_id, kind, "a webhook is set aside: {why}");
            let id = message_id(&format!("{}/set_aside", named(&event_id)))?;
            let (source, why) = (source.to_string(), why.to_string());
            let fact = WebhookSetAside { source, event_id: event_id.clone(), kind, at: now, why };
            (event_id, EventResult::SetAside, Message::new(id, now, Body::WebhookSetAside(fact)))
        }
        Err(Unreadable { event_id, why }) => {
            let id = event_id.map(|id| named(&id));
            park(call, id, "body_invalid", &why, now).await?;
            return Err(Problem::unprocessable("WEBHOOK_UNREADABLE", why));
        }
    };
    let id = message.id.clone();
    let what = match (call.gateway.ingress.bring(message).await, what) {
        (Ok(Accepted::New), what) => what,
        (Ok(Accepted::Repeat), _) => EventResult::Repeat,
        // The fact contains the current time, so a repeat has another body; it counts as a repeat all the same.
        (Err(Refused::IdReused), EventResult::SetAside) => EventResult::Repeat,
        (Err(refused @ Refused::IdReused), EventResult::Accepted | EventResult::Repeat) => {
            let why =
                "the provider used this event's id before, for something else; it is kept as a dead letter";
            park(call, Some(id.to_string()), "message_id_reused", &refused.to_string(), now).await?;
            return Err(Problem::conflict("WEBHOOK_ID_REUSED", why));
        }
        (Err(refused @ Refused::Unavailable(_)), _) => return Err(Problem::unavailable(refused)),
    };
    Ok((StatusCode::OK, Json(Received { event_id, what })).into_response())
}

/// Searches only the fields that we would keep: the rest of a provider's event is full of long numbers.
async fn refuse_card_numbers(
    call: &Call,
    heard: &Result<Heard, Unreadable>,
    now: Time,
) -> Result<(), Problem> {
    let holds = match heard {
        Ok(Heard::Event(event)) => contract::json_holds_card_number(&contract::json_of::<String>(&**event)),
        Ok(Heard::SetAside { event_id, kind, why: _ }) => {
            [event_id, kind].into_iter().any(|text| contract::holds_card_number(text))
        }
        // It becomes a dead letter, in which card numbers are masked.
        Err(Unreadable { .. }) => false,
    };
    if !holds {
        return Ok(());
    }
    let problem = cards::refused("the event");
    park(call, None, "card_number_refused", &problem.detail, now).await?;
    Err(problem)
}

/// Keeps an authentic event that cannot be processed as a dead letter, for an operator: the provider may never resend
/// it.
async fn park(call: &Call, id: Option<String>, code: &str, why: &str, now: Time) -> Result<(), Problem> {
    let name = "payment.webhook";
    let masked = |text: &str| contract::without_card_numbers(text).into_owned();
    let (id, why) = (id.as_deref().map(masked), masked(why));
    let body = masked(&String::from_utf8_lossy(&call.body));
    let hash = BodyHash::of(name, &body);
    let letter = DeadLetter {
        id: batch::dead_letter_id(LETTERS, &format!("{}/{hash}", id.as_deref().unwrap_or_default())),
        queue: LETTERS.to_string(),
        message_id: id,
        name: name.to_string(),
        by: Speaker::PaymentProvider,
        order_id: None,
        cause: None,
        code: code.to_string(),
        why: why.clone(),
        attempts: 1,
        at: now,
        body,
        status: DeadStatus::Open,
    };
    tracing::warn!(
        letter = letter.id,
        message_id = letter.message_id,
        code,
        "a webhook is kept as a dead letter: {why}"
    );
    let changes = Changes { dead: vec![DeadChange::Park(letter)], ..Changes::default() };
    Ok(call.gateway.store.begin().await?.commit(changes).await?)
}

/// The message id of an event. An id that has the form of our own messages' ids gets a prefix, so that the event is not
/// refused.
fn message_id(id: &str) -> Result<MessageId, Problem> {
    let named = |text: &str| {
        MessageId::new(text).ok_or_else(|| Problem::unprocessable("WEBHOOK_UNREADABLE", "its id is too long"))
    };
    let id = named(id)?;
    if id.is_reserved() { named(&format!("event/{id}")) } else { Ok(id) }
}

fn header<'a>(call: &'a Call, name: &str) -> &'a str {
    call.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn off(setting: &str) -> Problem {
    Problem::not_found("WEBHOOKS_OFF", format!("nobody's webhooks are taken here: {setting} is not set"))
}

/// The same answer for every kind of wrong signature.
fn forged(forged: Forged) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "SIGNATURE_INVALID", forged.to_string())
}

fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
