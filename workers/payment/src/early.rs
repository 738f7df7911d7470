//! An event may be faster than the order it is about: it is kept, and looked at again until the order is there.

use contract::{BodyHash, Deadline, Decision, PaymentHeld, Time, bodies};

use crate::event;
use crate::record::{Payment, Record};
use crate::told::Source;

/// Orders come within moments of their payment or not at all; past that, a person should look.
const HELD_MS: i64 = 60 * 60 * 1000;
/// Looked at after as long again as it is old, within these.
const WAIT_MS_LEAST: i64 = 1000;
const WAIT_MS_MOST: i64 = 60 * 1000;

/// Nothing was asked for that order. Its age is what the provider says, so that no count has to be kept.
pub(crate) fn hold(m: &bodies::ProviderEvent, now: Time) -> Decision<Record> {
    let age_ms = now.unix_ms().saturating_sub(m.created.unix_ms());
    if age_ms.abs() >= HELD_MS {
        return Decision::parked(
            "payment_unknown",
            "no payment was asked for this order in an hour; replay it once it was, or have the provider give the money back",
        )
        .deadline(Deadline::Clear { key: key(m) });
    }
    let due = now.plus_ms(age_ms.clamp(WAIT_MS_LEAST, WAIT_MS_MOST).unsigned_abs());
    let body = Box::new(contract::Body::PaymentHeld(PaymentHeld { event: m.clone() }));
    Decision::done("no payment was asked for this order so far; it is held").deadline(Deadline::Set {
        key: key(m),
        due,
        body,
    })
}

/// It is time to look again.
pub(crate) fn look_again(known: Option<Payment>, m: &bodies::PaymentHeld, now: Time) -> Decision<Record> {
    match known {
        None => hold(&m.event, now),
        Some(payment) => {
            // The provider answers what it is asked: an event that comes before that was told from outside.
            event::heard(Some(payment), &m.event, Source::Outside, now)
                .deadline(Deadline::Clear { key: key(&m.event) })
        }
    }
}

/// One for each event, and two for two that have the same id and say different things.
fn key(m: &bodies::ProviderEvent) -> String {
    let data = &m.data;
    let told = format!("{}/{}/{}", m.kind as u8, data.transaction_id, data.amount);
    format!("held/{}/{}", data.reference, BodyHash::of(&m.id, &told))
}
