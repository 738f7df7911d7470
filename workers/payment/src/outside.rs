//! Money that was refunded at the provider's side is booked once, whether it is told refund by refund, as the
//! charge's refunded total, or both, in any order. Never more is booked than the provider has told of.

use contract::{Decision, Money, Time, bodies};

use crate::early::{self, Awaits};
use crate::record::{Payment, Record, Refund, RefundState, Status};
use crate::refund::{book, refunded};
use crate::told::{self, Source};

/// A refund under an id that was not asked for here.
pub(crate) fn one(
    mut payment: Payment,
    m: &bodies::ProviderEvent,
    source: Source,
    now: Time,
) -> Decision<Record> {
    let amount = m.data.amount;
    // Without an id of its own it could not be told from the next one.
    if !fits(&payment, amount) || !payment.names_a_try(&m.data.transaction_id) {
        return strange();
    }
    let more = amount.minor() - nameless(&payment).min(amount.minor());
    if let Some(decision) = too_much(&payment, m, more, now) {
        return decision;
    }
    let since = payment.refunds.iter().find(|refund| is_nameless(refund)).and_then(|refund| refund.done_at);
    take_from_the_nameless(&mut payment, amount.minor());
    let done = Refund::done(0, amount, since.unwrap_or(now));
    let transaction_id = Some(m.data.transaction_id.clone());
    payment.refunds.push(Refund { transaction_id, outside: true, ..done });
    if more == 0 {
        payment.updated_at = now;
        return Decision::done("it is known that this went back, and now by which name").save(payment);
    }
    let name = m.data.transaction_id.clone();
    enter(payment, &name, more, source, now)
}

/// The charge's refunded total: what is not booked of it was refunded just now.
pub(crate) fn in_all(
    mut payment: Payment,
    m: &bodies::ProviderEvent,
    in_all: Money,
    source: Source,
    now: Time,
) -> Decision<Record> {
    if !fits(&payment, in_all) {
        return strange();
    }
    let by_hand = payment.refunds.iter().filter(|refund| refund.by_hand.is_some());
    let by_hand: i64 = by_hand.map(|refund| refund.amount.minor()).sum();
    let more = in_all.minor() - (payment.refunded_minor - by_hand);
    if more <= 0 {
        return Decision::ignored("it is known that so much went back");
    }
    let asked = |refund: &Refund| refund.state != RefundState::Done && refund.amount.minor() == more;
    if let Some(at) = payment.refunds.iter().position(asked) {
        return found(payment, at, m, source, now);
    }
    // The total may include that refund, or may not.
    if payment.sum_of(RefundState::Asked) > 0 {
        return early::hold(m, Awaits::Refund, now);
    }
    if let Some(decision) = too_much(&payment, m, more, now) {
        return decision;
    }
    let Ok(amount) = Money::from_minor(more, in_all.currency()) else { return strange() };
    payment.refunds.push(Refund { outside: true, ..Refund::done(0, amount, now) });
    enter(payment, &name_of_sum(in_all), more, source, now)
}

fn name_of_sum(in_all: Money) -> String {
    format!("in_all/{}", in_all.minor())
}

/// It is one that was asked for here. If the provider's own books refused it, they have to learn that it was made.
pub(crate) fn found(
    payment: Payment,
    at: usize,
    m: &bodies::ProviderEvent,
    source: Source,
    now: Time,
) -> Decision<Record> {
    let refund = &payment.refunds[at];
    let unknown = source == Source::Outside && refund.state == RefundState::Failed;
    let name = m.data.refunded_in_all.map_or_else(|| m.data.transaction_id.clone(), name_of_sum);
    let told = unknown.then(|| told::refund(&payment, &name, refund.amount.minor()));
    let decision = book(payment, at, now);
    told.flatten().into_iter().fold(decision, Decision::say)
}

/// It names the refunded charge, and that is not the order's. Ids of different kinds cannot be compared: one provider
/// has several for one charge.
pub(crate) fn is_of_another_charge(payment: &Payment, m: &bodies::ProviderEvent) -> bool {
    let Some(known) = payment.capture_name() else { return false };
    let kind = |name: &str| name.split_once('_').map(|(kind, _)| kind.to_string());
    let names = &m.data.charged_as;
    !names.iter().any(|name| name == known) && names.iter().any(|name| kind(name) == kind(known))
}

/// What is known of `minor` only as part of the total gets an id now: it is not counted twice.
fn take_from_the_nameless(payment: &mut Payment, minor: i64) {
    let mut left = minor;
    for refund in payment.refunds.iter_mut().filter(|refund| is_nameless(refund)) {
        left -= cut(refund, left);
    }
    payment.refunds.retain(|refund| !(is_nameless(refund) && refund.amount.is_zero()));
}

fn fits(payment: &Payment, amount: Money) -> bool {
    payment.status == Status::Captured && payment.currency == Some(amount.currency()) && amount.minor() > 0
}

fn strange() -> Decision<Record> {
    Decision::alarm("the provider gave back what was not asked for; look at its books")
}

/// More than there is cannot have been refunded; unless a refund that is on its way fails, which makes room for this
/// one.
fn too_much(payment: &Payment, m: &bodies::ProviderEvent, more: i64, now: Time) -> Option<Decision<Record>> {
    if more > payment.kept() {
        return Some(strange());
    }
    let asked = payment.sum_of(RefundState::Asked);
    (more > payment.kept() - asked).then(|| early::hold(m, Awaits::Refund, now))
}

/// Its entry is the last in the list. The provider's books may have to learn of `more`, the new part of it.
fn enter(mut payment: Payment, name: &str, more: i64, source: Source, now: Time) -> Decision<Record> {
    payment.refunded_minor += more;
    payment.updated_at = now;
    make_room(&mut payment, now);
    let told = (source == Source::Outside).then(|| told::refund(&payment, name, more)).flatten();
    let fact = payment.refunds.last().and_then(|refund| {
        let amount = Money::from_minor(more, refund.amount.currency()).ok()?;
        Some(refunded(&payment, &Refund { amount, ..refund.clone() }, now))
    });
    let decision =
        Decision::alarm("the provider gave back what was not asked for; it is booked").save(payment);
    fact.into_iter().chain(told).fold(decision, Decision::say)
}

/// A refund that the provider keeps refusing is reduced to what is left, for when an operator retries it.
fn make_room(payment: &mut Payment, now: Time) {
    let mut over = -payment.left();
    for refund in payment.refunds.iter_mut().rev().filter(|refund| refund.state == RefundState::Failed) {
        over -= cut(refund, over);
        if refund.amount.is_zero() {
            (refund.state, refund.done_at) = (RefundState::Done, Some(now));
        }
    }
}

/// Reduces it by `minor`, or to zero.
fn cut(refund: &mut Refund, minor: i64) -> i64 {
    let less = refund.amount.minor().min(minor).max(0);
    match Money::from_minor(refund.amount.minor() - less, refund.amount.currency()) {
        Ok(amount) => {
            refund.amount = amount;
            less
        }
        Err(_) => 0,
    }
}

/// What is known only as part of the refunded total.
pub(crate) fn nameless(payment: &Payment) -> i64 {
    payment.refunds.iter().filter(|refund| is_nameless(refund)).map(|refund| refund.amount.minor()).sum()
}

fn is_nameless(refund: &Refund) -> bool {
    refund.outside && refund.transaction_id.is_none()
}
