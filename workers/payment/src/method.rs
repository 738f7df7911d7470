//! Each way to pay has its own rule for when its money comes.

use contract::{Confirm, Method, PaymentChoice};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Collect {
    /// The provider charges it before anything is shipped.
    BeforeShipping,
    /// The same, once the customer has confirmed it.
    OnConfirmation,
    /// A courier takes cash at the door, and the shop reports it.
    OnDelivery,
}

pub(crate) fn collect(payment: &PaymentChoice) -> Collect {
    match (payment.method, payment.confirm) {
        (Method::Cod, _) => Collect::OnDelivery,
        (Method::Card | Method::DebitCard | Method::Paypal, Confirm::Automatic) => Collect::BeforeShipping,
        (Method::Card | Method::DebitCard | Method::Paypal, Confirm::Manual) => Collect::OnConfirmation,
    }
}
