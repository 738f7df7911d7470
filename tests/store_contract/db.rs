//! A store, and direct access to its database: every claim gets a database of its own.

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::support::postgres::Schema;

pub(super) struct Db {
    pub(super) store: Arc<dyn Database>,
    pub(super) raw: Raw,
}

pub(super) enum Raw {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Db {
    pub(super) async fn sql(&self, sql: &'static str) -> Result<Vec<i64>, sqlx::Error> {
        match &self.raw {
            Raw::Sqlite(path) => {
                let mut connection = SqliteConnectOptions::new().filename(path).connect().await?;
                sqlx::query_scalar(sql).fetch_all(&mut connection).await
            }
            Raw::Postgres(url) => {
                let mut connection = crate::support::postgres::connect(url).await;
                sqlx::query_scalar(sql).fetch_all(&mut connection).await
            }
        }
    }

    /// Moves the mark as far as it goes. A store may have to wait for older transactions, and on a shared server
    /// these may be those of other tests.
    pub(super) async fn mark_comes_to(&self, expected: i64) {
        let start = std::time::Instant::now();
        loop {
            self.store.advance_mark().await.unwrap();
            let mark = self.sql("select value from meta where key = 'mark'").await.unwrap();
            if mark == [expected] {
                return;
            }
            assert!(mark < vec![expected], "the mark went to {mark:?}, past {expected}");
            assert!(start.elapsed() < crate::support::PATIENCE, "the mark stays at {mark:?}");
            tokio::task::yield_now().await;
        }
    }
}

pub(super) struct SqliteDb {
    pub(super) store: Arc<dyn Database>,
    pub(super) path: PathBuf,
    pub(super) folder: TempDir,
}

impl SqliteDb {
    pub(super) async fn fresh() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        let store = open_sqlite(&path).await;
        Self { store, path, folder }
    }

    pub(super) async fn gone(self) {
        drop(self.store);
        self.folder.close().unwrap();
    }
}

impl From<&SqliteDb> for Db {
    fn from(db: &SqliteDb) -> Self {
        Self { store: db.store.clone(), raw: Raw::Sqlite(db.path.clone()) }
    }
}

pub(super) async fn open_sqlite(path: &Path) -> Arc<dyn Database> {
    // Its commits survive the end of this process; a test needs no more.
    let store = SqliteStore::open(path, Durability::ProcessCrash).await.unwrap();
    Arc::new(store.with_clock(Arc::new(|| at(NOW_S))))
}

pub(super) struct PostgresDb {
    pub(super) store: Arc<dyn Database>,
    pub(super) schema: Schema,
}

impl PostgresDb {
    pub(super) async fn fresh() -> Self {
        let schema = Schema::fresh().await;
        let store = open_postgres(schema.url()).await;
        Self { store, schema }
    }

    pub(super) async fn gone(self) {
        drop(self.store);
        self.schema.gone().await;
    }
}

impl From<&PostgresDb> for Db {
    fn from(db: &PostgresDb) -> Self {
        Self { store: db.store.clone(), raw: Raw::Postgres(db.schema.url().to_string()) }
    }
}

pub(super) async fn open_postgres(url: &str) -> Arc<dyn Database> {
    let store = PostgresStore::open(url, Options::named("store contract")).await.unwrap();
    Arc::new(store.with_clock(Arc::new(|| at(NOW_S))))
}
