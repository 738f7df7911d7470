//! Paused roles.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::row::{text, time};
use super::{Error, SqliteStore, failed, json};
use crate::{Pause, Pauses};

#[async_trait]
impl Pauses for SqliteStore {
    async fn pauses(&self) -> Result<Vec<Pause>, Error> {
        let kept = sqlx::query("select role, paused_by, why, at from pauses order by role")
            .fetch_all(&self.readers)
            .await;
        let pause = |row: &SqliteRow| {
            Ok(Pause {
                role: json::role(text(row, "role")?)?,
                by: text(row, "paused_by")?.to_string(),
                why: text(row, "why")?.to_string(),
                at: time(row)?,
            })
        };
        kept.map_err(failed)?.iter().map(pause).collect()
    }
}
