//! Dead letters are rare, so they have statements of their own, which run after all other statements of a batch.

use std::collections::BTreeMap;

use async_trait::async_trait;
use contract::{OrderId, Speaker};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::connections::Statement;
use super::json::{self, unreadable};
use super::row::{maybe, order_id, rows, text, time};
use super::{Error, PostgresStore, failed};
use crate::columns::plain;
use crate::{DeadChange, DeadGroup, DeadLetter, DeadLetters, DeadStatus, LETTERS_OF_MAX, Letters, Origin};

/// Closing comes first: a letter that is closed and parked again in the same batch must end up open.
pub(super) fn statements(dead: Vec<DeadChange>) -> Vec<Statement> {
    let mut park = BTreeMap::new();
    let mut close = BTreeMap::new();
    let mut evict = Vec::new();
    for change in dead {
        match change {
            DeadChange::Park(letter) => drop(park.insert(plain(&letter.id), letter)),
            DeadChange::Close { id, status } => drop(close.insert(plain(&id), status_name(status))),
            DeadChange::Evict { id } => evict.push(plain(&id)),
        }
    }
    let mut statements = Vec::new();
    if !close.is_empty() {
        let (ids, statuses): (Vec<_>, Vec<_>) = close.into_iter().unzip();
        statements.push(sqlx::query(CLOSE_LETTERS).bind(ids).bind(statuses));
    }
    if !park.is_empty() {
        statements.push(bind_letters(&park.into_iter().collect::<Vec<_>>()));
    }
    if !evict.is_empty() {
        statements.push(sqlx::query(EVICT_LETTERS).bind(evict));
    }
    statements
}

const CLOSE_LETTERS: &str = "
    with kept_dead_letters as (
        update dead_letters set status = ($2::text[])[array_position($1::text[], id)]
        where id = any($1::text[]) and (status = 'open') is true
        returning 1)
    select must_meet((select count(*) from kept_dead_letters), cardinality($1::text[]), 'dead_letters')";

const EVICT_LETTERS: &str = "
    with gone as (
        delete from dead_letters where id = any($1::text[]) and status = 'open' and stranger returning 1),
    counted as (
        update meta set value = value + (select count(*) from gone) where key = 'letters_evicted')
    select must_meet((select count(*) from gone), cardinality($1::text[]), 'dead_letters')";

const PARK_LETTERS: &str = "
    insert into dead_letters
        (id, queue, message_id, name, speaker, order_id, cause, code, why, attempts, at, body, status, stranger)
    select id, queue, message_id, name, speaker, order_id::uuid, cause, code, why, attempts,
           timestamptz 'epoch' + at_ms * interval '1 millisecond', body, 'open', stranger
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                $9::bigint[], $10::bigint[], $11::bytea[], $12::text[], $13::boolean[])
        as sent (id, queue, message_id, name, order_id, cause, code, why, attempts, at_ms, body, speaker, stranger)
    on conflict (id) do update set
        name = excluded.name, speaker = excluded.speaker, cause = excluded.cause, code = excluded.code, why = excluded.why,
        attempts = excluded.attempts, at = excluded.at, body = excluded.body, status = 'open',
        stranger = excluded.stranger and dead_letters.stranger and dead_letters.status <> 'replayed'
    where dead_letters.status <> 'open' or dead_letters.stranger or not excluded.stranger";

fn bind_letters(letters: &[(String, DeadLetter)]) -> Statement {
    let texts = |text: fn(&DeadLetter) -> &str| {
        letters.iter().map(|(_, letter)| plain(text(letter))).collect::<Vec<_>>()
    };
    let maybe = |text: fn(&DeadLetter) -> Option<String>| {
        letters.iter().map(|(_, letter)| text(letter)).collect::<Vec<_>>()
    };
    sqlx::query(PARK_LETTERS)
        .bind(letters.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>())
        .bind(texts(|letter| &letter.queue))
        .bind(maybe(|letter| letter.message_id.as_deref().map(plain)))
        .bind(texts(|letter| &letter.name))
        .bind(maybe(|letter| letter.order_id.map(|id| id.to_string())))
        .bind(maybe(|letter| letter.cause.as_deref().map(plain)))
        .bind(texts(|letter| &letter.code))
        .bind(texts(|letter| &letter.why))
        .bind(letters.iter().map(|(_, letter)| i64::from(letter.attempts)).collect::<Vec<_>>())
        .bind(letters.iter().map(|(_, letter)| letter.at.unix_ms()).collect::<Vec<_>>())
        .bind(letters.iter().map(|(_, letter)| letter.body.as_bytes().to_vec()).collect::<Vec<_>>())
        .bind(letters.iter().map(|(_, letter)| letter.by.name()).collect::<Vec<_>>())
        .bind(letters.iter().map(|(_, letter)| letter.origin() == Origin::Stranger).collect::<Vec<_>>())
}

