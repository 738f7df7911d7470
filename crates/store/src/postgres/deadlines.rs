//! Deadlines: those that are due, for the timers, and all, for people.

use async_trait::async_trait;
use contract::{Message, OrderId};
use sqlx::postgres::PgRow;

use super::row::{rows, text, time};
use super::{Error, PostgresStore, json};
use crate::{DeadlineRow, Deadlines, ORDER_DEADLINES_MAX, OrderDeadline, Read, Unreadable};

/// A hundred years. A much larger value would overflow a timestamp.
const AGAIN_AFTER_S_MAX: i64 = 100 * 365 * 24 * 3600;

#[async_trait]
impl Deadlines for PostgresStore {
    async fn due_deadlines(
        &self,
        limit: usize,
        again_after_s: u64,
    ) -> Result<Vec<(String, Read<Message>)>, Error> {
        // Of several timers that poll at once, each skips the rows that another one has locked.
        const SQL: &str = "
        with clock as (
            select case when $1::bigint is null then clock_timestamp()
                        else timestamptz 'epoch' + $1::bigint * interval '1 millisecond' end as now),
        due as (
            select key, due, message from deadlines
            where due <= (select now from clock) order by due, key limit $2 for update skip locked),
        moved as (
            update deadlines set due = (select now from clock) + $3::bigint * interval '1 second'
            where key = any(array(select key from due)))
        select key, message from due order by due, key";
        let again_after_s = bounded(again_after_s);
        let asked = sqlx::query(SQL).bind(self.own_time_ms()).bind(rows(limit)).bind(again_after_s);
        let taken = self.connections.take().await?.rows(asked).await?;
        let due = |row: &PgRow| {
            let key = text(row, "key")?.to_string();
            let message = json::read_message(text(row, "message")?);
            let message = message.map_err(|why| Unreadable::deadline(&key, why));
            Ok((key, message))
        };
        taken.iter().map(due).collect()
    }

    async fn put_off(&self, keys: &[String], by_s: u64) -> Result<(), Error> {
        const SQL: &str = "
        update deadlines set due = $3::bigint * interval '1 second'
            + case when $1::bigint is null then clock_timestamp()
                   else timestamptz 'epoch' + $1::bigint * interval '1 millisecond' end
        where key = any($2::text[])";
        let moved = sqlx::query(SQL).bind(self.own_time_ms()).bind(keys.to_vec()).bind(bounded(by_s));
        self.connections.take().await?.rows(moved).await.map(drop)
    }

    async fn deadlines(&self, limit: usize) -> Result<Vec<DeadlineRow>, Error> {
        let asked = sqlx::query(
            "select key, (extract(epoch from due) * 1000)::bigint as due_ms, message
         from deadlines order by due, key limit $1",
        );
        let kept = self.connections.take().await?.rows(asked.bind(rows(limit))).await?;
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
    async fn deadlines_of(&self, order_id: OrderId) -> Result<Vec<OrderDeadline>, Error> {
        let asked = sqlx::query(
            "select key, (extract(epoch from due) * 1000)::bigint as due_ms, message from deadlines
         where key = $1 or (key > $1 || '/' and key < $1 || '0')
            or (key > 'held/' || $1 || '/' and key < 'held/' || $1 || '0')
         order by due, key limit $2",
        );
        let kept = self
            .connections
            .take()
            .await?
            .rows(asked.bind(order_id.to_string()).bind(rows(ORDER_DEADLINES_MAX)))
            .await?;
        let deadline = |row: &PgRow| {
            let Ok(message) = json::read_message(text(row, "message")?) else { return Ok(None) };
            Ok(Some(OrderDeadline { key: text(row, "key")?.to_string(), due: time(row, "due_ms")?, message }))
        };
        kept.iter().map(deadline).filter_map(Result::transpose).collect()
    }
}

fn bounded(again_after_s: u64) -> i64 {
    i64::try_from(again_after_s).unwrap_or(i64::MAX).min(AGAIN_AFTER_S_MAX)
}
