//! Words used in several messages: each means the same in all of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Money, Sku};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Method {
    Card,
    DebitCard,
    Paypal,
    Cod,
}

impl Method {
    pub const ALL: [Method; 4] = [Method::Card, Method::DebitCard, Method::Paypal, Method::Cod];

    /// As it stands in messages.
    pub fn code(self) -> &'static str {
        match self {
            Method::Card => "card",
            Method::DebitCard => "debit_card",
            Method::Paypal => "paypal",
            Method::Cod => "cod",
        }
    }

    /// As people say it.
    pub fn words(self) -> &'static str {
        match self {
            Method::Card => "card",
            Method::DebitCard => "debit card",
            Method::Paypal => "PayPal",
            Method::Cod => "cash on delivery",
        }
    }

    /// The most that one order may cost by this method, in minor units of its currency. Issuers refuse larger debit
    /// payments, PayPal larger payments without verification, and more cash is unsafe to carry.
    fn limit_minor(self) -> i64 {
        match self {
            Method::Card => 5_000_000,
            Method::DebitCard | Method::Paypal => 1_000_000,
            Method::Cod => 200_000,
        }
    }

    /// Why the amount is over the method's limit. Checked before anything is held, and again before anything is
    /// charged: what is paid on delivery would be on its way by then.
    pub fn over_limit(self, amount: Money) -> Option<String> {
        let name = self.words();
        let most = Money::from_minor(self.limit_minor(), amount.currency()).ok()?;
        (amount.minor() > most.minor()).then(|| format!("{amount} is more than {most}, the most for {name}"))
    }
}

/// Why an order was given up or its money went back. The codes are fixed: other programs read them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    InsufficientStock,
    PaymentDeclined,
    PaymentTimeout,
    CancelledByCustomer,
    CancelledByAdmin,
    StockUnavailable,
    Returned,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Created,
    Paid,
    Fulfilled,
    Cancelled,
    Refunded,
    Archived,
}

impl Status {
    pub const ALL: [Status; 6] = [
        Status::Created,
        Status::Paid,
        Status::Fulfilled,
        Status::Cancelled,
        Status::Refunded,
        Status::Archived,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Status::Created => "created",
            Status::Paid => "paid",
            Status::Fulfilled => "fulfilled",
            Status::Cancelled => "cancelled",
            Status::Refunded => "refunded",
            Status::Archived => "archived",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum By {
    #[default]
    Customer,
    Admin,
    System,
}

impl Reason {
    pub fn code(self) -> &'static str {
        match self {
            Reason::InsufficientStock => "insufficient_stock",
            Reason::PaymentDeclined => "payment_declined",
            Reason::PaymentTimeout => "payment_timeout",
            Reason::CancelledByCustomer => "cancelled_by_customer",
            Reason::CancelledByAdmin => "cancelled_by_admin",
            Reason::StockUnavailable => "stock_unavailable",
            Reason::Returned => "returned",
        }
    }
}

/// A provider's stand-in for a card. Worthless without the merchant's key, and still kept out of logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The customer's addresses for notices. Personal data: never logged.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Contact {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

impl Contact {
    pub fn is_empty(&self) -> bool {
        self.email.is_none() && self.phone.is_none()
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PaymentChoice {
    pub method: Method,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// One of the customer's stored payment methods, instead of a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method_id: Option<String>,
    /// `manual`: the order waits until its payment intent is confirmed.
    #[serde(default, skip_serializing_if = "Confirm::is_automatic")]
    pub confirm: Confirm,
}

impl PaymentChoice {
    pub fn by(method: Method, token: Option<Token>) -> Self {
        Self { method, token, payment_method_id: None, confirm: Confirm::Automatic }
    }
}

/// When the money is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Confirm {
    /// As soon as the goods are held.
    #[default]
    Automatic,
    /// When the customer says so.
    Manual,
}

impl Confirm {
    pub fn is_automatic(&self) -> bool {
        *self == Confirm::Automatic
    }
}

/// A product and how many of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Line {
    pub sku: Sku,
    pub quantity: u32,
}

/// A line that stock is asked for; the title goes along so that a refusal can name it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StockLine {
    pub sku: Sku,
    pub title: String,
    pub quantity: u32,
}

/// A line with its price at the time of the order; later price changes do not affect it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Item {
    pub sku: Sku,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    pub quantity: u32,
    pub unit_price: Money,
    pub line_total: Money,
}

/// A line that could not be had: how much was asked for, how much is free.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Short {
    pub sku: Sku,
    pub title: String,
    pub requested: u32,
    pub available: u32,
}

pub(super) fn is_zero(number: &u32) -> bool {
    *number == 0
}
