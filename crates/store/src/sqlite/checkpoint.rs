//! What was committed stands in the log; beside those who write, it is copied into the database in small portions. Else
//! whoever commits when the log is full does all of it at once, and everybody waits for him.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// About an eighth of what the log holds when a writer has to see to it.
const ROWS: usize = 2_000;

#[derive(Clone)]
pub(super) struct Checkpoints {
    options: SqliteConnectOptions,
    /// Rows written since the last one.
    rows: Arc<AtomicUsize>,
    /// Empty until it is first needed, and after a failure.
    place: Arc<Mutex<Option<SqliteConnection>>>,
}

impl Checkpoints {
    pub(super) fn new(options: SqliteConnectOptions) -> Self {
        Self { options, rows: Arc::default(), place: Arc::default() }
    }

    /// After a commit of so many rows.
    pub(super) fn written(&self, rows: usize) {
        if self.rows.fetch_add(rows, Ordering::Relaxed) + rows < ROWS {
            return;
        }
        // Else one is under way, and the next commit asks again.
        if let Ok(place) = self.place.clone().try_lock_owned() {
            self.rows.store(0, Ordering::Relaxed);
            tokio::spawn(checkpoint(place, self.options.clone()));
        }
    }

    pub(super) async fn close(&self) {
        if let Some(connection) = self.place.lock().await.take() {
            connection.close().await.ok();
        }
    }
}

/// Nothing depends on its success: what is not copied stays in the log, and the log is part of the database.
async fn checkpoint(mut place: OwnedMutexGuard<Option<SqliteConnection>>, options: SqliteConnectOptions) {
    if let Err(why) = try_checkpoint(&mut place, &options).await {
        tracing::debug!("the log was not copied into the database: {why}");
        *place = None;
    }
}

async fn try_checkpoint(
    place: &mut Option<SqliteConnection>,
    options: &SqliteConnectOptions,
) -> Result<(), sqlx::Error> {
    let connection = match place {
        Some(connection) => connection,
        None => place.insert(options.connect().await?),
    };
    sqlx::query("pragma wal_checkpoint(passive)").execute(connection).await?;
    Ok(())
}
