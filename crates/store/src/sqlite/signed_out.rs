//! Signed-out tokens are rows of `meta`: the key names the token, the value is the time at which it expires by itself.

use async_trait::async_trait;

use super::{Error, SqliteStore, failed};
use crate::{SIGNED_OUT_MAX, SignedOut, too_many_signed_out};

#[async_trait]
impl SignedOut for SqliteStore {
    async fn sign_out(&self, token: &str, until_s: u64) -> Result<(), Error> {
        const EXPIRED: &str = "delete from meta where key like 'signed_out/%' and value < ?1";
        const OTHERS: &str =
            "select count(*) from meta where key like 'signed_out/%' and key <> 'signed_out/' || ?1";
        const KEEP: &str =
            "insert into meta (key, value) values ('signed_out/' || ?1, ?2) on conflict (key) do nothing";
        let mut open = self.writer.begin().await?;
        let now_s = (self.clock)().unix_ms() / 1000;
        sqlx::query(EXPIRED).bind(now_s).execute(open.connection()?).await.map_err(failed)?;
        let others = sqlx::query_scalar::<_, i64>(OTHERS).bind(token.to_string());
        let others = others.fetch_one(open.connection()?).await.map_err(failed)?;
        if usize::try_from(others).unwrap_or(usize::MAX) >= SIGNED_OUT_MAX {
            return Err(too_many_signed_out());
        }
        let until_s = i64::try_from(until_s).unwrap_or(i64::MAX);
        let keep = sqlx::query(KEEP).bind(token.to_string()).bind(until_s);
        keep.execute(open.connection()?).await.map_err(failed)?;
        open.commit().await
    }

    async fn is_signed_out(&self, token: &str) -> Result<bool, Error> {
        let asked = sqlx::query_scalar("select exists (select 1 from meta where key = 'signed_out/' || ?1)");
        asked.bind(token.to_string()).fetch_one(&self.readers).await.map_err(failed)
    }
}
