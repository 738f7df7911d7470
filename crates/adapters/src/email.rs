//! Every e-mail is sent under its key, so that a crash between sending it and recording it sends no second one.

use std::sync::Arc;

use async_trait::async_trait;
use contract::{Body, Message, Role, Time, inbox};

use super::channel::{Channel, Notice, hand_over_all};
use super::{Adapter, Done, Failure};

pub struct EmailAdapter<C: ?Sized>(pub Arc<C>);

#[async_trait]
impl<C: Channel + ?Sized> Adapter for EmailAdapter<C> {
    const ROLE: Role = Role::Email;

    async fn perform(&self, batch: &[Arc<Message>], _now: Time) -> Vec<Result<Done, Failure>> {
        hand_over_all(&*self.0, Self::ROLE, batch, notice).await
    }
}

inbox! {
    enum Ask { EmailSend }
}

fn notice(body: &Body) -> Option<Notice<'_>> {
    let Ask::EmailSend(email) = Ask::read(body)?;
    Some(Notice {
        order_id: email.order_id,
        key: &email.key,
        to: &email.to,
        subject: Some(&email.subject),
        text: &email.body,
    })
}
