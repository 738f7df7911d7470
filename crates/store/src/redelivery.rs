//! Counts for an order's story: the journal alone says what happened.

use async_trait::async_trait;
use contract::{MessageId, OrderId, Role};

use super::Error;

/// At most this many counts of one order are returned; a person reads no more.
pub(super) const REDELIVERY_STATS_MAX: usize = 1000;

#[async_trait]
pub trait RedeliveryCounts: Send + Sync {
    /// Adds these counts of redeliveries and failures to the stored ones. Each (role, id) occurs once in the slice.
    async fn add_redelivery_stats(&self, stats: &[RedeliveryStats]) -> Result<(), Error>;

    /// The counts for the messages of one order.
    async fn redelivery_stats_of(&self, order_id: OrderId) -> Result<Vec<RedeliveryStats>, Error>;
}

/// How often a message was redelivered to a role that had handled it, and how often handling it failed there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedeliveryStats {
    pub role: Role,
    pub id: MessageId,
    pub order_id: OrderId,
    pub repeats: u32,
    pub failures: u32,
    /// The reason of the last failure; empty if there was none.
    pub why: String,
}
