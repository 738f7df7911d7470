//! Commands about an existing order are passed on or refused with a reason; none of them moves money here.

use contract::{
    Body, By, Cancelled, Confirm, Decision, Fault, Method, OrderArchive, OrderCancel, OrderPay,
    PaymentChoice, PaymentConfirm, PaymentSettle, Reason, SagaCancel, Speaker, Status, Wish, clean_text,
};

use crate::state::{self, Change};
use crate::{Cause, Order, Record, facts, left, refusals};

/// Longer than any provider's id; a receipt number fits too.
const TRANSACTION_ID_CHARS_MAX: usize = 100;

/// Only the saga knows whether it can still turn around. Goods that are paid for at the door and on their way cannot.
pub(crate) fn cancel(order: &Order, asked: &OrderCancel, cause: Cause<'_>) -> Decision<Record> {
    if !is_of(order, asked.customer_id.as_deref()) {
        return refusals::cancel_of_none(order.order_id, "order_unknown", cause);
    }
    match order.status {
        Status::Created | Status::Paid if order.accepted_at.is_some() => cancel_too_late(order, cause),
        Status::Created | Status::Paid => {
            let Cancelled { reason, wish } = wish(asked);
            let cancel = SagaCancel { order_id: order.order_id, reason, wish };
            Decision::done("passed on to the saga").say(Body::SagaCancel(cancel))
        }
        Status::Fulfilled | Status::Cancelled | Status::Refunded | Status::Archived => {
            cancel_too_late(order, cause)
        }
    }
}

/// Another customer's order is treated as if it did not exist.
pub(crate) fn is_of(order: &Order, customer_id: Option<&str>) -> bool {
    customer_id.is_none_or(|named| named == order.customer_id)
}

pub(crate) fn wish(asked: &OrderCancel) -> Cancelled {
    let reason = match asked.by {
        By::Admin => Reason::CancelledByAdmin,
        By::Customer | By::System => Reason::CancelledByCustomer,
    };
    Cancelled { reason, wish: Wish::of(asked.reason.as_ref(), asked.who.as_ref()) }
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
    refusals::cancel(order, reason, cause)
}

/// A repeated command is refused or answered by the payment worker from its record: never a second charge.
pub(crate) fn pay(order: &Order, asked: &OrderPay, cause: Cause<'_>) -> Decision<Record> {
    let refuse = |reason| refusals::refused(order, "order.pay", reason, cause);
    if !is_of(order, asked.customer_id.as_deref()) {
        return refusals::refused_of_none(order.order_id, "order.pay", "order_unknown", cause);
    }
    if let Some(reason) = not_payable(order) {
        return refuse(reason);
    }
    match order.method {
        Method::Cod if !state::may(cause.by, "pay", order.method) => refuse("paid_on_delivery"),
        Method::Cod => {
            let transaction_id = asked.transaction_id.clone();
            if let Some(fault) = fault_of_cash(asked) {
                return refusals::faulty(order, "order.pay", vec![fault], cause);
            }
            let settle = PaymentSettle { order_id: order.order_id, transaction_id };
            Decision::done("passed on to payment").say(Body::PaymentSettle(settle))
        }
        Method::Card | Method::DebitCard | Method::Paypal => match order.confirm {
            Confirm::Automatic => refuse("not_cash_on_delivery"),
            Confirm::Manual if asked.token.is_some() && asked.payment_method_id.is_some() => {
                let fault = Fault::new(
                    "payment_method_id",
                    "payment_method_ambiguous",
                    "send either a token or this",
                );
                refusals::faulty(order, "order.pay", vec![fault], cause)
            }
            Confirm::Manual => {
                Decision::done("passed on to payment").say(Body::PaymentConfirm(PaymentConfirm {
                    order_id: order.order_id,
                    customer_id: order.customer_id.clone(),
                    payment: choice(order, asked),
                }))
            }
        },
    }
}

/// Payment took nothing for a command that was passed on. If the order has moved on since, that is the reason.
pub(crate) fn not_paid(order: &Order, reason: &str, cause: Cause<'_>) -> Decision<Record> {
    // The shop books cash, the customer pays by anything else, mostly.
    let by = if order.method == Method::Cod { Speaker::Admin } else { Speaker::Customer };
    refusals::pay(order, not_payable(order).unwrap_or(reason), Cause { by, ..cause })
}

fn not_payable(order: &Order) -> Option<&'static str> {
    match order.status {
        Status::Created => None,
        Status::Paid | Status::Fulfilled => Some("already_paid"),
        Status::Cancelled => Some("order_cancelled"),
        Status::Refunded => Some("order_refunded"),
        Status::Archived => Some("order_archived"),
    }
}

fn fault_of_cash(asked: &OrderPay) -> Option<Fault> {
    if asked.token.is_some() || asked.payment_method_id.is_some() || asked.method.is_some() {
        let why = "it is paid in cash, at the door; leave token, payment_method_id and method out";
        return Some(Fault::new("token", "token_not_taken", why));
    }
    let id = asked.transaction_id.as_ref()?;
    let why = clean_text(id, TRANSACTION_ID_CHARS_MAX).err()?;
    Some(Fault::new("transaction_id", "transaction_id_invalid", why))
}

/// The payment to charge, if it is another than the order's.
fn choice(order: &Order, asked: &OrderPay) -> Option<PaymentChoice> {
    let OrderPay { token, payment_method_id, method, .. } = asked;
    if token.is_none() && payment_method_id.is_none() && method.is_none() {
        return None;
    }
    let method = method.unwrap_or(order.method);
    let payment_method_id = payment_method_id.clone();
    Some(PaymentChoice {
        payment_method_id,
        confirm: Confirm::Manual,
        ..PaymentChoice::by(method, token.clone())
    })
}

pub(crate) fn archive(order: &Order, asked: &OrderArchive, cause: Cause<'_>) -> Decision<Record> {
    let refuse = |reason| refusals::refused(order, "order.archive", reason, cause);
    let by = if cause.by == Speaker::Timers { By::System } else { By::Admin };
    match order.status {
        Status::Created | Status::Paid => refuse("not_finished"),
        Status::Fulfilled if left::under_way(order) => refuse("return_under_way"),
        Status::Fulfilled | Status::Cancelled | Status::Refunded => {
            let wish = Wish::of(asked.reason.as_ref(), asked.who.as_ref());
            match state::change(order, Change::to(Status::Archived, by).with(wish), cause) {
                Ok((order, entry)) => {
                    Decision::done("archived").say(facts::archived(&order)).save(order).save(entry)
                }
                Err(error) => Decision::alarm(error.to_string()),
            }
        }
        Status::Archived => refuse("already_archived"),
    }
}
