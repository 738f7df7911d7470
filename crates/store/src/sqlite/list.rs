//! Lists orders and sagas, newest first. Those that have not ended are found by what they wait for (a deadline, an
//! operator, a dead letter), so that no index has to be written with every step of every order to find them.

use async_trait::async_trait;
use contract::Table;

use super::row::rows;
use super::{Error, SqliteStore, failed};
use crate::{Filter, History, Lists, NEW_MAX, UNDER_WAY_MAX, until};

/// Filters orders by their total, whichever index finds them. A saga has no total.
macro_rules! of_total {
    () => {
        " and (?8 is null or total_minor >= ?8) and (?9 is null or total_minor <= ?9)
          and (?10 is null or doc ->> '$.total.currency' = ?10)"
    };
}

macro_rules! no_total {
    () => {
        " and ?8 is null and ?9 is null and ?10 is null"
    };
}

/// One statement for each combination of filters: with conditions like "?5 is null or …" no index would be used.
macro_rules! listing {
    ($table:literal, $total:expr, $($also:literal),*) => {
        concat!(
            "select doc from ", $table,
            " where created_at >= ?1 and created_at < ?2 and (created_at, id) < (?3, ?4)", $total, $($also,)*
            " order by created_at desc, id desc limit ?7"
        )
    };
}

macro_rules! listings {
    ($table:literal, $total:expr, $customer:literal, $filter:expr) => {
        match ($filter.status.is_some(), $filter.customer_id.is_some()) {
            // A literal, because SQLite uses a partial index only if the condition repeats its terms.
            (true, false) if $filter.status.as_deref() == Some("needs_attention") => {
                listing!($table, $total, " and status = 'needs_attention'")
            }
            (false, false) => listing!($table, $total,),
            (true, false) => listing!($table, $total, " and status = ?5"),
            (false, true) => listing!($table, $total, " and ", $customer, " = ?6"),
            (true, true) => listing!($table, $total, " and status = ?5 and ", $customer, " = ?6"),
        }
    };
}