fn status_name(status: DeadStatus) -> &'static str {
    match status {
        DeadStatus::Open => "open",
        DeadStatus::Replayed => "replayed",
        DeadStatus::Discarded => "discarded",
    }
}

macro_rules! letters {
    ($rest:literal) => {
        concat!(
            "select id, queue, message_id, name, speaker, order_id::text, cause, code, why, attempts,
                    (extract(epoch from at) * 1000)::bigint as at_ms, body, status from dead_letters ",
            $rest
        )
    };
}

/// Newest first. The condition on the status is only there when it filters: an optional one would prevent its index.
macro_rules! page {
    ($status:literal) => {
        concat!(
            letters!("where (at, id) < (timestamptz 'epoch' + $1::bigint * interval '1 millisecond', $2)"),
            $status,
            " and ($4::text is null or code = $4) and ($5::text is null or queue = $5)
              and ($6::text is null or name = $6) and ($3::text is null or status = $3)
              and ($8::boolean is null or stranger = $8)
              order by at desc, id desc limit $7"
        )
    };
}

#[async_trait]
impl DeadLetters for PostgresStore {
    async fn letters(&self, wanted: &Letters) -> Result<Vec<DeadLetter>, Error> {
        let sql = match wanted.status {
            None => page!(""),
            Some(_) => page!(" and status = $3"),
        };
        let before = wanted.before.as_ref().map(|(at, id)| (at.unix_ms(), plain(id)));
        let (before_ms, before_id) = before.unwrap_or((i64::from(u32::MAX) * 1000, String::new()));
        let asked = sqlx::query(sql)
            .bind(before_ms)
            .bind(before_id)
            .bind(wanted.status.map(status_name))
            .bind(wanted.code.as_deref().map(plain))
            .bind(wanted.queue.as_deref().map(plain))
            .bind(wanted.name.as_deref().map(plain))
            .bind(rows(wanted.limit))
            .bind(wanted.origin.map(|origin| origin == Origin::Stranger));
        self.connections.take().await?.rows(asked).await?.iter().map(letter).collect()
    }

    async fn oldest_of_strangers(&self, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        let asked = sqlx::query(letters!("where status = 'open' and stranger order by at, id limit $1"));
        self.connections.take().await?.rows(asked.bind(rows(limit))).await?.iter().map(letter).collect()
    }

    async fn letters_of(&self, order_id: OrderId) -> Result<Vec<DeadLetter>, Error> {
        let asked = sqlx::query(letters!("where order_id = $1::uuid order by at, id limit $2"));
        let asked = asked.bind(order_id.to_string()).bind(rows(LETTERS_OF_MAX));
        self.connections.take().await?.rows(asked).await?.iter().map(letter).collect()
    }

    async fn dead_groups(&self, limit: usize) -> Result<Vec<DeadGroup>, Error> {
        let asked = sqlx::query(
            "select stranger, code, queue, name, count(*) as letters,
                floor(extract(epoch from min(at)) * 1000)::bigint as oldest_ms,
                floor(extract(epoch from max(at)) * 1000)::bigint as newest_ms
         from dead_letters where status = 'open'
         group by stranger, code, queue, name
         order by stranger, count(*) desc, code, queue, name limit $1",
        );
        let found = self.connections.take().await?.rows(asked.bind(rows(limit))).await?;
        let group = |row: &PgRow| {
            let stranger: bool = row.try_get("stranger").map_err(failed)?;
            Ok(DeadGroup {
                origin: if stranger { Origin::Stranger } else { Origin::Own },
                code: text(row, "code")?.to_string(),
                queue: text(row, "queue")?.to_string(),
                name: text(row, "name")?.to_string(),
                letters: row.try_get::<i64, _>("letters").map(i64::unsigned_abs).map_err(failed)?,
                oldest: time(row, "oldest_ms")?,
                newest: time(row, "newest_ms")?,
            })
        };
        found.iter().map(group).collect()
    }

    async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, Error> {
        let asked = sqlx::query(letters!("where id = $1")).bind(plain(id));
        self.connections.take().await?.rows(asked).await?.first().map(letter).transpose()
    }
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
        // An unknown name proves nothing.
        by: Speaker::named(text(row, "speaker")?).unwrap_or(Speaker::Outsider),
        order_id: order_id(row)?,
        cause: maybe(row, "cause")?.map(str::to_string),
        code: owned("code")?,
        why: owned("why")?,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        at: time(row, "at_ms")?,
        body: String::from_utf8_lossy(body).into_owned(),
        status: json::plain(text(row, "status")?).map_err(|why| unreadable("a dead letter's status", why))?,
    })
}
