//! Counts of redelivered and failed messages, added up in the table `redelivery_stats`.

use async_trait::async_trait;
use contract::{OrderId, Role};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::json::{self, unreadable};
use super::row::{order_id, rows, text};
use super::{Error, PostgresStore, failed};
use crate::columns::plain;
use crate::{REDELIVERY_STATS_MAX, RedeliveryCounts, RedeliveryStats};

#[async_trait]
impl RedeliveryCounts for PostgresStore {
    async fn add_redelivery_stats(&self, stats: &[RedeliveryStats]) -> Result<(), Error> {
        const SQL: &str = "
            insert into redelivery_stats (role, message_id, order_id, repeats, failures, why)
            select role, message_id, order_id::uuid, repeats, failures, why
            from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[])
                as sent (role, message_id, order_id, repeats, failures, why)
            on conflict (message_id, role) do update set
                repeats = redelivery_stats.repeats + excluded.repeats, failures = redelivery_stats.failures + excluded.failures,
                why = case excluded.why when '' then redelivery_stats.why else excluded.why end";
        let each = |value: fn(&RedeliveryStats) -> String| stats.iter().map(value).collect::<Vec<_>>();
        let count = |value: fn(&RedeliveryStats) -> u32| {
            stats.iter().map(|one| i64::from(value(one))).collect::<Vec<_>>()
        };
        let asked = sqlx::query(SQL)
            .bind(each(|one| one.role.name().to_string()))
            .bind(each(|one| plain(one.id.as_str())))
            .bind(each(|one| one.order_id.to_string()))
            .bind(count(|one| one.repeats))
            .bind(count(|one| one.failures))
            .bind(each(|one| plain(&one.why)));
        self.connections.take().await?.rows_and_commit(asked).await.map(drop)
    }

    async fn redelivery_stats_of(&self, of: OrderId) -> Result<Vec<RedeliveryStats>, Error> {
        let asked = sqlx::query(
            "select role, message_id, order_id::text, repeats, failures, why from redelivery_stats
             where order_id = $1::uuid order by message_id, role limit $2",
        );
        let asked = asked.bind(of.to_string()).bind(rows(REDELIVERY_STATS_MAX));
        self.connections.take().await?.rows(asked).await?.iter().map(redelivery_stats).collect()
    }
}

fn redelivery_stats(row: &PgRow) -> Result<RedeliveryStats, Error> {
    let count = |column: &str| {
        let count: i64 = row.try_get(column).map_err(failed)?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    };
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
