//! Each payment method's own rule: when its money comes, and how much it may carry.

use contract::{Method, Money};
use rust_decimal::Decimal;

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

/// The most that one order may cost by this method, in whole units of its currency. Issuers refuse larger
/// debit payments, PayPal larger payments without verification, and nobody should carry more cash.
fn limit(method: Method) -> u32 {
    match method {
        Method::Card => 50_000,
        Method::DebitCard => 10_000,
        Method::Paypal => 10_000,
        Method::Cod => 2_000,
    }
}

pub(crate) fn over_limit(method: Method, amount: Money) -> Option<String> {
    let limit = limit(method);
    let name = match method {
        Method::Card => "card",
        Method::DebitCard => "debit card",
        Method::Paypal => "PayPal",
        Method::Cod => "cash on delivery",
    };
    (amount.amount() > Decimal::from(limit))
        .then(|| format!("{amount} is more than {limit} {}, the most for {name}", amount.currency().code()))
}
