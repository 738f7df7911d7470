//! Messages that are sent at a time, unless they are cleared before.

use async_trait::async_trait;
use contract::{Message, OrderId, Speaker, Time};

use super::{Error, Read, Store};

/// At most this many deadlines of one order are returned; a person reads no more.
pub(super) const ORDER_DEADLINES_MAX: usize = 1000;

#[async_trait]
pub trait Deadlines: Store {
    /// Up to `limit` deadlines that are due, earliest first, each with its key and the message to send. Their due time
    /// moves to `again_after_s` from now, so that a lost message is sent again; handling the message removes the row.
    async fn due_deadlines(
        &self,
        limit: usize,
        again_after_s: u64,
    ) -> Result<Vec<(String, Read<Message>)>, Error>;

    /// Moves the deadlines with these keys to `by_s` from now.
    async fn put_off(&self, keys: &[String], by_s: u64) -> Result<(), Error>;

    /// All deadlines, earliest first.
    async fn deadlines(&self, limit: usize) -> Result<Vec<DeadlineRow>, Error>;

    /// The readable deadlines of an order, of its returns, and of messages held back for it, earliest first.
    async fn deadlines_of(&self, order_id: OrderId) -> Result<Vec<OrderDeadline>, Error>;
}

/// One row of the deadlines table, of any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadlineRow {
    pub key: String,
    pub due: Time,
    /// The sender and the type name of the message that will be sent.
    pub says: Read<(Speaker, &'static str)>,
}

/// A deadline of one order, with the message that will be sent when it is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderDeadline {
    pub key: String,
    pub due: Time,
    pub message: Message,
}
