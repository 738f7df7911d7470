//! The words a customer reads. Each notice names the order and the amount, and says only what is true by then.

use contract::{Notice, Reason, Tell};

pub(crate) struct Email {
    pub(crate) subject: String,
    pub(crate) body: String,
}

pub(crate) fn email(tell: &Tell) -> Email {
    let Tell { order_id, amount, .. } = tell;
    let because = because(tell);
    let (subject, news) = match tell.event {
        Notice::Created => (
            "We have your order",
            format!(
                "Thank you for your order. It comes to {amount}. We will write again as soon as there is news."
            ),
        ),
        Notice::Accepted => (
            "Your order is on its way",
            format!("Your order has left our warehouse. Please have {amount} ready when it is delivered."),
        ),
        Notice::Paid => {
            ("Your payment has arrived", format!("Thank you: we have received your payment of {amount}."))
        }
        Notice::Fulfilled => (
            "Your order has left our warehouse",
            format!("Your order over {amount} has been handed over for delivery. We hope you enjoy it."),
        ),
        Notice::Delivered => (
            "Your order is complete",
            format!("Your order over {amount} has been delivered and paid. We hope you enjoy it."),
        ),
        Notice::Cancelled => (
            "Your order was cancelled",
            format!("Your order over {amount} was cancelled. {because} You have nothing to pay."),
        ),
        Notice::Refunded => (
            "Your money is on its way back",
            format!("We have refunded {amount} to you. {because} Your bank may take a few days to show it."),
        ),
        Notice::LatePaymentRefunded => (
            "A late payment was sent back",
            format!(
                "Your payment of {amount} reached us after the order had been cancelled, so we have sent all of it back. Your bank may take a few days to show it."
            ),
        ),
    };
    Email {
        subject: format!("{subject} ({order_id})"),
        body: format!("Hello,\n\n{news}\n\nYour order number: {order_id}\n\nYour shop\n"),
    }
}

/// Plain ASCII and at most 160 characters, so that it is one message on every network.
pub(crate) fn sms(tell: &Tell) -> String {
    let Tell { order_id, amount, .. } = tell;
    let why = in_short(tell);
    match tell.event {
        Notice::Created => format!("Thank you! We have your order {order_id} over {amount}."),
        Notice::Paid => format!("Thank you! Your payment of {amount} for order {order_id} has arrived."),
        Notice::Fulfilled => format!("Your order {order_id} over {amount} has left our warehouse."),
        Notice::Accepted => format!("Your order {order_id} is on its way. Please have {amount} ready."),
        Notice::Delivered => format!("Your order {order_id} over {amount} is delivered and paid."),
        Notice::Cancelled => {
            format!("Your order {order_id} over {amount} was cancelled{why}. Nothing to pay.")
        }
        Notice::Refunded => format!("We have refunded {amount} for your order {order_id}{why}."),
        Notice::LatePaymentRefunded => {
            format!(
                "Your payment of {amount} came after order {order_id} was cancelled. We have sent it back."
            )
        }
    }
}

fn because(tell: &Tell) -> &'static str {
    match tell.reason {
        None => "If you wonder why, please ask us.",
        Some(Reason::InsufficientStock) => "We are sorry: we do not have enough of what you wanted.",
        Some(Reason::PaymentDeclined) => {
            "The payment was declined; you are welcome to try another way to pay."
        }
        Some(Reason::PaymentTimeout) => {
            "The payment was not confirmed in time; you are welcome to order again."
        }
        Some(Reason::CancelledByCustomer) => "You asked us to cancel the order.",
        Some(Reason::CancelledByAdmin) => "Our staff cancelled the order; please ask us if you wonder why.",
        Some(Reason::StockUnavailable) => {
            "We are sorry: when we came to pack your order, something was missing."
        }
        Some(Reason::Returned) => "It is for what you sent back to us.",
    }
}

fn in_short(tell: &Tell) -> &'static str {
    match tell.reason {
        None => "",
        Some(Reason::InsufficientStock) => ": not enough in stock",
        Some(Reason::PaymentDeclined) => ": payment declined",
        Some(Reason::PaymentTimeout) => ": payment not confirmed",
        Some(Reason::CancelledByCustomer) => ", as you asked",
        Some(Reason::CancelledByAdmin) => ": our staff cancelled it",
        Some(Reason::StockUnavailable) => ": no longer in stock",
        Some(Reason::Returned) => ": return received",
    }
}
