//! Our books on one order's money: what was asked, what the provider says became of it, what was refunded.

use contract::{
    Confirm, Currency, MessageId, Method, Money, OrderId, PaymentChoice, Stored, Table, Time, Token, records,
};
use serde::{Deserialize, Serialize};

use crate::wallet::Wallet;

/// A customer who was declined this often is guessing.
pub(crate) const TRIES_MAX: usize = 10;

records! {
    pub enum Record { Payment, Wallet }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Payment {
    pub order_id: OrderId,
    pub status: Status,
    /// Absent when the payment was given up, or its cash came, before it was ever asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<Charge>,
    /// Cash that came before the saga asked for it: what the person who took it wrote down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cash_ahead: Option<String>,
    /// A confirmation that came before the saga asked for the money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_ahead: Option<Confirmed>,
    /// The provider's id of a capture that came although the payment was given up before it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unasked: Option<String>,
    /// An event from outside told of the capture: the provider's own books may know it only from us.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told_outside: bool,
    /// The secret by which a front end may confirm it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Token>,
    /// Each confirmation, if it is paid by confirmation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tries: Vec<Try>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    pub captured_minor: i64,
    pub refunded_minor: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refunds: Vec<Refund>,
    /// Each status it ever had, and since when.
    pub history: Vec<(Time, Status)>,
    pub created_at: Time,
    pub updated_at: Time,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Charge {
    pub customer_id: String,
    pub amount: Money,
    pub method: Method,
    pub payment: PaymentChoice,
    /// When the saga gives it up, as far as payment knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// What the person who took the cash wrote down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_code: Option<String>,
}

/// Which message confirmed it, and by what it shall be charged if not as the order said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Confirmed {
    pub by: MessageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentChoice>,
}

/// A confirmation, and why it took no money. The last one's charge may still be out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Try {
    pub confirmed_by: MessageId,
    pub at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_code: Option<String>,
    /// The provider's id of it: its event may come again when the next try is out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing is asked of the provider until the customer confirms it.
    AwaitingConfirmation,
    /// Cash that has not been reported yet.
    AwaitingCash,
    /// The provider was asked; the result is unknown.
    Asked,
    /// Patience is over: the provider is queried, and what is not captured is declined.
    Checking,
    /// The order is being undone: what turns out to be captured is refunded at once.
    Undoing,
    Captured,
    Declined,
    /// Nothing was captured at the last query. What is captured after all is refunded at once.
    GivenUp,
}

/// One refund: of everything, or of a return's share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refund {
    /// 0: the whole order; n: the n-th return.
    pub return_no: u32,
    pub amount: Money,
    pub state: RefundState,
    /// The tries so far. A key is only changed after the provider has refused it for good.
    pub tries: u32,
    /// The order had been given up before the money came.
    pub late: bool,
    /// The provider's id of it, once it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// The provider's ids of the tries that it refused: an event without a key is matched by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// Made outside, by a person who vouches for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<String>,
    /// Made at the provider's side, and not asked for here. Without a transaction id it is known only as part of the
    /// refunded total, and may be several refunds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outside: bool,
    /// Since when it has been done. Absent for a refund that an older version of this program booked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Time>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    Asked,
    Done,
    /// Refused for good, in every try.
    Failed,
}

impl Stored for Payment {
    const TABLE: Table = Table::Payments;
    fn id(&self) -> String {
        self.order_id.to_string()
    }
}

impl Refund {
    /// A refund that is done as of `now`, with nothing else known of it.
    pub(crate) fn done(return_no: u32, amount: Money, now: Time) -> Self {
        Self {
            return_no,
            amount,
            state: RefundState::Done,
            done_at: Some(now),
            tries: 0,
            late: false,
            transaction_id: None,
            refused: Vec::new(),
            by_hand: None,
            outside: false,
        }
    }
}

impl Payment {
    pub(crate) fn new(order_id: OrderId, status: Status, charge: Option<Charge>, now: Time) -> Self {
        Self {
            order_id,
            status,
            currency: charge.as_ref().map(|charge| charge.amount.currency()),
            charge,
            cash_ahead: None,
            confirmed_ahead: None,
            unasked: None,
            told_outside: false,
            intent: None,
            tries: Vec::new(),
            captured_minor: 0,
            refunded_minor: 0,
            refunds: Vec::new(),
            history: vec![(now, status)],
            created_at: now,
            updated_at: now,
        }
    }

