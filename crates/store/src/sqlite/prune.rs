//! Deletes journal rows of orders that ended long ago, a few orders at a time, oldest first, and old rows that belong
//! to no order.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use contract::Time;
use sqlx::SqliteConnection;

use super::flight::{in_flight, readers};
use super::json;
use super::{Error, SqliteStore, failed};
use crate::{Pruned, Pruning};

/// How many journal rows one step of pruning reads.
const WINDOW_ROWS: i64 = 10_000;

/// A call gives up after this many windows without anything to prune; the next call continues there.
const WINDOWS_MAX: usize = 50;

/// Rows that belong to no order are deleted in transactions of at most this size, so that other writers hardly wait.
const OTHERS_AT_ONCE: i64 = 1000;

/// At most this many such transactions in one call.
const OTHERS_STEPS_MAX: usize = 10;

/// A range of journal rows, reduced to what pruning needs.
struct Window {
    last: i64,
    /// Whether its oldest row is old enough.
    old: bool,
    /// The ended orders that have rows in it.
    orders: Vec<String>,
}

#[async_trait]
impl Pruning for SqliteStore {
    /// Walks the journal, not the orders: pruned rows are gone, while a pruned order would be found again each time.
    async fn prune(&self, before: Time, limit: usize) -> Result<Pruned, Error> {
        let mut pruned = Pruned { orders: 0, others: self.prune_letters(before).await? };
        let mut from = self.pruned_to.load(Ordering::Relaxed);
        for _ in 0..WINDOWS_MAX {
            let window = self.window(from, before).await?;
            for _ in 0..OTHERS_STEPS_MAX {
                let others = self.prune_others(from, window.last, before).await?;
                pruned.others += others;
                if others < OTHERS_AT_ONCE.unsigned_abs() {
                    break;
                }
            }
            for some in window.orders.chunks(limit.max(1)) {
                pruned.orders = self.prune_these(some, before).await?;
                if pruned.orders > 0 {
                    break;
                }
            }
            if pruned != Pruned::default() {
                break;
            }
            // Past the last row that is old enough: the next call begins at the oldest row again.
            from = if window.old { window.last } else { 0 };
            if from == 0 {
                break;
            }
        }
        self.pruned_to.store(from, Ordering::Relaxed);
        Ok(pruned)
    }
}

impl SqliteStore {
    async fn window(&self, from: i64, before: Time) -> Result<Window, Error> {
        let (last, oldest, orders): (i64, Option<String>, String) = sqlx::query_as(
            "with piece as (select seq, order_id, at from journal where seq > ?1 order by seq limit ?2)
             select coalesce(max(seq), 0), min(at), (
                 select json_group_array(o.id) from orders o
                 where o.id in (select order_id from piece)
                   and o.status in ('archived', 'cancelled', 'refunded', 'fulfilled') and o.doc ->> 'updated_at' < ?3)
             from piece",
        )
        .bind(from)
        .bind(WINDOW_ROWS)
        .bind(before.to_string())
        .fetch_one(&self.readers)
        .await
        .map_err(failed)?;
        let orders = serde_json::from_str(&orders).map_err(|why| json::unreadable("orders", why))?;
        Ok(Window { last, old: oldest.is_some_and(|at| at < before.to_string()), orders })
    }

