//! A payment by confirmation is charged when the customer says so, and after a decline again, until patience is over.
//! However often it is confirmed, at most one charge is out at a time, and none after a capture.

use contract::{
    Body, Confirm, Decision, Message, MessageId, Method, OrderId, PaymentChoice, PaymentConfirm,
    PaymentIntend, Speaker, Time,
};

use crate::record::{Confirmed, Payment, Record, Status, TRIES_MAX, Try};
use crate::said::{self, ALREADY_PAID, GIVEN_UP, OVER_LIMIT, UNDER_WAY, provider_charge, refuse};
use crate::wallet::{self, Wallet};

/// It may come before the saga has asked for the money.
pub(crate) fn intend(known: Option<Payment>, m: &PaymentIntend, now: Time) -> Decision<Record> {
    let payment = known.unwrap_or_else(|| Payment::new(m.order_id, Status::AwaitingConfirmation, None, now));
    match (payment.status, &payment.intent) {
        (_, Some(_)) => Decision::ignored("it has a secret already"),
        (Status::AwaitingConfirmation, None) => {
            let secret = Some(m.secret.clone());
            Decision::done("it may be confirmed by its secret").save(Payment { intent: secret, ..payment })
        }
        (
            Status::AwaitingCash
            | Status::Asked
            | Status::Checking
            | Status::Undoing
            | Status::Captured
            | Status::Declined
            | Status::GivenUp,
            None,
        ) => Decision::ignored("it does not wait to be confirmed"),
    }
}

pub(crate) fn confirm(
    known: Option<Payment>,
    wallet: Option<&Wallet>,
    m: &PaymentConfirm,
    message: &Message,
    now: Time,
) -> Decision<Record> {
    let payment = match known {
        Some(payment) if payment.is_asked_or_over() => payment,
        not_asked if message.by == Speaker::Order => return ahead(not_asked, m, message, now),
        Some(_) | None => {
            return Decision::parked(
                "payment_unknown",
                "no payment was asked for this order; replay it once it was",
            );
        }
    };
    let (reason, decision) = match payment.status {
        Status::AwaitingConfirmation if payment.tries.len() >= TRIES_MAX => {
            ("too_many_tries", Decision::ignored("it was declined too often; nothing more is charged"))
        }
        Status::AwaitingConfirmation => {
            return charge(payment, wallet, m.payment.as_ref(), &message.id, now);
        }
        Status::AwaitingCash => ("paid_on_delivery", Decision::ignored("the cash has not come yet")),
        Status::Asked | Status::Checking | Status::Undoing => {
            (UNDER_WAY, Decision::ignored("a payment is under way already"))
        }
        Status::Captured => (ALREADY_PAID, Decision::ignored("it is paid already; nothing is charged twice")),
        Status::Declined | Status::GivenUp => {
            (GIVEN_UP, Decision::ignored("it was given up; nothing is charged"))
        }
    };
    answered(reason, decision, message, m.order_id)
}

/// The sender of `order.pay` hears that it changes nothing. A front end that confirms by itself reads the payment.
fn answered(
    reason: &str,
    decision: Decision<Record>,
    message: &Message,
    order_id: OrderId,
) -> Decision<Record> {
    if message.by == Speaker::Order { refuse(reason, decision, order_id) } else { decision }
}

/// The order exists, and its goods are not held yet: it is charged once the saga asks for the money.
fn ahead(known: Option<Payment>, m: &PaymentConfirm, message: &Message, now: Time) -> Decision<Record> {
    let payment = known.unwrap_or_else(|| Payment::new(m.order_id, Status::AwaitingConfirmation, None, now));
    if !payment.waits_to_be_paid() || payment.status != Status::AwaitingConfirmation {
        let decision = Decision::ignored("a payment is under way already");
        return answered(UNDER_WAY, decision, message, m.order_id);
    }
    let confirmed = Confirmed { by: message.id.clone(), payment: m.payment.clone() };
    Decision::done("it is charged once the goods are held").save(Payment {
        confirmed_ahead: Some(confirmed),
        updated_at: now,
        ..payment
    })
}

pub(crate) fn charge(
    mut payment: Payment,
    wallet: Option<&Wallet>,
    wanted: Option<&PaymentChoice>,
    id: &MessageId,
    now: Time,
) -> Decision<Record> {
    let by = (id.clone(), now);
    let one = |failure_code: Option<&str>| Try {
        confirmed_by: by.0.clone(),
        at: by.1,
        failure_code: failure_code.map(Into::into),
        transaction_id: None,
    };
    let Some(charge) = payment.charge.as_mut() else {
        return Decision::ignored("there is nothing to charge");
    };
    // What was charged last was declined, otherwise the payment would not wait. A token is not tried again unasked;
    // at PayPal the customer decides.
    let asks_again = wanted.is_none() && payment.tries.iter().any(|one| one.transaction_id.is_some());
    let is_named = charge.payment.token.is_some() || charge.payment.payment_method_id.is_some();
    let wanted = PaymentChoice { confirm: Confirm::Manual, ..wanted.unwrap_or(&charge.payment).clone() };
    let wanted = match (wanted.method, &wanted.token, &wanted.payment_method_id) {
        _ if asks_again && is_named => Err("payment_method_required"),
        (Method::Cod, ..) => Err("payment_method_mismatch"),
        (Method::Card | Method::DebitCard, None, None) => Err("payment_method_required"),
        (Method::Card | Method::DebitCard | Method::Paypal, ..) => wallet::resolve(wallet, &wanted, now),
    };
    match wanted {
        Ok(wanted) if wanted.method.over_limit(charge.amount).is_none() => {
            charge.method = wanted.method;
            charge.payment = wanted;
            charge.failure_code = None;
            // It still waits after that time: an operator has moved the saga's deadline.
            charge.not_after = charge.not_after.filter(|not_after| *not_after > now);
            payment.tries.push(one(None));
            let payment = payment.turn(Status::Asked, now);
            let ask = provider_charge(&payment);
            ask.into_iter().fold(Decision::done("confirmed").save(payment), Decision::say)
        }
        refused => {
            let code = refused.err().unwrap_or(OVER_LIMIT);
            charge.failure_code = Some(code.into());
            payment.tries.push(one(Some(code)));
            payment.updated_at = now;
            let fact = said::declined(&payment, now);
            Decision::done("it cannot be paid like that").save(payment).say(fact)
        }
    }
}

/// The provider took nothing for the try that is out: the customer hears it, and may try another way.
pub(crate) fn declined(
    mut payment: Payment,
    code: &str,
    transaction_id: &str,
    now: Time,
) -> Decision<Record> {
    if let Some(charge) = payment.charge.as_mut() {
        charge.failure_code = Some(code.into());
    }
    if let Some(last) = payment.tries.last_mut() {
        last.failure_code = Some(code.into());
        last.transaction_id = Some(transaction_id.into());
    }
    let payment = payment.turn(Status::AwaitingConfirmation, now);
    let fact = said::declined(&payment, now);
    Decision::done("declined; it may be tried again").save(payment).say(fact)
}

/// The customer has not paid, and patience is over.
pub(crate) fn given_up(payment: Payment, fact: Body, now: Time) -> Decision<Record> {
    Decision::done("nobody confirmed it in time").save(payment.turn(Status::GivenUp, now)).say(fact)
}
