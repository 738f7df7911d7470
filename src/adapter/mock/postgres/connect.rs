//! A connection to the world's schema gives up by itself: nobody waits for a lock or an answer without end.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, Row};

/// A provider, two channels and a courier in one process; each is in one statement at a time.
const CONNECTIONS: u32 = 4;
const ACQUIRE: Duration = Duration::from_secs(5);
/// One that lay still for longer is tried before it is used. Below that, asking would cost as much as the work.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
const OWN_SCHEMA: &str = "world";
const NAME_MAX: usize = 63;

const LIMITS: [(&str, &str); 6] = [
    ("statement_timeout", "10s"),
    ("lock_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "15s"),
    ("default_transaction_isolation", "read committed"),
    // The provider must not forget after a power cut, whatever the database's own default is.
    ("synchronous_commit", "on"),
    // Everything here is found by a key. A plan that was made while a table was empty would read all of it later.
    ("enable_seqscan", "off"),
];

const SCHEMA: &str = include_str!("schema.sql");
/// Two processes at once would both find nothing and both create; one of them waits for this instead.
const BUILDING: i64 = 0x0077_6f72_6c64;

/// Does not connect yet: a database that is away is waited for by whoever asks.
pub(super) fn pool(url: &str) -> Result<PgPool, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?;
    let schema = schema(&options)?;
    let name = options.get_application_name().unwrap_or("checkout world").to_string();
    let options = options.application_name(&name).options(LIMITS).options([("search_path", schema.as_str())]);
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE);
    let pool = pool.test_before_acquire(false).before_acquire(|connection, met| {
        Box::pin(async move {
            if met.idle_for > TRUSTED_FOR {
                connection.ping().await?;
            }
            Ok(true)
        })
    });
    Ok(pool.connect_lazy_with(options))
}

/// Any number of processes may do this at the same time. Who finds everything there needs no right to create.
pub(super) async fn build(pool: &PgPool) -> Result<(), sqlx::Error> {
    let there = "select to_regclass('sent') is not null";
    if sqlx::query(there).fetch_one(pool).await?.try_get(0)? {
        return Ok(());
    }
    let mut transaction = pool.begin().await?;
    sqlx::query("select pg_advisory_xact_lock($1)").bind(BUILDING).execute(&mut *transaction).await?;
    if !sqlx::query(there).fetch_one(&mut *transaction).await?.try_get::<bool, _>(0)? {
        sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// `world`; or beside the schema that the address names, so that two systems in one database have two worlds.
fn schema(options: &PgConnectOptions) -> Result<String, sqlx::Error> {
    let path = options.get_options().and_then(|options| options.rsplit_once("search_path="));
    let Some((_, path)) = path else { return Ok(OWN_SCHEMA.to_string()) };
    let first = path.split([' ', ',', '\\']).next().unwrap_or_default();
    let schema = format!("{first}_{OWN_SCHEMA}");
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if first.is_empty() || !first.chars().all(plain) || schema.len() > NAME_MAX {
        return Err(sqlx::Error::Configuration(
            format!(
                "the address asks for the schema {first:?}; give one of a-z, 0-9 and _, at most {} of them",
                NAME_MAX - OWN_SCHEMA.len() - 1
            )
            .into(),
        ));
    }
    Ok(schema)
}
