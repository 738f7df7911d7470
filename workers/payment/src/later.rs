//! The provider is queried again and again about a payment that was given up, less and less often: the charge may
//! still have been in a queue, or its event may be lost, and money that was captured after all has to be refunded.

use contract::{Body, Deadline, Decision, Time};

use crate::record::{Payment, Record, Status};
use crate::said::query;

/// The provider is queried for the first time this long after the payment was given up; then each time after twice as
/// long.
const FIRST_AFTER_MS: i64 = 10 * 60 * 1000;
/// After this only the provider's own event can tell.
const LAST_AFTER_MS: i64 = 14 * 24 * 3600 * 1000;

/// Sets the next query about a payment that was given up; clears it once that was long enough ago.
pub(crate) fn look_again(decision: Decision<Record>, payment: &Payment, now: Time) -> Decision<Record> {
    let given_up = payment.history.iter().rfind(|(_, status)| *status == Status::GivenUp);
    let ago_ms = given_up.map_or(0, |(since, _)| now.unix_ms() - since.unix_ms());
    if ago_ms >= LAST_AFTER_MS {
        return enough(decision, payment);
    }
    let wait_ms = ago_ms.max(FIRST_AFTER_MS).unsigned_abs();
    let body: Box<Body> = Box::new(query(payment));
    decision.deadline(Deadline::Set { key: key(payment), due: now.plus_ms(wait_ms), body })
}

/// Clears it: it is known how the charge ended.
pub(crate) fn enough(decision: Decision<Record>, payment: &Payment) -> Decision<Record> {
    decision.deadline(Deadline::Clear { key: key(payment) })
}

fn key(payment: &Payment) -> String {
    format!("payment/{}", payment.order_id)
}
