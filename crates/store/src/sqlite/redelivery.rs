//! Counts of redelivered and failed messages, added up in the table `redelivery_stats`.

use async_trait::async_trait;
use contract::{OrderId, Role};
use sqlx::sqlite::SqliteRow;

use super::row::{order_id, rows, text};
use super::{Error, SqliteStore, failed, json};
use crate::json::unreadable;
use crate::{REDELIVERY_STATS_MAX, RedeliveryCounts, RedeliveryStats};

#[async_trait]
impl RedeliveryCounts for SqliteStore {
    async fn add_redelivery_stats(&self, stats: &[RedeliveryStats]) -> Result<(), Error> {
        let mut open = self.writer.begin().await?;
        for one in stats {
            sqlx::query(
                "insert into redelivery_stats (role, message_id, order_id, repeats, failures, why) values (?1, ?2, ?3, ?4, ?5, ?6)
                 on conflict (role, message_id) do update set
                     repeats = repeats + excluded.repeats, failures = failures + excluded.failures,
                     why = case excluded.why when '' then why else excluded.why end",
            )
            .bind(one.role.name())
            .bind(one.id.to_string())
            .bind(one.order_id.to_string())
            .bind(i64::from(one.repeats))
            .bind(i64::from(one.failures))
            .bind(one.why.clone())
            .execute(open.connection()?)
            .await
            .map_err(failed)?;
        }
        open.commit().await
    }

    async fn redelivery_stats_of(&self, of: OrderId) -> Result<Vec<RedeliveryStats>, Error> {
        let kept = sqlx::query(
            "select * from redelivery_stats where order_id = ?1 order by message_id, role limit ?2",
        )
        .bind(of.to_string())
        .bind(rows(REDELIVERY_STATS_MAX))
        .fetch_all(&self.readers)
        .await;
        kept.map_err(failed)?.iter().map(redelivery_stats).collect()
    }
}

fn redelivery_stats(row: &SqliteRow) -> Result<RedeliveryStats, Error> {
    use sqlx::Row;
    let count = |column: &str| row.try_get::<u32, _>(column).map_err(failed);
    Ok(RedeliveryStats {
        role: Role::named(text(row, "role")?)
            .ok_or_else(|| unreadable("a redelivery count", "its role is unknown"))?,
        id: json::id(text(row, "message_id")?)?,
        order_id: order_id(row)?.ok_or_else(|| unreadable("a redelivery count", "it has no order id"))?,
        repeats: count("repeats")?,
        failures: count("failures")?,
        why: text(row, "why")?.to_string(),
    })
}
