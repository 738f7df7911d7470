//! How records are asked for: in one statement for all tables of a batch, in key order where rows are locked.
//!
//! What a small batch of one order's messages will want next is read along. A round trip costs as much as all that it
//! asks for, and between an order's arrival and its charge four workers ask one after the other.

use std::collections::{BTreeMap, HashMap};

use contract::{Meeting, Need, Table};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::connections::Statement;
use super::{Error, failed, in_table, json};
use crate::store::Loaded;
use crate::store::pending::Pending;

/// From so many records on, two replicas at one queue are likely enough to have one in common: then it is cheaper
/// to wait for the other's lock than to be told of a conflict. For fewer, two round trips of five are saved.
const CROWD: usize = 8;

/// Records that were read before anybody asked for them, and those that were not there.
#[derive(Default)]
pub(super) struct Early(HashMap<Need, Option<Loaded>>);

/// They have the same key, and who wants one of them soon wants the others. (Not holds: they are read together with the
/// stock that they are held from, so that neither tells of changes that the other does not have.)
const OF_AN_ORDER: [Table; 3] = [Table::Orders, Table::Payments, Table::Sagas];

impl Early {
    /// Takes what is known out of `needs`.
    pub(super) fn take<'a>(&mut self, needs: Vec<&'a Need>, loaded: &mut Vec<Loaded>) -> Vec<&'a Need> {
        let mut rest = Vec::new();
        for need in needs {
            match self.0.remove(need) {
                Some(known) => loaded.extend(known),
                None => rest.push(need),
            }
        }
        rest
    }

    /// What is worth reading along with these. What is on its way from here is not: it would come out of date.
    pub(super) fn beside(needs: &[&Need], pending: &Pending) -> Vec<Need> {
        let of_orders: Vec<_> = needs.iter().filter(|need| OF_AN_ORDER.contains(&need.table)).collect();
        if of_orders.len() >= CROWD {
            return Vec::new();
        }
        let same_key = |need: &&&Need| OF_AN_ORDER.map(|table| Need { table, id: need.id.clone() });
        let mut beside: Vec<Need> = of_orders.iter().flat_map(same_key).collect();
        beside.retain(|one| !needs.contains(&one) && !pending.has(one));
        beside.sort_unstable();
        beside.dedup();
        beside
    }

    /// Keeps what nobody has asked for yet, and gives back the rest.
    pub(super) fn sort_out(&mut self, beside: Vec<Need>, read: Vec<Loaded>) -> Vec<Loaded> {
        self.0.extend(beside.into_iter().map(|need| (need, None)));
        let (early, asked) = read.into_iter().partition::<Vec<_>, _>(|one| self.0.contains_key(&one.need));
        self.0.extend(early.into_iter().map(|one| (one.need.clone(), Some(one))));
        asked
    }
}

/// The keys of each table, and whether their rows are locked.
pub(super) struct Asked {
    keys: BTreeMap<Table, Vec<String>>,
    pub(super) locks: bool,
}

impl Asked {
    pub(super) fn of<'a>(needs: impl IntoIterator<Item = &'a Need>, may_lock: bool) -> Self {
        let mut sorted: Vec<&Need> = needs.into_iter().collect();
        sorted.sort_unstable();
        let mut keys: BTreeMap<Table, Vec<String>> = BTreeMap::new();
        for need in sorted {
            keys.entry(need.table).or_default().push(need.id.clone());
        }
        let locks = may_lock && keys.iter().any(|(table, ids)| locked(*table, ids.len()));
        Self { keys, locks }
    }

    /// One statement for all tables that a checkout reads; one for each table of any other company.
    pub(super) fn statements(self) -> Vec<Statement> {
        let all = |tables: &[Table]| self.keys.keys().all(|table| tables.contains(table));
        let several = self.keys.len() > 1;
        if several && !self.locks && all(&TOGETHER_TABLES) {
            return self.in_one(TOGETHER, &TOGETHER_TABLES);
        }
        if several && all(&ORDER_TABLES) {
            return self.in_one(ORDER_LOCKED, &ORDER_TABLES);
        }
        if several && all(&STOCK_TABLES) {
            return self.in_one(STOCK_LOCKED, &STOCK_TABLES);
        }
        let locks = self.locks;
        let alone = |(table, ids): (Table, Vec<String>)| {
            let sql = match locks && locked(table, ids.len()) {
                true => in_table!(table, one_locked, "$1"),
                false => in_table!(table, one, "$1"),
            };
            sqlx::query(sql).bind(ids)
        };
        self.keys.into_iter().map(alone).collect()
    }

    fn in_one(mut self, sql: &'static str, tables: &[Table]) -> Vec<Statement> {
        let bind = |sql: Statement, table| sql.bind(self.keys.remove(table).unwrap_or_default());
        vec![tables.iter().fold(sqlx::query(sql), bind)]
    }
}

fn locked(table: Table, records: usize) -> bool {
    match table.meeting() {
        Meeting::Reading | Meeting::Often => false,
        Meeting::Seldom => records >= CROWD,
    }
}

pub(super) fn found(row: &PgRow) -> Result<Loaded, Error> {
    let name: &str = row.try_get(0).map_err(failed)?;
    let table = Table::ALL.into_iter().find(|table| table.name() == name);
    let table = table.ok_or_else(|| json::unreadable("a record", format!("no table is called {name}")))?;
    Ok(Loaded {
        need: Need { table, id: row.try_get(1).map_err(failed)? },
        version: row.try_get(2).map_err(failed)?,
        json: row.try_get(3).map_err(failed)?,
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

/// In key order, so that two who want the same rows wait for each other and do not embrace.
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

const TOGETHER_TABLES: [Table; 9] = [
    Table::Orders,
    Table::Submissions,
    Table::Products,
    Table::Discounts,
    Table::Methods,
    Table::Stock,
    Table::Holds,
    Table::Payments,
    Table::Sagas,
];

const TOGETHER: &str = concat!(
    one!("orders", "$1"),
    " union all ",
    one!("submissions", "$2"),
    " union all ",
    one!("products", "$3"),
    " union all ",
    one!("discounts", "$4"),
    " union all ",
    one!("methods", "$5"),
    " union all ",
    one!("stock", "$6"),
    " union all ",
    one!("holds", "$7"),
    " union all ",
    one!("payments", "$8"),
    " union all ",
    one!("sagas", "$9")
);

const ORDER_TABLES: [Table; 5] =
    [Table::Orders, Table::Submissions, Table::Products, Table::Discounts, Table::Methods];

const ORDER_LOCKED: &str = concat!(
    one_locked!("orders", "$1"),
    " union all ",
    one_locked!("submissions", "$2"),
    " union all ",
    one!("products", "$3"),
    " union all ",
    one!("discounts", "$4"),
    " union all ",
    one!("methods", "$5")
);

const STOCK_TABLES: [Table; 2] = [Table::Stock, Table::Holds];

const STOCK_LOCKED: &str = concat!(one!("stock", "$1"), " union all ", one_locked!("holds", "$2"));
