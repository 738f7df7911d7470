//! Paused roles.

use async_trait::async_trait;
use contract::Time;
use sqlx::Row;

use super::connections::Statement;
use super::row::text;
use super::{Error, PostgresStore, failed, json};
use crate::{Pause, PauseChange, Pauses};

/// One statement for each change; there are at most as many as roles.
pub(super) fn statements(changes: Vec<PauseChange>) -> impl Iterator<Item = Statement> {
    changes.into_iter().map(|change| match change {
        PauseChange::Pause(Pause { role, by, why, at }) => {
            const SQL: &str = "insert into pauses (role, paused_by, why, at)
                values ($1, $2, $3, timestamptz 'epoch' + $4::bigint * interval '1 millisecond')";
            sqlx::query(SQL).bind(role.name()).bind(by).bind(why).bind(at.unix_ms())
        }
        PauseChange::Resume(role) => {
            const SQL: &str = "with gone as (delete from pauses where role = $1 returning 1)
                select must_meet((select count(*) from gone), 1, 'pauses')";
            sqlx::query(SQL).bind(role.name())
        }
    })
}

#[async_trait]
impl Pauses for PostgresStore {
    async fn pauses(&self) -> Result<Vec<Pause>, Error> {
        const SQL: &str = "select role, paused_by, why, floor(extract(epoch from at) * 1000)::bigint as at_ms
        from pauses order by role";
        let kept = self.connections.take().await?.rows(sqlx::query(SQL)).await?;
        let pause = |row: &sqlx::postgres::PgRow| {
            let role = json::role(text(row, "role")?);
            Ok(Pause {
                role: role?,
                by: text(row, "paused_by")?.to_string(),
                why: text(row, "why")?.to_string(),
                at: Time::from_unix_ms(row.try_get("at_ms").map_err(failed)?),
            })
        };
        kept.iter().map(pause).collect()
    }
}
