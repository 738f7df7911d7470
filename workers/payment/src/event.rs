//! The provider's events. What fits what was asked is believed; after any other the provider is asked, and its answer
//! from its own books is believed.

use contract::{
    Body, ChargeStanding, Decision, Money, ProviderEventKind, ProviderRefund, ProviderTold, Time, bodies,
};

use crate::early::Awaits;
use crate::record::{Payment, Record, Status};
use crate::said::{MISMATCH, captured, declined, query, timed_out};
use crate::told::{self, STRAY, Source};
use crate::{confirm, early, later, refund, refund_event};

pub(crate) fn heard(
    known: Option<Payment>,
    m: &bodies::ProviderEvent,
    source: Source,
    now: Time,
) -> Decision<Record> {
    if m.data.amount.is_negative() || m.data.refunded_in_all.is_some_and(Money::is_negative) {
        return Decision::parked("amount_negative", "money moves one way; correct the sign of the amount");
    }
    let Some(payment) = known.filter(Payment::is_asked_or_over) else {
        return early::hold(m, Awaits::Payment, now);
    };
    match m.kind {
        ProviderEventKind::PaymentSucceeded => succeeded(payment, m, source, now),
        ProviderEventKind::PaymentFailed => failed(payment, m, source, now),
        // It has overtaken the event of its capture.
        ProviderEventKind::RefundSucceeded if payment.may_be_captured() => {
            early::hold(m, Awaits::Capture, now)
        }
        ProviderEventKind::RefundSucceeded => refund_event::succeeded(payment, m, source, now),
        ProviderEventKind::RefundFailed => refund_event::failed(payment, m, now),
    }
}

/// It was held, and it is time to look again.
pub(crate) fn heard_again(known: Option<Payment>, m: &bodies::PaymentHeld, now: Time) -> Decision<Record> {
    if known.is_none() {
        return early::hold(&m.event, Awaits::Payment, now);
    }
    // The provider's books know every charge that was asked for: an event about another was told from outside.
    early::let_go(heard(known, &m.event, Source::Outside, now), &m.event)
}

fn succeeded(payment: Payment, m: &bodies::ProviderEvent, source: Source, now: Time) -> Decision<Record> {
    let fits = asked_for(&payment) == Some(m.data.amount);
    match payment.status {
        Status::Captured => captured_again(&payment, m, source),
        Status::Checking | Status::Undoing | Status::GivenUp if payment.is_over_unasked() => {
            Decision::done("nothing was asked for; the provider is asked what it took").say(query(&payment))
        }
        Status::AwaitingCash => {
            Decision::alarm("the provider captured cash that nobody reported; it is asked")
                .say(query(&payment))
        }
        Status::AwaitingConfirmation
        | Status::Asked
        | Status::Checking
        | Status::Undoing
        | Status::Declined
        | Status::GivenUp
            if !fits =>
        {
            Decision::alarm("an event does not fit what was asked for; the provider is asked")
                .say(query(&payment))
        }
        // A front end may have the provider confirm it, and then its event is the first we hear of it.
        Status::AwaitingConfirmation
        | Status::Asked
        | Status::Checking
        | Status::Undoing
        | Status::Declined
        | Status::GivenUp => match source {
            Source::Books => capture(payment, &m.data.transaction_id, now),
            Source::Outside => {
                let told = told::charge(&payment, m, None);
                capture(Payment { told_outside: true, ..payment }, &m.data.transaction_id, now).say(told)
            }
        },
    }
}

