//! A command may be faster than the submission of its order: it is held, and answered at the moment the order exists.
//! An order that was cancelled by then is never charged.

use contract::{
    Body, BodyHash, Cancelled, Deadline, Decision, HeldCommand, Need, OrderCancel, OrderHeld, OrderId,
    Records,
};

use crate::records::Early;
use crate::{Cause, Order, Record, Submission, asked, known_or_rejected, refusals};

/// A submission comes within moments of the command that overtook it, or not at all; after this time a person should
/// look.
const HELD_MS: u64 = 60 * 60 * 1000;
/// The next look is after as long again as it is old, so that one command makes a dozen rows and no more.
const WAIT_MS_LEAST: u64 = 1000;
/// For one order id. Further commands are refused, as for an order that does not exist.
const HELD_MAX: usize = 8;

pub(crate) fn needs(m: &OrderHeld) -> Vec<Need> {
    known_or_rejected(m.order_id)
}

/// Holds it until there is an order. A rejected submission never becomes one.
pub(crate) fn hold(records: &Records<Record>, command: HeldCommand, cause: Cause<'_>) -> Decision<Record> {
    let order_id = command.order_id();
    if let Some(Submission::Rejected(_)) = records.get::<Submission>(&order_id.to_string()) {
        return refuse(&command, "order_rejected", cause);
    }
    let mut held = of(records, order_id);
    if held.len() >= HELD_MAX {
        return refuse(&command, "order_unknown", cause);
    }
    let one = OrderHeld { order_id, message_id: cause.id.clone(), since: cause.now, by: cause.by, command };
    held.push(one.clone());
    Decision::done("there is no such order so far; it is held")
        .save(early(order_id, held, cause))
        .deadline(next_look(&one, cause))
}

/// Time to look again. Of two replicas one may have made the order while the other held the command, so that neither
/// saw the other's change.
pub(crate) fn look_again(
    records: &Records<Record>,
    order: Option<&Order>,
    m: &OrderHeld,
    cause: Cause<'_>,
) -> Decision<Record> {
    let age_ms = cause.now.unix_ms().saturating_sub(m.since.unix_ms());
    let over = age_ms >= HELD_MS as i64;
    let mut held = of(records, m.order_id);
    let all = held.len();
    held.retain(|one| one.message_id != m.message_id);
    let forget = |decision: Decision<Record>| {
        let decision = decision.deadline(Deadline::Clear { key: key(m) });
        if held.len() == all { decision } else { decision.save(early(m.order_id, held.clone(), cause)) }
    };
    if let Some(order) = order {
        // A dead letter that is replayed is not in the list any more.
        let unanswered = over || held.len() < all;
        return forget(match unanswered {
            true => command(order, &m.command, Cause { by: m.by, ..cause }),
            false => Decision::ignored("it was answered when its order came"),
        });
    }
    match records.get::<Submission>(&m.order_id.to_string()) {
        Some(Submission::Rejected(_)) => forget(refuse(&m.command, "order_rejected", cause)),
        Some(Submission::Early(_)) | None if over => forget(never_came(m)),
        Some(Submission::Early(_)) | None => {
            Decision::done("there is no such order so far; it is held").deadline(next_look(m, cause))
        }
    }
}

/// The commands about this id that came before a submission, in their order.
pub(crate) fn of(records: &Records<Record>, order_id: OrderId) -> Vec<OrderHeld> {
    match records.get::<Submission>(&order_id.to_string()) {
        Some(Submission::Early(early)) => early.held.clone(),
        Some(Submission::Rejected(_)) | None => Vec::new(),
    }
}

/// The first cancellation that is about this customer's order.
pub(crate) fn cancellation(held: &[OrderHeld], order: &Order) -> Option<Cancelled> {
    held.iter().find_map(|held| match &held.command {
        HeldCommand::Cancel(asked) if asked::is_of(order, asked.customer_id.as_deref()) => {
            Some(asked::wish(asked))
        }
        HeldCommand::Cancel(_) | HeldCommand::Pay(_) => None,
    })
}

/// The order exists. A cancellation goes along with the start of its saga; all other commands are answered here.
pub(crate) fn answer(
    decision: Decision<Record>,
    held: &[OrderHeld],
    order: &Order,
    cause: Cause<'_>,
) -> Decision<Record> {
    if held.is_empty() {
        return decision;
    }
    let cancelled = cancellation(held, order).is_some();
    let answers = held.iter().flat_map(|one| {
        let cause = Cause { by: one.by, ..cause };
        match &one.command {
            HeldCommand::Cancel(asked) if asked::is_of(order, asked.customer_id.as_deref()) => Vec::new(),
            HeldCommand::Pay(_) if cancelled => refuse(&one.command, "order_cancelled", cause).send,
            HeldCommand::Cancel(_) | HeldCommand::Pay(_) => command(order, &one.command, cause).send,
        }
    });
    settled(answers.fold(decision, Decision::say), held).save(early(order.order_id, Vec::new(), cause))
}

/// There will be no order: the submission was rejected.
pub(crate) fn refuse_all(
    decision: Decision<Record>,
    held: &[OrderHeld],
    cause: Cause<'_>,
) -> Decision<Record> {
    let refusals = held.iter().flat_map(|one| refuse(&one.command, "order_rejected", cause).send);
    settled(refusals.fold(decision, Decision::say), held)
}

fn next_look(m: &OrderHeld, cause: Cause<'_>) -> Deadline {
    let age_ms = cause.now.unix_ms().saturating_sub(m.since.unix_ms()).unsigned_abs();
    let due = cause.now.plus_ms(age_ms.max(WAIT_MS_LEAST)).min(m.since.plus_ms(HELD_MS));
    Deadline::Set { key: key(m), due, body: Box::new(Body::OrderHeld(m.clone())) }
}

fn early(order_id: OrderId, held: Vec<OrderHeld>, cause: Cause<'_>) -> Submission {
    Submission::Early(Early { order_id, held, at: cause.now })
}

fn settled(decision: Decision<Record>, held: &[OrderHeld]) -> Decision<Record> {
    held.iter().fold(decision, |decision, one| decision.deadline(Deadline::Clear { key: key(one) }))
}

fn command(order: &Order, command: &HeldCommand, cause: Cause<'_>) -> Decision<Record> {
    match command {
        HeldCommand::Cancel(asked) => asked::cancel(order, asked, cause),
        HeldCommand::Pay(asked) => asked::pay(order, asked, cause),
    }
}

fn refuse(command: &HeldCommand, reason: &str, cause: Cause<'_>) -> Decision<Record> {
    match command {
        HeldCommand::Cancel(OrderCancel { order_id, .. }) => {
            refusals::cancel_of_none(*order_id, reason, cause)
        }
        HeldCommand::Pay(asked) => refusals::refused_of_none(asked.order_id, "order.pay", reason, cause),
    }
}

fn never_came(m: &OrderHeld) -> Decision<Record> {
    let name = match &m.command {
        HeldCommand::Cancel(_) => "order.cancel",
        HeldCommand::Pay(_) => "order.pay",
    };
    let why = format!(
        "{name} asks something of order {}, which was not submitted within an hour; replay it once it is, else discard it",
        m.order_id
    );
    Decision::parked("order_never_came", why)
}

/// Next to the saga's deadlines, so that a query for the order's deadlines finds it.
fn key(m: &OrderHeld) -> String {
    format!("{}/held/{}", m.order_id, BodyHash::of("order.held", m.message_id.as_str()))
}
