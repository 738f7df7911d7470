//! Stripe's events about payment intents, charges and refunds, in our words. The object's metadata name the order as
//! `order_id`; Stripe copies it from a payment intent to its charges, but not to their refunds. A refund that is made
//! in Stripe's dashboard names only its charge and payment intent.

use contract::{Currency, Money, OrderId, ProviderEvent, ProviderEventData, ProviderEventKind, Time};
use serde::Deserialize;

use crate::event::{Envelope, Heard, Unreadable, parse};

#[derive(Deserialize)]
struct Event {
    /// In seconds.
    created: i64,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Object,
    #[serde(default)]
    previous_attributes: Option<Before>,
}

/// A payment intent, charge or refund: the fields used here. Amounts are in the currency's smallest unit.
#[derive(Deserialize)]
struct Object {
    id: String,
    amount: i64,
    currency: String,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    client_reference_id: Option<String>,
    #[serde(default)]
    amount_received: Option<i64>,
    #[serde(default)]
    amount_refunded: Option<i64>,
    #[serde(default)]
    latest_charge: Option<String>,
    /// Of a charge or a refund: what it belongs to.
    #[serde(default)]
    payment_intent: Option<Named>,
    /// Of a refund.
    #[serde(default)]
    charge: Option<Named>,
    #[serde(default)]
    last_payment_error: Option<Failure>,
    #[serde(default)]
    cancellation_reason: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    failure_reason: Option<String>,
}

/// Another object, by its id or as a whole.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Named {
    Id(String),
    Whole { id: String },
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    order_id: Option<String>,
    /// Of a refund: the key it was asked for under.
    #[serde(default)]
    key: Option<String>,
}

#[derive(Deserialize)]
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

/// What an object reports, by the type of its event.
struct Told {
    kind: ProviderEventKind,
    transaction_id: String,
    units: i64,
    failure_code: Option<String>,
    /// Of a refund: the ids of its charge …
    charged_as: Vec<String>,
    /// … and the total refunded of that charge.
    units_in_all: Option<i64>,
}

/// What Stripe's event tells.
#[derive(Debug, PartialEq)]
pub enum Said {
    Heard(Heard),
    /// It names its charge but no order: the event's `reference` is not filled in yet.
    OfCharge {
        event: Box<ProviderEvent>,
        kind: String,
    },
}

pub fn read(body: &[u8]) -> Result<Said, Unreadable> {
    use ProviderEventKind::{PaymentFailed, PaymentSucceeded};
    let set_aside = |envelope: Envelope, why| Ok(Said::Heard(envelope.set_aside(why)));
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
        _ => return set_aside(envelope, "events of this type are not about payments or refunds"),
    };
    let event: Event = parse(body).map_err(|why| envelope.unreadable(why))?;
    let object = &event.data.object;
    let Some(told) = told(&event.data) else {
        return set_aside(envelope, "nothing has come of it so far");
    };
    let money = |units| money(units, &object.currency).map_err(|why| envelope.unreadable(why));
    let (amount, refunded_in_all) = (money(told.units)?, told.units_in_all.map(money).transpose()?);
    let metadata = object.metadata.as_ref();
    let order_id = metadata.and_then(|metadata| metadata.order_id.as_ref());
    let named = order_id.or(object.client_reference_id.as_ref());
    let reference = named.and_then(|id| id.parse::<OrderId>().ok());
    if reference.is_none() && told.charged_as.is_empty() {
        return set_aside(envelope, "it names no order of ours in metadata.order_id");
    }
    let event = Box::new(ProviderEvent {
        id: envelope.id,
        kind: told.kind,
        created: Time::from_unix_ms(event.created.saturating_mul(1000)),
        data: ProviderEventData {
            reference: reference.unwrap_or_default(),
            transaction_id: told.transaction_id,
            amount,
            failure_code: told.failure_code,
            key: metadata.and_then(|metadata| metadata.key.clone()),
            charged_as: told.charged_as,
            refunded_in_all,
        },
    });
    Ok(match reference {
        Some(_) => Said::Heard(Heard::Event(event)),
        None => Said::OfCharge { kind: envelope.kind, event },
    })
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
        charged_as: Vec::new(),
        units_in_all: None,
    }
}

/// A charge has the total that was ever refunded: that is what counts, because the event before may be lost or in
/// flight.
fn refunded(data: &Data) -> Option<Told> {
    let (object, before) = (&data.object, data.previous_attributes.as_ref());
    let before = before.and_then(|before| before.amount_refunded).unwrap_or(0);
    let in_all = object.amount_refunded?;
    Some(Told {
        kind: ProviderEventKind::RefundSucceeded,
        transaction_id: object.id.clone(),
        units: in_all.saturating_sub(before).max(0),
        failure_code: None,
        charged_as: names([Some(&Named::Id(object.id.clone())), object.payment_intent.as_ref()]),
        units_in_all: Some(in_all),
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
    Some(Told {
        kind,
        transaction_id: object.id.clone(),
        units: object.amount,
        failure_code,
        charged_as: names([object.charge.as_ref(), object.payment_intent.as_ref()]),
        units_in_all: None,
    })
}

fn names(known: [Option<&Named>; 2]) -> Vec<String> {
    let name = |named: &Named| match named {
        Named::Id(id) | Named::Whole { id } => id.clone(),
    };
    known.into_iter().flatten().map(name).collect()
}

/// Stripe's smallest units are those of ISO 4217 except for a few currencies.
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