/// Enters a capture of the right amount, whatever had been decided before.
fn capture(mut payment: Payment, transaction_id: &str, now: Time) -> Decision<Record> {
    let before = payment.status;
    let amount = asked_for(&payment).expect("callers compared it with what was asked for");
    payment.captured_minor = amount.minor();
    payment.name_capture(transaction_id);
    let payment = payment.turn(Status::Captured, now);
    match before {
        Status::AwaitingConfirmation | Status::Asked | Status::Checking | Status::AwaitingCash => {
            let fact = captured(&payment, now);
            Decision::done("captured").save(payment).say(fact)
        }
        Status::Undoing => refund::start(payment, 0, amount, false, now),
        Status::Declined => refund::start(payment, 0, amount, true, now),
        Status::GivenUp => later::enough(refund::start(payment.clone(), 0, amount, true, now), &payment),
        Status::Captured => Decision::ignored("it is known that this was captured"),
    }
}

/// The same money, or other money for the same order: that is refunded, if the provider really has it.
fn captured_again(payment: &Payment, m: &bodies::ProviderEvent, source: Source) -> Decision<Record> {
    if payment.capture_name() == Some(&m.data.transaction_id) {
        return Decision::ignored("it is known that this was captured");
    }
    if m.data.amount.is_zero() {
        return Decision::ignored("of nothing there is nothing to give back");
    }
    let told = (source == Source::Outside).then(|| told::second_charge(m));
    let back = Body::ProviderRefund(ProviderRefund {
        key: format!("{STRAY}{}", m.data.transaction_id),
        order_id: payment.order_id,
        transaction_id: m.data.transaction_id.clone(),
        amount: m.data.amount,
        charged: told.clone(),
    });
    let decision =
        Decision::alarm("the provider captured a second time for one order; the second goes back").say(back);
    let told = told.map(|charge| Body::ProviderTold(ProviderTold::Charge(charge)));
    told.into_iter().fold(decision, Decision::say)
}

fn failed(payment: Payment, m: &bodies::ProviderEvent, source: Source, now: Time) -> Decision<Record> {
    let fits = asked_for(&payment) == Some(m.data.amount);
    if payment.is_of_an_older_try(&m.data.transaction_id) {
        return Decision::ignored("it is known that this try was declined");
    }
    match payment.status {
        Status::AwaitingConfirmation => Decision::ignored("it is known that nothing was captured"),
        Status::Checking | Status::Undoing if payment.is_over_unasked() => {
            Decision::done("nothing was asked for; the provider is asked what it took").say(query(&payment))
        }
        Status::Asked | Status::Checking | Status::Undoing if !fits => {
            Decision::alarm("an event does not fit what was asked for; the provider is asked")
                .say(query(&payment))
        }
        Status::Asked | Status::Checking | Status::Undoing => {
            let code = m.data.failure_code.as_deref().unwrap_or("declined");
            let told = (source == Source::Outside).then(|| told::charge(&payment, m, Some(code)));
            let decision = decline(payment, code, &m.data.transaction_id, now);
            told.into_iter().fold(decision, Decision::say)
        }
        Status::Captured => Decision::ignored("it was captured; an older failure changes nothing"),
        Status::AwaitingCash => Decision::ignored("the cash has not come yet"),
        Status::Declined | Status::GivenUp => Decision::ignored("it is known that nothing was captured"),
    }
}

fn decline(mut payment: Payment, code: &str, transaction_id: &str, now: Time) -> Decision<Record> {
    if payment.may_be_tried_again() {
        return confirm::declined(payment, code, transaction_id, now);
    }
    let undoing = payment.status == Status::Undoing;
    if let Some(charge) = payment.charge.as_mut() {
        charge.failure_code = Some(code.to_string());
    }
    let payment = payment.turn(Status::Declined, now);
    let fact = if undoing { refund::voided(&payment, now) } else { declined(&payment, now) };
    Decision::done("declined").save(payment).say(fact)
}

