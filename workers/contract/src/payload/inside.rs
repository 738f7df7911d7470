//! The messages between our own workers. No outsider sends or reads these, so they may change.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{MessageId, Money, OrderId, Sku, Speaker, Time, clean_text};

use super::outside::{OrderCancel, OrderPay, ProviderEvent};
use super::words::{By, Contact, PaymentChoice, Reason, Short, StockLine, is_zero};

/// Everything the saga will ever have to tell the other workers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SagaStart {
    pub order_id: OrderId,
    pub customer_id: String,
    pub lines: Vec<StockLine>,
    pub total: Money,
    pub payment: PaymentChoice,
    /// It was cancelled before the order existed: no step is asked for, and the order is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<Cancelled>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cancelled {
    pub reason: Reason,
    #[serde(default, skip_serializing_if = "Wish::is_silent")]
    pub wish: Wish,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SagaCancel {
    pub order_id: OrderId,
    pub reason: Reason,
    #[serde(default, skip_serializing_if = "Wish::is_silent")]
    pub wish: Wish,
}

/// A command that was faster than the submission of its order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderHeld {
    pub order_id: OrderId,
    /// The message that asked, …
    pub message_id: MessageId,
    /// … and when it came.
    pub since: Time,
    pub by: Speaker,
    pub command: HeldCommand,
}

/// What may be asked of an order before there is one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "body")]
pub enum HeldCommand {
    #[serde(rename = "order.cancel")]
    Cancel(OrderCancel),
    #[serde(rename = "order.pay")]
    Pay(OrderPay),
}

impl HeldCommand {
    pub fn order_id(&self) -> OrderId {
        match self {
            HeldCommand::Cancel(asked) => asked.order_id,
            HeldCommand::Pay(asked) => asked.order_id,
        }
    }
}

/// The reason given with a wish, and by whom; it goes into the audit trail.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Wish {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// A reason, not a correspondence.
const NOTE_CHARS_MAX: usize = 500;
const WHO_CHARS_MAX: usize = 100;

impl Wish {
    /// Text that cannot be shown to people is left out: no wish fails because of its wording.
    pub fn of(note: Option<&String>, who: Option<&String>) -> Self {
        let fit =
            |text: Option<&String>, most| text.and_then(|text| clean_text(text, most).ok()).map(Into::into);
        Self { note: fit(note, NOTE_CHARS_MAX), who: fit(who, WHO_CHARS_MAX) }
    }

    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }
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

/// The goods are on their way, and will be paid for at the door.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MarkAccepted {
    pub order_id: OrderId,
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
    /// Why the payment was declined, if that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_code: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub short: Vec<Short>,
    /// Of the person who cancelled it, if one did.
    #[serde(default, skip_serializing_if = "Wish::is_silent")]
    pub wish: Wish,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MarkReturned {
    pub order_id: OrderId,
    pub return_no: u32,
    /// What was refunded, if that is less than the return's share: the rest had been refunded at the provider's side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
}

/// The saga cannot turn around any more (or had ended): the person who asked to cancel must hear it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RefuseCancel {
    pub order_id: OrderId,
    /// Who asked: the refusal names what they may do instead.
    #[serde(default)]
    pub by: By,
}

/// Nothing was taken for an `order.pay` that the order worker had passed on: its sender must hear why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RefusePay {
    pub order_id: OrderId,
    /// A code for programs. It counts as long as the order still waits for its money.
    pub reason: String,
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

/// The catalogue's message said how many there are.
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
    /// How long after this message the order is given up without the money. Absent if it never is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience_s: Option<u64>,
}

/// Find out now how the charge ended: ask the provider if need be, and give up what is not captured.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PaymentCheck {
    pub order_id: OrderId,
}

/// Refund what was captured (all of it, or a return's share), or make sure that nothing will be captured.
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

/// An event that was faster than its order is looked at again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PaymentHeld {
    pub event: ProviderEvent,
}

/// `key` is the idempotency key: the same for every try of one charge.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProviderCharge {
    pub key: String,
    pub order_id: OrderId,
    pub amount: Money,
    pub payment: PaymentChoice,
    /// After this nothing is charged any more: the order will have been given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Time>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProviderRefund {
    pub key: String,
    pub order_id: OrderId,
    pub transaction_id: String,
    pub amount: Money,
    /// The refund's charge, if only an event from outside told of it: the provider's books may not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charged: Option<ToldCharge>,
}

/// A trusted event from outside. The mock's books are ours to keep, and learn what it told of; any other provider
/// knows it already.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum ProviderTold {
    Charge(ToldCharge),
    /// It was made, and no worker had asked for it.
    Refund(ProviderRefund),
}

/// How the charge under a key ended, by an event from outside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ToldCharge {
    pub key: String,
    pub order_id: OrderId,
    /// The event's id for the charge.
    pub transaction_id: String,
    pub amount: Money,
    /// Why nothing was taken, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_code: Option<String>,
}

impl ProviderTold {
    pub fn order_id(&self) -> OrderId {
        match self {
            ProviderTold::Charge(charge) => charge.order_id,
            ProviderTold::Refund(refund) => refund.order_id,
        }
    }
}

/// Asks how the charge under this key ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProviderQuery {
    pub key: String,
    pub order_id: OrderId,
}

/// The provider's answer about a charge, from its own books.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProviderAnswer {
    pub key: String,
    pub order_id: OrderId,
    pub charge: ChargeStanding,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum ChargeStanding {
    /// The provider does not know the key.
    NotFound,
    /// The key is known, and nothing was taken so far.
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

/// Tell a customer of an event, by every channel they gave.
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
    /// The goods are on their way, and are paid for at the door.
    Accepted,
    Paid,
    Fulfilled,
    /// What was paid for at the door has been delivered and paid.
    Delivered,
    Cancelled,
    Refunded,
    /// A payment came after the order was given up, and was refunded.
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
