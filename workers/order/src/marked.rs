//! What the saga reports is entered once, and answered from the record when it is reported again.

use contract::{
    Body, By, CartEnd, CartSettle, Decision, Ending, MarkPaid, MarkUndone, Notice, PaymentRefunded, Reason,
    Status, Tell,
};

use crate::state::{self, Change, TransitionError};
use crate::{Cause, Order, Record, facts};

/// Goods that are paid for at the door are bought once they are on their way.
pub(crate) fn accepted(order: &Order, cause: Cause<'_>) -> Decision<Record> {
    if order.accepted_at.is_some() {
        return Decision::done("said again").say(Body::OrderAccepted(facts::accepted(order)));
    }
    if order.reached.contains_key(&Status::Cancelled) {
        return Decision::ignored("undone before it was accepted");
    }
    let order = Order { accepted_at: Some(cause.now), updated_at: cause.now, ..order.clone() };
    // A client that waits for the outcome hears of this at once: delivery may be days away.
    let ending = Ending::Accepted(facts::accepted(&order));
    let decision = facts::reply(Decision::done("accepted"), order.askers().cloned(), ending);
    let decision = settle_cart(decision, &order, CartEnd::Bought);
    facts::tell(decision, facts::notice(&order, Notice::Accepted)).save(order)
}

pub(crate) fn paid(order: &Order, mark: &MarkPaid, cause: Cause<'_>) -> Decision<Record> {
    match &order.transaction_id {
        Some(by) if *by == mark.transaction_id => Decision::done("said again").say(facts::paid(order)),
        // Two captures for one order: a person has to refund one of them.
        Some(by) => {
            let error = TransitionError::of(order, Status::Paid);
            Decision::alarm(format!("{error} (it was paid by {by}, now also by {})", mark.transaction_id))
        }
        // The saga turned around while this was on its way: the undo came first, and the money was refunded.
        None if order.reached.contains_key(&Status::Cancelled) => {
            Decision::ignored("undone before it was marked as paid")
        }
        None => match state::change(order, Change::to(Status::Paid, By::System), cause) {
            Ok((mut order, entry)) => {
                order.transaction_id = Some(mark.transaction_id.clone());
                let decision = Decision::done("paid").say(facts::paid(&order));
                let decision = settle_cart(decision, &order, CartEnd::Bought);
                facts::tell(decision, facts::notice(&order, Notice::Paid)).save(order).save(entry)
            }
            Err(error) => Decision::alarm(error.to_string()),
        },
    }
}

pub(crate) fn fulfilled(order: &Order, cause: Cause<'_>) -> Decision<Record> {
    if order.reached.contains_key(&Status::Fulfilled) {
        return Decision::done("said again").say(facts::fulfilled(order).into());
    }
    match state::change(order, Change::to(Status::Fulfilled, By::System), cause) {
        Ok((mut order, entry)) => {
            let ending = facts::fulfilled(&order);
            let decision = facts::ended(&mut order, "fulfilled", ending);
            // The customer already had a notice that it is out for delivery.
            let news = if order.accepted_at.is_some() { Notice::Delivered } else { Notice::Fulfilled };
            facts::tell(decision, facts::notice(&order, news)).save(order).save(entry)
        }
        Err(error) => Decision::alarm(error.to_string()),
    }
}

/// An unpaid order is cancelled, a paid one refunded. A shipped order cannot be undone, only returned.
pub(crate) fn undone(order: &Order, mark: &MarkUndone, cause: Cause<'_>) -> Decision<Record> {
    let had_been = |status| order.reached.contains_key(&status);
    if had_been(Status::Cancelled) || (had_been(Status::Refunded) && !had_been(Status::Fulfilled)) {
        return Decision::done("said again").say(facts::undone(order, mark.reason).into());
    }
    let (to, event) = match order.status {
        Status::Created => (Status::Cancelled, Notice::Cancelled),
        Status::Paid => (Status::Refunded, Notice::Refunded),
        Status::Fulfilled | Status::Cancelled | Status::Refunded | Status::Archived => {
            let error = TransitionError::of(order, Status::Cancelled);
            return Decision::alarm(format!("{error} (what has shipped comes back by order.refund)"));
        }
    };
    let change = Change::to(to, wanted_by(mark.reason)).with(mark.wish.clone());
    let change = Change { reason: Some(mark.reason), ..change };
    match state::change(order, change, cause) {
        Ok((mut order, entry)) => {
            order.short = mark.short.clone();
            order.decline_code = mark.decline_code.clone();
            let ending = facts::undone(&order, mark.reason);
            let decision = facts::ended(&mut order, to.name(), ending);
            let decision = settle_cart(decision, &order, CartEnd::Kept);
            let tell = Tell { reason: Some(mark.reason), ..facts::notice(&order, event) };
            facts::tell(decision, tell).save(order).save(entry)
        }
        Err(error) => Decision::alarm(error.to_string()),
    }
}

/// The order had been given up and stays so; its customer should hear why money moved.
pub(crate) fn late_payment_refunded(order: &Order, fact: &PaymentRefunded) -> Decision<Record> {
    if order.contact.is_empty() {
        return Decision::ignored("the customer left no contact");
    }
    let tell = Tell { amount: fact.amount, ..facts::notice(order, Notice::LatePaymentRefunded) };
    facts::tell(Decision::done("told the customer"), tell)
}

/// If this is sent again, the cart is settled already and nothing changes.
fn settle_cart(decision: Decision<Record>, order: &Order, ended: CartEnd) -> Decision<Record> {
    if !order.from_cart {
        return decision;
    }
    let (customer_id, order_id) = (order.customer_id.clone(), order.order_id);
    decision.say(Body::CartSettle(CartSettle { customer_id, order_id, ended }))
}

fn wanted_by(reason: Reason) -> By {
    match reason {
        Reason::CancelledByCustomer => By::Customer,
        Reason::CancelledByAdmin | Reason::Returned => By::Admin,
        Reason::InsufficientStock
        | Reason::PaymentDeclined
        | Reason::PaymentTimeout
        | Reason::StockUnavailable => By::System,
    }
}
