//! Reads dead letters for people: one, a page, those of an order, and their number for each cause.

use async_trait::async_trait;
use contract::{OrderId, Speaker, Time};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::json::{plain, unreadable};
use super::list::NEVER;
use super::row::{maybe, order_id, rows, text, time};
use super::{Error, SqliteStore, failed};
use crate::{DeadGroup, DeadLetter, DeadLetters, DeadStatus, LETTERS_OF_MAX, Letters, Origin};

/// The condition on the status is only there when it filters: an optional one would prevent the use of its index.
macro_rules! page {
    ($status:literal) => {
        concat!(
            "select * from dead_letters where (at, id) < (?1, ?2)",
            $status,
            " and (?4 is null or code = ?4) and (?5 is null or queue = ?5) and (?6 is null or name = ?6)
             and (?8 is null or stranger = ?8)
             order by at desc, id desc limit ?7"
        )
    };
}

fn status_name(status: DeadStatus) -> &'static str {
    match status {
        DeadStatus::Open => "open",
        DeadStatus::Replayed => "replayed",
        DeadStatus::Discarded => "discarded",
    }
}

#[async_trait]
impl DeadLetters for SqliteStore {
    async fn letters(&self, wanted: &Letters) -> Result<Vec<DeadLetter>, Error> {
        let sql = match wanted.status {
            None => page!(""),
            Some(_) => page!(" and status = ?3"),
        };
        let before = wanted.before.as_ref().map(|(at, id)| (at.to_string(), id.as_str()));
        let (before_at, before_id) = before.unwrap_or((NEVER.into(), ""));
        let found = sqlx::query(sql)
            .bind(before_at)
            .bind(before_id)
            .bind(wanted.status.map(status_name))
            .bind(wanted.code.as_deref())
            .bind(wanted.queue.as_deref())
            .bind(wanted.name.as_deref())
            .bind(rows(wanted.limit))
            .bind(wanted.origin.map(|origin| origin == Origin::Stranger))
            .fetch_all(&self.readers)
            .await;
        found.map_err(failed)?.iter().map(letter).collect()
    }

    async fn oldest_of_strangers(&self, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        let oldest = "select * from dead_letters where status = 'open' and stranger order by at, id limit ?1";
        let found = sqlx::query(oldest).bind(rows(limit)).fetch_all(&self.readers).await;
        found.map_err(failed)?.iter().map(letter).collect()
    }

    async fn letters_of(&self, order_id: OrderId) -> Result<Vec<DeadLetter>, Error> {
        let kept = sqlx::query("select * from dead_letters where order_id = ?1 order by at, id limit ?2")
            .bind(order_id.to_string())
            .bind(rows(LETTERS_OF_MAX))
            .fetch_all(&self.readers)
            .await;
        kept.map_err(failed)?.iter().map(letter).collect()
    }

    async fn dead_groups(&self, limit: usize) -> Result<Vec<DeadGroup>, Error> {
        let found: Vec<(bool, String, String, String, i64, String, String)> = sqlx::query_as(
        "select stranger, code, queue, name, count(*), min(at), max(at) from dead_letters where status = 'open'
         group by stranger, code, queue, name order by stranger, count(*) desc, code, queue, name limit ?1",
    )
    .bind(rows(limit))
    .fetch_all(&self.readers)
    .await
    .map_err(failed)?;
        let at = |text: &str| text.parse::<Time>().map_err(|why| unreadable("a time", why));
        let group =
            |(stranger, code, queue, name, letters, oldest, newest): (_, _, _, _, i64, String, String)| {
                let (oldest, newest) = (at(&oldest)?, at(&newest)?);
                let origin = if stranger { Origin::Stranger } else { Origin::Own };
                Ok(DeadGroup { origin, code, queue, name, letters: letters.unsigned_abs(), oldest, newest })
            };
        found.into_iter().map(group).collect()
    }

    async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, Error> {
        let kept = sqlx::query("select * from dead_letters where id = ?1")
            .bind(id)
            .fetch_optional(&self.readers)
            .await;
        kept.map_err(failed)?.as_ref().map(letter).transpose()
    }
}

fn letter(row: &SqliteRow) -> Result<DeadLetter, Error> {
    let owned = |column| text(row, column).map(str::to_string);
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
        attempts: row.try_get("attempts").map_err(failed)?,
        at: time(row)?,
        body: owned("body")?,
        status: plain(text(row, "status")?).map_err(|why| unreadable("a dead letter's status", why))?,
    })
}
