//! Reads the journal for people and auditors; nothing in here locks rows.

use std::collections::HashMap;

use async_trait::async_trait;
use contract::OrderId;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::json::{self, unreadable};
use super::row::{maybe, order_id, rows, text, time};
use super::{Error, PostgresStore, failed};
use crate::{Journal, JournalRow, Progress, Read, Unreadable};

/// Selects journal rows with all columns that `journal_row` reads; times are in milliseconds.
macro_rules! journal_rows {
    ($rest:literal) => {
        concat!(
            "select seq, role, message_id, name, replace(hash::text, '-', '') as hash, order_id::text, cause,
                    case when isfinite(at) then (extract(epoch from at) * 1000)::bigint end as at_ms,
                    outcome, emitted from journal ",
            $rest
        )
    };
}

#[async_trait]
impl Journal for PostgresStore {
    async fn journal_of(&self, order_id: OrderId) -> Result<Vec<Read<JournalRow>>, Error> {
        let asked = sqlx::query(journal_rows!("where order_id = $1::uuid order by seq"));
        let kept = self.connections.take().await?.rows(asked.bind(order_id.to_string())).await?;
        kept.iter().map(|row| journal_row(row).map(|(_, row)| row)).collect()
    }

    /// While other transactions write, a row with a lower number than a returned one may still appear: see `flight.rs`. A
    /// caller that must not miss one reads again from further back, or while nothing is written.
    async fn journal_page(&self, after: i64, limit: usize) -> Result<Vec<(i64, Read<JournalRow>)>, Error> {
        let asked = sqlx::query(journal_rows!("where seq > $1 order by seq limit $2"));
        let kept = self.connections.take().await?.rows(asked.bind(after).bind(rows(limit))).await?;
        kept.iter().map(journal_row).collect()
    }

    async fn progress_of(&self, order_ids: &[OrderId]) -> Result<HashMap<OrderId, Progress>, Error> {
        let asked = sqlx::query(
            "select asked.id::text as order_id, handled, open_dead_letters
         from unnest($1::text[]::uuid[]) as asked (id)
              cross join lateral (select count(*) as handled from journal where order_id = asked.id) as rows
              cross join lateral (select count(*) as open_dead_letters from dead_letters
                                  where order_id = asked.id and status = 'open') as letters
         where handled > 0 or open_dead_letters > 0",
        );
        let ids: Vec<String> = order_ids.iter().map(ToString::to_string).collect();
        let found = self.connections.take().await?.rows(asked.bind(ids)).await?;
        let progress = |row: &PgRow| {
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

fn journal_row(row: &PgRow) -> Result<(i64, Read<JournalRow>), Error> {
    let seq = row.try_get("seq").map_err(failed)?;
    let role = text(row, "role")?;
    Ok((seq, read_journal_row(row, role).map_err(|why| Unreadable::in_journal(seq, role, why))))
}

fn read_journal_row(row: &PgRow, role: &str) -> Result<JournalRow, Error> {
    let (id, at) = (json::id(text(row, "message_id")?)?, time(row, "at_ms")?);
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
