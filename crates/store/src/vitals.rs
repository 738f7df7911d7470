//! A few numbers about the state of the database, and about what was pruned from it.

use contract::Time;

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
