//! Messages about stored payment methods and payment intents. No outsider sends or reads these.

use serde::{Deserialize, Serialize};

use crate::{OrderId, Time};

use super::words::{Method, PaymentChoice, Token};

/// Stores a customer's way to pay, by the provider's token for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WalletAdd {
    pub customer_id: String,
    pub method_id: String,
    pub method: Method,
    pub token: Token,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_four: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
    #[serde(default)]
    pub default: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WalletChange {
    pub customer_id: String,
    pub method_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<bool>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WalletRemove {
    pub customer_id: String,
    pub method_id: String,
}

/// A card pays until the end of this month.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Expiry {
    pub year: u16,
    pub month: u8,
}

impl Expiry {
    /// The month of a moment.
    pub fn of(at: Time) -> Self {
        let (year, month) = at.year_and_month();
        Self { year, month }
    }

    pub fn is_over(self, now: Time) -> bool {
        self < Self::of(now)
    }
}

/// A payment that waits to be confirmed gets a secret, by which a front end may confirm it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PaymentIntend {
    pub order_id: OrderId,
    pub secret: Token,
}

/// Charge it now: as the order said, or like this.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PaymentConfirm {
    pub order_id: OrderId,
    pub customer_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentChoice>,
}
