//! What people ask of an order that exists is passed on or refused with a reason; none of it moves money here.

use contract::{
    Body, By, Confirm, Decision, Fault, Method, OrderArchive, OrderCancel, OrderId, OrderPay, PaymentConfirm,
    PaymentSettle, Reason, SagaCancel, Status, Wish, clean_text,
};

use crate::state::{self, Change};
use crate::{Cause, Order, Record, facts, refusals, returns};

/// Longer ids than any provider's; a receipt number fits too.
const TRANSACTION_ID_CHARS_MAX: usize = 100;

/// Only the saga knows whether it can still turn around.
pub(crate) fn cancel(order: &Order, asked: &OrderCancel, cause: Cause<'_>) -> Decision<Record> {
    match order.status {
        Status::Created | Status::Paid => {
            let reason = match asked.by {
                By::Admin => Reason::CancelledByAdmin,
                By::Customer | By::System => Reason::CancelledByCustomer,
            };
            let wish = Wish::of(asked.reason.as_ref(), asked.who.as_ref());
            let cancel = SagaCancel { order_id: order.order_id, reason, wish };
            Decision::done("passed on to the saga").say(Body::SagaCancel(cancel))
        }
        Status::Fulfilled | Status::Cancelled | Status::Refunded | Status::Archived => {
            cancel_too_late(order, cause)
        }
    }
}

/// The saga's answer may come after the order has moved on: the reason is the one that holds now.
pub(crate) fn cancel_too_late(order: &Order, cause: Cause<'_>) -> Decision<Record> {
    let reason = match order.status {
        Status::Created | Status::Paid => "already_shipping",
        Status::Fulfilled => "already_fulfilled",
        Status::Cancelled => "already_cancelled",
        Status::Refunded => "already_refunded",
        Status::Archived => "already_archived",
    };
    refusals::cancel(Some(order), order.order_id, reason, cause.now)
}

pub(crate) fn cancel_of_none(id: OrderId, reason: &str, cause: Cause<'_>) -> Decision<Record> {
    refusals::cancel(None, id, reason, cause.now)
}

/// Whoever asks twice is refused or answered by the payment worker from its record: never a second charge.
pub(crate) fn pay(order: &Order, asked: &OrderPay, cause: Cause<'_>) -> Decision<Record> {
    let refuse = |reason| refusals::refused(order, "order.pay", reason, cause.now);
    match (order.status, order.method) {
        (Status::Created, Method::Cod) => {
            let transaction_id = asked.transaction_id.clone();
            if let Some(Err(why)) = transaction_id.as_ref().map(|id| clean_text(id, TRANSACTION_ID_CHARS_MAX))
            {
                let fault = Fault::new("transaction_id", "transaction_id_invalid", why);
                return refusals::faulty(order, "order.pay", vec![fault], cause.now);
            }
            let settle = PaymentSettle { order_id: order.order_id, transaction_id };
            Decision::done("passed on to payment").say(Body::PaymentSettle(settle))
        }
        (Status::Created, Method::Card | Method::DebitCard | Method::Paypal) => match order.confirm {
            Confirm::Automatic => refuse("not_cash_on_delivery"),
            Confirm::Manual => {
                Decision::done("passed on to payment").say(Body::PaymentConfirm(PaymentConfirm {
                    order_id: order.order_id,
                    customer_id: order.customer_id.clone(),
                    payment: None,
                }))
            }
        },
        (Status::Paid | Status::Fulfilled, _) => refuse("already_paid"),
        (Status::Cancelled, _) => refuse("order_cancelled"),
        (Status::Refunded, _) => refuse("order_refunded"),
        (Status::Archived, _) => refuse("order_archived"),
    }
}

pub(crate) fn archive(order: &Order, asked: &OrderArchive, cause: Cause<'_>) -> Decision<Record> {
    let refuse = |reason| refusals::refused(order, "order.archive", reason, cause.now);
    match order.status {
        Status::Created | Status::Paid => refuse("not_finished"),
        Status::Fulfilled if returns::under_way(order) => refuse("return_under_way"),
        Status::Fulfilled | Status::Cancelled | Status::Refunded => {
            let wish = Wish::of(asked.reason.as_ref(), asked.who.as_ref());
            match state::change(order, Change::to(Status::Archived, By::Admin).with(wish), cause) {
                Ok((order, entry)) => {
                    Decision::done("archived").say(facts::archived(&order)).save(order).save(entry)
                }
                Err(error) => Decision::alarm(error.to_string()),
            }
        }
        Status::Archived => refuse("already_archived"),
    }
}
