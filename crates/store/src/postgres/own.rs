//! A schema for one purpose, beside others in the same database, that is dropped afterwards.

use sqlx::PgConnection;

use super::schema::connect;
use super::{Error, PostgresStore, failed};

impl PostgresStore {
    pub async fn make_schema(url: &str, name: &str) -> Result<(), Error> {
        let mut connection = connect(url).await?;
        with_name(&mut connection, name).await?;
        const MADE: &str =
            "do $$ begin execute format('create schema %I', current_setting('checkout.schema')); end $$";
        sqlx::raw_sql(MADE).execute(&mut connection).await.map_err(failed).map(drop)
    }

    /// How many bytes of write-ahead log the server has written since it was created, for all its databases.
    pub async fn wal_bytes(url: &str) -> Result<u64, Error> {
        const SO_FAR: &str = "select (pg_current_wal_insert_lsn() - '0/0')::bigint";
        let mut connection = connect(url).await?;
        let bytes: i64 = sqlx::query_scalar(SO_FAR).fetch_one(&mut connection).await.map_err(failed)?;
        Ok(u64::try_from(bytes).unwrap_or(0))
    }

    /// Drops the schema and the mock world's schema beside it, with all their tables.
    pub async fn drop_schema(url: &str, name: &str) -> Result<(), Error> {
        let mut connection = connect(url).await?;
        with_name(&mut connection, name).await?;
        const GONE: &str = "do $$ begin
            execute format('drop schema if exists %I cascade', current_setting('checkout.schema'));
            execute format('drop schema if exists %I cascade', current_setting('checkout.schema') || '_world');
            end $$";
        sqlx::raw_sql(GONE).execute(&mut connection).await.map_err(failed).map(drop)
    }
}

/// No statement is built from text here: the server puts the name in and quotes it.
async fn with_name(connection: &mut PgConnection, name: &str) -> Result<(), Error> {
    let set = sqlx::query("select set_config('checkout.schema', $1, false)").bind(name.to_string());
    set.execute(connection).await.map_err(failed).map(drop)
}
