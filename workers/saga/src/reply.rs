//! What a fact means to a saga: which one it is for, which step it answers, and how.

use contract::{Money, OrderId, Reason, Short, bodies, inbox};

use crate::checkout::Definition;
use crate::interpreter::Input;

inbox! {
    /// Every message that the saga reads.
    enum Inbox {
        SagaStart, SagaReturn, SagaCancel, SagaOverdue, SagaRetry, SagaResolve, SagaDeadline,
        StockReserved, StockRefused, StockReleased, StockShipped, StockShipRefused, StockRestocked,
        PaymentCaptured, PaymentDeclined, PaymentRefunded, PaymentRefundFailed, PaymentVoided,
        OrderAccepted, OrderPaid, OrderFulfilled, OrderCancelled, OrderRefunded, OrderReturned,
    }
}

/// An order, a message that is not an answer, or an answer.
pub(crate) enum Heard<'a> {
    Start(&'a bodies::SagaStart),
    Return(&'a bodies::SagaReturn),
    Cancel(&'a bodies::SagaCancel),
    Overdue(&'a bodies::SagaOverdue),
    Retry(&'a bodies::SagaRetry),
    Resolve(&'a bodies::SagaResolve),
    Deadline(&'a bodies::SagaDeadline),
    Answer(Answer),
    /// It was not asked for, and it answers nothing.
    Aside,
}

pub(crate) struct Answer {
    pub(crate) order_id: OrderId,
    pub(crate) return_no: u32,
    steps: &'static [&'static str],
    how: How,
    /// Becomes the saga's reason if this answer turns it around.
    pub(crate) reason: Option<Reason>,
    pub(crate) decline_code: Option<String>,
    pub(crate) short: Vec<Short>,
    pub(crate) transaction_id: Option<String>,
    /// The amount that was refunded for a return.
    pub(crate) amount: Option<Money>,
}

#[derive(Clone, Copy)]
enum How {
    Done,
    Declined,
    Undone,
    UndoFailed,
    Closed,
}

const PAYMENT: &[&str] = &["take_payment", "await_payment", "collect_cash", "refund"];

pub(crate) fn read(body: &contract::Body) -> Option<Heard<'_>> {
    Some(match Inbox::read(body)? {
        Inbox::SagaStart(m) => Heard::Start(m),
        Inbox::SagaReturn(m) => Heard::Return(m),
        Inbox::SagaCancel(m) => Heard::Cancel(m),
        Inbox::SagaOverdue(m) => Heard::Overdue(m),
        Inbox::SagaRetry(m) => Heard::Retry(m),
        Inbox::SagaResolve(m) => Heard::Resolve(m),
        Inbox::SagaDeadline(m) => Heard::Deadline(m),
        Inbox::StockReserved(m) => answer(m.order_id, 0, &["hold_stock"], How::Done),
        Inbox::StockRefused(m) => Heard::Answer(Answer {
            short: m.short.clone(),
            ..because(m.order_id, &["hold_stock"], Reason::InsufficientStock)
        }),
        Inbox::StockReleased(m) => answer(m.order_id, 0, &["hold_stock"], How::Undone),
        Inbox::StockShipped(m) => answer(m.order_id, 0, &["ship"], How::Done),
        Inbox::StockShipRefused(m) => Heard::Answer(Answer {
            short: m.short.clone(),
            ..because(m.order_id, &["ship"], Reason::StockUnavailable)
        }),
        Inbox::StockRestocked(m) if m.return_no == 0 => answer(m.order_id, 0, &["ship"], How::Undone),
        Inbox::StockRestocked(m) => answer(m.order_id, m.return_no, &["take_back"], How::Done),
        Inbox::PaymentCaptured(m) => Heard::Answer(Answer {
            transaction_id: Some(m.transaction_id.clone()),
            ..plain(m.order_id, 0, PAYMENT, How::Done)
        }),
        // The customer may try again: the step's patience decides how long.
        Inbox::PaymentDeclined(m) if m.may_be_retried => Heard::Aside,
        Inbox::PaymentDeclined(m) if m.code == "payment_timeout" => {
            Heard::Answer(because(m.order_id, PAYMENT, Reason::PaymentTimeout))
        }
        Inbox::PaymentDeclined(m) => Heard::Answer(Answer {
            decline_code: Some(m.code.clone()),
            ..because(m.order_id, PAYMENT, Reason::PaymentDeclined)
        }),
        Inbox::PaymentRefunded(m) if m.outside => Heard::Aside,
        Inbox::PaymentRefunded(m) if m.return_no == 0 => answer(m.order_id, 0, PAYMENT, How::Undone),
        Inbox::PaymentRefunded(m) => Heard::Answer(Answer {
            amount: Some(m.amount),
            ..plain(m.order_id, m.return_no, PAYMENT, How::Done)
        }),
        Inbox::PaymentRefundFailed(m) => answer(m.order_id, m.return_no, PAYMENT, How::UndoFailed),
        Inbox::PaymentVoided(m) => answer(m.order_id, 0, PAYMENT, How::Undone),
        Inbox::OrderAccepted(m) => answer(m.order_id, 0, &["mark_accepted"], How::Done),
        Inbox::OrderPaid(m) => answer(m.order_id, 0, &["mark_paid"], How::Done),
        Inbox::OrderFulfilled(m) => answer(m.order_id, 0, &["mark_fulfilled"], How::Done),
        Inbox::OrderCancelled(m) => answer(m.order_id, 0, &[], How::Closed),
        Inbox::OrderRefunded(m) if m.return_no == 0 => answer(m.order_id, 0, &[], How::Closed),
        Inbox::OrderRefunded(m) => answer(m.order_id, m.return_no, &["mark_returned"], How::Done),
        Inbox::OrderReturned(m) => answer(m.order_id, m.return_no, &["mark_returned"], How::Done),
    })
}

impl Answer {
    /// `None` when the saga's definition has no such step.
    pub(crate) fn input(&self, definition: &Definition) -> Option<Input> {
        let step = || self.steps.iter().find_map(|name| definition.step(name));
        match self.how {
            How::Done => step().map(Input::Done),
            How::Declined => step().map(Input::Declined),
            How::Undone => step().map(Input::Undone),
            How::UndoFailed => step().map(Input::UndoFailed),
            How::Closed => Some(Input::Closed),
        }
    }
}

fn answer(order_id: OrderId, return_no: u32, steps: &'static [&'static str], how: How) -> Heard<'static> {
    Heard::Answer(plain(order_id, return_no, steps, how))
}

fn because(order_id: OrderId, steps: &'static [&'static str], reason: Reason) -> Answer {
    Answer { reason: Some(reason), ..plain(order_id, 0, steps, How::Declined) }
}

fn plain(order_id: OrderId, return_no: u32, steps: &'static [&'static str], how: How) -> Answer {
    let (reason, decline_code, short, transaction_id, amount) = (None, None, Vec::new(), None, None);
    Answer { order_id, return_no, steps, how, reason, decline_code, short, transaction_id, amount }
}
