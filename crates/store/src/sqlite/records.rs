//! Writes records as new rows or as the next version of existing ones. Each table has its own statements, because
//! beside the document it has columns that the database checks and indexes.

use std::collections::{BTreeMap, HashMap};
use std::mem::take;

use async_trait::async_trait;
use contract::{OrderId, Table};
use serde_json::json;

use super::block::{Blocks, Query, Step, blocks, eight, four, in_blocks, twice_named_blocks};
use super::json::unreadable;
use super::row;
use super::{Error, SqliteStore, around, failed, in_table};
use crate::columns::Columns;
use crate::{Records, SavedRecord};

pub(super) fn keep_records(records: Vec<SavedRecord>) -> Result<Vec<Step>, Error> {
    let mut tables: BTreeMap<Table, (Vec<SavedRecord>, Vec<SavedRecord>)> = BTreeMap::new();
    for record in records {
        let (new, old) = tables.entry(record.need.table).or_default();
        if record.version == 0 { new.push(record) } else { old.push(record) }
    }
    let mut steps = Vec::new();
    for (table, (new, old)) in tables {
        let mut new = Columns::of(new)?;
        steps.extend(in_blocks(&insert_into(table), rows(&new), None, |query, at| {
            let query = query.bind(take(&mut new.ids[at])).bind(new.docs[at].clone());
            let query = bind_once(table, query, &mut new, at);
            bind_beside(table, query, &mut new, at)
        })?);
        let mut old = Columns::of(old)?;
        steps.extend(in_blocks(&update(table), rows(&old), Some(table.name()), |query, at| {
            let query = query.bind(take(&mut old.ids[at])).bind(old.versions[at]).bind(old.docs[at].clone());
            bind_beside(table, query, &mut old, at)
        })?);
    }
    Ok(steps)
}

fn rows(columns: &Columns) -> Vec<usize> {
    (0..columns.ids.len()).collect()
}

/// Columns that are set with the first document and never change.
fn bind_once(table: Table, query: Query, columns: &mut Columns, at: usize) -> Query {
    match table {
        Table::Orders => {
            query.bind(take(&mut columns.customer_ids[at])).bind(take(&mut columns.created_at[at]))
        }
        Table::Sagas => query.bind(take(&mut columns.created_at[at])),
        _ => query,
    }
}

/// Columns that are set with every document.
fn bind_beside(table: Table, query: Query, columns: &mut Columns, at: usize) -> Query {
    match table {
        Table::Orders => query.bind(take(&mut columns.statuses[at])).bind(columns.amounts_minor[at]),
        Table::Sagas => query.bind(take(&mut columns.statuses[at])),
        Table::Stock => query.bind(columns.on_hand[at]).bind(columns.reserved[at]),
        Table::Payments => query.bind(columns.captured_minor[at]).bind(columns.refunded_minor[at]),
        _ => query,
    }
}

/// `$columns` follow id, version and document; `$places` are the placeholders of a row; `$values` are the names of its
/// values.
macro_rules! inserting {
    ($name:literal, $columns:literal, $values:literal, $places:literal) => {
        blocks!(
            $name,
            "insert into ",
            concat!(
                " (id, version, doc",
                $columns,
                ") select column1, 1, column2",
                $values,
                " from (values "
            ),
            $places,
            ") where column1 is not null"
        )
    };
}

fn insert_into(table: Table) -> Blocks {
    match table {
        Table::Orders => inserting!(
            "orders",
            ", customer_id, created_at, status, total_minor",
            ", column3, column4, column5, column6",
            "(?,?,?,?,?,?)"
        ),
        Table::Sagas => inserting!("sagas", ", created_at, status", ", column3, column4", "(?,?,?,?)"),
        Table::Stock => inserting!("stock", ", on_hand, reserved", ", column3, column4", "(?,?,?,?)"),
        Table::Payments => {
            inserting!("payments", ", captured_minor, refunded_minor", ", column3, column4", "(?,?,?,?)")
        }
        Table::Submissions
        | Table::Audit
        | Table::Products
        | Table::Discounts
        | Table::Methods
        | Table::Carts
        | Table::Holds
        | Table::Wallets
        | Table::Notices => in_table!(table, inserting, "", "", "(?,?)"),
    }
}

