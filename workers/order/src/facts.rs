//! Facts about an order are made from its record alone, so that repeating one gives the same fact.

use contract::{
    Body, Decision, Ending, Notice, OrderAccepted, OrderArchived, OrderCancelled, OrderCreated,
    OrderFulfilled, OrderPaid, OrderRefunded, OrderReturned, Reason, Reply, ReplyTo, Status, Tell, Time,
};

use crate::{Order, Record, Return};

/// Anyone may listen to it: neither the contact nor the token goes along.
pub(crate) fn created(order: &Order) -> Body {
    Body::OrderCreated(OrderCreated {
        order_id: order.order_id,
        customer_id: order.customer_id.clone(),
        at: order.created_at,
        items: order.items.clone(),
        subtotal: order.subtotal,
        discount: order.discount,
        total: order.total,
        payment_method: order.method,
    })
}

pub(crate) fn accepted(order: &Order) -> OrderAccepted {
    OrderAccepted {
        order_id: order.order_id,
        customer_id: order.customer_id.clone(),
        at: order.accepted_at.unwrap_or(order.updated_at),
    }
}

pub(crate) fn paid(order: &Order) -> Body {
    Body::OrderPaid(OrderPaid {
        order_id: order.order_id,
        customer_id: order.customer_id.clone(),
        at: when(order, Status::Paid),
        transaction_id: order.transaction_id.clone().unwrap_or_default(),
        amount: Some(order.total),
    })
}

pub(crate) fn fulfilled(order: &Order) -> Ending {
    Ending::Fulfilled(OrderFulfilled {
        order_id: order.order_id,
        customer_id: order.customer_id.clone(),
        at: when(order, Status::Fulfilled),
    })
}

/// Given up before it shipped: cancelled, or refunded if it had been paid. The reason on record outranks `said`.
pub(crate) fn undone(order: &Order, said: Reason) -> Ending {
    let reason = order.reason.unwrap_or(said);
    if !order.reached.contains_key(&Status::Cancelled) {
        return Ending::Refunded(refunded(order, reason, 0));
    }
    Ending::Cancelled(OrderCancelled {
        order_id: order.order_id,
        customer_id: order.customer_id.clone(),
        at: when(order, Status::Cancelled),
        reason,
        decline_code: order.decline_code.clone(),
        short: order.short.clone(),
    })
}

/// How its checkout ended, if it has: a later return does not change that.
pub(crate) fn ending(order: &Order) -> Option<Ending> {
    let has_been = |status| order.reached.contains_key(&status);
    if has_been(Status::Fulfilled) {
        return Some(fulfilled(order));
    }
    let undone_by = order.reason.filter(|_| has_been(Status::Cancelled) || has_been(Status::Refunded))?;
    Some(undone(order, undone_by))
}

/// A return that is done: the one that brought the last goods back makes the order refunded.
pub(crate) fn returned(order: &Order, done: &Return) -> Body {
    if order.refunded_by == Some(done.no) {
        return Body::OrderRefunded(refunded(order, Reason::Returned, done.no));
    }
    Body::OrderReturned(OrderReturned {
        order_id: order.order_id,
        customer_id: order.customer_id.clone(),
        at: done.at,
        return_no: done.no,
        amount: Some(done.back()),
    })
}

pub(crate) fn archived(order: &Order) -> Body {
    Body::OrderArchived(OrderArchived {
        order_id: order.order_id,
        customer_id: order.customer_id.clone(),
        at: when(order, Status::Archived),
    })
}

/// The event for all listeners, and the same for the clients that asked. Afterwards the order has no askers: a later
/// return is not what they asked for.
pub(crate) fn ended(order: &mut Order, what: &'static str, ending: Ending) -> Decision<Record> {
    order.told_at = order.askers().cloned().collect();
    (order.reply_to, order.reply_also) = (None, Vec::new());
    reply(Decision::done(what), order.told_at.clone(), ending)
}

pub(crate) fn reply(
    decision: Decision<Record>,
    askers: impl IntoIterator<Item = ReplyTo>,
    ending: Ending,
) -> Decision<Record> {
    answer(decision.say(ending.clone().into()), askers, ending)
}

/// Only to the clients that asked: all other listeners have heard the event.
pub(crate) fn answer(
    decision: Decision<Record>,
    askers: impl IntoIterator<Item = ReplyTo>,
    ending: Ending,
) -> Decision<Record> {
    let order_id = ending.order_id();
    let replies = askers.into_iter().map(|reply_to| Reply { order_id, reply_to, ending: ending.clone() });
    replies.map(Body::Reply).fold(decision, Decision::say)
}

/// The notice for the customer. The caller fills in a reason or another amount.
pub(crate) fn notice(order: &Order, event: Notice) -> Tell {
    Tell {
        order_id: order.order_id,
        event,
        contact: order.contact.clone(),
        amount: order.total,
        reason: None,
        return_no: 0,
    }
}

/// Sends it only if the customer left an address.
pub(crate) fn tell(decision: Decision<Record>, tell: Tell) -> Decision<Record> {
    if tell.contact.is_empty() {
        return decision;
    }
    decision.say(Body::Tell(tell))
}

/// `return_no` is 0 for an order that was given up before it shipped.
fn refunded(order: &Order, reason: Reason, return_no: u32) -> OrderRefunded {
    OrderRefunded {
        order_id: order.order_id,
        customer_id: order.customer_id.clone(),
        at: when(order, Status::Refunded),
        reason,
        // Returns add up to it, to the cent.
        amount: Some(order.total),
        return_no,
    }
}

fn when(order: &Order, status: Status) -> Time {
    order.reached.get(&status).copied().unwrap_or(order.updated_at)
}
