//! Refunds: never more than was captured, and never twice, however often one is asked for.

use contract::{
    Body, Decision, Money, Outcome, PaymentRefundFailed, PaymentRefunded, PaymentVoided, ProviderRefund,
    Time, bodies,
};

use crate::charge;
use crate::record::{Payment, Record, Refund, RefundState, Status};
use crate::said::query;
use crate::told;

pub(crate) fn ask(known: Option<Payment>, m: &bodies::PaymentRefund, now: Time) -> Decision<Record> {
    // A return touches only its own share: it never undoes a charge that is under way.
    let captured = known.as_ref().is_some_and(|payment| payment.status == Status::Captured);
    if m.return_no != 0 && !captured {
        return exceeds(m, now);
    }
    let Some(payment) = known else { return charge::look(m.order_id, Status::Undoing, now) };
    match payment.status {
        Status::AwaitingCash if payment.cash_ahead.is_some() => {
            let voided = voided(&payment, now);
            Decision::alarm("cash came for an order that is given up: it has to go back by hand")
                .save(payment.turn(Status::GivenUp, now))
                .say(voided)
        }
        Status::AwaitingCash => {
            let voided = voided(&payment, now);
            Decision::done("no cash is taken any more").save(payment.turn(Status::GivenUp, now)).say(voided)
        }
        Status::AwaitingConfirmation => {
            let voided = voided(&payment, now);
            Decision::done("nobody can confirm it any more")
                .save(payment.turn(Status::GivenUp, now))
                .say(voided)
        }
        Status::Asked | Status::Checking => {
            let ask = query(&payment);
            Decision::done("asked the provider what there is to undo")
                .save(payment.turn(Status::Undoing, now))
                .say(ask)
        }
        Status::Undoing => {
            Decision::done("asked the provider again what there is to undo").say(query(&payment))
        }
        Status::Declined | Status::GivenUp => {
            Decision::done("there is nothing to give back").say(voided(&payment, now))
        }
        Status::Captured => match payment.refund_of(m.return_no) {
            Some(at) => again(payment, at, now),
            None => first(payment, m, now),
        },
    }
}

/// A return's share is refunded, or what is left of it: some may have been refunded at the provider's side.
fn first(payment: Payment, m: &bodies::PaymentRefund, now: Time) -> Decision<Record> {
    let left = payment.left().max(0);
    let currency = payment.currency.expect("what is captured has a currency");
    let wanted = m.amount.map_or_else(|| Money::from_minor(left, currency).ok(), Some);
    let Some(wanted) = wanted.filter(|wanted| wanted.currency() == currency && !wanted.is_negative()) else {
        return exceeds(m, now);
    };
    let amount = Money::from_minor(wanted.minor().min(left), currency).unwrap_or(wanted);
    let decision = start(payment, m.return_no, amount, false, now);
    if amount == wanted {
        return decision;
    }
    let what = "less is left than its share: gives back what is left";
    Decision { outcome: Outcome::Done(what), ..decision }
}

fn exceeds(m: &bodies::PaymentRefund, now: Time) -> Decision<Record> {
    let fact = PaymentRefundFailed {
        order_id: m.order_id,
        at: now,
        code: "refund_exceeds_capture".to_string(),
        message: "nothing was captured that it could be given back of, or not in this currency".to_string(),
        return_no: m.return_no,
        late: false,
    };
    Decision::alarm("a refund of what was not captured was asked for").say(Body::PaymentRefundFailed(fact))
}

/// Begins to refund `amount`; for a zero amount the provider is not asked.
pub(crate) fn start(
    mut payment: Payment,
    return_no: u32,
    amount: Money,
    late: bool,
    now: Time,
) -> Decision<Record> {
    let done = Refund { late, tries: 1, ..Refund::done(return_no, amount, now) };
    let refund = match amount.is_zero() {
        true => done,
        false => Refund { state: RefundState::Asked, done_at: None, ..done },
    };
    let state = refund.state;
    payment.refunds.push(refund.clone());
    payment.updated_at = now;
    let body = match state {
        RefundState::Asked => provider_refund(&payment, &refund),
        RefundState::Done | RefundState::Failed => refunded(&payment, &refund, now),
    };
    Decision::done("gives the money back").save(payment).say(body)
}

/// The saga (or an operator, after a failure) asks again.
fn again(mut payment: Payment, at: usize, now: Time) -> Decision<Record> {
    match payment.refunds[at].state {
        RefundState::Asked => {
            let body = provider_refund(&payment, &payment.refunds[at]);
            Decision::done("asked the provider again, under the same key").say(body)
        }
        RefundState::Done => {
            Decision::done("it went back before").say(refunded(&payment, &payment.refunds[at], now))
        }
        RefundState::Failed => {
            payment.refunds[at].state = RefundState::Asked;
            payment.refunds[at].tries += 1;
            payment.updated_at = now;
            let body = provider_refund(&payment, &payment.refunds[at]);
            Decision::done("asked the provider anew, under a new key").save(payment).say(body)
        }
    }
}

pub(crate) fn by_hand(known: Option<Payment>, m: &bodies::PaymentByHand, now: Time) -> Decision<Record> {
    let found = known.and_then(|payment| payment.refund_of(m.return_no).map(|at| (payment, at)));
    let Some((mut payment, at)) = found else {
        return Decision::parked(
            "refund_unknown",
            "no such refund was asked for; nothing can be booked by hand",
        );
    };
    match payment.refunds[at].state {
        RefundState::Done => {
            Decision::done("it went back before").say(refunded(&payment, &payment.refunds[at], now))
        }
        RefundState::Asked => {
            Decision::alarm("the provider has not refused this refund: it is not booked by hand")
        }
        RefundState::Failed => {
            payment.refunds[at].by_hand = Some(m.evidence.clone());
            book(payment, at, now)
        }
    }
}

pub(crate) fn book(mut payment: Payment, at: usize, now: Time) -> Decision<Record> {
    payment.refunds[at].state = RefundState::Done;
    payment.refunds[at].done_at = Some(now);
    payment.refunded_minor += payment.refunds[at].amount.minor();
    assert!(payment.refunded_minor <= payment.captured_minor, "a refund never exceeds the capture");
    payment.updated_at = now;
    let body = refunded(&payment, &payment.refunds[at], now);
    Decision::done("the money went back").save(payment).say(body)
}

pub(crate) fn provider_refund(payment: &Payment, refund: &Refund) -> Body {
    Body::ProviderRefund(ProviderRefund {
        key: payment.refund_key(refund),
        order_id: payment.order_id,
        transaction_id: payment.capture_name().unwrap_or_default().to_string(),
        amount: refund.amount,
        charged: told::captured(payment),
    })
}

pub(crate) fn refunded(payment: &Payment, refund: &Refund, now: Time) -> Body {
    Body::PaymentRefunded(PaymentRefunded {
        order_id: payment.order_id,
        at: now,
        amount: refund.amount,
        transaction_id: refund.transaction_id.clone(),
        return_no: refund.return_no,
        late: refund.late,
        outside: refund.outside,
    })
}

pub(crate) fn voided(payment: &Payment, now: Time) -> Body {
    Body::PaymentVoided(PaymentVoided { order_id: payment.order_id, at: now })
}
