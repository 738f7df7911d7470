//! `POST /orders` and the checkout of a stored cart. A request sent again places no second order: whichever replica gets it
//! finds the journal row of the first.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use contract::{Body, BodyHash, Fault, Message, OrderId, Raw, Submit, Table, Unreadable};
use engine::ingress::Refused;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::outcome::{self, Outcome};
use super::refusal::{id_reused, refusal};
use super::show;
use crate::auth::Caller;
use crate::call::Call;
use crate::key::Key;
use crate::problem::Problem;
use crate::state::Gateway;

pub(super) async fn place(call: Call) -> Result<Response, Problem> {
    // These fields order the stored cart, which this route does not do.
    let of_items = |fields: &mut Map<String, Value>| {
        fields.remove("cart");
        fields.remove("cart_version");
    };
    submit(call, of_items).await
}

/// Places an order of the customer's stored cart.
pub(super) async fn check_out(call: Call) -> Result<Response, Problem> {
    submit(call, |fields| drop(fields.insert("cart".into(), json!(true)))).await
}

async fn submit(call: Call, meant: fn(&mut Map<String, Value>)) -> Result<Response, Problem> {
    let (gateway, caller) = (&call.gateway, call.caller()?);
    let key = call.key(&caller.id).await?;
    let message = read(&call, caller, key.as_ref(), meant).await?;
    let Body::Submit(submit) = &message.body else {
        return Err(Problem::internal("a checkout became another"));
    };
    let order_id = submit.order_id;
    let submitted = show::as_submitted(order_id, submit.customer_id.as_deref().unwrap_or(&caller.id));
    refuse_faulty(gateway, submit).await?;
    gateway.admission.admit(&*gateway.store).await?;
    if key.is_none_or(|key| key.order_id != order_id) {
        refuse_used_order_id(gateway, submit).await?;
    }
    // Waiting begins before the message is sent, so that no change is missed.
    let waits = call
        .would_wait()
        .and_then(|time| Some((time, gateway.hub.wait_permit(&caller.id)?, gateway.hub.wait_for(order_id))));
    call.send(message).await.map_err(|refused| match refused {
        Refused::IdReused => reused(&call),
        Refused::Unavailable(_) => Problem::unavailable(refused),
    })?;
    let answered = match waits {
        Some((time, _permit, mut waiter)) => {
            tokio::time::timeout(time, outcome::of(gateway, caller, order_id, &mut waiter)).await
        }
        None => return Ok(under_way(order_id, &submitted)),
    };
    match answered {
        Ok(outcome) => ended(order_id, outcome?),
        Err(_) => Ok(under_way(order_id, &show::of(gateway, caller, order_id).await?)),
    }
}

/// Makes the message from the body and the token.
async fn read(
    call: &Call,
    caller: &Caller,
    key: Option<&Key>,
    meant: fn(&mut Map<String, Value>),
) -> Result<Message, Problem> {
    let mut body: Value = call.json()?;
    let Some(fields) = body.as_object_mut() else {
        return Err(Problem::unprocessable("ORDER_INVALID", "the body must be a JSON object"));
    };
    // An admin may name the customer in the body; otherwise the customer comes from the token.
    let named = fields.get("customer_id").is_some_and(|id| !id.is_null());
    let placed_by = (caller.is_admin() && named).then(|| caller.id.to_string());
    if placed_by.is_none() {
        fields.insert("customer_id".into(), json!(&*caller.id));
    }
    meant(fields);
    match (fields.get("order_id").filter(|id| !id.is_null()), key) {
        (Some(named), _) if named.as_str().is_none_or(|id| id.parse::<OrderId>().is_err()) => {
            return Err(refusal(&[Fault::new("order_id", "invalid", "must be a UUID")]));
        }
        (Some(_), _) => {}
        (None, Some(key)) => drop(fields.insert("order_id".into(), json!(key.order_id))),
        (None, None) => {
            let why = "send an Idempotency-Key, or an order_id in the body: without one a repeat cannot be recognised";
            return Err(Problem::bad_request("IDEMPOTENCY_KEY_REQUIRED", why));
        }
    }
    let raw = Raw {
        of_key: key.map(|key| key.message_id.clone()),
        name: "checkout.submit".into(),
        placed_by,
        body: body.to_string().into_bytes(),
        ..Raw::default()
    };
    let now = call.gateway.store.now().await?;
    Message::accept(caller.speaker(), &raw, now).map_err(|Unreadable { code, why }| match code {
        "body_too_large" => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", why),
        "card_number_refused" => Problem::unprocessable("CARD_NUMBER_REFUSED", why),
        _ => Problem::unprocessable("ORDER_INVALID", why),
    })
}

/// Refuses a submission with faults that show without the workers; the order worker decides everything else.
async fn refuse_faulty(gateway: &Gateway, submit: &Submit) -> Result<(), Problem> {
    let cart = submit.cart.as_ref().map_err(|faults| refusal(faults))?;
    let unknown = gateway.products.unknown(&*gateway.store, submit, &cart.lines).await?;
    if unknown.is_empty() { Ok(()) } else { Err(refusal(&Fault::first(unknown))) }
}

/// Refuses an order id from the body that another order or a rejected submission already has: the journal can only
/// recognise a repeated message id. If two requests pass this check at once, one becomes a dead letter of origin
/// "stranger", which is harmless.
async fn refuse_used_order_id(gateway: &Gateway, submit: &Submit) -> Result<(), Problem> {
    /// The fields that orders and rejected submissions have in common. A record that only holds commands which overtook
    /// their submission has neither field.
    #[derive(Deserialize)]
    struct Known {
        customer_id: Option<String>,
        content: Option<BodyHash>,
    }
    let (store, id) = (&gateway.store, submit.order_id.to_string());
    let (order, rejected) =
        tokio::try_join!(store.get(Table::Orders, &id), store.get(Table::Submissions, &id))?;
    for doc in order.iter().chain(&rejected) {
        let known: Known = serde_json::from_str(doc).map_err(Problem::internal)?;
        let Some(content) = known.content else { continue };
        if content != submit.content || known.customer_id != submit.customer_id {
            return Err(id_reused());
        }
    }
    Ok(())
}

fn reused(call: &Call) -> Problem {
    if call.header("idempotency-key").is_none() {
        return id_reused();
    }
    Problem::key_reused()
}

fn ended(order_id: OrderId, outcome: Outcome) -> Result<Response, Problem> {
    match outcome {
        Outcome::Accepted(order) => Ok(with_place(order_id, StatusCode::CREATED, &order)),
        Outcome::WaitsForCustomer(order) => Ok(under_way(order_id, &order)),
        Outcome::Refused(problem) => Err(*problem),
    }
}

fn under_way(order_id: OrderId, order: &Value) -> Response {
    with_place(order_id, StatusCode::ACCEPTED, order)
}

fn with_place(order_id: OrderId, status: StatusCode, order: &Value) -> Response {
    let mut response = (status, Json(order)).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/orders/{order_id}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}
