//! Payment intents in the shape that front ends know from Stripe: a payment that waits for confirmation, and a client
//! secret that authorises it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contract::{
    Body, BodyHash, Confirm, MessageId, Method, Money, OrderId, PaymentChoice, PaymentConfirm, PaymentIntend,
    Token,
};
use order::Order;
use payment::{Payment, Status, Wallet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;
use view::IntentStatus;

use super::call::Call;
use super::orders::shown_order;
use super::payments::own_order;
use super::problem::Problem;
use super::route::{Route, SMALL_BODY_BYTES_MAX, Who};
use super::{letters, written};

const KEY: &str =
    "1 to 255 visible characters of your own; the same key and the same body are the same request";
const PREFIX: &str = "pi_";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/payment-intents", "create_payment_intent", |call| Box::pin(create(call)))
            .by(Who::Customer)
            .about(
                "The payment intent of an order that was placed with `payment.confirm: manual`, with its client secret. \
                 An order has one, however often it is asked for",
            )
            .header("Prefer", "`wait=N`: wait up to N seconds (30 at most) for an order that was accepted a moment ago")
            .takes_up_to::<NewIntent>(SMALL_BODY_BYTES_MAX)
            .answers::<Intent>(201, "the intent")
            .problem(404, "ORDER_NOT_FOUND")
            .problem(409, "ORDER_NOT_PAYABLE"),
        Route::get("/payment-intents/{id}", "show_payment_intent", |call| Box::pin(show(call)))
            .by(Who::Customer)
            .about("Where it stands")
            .answers::<Intent>(200, "the intent")
            .problem(404, "PAYMENT_INTENT_NOT_FOUND"),
        Route::post("/payment-intents/{id}/confirm", "confirm_payment_intent", |call| Box::pin(confirm(call)))
            .by(Who::OwnProof)
            .about(
                "Charge it, once. It is opened by its owner's token, or by its client secret. After a decline it may be \
                 tried again, by something else, as long as the order waits",
            )
            .header("Idempotency-Key", KEY)
            .header("Prefer", "`wait=N`: wait up to N seconds (30 at most) for the provider")
            .may_take_up_to::<Confirmation>(SMALL_BODY_BYTES_MAX)
            .answers::<Intent>(200, "it is paid")
            .answers::<Intent>(202, "the provider has not answered yet")
            .problem(400, "IDEMPOTENCY_KEY_INVALID")
            .problem(402, "PAYMENT_DECLINED")
            .problem(404, "PAYMENT_INTENT_NOT_FOUND")
            .problem(409, "PAYMENT_INTENT_UNEXPECTED_STATE")
            .problem(422, "PAYMENT_METHOD_INVALID")
            .problem(422, "IDEMPOTENCY_KEY_REUSED"),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct NewIntent {
    order_id: OrderId,
}

#[derive(Deserialize, JsonSchema)]
struct Confirmation {
    /// Authorises the request instead of a token in the header.
    #[serde(default)]
    client_secret: Option<String>,
    /// The provider's token, or the id of one of your stored payment methods. By default, what the order named; after a
    /// decline it is required.
    #[serde(default)]
    payment_method: Option<String>,
    /// The token's method: card, debit_card or paypal. By default, the order's.
    #[serde(default)]
    method: Option<Method>,
}

#[derive(Serialize, JsonSchema)]
struct Intent {
    id: String,
    /// Only the order's customer and admins see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    order_id: OrderId,
    amount: Money,
    currency: String,
    status: IntentStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_payment_error: Option<String>,
}

/// An intent whose caller is authorised, by a token that may see the order or by the client secret.
struct Authorized {
    order: Order,
    payment: Option<Payment>,
    by_token: bool,
}

async fn create(call: Call) -> Result<Response, Problem> {
    let NewIntent { order_id } = call.json()?;
    // The submission may have been accepted just now and have no order yet.
    let seen = shown_order(&call.gateway, call.caller()?, order_id).await?;
    if seen["status"] == "rejected" {
        return Err(Problem::conflict("ORDER_NOT_PAYABLE", format!("order {order_id} was rejected")));
    }
    let order = written::poll(&call, &order_id.to_string(), |_: &Order| true).await?;
    let Some(order) = order else {
        let why = format!("order {order_id} was accepted and is not created yet; ask again in a moment");
        let problem = Problem::conflict("ORDER_NOT_PAYABLE", why).retry_after(1);
        return Err(problem.with("order_status", "submitted").with("allowed", seen["actions"].clone()));
    };
    if order.confirm != Confirm::Manual {
        let why = "it was placed to be charged at once; only payment.confirm: manual waits for an intent";
        return Err(not_payable(&order, why));
    }
    let known = written::read::<Payment>(&call, &order_id.to_string()).await?;
    if known.as_ref().is_none_or(|payment| payment.intent.is_none()) {
        if order.status != contract::Status::Created {
            return Err(not_payable(&order, "it does not wait to be paid any more"));
        }
        let secret = format!("{}_secret_{}", id_of(order_id), letters::written("", Uuid::new_v4()));
        let body = Body::PaymentIntend(PaymentIntend { order_id, secret: Token(secret) });
        written::send(&call, Uuid::now_v7().into(), body).await?;
    }
    let decided = |payment: &Payment| payment.intent.is_some() || is_over(payment);
    match written::poll(&call, &order_id.to_string(), decided).await? {
        Some(payment) if payment.intent.is_some() => {
            Ok((StatusCode::CREATED, Json(shown(&order, Some(&payment), true))).into_response())
        }
        Some(_) => Err(not_payable(&order, "it does not wait to be paid any more")),
        None => Err(Problem::unavailable("the payment worker has not answered in time")),
    }
}

async fn show(call: Call) -> Result<Response, Problem> {
    let order_id = order_of(&call)?;
    let order = own_order(&call, order_id).await?.filter(|order| order.confirm == Confirm::Manual);
    let order = order.ok_or_else(not_found)?;
    let payment = written::read::<Payment>(&call, &order_id.to_string()).await?;
    let payment = payment.filter(|payment| payment.intent.is_some()).ok_or_else(not_found)?;
    Ok(Json(shown(&order, Some(&payment), true)).into_response())
}

async fn confirm(call: Call) -> Result<Response, Problem> {
    let confirmation: Confirmation = call.json_if_any()?;
    let Authorized { order, payment, by_token } =
        authorize(&call, confirmation.client_secret.as_deref()).await?;
    let payment = payment.filter(|payment| payment.intent.is_some()).ok_or_else(not_found)?;
    let message_id = call.message_id(&order.customer_id).await?;
    // A retry with the same idempotency key sends nothing and gets the same answer.
    if !payment.tries.iter().any(|one| one.confirmed_by == message_id) {
        match (payment.status, payment.charge.is_some()) {
            (Status::AwaitingConfirmation, true) => {
                let choice = choice(&call, &order, confirmation, by_token).await?;
                let (order_id, customer_id) = (order.order_id, order.customer_id.clone());
                let body = Body::PaymentConfirm(PaymentConfirm { order_id, customer_id, payment: choice });
                written::send(&call, message_id.clone(), body).await?;
            }
            (Status::AwaitingConfirmation, false) => {
                let why = "the goods are not held yet; confirm it again in a moment";
                return Err(unexpected(&order, &payment, why).retry_after(1));
            }
            // Another request has just confirmed it: both get the result of that.
            (Status::Asked | Status::Checking, _) => {}
            (Status::Captured, _) => {
                return Err(unexpected(&order, &payment, "it is paid already; nothing was charged"));
            }
            (Status::AwaitingCash | Status::Undoing | Status::Declined | Status::GivenUp, _) => {
                return Err(unexpected(&order, &payment, "its order was given up; nothing was charged"));
            }
        }
    }
    let tries = payment.tries.len();
    let is_answered = |payment: &Payment| is_answered(payment, &message_id, tries);
    let answered = written::poll(&call, &order.order_id.to_string(), is_answered).await?;
    outcome(&order, answered.as_ref().unwrap_or(&payment), answered.is_some(), &message_id, by_token)
}

/// Whether the result of this confirmation is known, or of the one that was running when it came.
fn is_answered(payment: &Payment, message_id: &MessageId, tries_before: usize) -> bool {
    match payment.status {
        Status::Asked | Status::Checking | Status::Undoing => false,
        Status::AwaitingConfirmation => {
            let mine = payment.tries.iter().any(|one| one.confirmed_by == *message_id);
            mine || payment.tries.len() > tries_before || payment.tries.len() >= TRIES_MAX
        }
        Status::AwaitingCash | Status::Captured | Status::Declined | Status::GivenUp => true,
    }
}

/// The payment worker's limit.
const TRIES_MAX: usize = 10;

fn outcome(
    order: &Order,
    payment: &Payment,
    answered: bool,
    message_id: &MessageId,
    by_token: bool,
) -> Result<Response, Problem> {
    let intent = shown(order, Some(payment), by_token);
    let status = intent.status;
    match status {
        _ if !answered => Ok((StatusCode::ACCEPTED, Json(intent)).into_response()),
        IntentStatus::Succeeded => Ok(Json(intent).into_response()),
        IntentStatus::Processing => Ok((StatusCode::ACCEPTED, Json(intent)).into_response()),
        IntentStatus::Canceled => Err(unexpected(order, payment, "its order was given up")),
        IntentStatus::RequiresPaymentMethod | IntentStatus::RequiresConfirmation => {
            let mine = payment.tries.iter().find(|one| one.confirmed_by == *message_id);
            let code = mine.or(payment.tries.last()).and_then(|one| one.failure_code.clone());
            let code = code.unwrap_or_else(|| "declined".into());
            let why = format!("nothing was charged ({code}); confirm it again with another payment method");
            let problem = Problem::new(StatusCode::PAYMENT_REQUIRED, "PAYMENT_DECLINED", why);
            Err(problem.with("decline_code", code).with("intent_status", json!(status)))
        }
    }
}

/// The payment method to use, if not the order's.
async fn choice(
    call: &Call,
    order: &Order,
    confirmation: Confirmation,
    by_token: bool,
) -> Result<Option<PaymentChoice>, Problem> {
    let method = confirmation.method.unwrap_or(order.method);
    let Some(means) = confirmation.payment_method else {
        return Ok(confirmation.method.map(|method| PaymentChoice::by(method, None)));
    };
    if let Some((_, why)) = contract::token_fault(&means) {
        return Err(Problem::unprocessable("PAYMENT_METHOD_INVALID", format!("payment_method: {why}")));
    }
    let wallet = written::read::<Wallet>(call, &order.customer_id).await?;
    let stored = wallet.iter().flat_map(|wallet| &wallet.methods).find(|stored| stored.method_id == means);
    match stored {
        // The client secret authorises this one payment, not the use of stored payment methods.
        Some(_) if !by_token => Err(Problem::unauthorized()),
        Some(stored) => Ok(Some(PaymentChoice {
            payment_method_id: Some(means),
            ..PaymentChoice::by(stored.method, None)
        })),
        None => Ok(Some(PaymentChoice::by(method, Some(Token(means))))),
    }
}

async fn authorize(call: &Call, secret: Option<&str>) -> Result<Authorized, Problem> {
    let order_id = order_of(call)?;
    let caller = call.gateway.authenticator.caller(&call.headers).await?;
    let order = written::read::<Order>(call, &order_id.to_string()).await?;
    let order = order.filter(|order| order.confirm == Confirm::Manual);
    let payment = written::read::<Payment>(call, &order_id.to_string()).await?;
    if let Some(caller) = caller {
        let own = order.filter(|order| caller.is_admin() || *order.customer_id == *caller.id);
        return Ok(Authorized { order: own.ok_or_else(not_found)?, payment, by_token: true });
    }
    let given = secret.ok_or_else(Problem::unauthorized)?;
    let kept = payment.as_ref().and_then(|payment| payment.intent.as_ref());
    // Compares hashes, so that the time that it takes reveals nothing about the secret.
    let right = kept.is_some_and(|kept| BodyHash::of("secret", &kept.0) == BodyHash::of("secret", given));
    let order = order.filter(|_| right).ok_or_else(Problem::unauthorized)?;
    Ok(Authorized { order, payment, by_token: false })
}

fn order_of(call: &Call) -> Result<OrderId, Problem> {
    letters::read(PREFIX, call.param("id")).map(OrderId::new).ok_or_else(not_found)
}

fn id_of(order_id: OrderId) -> String {
    letters::written(PREFIX, order_id.uuid())
}

fn shown(order: &Order, payment: Option<&Payment>, to_owner: bool) -> Intent {
    let secret = payment.and_then(|payment| payment.intent.as_ref()).filter(|_| to_owner);
    let charge = payment.and_then(|payment| payment.charge.as_ref());
    Intent {
        id: id_of(order.order_id),
        client_secret: secret.map(|secret| secret.0.clone()),
        order_id: order.order_id,
        amount: order.total,
        currency: order.total.currency().code().to_string(),
        status: payment.map_or(IntentStatus::RequiresPaymentMethod, IntentStatus::of),
        last_payment_error: charge.and_then(|charge| charge.failure_code.clone()),
    }
}

fn is_over(payment: &Payment) -> bool {
    payment.status != Status::AwaitingConfirmation
}

fn not_found() -> Problem {
    Problem::not_found("PAYMENT_INTENT_NOT_FOUND", "you have no payment intent of that id")
}

fn not_payable(order: &Order, why: &str) -> Problem {
    let why = format!("order {} is {}: {why}", order.order_id, order.status.name());
    Problem::conflict("ORDER_NOT_PAYABLE", why).with("order_status", order.status.name())
}

fn unexpected(order: &Order, payment: &Payment, why: &str) -> Problem {
    let status = IntentStatus::of(payment);
    Problem::conflict("PAYMENT_INTENT_UNEXPECTED_STATE", format!("order {}: {why}", order.order_id))
        .with("intent_status", json!(status))
}
