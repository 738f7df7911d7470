//! Reads records for people and auditors; nothing in here locks rows.

use std::collections::HashMap;

use async_trait::async_trait;
use contract::{OrderId, Table};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::json::unreadable;
use super::row::{rows, text};
use super::{Error, PostgresStore, around, failed, in_table};
use crate::Records;

#[async_trait]
impl Records for PostgresStore {
    async fn get(&self, table: Table, id: &str) -> Result<Option<String>, Error> {
        let sql = in_table!(table, around, "select doc from ", " where id = $1");
        let found =
            self.connections.take().await?.rows(sqlx::query(sql).bind(crate::columns::plain(id))).await?;
        found.first().map(|row| row.try_get(0).map_err(failed)).transpose()
    }

    async fn get_many(&self, table: Table, ids: &[String]) -> Result<HashMap<String, String>, Error> {
        let sql = in_table!(table, around, "select id, doc from ", " where id = any($1::text[])");
        let ids: Vec<_> = ids.iter().map(|id| crate::columns::plain(id)).collect();
        let found = self.connections.take().await?.rows(sqlx::query(sql).bind(ids)).await?;
        found.iter().map(|row| Ok((text(row, "id")?.to_string(), text(row, "doc")?.to_string()))).collect()
    }

    async fn page(&self, table: Table, after: &str, limit: usize) -> Result<Vec<(String, String)>, Error> {
        let sql = in_table!(table, around, "select id, doc from ", " where id > $1 order by id limit $2");
        let asked = sqlx::query(sql).bind(after.to_string()).bind(rows(limit));
        let found = self.connections.take().await?.rows(asked).await?;
        found.iter().map(|row| Ok((text(row, "id")?.to_string(), text(row, "doc")?.to_string()))).collect()
    }

    async fn orders_charged_as(&self, names: &[String]) -> Result<Vec<OrderId>, Error> {
        // `unasked` is the provider's id of a capture that came although the payment was given up before it was asked for.
        // The search for the plain text first skips most documents without parsing them.
        let asked = sqlx::query(
        "select id from payments
         where exists (select from unnest($1::text[]) as name where strpos(doc, name) > 0)
           and (doc::json #>> '{charge,transaction_id}' = any($1) or doc::json ->> 'unasked' = any($1)) limit 2",
    );
        let names: Vec<_> = names.iter().map(|name| crate::columns::plain(name)).collect();
        let found = self.connections.take().await?.rows(asked.bind(names)).await?;
        let order_id =
            |row: &PgRow| text(row, "id")?.parse().map_err(|why| unreadable("a payment's order id", why));
        found.iter().map(order_id).collect()
    }
}
