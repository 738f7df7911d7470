//! Stripe's events about payment intents, charges and refunds, in our words. The order is named in the object's
//! metadata as `order_id`; Stripe copies it from a payment intent to its charges, and whoever makes a refund adds it.

use contract::{Currency, Money, OrderId, ProviderEvent, ProviderEventData, ProviderEventKind, Time};
use serde::Deserialize;

use crate::webhook::event::{Envelope, Heard, Unreadable, parse};

#[derive(Deserialize)]
struct Event {
    /// Seconds.
    created: i64,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Object,
    #[serde(default)]
    previous_attributes: Before,
}

/// Payment intent, charge or refund: what of them counts here. Amounts are in the currency's smallest unit.
#[derive(Deserialize)]
struct Object {
    id: String,
    amount: i64,
    currency: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    client_reference_id: Option<String>,
    #[serde(default)]
    amount_received: Option<i64>,
    #[serde(default)]
    amount_refunded: Option<i64>,
    #[serde(default)]
    latest_charge: Option<String>,
    #[serde(default)]
    last_payment_error: Option<Failure>,
    #[serde(default)]
    cancellation_reason: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    failure_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    order_id: Option<String>,
    /// Of a refund: what it was asked under.
    #[serde(default)]
    key: Option<String>,
}

#[derive(Default, Deserialize)]
struct Before {
    #[serde(default)]
    amount_refunded: Option<i64>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    decline_code: Option<String>,
}

/// What an object says, by the type of its event.
struct Told {
    kind: ProviderEventKind,
    transaction_id: String,
    units: i64,
    failure_code: Option<String>,
}

pub fn read(body: &[u8]) -> Result<Heard, Unreadable> {
    use ProviderEventKind::{PaymentFailed, PaymentSucceeded};
    let envelope = Envelope::read(body)?;
    let told: fn(&Data) -> Option<Told> = match envelope.kind.as_str() {
        "payment_intent.succeeded" => |data| Some(intent(&data.object, PaymentSucceeded)),
        "payment_intent.payment_failed" | "payment_intent.canceled" => {
            |data| Some(intent(&data.object, PaymentFailed))
        }
        "charge.refunded" => refunded,
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            |data| refund(&data.object)
        }
        _ => return Ok(envelope.set_aside("events of this type are not about payments or refunds")),
    };
    let event: Event = parse(body).map_err(|why| envelope.unreadable(why))?;
    let object = &event.data.object;
    let Some(told) = told(&event.data) else {
        return Ok(envelope.set_aside("nothing has come of it so far"));
    };
    let named = object.metadata.order_id.as_ref().or(object.client_reference_id.as_ref());
    let Some(reference) = named.and_then(|id| id.parse::<OrderId>().ok()) else {
        return Ok(envelope.set_aside("it names no order of ours in metadata.order_id"));
    };
    let amount = money(told.units, &object.currency).map_err(|why| envelope.unreadable(why))?;
    Ok(Heard::Event(Box::new(ProviderEvent {
        id: envelope.id,
        kind: told.kind,
        created: Time::from_unix_ms(event.created.saturating_mul(1000)),
        data: ProviderEventData {
            reference,
            transaction_id: told.transaction_id,
            amount,
            failure_code: told.failure_code,
            key: object.metadata.key.clone(),
        },
    })))
}

fn intent(object: &Object, kind: ProviderEventKind) -> Told {
    let captured = kind == ProviderEventKind::PaymentSucceeded;
    let error = object.last_payment_error.as_ref();
    let failed = error.and_then(|error| error.decline_code.clone().or(error.code.clone()));
    let failed = failed.or(object.cancellation_reason.clone()).unwrap_or_else(|| "declined".into());
    Told {
        kind,
        transaction_id: object.latest_charge.clone().unwrap_or_else(|| object.id.clone()),
        units: object.amount_received.filter(|_| captured).unwrap_or(object.amount),
        failure_code: (!captured).then_some(failed),
    }
}

/// A charge counts all that ever went back: this time it was what is more than before.
fn refunded(data: &Data) -> Option<Told> {
    let before = data.previous_attributes.amount_refunded.unwrap_or(0);
    Some(Told {
        kind: ProviderEventKind::RefundSucceeded,
        transaction_id: data.object.id.clone(),
        units: data.object.amount_refunded?.saturating_sub(before),
        failure_code: None,
    })
}

fn refund(object: &Object) -> Option<Told> {
    let (kind, failure_code) = match object.status.as_deref()? {
        "succeeded" => (ProviderEventKind::RefundSucceeded, None),
        "failed" | "canceled" => {
            let why = object.failure_reason.clone().unwrap_or_else(|| "refund_failed".into());
            (ProviderEventKind::RefundFailed, Some(why))
        }
        _ => return None,
    };
    Some(Told { kind, transaction_id: object.id.clone(), units: object.amount, failure_code })
}

/// Stripe's smallest units are those of ISO 4217 but for a few currencies.
fn money(units: i64, currency: &str) -> Result<Money, String> {
    let code = currency.to_ascii_uppercase();
    let digits = match code.as_str() {
        "MGA" => 0,
        "ISK" | "UGX" => 2,
        _ => Currency::from_code(&code).ok_or("its currency is not known here")?.exponent(),
    };
    let currency = Currency::from_code(&code).ok_or("its currency is not known here")?;
    let amount = rust_decimal::Decimal::new(units, digits);
    Money::parse(&amount.to_string(), currency).map_err(|why| format!("its amount cannot be: {why}"))
}

#[cfg(test)]
mod tests;
