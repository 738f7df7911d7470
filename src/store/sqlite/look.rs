//! People and auditors look without holding anybody up: nothing in here writes or waits for a writer.

use contract::{OrderId, Role, Table, Time};
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::json::{self, plain, unreadable};
use super::{Error, around, failed, in_table};
use crate::store::{DeadLetter, DeadStatus, Filter, JournalRow, Pause};

pub(super) async fn get(pool: &SqlitePool, table: Table, id: &str) -> Result<Option<String>, Error> {
    let sql = in_table!(table, around, "select doc from ", " where id = ?1");
    sqlx::query_scalar(sql).bind(id).fetch_optional(pool).await.map_err(failed)
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

/// One statement for each combination of filters: with "or it was not asked for" no index would be used.
macro_rules! listing {
    ($table:literal, $($also:literal),*) => {
        concat!(
            "select doc from ", $table,
            " where created_at >= ?1 and created_at < ?2 and (created_at, id) < (?3, ?4)", $($also,)*
            " order by created_at desc, id desc limit ?7"
        )
    };
}

macro_rules! listings {
    ($table:literal, $filter:expr) => {
        match ($filter.status.is_some(), $filter.customer_id.is_some()) {
            // In so many words, or the index of just these would not be used.
            (true, false) if $filter.status.as_deref() == Some("needs_attention") => {
                listing!($table, " and status = 'needs_attention'")
            }
            (false, false) => listing!($table,),
            (true, false) => listing!($table, " and status = ?5"),
            (false, true) => listing!($table, " and customer_id = ?6"),
            (true, true) => listing!($table, " and status = ?5 and customer_id = ?6"),
        }
    };
}

/// Later than every time there is, as text.
const NEVER: &str = "~";

pub(super) async fn list(pool: &SqlitePool, table: Table, filter: &Filter) -> Result<Vec<String>, Error> {
    let sql = match table {
        Table::Orders => listings!("orders", filter),
        Table::Sagas => listings!("sagas", filter),
        Table::Submissions
        | Table::Audit
        | Table::Products
        | Table::Discounts
        | Table::Methods
        | Table::Stock
        | Table::Holds
        | Table::Payments
        | Table::Notices => {
            return Err(Error::Refused(format!("{} cannot be listed by time; page it", table.name())));
        }
    };
    let before = filter.before.as_ref().map(|(at, id)| (at.to_string(), id.as_str()));
    let (before_at, before_id) = before.unwrap_or((NEVER.into(), ""));
    sqlx::query_scalar(sql)
        .bind(filter.from.map_or(String::new(), |at| at.to_string()))
        .bind(filter.to.map_or(NEVER.into(), |at| at.to_string()))
        .bind(before_at)
        .bind(before_id)
        .bind(filter.status.as_deref())
        .bind(filter.customer_id.as_deref())
        .bind(rows(filter.limit))
        .fetch_all(pool)
        .await
        .map_err(failed)
}

pub(super) async fn journal_of(pool: &SqlitePool, order_id: OrderId) -> Result<Vec<JournalRow>, Error> {
    let kept = sqlx::query("select * from journal where order_id = ?1 order by seq")
        .bind(order_id.to_string())
        .fetch_all(pool)
        .await
        .map_err(failed)?;
    kept.iter().map(journal_row).collect()
}

pub(super) async fn journal_page(
    pool: &SqlitePool,
    after: i64,
    limit: usize,
) -> Result<Vec<(i64, JournalRow)>, Error> {
    let kept = sqlx::query("select * from journal where seq > ?1 order by seq limit ?2")
        .bind(after)
        .bind(rows(limit))
        .fetch_all(pool)
        .await
        .map_err(failed)?;
    kept.iter().map(|row| Ok((row.try_get("seq").map_err(failed)?, journal_row(row)?))).collect()
}

pub(super) async fn deadlines(pool: &SqlitePool, limit: usize) -> Result<Vec<(String, Time, String)>, Error> {
    let kept: Vec<(String, i64, String)> =
        sqlx::query_as("select key, due, message ->> 'name' from deadlines order by due, key limit ?1")
            .bind(rows(limit))
            .fetch_all(pool)
            .await
            .map_err(failed)?;
    Ok(kept.into_iter().map(|(key, due, name)| (key, Time::from_unix_ms(due), name)).collect())
}

/// Newest first.
pub(super) async fn dead_letters(
    pool: &SqlitePool,
    status: Option<DeadStatus>,
    limit: usize,
) -> Result<Vec<DeadLetter>, Error> {
    let all = "select * from dead_letters order by at desc, id desc limit ?1";
    let some = "select * from dead_letters where status = ?2 order by at desc, id desc limit ?1";
    let query = match status {
        None => sqlx::query(all).bind(rows(limit)),
        Some(status) => sqlx::query(some).bind(rows(limit)).bind(status_name(status)),
    };
    query.fetch_all(pool).await.map_err(failed)?.iter().map(letter).collect()
}

pub(super) async fn dead_letter(pool: &SqlitePool, id: &str) -> Result<Option<DeadLetter>, Error> {
    let kept = sqlx::query("select * from dead_letters where id = ?1").bind(id).fetch_optional(pool).await;
    kept.map_err(failed)?.as_ref().map(letter).transpose()
}

pub(super) async fn pauses(pool: &SqlitePool) -> Result<Vec<Pause>, Error> {
    let kept = sqlx::query("select role, paused_by, why, at from pauses order by role").fetch_all(pool).await;
    let pause = |row: &SqliteRow| {
        Ok(Pause {
            role: Role::named(text(row, "role")?)
                .ok_or_else(|| unreadable("a pause", "nobody has its role"))?,
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

fn status_name(status: DeadStatus) -> &'static str {
    match status {
        DeadStatus::Open => "open",
        DeadStatus::Replayed => "replayed",
        DeadStatus::Discarded => "discarded",
    }
}

fn journal_row(row: &SqliteRow) -> Result<JournalRow, Error> {
    Ok(JournalRow {
        role: Role::named(text(row, "role")?)
            .ok_or_else(|| unreadable("a journal row", "nobody has its role"))?,
        id: json::id(text(row, "message_id")?)?,
        name: text(row, "name")?.to_string(),
        hash: json::hash(text(row, "hash")?)?,
        order_id: order_id(row)?,
        cause: maybe(row, "cause")?.map(json::id).transpose()?,
        at: time(row)?,
        outcome: text(row, "outcome")?.to_string(),
        said: json::read_said(text(row, "said")?)?,
    })
}

fn letter(row: &SqliteRow) -> Result<DeadLetter, Error> {
    let owned = |column| text(row, column).map(str::to_string);
    Ok(DeadLetter {
        id: owned("id")?,
        queue: owned("queue")?,
        message_id: maybe(row, "message_id")?.map(str::to_string),
        name: owned("name")?,
        order_id: order_id(row)?,
        cause: maybe(row, "cause")?.map(str::to_string),
        code: owned("code")?,
        why: owned("why")?,
        attempts: row.try_get("attempts").map_err(failed)?,
        at: time(row)?,
        body: owned("body")?,
        status: plain(text(row, "status")?).map_err(|why| unreadable("a dead letter's status", why))?,
    })
}

fn text<'a>(row: &'a SqliteRow, column: &str) -> Result<&'a str, Error> {
    row.try_get(column).map_err(failed)
}

fn maybe<'a>(row: &'a SqliteRow, column: &str) -> Result<Option<&'a str>, Error> {
    row.try_get(column).map_err(failed)
}

fn time(row: &SqliteRow) -> Result<Time, Error> {
    text(row, "at")?.parse().map_err(|why: String| unreadable("a time", why))
}

fn order_id(row: &SqliteRow) -> Result<Option<OrderId>, Error> {
    maybe(row, "order_id")?.map(str::parse).transpose().map_err(|why| unreadable("an order's id", why))
}
