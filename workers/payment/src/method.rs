//! Each payment method's own rule for when its money comes.

use contract::Method;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Collect {
    /// The provider charges it before anything is shipped.
    BeforeShipping,
    /// Somebody takes cash at the door and says so.
    OnDelivery,
}

pub(crate) fn collect(method: Method) -> Collect {
    match method {
        Method::Card | Method::DebitCard | Method::Paypal => Collect::BeforeShipping,
        Method::Cod => Collect::OnDelivery,
    }
}
