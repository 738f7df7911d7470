//! Which orders and sagas are looked for. Whatever is given has to fit.

use contract::Time;

#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub status: Option<String>,
    pub customer_id: Option<String>,
    /// Those that stand at this step of their saga. It makes the list one of those that have not ended.
    pub step: Option<String>,
    /// Those of which nothing has been heard since; likewise.
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

/// Which of a customer's orders.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub status: Option<String>,
    /// With those that failed: payment declined or timed out, too little stock.
    pub failed_too: bool,
    pub from: Option<Time>,
    pub to: Option<Time>,
    /// What the id begins with, or a title, an author or a sku holds; capitals do not count.
    pub holding: Option<String>,
    pub totals: Totals,
    pub before: Option<(Time, String)>,
    pub limit: usize,
}

/// What an order costs, in minor units of its currency; both ends are within.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    pub from_minor: Option<i64>,
    pub to_minor: Option<i64>,
    pub currency: Option<String>,
}

impl Filter {
    /// They came to nothing or were put away, and an index has just these.
    pub(crate) fn of_those_that_ended_so(&self) -> bool {
        matches!(self.status.as_deref(), Some("cancelled" | "refunded" | "archived"))
    }

    /// What has ended is not asked for: few among millions, and found by what they wait for.
    pub(crate) fn of_those_under_way(&self) -> bool {
        const UNDER_WAY: [&str; 5] = ["created", "paid", "awaited", "running", "unwinding"];
        let status = self.status.as_deref();
        self.step.is_some()
            || self.idle_since.is_some()
            || status.is_some_and(|status| UNDER_WAY.contains(&status))
    }
}
