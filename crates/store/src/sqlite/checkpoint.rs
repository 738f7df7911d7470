//! Copies the write-ahead log into the database in small portions, beside the writer. Without this, the commit that
//! fills the log copies all of it at once, and all other writers wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tuning::CHECKPOINT_ROWS;

#[derive(Clone)]
pub(super) struct Checkpoints {
    options: SqliteConnectOptions,
    /// Rows written since the last checkpoint.
    rows: Arc<AtomicUsize>,
    /// Empty until it is first needed, and after a failure.
    connection: Arc<Mutex<Option<SqliteConnection>>>,
}

impl Checkpoints {
    pub(super) fn new(options: SqliteConnectOptions) -> Self {
        Self { options, rows: Arc::default(), connection: Arc::default() }
    }

    /// To be called after a commit of this many rows.
    pub(super) fn written(&self, rows: usize) {
        if self.rows.fetch_add(rows, Ordering::Relaxed) + rows < CHECKPOINT_ROWS {
            return;
        }
        // If it is locked, a checkpoint is running, and the next commit tries again.
        if let Ok(connection) = self.connection.clone().try_lock_owned() {
            self.rows.store(0, Ordering::Relaxed);
            tokio::spawn(checkpoint(connection, self.options.clone()));
        }
    }

    pub(super) async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            connection.close().await.ok();
        }
    }
}

/// May fail: what is not copied stays in the log, and the log is a part of the database.
async fn checkpoint(mut slot: OwnedMutexGuard<Option<SqliteConnection>>, options: SqliteConnectOptions) {
    if let Err(why) = try_checkpoint(&mut slot, &options).await {
        tracing::debug!("the write-ahead log was not copied into the database: {why}");
        *slot = None;
    }
}

async fn try_checkpoint(
    slot: &mut Option<SqliteConnection>,
    options: &SqliteConnectOptions,
) -> Result<(), sqlx::Error> {
    let connection = match slot {
        Some(connection) => connection,
        None => slot.insert(options.connect().await?),
    };
    sqlx::query("pragma wal_checkpoint(passive)").execute(connection).await?;
    Ok(())
}
