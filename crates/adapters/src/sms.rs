//! Every text message is sent under its key, so that a crash between sending it and recording it sends no second one.

use std::sync::Arc;

use async_trait::async_trait;
use contract::{Body, Message, Role, Time, inbox};

use super::channel::{Channel, Notice, hand_over_all};
use super::{Adapter, Done, Failure};

pub struct SmsAdapter<C: ?Sized>(pub Arc<C>);

#[async_trait]
impl<C: Channel + ?Sized> Adapter for SmsAdapter<C> {
    const ROLE: Role = Role::Sms;

    async fn perform(&self, batch: &[Arc<Message>], _now: Time) -> Vec<Result<Done, Failure>> {
        hand_over_all(&*self.0, Self::ROLE, batch, notice).await
    }
}

inbox! {
    enum Ask { SmsSend }
}

fn notice(body: &Body) -> Option<Notice<'_>> {
    let Ask::SmsSend(sms) = Ask::read(body)?;
    Some(Notice { order_id: sms.order_id, key: &sms.key, to: &sms.number, subject: None, text: &sms.text })
}
