//! Filters for lists of orders and sagas: every given field must match.

use contract::Time;

#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub status: Option<String>,
    pub customer_id: Option<String>,
    /// At this step of the saga. Limits the list to orders and sagas that have not ended.
    pub step: Option<String>,
    /// Without any change since this time. Limits the list likewise.
    pub idle_since: Option<Time>,
    /// Created at this time or later, …
    pub from: Option<Time>,
    /// … and before this one.
    pub to: Option<Time>,
    pub totals: Totals,
    /// Only older than this (created_at, id): where the last page ended.
    pub before: Option<(Time, String)>,
    pub limit: usize,
}

/// Filters a customer's own orders.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub status: Option<String>,
    /// Includes failed orders: payment declined or timed out, too little stock.
    pub failed_too: bool,
    pub from: Option<Time>,
    pub to: Option<Time>,
    /// A prefix of the id, or a part of a title, an author or a sku; upper and lower case are the same.
    pub holding: Option<String>,
    pub totals: Totals,
    pub before: Option<(Time, String)>,
    pub limit: usize,
}

/// A range of order totals, in minor units of the currency; both ends are included.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    pub from_minor: Option<i64>,
    pub to_minor: Option<i64>,
    pub currency: Option<String>,
}

impl Filter {
    /// Cancelled, refunded or archived orders, which have a partial index of their own.
    pub(crate) fn of_those_that_ended_so(&self) -> bool {
        matches!(self.status.as_deref(), Some("cancelled" | "refunded" | "archived"))
    }

    /// Only orders and sagas that have not ended match. They are few, and are found by what they wait for.
    pub(crate) fn of_those_under_way(&self) -> bool {
        const UNDER_WAY: [&str; 5] = ["created", "paid", "awaited", "running", "unwinding"];
        let status = self.status.as_deref();
        self.step.is_some()
            || self.idle_since.is_some()
            || status.is_some_and(|status| UNDER_WAY.contains(&status))
    }
}
