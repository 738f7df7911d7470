//! Lists orders and sagas, newest first. Those that have not ended are found by what they wait for (a deadline, an
//! operator, a dead letter), so that no index has to be written with every step of every order to find them.

use async_trait::async_trait;
use contract::Table;

use super::row::{rows, text};
use super::{Error, PostgresStore};
use crate::{Filter, History, Lists, NEW_MAX, UNDER_WAY_MAX, until};

/// Filters orders by their total, whichever index finds them. A saga has no total.
macro_rules! of_total {
    () => {
        " and ($8::bigint is null or total_minor >= $8) and ($9::bigint is null or total_minor <= $9)
          and ($10::text is null or currency = $10)"
    };
}

macro_rules! no_total {
    () => {
        " and $8::bigint is null and $9::bigint is null and $10::text is null"
    };
}

/// One statement for each combination of filters: with conditions like "$5 is null or …" no index would be used.
macro_rules! listing {
    ($table:literal, $total:expr, $($also:literal),*) => {
        concat!(
            "select doc from ", $table,
            " where created_at >= $1 and created_at < $2 and (created_at, id) < ($3, $4)", $total, $($also,)*
            " order by created_at desc, id desc limit $7"
        )
    };
}

macro_rules! listings {
    ($table:literal, $total:expr, $filter:expr, $waiting:literal) => {
        match ($filter.status.is_some(), $filter.customer_id.is_some()) {
            (true, false) if $filter.status.as_deref() == Some("needs_attention") => {
                listing!($table, $total, $waiting)
            }
            (false, false) => listing!($table, $total,),
            (true, false) => listing!($table, $total, " and status = $5"),
            (false, true) => listing!($table, $total, " and customer_id = $6"),
            (true, true) => listing!($table, $total, " and status = $5 and customer_id = $6"),
        }
    };
}

