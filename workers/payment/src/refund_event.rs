//! An event about a refund is matched with one refund and one try of it, and booked once.

use contract::{Body, Decision, PaymentRefundFailed, Time, bodies};

use crate::outside;
use crate::record::{Payment, Record, Refund, RefundState};
use crate::refund::provider_refund;
use crate::told::{STRAY, Source};

/// A provider that refuses is asked under a new key this often before a person has to look.
const TRIES_MAX: u32 = 3;

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
    let names_try = payment.names_a_try(&m.data.transaction_id);
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
    let names_try = payment.names_a_try(&m.data.transaction_id);
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

/// Providers that do not send the key back give each try a transaction id of its own. A known id is that try. A new
/// id belongs to what is known only as part of the refunded total, if that is enough; otherwise to the latest try: an
/// older one was named when it was refused, or there would be no later one. The refund is then clear as long as only
/// one has that amount.
fn find_without_key(payment: &Payment, m: &bodies::ProviderEvent) -> Option<(usize, bool)> {
    let transaction = &m.data.transaction_id;
    let names_try = payment.names_a_try(transaction);
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
    // A refund that is done under one id, and told of under another, is another refund.
    (!names_try || refund.transaction_id.is_none()).then_some((at, true))
}
