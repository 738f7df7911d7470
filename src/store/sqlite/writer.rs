//! There is one writing connection, and whoever holds it is in a transaction.

use std::mem;
use std::sync::{Arc, Mutex as Lock, PoisonError};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::runtime::Handle;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::{Error, batch, failed, is_busy};
use crate::store::Changes;

/// SQLite lets one connection write at a time. Waiting for it here is fair; waiting in SQLite is by luck.
#[derive(Clone)]
pub(super) struct Writer {
    /// Empty until it is first needed, and after a failure: the next one connects anew.
    place: Arc<Mutex<Option<SqliteConnection>>>,
    /// What is to be kept when the place is free. As many as there are roles, each with one batch.
    waiting: Arc<Lock<Vec<Waiting>>>,
    options: SqliteConnectOptions,
}

struct Waiting {
    changes: Changes,
    answer: oneshot::Sender<Result<(), Error>>,
}

type Place = OwnedMutexGuard<Option<SqliteConnection>>;

/// A transaction. Whoever drops it without `commit` undoes it.
pub(super) struct Open {
    guard: Option<Place>,
}

impl Writer {
    pub(super) fn new(options: SqliteConnectOptions, connection: Option<SqliteConnection>) -> Self {
        Self { place: Arc::new(Mutex::new(connection)), waiting: Arc::default(), options }
    }

    pub(super) async fn begin(&self) -> Result<Open, Error> {
        self.begin_at(self.place.clone().lock_owned().await).await
    }

    /// Whoever comes to the place first keeps what all the others brought as well: they share one commit, and
    /// with it one wait for the disk. What fails, fails alone.
    pub(super) async fn keep(&self, changes: Changes) -> Result<(), Error> {
        let (answer, mut answered) = oneshot::channel();
        self.waiting().push(Waiting { changes, answer });
        let place = self.place.clone().lock_owned().await;
        match answered.try_recv() {
            Ok(kept) => return kept,
            Err(TryRecvError::Closed) => {
                return Err(Error::Unknown("whoever was to keep it has gone".into()));
            }
            Err(TryRecvError::Empty) => {}
        }
        let together = mem::take(&mut *self.waiting());
        keep_all(self.begin_at(place).await, together).await;
        answered.try_recv().unwrap_or_else(|_| Err(Error::Unknown("nobody kept it".into())))
    }

    /// Waits for whoever writes. The next one would connect anew.
    pub(super) async fn close(&self) {
        if let Some(connection) = self.place.lock().await.take()
            && let Err(why) = connection.close().await
        {
            tracing::warn!(
                "the database was not closed in order, and is looked through at the next start: {why}"
            );
        }
    }

    async fn begin_at(&self, mut guard: Place) -> Result<Open, Error> {
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

    /// Nothing that could panic runs under this lock, so what it guards is whole.
    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn keep_all(begun: Result<Open, Error>, together: Vec<Waiting>) {
    let mut together = together.into_iter();
    let mut written = Vec::with_capacity(together.len());
    let kept = async {
        let mut open = begun?;
        for Waiting { changes, answer } in together.by_ref() {
            match open.write_apart(changes).await {
                Ok(Err(refused)) => drop(answer.send(Err(refused))),
                Ok(Ok(())) => written.push(answer),
                Err(lost) => {
                    written.push(answer);
                    return Err(lost);
                }
            }
        }
        open.commit().await
    };
    let kept = kept.await;
    for answer in written.into_iter().chain(together.map(|waiting| waiting.answer)) {
        // Whoever does not wait for the answer any more will ask the journal.
        answer.send(kept.clone()).ok();
    }
}

impl Open {
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, Error> {
        let connection = self.guard.as_mut().and_then(|guard| guard.as_mut());
        connection.ok_or_else(|| Error::Unavailable("the connection was closed".into()))
    }

    /// All of these changes, or none of them and why. An error outside means that the whole transaction is lost.
    async fn write_apart(&mut self, changes: Changes) -> Result<Result<(), Error>, Error> {
        let lost = |error: sqlx::Error| Error::Unavailable(error.to_string());
        let connection = self.connection()?;
        sqlx::query("savepoint apart").execute(&mut *connection).await.map_err(lost)?;
        let written = batch::write(connection, changes).await;
        if written.is_err() {
            // Fails where SQLite has rolled everything back by itself: on a full disk, for one.
            sqlx::query("rollback to apart").execute(&mut *connection).await.map_err(lost)?;
        }
        sqlx::query("release apart").execute(connection).await.map_err(lost)?;
        Ok(written)
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
