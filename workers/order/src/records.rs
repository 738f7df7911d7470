//! What the order worker remembers. The field names are read by SQL: renaming one is a migration.

use std::collections::BTreeMap;

use contract::{
    Answers, BodyHash, By, Confirm, Contact, Fault, Item, Line, MessageId, Method, Money, OrderHeld, OrderId,
    Reason, ReplyTo, Short, Sku, Status, Stored, Table, Time,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

contract::records! {
    /// Any record of the order worker.
    pub enum Record { Order, Submission, AuditEntry, Product, Discount, MethodState, StoredCart }
}

/// An order that was accepted, with its prices as they were at that moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Order {
    pub order_id: OrderId,
    pub customer_id: String,
    pub status: Status,
    /// Why it was cancelled or refunded; archiving does not forget it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Why its payment was declined, if that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_code: Option<String>,
    /// The lines that could not be had, if that is the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub short: Vec<Short>,
    pub method: Method,
    /// Manual: the payment waits until the customer confirms it.
    #[serde(default, skip_serializing_if = "Confirm::is_automatic")]
    pub confirm: Confirm,
    pub items: Vec<Item>,
    pub subtotal: Money,
    pub discount: Money,
    pub total: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount_code: Option<String>,
    pub contact: Contact,
    /// It was made of the customer's stored cart.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_cart: bool,
    /// Distinguishes a repeated submission from another one under the same id.
    pub content: BodyHash,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// Since when goods that are paid for at the door have been on their way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Time>,
    /// How many audit entries there are so far: the number of the last one.
    pub entries: u32,
    /// When it entered each state it has been in: a fact that is sent again has its own time.
    pub reached: BTreeMap<Status, Time>,
    #[serde(default)]
    pub returns: Vec<Return>,
    /// The sum of the returns that are done.
    pub refunded: Money,
    /// The return with which the last of the goods came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded_by: Option<u32>,
    /// Where the sender waits for the outcome; gone once the outcome was sent there, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<ReplyTo>,
    /// … and where else it waits, having sent the same again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reply_also: Vec<ReplyTo>,
    /// Where the outcome was sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told_at: Vec<ReplyTo>,
    pub created_at: Time,
    pub updated_at: Time,
}

/// Goods that are being returned. Their share of the money is fixed when the return is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Return {
    /// 1, 2, … within the order.
    pub no: u32,
    pub lines: Vec<Line>,
    pub amount: Money,
    /// How much was refunded, if it is less: the rest had been refunded at the provider's side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub went_back: Option<Money>,
    pub done: bool,
    /// When it was asked for; once done, when it was done.
    pub at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The admin who accepted the return.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// What is known of an id under which there is no order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Submission {
    Rejected(Rejected),
    Early(Early),
}

/// Commands about an order before it was submitted; removed once it exists.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Early {
    pub order_id: OrderId,
    pub held: Vec<OrderHeld>,
    pub at: Time,
}

/// A submission that was refused, kept so that its sender can learn why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rejected {
    pub order_id: OrderId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    pub content: BodyHash,
    pub code: String,
    pub message: String,
    #[serde(alias = "faults")]
    pub errors: Vec<Fault>,
    pub at: Time,
    /// Where its sender was answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told_at: Vec<ReplyTo>,
}

/// One change of state. Numbered from 1 without gaps; never changed, never deleted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuditEntry {
    pub order_id: OrderId,
    pub seq: u32,
    pub at: Time,
    pub from: Option<Status>,
    pub to: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who requested it, …
    pub by: By,
    /// … by name, if it was a person of the shop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    pub message_id: MessageId,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Product {
    pub sku: Sku,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    pub price: Money,
    /// Not sold any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retired: bool,
}

/// Takes off a percentage or a fixed amount: exactly one of the two is set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Discount {
    pub code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// The last moment it is valid at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Time>,
    pub active: bool,
}

/// Whether new checkouts may be paid by a method. One without a record may.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MethodState {
    pub method: Method,
    pub paused: bool,
    /// Of the last change.
    pub why: String,
    pub by: String,
    pub at: Time,
}

/// A customer's stored cart.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StoredCart {
    pub customer_id: String,
    /// Goes up with each change of the lines.
    pub version: u64,
    /// In SKU order, each SKU once.
    pub lines: Vec<Line>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered: Option<Ordered>,
    /// What became of the last writes.
    #[serde(default)]
    pub answers: Answers,
    pub updated_at: Time,
}

/// The one order that is being made of a cart.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ordered {
    pub order_id: OrderId,
    pub content: BodyHash,
    /// What leaves the cart once it is bought: what was taken, except what the customer has removed since.
    pub lines: Vec<Line>,
}

impl Stored for StoredCart {
    const TABLE: Table = Table::Carts;
    fn id(&self) -> String {
        self.customer_id.clone()
    }
}

impl Stored for MethodState {
    const TABLE: Table = Table::Methods;
    fn id(&self) -> String {
        self.method.code().to_string()
    }
}

impl Stored for Order {
    const TABLE: Table = Table::Orders;
    fn id(&self) -> String {
        self.order_id.to_string()
    }
}

impl Order {
    /// Everywhere that the outcome is waited for.
    pub(crate) fn askers(&self) -> impl Iterator<Item = &ReplyTo> {
        self.reply_to.iter().chain(&self.reply_also)
    }
}

impl Stored for Submission {
    const TABLE: Table = Table::Submissions;
    fn id(&self) -> String {
        match self {
            Submission::Rejected(rejected) => rejected.order_id.to_string(),
            Submission::Early(early) => early.order_id.to_string(),
        }
    }
}

impl Stored for AuditEntry {
    const TABLE: Table = Table::Audit;
    fn id(&self) -> String {
        format!("{}/{:06}", self.order_id, self.seq)
    }
}

impl Stored for Product {
    const TABLE: Table = Table::Products;
    fn id(&self) -> String {
        self.sku.to_string()
    }
}

impl Stored for Discount {
    const TABLE: Table = Table::Discounts;
    fn id(&self) -> String {
        self.code.clone()
    }
}
