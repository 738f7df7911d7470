//! People and auditors look without holding anybody up: nothing in here writes or locks.

use contract::{OrderId, Role, Table, Time};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::connections::Connections;
use super::json::{self, plain, unreadable};
use super::letters::status_name;
use super::{Error, around, failed, in_table};
use crate::store::{DeadLetter, DeadStatus, Filter, JournalRow};

pub(super) async fn get(pool: &Connections, table: Table, id: &str) -> Result<Option<String>, Error> {
    let sql = in_table!(table, around, "select doc from ", " where id = $1");
    let found = pool.take().await?.rows(sqlx::query(sql).bind(super::columns::plain(id))).await?;
    found.first().map(|row| row.try_get(0).map_err(failed)).transpose()
}

pub(super) async fn page(
    pool: &Connections,
    table: Table,
    after: &str,
    limit: usize,
) -> Result<Vec<(String, String)>, Error> {
    let sql = in_table!(table, around, "select id, doc from ", " where id > $1 order by id limit $2");
    let asked = sqlx::query(sql).bind(after.to_string()).bind(rows(limit));
    let found = pool.take().await?.rows(asked).await?;
    found.iter().map(|row| Ok((text(row, "id")?.to_string(), text(row, "doc")?.to_string()))).collect()
}

/// One statement for each combination of filters: with "or it was not asked for" no index would be used.
macro_rules! listing {
    ($table:literal, $($also:literal),*) => {
        concat!(
            "select doc from ", $table,
            " where created_at >= $1 and created_at < $2 and (created_at, id) < ($3, $4)", $($also,)*
            " order by created_at desc, id desc limit $7"
        )
    };
}

/// Later than every time there is, as text.
const NEVER: &str = "~";

macro_rules! listings {
    ($table:literal, $filter:expr, $waiting:literal) => {
        match ($filter.status.is_some(), $filter.customer_id.is_some()) {
            (true, false) if $filter.status.as_deref() == Some("needs_attention") => {
                listing!($table, $waiting)
            }
            (false, false) => listing!($table,),
            (true, false) => listing!($table, " and status = $5"),
            (false, true) => listing!($table, " and customer_id = $6"),
            (true, true) => listing!($table, " and status = $5 and customer_id = $6"),
        }
    };
}

fn listing(table: Table, filter: &Filter) -> Result<&'static str, Error> {
    match table {
        Table::Orders => Ok(listings!("orders", filter, " and status = $5")),
        // The index of just these looks at this column.
        Table::Sagas => Ok(listings!("sagas", filter, " and waiting")),
        Table::Submissions
        | Table::Audit
        | Table::Products
        | Table::Discounts
        | Table::Stock
        | Table::Holds
        | Table::Payments
        | Table::Notices => {
            Err(Error::Refused(format!("{} cannot be listed by time; page it", table.name())))
        }
    }
}

pub(super) async fn list(pool: &Connections, table: Table, filter: &Filter) -> Result<Vec<String>, Error> {
    let sql = listing(table, filter)?;
    let before = filter.before.as_ref().map(|(at, id)| (at.to_string(), id.clone()));
    let (before_at, before_id) = before.unwrap_or((NEVER.into(), String::new()));
    let asked = sqlx::query(sql)
        .bind(filter.from.map_or(String::new(), |at| at.to_string()))
        .bind(filter.to.map_or(NEVER.into(), |at| at.to_string()))
        .bind(before_at)
        .bind(before_id)
        .bind(filter.status.clone())
        .bind(filter.customer_id.clone())
        .bind(rows(filter.limit));
    let found = pool.take().await?.rows(asked).await?;
    found.iter().map(|row| Ok(text(row, "doc")?.to_string())).collect()
}

/// What every journal row is read by; times in milliseconds.
macro_rules! journal_rows {
    ($rest:literal) => {
        concat!(
            "select seq, role, message_id, name, replace(hash::text, '-', '') as hash, order_id::text, cause,
                    (extract(epoch from at) * 1000)::bigint as at_ms, outcome, said from journal ",
            $rest
        )
    };
}

pub(super) async fn journal_of(pool: &Connections, order_id: OrderId) -> Result<Vec<JournalRow>, Error> {
    let asked = sqlx::query(journal_rows!("where order_id = $1::uuid order by seq"));
    let kept = pool.take().await?.rows(asked.bind(order_id.to_string())).await?;
    kept.iter().map(journal_row).collect()
}