/// The provider's own books decide.
pub(crate) fn answered(known: Option<Payment>, m: &bodies::ProviderAnswer, now: Time) -> Decision<Record> {
    let Some(payment) = known else {
        return Decision::parked("payment_unknown", "no payment was asked for this order");
    };
    let of_the_last_try = m.key == payment.charge_key();
    match &m.charge {
        ChargeStanding::Pending | ChargeStanding::NotFound | ChargeStanding::Failed { .. }
            if !of_the_last_try =>
        {
            Decision::ignored("it is about a try that was declined before")
        }
        ChargeStanding::Succeeded { transaction_id, amount } => {
            if payment.status == Status::Captured {
                return Decision::ignored("it is known that this was captured");
            }
            if asked_for(&payment) == Some(*amount) {
                return capture(payment, transaction_id, now);
            }
            if amount.is_negative() {
                return Decision::alarm("the provider captured less than nothing; look at its books");
            }
            wrong_amount(payment, transaction_id, *amount, now)
        }
        ChargeStanding::Failed { failure_code, transaction_id } => match payment.status {
            Status::AwaitingConfirmation => Decision::ignored("it is known that nothing was captured"),
            Status::Checking | Status::Undoing if payment.is_over_unasked() => {
                later::enough(give_up(&payment, now), &payment)
            }
            Status::Asked | Status::Checking | Status::Undoing => {
                decline(payment, failure_code, transaction_id, now)
            }
            Status::AwaitingCash => Decision::ignored("the cash has not come yet"),
            Status::Captured => Decision::alarm("the provider says that what it captured had failed"),
            Status::Declined => Decision::ignored("it is known that nothing was captured"),
            Status::GivenUp => {
                later::enough(Decision::ignored("it is known that nothing was captured"), &payment)
            }
        },
        ChargeStanding::Pending | ChargeStanding::NotFound => match payment.status {
            Status::AwaitingConfirmation => Decision::ignored("it waits to be confirmed"),
            Status::Asked => Decision::ignored("the provider has not decided yet"),
            // What the provider has not captured now it may still capture: this is not the last query.
            Status::Checking | Status::Undoing => later::look_again(give_up(&payment, now), &payment, now),
            Status::AwaitingCash => Decision::ignored("the cash has not come yet"),
            Status::Captured => Decision::ignored("it was captured since"),
            Status::Declined => Decision::ignored("it is known that nothing was captured"),
            Status::GivenUp => {
                later::look_again(Decision::ignored("nothing was captured so far"), &payment, now)
            }
        },
    }
}

fn give_up(payment: &Payment, now: Time) -> Decision<Record> {
    let (what, fact) = match payment.status == Status::Undoing {
        true => ("nothing was captured", refund::voided(payment, now)),
        false => ("given up", timed_out(payment, now)),
    };
    Decision::done(what).save(payment.clone().turn(Status::GivenUp, now)).say(fact)
}

/// The provider took another amount than it was asked for, or an amount that is not asked for any more: it is
/// refunded in whole, and the order is not paid.
fn wrong_amount(mut payment: Payment, transaction_id: &str, amount: Money, now: Time) -> Decision<Record> {
    if !payment.is_asked_or_over() {
        return Decision::alarm("the provider captured what was not asked for so far; look at its books");
    }
    let before = payment.status;
    payment.captured_minor = amount.minor();
    payment.currency = Some(amount.currency());
    payment.name_capture(transaction_id);
    if let Some(charge) = payment.charge.as_mut() {
        charge.failure_code = Some(MISMATCH.to_string());
    }
    let payment = payment.turn(Status::Captured, now);
    let undoing = before == Status::Undoing;
    let fact = if payment.charge.is_some() { declined(&payment, now) } else { timed_out(&payment, now) };
    let decision = later::enough(refund::start(payment.clone(), 0, amount, !undoing, now), &payment);
    match before {
        Status::Undoing | Status::Declined | Status::GivenUp | Status::Captured => decision,
        Status::AwaitingConfirmation | Status::AwaitingCash | Status::Asked | Status::Checking => {
            decision.say(fact)
        }
    }
}

fn asked_for(payment: &Payment) -> Option<Money> {
    payment.charge.as_ref().map(|charge| charge.amount)
}
