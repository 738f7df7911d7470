//! Signed-out tokens are rows of `meta`: the key names the token, the value is the time at which it expires by itself.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::{Error, PostgresStore, failed};
use crate::{SIGNED_OUT_MAX, SignedOut, too_many_signed_out};

#[async_trait]
impl SignedOut for PostgresStore {
    async fn sign_out(&self, token: &str, until_s: u64) -> Result<(), Error> {
        // All parts of the statement see the table as it was before, so the count leaves out the expired rows itself.
        const SQL: &str = "
            with expired as (delete from meta where starts_with(key, 'signed_out/') and value < $3),
            room as (
                select count(*) < $4 as free from meta
                where starts_with(key, 'signed_out/') and value >= $3 and key <> 'signed_out/' || $1),
            kept as (
                insert into meta (key, value) select 'signed_out/' || $1, $2 from room where free
                on conflict (key) do nothing)
            select free from room";
        let now_s = self.time().await?.unix_ms() / 1000;
        let asked = sqlx::query(SQL)
            .bind(token.to_string())
            .bind(i64::try_from(until_s).unwrap_or(i64::MAX))
            .bind(now_s)
            .bind(i64::try_from(SIGNED_OUT_MAX).unwrap_or(i64::MAX));
        let answer = self.connections.take().await?.rows_and_commit(asked).await?;
        if yes(&answer)? { Ok(()) } else { Err(too_many_signed_out()) }
    }

    async fn is_signed_out(&self, token: &str) -> Result<bool, Error> {
        let asked = sqlx::query("select exists (select 1 from meta where key = 'signed_out/' || $1)");
        yes(&self.connections.take().await?.rows(asked.bind(token.to_string())).await?)
    }
}

fn yes(answer: &[PgRow]) -> Result<bool, Error> {
    let row = answer.first().ok_or_else(|| Error::Unavailable("the database did not answer".into()))?;
    row.try_get(0).map_err(failed)
}