/// An upsert, because `update … from` builds a table in memory for every block. The `where exists` keeps it from
/// inserting a row that is gone.
macro_rules! updating {
    ($name:literal, $columns:literal, $values:literal, $places:literal, $set:literal) => {
        twice_named_blocks!(
            $name,
            "insert into ",
            concat!(
                " as kept (id, version, doc",
                $columns,
                ") select column1, column2, column3",
                $values,
                " from (values "
            ),
            $places,
            ") where exists (select 1 from ",
            concat!(
                " where id = column1) on conflict (id) do update
                  set version = kept.version + 1, doc = excluded.doc",
                $set,
                " where kept.version = excluded.version"
            )
        )
    };
}

fn update(table: Table) -> Blocks {
    match table {
        Table::Orders => updating!(
            "orders",
            ", status, total_minor",
            ", column4, column5",
            "(?,?,?,?,?)",
            ", status = excluded.status, total_minor = excluded.total_minor"
        ),
        Table::Sagas => {
            updating!("sagas", ", status", ", column4", "(?,?,?,?)", ", status = excluded.status")
        }
        Table::Stock => updating!(
            "stock",
            ", on_hand, reserved",
            ", column4, column5",
            "(?,?,?,?,?)",
            ", on_hand = excluded.on_hand, reserved = excluded.reserved"
        ),
        Table::Payments => updating!(
            "payments",
            ", captured_minor, refunded_minor",
            ", column4, column5",
            "(?,?,?,?,?)",
            ", captured_minor = excluded.captured_minor, refunded_minor = excluded.refunded_minor"
        ),
        Table::Submissions
        | Table::Audit
        | Table::Products
        | Table::Discounts
        | Table::Methods
        | Table::Carts
        | Table::Holds
        | Table::Wallets
        | Table::Notices => in_table!(table, updating, "", "", "(?,?,?)", ""),
    }
}

#[async_trait]
impl Records for SqliteStore {
    async fn get(&self, table: Table, id: &str) -> Result<Option<String>, Error> {
        let sql = in_table!(table, around, "select doc from ", " where id = ?1");
        sqlx::query_scalar(sql).bind(id).fetch_optional(&self.readers).await.map_err(failed)
    }

    async fn get_many(&self, table: Table, ids: &[String]) -> Result<HashMap<String, String>, Error> {
        let sql = in_table!(
            table,
            around,
            "select id, doc from ",
            " where id in (select value from json_each(?1))"
        );
        let found: Vec<(String, String)> = sqlx::query_as(sql)
            .bind(json!(ids).to_string())
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
        Ok(found.into_iter().collect())
    }

    async fn page(&self, table: Table, after: &str, limit: usize) -> Result<Vec<(String, String)>, Error> {
        let sql = in_table!(table, around, "select id, doc from ", " where id > ?1 order by id limit ?2");
        sqlx::query_as(sql).bind(after).bind(row::rows(limit)).fetch_all(&self.readers).await.map_err(failed)
    }

    async fn orders_charged_as(&self, names: &[String]) -> Result<Vec<OrderId>, Error> {
        let found: Vec<String> = sqlx::query_scalar(
            "select id from payments
         where doc ->> '$.charge.transaction_id' in (select value from json_each(?1))
            or doc ->> '$.unasked' in (select value from json_each(?1)) limit 2",
        )
        .bind(json!(names).to_string())
        .fetch_all(&self.readers)
        .await
        .map_err(failed)?;
        found.iter().map(|id| id.parse().map_err(|why| unreadable("a payment's order id", why))).collect()
    }
}
