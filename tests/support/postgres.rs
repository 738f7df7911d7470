//! A schema of its own for every test that needs Postgres, in one database that all of them share.
//!
//! Without a server these tests fail: a promise that no test has checked may not hold.

use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use uuid::Uuid;

/// Dropped when the test has passed. What a failed test leaves can be examined for a while.
pub(crate) struct Schema {
    url: String,
    name: String,
}

/// Older schemas were left behind by tests that failed.
const LEFT_BEHIND_AFTER_S: u64 = 3600;

impl Schema {
    pub(crate) async fn fresh() -> Self {
        let name = format!("checkout_test_{}", Uuid::now_v7().simple());
        let server = server();
        let mut connection = connect(&server).await;
        sweep(&mut connection).await;
        with_name(&mut connection, &name).await;
        let made = "do $$ begin execute format('create schema %I', current_setting('test.name')); end $$";
        sqlx::raw_sql(made).execute(&mut connection).await.unwrap();
        let url = with_parameter(&server, &format!("options[search_path]={name}"));
        // A test need not survive a power cut.
        Self { url: with_parameter(&url, "options[synchronous_commit]=off"), name }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The roles of `scripts/postgres-roles.sql`, on this schema and named after it.
    pub(crate) async fn make_roles(&self) {
        let mut owner = connect(&self.url).await;
        let prefix = sqlx::query("select set_config('checkout.role_prefix', $1, false)").bind(self.role(""));
        prefix.execute(&mut owner).await.unwrap();
        let script = include_str!("../../scripts/postgres-roles.sql");
        sqlx::raw_sql(script).execute(&mut owner).await.unwrap();
    }

    pub(crate) fn role(&self, worker: &str) -> String {
        format!("{}_{worker}", self.name)
    }

    /// A connection by this URL has that role from its first statement on.
    pub(crate) fn url_of(&self, worker: &str) -> String {
        with_parameter(&self.url, &format!("options[role]={}", self.role(worker)))
    }

    pub(crate) async fn gone(self) {
        let mut connection = connect(&server()).await;
        drop_schema(&mut connection, &self.name).await;
        // Only a test that ran a whole system has one.
        drop_schema(&mut connection, &format!("{}_world", self.name)).await;
    }
}

/// The server that the tests may use.
pub(crate) fn server() -> String {
    std::env::var("CHECKOUT_TEST_DATABASE_URL").unwrap_or_else(|_| {
        let user = std::env::var("USER").unwrap_or_else(|_| "root".into());
        format!("postgres://{user}@127.0.0.1:5432/test")
    })
}

pub(crate) async fn connect(url: &str) -> PgConnection {
    // A test that leaves a transaction open fails instead of hanging.
    let patience = [("lock_timeout", format!("{}s", super::PATIENCE.as_secs()))];
    let options = PgConnectOptions::from_str(url).unwrap().options(patience).disable_statement_logging();
    options.connect().await.unwrap_or_else(|why| {
        panic!(
            "no Postgres for the tests at {url}: {why}\n\
             Start one:  docker run --rm -p 5432:5432 -e POSTGRES_HOST_AUTH_METHOD=trust -e POSTGRES_USER=$USER -e POSTGRES_DB=test postgres:15\n\
             or name one in CHECKOUT_TEST_DATABASE_URL; its user must be allowed to create schemas and roles."
        )
    })
}

pub(crate) fn with_parameter(url: &str, parameter: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{parameter}")
}

async fn sweep(connection: &mut PgConnection) {
    let since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let oldest = format!("checkout_test_{:012x}", (since_1970 - LEFT_BEHIND_AFTER_S) * 1000);
    let left: Vec<String> = sqlx::query_scalar(
        "select nspname::text from pg_namespace where nspname ~ '^checkout_test_[0-9a-f]{32}(_world)?$' and nspname::text < $1",
    )
    .bind(oldest)
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    for name in left {
        drop_schema(connection, &name).await;
    }
}

async fn drop_schema(connection: &mut PgConnection, name: &str) {
    const GONE: &str = "do $$
        declare role text;
        begin
            for role in select rolname from pg_roles where starts_with(rolname, current_setting('test.name') || '_') loop
                execute format('drop owned by %1$I; drop role %1$I', role);
            end loop;
            execute format('drop schema if exists %I cascade', current_setting('test.name'));
        end $$";
    with_name(connection, name).await;
    sqlx::raw_sql(GONE).execute(connection).await.unwrap();
}

/// SQL is never built by concatenating text, not even here.
async fn with_name(connection: &mut PgConnection, name: &str) {
    sqlx::query("select set_config('test.name', $1, false)").bind(name).execute(connection).await.unwrap();
}
