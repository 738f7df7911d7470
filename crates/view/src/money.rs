//! What the customer of an order is shown of its money: the amount, its status, and since when. No token, no secret.

use contract::{Confirm, Currency, Method, Money, OrderId, Time};
use payment::{Payment, RefundState, Status};
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Serialize, JsonSchema)]
pub struct PaymentView {
    pub id: String,
    pub order_id: OrderId,
    pub customer_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    #[schemars(with = "String")]
    pub status: PaymentStanding,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Money>,
    /// The number on the receipt, if it was paid in cash and the shop wrote one; else what the provider calls the charge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// Why the last try took no money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_code: Option<String>,
    /// If it is paid by confirmation: each of them.
    pub tries: Vec<Try>,
    pub refunds: Vec<Refund>,
    /// Each status it has had and each refund, oldest first.
    pub history: Vec<Since>,
    pub created_at: Time,
    pub updated_at: Time,
}

/// Where its money is: with its order's shop, or back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStanding {
    /// All that was captured has gone back.
    Refunded,
    #[serde(untagged)]
    As(Status),
}

impl PaymentStanding {
    pub fn of(record: &Payment) -> Self {
        let went_back = record.captured_minor > 0 && record.refunded_minor >= record.captured_minor;
        match went_back {
            true => PaymentStanding::Refunded,
            false => PaymentStanding::As(record.status),
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub struct Try {
    pub at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct Refund {
    /// The return it is for; 0 if the order was given up, or if it is for none.
    pub return_no: u32,
    pub amount: Money,
    #[schemars(with = "String")]
    pub state: RefundState,
    /// The money came after the order had been given up.
    pub late: bool,
    /// It was made at the provider's side, for no return.
    pub outside: bool,
    /// What the provider calls the refund.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// When it was refunded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

#[derive(Serialize, JsonSchema)]
pub struct Since {
    /// `refunded` for each refund: what went back, and by which name, stands beside it.
    #[schemars(with = "String")]
    pub status: PaymentStanding,
    pub at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
}

pub fn payment_view(id: String, customer_id: String, record: Payment) -> PaymentView {
    let money =
        |minor| record.currency.and_then(|currency: Currency| Money::from_minor(minor, currency).ok());
    let (captured, refunded) = (money(record.captured_minor), money(record.refunded_minor));
    let charge = record.charge.as_ref();
    let refund = |refund: &payment::Refund| Refund {
        return_no: refund.return_no,
        amount: refund.amount,
        state: refund.state,
        late: refund.late,
        outside: refund.outside,
        transaction_id: refund.transaction_id.clone(),
        at: refund.done_at,
    };
    let one = |one: &payment::Try| Try {
        at: one.at,
        failure_code: one.failure_code.clone(),
        transaction_id: one.transaction_id.clone(),
    };
    PaymentView {
        id,
        order_id: record.order_id,
        customer_id,
        method: charge.map(|charge| charge.method),
        status: PaymentStanding::of(&record),
        amount: charge.map(|charge| charge.amount),
        captured,
        refunded,
        transaction_id: record.transaction_id().map(str::to_string),
        failure_code: charge.and_then(|charge| charge.failure_code.clone()),
        tries: record.tries.iter().map(one).collect(),
        refunds: record.refunds.iter().map(refund).collect(),
        history: history(&record),
        created_at: record.created_at,
        updated_at: record.updated_at,
    }
}

/// Statuses and refunds as one list. A refund without a time was booked by an older version of this program, and is
/// placed at the payment's last change.
fn history(record: &Payment) -> Vec<Since> {
    let statuses = record.history.iter().map(|(at, status)| Since {
        status: PaymentStanding::As(*status),
        at: *at,
        amount: None,
        transaction_id: None,
    });
    let went_back =
        record.refunds.iter().filter(|one| one.state == RefundState::Done && !one.amount.is_zero());
    let refunds = went_back.map(|refund| Since {
        status: PaymentStanding::Refunded,
        at: refund.done_at.unwrap_or(record.updated_at),
        amount: Some(refund.amount),
        transaction_id: refund.transaction_id.clone(),
    });
    let mut entries: Vec<Since> = statuses.chain(refunds).collect();
    entries.sort_by_key(|entry| entry.at);
    entries
}

/// The status of a payment by confirmation, in the words that front ends know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntentStatus {
    /// Nothing to charge is known, or what was known has been declined.
    RequiresPaymentMethod,
    RequiresConfirmation,
    Processing,
    Succeeded,
    Canceled,
}

impl IntentStatus {
    pub fn of(record: &Payment) -> Self {
        match record.status {
            Status::AwaitingConfirmation if record.charge.as_ref().is_some_and(is_chargeable) => {
                IntentStatus::RequiresConfirmation
            }
            Status::AwaitingConfirmation => IntentStatus::RequiresPaymentMethod,
            Status::AwaitingCash | Status::Asked | Status::Checking => IntentStatus::Processing,
            // A payment that is refunded in whole has paid for nothing.
            Status::Captured
                if record.refunds.iter().any(|refund| refund.return_no == 0 && !refund.outside) =>
            {
                IntentStatus::Canceled
            }
            Status::Captured => IntentStatus::Succeeded,
            Status::Undoing | Status::Declined | Status::GivenUp => IntentStatus::Canceled,
        }
    }
}

fn is_chargeable(charge: &payment::Charge) -> bool {
    let known = charge.payment.token.is_some() || charge.payment.payment_method_id.is_some();
    debug_assert!(charge.payment.confirm == Confirm::Manual, "nothing else waits to be confirmed");
    charge.failure_code.is_none() && (known || charge.method == Method::Paypal)
}
