//! What each message carries. A command carries all that its reader needs to know which records to load.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Money, OrderId, Sku, Time};

// ---- words used in several messages -----------------------------------------------------------------

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    Card,
    DebitCard,
    Paypal,
    Cod,
}

impl Method {
    /// The most that one order may cost by this method, in minor units of its currency. Issuers refuse larger
    /// debit payments, PayPal larger payments without verification, and nobody should carry more cash.
    fn limit_minor(self) -> i64 {
        match self {
            Method::Card => 5_000_000,
            Method::DebitCard | Method::Paypal => 1_000_000,
            Method::Cod => 200_000,
        }
    }

    /// Why this is more than the method may carry. Asked before anything is held, and again before anything
    /// is charged: what is paid on delivery would be on its way by then.
    pub fn over_limit(self, amount: Money) -> Option<String> {
        let name = match self {
            Method::Card => "card",
            Method::DebitCard => "debit card",
            Method::Paypal => "PayPal",
            Method::Cod => "cash on delivery",
        };
        let most = Money::from_minor(self.limit_minor(), amount.currency()).ok()?;
        (amount.minor() > most.minor()).then(|| format!("{amount} is more than {most}, the most for {name}"))
    }
}

/// Why an order was given up or its money went back. The codes are fixed: other programs read them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
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
#[serde(transparent)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a customer wants to hear. Personal data: shown to nobody's logs.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
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
pub struct PaymentChoice {
    pub method: Method,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
}

/// So many of one thing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
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

/// A line with its price as it was when the order was made; later price changes do not touch it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
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
pub struct Short {
    pub sku: Sku,
    pub title: String,
    pub requested: u32,
    pub available: u32,
}

// ---- commands from outside (checkout.submit is in submission.rs) --------------------------------------

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderCancel {
    pub order_id: OrderId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default)]
    pub by: By,
}

/// A return after fulfilment. Without items: everything that has not come back yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderRefund {
    pub order_id: OrderId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<Line>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderPay {
    pub order_id: OrderId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderArchive {
    pub order_id: OrderId,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProductUpsert {
    pub sku: Sku,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    pub price: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_hand: Option<u32>,
}

/// Exactly one of `percent` (a decimal string, more than 0 and at most 100) and `amount`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DiscountUpsert {
    pub code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Time>,
    #[serde(default = "yes")]
    pub active: bool,
}

fn yes() -> bool {
    true
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StockAdjust {
    pub sku: Sku,
    pub delta: i64,
    pub reason: String,
}

/// The provider's event, the same on the queue and by HTTP.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProviderEvent {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: ProviderEventKind,
    pub created: Time,
    pub data: ProviderEventData,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum ProviderEventKind {
    #[serde(rename = "payment.succeeded")]
    PaymentSucceeded,
    #[serde(rename = "payment.failed")]
    PaymentFailed,
    #[serde(rename = "refund.succeeded")]
    RefundSucceeded,
    #[serde(rename = "refund.failed")]
    RefundFailed,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProviderEventData {
    /// The order id that the charge was made for.
    pub reference: OrderId,
    pub transaction_id: String,
    pub amount: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_code: Option<String>,
    /// For refunds: the key that the refund was asked under, where the provider sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// An operator asks the saga to go on from where it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SagaRetry {
    pub order_id: OrderId,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub return_no: u32,
    pub by: String,
}

/// An operator says, with evidence, how the waiting step ended in the world outside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SagaResolve {
    pub order_id: OrderId,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub return_no: u32,
    pub outcome: Resolution,
    pub evidence: String,
    pub by: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The refund was made by hand: book it and go on.
    Done,
    /// The step will not happen: turn around and undo what was done.
    GiveUp,
}

// ---- between our own workers ----------------------------------------------------------------------------

/// Everything the saga will ever have to tell the others.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SagaStart {
    pub order_id: OrderId,
    pub customer_id: String,
    pub lines: Vec<StockLine>,
    pub total: Money,
    pub payment: PaymentChoice,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SagaCancel {
    pub order_id: OrderId,
    pub reason: Reason,
}

/// A return: pay back `amount` and take `lines` back into stock.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SagaReturn {
    pub order_id: OrderId,
    pub customer_id: String,
    pub return_no: u32,
    pub lines: Vec<StockLine>,
    pub amount: Money,
}

/// A saga's patience with the step it asked for is over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SagaOverdue {
    pub order_id: OrderId,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub return_no: u32,
    /// Which asking this is about; a later one has its own deadline.
    pub asked: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MarkPaid {
    pub order_id: OrderId,
    pub transaction_id: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MarkFulfilled {
    pub order_id: OrderId,
}

/// The saga is unwound: the order ends as cancelled, or as refunded if it had been paid.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MarkUndone {
    pub order_id: OrderId,
    pub reason: Reason,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub short: Vec<Short>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MarkReturned {
    pub order_id: OrderId,
    pub return_no: u32,
}

/// The saga cannot turn around any more (or had ended): whoever asked to cancel must hear it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RefuseCancel {
    pub order_id: OrderId,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StockReserve {
    pub order_id: OrderId,
    pub lines: Vec<StockLine>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StockRelease {
    pub order_id: OrderId,
    pub lines: Vec<StockLine>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StockShip {
    pub order_id: OrderId,
    pub lines: Vec<StockLine>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StockRestock {
    pub order_id: OrderId,
    /// 0: the whole shipment came back before it was paid for.
    pub return_no: u32,
    pub lines: Vec<StockLine>,
}

/// The catalogue learnt how many there are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StockCount {
    pub sku: Sku,
    pub on_hand: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PaymentCharge {
    pub order_id: OrderId,
    pub customer_id: String,
    pub amount: Money,
    pub payment: PaymentChoice,
}

/// Say now how the charge stands: ask the provider if need be, and give up what is not captured.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PaymentCheck {
    pub order_id: OrderId,
}

/// Give back what was captured (all of it, or a return's share), or see to it that nothing will be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PaymentRefund {
    pub order_id: OrderId,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub return_no: u32,
    /// For a return: its share. Otherwise everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
}

/// A refund that the provider keeps refusing was made some other way, and an operator vouches for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PaymentByHand {
    pub order_id: OrderId,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub return_no: u32,
    pub evidence: String,
}

/// The money for an order on delivery has come.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PaymentSettle {
    pub order_id: OrderId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
}

/// `key` is the idempotency key: the same for every try of one charge.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProviderCharge {
    pub key: String,
    pub order_id: OrderId,
    pub amount: Money,
    pub payment: PaymentChoice,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProviderRefund {
    pub key: String,
    pub order_id: OrderId,
    pub transaction_id: String,
    pub amount: Money,
}

/// What became of the charge asked for under this key?
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProviderQuery {
    pub key: String,
    pub order_id: OrderId,
}

/// The provider's word on a charge, from its own books.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProviderAnswer {
    pub key: String,
    pub order_id: OrderId,
    pub charge: ChargeStanding,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum ChargeStanding {
    /// Never heard of it.
    NotFound,
    /// Heard of it, and nothing was taken so far.
    Pending,
    Succeeded {
        transaction_id: String,
        amount: Money,
    },
    Failed {
        transaction_id: String,
        failure_code: String,
    },
}

/// Tell a customer what became of the order, by every channel they gave.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tell {
    pub order_id: OrderId,
    pub event: Notice,
    pub contact: Contact,
    pub amount: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// For returns: which one. A partial return may happen more than once.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub return_no: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    Created,
    Paid,
    Fulfilled,
    Cancelled,
    Refunded,
    /// A payment came after the order was given up, and went back.
    LatePaymentRefunded,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailSend {
    pub order_id: OrderId,
    /// The channel's dedupe key: one notice per event and channel.
    pub key: String,
    pub to: String,
    pub subject: String,
    pub body: String,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmsSend {
    pub order_id: OrderId,
    pub key: String,
    pub number: String,
    pub text: String,
}

impl fmt::Debug for EmailSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailSend({})", self.key)
    }
}

