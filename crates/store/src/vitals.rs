//! A few numbers about the state of the database, and about what was pruned from it.

use async_trait::async_trait;
use contract::Time;

use super::Error;

#[async_trait]
pub trait Pruning: Send + Sync {
    /// Deletes the journal rows of orders that ended before `before`, at most `limit` orders. Keeps those of an order
    /// with a running saga, a message in flight or an open dead letter. Rows of the same age that belong to no order
    /// are deleted as well, once the mark has passed them: rows of the catalogue, carts and wallets, rejected
    /// submissions, and closed dead letters of strangers or without an order; of these, some thousand rows in one call.
    async fn prune(&self, before: Time, limit: usize) -> Result<Pruned, Error>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// The database's clock.
    pub now: Time,
    /// Of both origins.
    pub open_dead_letters: u64,
    /// Those of them that strangers caused.
    pub strangers_dead_letters: u64,
    /// How many letters of strangers were ever evicted to make room for newer ones.
    pub evicted_dead_letters: u64,
    pub deadlines_due: u64,
    /// When the oldest message in flight was sent.
    pub oldest_in_flight: Option<Time>,
}

impl Vitals {
    /// Open dead letters that our own failures caused.
    pub fn own_dead_letters(&self) -> u64 {
        self.open_dead_letters.saturating_sub(self.strangers_dead_letters)
    }
}

/// What one step of pruning has deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pruned {
    /// Ended orders whose journal rows are gone.
    pub orders: u64,
    /// Journal rows and closed dead letters that belonged to no order.
    pub others: u64,
}
