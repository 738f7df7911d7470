//! Giving money back: never more than was captured, and never twice, however often it is asked for.

use contract::{
    Body, Decision, Money, Outcome, PaymentRefundFailed, PaymentRefunded, PaymentVoided, ProviderRefund,
    Time, bodies,
};

use crate::outside;
use crate::record::{Payment, Record, Refund, RefundState, Status};
use crate::said::query;
use crate::told::{self, Source};

/// A provider that refuses is asked under a new key this often before a person has to look.
const TRIES_MAX: u32 = 3;
/// Begins the keys of refunds of a second capture, which our books never took in.
pub(crate) const STRAY: &str = "stray/";

pub(crate) fn ask(known: Option<Payment>, m: &bodies::PaymentRefund, now: Time) -> Decision<Record> {
    // A return's share is all that a return may touch: it never undoes a charge that is under way.
    let captured = known.as_ref().is_some_and(|payment| payment.status == Status::Captured);
    if m.return_no != 0 && !captured {
        return exceeds(m, now);
    }
    let Some(payment) = known else {
        let payment = Payment::new(m.order_id, Status::GivenUp, None, now);
        let voided = voided(&payment, now);
        return Decision::done("undone before it was asked for").save(payment).say(voided);
    };
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

/// A return's share is what goes back, or what is left of it: some may have gone back at the provider's side.
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

/// Begins to give back `amount`; of nothing there is nothing to ask the provider.
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

pub(crate) fn succeeded(
    mut payment: Payment,
    m: &bodies::ProviderEvent,
    source: Source,
    now: Time,
) -> Decision<Record> {
    if is_stray(m) {
        return Decision::done("what was captured a second time went back");
    }
    if outside::is_of_another_charge(&payment, m) {
        return Decision::ignored("it is of another charge than the one that this order was paid by");
    }
    if let Some(in_all) = m.data.refunded_in_all {
        return outside::in_all(payment, m, in_all, source, now);
    }
    let Some((at, current)) = find(&payment, m) else { return outside::one(payment, m, source, now) };
    let names_try = names_a_try(&payment, &m.data.transaction_id);
    let refund = &mut payment.refunds[at];
    match refund.state {
        RefundState::Done if current && refund.by_hand.is_none() => {
            if !names_try || refund.transaction_id.is_some() {
                return Decision::ignored("it is known that this went back");
            }
            refund.transaction_id = Some(m.data.transaction_id.clone());
            payment.updated_at = now;
            Decision::done("it is known that this went back, and now by which name").save(payment)
        }
        RefundState::Done => {
            Decision::alarm("the provider made a refund that had gone back another way; it went back twice")
        }
        RefundState::Asked | RefundState::Failed if !current => {
            Decision::alarm("the provider made a refund after refusing it; look whether it went back twice")
        }
        RefundState::Asked | RefundState::Failed if refund.amount != m.data.amount => {
            Decision::alarm("the provider gave back another amount than was asked for; look at its books")
        }
        RefundState::Asked | RefundState::Failed => {
            if names_try {
                refund.transaction_id = Some(m.data.transaction_id.clone());
            }
            outside::found(payment, at, m, source, now)
        }
    }
}

pub(crate) fn failed(mut payment: Payment, m: &bodies::ProviderEvent, now: Time) -> Decision<Record> {
    if is_stray(m) {
        return Decision::alarm("what was captured a second time was not given back: return it by hand");
    }
    let Some((at, current)) = find(&payment, m) else {
        return Decision::alarm("the provider refused a refund that was not asked for; look at its books");
    };
    let names_try = names_a_try(&payment, &m.data.transaction_id);
    let refund = &mut payment.refunds[at];
    if refund.state == RefundState::Asked && current && names_try {
        refund.refused.push(m.data.transaction_id.clone());
    }
    match (refund.state, current) {
        (RefundState::Done, _) => Decision::ignored("it went back before"),
        (RefundState::Failed, _) => Decision::ignored("it is known that this failed"),
        (RefundState::Asked, false) => Decision::ignored("it was asked for anew since"),
        (RefundState::Asked, true) if refund.tries < TRIES_MAX => {
            refund.tries += 1;
            payment.updated_at = now;
            let body = provider_refund(&payment, &payment.refunds[at]);
            Decision::done("refused; asked anew, under a new key").save(payment).say(body)
        }
        (RefundState::Asked, true) => {
            refund.state = RefundState::Failed;
            let fact = PaymentRefundFailed {
                order_id: payment.order_id,
                at: now,
                code: m.data.failure_code.clone().unwrap_or_else(|| "refund_failed".to_string()),
                message: format!(
                    "the provider refused to give back {}, {} times",
                    refund.amount, refund.tries
                ),
                return_no: refund.return_no,
                late: refund.late,
            };
            payment.updated_at = now;
            Decision::alarm("the provider keeps refusing a refund")
                .save(payment)
                .say(Body::PaymentRefundFailed(fact))
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

fn is_stray(m: &bodies::ProviderEvent) -> bool {
    m.data.key.as_ref().is_some_and(|key| key.starts_with(STRAY))
}

/// Which refund an event is about, and whether it is about its latest try.
fn find(payment: &Payment, m: &bodies::ProviderEvent) -> Option<(usize, bool)> {
    let Some(key) = &m.data.key else { return find_without_key(payment, m) };
    let by_key = (0..payment.refunds.len()).find_map(|at| {
        let refund = &payment.refunds[at];
        let tried = |tries| payment.refund_key(&Refund { tries, ..refund.clone() }) == *key;
        (1..=refund.tries).find(|tries| tried(*tries)).map(|tries| (at, tries == refund.tries))
    });
    // Its key was chosen at the provider's side.
    let called_so = |refund: &Refund| refund.transaction_id.as_ref() == Some(&m.data.transaction_id);
    let outside = || payment.refunds.iter().position(|refund| refund.outside && called_so(refund));
    by_key.or_else(|| outside().map(|at| (at, true)))
}

/// Providers that do not send the key back name each try by a transaction of its own. One that was heard of before is
/// that try. One that is new is of what is known by the sum of all that went back, if that is so much; else it is the latest:
/// an older one was named when it was refused, or there would be no later one.
/// Which refund it then is can be told as long as only one has that amount.
fn find_without_key(payment: &Payment, m: &bodies::ProviderEvent) -> Option<(usize, bool)> {
    let transaction = &m.data.transaction_id;
    let names_try = names_a_try(payment, transaction);
    let refunds = || payment.refunds.iter().enumerate();
    if let Some((at, _)) = refunds().find(|(_, refund)| refund.transaction_id.as_ref() == Some(transaction)) {
        return Some((at, true));
    }
    if let Some((at, refund)) = refunds().find(|(_, refund)| refund.refused.contains(transaction)) {
        // Refused for good: there was no later try.
        let latest = refund.state == RefundState::Failed && refund.refused.last() == Some(transaction);
        return Some((at, latest));
    }
    if names_try && (1..=outside::nameless(payment)).contains(&m.data.amount.minor()) {
        return None;
    }
    let mut alike = refunds().filter(|(_, refund)| refund.amount == m.data.amount && !refund.outside);
    let (at, refund) = alike.next().filter(|_| alike.next().is_none())?;
    // What is done under one name, and told of under another, is another refund.
    (!names_try || refund.transaction_id.is_none()).then_some((at, true))
}

/// Some providers name the charge in events about its refunds: that says nothing about the try.
pub(crate) fn names_a_try(payment: &Payment, transaction_id: &str) -> bool {
    payment.capture_name() != Some(transaction_id)
}

fn provider_refund(payment: &Payment, refund: &Refund) -> Body {
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
