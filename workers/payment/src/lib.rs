//! Charges each order once and refunds it once, whatever the provider says, when, how often and in which order. What
//! is unknown stays unknown until the provider has been asked.

#![warn(clippy::wildcard_enum_match_arm)]

mod charge;
mod confirm;
mod early;
mod event;
mod later;
mod method;
mod outside;
mod record;
mod refund;
mod refund_event;
mod said;
mod told;
mod wallet;
mod wallet_write;

use contract::{
    Confirm, Decision, Message, Need, PrefetchHint, Records, Role, Table, Time, Worker, bodies, inbox,
};

pub use record::{Charge, Confirmed, Payment, Record, Refund, RefundState, Status, Try};
pub use wallet::{StoredMethod, Wallet};

use told::Source;
use wallet_write::Write;

pub struct PaymentWorker;

inbox! {
    /// Every message that payment reads.
    enum Inbox {
        PaymentCharge, PaymentCheck, PaymentRefund, PaymentByHand, PaymentSettle, PaymentHeld,
        PaymentIntend, PaymentConfirm, WalletAdd, WalletChange, WalletRemove, ProviderEvent, ProviderAnswer,
    }
}

impl Worker for PaymentWorker {
    const ROLE: Role = Role::Payment;
    type Record = Record;

    fn needs(&self, message: &Message) -> Vec<Need> {
        let Some(inbox) = Inbox::read(&message.body) else { return Vec::new() };
        let wallet = match inbox {
            Inbox::WalletAdd(m) => wallet::need(&m.customer_id),
            Inbox::WalletChange(m) => wallet::need(&m.customer_id),
            Inbox::WalletRemove(m) => wallet::need(&m.customer_id),
            Inbox::PaymentConfirm(m) => wallet::need(&m.customer_id),
            Inbox::PaymentCharge(m) if may_be_stored(m) => wallet::need(&m.customer_id),
            Inbox::PaymentCharge(_)
            | Inbox::PaymentCheck(_)
            | Inbox::PaymentSettle(_)
            | Inbox::PaymentRefund(_)
            | Inbox::PaymentByHand(_)
            | Inbox::PaymentIntend(_)
            | Inbox::PaymentHeld(_)
            | Inbox::ProviderEvent(_)
            | Inbox::ProviderAnswer(_) => None,
        };
        let payment = message.order_id.map(|order_id| Need::of(Table::Payments, order_id));
        payment.into_iter().chain(wallet).collect()
    }

    fn prefetch(&self, hint: PrefetchHint<'_>) -> Vec<Need> {
        let order_id = match hint {
            PrefetchHint::Checkout(submit) => submit.order_id,
            PrefetchHint::Payment(order_id) => order_id,
        };
        vec![Need::of(Table::Payments, order_id)]
    }

    fn decide(&self, records: &Records<Record>, message: &Message, now: Time) -> Decision<Record> {
        let Some(inbox) = Inbox::read(&message.body) else {
            return Decision::misrouted(Self::ROLE, message);
        };
        let known = message.order_id.and_then(|id| records.get::<Payment>(&id.to_string()).cloned());
        let wallet =
            |customer_id: &str| wallet::need(customer_id).and_then(|need| records.get::<Wallet>(&need.id));
        let write =
            |write: Write<'_>| wallet_write::write(wallet(write.customer_id()), write, &message.id, now);
        match inbox {
            Inbox::PaymentCharge(m) => {
                let stored = if may_be_stored(m) { wallet(&m.customer_id) } else { None };
                charge::ask(known, stored, m, message.at, now)
            }
            Inbox::PaymentCheck(m) => charge::check(known, m, now),
            Inbox::PaymentSettle(m) => charge::settle(known, m, now),
            Inbox::PaymentIntend(m) => confirm::intend(known, m, now),
            Inbox::PaymentConfirm(m) => confirm::confirm(known, wallet(&m.customer_id), m, message, now),
            Inbox::PaymentRefund(m) => refund::ask(known, m, now),
            Inbox::PaymentByHand(m) => refund::by_hand(known, m, now),
            Inbox::WalletAdd(m) => write(Write::Add(m)),
            Inbox::WalletChange(m) => write(Write::Change(m)),
            Inbox::WalletRemove(m) => write(Write::Remove(m)),
            Inbox::ProviderEvent(m) => event::heard(known, m, Source::of(message.by), now),
            Inbox::PaymentHeld(m) => event::heard_again(known, m, now),
            Inbox::ProviderAnswer(m) => event::answered(known, m, now),
        }
    }
}

/// It is paid by a stored payment method, or may have been confirmed by one.
fn may_be_stored(m: &bodies::PaymentCharge) -> bool {
    m.payment.payment_method_id.is_some() || m.payment.confirm == Confirm::Manual
}

#[cfg(test)]
mod tests;
