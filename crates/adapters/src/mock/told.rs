//! What an event from outside told of is booked like a charge of these books: one for each key, under the id that the
//! event gives it. What is known is not booked again.

use contract::{ChargeStanding, ProviderRefund, Time, ToldCharge};

use super::draw;
use super::rules::{Charge, Ends, Refund, Refunds, standing};

/// The charge as it stands afterwards; `None` if nothing changes.
pub(super) fn charge(known: Option<&Charge>, told: &ToldCharge, now: Time) -> Option<Charge> {
    let ends = match &told.failure_code {
        None => Ends::Succeeds { at: now },
        Some(code) => Ends::Fails { at: now, code: code.clone() },
    };
    let name = Some(told.transaction_id.clone());
    let Some(known) = known else {
        return Some(Charge {
            key: told.key.clone(),
            reference: told.order_id,
            transaction_id: draw::id("ch_", told.order_id, &told.key),
            told: name,
            amount: told.amount,
            ends,
            told_times: 0,
            refunds: Refunds::Succeed,
            refunded_minor: 0,
            refunds_failed: 0,
        });
    };
    if (known.reference, known.amount) != (told.order_id, told.amount) {
        return None;
    }
    let ends = match (standing(Some(known), now), ends) {
        (ChargeStanding::Succeeded { transaction_id, .. }, Ends::Succeeds { .. })
            if transaction_id == told.transaction_id =>
        {
            return None;
        }
        // The money was taken already, under an id that no caller was told.
        (ChargeStanding::Succeeded { .. }, Ends::Succeeds { .. }) => known.ends.clone(),
        (ChargeStanding::Failed { .. }, Ends::Fails { .. }) => return None,
        // Its own result was told, or an event from outside came before this one: money that was taken stays taken.
        (ChargeStanding::Succeeded { .. }, Ends::Fails { .. })
            if known.told_times > 0 || known.told.is_some() =>
        {
            return None;
        }
        (_, ends) => ends,
    };
    Some(Charge { ends, told: name, told_times: 0, ..known.clone() })
}

/// The refund, and its charge as it stands afterwards; `None` if it is known, or there is no such money to refund.
pub(super) fn refund(
    known: Option<&Refund>,
    charge: Option<&Charge>,
    told: &ProviderRefund,
    now: Time,
) -> Option<(Refund, Charge)> {
    let charge =
        charge.filter(|charge| known.is_none() && charge.amount.currency() == told.amount.currency())?;
    let refunded_minor = charge.refunded_minor + told.amount.minor();
    let captured = matches!(standing(Some(charge), now), ChargeStanding::Succeeded { .. });
    if !captured || told.amount.is_negative() || refunded_minor > charge.amount.minor() {
        return None;
    }
    let refund = Refund {
        key: told.key.clone(),
        reference: told.order_id,
        transaction_id: told.transaction_id.clone(),
        amount: told.amount,
        failure_code: None,
        told_at: now,
    };
    Some((refund, Charge { refunded_minor, ..charge.clone() }))
}
