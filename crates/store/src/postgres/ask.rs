//! Loads records by one statement for the tables of one worker, which are all that its login may read, or for all
//! tables of a checkout, where the workers share a process. Rows are locked in key order.

use std::collections::BTreeMap;

use contract::{Contention, Need, Table};
use sqlx::Row;
use sqlx::postgres::PgRow;
use tuning::LOCK_FROM_RECORDS;

use super::connections::Statement;
use super::{Error, failed, in_table, json};
use crate::Loaded;

/// The keys to load from each table, and whether the statements lock rows.
pub(super) struct Asked {
    keys: BTreeMap<Table, Vec<String>>,
    pub(super) locks: bool,
}

impl Asked {
    pub(super) fn of(needs: &[&Need], may_lock: bool) -> Self {
        let mut sorted = needs.to_vec();
        sorted.sort_unstable();
        let mut keys: BTreeMap<Table, Vec<String>> = BTreeMap::new();
        for need in sorted {
            keys.entry(need.table).or_default().push(need.id.clone());
        }
        let locks = may_lock && keys.iter().any(|(table, ids)| is_locked(*table, ids.len()));
        Self { keys, locks }
    }

    /// One statement for the tables of one worker or of a checkout; for any other mix, one for each table.
    pub(super) fn statements(self) -> Vec<Statement> {
        let all = |tables: &[Table]| self.keys.keys().all(|table| tables.contains(table));
        let several = self.keys.len() > 1;
        if several && all(&ORDER_TABLES) {
            let sql = if self.locks { ORDER_LOCKED } else { ORDER };
            return self.in_one_statement(sql, &ORDER_TABLES);
        }
        if several && all(&STOCK_TABLES) {
            let sql = if self.locks { STOCK_LOCKED } else { STOCK };
            return self.in_one_statement(sql, &STOCK_TABLES);
        }
        if several && all(&CHECKOUT_TABLES) {
            let sql = if self.locks { CHECKOUT_LOCKED } else { CHECKOUT };
            return self.in_one_statement(sql, &CHECKOUT_TABLES);
        }
        let locks = self.locks;
        let alone = |(table, ids): (Table, Vec<String>)| {
            let sql = match locks && is_locked(table, ids.len()) {
                true => in_table!(table, one_locked, "$1"),
                false => in_table!(table, one, "$1"),
            };
            sqlx::query(sql).bind(ids)
        };
        self.keys.into_iter().map(alone).collect()
    }

    fn in_one_statement(mut self, sql: &'static str, tables: &[Table]) -> Vec<Statement> {
        let bind = |sql: Statement, table| sql.bind(self.keys.remove(table).unwrap_or_default());
        vec![tables.iter().fold(sqlx::query(sql), bind)]
    }
}

fn is_locked(table: Table, records: usize) -> bool {
    match table.contention() {
        Contention::MostlyRead | Contention::Hot => false,
        Contention::Seldom => records >= LOCK_FROM_RECORDS,
    }
}

pub(super) fn found(row: &PgRow) -> Result<Loaded, Error> {
    let name: &str = row.try_get(0).map_err(failed)?;
    let table = Table::ALL.into_iter().find(|table| table.name() == name);
    let table = table.ok_or_else(|| json::unreadable("a record", format!("no table is called {name}")))?;
    Ok(Loaded {
        need: Need { table, id: row.try_get(1).map_err(failed)? },
        version: row.try_get(2).map_err(failed)?,
        json: row.try_get::<&str, _>(3).map_err(failed)?.into(),
    })
}

macro_rules! one {
    ($name:literal, $keys:literal) => {
        concat!(
            "select '",
            $name,
            "'::text, id, version, doc from ",
            $name,
            " where id = any(",
            $keys,
            "::text[])"
        )
    };
}

/// Locks in key order. This avoids a deadlock between two batches that need the same rows.
macro_rules! one_locked {
    ($name:literal, $keys:literal) => {
        concat!(
            "select * from (select '",
            $name,
            "'::text, id, version, doc from ",
            $name,
            " where id = any(",
            $keys,
            "::text[]) order by id for update) as locked"
        )
    };
}
use {one, one_locked};

const ORDER_TABLES: [Table; 5] =
    [Table::Orders, Table::Submissions, Table::Products, Table::Discounts, Table::Methods];

macro_rules! order {
    () => {
        concat!(
            one!("orders", "$1"),
            " union all ",
            one!("submissions", "$2"),
            " union all ",
            one!("products", "$3"),
            " union all ",
            one!("discounts", "$4"),
            " union all ",
            one!("methods", "$5")
        )
    };
}

macro_rules! order_locked {
    () => {
        concat!(
            one_locked!("orders", "$1"),
            " union all ",
            one_locked!("submissions", "$2"),
            " union all ",
            one!("products", "$3"),
            " union all ",
            one!("discounts", "$4"),
            " union all ",
            one!("methods", "$5")
        )
    };
}

const ORDER: &str = order!();

const ORDER_LOCKED: &str = order_locked!();

const STOCK_TABLES: [Table; 2] = [Table::Stock, Table::Holds];

const STOCK: &str = concat!(one!("stock", "$1"), " union all ", one!("holds", "$2"));

const STOCK_LOCKED: &str = concat!(one!("stock", "$1"), " union all ", one_locked!("holds", "$2"));

/// In the order in which they are written, which avoids deadlocks between a load and a write.
const CHECKOUT_TABLES: [Table; 10] = [
    Table::Orders,
    Table::Submissions,
    Table::Products,
    Table::Discounts,
    Table::Methods,
    Table::Stock,
    Table::Holds,
    Table::Payments,
    Table::Notices,
    Table::Sagas,
];

const CHECKOUT: &str = concat!(
    order!(),
    " union all ",
    one!("stock", "$6"),
    " union all ",
    one!("holds", "$7"),
    " union all ",
    one!("payments", "$8"),
    " union all ",
    one!("notices", "$9"),
    " union all ",
    one!("sagas", "$10")
);

const CHECKOUT_LOCKED: &str = concat!(
    order_locked!(),
    " union all ",
    one!("stock", "$6"),
    " union all ",
    one_locked!("holds", "$7"),
    " union all ",
    one_locked!("payments", "$8"),
    " union all ",
    one_locked!("notices", "$9"),
    " union all ",
    one_locked!("sagas", "$10")
);
