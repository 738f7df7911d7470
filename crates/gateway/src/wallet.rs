//! A customer's stored payment methods. Responses show enough to tell them apart, and never their tokens.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use contract::{Body, Expiry, Fault, Method, Time, Token, WalletAdd, WalletChange, WalletRemove};
use payment::{StoredMethod, Wallet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::call::Call;
use super::letters;
use super::problem::Problem;
use super::route::{Route, SMALL_BODY_BYTES_MAX, Who};
use super::written::{self, Written};

const KEY: &str =
    "1 to 255 visible characters of your own; the same key and the same body are the same request";

/// The prefix of a stored payment method's id.
const PREFIX: &str = "pm_";

pub(super) fn routes() -> Vec<Route> {
    let write = |route: Route| {
        let route = route
            .by(Who::Customer)
            .header("Idempotency-Key", KEY)
            .answers_nothing(202, "it is safe, and not done yet");
        route.problem(400, "IDEMPOTENCY_KEY_INVALID").problem(422, "IDEMPOTENCY_KEY_REUSED")
    };
    let one = |route| write(route).problem(404, "PAYMENT_METHOD_NOT_FOUND");
    vec![
        Route::get("/payment-methods", "list_payment_methods", |call| Box::pin(list(call)))
            .by(Who::Customer)
            .about("Your stored payment methods, oldest first; one of them is the default")
            .answers::<Page>(200, "all of them, at most 20"),
        write(Route::post("/payment-methods", "add_payment_method", |call| Box::pin(add(call))))
            .about("Store a payment method by the provider's token for it. The first one is the default")
            .takes_up_to::<NewMethod>(SMALL_BODY_BYTES_MAX)
            .answers::<PaymentMethod>(201, "it is stored")
            .answers_nothing(204, "it was stored, and is forgotten by now")
            .problem(409, "PAYMENT_METHODS_TOO_MANY")
            .problem(422, "PAYMENT_METHOD_INVALID"),
        one(Route::patch("/payment-methods/{id}", "change_payment_method", |call| Box::pin(change(call))))
            .about("Make it the default, or say that it is valid longer")
            .takes_up_to::<Changed>(SMALL_BODY_BYTES_MAX)
            .answers::<PaymentMethod>(200, "as it is now")
            .answers_nothing(204, "it is forgotten by now")
            .problem(409, "PAYMENT_METHOD_DEFAULT_REQUIRED")
            .problem(422, "PAYMENT_METHOD_INVALID"),
        one(Route::delete("/payment-methods/{id}", "remove_payment_method", |call| Box::pin(remove(call))))
            .about("Forget it. If it was the default, the newest of the others is from now on")
            .answers_nothing(204, "it is forgotten"),
    ]
}

#[derive(Serialize, JsonSchema)]
struct Page {
    items: Vec<PaymentMethod>,
    /// Always null: there is only one page.
    next: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct PaymentMethod {
    /// A checkout refers to it by `payment.payment_method_id`.
    id: String,
    method: Method,
    #[serde(skip_serializing_if = "Option::is_none")]
    brand: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_four: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Month>,
    /// It cannot be used any more.
    expired: bool,
    default: bool,
    added_at: Time,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Month {
    year: u16,
    /// 1 to 12. It is valid until the end of it.
    month: u8,
}

#[derive(Deserialize, JsonSchema)]
struct NewMethod {
    /// card, debit_card or paypal.
    method: Method,
    /// The provider's token. A card number is refused.
    token: Token,
    /// The brand that the customer knows, like visa.
    #[serde(default)]
    brand: Option<String>,
    /// For a card: its last four digits only.
    #[serde(default)]
    last_four: Option<String>,
    /// For a card: the last month in which it is valid.
    #[serde(default)]
    expires: Option<Month>,
    #[serde(default)]
    default: bool,
}

#[derive(Deserialize, JsonSchema)]
struct Changed {
    #[serde(default)]
    expires: Option<Month>,
    #[serde(default)]
    default: Option<bool>,
}

async fn list(call: Call) -> Result<Response, Problem> {
    let wallet = written::read::<Wallet>(&call, &call.caller()?.id).await?;
    let now = call.gateway.store.now().await?;
    let items = wallet.iter().flat_map(|wallet| &wallet.methods).map(|stored| shown(stored, now)).collect();
    Ok(Json(Page { items, next: None }).into_response())
}

async fn add(call: Call) -> Result<Response, Problem> {
    let (customer_id, new) = (call.customer_id()?, call.json::<NewMethod>()?);
    let message_id = call.message_id(&customer_id).await?;
    // The id comes from the idempotency key, so that a retry adds the same method.
    let method_id =
        letters::written(PREFIX, Uuid::parse_str(message_id.as_str()).map_err(Problem::internal)?);
    let body = Body::WalletAdd(WalletAdd {
        customer_id,
        method_id: method_id.clone(),
        method: new.method,
        token: new.token,
        brand: new.brand,
        last_four: new.last_four,
        expires: new.expires.map(Into::into),
        default: new.default,
    });
    let mut response = write(&call, message_id, body, &method_id, StatusCode::CREATED).await?;
    if let Ok(place) = HeaderValue::from_str(&format!("/payment-methods/{method_id}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

async fn change(call: Call) -> Result<Response, Problem> {
    let (customer_id, method_id) = (call.customer_id()?, method_id(&call)?);
    let Changed { expires, default } = call.json()?;
    let message_id = call.message_id(&customer_id).await?;
    let expires = expires.map(Into::into);
    let body =
        Body::WalletChange(WalletChange { customer_id, method_id: method_id.clone(), expires, default });
    write(&call, message_id, body, &method_id, StatusCode::OK).await
}

async fn remove(call: Call) -> Result<Response, Problem> {
    let (customer_id, method_id) = (call.customer_id()?, method_id(&call)?);
    let message_id = call.message_id(&customer_id).await?;
    let body = Body::WalletRemove(WalletRemove { customer_id, method_id: method_id.clone() });
    write(&call, message_id, body, &method_id, StatusCode::NO_CONTENT).await
}

/// An id that is not in our format is refused before anything is journalled.
fn method_id(call: &Call) -> Result<String, Problem> {
    let id = call.param("id");
    letters::read(PREFIX, id).map(|_| id.to_string()).ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::not_found("PAYMENT_METHOD_NOT_FOUND", "you have stored no such payment method")
}

/// Answers with the method after the write, or with 204 if the method is gone.
async fn write(
    call: &Call,
    message_id: contract::MessageId,
    body: Body,
    method_id: &str,
    done: StatusCode,
) -> Result<Response, Problem> {
    let customer_id = call.customer_id()?;
    let written = written::write(call, message_id, body, &customer_id, |wallet: &Wallet| &wallet.answers);
    match written.await? {
        Written::Done(wallet) => {
            let now = call.gateway.store.now().await?;
            let stored = wallet.methods.iter().find(|stored| stored.method_id == method_id);
            Ok(match stored {
                Some(stored) => (done, Json(shown(stored, now))).into_response(),
                None => StatusCode::NO_CONTENT.into_response(),
            })
        }
        Written::Refused(fault) => Err(refusal(&fault)),
        Written::NotYet => Ok(StatusCode::ACCEPTED.into_response()),
    }
}

fn shown(stored: &StoredMethod, now: Time) -> PaymentMethod {
    PaymentMethod {
        id: stored.method_id.clone(),
        method: stored.method,
        brand: stored.brand.clone(),
        last_four: stored.last_four.clone(),
        expires: stored.expires.map(|expires| Month { year: expires.year, month: expires.month }),
        expired: stored.expires.is_some_and(|expires| expires.is_over(now)),
        default: stored.default,
        added_at: stored.added_at,
    }
}

impl From<Month> for Expiry {
    fn from(month: Month) -> Self {
        Expiry { year: month.year, month: month.month }
    }
}

fn refusal(fault: &Fault) -> Problem {
    let why = format!("{}: {}", fault.field, fault.message);
    let why = why.trim_start_matches(": ");
    match fault.code.as_str() {
        "payment_method_unknown" => unknown(),
        "payment_methods_too_many" => Problem::conflict("PAYMENT_METHODS_TOO_MANY", why),
        "default_required" => Problem::conflict("PAYMENT_METHOD_DEFAULT_REQUIRED", why),
        "card_number_refused" => Problem::unprocessable("CARD_NUMBER_REFUSED", why),
        _ => Problem::unprocessable("PAYMENT_METHOD_INVALID", why).with("errors", json!([fault])),
    }
}
