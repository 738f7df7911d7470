//! What is read of records: by id, page by page, or as filtered lists of orders and sagas.

use std::collections::HashMap;

use async_trait::async_trait;
use contract::{OrderId, Table, Time};

use super::Error;

/// At most this many deadlines, the earliest, are searched for orders and sagas that have not ended.
pub(super) const UNDER_WAY_MAX: usize = 100_000;
/// The newest orders are searched as well: one that was just created may have no deadline yet.
pub(super) const NEW_MAX: usize = 1000;

#[async_trait]
pub trait Records: Send + Sync {
    async fn get(&self, table: Table, id: &str) -> Result<Option<String>, Error>;

    /// The documents that exist among these ids, by id, in a single query.
    async fn get_many(&self, table: Table, ids: &[String]) -> Result<HashMap<String, String>, Error>;

    /// Documents of a table in key order, from just after `after`: to read a whole table page by page.
    async fn page(&self, table: Table, after: &str, limit: usize) -> Result<Vec<(String, String)>, Error>;

    /// The orders whose payment has one of these names at the provider. At most two: a second one shows that the name
    /// is ambiguous. It reads every payment: an index would have to be written with each step of each payment.
    async fn orders_charged_as(&self, names: &[String]) -> Result<Vec<OrderId>, Error>;
}

#[async_trait]
pub trait Lists: Send + Sync {
    /// Orders or sagas, newest first. However many have ended, the running ones are found fast; so are cancelled,
    /// refunded and archived orders.
    async fn list(&self, table: Table, filter: &Filter) -> Result<Vec<String>, Error>;

    /// One customer's orders, newest first.
    async fn history(&self, customer_id: &str, wanted: &History) -> Result<Vec<String>, Error>;
}

/// Filters orders or sagas: every given field must match.
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

/// The upper bound of `created_at` for an index scan. It knows times only; the query itself leaves out the rows of the
/// last page that have the same time.
pub(super) fn until(to: Option<Time>, before: Option<&(Time, String)>) -> Option<Time> {
    let shown = before.map(|(at, _)| at.plus_ms(1));
    to.into_iter().chain(shown).min()
}
