//! Every test has a file or a schema of its own, and removes it afterwards.

use std::path::PathBuf;

use sqlx::postgres::PgConnection;
use sqlx::{Connection, raw_sql};
use uuid::Uuid;

use super::*;

/// Which storage a test's books are in.
#[derive(Clone, Copy)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

/// `sqlite::name` and `postgres::name` for each test.
macro_rules! on_every_shelf {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::mock::tests::place::On::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::mock::tests::place::On::Postgres).await;
            })*
        }
    };
}
pub(crate) use on_every_shelf;

pub(crate) enum Place {
    File(tempfile::TempDir),
    Schema(Schema),
}

impl Place {
    pub(crate) async fn new(on: On) -> Self {
        match on {
            On::Sqlite => Place::File(tempfile::tempdir().unwrap()),
            On::Postgres => Place::Schema(Schema::new().await),
        }
    }

    pub(crate) async fn open(&self, settings: &Settings, clock: Clock) -> Arc<MockWorld> {
        match self {
            Place::File(folder) => {
                let path: PathBuf = folder.path().join("world.db");
                MockWorld::open_at(&path, settings.clone(), clock).await.unwrap()
            }
            Place::Schema(schema) => {
                MockWorld::on_postgres_at(&schema.url(), settings.clone(), clock).unwrap()
            }
        }
    }
}

impl Place {
    /// A connection to the world's own tables, past all its rules.
    pub(crate) async fn connection(&self) -> PgConnection {
        let Place::Schema(schema) = self else { panic!("a file has a writer of its own") };
        let mut connection = PgConnection::connect(&server()).await.unwrap();
        let set = sqlx::query("select set_config('search_path', $1, false)").bind(schema.world());
        set.execute(&mut connection).await.unwrap();
        connection
    }
}

pub(crate) struct Schema {
    name: String,
}

impl Schema {
    async fn new() -> Self {
        if let Err(why) = PgConnection::connect(&server()).await {
            panic!(
                "no Postgres answers at {}: {why}; start one, or name another in CHECKOUT_TEST_DATABASE_URL",
                server()
            );
        }
        Self { name: format!("test_{}", Uuid::new_v4().simple()) }
    }

    fn world(&self) -> String {
        format!("{}_world", self.name)
    }

    fn url(&self) -> String {
        let server = server();
        let also = if server.contains('?') { '&' } else { '?' };
        format!("{server}{also}options[search_path]={}", self.name)
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let world = self.world();
        // The test's own runtime may be shutting down or panicking, so this uses another.
        let gone = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&server()).await?;
                let set = sqlx::query("select set_config('search_path', $1, false)");
                set.bind(world).execute(&mut connection).await?;
                let drop = "do $$ begin
                    execute format('drop schema if exists %I cascade', current_setting('search_path'));
                end $$";
                raw_sql(drop).execute(&mut connection).await
            })
        });
        if !matches!(gone.join(), Ok(Ok(_))) && !std::thread::panicking() {
            panic!("the schema {} could not be dropped", self.world());
        }
    }
}

fn server() -> String {
    std::env::var("CHECKOUT_TEST_DATABASE_URL").unwrap_or("postgres://root@127.0.0.1:5432/test".into())
}
