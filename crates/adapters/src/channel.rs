//! A notice goes over a channel under a key, and sending it twice under one key sends it once.
//!
//! `Channel` is the seam. Its promise: after `Ok` the notice is sent; after `Unavailable` it may have been, so it is
//! sent again under the same key, and the receiver still gets one.

use std::sync::Arc;

use async_trait::async_trait;
use contract::{Body, Message, OrderId, Outcome, Role};

use super::{Done, Failure};

/// The answers are in the order of the notices.
#[async_trait]
pub trait Channel: Send + Sync + 'static {
    async fn hand_over(&self, notices: &[Notice<'_>]) -> Vec<Result<(), Failure>>;
}

/// What one customer is to read. `to` is personal data: no log shows it unmasked, so the type has no `Debug`.
#[derive(Clone, Copy)]
pub struct Notice<'a> {
    pub order_id: OrderId,
    pub key: &'a str,
    pub to: &'a str,
    /// E-mail has one, a text message has none.
    pub subject: Option<&'a str>,
    pub text: &'a str,
}

/// `a***@example.org`, `+49*****67`: enough to recognise one's own address, too little to write to. The number of
/// stars is always the same.
pub fn masked(address: &str) -> String {
    let count = address.chars().count();
    let first = |n: usize| address.chars().take(n).collect::<String>();
    match address.rsplit_once('@') {
        Some((local, domain)) if local.chars().count() > 1 => format!("{}***@{domain}", first(1)),
        Some((_, domain)) => format!("***@{domain}"),
        // Five characters of a short number would be most of it.
        None if count < 9 => "*****".into(),
        None => format!("{}*****{}", first(3), address.chars().skip(count - 2).collect::<String>()),
    }
}

pub(super) async fn hand_over_all<C: Channel + ?Sized>(
    channel: &C,
    role: Role,
    batch: &[Arc<Message>],
    read: for<'a> fn(&'a Body) -> Option<Notice<'a>>,
) -> Vec<Result<Done, Failure>> {
    let notices: Vec<_> = batch.iter().filter_map(|message| read(&message.body)).collect();
    let mut answers = channel.hand_over(&notices).await.into_iter();
    let done = batch.iter().map(|message| match read(&message.body) {
        None => Ok(Done::misrouted(role, message)),
        Some(_) => match answers.next() {
            Some(answer) => answer.map(|()| Done { outcome: Outcome::Done("handed_over"), send: Vec::new() }),
            None => Err(Failure::Unavailable("the channel", "it left a notice without an answer".into())),
        },
    });
    done.collect()
}
