//! Reads for people and auditors: nothing in here writes or locks rows.

use std::collections::HashMap;

use contract::{OrderId, Table, Time};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::connections::Connections;
use super::json::{self, unreadable};
use super::{Error, around, failed, in_table};
use crate::{
    DeadlineRow, History, JournalRow, ORDER_DEADLINES_MAX, OrderDeadline, Progress, Read, Unreadable, until,
};

pub(super) async fn get(pool: &Connections, table: Table, id: &str) -> Result<Option<String>, Error> {
    let sql = in_table!(table, around, "select doc from ", " where id = $1");
    let found = pool.take().await?.rows(sqlx::query(sql).bind(crate::columns::plain(id))).await?;
    found.first().map(|row| row.try_get(0).map_err(failed)).transpose()
}

pub(super) async fn get_many(
    pool: &Connections,
    table: Table,
    ids: &[String],
) -> Result<HashMap<String, String>, Error> {
    let sql = in_table!(table, around, "select id, doc from ", " where id = any($1::text[])");
    let ids: Vec<_> = ids.iter().map(|id| crate::columns::plain(id)).collect();
    let found = pool.take().await?.rows(sqlx::query(sql).bind(ids)).await?;
    found.iter().map(|row| Ok((text(row, "id")?.to_string(), text(row, "doc")?.to_string()))).collect()
}

pub(super) async fn progress_of(
    pool: &Connections,
    order_ids: &[OrderId],
) -> Result<HashMap<OrderId, Progress>, Error> {
    let asked = sqlx::query(
        "select asked.id::text as order_id, handled, open_dead_letters
         from unnest($1::text[]::uuid[]) as asked (id)
              cross join lateral (select count(*) as handled from journal where order_id = asked.id) as rows
              cross join lateral (select count(*) as open_dead_letters from dead_letters
                                  where order_id = asked.id and status = 'open') as letters
         where handled > 0 or open_dead_letters > 0",
    );
    let ids: Vec<String> = order_ids.iter().map(ToString::to_string).collect();
    let found = pool.take().await?.rows(asked.bind(ids)).await?;
    let progress = |row: &PgRow| {
        let id = order_id(row)?.ok_or_else(|| unreadable("an order's progress", "it has no id"))?;
        let handled = row.try_get("handled").map_err(failed)?;
        Ok((id, Progress { handled, open_dead_letters: row.try_get("open_dead_letters").map_err(failed)? }))
    };
    found.iter().map(progress).collect()
}

pub(super) async fn orders_charged_as(pool: &Connections, names: &[String]) -> Result<Vec<OrderId>, Error> {
    // `unasked` is the provider's id of a capture that came although the payment was given up before it was asked for.
    // The search for the plain text first skips most documents without parsing them.
    let asked = sqlx::query(
        "select id from payments
         where exists (select from unnest($1::text[]) as name where strpos(doc, name) > 0)
           and (doc::json #>> '{charge,transaction_id}' = any($1) or doc::json ->> 'unasked' = any($1)) limit 2",
    );
    let names: Vec<_> = names.iter().map(|name| crate::columns::plain(name)).collect();
    let found = pool.take().await?.rows(asked.bind(names)).await?;
    let order_id =
        |row: &PgRow| text(row, "id")?.parse().map_err(|why| unreadable("a payment's order id", why));
    found.iter().map(order_id).collect()
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

/// A text that sorts after every time.
pub(super) const NEVER: &str = "~";

pub(super) async fn history(
    pool: &Connections,
    customer_id: &str,
    wanted: &History,
) -> Result<Vec<String>, Error> {
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
    let found = pool.take().await?.rows(asked).await?;
    found.iter().map(|row| Ok(text(row, "doc")?.to_string())).collect()
}

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

pub(super) async fn journal_of(
    pool: &Connections,
    order_id: OrderId,
) -> Result<Vec<Read<JournalRow>>, Error> {
    let asked = sqlx::query(journal_rows!("where order_id = $1::uuid order by seq"));
    let kept = pool.take().await?.rows(asked.bind(order_id.to_string())).await?;
    kept.iter().map(|row| journal_row(row).map(|(_, row)| row)).collect()
}

/// While other transactions write, a row with a lower number than a returned one may still appear: see `flight.rs`. A
/// caller that must not miss one reads again from further back, or while nothing is written.
pub(super) async fn journal_page(
    pool: &Connections,
    after: i64,
    limit: usize,
) -> Result<Vec<(i64, Read<JournalRow>)>, Error> {
    let asked = sqlx::query(journal_rows!("where seq > $1 order by seq limit $2"));
    let kept = pool.take().await?.rows(asked.bind(after).bind(rows(limit))).await?;
    kept.iter().map(journal_row).collect()
}

pub(super) async fn deadlines(pool: &Connections, limit: usize) -> Result<Vec<DeadlineRow>, Error> {
    let asked = sqlx::query(
        "select key, (extract(epoch from due) * 1000)::bigint as due_ms, message
         from deadlines order by due, key limit $1",
    );
    let kept = pool.take().await?.rows(asked.bind(rows(limit))).await?;
    let deadline = |row: &PgRow| {
        let key = text(row, "key")?.to_string();
        let message = json::read_message(text(row, "message")?);
        let says = message.map(|message| (message.by, message.name()));
        Ok(DeadlineRow {
            says: says.map_err(|why| Unreadable::deadline(&key, why)),
            due: time(row, "due_ms")?,
            key,
        })
    };
    kept.iter().map(deadline).collect()
}

/// A saga's key is its order's id, or that and "/return/n" ('0' comes after '/'). The key of a message that is held
/// back for an order begins with "held/" and the order's id.
pub(super) async fn deadlines_of(pool: &Connections, order_id: OrderId) -> Result<Vec<OrderDeadline>, Error> {
    let asked = sqlx::query(
        "select key, (extract(epoch from due) * 1000)::bigint as due_ms, message from deadlines
         where key = $1 or (key > $1 || '/' and key < $1 || '0')
            or (key > 'held/' || $1 || '/' and key < 'held/' || $1 || '0')
         order by due, key limit $2",
    );
    let kept =
        pool.take().await?.rows(asked.bind(order_id.to_string()).bind(rows(ORDER_DEADLINES_MAX))).await?;
    let deadline = |row: &PgRow| {
        let Ok(message) = json::read_message(text(row, "message")?) else { return Ok(None) };
        Ok(Some(OrderDeadline { key: text(row, "key")?.to_string(), due: time(row, "due_ms")?, message }))
    };
    kept.iter().map(deadline).filter_map(Result::transpose).collect()
}

pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
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

pub(super) fn text<'a>(row: &'a PgRow, column: &str) -> Result<&'a str, Error> {
    row.try_get(column).map_err(failed)
}

pub(super) fn maybe<'a>(row: &'a PgRow, column: &str) -> Result<Option<&'a str>, Error> {
    row.try_get(column).map_err(failed)
}

pub(super) fn time(row: &PgRow, column: &str) -> Result<Time, Error> {
    row.try_get(column).map(Time::from_unix_ms).map_err(failed)
}

pub(super) fn order_id(row: &PgRow) -> Result<Option<OrderId>, Error> {
    maybe(row, "order_id")?.map(str::parse).transpose().map_err(|why| unreadable("an order's id", why))
}
