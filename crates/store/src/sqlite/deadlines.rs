//! Deadlines: those that are due, for the timers, and all, for people.

use async_trait::async_trait;
use contract::{Message, OrderId, Time};

use super::json::Rows;
use super::row::rows;
use super::{Error, SqliteStore, failed, json};
use crate::{DeadlineRow, Deadlines, ORDER_DEADLINES_MAX, OrderDeadline, Read, Unreadable};

#[async_trait]
impl Deadlines for SqliteStore {
    async fn due_deadlines(
        &self,
        limit: usize,
        again_after_s: u64,
    ) -> Result<Vec<(String, Read<Message>)>, Error> {
        let now = (self.clock)();
        // Most polls find nothing, so they read first and do not queue for the writing connection.
        let due: bool = sqlx::query_scalar("select exists (select 1 from deadlines where due <= ?1)")
            .bind(now.unix_ms())
            .fetch_one(&self.readers)
            .await
            .map_err(failed)?;
        if !due {
            return Ok(Vec::new());
        }
        let mut open = self.writer.begin().await?;
        let taken: Vec<(String, String)> =
            sqlx::query_as("select key, message from deadlines where due <= ?1 order by due, key limit ?2")
                .bind(now.unix_ms())
                .bind(rows(limit))
                .fetch_all(open.connection()?)
                .await
                .map_err(failed)?;
        let mut keys = Rows::new();
        taken.iter().for_each(|(key, _)| keys.push_text(key));
        sqlx::query("update deadlines set due = ?1 where key in (select value from json_each(?2))")
            .bind(now.plus_s(again_after_s).unix_ms())
            .bind(keys.finish())
            .execute(open.connection()?)
            .await
            .map_err(failed)?;
        open.commit().await?;
        let due = taken.into_iter().map(|(key, message)| {
            let message = json::read_message(&message).map_err(|why| Unreadable::deadline(&key, why));
            (key, message)
        });
        Ok(due.collect())
    }

    async fn put_off(&self, keys: &[String], by_s: u64) -> Result<(), Error> {
        let mut all = Rows::new();
        keys.iter().for_each(|key| all.push_text(key));
        let mut open = self.writer.begin().await?;
        sqlx::query("update deadlines set due = ?1 where key in (select value from json_each(?2))")
            .bind((self.clock)().plus_s(by_s).unix_ms())
            .bind(all.finish())
            .execute(open.connection()?)
            .await
            .map_err(failed)?;
        open.commit().await
    }

    async fn deadlines(&self, limit: usize) -> Result<Vec<DeadlineRow>, Error> {
        let kept: Vec<(String, i64, String)> =
            sqlx::query_as("select key, due, message from deadlines order by due, key limit ?1")
                .bind(rows(limit))
                .fetch_all(&self.readers)
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
    async fn deadlines_of(&self, order_id: OrderId) -> Result<Vec<OrderDeadline>, Error> {
        let kept: Vec<(String, i64, String)> = sqlx::query_as(
            "select key, due, message from deadlines
         where key = ?1 or (key > ?1 || '/' and key < ?1 || '0')
            or (key > 'held/' || ?1 || '/' and key < 'held/' || ?1 || '0')
         order by due, key limit ?2",
        )
        .bind(order_id.to_string())
        .bind(rows(ORDER_DEADLINES_MAX))
        .fetch_all(&self.readers)
        .await
        .map_err(failed)?;
        let deadline = |(key, due, message): (String, i64, String)| {
            let message = json::read_message(&message).ok()?;
            Some(OrderDeadline { key, due: Time::from_unix_ms(due), message })
        };
        Ok(kept.into_iter().filter_map(deadline).collect())
    }
}