    pub(crate) fn turn(mut self, status: Status, now: Time) -> Self {
        if self.status != status {
            self.status = status;
            self.history.push((now, status));
        }
        self.updated_at = now;
        self
    }

    /// The provider may take the money yet, or has taken it and not said so.
    pub(crate) fn may_be_captured(&self) -> bool {
        match self.status {
            Status::AwaitingCash
            | Status::AwaitingConfirmation
            | Status::Asked
            | Status::Checking
            | Status::Undoing => true,
            Status::Captured | Status::Declined | Status::GivenUp => false,
        }
    }

    /// The saga has asked for the money, or never will: an event can be matched with it.
    pub(crate) fn is_asked_or_over(&self) -> bool {
        self.charge.is_some() || self.is_over_unasked() || self.status == Status::Captured
    }

    /// The saga gave it up, and no request for the money is known: it was faster than that request, or the record was lost.
    pub(crate) fn is_over_unasked(&self) -> bool {
        self.charge.is_none() && matches!(self.status, Status::Checking | Status::Undoing | Status::GivenUp)
    }

    /// Cash, or a confirmation, would be accepted now: neither has come, and the order was not given up.
    pub fn waits_to_be_paid(&self) -> bool {
        match self.status {
            Status::AwaitingCash => self.charge.is_some(),
            Status::AwaitingConfirmation => self.tries.len() < TRIES_MAX && self.confirmed_ahead.is_none(),
            Status::Asked
            | Status::Checking
            | Status::Undoing
            | Status::Captured
            | Status::Declined
            | Status::GivenUp => false,
        }
    }

    /// The provider's id of what it captured.
    pub fn capture_name(&self) -> Option<&str> {
        self.charge.as_ref().map_or(&self.unasked, |charge| &charge.transaction_id).as_deref()
    }

    /// Some providers name the charge in events about its refunds: such an id says nothing about the try.
    pub(crate) fn names_a_try(&self, transaction_id: &str) -> bool {
        self.capture_name() != Some(transaction_id)
    }

    /// The id by which people know the payment: the number on the receipt if it was paid in cash and the shop wrote
    /// one, else the provider's id.
    pub fn transaction_id(&self) -> Option<&str> {
        let receipt = self.charge.as_ref().and_then(|charge| charge.receipt.as_deref());
        receipt.or_else(|| self.capture_name())
    }

    pub(crate) fn name_capture(&mut self, transaction_id: &str) {
        let name = self.charge.as_mut().map_or(&mut self.unasked, |charge| &mut charge.transaction_id);
        *name = Some(transaction_id.to_string());
    }

    /// What was captured and is neither refunded nor being refunded.
    pub fn left(&self) -> i64 {
        self.kept() - self.sum_of(RefundState::Asked) - self.sum_of(RefundState::Failed)
    }

    /// What was captured and not refunded.
    pub(crate) fn kept(&self) -> i64 {
        self.captured_minor - self.refunded_minor
    }

    pub(crate) fn sum_of(&self, state: RefundState) -> i64 {
        self.refunds.iter().filter(|r| r.state == state).map(|r| r.amount.minor()).sum()
    }

    /// Changes only with a new try, and there is none before the provider has declined the last one.
    pub(crate) fn charge_key(&self) -> String {
        match self.tries.len() {
            0 | 1 => format!("charge/{}", self.order_id),
            no => format!("charge/{}/{no}", self.order_id),
        }
    }

    /// A customer may try again after a decline, as long as patience is not over.
    pub(crate) fn may_be_tried_again(&self) -> bool {
        let manual = self.charge.as_ref().is_some_and(|charge| charge.payment.confirm == Confirm::Manual);
        manual && self.status == Status::Asked
    }

    /// It is about a try that was declined before the one that is out.
    pub(crate) fn is_of_an_older_try(&self, transaction_id: &str) -> bool {
        self.tries.iter().any(|one| one.transaction_id.as_deref() == Some(transaction_id))
    }

    pub(crate) fn refund_key(&self, refund: &Refund) -> String {
        format!("refund/{}/{}/{}", self.order_id, refund.return_no, refund.tries)
    }

    pub(crate) fn refund_of(&self, return_no: u32) -> Option<usize> {
        self.refunds.iter().position(|refund| refund.return_no == return_no && !refund.outside)
    }
}