impl fmt::Debug for SmsSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmsSend({})", self.key)
    }
}

// ---- facts ---------------------------------------------------------------------------------------------

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderCreated {
    pub order_id: OrderId,
    pub customer_id: String,
    pub at: Time,
    pub items: Vec<Item>,
    pub subtotal: Money,
    pub discount: Money,
    pub total: Money,
    pub payment_method: Method,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderRejected {
    pub order_id: OrderId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    pub at: Time,
    /// The first fault's code: what most senders branch on.
    pub code: String,
    pub message: String,
    pub details: Vec<crate::Fault>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderPaid {
    pub order_id: OrderId,
    pub customer_id: String,
    pub at: Time,
    pub transaction_id: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderFulfilled {
    pub order_id: OrderId,
    pub customer_id: String,
    pub at: Time,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderCancelled {
    pub order_id: OrderId,
    pub customer_id: String,
    pub at: Time,
    pub reason: Reason,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub short: Vec<Short>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderRefunded {
    pub order_id: OrderId,
    pub customer_id: String,
    pub at: Time,
    pub reason: Reason,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub return_no: u32,
}

/// A partial return was taken back; the order stays fulfilled.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderReturned {
    pub order_id: OrderId,
    pub customer_id: String,
    pub at: Time,
    pub return_no: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderArchived {
    pub order_id: OrderId,
    pub customer_id: String,
    pub at: Time,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderCancelRefused {
    pub order_id: OrderId,
    pub at: Time,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// Any other command about an order that its state does not allow.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderRefused {
    pub order_id: OrderId,
    pub at: Time,
    pub command: String,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    pub allowed: Vec<String>,
}

/// `stock.reserved`, `stock.released`, `stock.shipped`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StockFact {
    pub order_id: OrderId,
    pub at: Time,
}

/// `stock.refused`, `stock.ship_refused`: every short line, not just the first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StockRefused {
    pub order_id: OrderId,
    pub at: Time,
    pub short: Vec<Short>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StockRestocked {
    pub order_id: OrderId,
    pub at: Time,
    pub return_no: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PaymentCaptured {
    pub order_id: OrderId,
    pub at: Time,
    pub transaction_id: String,
    pub amount: Money,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PaymentDeclined {
    pub order_id: OrderId,
    pub at: Time,
    /// `payment_timeout` means: nobody knew in time, so it was given up.
    pub code: String,
    pub message: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PaymentRefunded {
    pub order_id: OrderId,
    pub at: Time,
    pub amount: Money,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub return_no: u32,
    /// The capture came after the order had been given up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PaymentRefundFailed {
    pub order_id: OrderId,
    pub at: Time,
    pub code: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub return_no: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

/// Nothing was captured, and whatever may still come goes straight back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PaymentVoided {
    pub order_id: OrderId,
    pub at: Time,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NeedsAttention {
    pub order_id: OrderId,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub return_no: u32,
    pub customer_id: String,
    pub at: Time,
    pub step: String,
    pub why: String,
    /// What an operator can do now.
    pub actions: Vec<String>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}
