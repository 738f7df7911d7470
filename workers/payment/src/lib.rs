//! Takes each order's money once and gives it back once, whatever the provider says, when, how often and in
//! which order. What is unknown stays unknown until the provider has been asked.

#![warn(clippy::wildcard_enum_match_arm)]

mod charge;
mod event;
mod later;
mod method;
mod record;
mod refund;

use contract::{Decision, Message, Need, Records, Role, Table, Time, Worker, inbox};

pub use record::{Charge, Payment, Record, Refund, RefundState, Status};

pub struct PaymentWorker;

inbox! {
    /// Everything that payment hears.
    enum Inbox {
        PaymentCharge, PaymentCheck, PaymentRefund, PaymentByHand, PaymentSettle, ProviderEvent, ProviderAnswer,
    }
}

impl Worker for PaymentWorker {
    const ROLE: Role = Role::Payment;
    type Record = Record;

    fn needs(&self, message: &Message) -> Vec<Need> {
        match (Inbox::read(&message.body), message.order_id) {
            (Some(_), Some(order_id)) => vec![Need::of(Table::Payments, order_id)],
            (_, _) => Vec::new(),
        }
    }

    fn decide(&self, records: &Records<Record>, message: &Message, now: Time) -> Decision<Record> {
        let (Some(inbox), Some(order_id)) = (Inbox::read(&message.body), message.order_id) else {
            return Decision::misrouted(Self::ROLE, message);
        };
        let known = records.get::<Payment>(&order_id.to_string()).cloned();
        match inbox {
            Inbox::PaymentCharge(m) => charge::ask(known, m, now),
            Inbox::PaymentCheck(m) => charge::check(known, m, now),
            Inbox::PaymentSettle(m) => charge::settle(known, m, now),
            Inbox::PaymentRefund(m) => refund::ask(known, m, now),
            Inbox::PaymentByHand(m) => refund::by_hand(known, m, now),
            Inbox::ProviderEvent(m) => event::heard(known, m, now),
            Inbox::ProviderAnswer(m) => event::answered(known, m, now),
        }
    }
}

#[cfg(test)]
mod tests;
