//! Payment says the same of the same charge each time: to the provider, to the saga, and to the sender of an
//! `order.pay` that changes nothing.

use contract::{
    Body, Decision, OrderId, PaymentCaptured, PaymentDeclined, ProviderCharge, ProviderQuery, RefusePay, Time,
};

use crate::record::{Payment, Record, Status};

/// Tells the saga that the result was not known in time, so the payment was given up.
const TIMEOUT: &str = "payment_timeout";
/// Why an `order.pay` changes nothing.
pub(crate) const UNDER_WAY: &str = "payment_under_way";
pub(crate) const ALREADY_PAID: &str = "already_paid";
pub(crate) const GIVEN_UP: &str = "payment_given_up";
pub(crate) const OVER_LIMIT: &str = "amount_over_limit";
pub(crate) const MISMATCH: &str = "amount_mismatch";

/// The order worker tells the sender of `order.pay`, and knows what may be asked of the order instead.
pub(crate) fn refuse(reason: &str, decision: Decision<Record>, order_id: OrderId) -> Decision<Record> {
    decision.say(Body::RefusePay(RefusePay { order_id, reason: reason.to_string() }))
}

pub(crate) fn query(payment: &Payment) -> Body {
    Body::ProviderQuery(ProviderQuery { key: payment.charge_key(), order_id: payment.order_id })
}

pub(crate) fn provider_charge(payment: &Payment) -> Option<Body> {
    let charge = payment.charge.as_ref()?;
    Some(Body::ProviderCharge(ProviderCharge {
        key: payment.charge_key(),
        order_id: payment.order_id,
        amount: charge.amount,
        payment: charge.payment.clone(),
        not_after: charge.not_after,
    }))
}

pub(crate) fn captured(payment: &Payment, now: Time) -> Body {
    let charge = payment.charge.as_ref().expect("only what was asked for is captured");
    Body::PaymentCaptured(PaymentCaptured {
        order_id: payment.order_id,
        at: now,
        transaction_id: payment.transaction_id().unwrap_or_default().to_string(),
        amount: charge.amount,
    })
}

pub(crate) fn declined(payment: &Payment, now: Time) -> Body {
    let charge = payment.charge.as_ref();
    let code =
        charge.and_then(|charge| charge.failure_code.clone()).unwrap_or_else(|| "declined".to_string());
    let message = match code.as_str() {
        OVER_LIMIT => charge.and_then(|charge| charge.method.over_limit(charge.amount)).unwrap_or_default(),
        MISMATCH => "the provider captured another amount than was asked for, and gives it back".to_string(),
        "insufficient_funds" => "the account has too little money".to_string(),
        "expired_card" | "payment_method_expired" => "the card has expired".to_string(),
        "payment_method_unknown" => "this customer has no such stored payment method".to_string(),
        "payment_method_mismatch" => "the stored payment method is of another kind".to_string(),
        other => format!("the provider declined: {other}"),
    };
    let may_be_retried = payment.status == Status::AwaitingConfirmation;
    Body::PaymentDeclined(PaymentDeclined {
        order_id: payment.order_id,
        at: now,
        code,
        message,
        may_be_retried,
    })
}

pub(crate) fn timed_out(payment: &Payment, now: Time) -> Body {
    Body::PaymentDeclined(PaymentDeclined {
        order_id: payment.order_id,
        at: now,
        code: TIMEOUT.to_string(),
        message: "the provider had captured nothing when patience was over".to_string(),
        may_be_retried: false,
    })
}
