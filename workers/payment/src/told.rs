//! An event that is trusted because of its speaker may be unknown to the provider's own books: they are told of it.

use contract::{Body, Money, ProviderEvent, ProviderRefund, ProviderTold, Speaker, ToldCharge};

use crate::record::Payment;

/// Begins the keys of a second capture, which our books never took in, and of its refund.
pub(crate) const STRAY: &str = "stray/";

/// Where an event comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// The provider's own books: what it tells of is in them.
    Books,
    /// Signed, by a login that may speak for the provider, or from an operator.
    Outside,
}

impl Source {
    pub(crate) fn of(by: Speaker) -> Self {
        // The adapter, and the courier of the mock.
        match matches!(by, Speaker::Provider | Speaker::Timers) {
            true => Source::Books,
            false => Source::Outside,
        }
    }
}

/// What the books have to learn of a charge: that it took the money, or why it did not.
pub(crate) fn charge(payment: &Payment, event: &ProviderEvent, failure_code: Option<&str>) -> Body {
    Body::ProviderTold(ProviderTold::Charge(ToldCharge {
        key: payment.charge_key(),
        order_id: payment.order_id,
        transaction_id: event.data.transaction_id.clone(),
        amount: event.data.amount,
        failure_code: failure_code.map(str::to_string),
    }))
}

/// The same for a charge beside the order's own, under a key of its own.
pub(crate) fn second_charge(event: &ProviderEvent) -> ToldCharge {
    let data = &event.data;
    ToldCharge {
        key: format!("{STRAY}{}/{}", data.reference, data.transaction_id),
        order_id: data.reference,
        transaction_id: data.transaction_id.clone(),
        amount: data.amount,
        failure_code: None,
    }
}

/// The same for a refund that was not asked for here. `name` tells it from the others of its order, and `minor` is
/// what the books have not heard of.
pub(crate) fn refund(payment: &Payment, name: &str, minor: i64) -> Option<Body> {
    Some(Body::ProviderTold(ProviderTold::Refund(ProviderRefund {
        key: format!("outside/{}/{name}", payment.order_id),
        order_id: payment.order_id,
        transaction_id: payment.capture_name().unwrap_or_default().to_string(),
        amount: Money::from_minor(minor, payment.currency?).ok()?,
        charged: captured(payment),
    })))
}

/// Goes along with each refund of a charge that was told from outside: whatever is handled first, the provider's
/// books know the charge.
pub(crate) fn captured(payment: &Payment) -> Option<ToldCharge> {
    let charge = payment.charge.as_ref().filter(|_| payment.told_outside)?;
    Some(ToldCharge {
        key: payment.charge_key(),
        order_id: payment.order_id,
        transaction_id: charge.transaction_id.clone()?,
        amount: charge.amount,
        failure_code: None,
    })
}
