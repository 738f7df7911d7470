//! Our books on one order's money: what was asked, what the provider says became of it, what went back.

use contract::{Currency, Method, Money, OrderId, PaymentChoice, Stored, Table, Time, records};
use serde::{Deserialize, Serialize};

records! {
    pub enum Record { Payment }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Payment {
    pub order_id: OrderId,
    pub status: Status,
    /// Absent when the payment was given up, or its cash came, before it was ever asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<Charge>,
    /// Cash that came before the saga asked for it, with what whoever took it wrote down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cash_ahead: Option<String>,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// What whoever took the cash wrote down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_code: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Cash that nobody has reported yet.
    AwaitingCash,
    /// The provider was asked; what came of it is unknown.
    Asked,
    /// Patience is over: the provider is asked what became of it, and what is not captured is declined.
    Checking,
    /// The order is being undone: what turns out to be captured goes straight back.
    Undoing,
    Captured,
    Declined,
    /// Nothing was captured when it was last asked. What comes after all goes straight back.
    GivenUp,
}

/// One giving back: of everything, or of a return's share.
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
    /// What the provider calls it, once it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// What it called the tries that it refused: an event without a key is told apart by that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// Made outside, by a person who vouches for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    Asked,
    Done,
    /// Refused for good, by every try.
    Failed,
}

impl Stored for Payment {
    const TABLE: Table = Table::Payments;
    fn id(&self) -> String {
        self.order_id.to_string()
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

    /// What was captured and is neither given back nor on its way back.
    pub(crate) fn left(&self) -> i64 {
        let asked: i64 =
            self.refunds.iter().filter(|r| r.state != RefundState::Done).map(|r| r.amount.minor()).sum();
        self.captured_minor - self.refunded_minor - asked
    }

    pub(crate) fn charge_key(&self) -> String {
        format!("charge/{}", self.order_id)
    }

    pub(crate) fn refund_key(&self, refund: &Refund) -> String {
        format!("refund/{}/{}/{}", self.order_id, refund.return_no, refund.tries)
    }

    pub(crate) fn refund_of(&self, return_no: u32) -> Option<usize> {
        self.refunds.iter().position(|refund| refund.return_no == return_no)
    }
}
