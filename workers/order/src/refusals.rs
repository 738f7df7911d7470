//! Whoever asks for what cannot be is told which order, where it stands, what was asked and what is possible instead.

use contract::{Body, Decision, Fault, OrderCancelRefused, OrderId, OrderRefused, Status, Time};

use crate::{Order, Record, actions};

/// The order's state does not allow it.
pub(crate) fn refused(order: &Order, command: &str, reason: &str, at: Time) -> Decision<Record> {
    say(Some(order), order.order_id, command, reason, Vec::new(), at)
}

/// The order's state would allow it, and the command itself is wrong. The first fault's code is the reason.
pub(crate) fn faulty(order: &Order, command: &str, faults: Vec<Fault>, at: Time) -> Decision<Record> {
    let reason = faults.first().map_or_else(|| "invalid".to_string(), |fault| fault.code.clone());
    say(Some(order), order.order_id, command, &reason, Fault::first(faults), at)
}

/// There is no order to ask anything of.
pub(crate) fn refused_of_none(id: OrderId, command: &str, reason: &str, at: Time) -> Decision<Record> {
    say(None, id, command, reason, Vec::new(), at)
}

/// A cancellation has an answer of its own. `None`: there is no such order.
pub(crate) fn cancel(order: Option<&Order>, order_id: OrderId, reason: &str, at: Time) -> Decision<Record> {
    // The saga may refuse what the order's state alone would allow.
    let mut allowed = allowed(order);
    allowed.retain(|action| action != "cancel");
    Decision::done("refused").say(Body::OrderCancelRefused(OrderCancelRefused {
        order_id,
        customer_id: order.map(|order| order.customer_id.clone()),
        at,
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
    at: Time,
) -> Decision<Record> {
    let allowed = allowed(order);
    Decision::done("refused").say(Body::OrderRefused(OrderRefused {
        order_id,
        customer_id: order.map(|order| order.customer_id.clone()),
        at,
        command: command.into(),
        reason: reason.into(),
        message: in_words(order_id, order.map(|order| order.status), command, reason, &errors, &allowed),
        errors,
        status: order.map(|order| order.status),
        allowed,
    }))
}

fn allowed(order: Option<&Order>) -> Vec<String> {
    order.map(actions).unwrap_or_default().into_iter().map(Into::into).collect()
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
