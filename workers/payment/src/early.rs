//! An event may be faster than what it is about: it is held, and looked at again until that has come.

use contract::{BodyHash, Deadline, Decision, PaymentHeld, Time, bodies};

use crate::record::Record;

/// Orders come within moments of their payment or not at all; after this time a person should look.
const HELD_MS: i64 = 60 * 60 * 1000;
/// The next look is after as long again as it is old, within these limits.
const WAIT_MS_LEAST: i64 = 1000;
const WAIT_MS_MOST: i64 = 60 * 1000;

/// What has to come before an event can be understood.
#[derive(Clone, Copy)]
pub(crate) enum Awaits {
    /// The saga's wish for the money.
    Payment,
    /// The event of the capture that a refund is of.
    Capture,
    /// The result of a refund that was asked for: the provider gave back so much that this refund may not go through.
    Refund,
}

/// It is looked at again. Its age follows from the provider's time, so that no count has to be stored.
pub(crate) fn hold(m: &bodies::ProviderEvent, awaits: Awaits, now: Time) -> Decision<Record> {
    let age_ms = now.unix_ms().saturating_sub(m.created.unix_ms());
    if age_ms.abs() >= HELD_MS {
        return awaits.in_vain().deadline(Deadline::Clear { key: key(m) });
    }
    let due = now.plus_ms(age_ms.clamp(WAIT_MS_LEAST, WAIT_MS_MOST).unsigned_abs());
    let body = Box::new(contract::Body::PaymentHeld(PaymentHeld { event: m.clone() }));
    Decision::done(awaits.in_words()).deadline(Deadline::Set { key: key(m), due, body })
}

impl Awaits {
    fn in_words(self) -> &'static str {
        match self {
            Awaits::Payment => "no payment was asked for this order so far; it is held",
            Awaits::Capture => "nothing was captured for this order so far; it is held",
            Awaits::Refund => "a refund of the same money is under way; it is held",
        }
    }

    fn in_vain(self) -> Decision<Record> {
        match self {
            Awaits::Payment => Decision::parked(
                "payment_unknown",
                "no payment was asked for this order in an hour; replay it once it was, or have the provider give the money back",
            ),
            Awaits::Capture => Decision::parked(
                "payment_unknown",
                "nothing was captured for this order in an hour; replay it once it was, else look at the provider's books",
            ),
            Awaits::Refund => Decision::parked(
                "refund_under_way",
                "a refund of the same money has not ended in an hour; replay it once it has",
            ),
        }
    }
}

/// What became of an event that was held: unless it is held once more, its deadline is cleared.
pub(crate) fn let_go(decision: Decision<Record>, m: &bodies::ProviderEvent) -> Decision<Record> {
    match decision.deadlines.iter().any(|deadline| sets(deadline, &key(m))) {
        true => decision,
        false => decision.deadline(Deadline::Clear { key: key(m) }),
    }
}

/// Whether the deadline holds it once more.
fn sets(deadline: &Deadline, held: &str) -> bool {
    matches!(deadline, Deadline::Set { key, .. } if key == held)
}

/// One for each event, and two if two events have the same id and different contents.
fn key(m: &bodies::ProviderEvent) -> String {
    let data = &m.data;
    let told = format!("{}/{}/{}", m.kind as u8, data.transaction_id, data.amount);
    format!("held/{}/{}", data.reference, BodyHash::of(&m.id, &told))
}
