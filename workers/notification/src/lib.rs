//! Notification decides who hears what: a customer is told of an event once by each channel they gave.

#![warn(clippy::wildcard_enum_match_arm)]

mod texts;

use contract::{
    Body, Contact, Decision, EmailSend, Message, Need, Notice, OrderId, PrefetchHint, Records, Role, SmsSend,
    Stored, Table, Tell, Time, Worker, inbox,
};
use serde::{Deserialize, Serialize};

pub struct NotificationWorker;

contract::records! {
    /// What notification remembers: which notices went out, never to which address.
    pub enum NotificationRecord { SentNotice }
}

inbox! {
    enum Inbox { Tell }
}

/// One event of one order, and the channels that were handed its notice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SentNotice {
    pub order_id: OrderId,
    pub event: Notice,
    /// Which return it is about; 0 when it is about the order.
    pub return_no: u32,
    pub channels: Vec<Channel>,
    pub at: Time,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Email,
    Sms,
}

impl Channel {
    pub fn name(self) -> &'static str {
        match self {
            Channel::Email => "email",
            Channel::Sms => "sms",
        }
    }
}

impl Stored for SentNotice {
    const TABLE: Table = Table::Notices;
    fn id(&self) -> String {
        key(self.order_id, self.event, self.return_no)
    }
}

impl Worker for NotificationWorker {
    const ROLE: Role = Role::Notification;
    type Record = NotificationRecord;

    fn needs(&self, message: &Message) -> Vec<Need> {
        match Inbox::read(&message.body) {
            None => Vec::new(),
            Some(Inbox::Tell(tell)) => vec![Need::of(Table::Notices, key_of(tell))],
        }
    }

    /// Of all that may become of an order the most common.
    fn prefetch(&self, hint: PrefetchHint<'_>) -> Vec<Need> {
        let (order_id, events) = match hint {
            PrefetchHint::Checkout(submit) => (submit.order_id, &[Notice::Created][..]),
            PrefetchHint::Payment(order_id) => (order_id, &[Notice::Paid, Notice::Fulfilled][..]),
        };
        events.iter().map(|event| Need::of(Table::Notices, key(order_id, *event, 0))).collect()
    }

    fn decide(
        &self,
        records: &Records<NotificationRecord>,
        message: &Message,
        now: Time,
    ) -> Decision<NotificationRecord> {
        let Some(command) = Inbox::read(&message.body) else {
            return Decision::misrouted(Role::Notification, message);
        };
        match command {
            Inbox::Tell(tell) => {
                let told = records.get::<SentNotice>(&key_of(tell)).map_or(&[][..], |sent| &sent.channels);
                let addresses = addresses(&tell.contact);
                let untold: Vec<_> =
                    addresses.iter().filter(|(channel, _)| !told.contains(channel)).collect();
                match (addresses.is_empty(), untold.is_empty()) {
                    (true, _) => Decision::ignored("the customer gave no channel to be told by"),
                    (false, true) => Decision::ignored("the customer was told before"),
                    (false, false) => send(tell, told, &untold, now),
                }
            }
        }
    }
}

/// One hand-over for each channel that has not had this notice, and a record that it has now.
fn send(
    tell: &Tell,
    told: &[Channel],
    untold: &[&(Channel, &str)],
    now: Time,
) -> Decision<NotificationRecord> {
    let channels = told.iter().copied().chain(untold.iter().map(|(channel, _)| *channel)).collect();
    let Tell { order_id, event, return_no, .. } = *tell;
    let sent = SentNotice { order_id, event, return_no, channels, at: now };
    let said = untold.iter().map(|(channel, address)| hand_over(tell, *channel, address));
    said.fold(Decision::done("told").save(sent), Decision::say)
}

fn hand_over(tell: &Tell, channel: Channel, address: &str) -> Body {
    let order_id = tell.order_id;
    let key = format!("{}/{}", key_of(tell), channel.name());
    match channel {
        Channel::Email => {
            let texts::Email { subject, body } = texts::email(tell);
            Body::EmailSend(EmailSend { order_id, key, to: address.into(), subject, body })
        }
        Channel::Sms => {
            Body::SmsSend(SmsSend { order_id, key, number: address.into(), text: texts::sms(tell) })
        }
    }
}

fn addresses(contact: &Contact) -> Vec<(Channel, &str)> {
    let email = contact.email.as_deref().map(|address| (Channel::Email, address));
    let sms = contact.phone.as_deref().map(|number| (Channel::Sms, number));
    email.into_iter().chain(sms).collect()
}

fn key_of(tell: &Tell) -> String {
    key(tell.order_id, tell.event, tell.return_no)
}

/// What makes a notice the same notice. An order can be refunded once, but for returns: each has its own.
fn key(order_id: OrderId, event: Notice, return_no: u32) -> String {
    let event = word(event);
    match return_no {
        0 => format!("{order_id}/{event}"),
        _ => format!("{order_id}/{event}/{return_no}"),
    }
}

fn word(event: Notice) -> &'static str {
    match event {
        Notice::Created => "created",
        Notice::Accepted => "accepted",
        Notice::Paid => "paid",
        Notice::Fulfilled => "fulfilled",
        Notice::Delivered => "delivered",
        Notice::Cancelled => "cancelled",
        Notice::Refunded => "refunded",
        Notice::LatePaymentRefunded => "late_payment_refunded",
    }
}

#[cfg(test)]
mod tests;
