//! A connection to the world's schema times out by itself: no caller waits for a lock or an answer without end.

use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgConnectOptions;
use store::Error;
use store::postgres::connections::{Connections, Held, Limits};
use store::postgres::{connecting, failed};

const OWN_SCHEMA: &str = "world";
const NAME_MAX: usize = 63;

const ON_OUR_SIDE: Limits = Limits {
    // A provider, two channels and a courier in one process; each is in one statement at a time.
    connections: 4,
    connect: Duration::from_secs(5),
    answer: Duration::from_secs(15),
};

const ON_THE_SERVERS: [(&str, &str); 7] = [
    ("statement_timeout", "10s"),
    ("lock_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "15s"),
    ("default_transaction_isolation", "read committed"),
    // The provider must not forget after a power failure, whatever the database's own default is.
    ("synchronous_commit", "on"),
    // Every statement finds its rows by key. A plan made while a table was empty would scan all of it later.
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
];

const SCHEMA: &str = include_str!("schema.sql");
/// An advisory lock: two processes at once would both find nothing and both create; one of them waits for this
/// instead.
const BUILDING: i64 = 0x0077_6f72_6c64;

/// Does not connect yet: each use waits for a database that is away.
pub(super) fn connections(url: &str) -> Result<Connections, Error> {
    let servers = connecting(url)?;
    let schema = schema(servers.first())?;
    let name = servers.first().get_application_name().unwrap_or("checkout world").to_string();
    let servers = servers.map(|server| {
        let server = server.application_name(&name).options(ON_THE_SERVERS);
        server.options([("search_path", schema.as_str())])
    });
    Ok(Connections::new(servers, ON_OUR_SIDE))
}

/// Any number of processes may do this at the same time. If everything exists, no right to create is needed.
pub(super) async fn build(mut held: Held) -> Result<(), Error> {
    if is_built(&mut held).await? {
        return Ok(());
    }
    held.begin().await?;
    held.rows(sqlx::query("select pg_advisory_xact_lock($1)").bind(BUILDING)).await?;
    if !is_built(&mut held).await? {
        held.run_all(SCHEMA).await?;
    }
    held.commit().await
}

async fn is_built(held: &mut Held) -> Result<bool, Error> {
    let rows = held.rows(sqlx::query("select to_regclass('told') is not null")).await?;
    rows.first().map_or(Ok(false), |row| row.try_get(0).map_err(failed))
}

/// `world`; or one beside the schema that the URL names, so that two systems in one database have two worlds.
fn schema(options: &PgConnectOptions) -> Result<String, Error> {
    let path = options.get_options().and_then(|options| options.rsplit_once("search_path="));
    let Some((_, path)) = path else { return Ok(OWN_SCHEMA.to_string()) };
    let first = path.split([' ', ',', '\\']).next().unwrap_or_default();
    let schema = format!("{first}_{OWN_SCHEMA}");
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if first.is_empty() || !first.chars().all(plain) || schema.len() > NAME_MAX {
        return Err(Error::Refused(format!(
            "the address asks for the schema {first:?}; give one of a-z, 0-9 and _, at most {} of them",
            NAME_MAX - OWN_SCHEMA.len() - 1
        )));
    }
    Ok(schema)
}
