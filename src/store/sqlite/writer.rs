//! There is one writing connection, and whoever holds it is in a transaction.

use std::sync::Arc;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Error, failed, is_busy};

/// SQLite lets one connection write at a time. Waiting for it here is fair; waiting in SQLite is by luck.
#[derive(Clone)]
pub(super) struct Writer {
    /// Empty until it is first needed, and after a failure: the next one connects anew.
    place: Arc<Mutex<Option<SqliteConnection>>>,
    options: SqliteConnectOptions,
}

/// A transaction. Whoever drops it without `commit` undoes it.
pub(super) struct Open {
    guard: Option<OwnedMutexGuard<Option<SqliteConnection>>>,
}

impl Writer {
    pub(super) fn new(options: SqliteConnectOptions, connection: Option<SqliteConnection>) -> Self {
        Self { place: Arc::new(Mutex::new(connection)), options }
    }

    pub(super) async fn begin(&self) -> Result<Open, Error> {
        let mut guard = self.place.clone().lock_owned().await;
        if guard.is_none() {
            *guard = Some(self.options.connect().await.map_err(failed)?);
        }
        // From here on a caller who gives up waiting leaves through `Drop`.
        let mut open = Open { guard: Some(guard) };
        match sqlx::query("begin immediate").execute(open.connection()?).await {
            Ok(_) => Ok(open),
            Err(error) => {
                open.disconnect();
                Err(failed(error))
            }
        }
    }
}

impl Open {
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, Error> {
        let connection = self.guard.as_mut().and_then(|guard| guard.as_mut());
        connection.ok_or_else(|| Error::Unavailable("the connection was closed".into()))
    }

    pub(super) async fn commit(mut self) -> Result<(), Error> {
        let Err(error) = sqlx::query("commit").execute(self.connection()?).await else {
            self.guard = None;
            return Ok(());
        };
        let busy = is_busy(&error);
        self.disconnect();
        Err(match (failed(error), busy) {
            // The disk was full or failed while the commit was on its way there: after a power cut it may
            // turn out to have arrived.
            (Error::Unavailable(why), false) => Error::Unknown(why),
            (error, _) => error,
        })
    }

    pub(super) async fn roll_back(mut self) {
        match self.connection() {
            Ok(connection) => match sqlx::query("rollback").execute(connection).await {
                Ok(_) => self.guard = None,
                Err(_) => self.disconnect(),
            },
            Err(_) => self.guard = None,
        }
    }

    /// Closing a connection rolls back, whatever state it is in.
    fn disconnect(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            *guard = None;
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(mut guard) = self.guard.take() else { return };
        // The lock goes along and is let go after the rollback, so nobody can begin before.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                if let Some(connection) = guard.as_mut()
                    && sqlx::query("rollback").execute(connection).await.is_err()
                {
                    *guard = None;
                }
            })),
            Err(_) => *guard = None,
        }
    }
}