/// Every order or saga that may not have ended, looked up by key one by one (the `limit 1` keeps Postgres from scanning
/// the whole table).
macro_rules! under_way {
    ($table:literal, $total:expr, $step:literal, $changed_at:literal, $not_ended:literal) => {
        concat!(
            "with c as materialized (
                 select key as id from (select key from deadlines order by due, key limit $13) as first
                 union select id from sagas where waiting
                 union select order_id::text from dead_letters where status = 'open' and order_id is not null
                 union select id from (
                     select id from ",
            $table,
            " order by created_at desc, id desc limit $14) as newest)
             select o.doc from c cross join lateral (select t.* from ",
            $table,
            " t where t.id = c.id limit 1) o
             where o.created_at >= $1 and o.created_at < $2 and (o.created_at, o.id) < ($3, $4)
               and ($5::text is null or o.status = $5) and ($6::text is null or o.customer_id = $6) and ",
            $not_ended,
            " and ($11::text is null or ",
            $step,
            " = $11) and ($12::text is null or ",
            $changed_at,
            " < $12)",
            $total,
            " order by o.created_at desc, o.id desc limit $7"
        )
    };
}

const ORDERS_UNDER_WAY: &str = under_way!(
    "orders",
    of_total!(),
    "(select g.doc::json ->> 'step' from sagas g where g.id = o.id limit 1)",
    "o.updated_at",
    "o.status in ('created', 'paid')"
);

const SAGAS_UNDER_WAY: &str = under_way!(
    "sagas",
    no_total!(),
    "o.doc::json ->> 'step'",
    "(o.doc::json ->> 'updated_at') collate \"C\"",
    "o.status not in ('completed', 'undone')"
);

/// A text that sorts after every time.
pub(super) const NEVER: &str = "~";

#[async_trait]
impl Lists for PostgresStore {
    async fn list(&self, table: Table, filter: &Filter) -> Result<Vec<String>, Error> {
        let sql = match (table, filter.of_those_under_way()) {
            (Table::Orders, true) => ORDERS_UNDER_WAY,
            (Table::Sagas, true) => SAGAS_UNDER_WAY,
            // The partial index of these orders is on this column.
            (Table::Orders, false) if filter.of_those_that_ended_so() && filter.customer_id.is_none() => {
                listing!("orders", of_total!(), " and ended = $5")
            }
            (Table::Orders, false) => listings!("orders", of_total!(), filter, " and status = $5"),
            (Table::Sagas, false) => listings!("sagas", no_total!(), filter, " and waiting"),
            (other, _) => {
                return Err(Error::Refused(format!("{} cannot be listed by time; page it", other.name())));
            }
        };
        let before = filter.before.as_ref().map(|(at, id)| (at.to_string(), id.clone()));
        let (before_at, before_id) = before.unwrap_or((NEVER.into(), String::new()));
        let asked = sqlx::query(sql)
            .bind(filter.from.map_or(String::new(), |at| at.to_string()))
            .bind(until(filter.to, filter.before.as_ref()).map_or(NEVER.into(), |at| at.to_string()))
            .bind(before_at)
            .bind(before_id)
            .bind(filter.status.clone())
            .bind(filter.customer_id.clone())
            .bind(rows(filter.limit))
            .bind(filter.totals.from_minor)
            .bind(filter.totals.to_minor)
            .bind(filter.totals.currency.clone());
        let asked = match filter.of_those_under_way() {
            true => asked
                .bind(filter.step.clone())
                .bind(filter.idle_since.map(|at| at.to_string()))
                .bind(rows(UNDER_WAY_MAX))
                .bind(rows(NEW_MAX)),
            false => asked,
        };
        let found = self.connections.take().await?.rows(asked).await?;
        found.iter().map(|row| Ok(text(row, "doc")?.to_string())).collect()
    }

    async fn history(&self, customer_id: &str, wanted: &History) -> Result<Vec<String>, Error> {
        let before = wanted.before.as_ref().map(|(at, id)| (at.to_string(), id.clone()));
        let (before_at, before_id) = before.unwrap_or((NEVER.into(), String::new()));
        // Only ASCII letters become lower case, as in SQLite.
        let asked = sqlx::query(
            r#"select doc from orders
           where customer_id = $1 and created_at >= $2 and created_at < $3 and (created_at, id) < ($4, $5)
             and ($6::text is null or status = $6)
             and ($7 or status not in ('cancelled', 'archived')
                  or coalesce(doc::jsonb ->> 'reason', '')
                     not in ('insufficient_stock', 'payment_declined', 'payment_timeout'))
             and ($8::text is null or starts_with(id, $8) or exists (
                  select 1 from jsonb_array_elements(doc::jsonb -> 'items') as line
                  where position($8 in lower((line ->> 'title') collate "C")) > 0
                     or position($8 in lower((line ->> 'author') collate "C")) > 0
                     or position($8 in lower((line ->> 'sku') collate "C")) > 0))
             and ($10::bigint is null or total_minor >= $10) and ($11::bigint is null or total_minor <= $11)
             and ($12::text is null or currency = $12)
           order by created_at desc, id desc limit $9"#,
        )
        .bind(customer_id.to_string())
        .bind(wanted.from.map_or(String::new(), |at| at.to_string()))
        .bind(until(wanted.to, wanted.before.as_ref()).map_or(NEVER.into(), |at| at.to_string()))
        .bind(before_at)
        .bind(before_id)
        .bind(wanted.status.clone())
        .bind(wanted.failed_too)
        .bind(wanted.holding.as_ref().map(|text| text.to_ascii_lowercase()))
        .bind(rows(wanted.limit))
        .bind(wanted.totals.from_minor)
        .bind(wanted.totals.to_minor)
        .bind(wanted.totals.currency.clone());
        let found = self.connections.take().await?.rows(asked).await?;
        found.iter().map(|row| Ok(text(row, "doc")?.to_string())).collect()
    }
}