/// Every order or saga that may not have ended, looked up by key one by one (`cross join` keeps SQLite from reversing
/// the loops).
macro_rules! under_way {
    ($table:literal, $total:expr, $customer:literal, $step:literal, $not_ended:literal) => {
        concat!(
            "select o.doc from (
                 select key as id from (select key from deadlines order by due limit ?13)
                 union select id from sagas where status = 'needs_attention'
                 union select id from (select id from ",
            $table,
            " order by created_at desc, id desc limit ?14)
                 union select order_id from dead_letters where status = 'open' and order_id is not null
             ) c cross join ",
            $table,
            " o on o.id = c.id
             where o.created_at >= ?1 and o.created_at < ?2 and (o.created_at, o.id) < (?3, ?4)
               and (?5 is null or o.status = ?5) and (?6 is null or o.",
            $customer,
            " = ?6)
               and (?11 is null or ",
            $step,
            " = ?11) and (?12 is null or o.doc ->> 'updated_at' < ?12) and ",
            $not_ended,
            $total,
            " order by o.created_at desc, o.id desc limit ?7"
        )
    };
}

const ORDERS_UNDER_WAY: &str = under_way!(
    "orders",
    of_total!(),
    "customer_id",
    "(select g.doc ->> 'step' from sagas g where g.id = o.id)",
    "o.status in ('created', 'paid')"
);

const SAGAS_UNDER_WAY: &str = under_way!(
    "sagas",
    no_total!(),
    "doc ->> '$.subject.customer_id'",
    "o.doc ->> 'step'",
    "o.status not in ('completed', 'undone')"
);

/// A text that sorts after every time.
pub(super) const NEVER: &str = "~";

#[async_trait]
impl Lists for SqliteStore {
    async fn list(&self, table: Table, filter: &Filter) -> Result<Vec<String>, Error> {
        let sql = match (table, filter.of_those_under_way()) {
            (Table::Orders, true) => ORDERS_UNDER_WAY,
            (Table::Sagas, true) => SAGAS_UNDER_WAY,
            // Repeats the terms of the partial index, because SQLite would not use it otherwise.
            (Table::Orders, false) if filter.of_those_that_ended_so() && filter.customer_id.is_none() => {
                listing!(
                    "orders",
                    of_total!(),
                    " and status in ('cancelled', 'refunded', 'archived') and status = ?5"
                )
            }
            (Table::Orders, false) => listings!("orders", of_total!(), "customer_id", filter),
            (Table::Sagas, false) => {
                listings!("sagas", no_total!(), "doc ->> '$.subject.customer_id'", filter)
            }
            (other, _) => {
                return Err(Error::Refused(format!("{} cannot be listed by time; page it", other.name())));
            }
        };
        let before = filter.before.as_ref().map(|(at, id)| (at.to_string(), id.as_str()));
        let (before_at, before_id) = before.unwrap_or((NEVER.into(), ""));
        let asked = sqlx::query_scalar(sql)
            .bind(filter.from.map_or(String::new(), |at| at.to_string()))
            .bind(until(filter.to, filter.before.as_ref()).map_or(NEVER.into(), |at| at.to_string()))
            .bind(before_at)
            .bind(before_id)
            .bind(filter.status.as_deref())
            .bind(filter.customer_id.as_deref())
            .bind(rows(filter.limit))
            .bind(filter.totals.from_minor)
            .bind(filter.totals.to_minor)
            .bind(filter.totals.currency.as_deref());
        let asked = match filter.of_those_under_way() {
            true => asked
                .bind(filter.step.as_deref())
                .bind(filter.idle_since.map(|at| at.to_string()))
                .bind(rows(UNDER_WAY_MAX))
                .bind(rows(NEW_MAX)),
            false => asked,
        };
        asked.fetch_all(&self.readers).await.map_err(failed)
    }

    async fn history(&self, customer_id: &str, wanted: &History) -> Result<Vec<String>, Error> {
        let before = wanted.before.as_ref().map(|(at, id)| (at.to_string(), id.as_str()));
        let (before_at, before_id) = before.unwrap_or((NEVER.into(), ""));
        sqlx::query_scalar(
            "select doc from orders
         where customer_id = ?1 and created_at >= ?2 and created_at < ?3 and (created_at, id) < (?4, ?5)
           and (?6 is null or status = ?6)
           and (?7 or status not in ('cancelled', 'archived')
                or coalesce(doc ->> 'reason', '')
                   not in ('insufficient_stock', 'payment_declined', 'payment_timeout'))
           and (?8 is null or instr(id, ?8) = 1 or exists (
                select 1 from json_each(doc, '$.items') as line
                where instr(lower(line.value ->> 'title'), ?8) > 0
                   or instr(lower(line.value ->> 'author'), ?8) > 0
                   or instr(lower(line.value ->> 'sku'), ?8) > 0))
           and (?10 is null or total_minor >= ?10) and (?11 is null or total_minor <= ?11)
           and (?12 is null or doc ->> '$.total.currency' = ?12)
         order by created_at desc, id desc limit ?9",
        )
        .bind(customer_id)
        .bind(wanted.from.map_or(String::new(), |at| at.to_string()))
        .bind(until(wanted.to, wanted.before.as_ref()).map_or(NEVER.into(), |at| at.to_string()))
        .bind(before_at)
        .bind(before_id)
        .bind(wanted.status.as_deref())
        .bind(wanted.failed_too)
        .bind(wanted.holding.as_ref().map(|text| text.to_ascii_lowercase()))
        .bind(rows(wanted.limit))
        .bind(wanted.totals.from_minor)
        .bind(wanted.totals.to_minor)
        .bind(wanted.totals.currency.as_deref())
        .fetch_all(&self.readers)
        .await
        .map_err(failed)
    }
}