    async fn prune_these(&self, orders: &[String], before: Time) -> Result<u64, Error> {
        // Checks the orders again, now that this transaction holds the write lock: a return may have begun meanwhile.
        // A saga's id is its order's, or that and "/return/n" ('0' comes after '/').
        const ENDED: &str = concat!(
            "select o.id from json_each(?2) c cross join orders o on o.id = c.value
             where o.status in ('archived', 'cancelled', 'refunded', 'fulfilled') and o.doc ->> 'updated_at' < ?3
               and not exists (
                 select 1 from sagas g
                 where (g.id = o.id or (g.id > o.id || '/' and g.id < o.id || '0'))
                   and g.status not in ('completed', 'undone'))
               and not exists (select 1 from dead_letters l where l.order_id = o.id and l.status = 'open')
               and not exists (select 1",
            in_flight!("j.order_id = o.id"),
            ")"
        );
        let mut open = self.writer.begin().await?;
        let ended: Vec<String> = sqlx::query_scalar(ENDED)
            .bind(readers())
            .bind(json::written(&orders))
            .bind(before.to_string())
            .fetch_all(open.connection()?)
            .await
            .map_err(failed)?;
        if ended.is_empty() {
            return Ok(0);
        }
        let connection = open.connection()?;
        open_journal(connection).await?;
        sqlx::query("delete from journal where order_id in (select value from json_each(?1))")
            .bind(json::written(&ended))
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
        sqlx::query("delete from redelivery_stats where order_id in (select value from json_each(?1))")
            .bind(json::written(&ended))
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
        close_journal(connection).await?;
        open.commit().await?;
        Ok(ended.len() as u64)
    }

    /// Only up to the mark: nothing is in flight there, so no row is needed any more to recognise a redelivery.
    async fn prune_others(&self, from: i64, to: i64, before: Time) -> Result<u64, Error> {
        const SQL: &str = "
            delete from journal where seq in (
                select j.seq from journal j
                where j.seq > ?1 and j.seq <= min(?2, (select value from meta where key = 'mark')) and j.at < ?3
                  and (j.order_id is null or (
                    not exists (select 1 from orders o where o.id = j.order_id)
                    and not exists (
                      select 1 from dead_letters l
                      where l.order_id = j.order_id and l.status = 'open' and not l.stranger)))
                order by j.seq limit ?4)
            returning role, message_id, order_id";
        let mut open = self.writer.begin().await?;
        let connection = open.connection()?;
        open_journal(connection).await?;
        let gone: Vec<(String, String, Option<String>)> = sqlx::query_as(SQL)
            .bind(from)
            .bind(to)
            .bind(before.to_string())
            .bind(OTHERS_AT_ONCE)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed)?;
        if gone.is_empty() {
            return Ok(0);
        }
        let orders: HashSet<_> = gone.iter().filter_map(|(_, _, order_id)| order_id.as_deref()).collect();
        let messages: Vec<_> = gone.iter().map(|(role, id, _)| (role, id)).collect();
        for (sql, rows) in [
            (
                "delete from redelivery_stats where (role, message_id) in (select value ->> 0, value ->> 1 from json_each(?1))",
                json::written(&messages),
            ),
            (
                "delete from submissions where id in (select value from json_each(?1))
                   and not exists (select 1 from journal j where j.order_id = submissions.id)",
                json::written(&orders),
            ),
        ] {
            sqlx::query(sql).bind(rows).execute(&mut *connection).await.map_err(failed)?;
        }
        close_journal(connection).await?;
        open.commit().await?;
        Ok(gone.len() as u64)
    }

    async fn prune_letters(&self, before: Time) -> Result<u64, Error> {
        const SQL: &str = "
            delete from dead_letters where id in (
                select id from dead_letters
                where status <> 'open' and (stranger or order_id is null) and at < ?1 order by at limit ?2)";
        let mut open = self.writer.begin().await?;
        let gone = sqlx::query(SQL).bind(before.to_string()).bind(OTHERS_AT_ONCE);
        let gone = gone.execute(open.connection()?).await.map_err(failed)?.rows_affected();
        open.commit().await?;
        Ok(gone)
    }
}

/// Allows deletes from the journal until [`close_journal`], in the same transaction; a trigger refuses all others.
async fn open_journal(connection: &mut SqliteConnection) -> Result<(), Error> {
    let opened = sqlx::query("insert into pruning (running) values (1)").execute(connection).await;
    opened.map(drop).map_err(failed)
}

async fn close_journal(connection: &mut SqliteConnection) -> Result<(), Error> {
    sqlx::query("delete from pruning").execute(connection).await.map(drop).map_err(failed)
}
