//! An adapter asks an outside party to act, under a key that makes asking twice harmless, and reports what came of
//! it.
//!
//! The call is made before the adapter's transaction and is not part of it: if the process dies in between, what was
//! done outside stays done, and is asked for again under the same key.

pub mod channel;
pub mod email;
pub mod mock;
pub mod provider;
pub mod sms;

use std::sync::Arc;

use async_trait::async_trait;
use contract::{Body, Message, Outcome, Role, Time};

/// The outside party's answer to one message.
#[derive(Clone, Debug)]
pub struct Done {
    pub outcome: Outcome,
    pub send: Vec<Body>,
}

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It cannot be reached: the result is unknown, and everything is asked again later.
    #[error("{0} is not available: {1}")]
    Unavailable(&'static str, String),
    /// It fails because of this one message.
    #[error("{0} refused: {1}")]
    Refused(&'static str, String),
}

#[async_trait]
pub trait Adapter: Send + Sync + 'static {
    const ROLE: Role;

    /// Performs each message, in order; the answers are in the same order. `now` is the database's time.
    async fn perform(&self, batch: &[Arc<Message>], now: Time) -> Vec<Result<Done, Failure>>;
}

impl Done {
    /// For a message that the routing table should never have sent here.
    pub(crate) fn misrouted(role: Role, message: &Message) -> Self {
        let why = format!("{} is not for the {role} adapter", message.name());
        Self { outcome: Outcome::Parked { code: "misrouted", why }, send: Vec::new() }
    }
}

#[cfg(test)]
mod tests;
