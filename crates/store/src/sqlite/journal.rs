//! Reads the journal for people and auditors; nothing in here locks rows.

use std::collections::HashMap;

use async_trait::async_trait;
use contract::OrderId;
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::json::{self, unreadable};
use super::row::{maybe, order_id, rows, text, time};
use super::{Error, SqliteStore, failed};
use crate::{Journal, JournalRow, Progress, Read, Unreadable};

#[async_trait]
impl Journal for SqliteStore {
    async fn journal_of(&self, order_id: OrderId) -> Result<Vec<Read<JournalRow>>, Error> {
        let kept = sqlx::query("select * from journal where order_id = ?1 order by seq")
            .bind(order_id.to_string())
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
        kept.iter().map(|row| journal_row(row).map(|(_, row)| row)).collect()
    }

    async fn journal_page(&self, after: i64, limit: usize) -> Result<Vec<(i64, Read<JournalRow>)>, Error> {
        let kept = sqlx::query("select * from journal where seq > ?1 order by seq limit ?2")
            .bind(after)
            .bind(rows(limit))
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
        kept.iter().map(journal_row).collect()
    }

    async fn progress_of(&self, order_ids: &[OrderId]) -> Result<HashMap<OrderId, Progress>, Error> {
        let found = sqlx::query(
        "select * from (
             select value as order_id,
                    (select count(*) from journal where order_id = value) as handled,
                    (select count(*) from dead_letters where order_id = value and status = 'open') as open_dead_letters
             from json_each(?1))
         where handled > 0 or open_dead_letters > 0",
    )
    .bind(json!(order_ids).to_string())
    .fetch_all(&self.readers)
    .await
    .map_err(failed)?;
        let progress = |row: &SqliteRow| {
            let id = order_id(row)?.ok_or_else(|| unreadable("an order's progress", "it has no id"))?;
            let handled = row.try_get("handled").map_err(failed)?;
            Ok((
                id,
                Progress { handled, open_dead_letters: row.try_get("open_dead_letters").map_err(failed)? },
            ))
        };
        found.iter().map(progress).collect()
    }
}

fn journal_row(row: &SqliteRow) -> Result<(i64, Read<JournalRow>), Error> {
    let seq = row.try_get("seq").map_err(failed)?;
    let role = text(row, "role")?;
    Ok((seq, read_journal_row(row, role).map_err(|why| Unreadable::in_journal(seq, role, why))))
}

fn read_journal_row(row: &SqliteRow, role: &str) -> Result<JournalRow, Error> {
    let (id, at) = (json::id(text(row, "message_id")?)?, time(row)?);
    Ok(JournalRow {
        role: json::role(role)?,
        emitted: json::read_emitted(text(row, "emitted")?, &id, at)?,
        id,
        name: text(row, "name")?.to_string(),
        hash: json::hash(text(row, "hash")?)?,
        order_id: order_id(row)?,
        cause: maybe(row, "cause")?.map(json::id).transpose()?,
        at,
        outcome: text(row, "outcome")?.to_string(),
    })
}
