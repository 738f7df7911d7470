//! The texts that a customer was sent: from the journal, as long as it is kept.

use adapters::channel::masked;
use anyhow::Result;
use contract::{Body, OrderId, Role, Time};
use serde::Serialize;
use store::{Database, readable};

use super::mask::Sight;

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Told {
    /// When it was handed to the channel.
    pub at: Time,
    pub channel: &'static str,
    pub to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    pub text: String,
}

/// Oldest first.
pub async fn told(store: &dyn Database, order_id: OrderId, sight: Sight) -> Result<Vec<Told>> {
    let address = |address: &str| match sight {
        Sight::Masked => masked(address),
        Sight::Personal => address.to_string(),
    };
    let rows = readable(store.journal_of(order_id).await?);
    let by_notification = rows.iter().filter(|row| row.role == Role::Notification);
    let said =
        by_notification.flat_map(|row| row.emitted.iter().map(move |said| (row.at, &said.message.body)));
    let told = said.filter_map(|(at, body)| match body {
        Body::EmailSend(mail) => {
            let (to, subject) = (address(&mail.to), Some(mail.subject.clone()));
            Some(Told { at, channel: "email", to, subject, text: mail.body.clone() })
        }
        Body::SmsSend(sms) => {
            let to = address(&sms.number);
            Some(Told { at, channel: "sms", to, subject: None, text: sms.text.clone() })
        }
        _ => None,
    });
    Ok(told.collect())
}
