//! Reads for people and auditors: nothing in here writes or waits for the writer.

use std::collections::HashMap;

use contract::{OrderId, Table, Time};
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::json::{self, unreadable};
use super::{Error, around, failed, in_table};
use crate::{
    DeadlineRow, History, JournalRow, ORDER_DEADLINES_MAX, OrderDeadline, Pause, Progress, Read, Unreadable,
    until,
};

pub(super) async fn get(pool: &SqlitePool, table: Table, id: &str) -> Result<Option<String>, Error> {
    let sql = in_table!(table, around, "select doc from ", " where id = ?1");
    sqlx::query_scalar(sql).bind(id).fetch_optional(pool).await.map_err(failed)
}

pub(super) async fn get_many(
    pool: &SqlitePool,
    table: Table,
    ids: &[String],
) -> Result<HashMap<String, String>, Error> {
    let sql =
        in_table!(table, around, "select id, doc from ", " where id in (select value from json_each(?1))");
    let found: Vec<(String, String)> =
        sqlx::query_as(sql).bind(json!(ids).to_string()).fetch_all(pool).await.map_err(failed)?;
    Ok(found.into_iter().collect())
}

pub(super) async fn progress_of(
    pool: &SqlitePool,
    order_ids: &[OrderId],
) -> Result<HashMap<OrderId, Progress>, Error> {
    let found = sqlx::query(
        "select * from (
             select value as order_id,
                    (select count(*) from journal where order_id = value) as handled,
                    (select count(*) from dead_letters where order_id = value and status = 'open') as open_dead_letters
             from json_each(?1))
         where handled > 0 or open_dead_letters > 0",
    )
    .bind(json!(order_ids).to_string())
    .fetch_all(pool)
    .await
    .map_err(failed)?;
    let progress = |row: &SqliteRow| {
        let id = order_id(row)?.ok_or_else(|| unreadable("an order's progress", "it has no id"))?;
        let handled = row.try_get("handled").map_err(failed)?;
        Ok((id, Progress { handled, open_dead_letters: row.try_get("open_dead_letters").map_err(failed)? }))
    };
    found.iter().map(progress).collect()
}

pub(super) async fn orders_charged_as(pool: &SqlitePool, names: &[String]) -> Result<Vec<OrderId>, Error> {
    let found: Vec<String> = sqlx::query_scalar(
        "select id from payments
         where doc ->> '$.charge.transaction_id' in (select value from json_each(?1))
            or doc ->> '$.unasked' in (select value from json_each(?1)) limit 2",
    )
    .bind(json!(names).to_string())
    .fetch_all(pool)
    .await
    .map_err(failed)?;
    found.iter().map(|id| id.parse().map_err(|why| unreadable("a payment's order id", why))).collect()
}

pub(super) async fn page(
    pool: &SqlitePool,
    table: Table,
    after: &str,
    limit: usize,
) -> Result<Vec<(String, String)>, Error> {
    let sql = in_table!(table, around, "select id, doc from ", " where id > ?1 order by id limit ?2");
    sqlx::query_as(sql).bind(after).bind(rows(limit)).fetch_all(pool).await.map_err(failed)
}

/// A text that sorts after every time.
pub(super) const NEVER: &str = "~";

pub(super) async fn history(
    pool: &SqlitePool,
    customer_id: &str,
    wanted: &History,
) -> Result<Vec<String>, Error> {
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
    .fetch_all(pool)
    .await
    .map_err(failed)
}

pub(super) async fn journal_of(pool: &SqlitePool, order_id: OrderId) -> Result<Vec<Read<JournalRow>>, Error> {
    let kept = sqlx::query("select * from journal where order_id = ?1 order by seq")
        .bind(order_id.to_string())
        .fetch_all(pool)
        .await
        .map_err(failed)?;
    kept.iter().map(|row| journal_row(row).map(|(_, row)| row)).collect()
}

pub(super) async fn journal_page(
    pool: &SqlitePool,
    after: i64,
    limit: usize,
) -> Result<Vec<(i64, Read<JournalRow>)>, Error> {
    let kept = sqlx::query("select * from journal where seq > ?1 order by seq limit ?2")
        .bind(after)
        .bind(rows(limit))
        .fetch_all(pool)
        .await
        .map_err(failed)?;
    kept.iter().map(journal_row).collect()
}

pub(super) async fn deadlines(pool: &SqlitePool, limit: usize) -> Result<Vec<DeadlineRow>, Error> {
    let kept: Vec<(String, i64, String)> =
        sqlx::query_as("select key, due, message from deadlines order by due, key limit ?1")
            .bind(rows(limit))
            .fetch_all(pool)
            .await
            .map_err(failed)?;
    let deadline = |(key, due, message): (String, i64, String)| {
        let says = json::read_message(&message).map(|message| (message.by, message.name()));
        let says = says.map_err(|why| Unreadable::deadline(&key, why));
        DeadlineRow { key, due: Time::from_unix_ms(due), says }
    };
    Ok(kept.into_iter().map(deadline).collect())
}

/// A saga's key is its order's id, or that and "/return/n" ('0' comes after '/'). The key of a message that is held
/// back for an order begins with "held/" and the order's id.
pub(super) async fn deadlines_of(pool: &SqlitePool, order_id: OrderId) -> Result<Vec<OrderDeadline>, Error> {
    let kept: Vec<(String, i64, String)> = sqlx::query_as(
        "select key, due, message from deadlines
         where key = ?1 or (key > ?1 || '/' and key < ?1 || '0')
            or (key > 'held/' || ?1 || '/' and key < 'held/' || ?1 || '0')
         order by due, key limit ?2",
    )
    .bind(order_id.to_string())
    .bind(rows(ORDER_DEADLINES_MAX))
    .fetch_all(pool)
    .await
    .map_err(failed)?;
    let deadline = |(key, due, message): (String, i64, String)| {
        let message = json::read_message(&message).ok()?;
        Some(OrderDeadline { key, due: Time::from_unix_ms(due), message })
    };
    Ok(kept.into_iter().filter_map(deadline).collect())
}

pub(super) async fn pauses(pool: &SqlitePool) -> Result<Vec<Pause>, Error> {
    let kept = sqlx::query("select role, paused_by, why, at from pauses order by role").fetch_all(pool).await;
    let pause = |row: &SqliteRow| {
        Ok(Pause {
            role: json::role(text(row, "role")?)?,
            by: text(row, "paused_by")?.to_string(),
            why: text(row, "why")?.to_string(),
            at: time(row)?,
        })
    };
    kept.map_err(failed)?.iter().map(pause).collect()
}

pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
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

pub(super) fn text<'a>(row: &'a SqliteRow, column: &str) -> Result<&'a str, Error> {
    row.try_get(column).map_err(failed)
}

pub(super) fn maybe<'a>(row: &'a SqliteRow, column: &str) -> Result<Option<&'a str>, Error> {
    row.try_get(column).map_err(failed)
}

pub(super) fn time(row: &SqliteRow) -> Result<Time, Error> {
    json::time(text(row, "at")?)
}

pub(super) fn order_id(row: &SqliteRow) -> Result<Option<OrderId>, Error> {
    maybe(row, "order_id")?.map(str::parse).transpose().map_err(|why| unreadable("an order's id", why))
}
