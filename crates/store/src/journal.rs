//! What is read from the journal: its rows, and the messages that they sent and that are not handled yet.

use std::collections::HashMap;

use async_trait::async_trait;
use contract::OrderId;

use super::{Error, InFlight, JournalRow, Read, Store, Vitals};

#[async_trait]
pub trait Journal: Send + Sync {
    /// All journal rows of an order, in the order of handling.
    async fn journal_of(&self, order_id: OrderId) -> Result<Vec<Read<JournalRow>>, Error>;

    /// The whole journal in the order of writing, from just after `after`.
    async fn journal_page(&self, after: i64, limit: usize) -> Result<Vec<(i64, Read<JournalRow>)>, Error>;

    /// The progress of each of these orders, in a single query. An order without any rows is left out.
    async fn progress_of(&self, order_ids: &[OrderId]) -> Result<HashMap<OrderId, Progress>, Error>;
}

/// The messages that wait in queues, whatever the broker knows of them.
#[async_trait]
pub trait Outbox: Store {
    /// Every message that was sent to a queue and not handled, in the order of sending. Open dead letters are not in
    /// flight. Whether a row's role may send the message is not checked here ([`InFlight::is_believed`]).
    async fn in_flight(&self) -> Result<Vec<Read<InFlight>>, Error>;

    /// Stores the journal row up to which nothing is in flight, so that `in_flight` can skip those rows.
    async fn advance_mark(&self) -> Result<(), Error>;

    /// A few numbers that tell how healthy the system is.
    async fn vitals(&self) -> Result<Vitals, Error>;
}

/// While it is the same as at the last look, nothing has happened to the order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The count of its journal rows. Not the highest row number: a row with a lower number may commit later.
    pub handled: i64,
    pub open_dead_letters: i64,
}