/// While others write, a row may yet appear below one that was returned: see `flight.rs`. Whoever must not miss
/// one reads again from further back, or reads when nothing is written.
pub(super) async fn journal_page(
    pool: &Connections,
    after: i64,
    limit: usize,
) -> Result<Vec<(i64, JournalRow)>, Error> {
    let asked = sqlx::query(journal_rows!("where seq > $1 order by seq limit $2"));
    let kept = pool.take().await?.rows(asked.bind(after).bind(rows(limit))).await?;
    kept.iter().map(|row| Ok((row.try_get("seq").map_err(failed)?, journal_row(row)?))).collect()
}

pub(super) async fn deadlines(
    pool: &Connections,
    limit: usize,
) -> Result<Vec<(String, Time, String)>, Error> {
    let asked = sqlx::query(
        "select key, (extract(epoch from due) * 1000)::bigint as due_ms, message
         from deadlines order by due, key limit $1",
    );
    let kept = pool.take().await?.rows(asked.bind(rows(limit))).await?;
    let deadline = |row: &PgRow| {
        let message = json::read_message(text(row, "message")?)?;
        Ok((text(row, "key")?.to_string(), time(row, "due_ms")?, message.name().to_string()))
    };
    kept.iter().map(deadline).collect()
}

macro_rules! letters {
    ($rest:literal) => {
        concat!(
            "select id, queue, message_id, name, order_id::text, cause, code, why, attempts,
                    (extract(epoch from at) * 1000)::bigint as at_ms, body, status from dead_letters ",
            $rest
        )
    };
}

/// Newest first.
pub(super) async fn dead_letters(
    pool: &Connections,
    status: Option<DeadStatus>,
    limit: usize,
) -> Result<Vec<DeadLetter>, Error> {
    let asked = match status {
        None => sqlx::query(letters!("order by at desc, id desc limit $1")).bind(rows(limit)),
        Some(status) => sqlx::query(letters!("where status = $2 order by at desc, id desc limit $1"))
            .bind(rows(limit))
            .bind(status_name(status)),
    };
    pool.take().await?.rows(asked).await?.iter().map(letter).collect()
}

pub(super) async fn dead_letter(pool: &Connections, id: &str) -> Result<Option<DeadLetter>, Error> {
    let asked = sqlx::query(letters!("where id = $1")).bind(super::columns::plain(id));
    pool.take().await?.rows(asked).await?.first().map(letter).transpose()
}

pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn journal_row(row: &PgRow) -> Result<JournalRow, Error> {
    Ok(JournalRow {
        role: Role::named(text(row, "role")?)
            .ok_or_else(|| unreadable("a journal row", "nobody has its role"))?,
        id: json::id(text(row, "message_id")?)?,
        name: text(row, "name")?.to_string(),
        hash: json::hash(text(row, "hash")?)?,
        order_id: order_id(row)?,
        cause: maybe(row, "cause")?.map(json::id).transpose()?,
        at: time(row, "at_ms")?,
        outcome: text(row, "outcome")?.to_string(),
        said: json::read_said(text(row, "said")?)?,
    })
}

fn letter(row: &PgRow) -> Result<DeadLetter, Error> {
    let owned = |column| text(row, column).map(str::to_string);
    let attempts: i64 = row.try_get("attempts").map_err(failed)?;
    let body: &[u8] = row.try_get("body").map_err(failed)?;
    Ok(DeadLetter {
        id: owned("id")?,
        queue: owned("queue")?,
        message_id: maybe(row, "message_id")?.map(str::to_string),
        name: owned("name")?,
        order_id: order_id(row)?,
        cause: maybe(row, "cause")?.map(str::to_string),
        code: owned("code")?,
        why: owned("why")?,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        at: time(row, "at_ms")?,
        body: String::from_utf8_lossy(body).into_owned(),
        status: plain(text(row, "status")?).map_err(|why| unreadable("a dead letter's status", why))?,
    })
}

pub(super) fn text<'a>(row: &'a PgRow, column: &str) -> Result<&'a str, Error> {
    row.try_get(column).map_err(failed)
}

fn maybe<'a>(row: &'a PgRow, column: &str) -> Result<Option<&'a str>, Error> {
    row.try_get(column).map_err(failed)
}

fn time(row: &PgRow, column: &str) -> Result<Time, Error> {
    row.try_get(column).map(Time::from_unix_ms).map_err(failed)
}

fn order_id(row: &PgRow) -> Result<Option<OrderId>, Error> {
    maybe(row, "order_id")?.map(str::parse).transpose().map_err(|why| unreadable("an order's id", why))
}
