//! A refusal names the order, its status, what was asked for and what is possible instead.

use contract::{Body, Decision, Fault, OrderCancelRefused, OrderId, OrderRefused, Status};

use crate::{Cause, Order, Record, actions};

/// The order's state does not allow it.
pub(crate) fn refused(order: &Order, command: &str, reason: &str, cause: Cause<'_>) -> Decision<Record> {
    say(Some(order), order.order_id, command, reason, Vec::new(), allowed(Some(order), cause), cause)
}

/// Payment refuses what the order's state alone would allow.
pub(crate) fn pay(order: &Order, reason: &str, cause: Cause<'_>) -> Decision<Record> {
    let mut allowed = allowed(Some(order), cause);
    allowed.retain(|action| action != "pay");
    say(Some(order), order.order_id, "order.pay", reason, Vec::new(), allowed, cause)
}

/// The order's state would allow it, and the command itself is wrong. The first fault's code is the reason.
pub(crate) fn faulty(order: &Order, command: &str, faults: Vec<Fault>, cause: Cause<'_>) -> Decision<Record> {
    let reason = faults.first().map_or_else(|| "invalid".to_string(), |fault| fault.code.clone());
    let allowed = allowed(Some(order), cause);
    say(Some(order), order.order_id, command, &reason, Fault::first(faults), allowed, cause)
}

/// There is no order for the command.
pub(crate) fn refused_of_none(
    id: OrderId,
    command: &str,
    reason: &str,
    cause: Cause<'_>,
) -> Decision<Record> {
    say(None, id, command, reason, Vec::new(), Vec::new(), cause)
}

/// A cancellation has an answer of its own.
pub(crate) fn cancel(order: &Order, reason: &str, cause: Cause<'_>) -> Decision<Record> {
    say_cancel(Some(order), order.order_id, reason, cause)
}

/// There is no order to cancel.
pub(crate) fn cancel_of_none(id: OrderId, reason: &str, cause: Cause<'_>) -> Decision<Record> {
    say_cancel(None, id, reason, cause)
}

fn say_cancel(order: Option<&Order>, order_id: OrderId, reason: &str, cause: Cause<'_>) -> Decision<Record> {
    // The saga may refuse what the order's state alone would allow.
    let mut allowed = allowed(order, cause);
    allowed.retain(|action| action != "cancel");
    Decision::done("refused").say(Body::OrderCancelRefused(OrderCancelRefused {
        order_id,
        customer_id: order.map(|order| order.customer_id.clone()),
        at: cause.now,
        reason: reason.into(),
        message: in_words(order_id, order.map(|order| order.status), "order.cancel", reason, &[], &allowed),
        status: order.map(|order| order.status),
        allowed,
    }))
}

fn say(
    order: Option<&Order>,
    order_id: OrderId,
    command: &str,
    reason: &str,
    errors: Vec<Fault>,
    allowed: Vec<String>,
    cause: Cause<'_>,
) -> Decision<Record> {
    Decision::done("refused").say(Body::OrderRefused(OrderRefused {
        order_id,
        customer_id: order.map(|order| order.customer_id.clone()),
        at: cause.now,
        command: command.into(),
        reason: reason.into(),
        message: in_words(order_id, order.map(|order| order.status), command, reason, &errors, &allowed),
        errors,
        status: order.map(|order| order.status),
        allowed,
    }))
}

/// What the sender may ask instead.
fn allowed(order: Option<&Order>, cause: Cause<'_>) -> Vec<String> {
    let actions = order.map(|order| actions(order, cause.by));
    actions.unwrap_or_default().into_iter().map(Into::into).collect()
}

fn in_words(
    order_id: OrderId,
    status: Option<Status>,
    command: &str,
    reason: &str,
    errors: &[Fault],
    allowed: &[String],
) -> String {
    let why = Fault::in_words(errors).unwrap_or_else(|| reason.replace('_', " "));
    match (status, allowed) {
        (None, _) => format!("nothing can be asked of order {order_id}: {command} is refused ({why})"),
        (Some(status), []) => {
            format!(
                "order {order_id} is {}: {command} is refused ({why}); nothing is possible now",
                status.name()
            )
        }
        (Some(status), allowed) => {
            let (status, allowed) = (status.name(), allowed.join(", "));
            format!("order {order_id} is {status}: {command} is refused ({why}); possible now: {allowed}")
        }
    }
}
