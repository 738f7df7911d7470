//! There is one writing connection, and its holder is in a transaction. Batches that wait for it share a commit.

use std::sync::{Arc, Mutex as Lock, PoisonError};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::runtime::Handle;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::block::Step;
use super::checkpoint::Checkpoints;
use super::{Error, batch, failed, is_busy};
use crate::pending::{DependsOn, Pending, PendingWrite, loadable};
use crate::{Changes, Committing};

/// SQLite lets one connection write at a time. This mutex serves waiters in order; SQLite's own busy wait does not.
#[derive(Clone)]
pub(super) struct Writer {
    /// Empty until it is first needed, and after a failure: the next holder connects again.
    slot: Arc<Mutex<Option<SqliteConnection>>>,
    /// The batches to be written when the connection is free: one for each caller that waits.
    waiting: Arc<Lock<Vec<Waiting>>>,
    pending: Pending,
    checkpoints: Checkpoints,
    options: SqliteConnectOptions,
}

struct Waiting {
    steps: Vec<Step>,
    rows: usize,
    /// It journals messages from outside, and their senders wait for an answer.
    is_ingress: bool,
    depends_on: DependsOn,
    pending_write: PendingWrite,
    answer: Answer,
}

type Answer = oneshot::Sender<Result<(), Error>>;

type Slot = OwnedMutexGuard<Option<SqliteConnection>>;

/// A transaction. Dropping it without `commit` rolls it back.
pub(super) struct Open {
    guard: Option<Slot>,
    /// The transaction has ended, so that a drop rolls nothing back.
    ended: bool,
    /// How many rows were written.
    rows: usize,
}

impl Waiting {
    async fn write(&self, connection: &mut SqliteConnection) -> Result<(), Error> {
        for step in &self.steps {
            step.run(connection).await?;
        }
        Ok(())
    }

    fn failed(self, why: Error) {
        // Before the answer: batches that depend on it must learn of the failure before its own caller does.
        drop(self.pending_write);
        self.answer.send(Err(why)).ok();
    }
}

impl Writer {
    pub(super) fn new(options: SqliteConnectOptions, connection: Option<SqliteConnection>) -> Self {
        Self {
            slot: Arc::new(Mutex::new(connection)),
            waiting: Arc::default(),
            pending: Pending::default(),
            checkpoints: Checkpoints::new(options.clone()),
            options,
        }
    }

    pub(super) async fn begin(&self) -> Result<Open, Error> {
        let mut open = Open { guard: Some(self.slot.clone().lock_owned().await), ended: false, rows: 0 };
        open.begin(&self.options).await?;
        Ok(open)
    }

    pub(super) fn pending(&self) -> &Pending {
        &self.pending
    }

    /// The first caller to get the connection writes the batches of all callers that wait, in the order of their calls:
    /// they share one commit, and with it one wait for the disk. A batch that fails fails only those that depend on it.
    /// Messages from outside are committed first and by themselves: they are few and depend on no other batch.
    pub(super) fn keep(self, changes: Changes, depends_on: DependsOn) -> Committing {
        let (answer, mut answered) = oneshot::channel();
        let is_ingress = changes.is_only_ingress();
        let rows = changes.rows();
        let loadable = loadable(&changes.records);
        let steps = match batch::steps(changes) {
            Ok(steps) => steps,
            Err(why) => return Box::pin(std::future::ready(Err(why))),
        };
        let mut waiting = self.waiting();
        let pending_write = self.pending.add(loadable);
        waiting.push(Waiting { steps, rows, is_ingress, depends_on, pending_write, answer });
        drop(waiting);
        Box::pin(async move {
            let gone = || Error::Unknown("the task that was writing it has gone".into());
            let slot = tokio::select! {
                biased;
                kept = &mut answered => return kept.unwrap_or_else(|_| Err(gone())),
                slot = self.slot.clone().lock_owned() => slot,
            };
            match answered.try_recv() {
                Ok(kept) => return kept,
                Err(TryRecvError::Closed) => return Err(gone()),
                Err(TryRecvError::Empty) => {}
            }
            let mut open = Open { guard: Some(slot), ended: false, rows: 0 };
            let mut done = Vec::new();
            self.keep_all(&mut open, self.take(true), &mut done).await;
            // An ingress caller returns now; one of the other waiting callers gets the connection next.
            if !is_ingress {
                self.keep_all(&mut open, self.take(false), &mut done).await;
            }
            drop(open);
            // Frees the memory only now, while the next caller may already write.
            drop(done);
            answered.try_recv().unwrap_or_else(|_| Err(Error::Unknown("it was never written".into())))
        })
    }

    /// Writes and commits these batches. Other batches may already have read their pending records, so every outcome is
    /// published before the connection is released. `done` collects the steps, to be freed after that.
    async fn keep_all(&self, open: &mut Open, together: Vec<Waiting>, done: &mut Vec<Vec<Step>>) {
        if together.is_empty() {
            return;
        }
        let mut together = together.into_iter();
        let mut written: Vec<Waiting> = Vec::with_capacity(together.len());
        let mut kept = open.begin(&self.options).await;
        if kept.is_ok()
            && let Some(all) = open.write_all(together.as_slice()).await
        {
            kept = all;
            written.extend(together.by_ref());
        }
        while kept.is_ok() {
            let Some(waiting) = together.next() else { break };
            if waiting.depends_on.iter().any(|batch| batch.failed()) {
                waiting.failed(Error::Conflict("a pending record that it had read was not kept so".into()));
                continue;
            }
            match open.write_apart(&waiting).await {
                Ok(Ok(())) => written.push(waiting),
                Ok(Err(refused)) => waiting.failed(refused),
                Err(lost) => {
                    written.push(waiting);
                    kept = Err(lost);
                }
            }
        }
        if kept.is_ok() {
            kept = open.commit().await;
            self.checkpoints.written(open.rows);
        }
        for Waiting { steps, pending_write, answer, .. } in written.into_iter().chain(together) {
            match kept {
                Ok(()) => pending_write.arrived(),
                Err(_) => drop(pending_write),
            }
            answer.send(kept.clone()).ok();
            done.push(steps);
        }
    }

    fn take(&self, is_ingress: bool) -> Vec<Waiting> {
        self.waiting().extract_if(.., |one| one.is_ingress == is_ingress).collect()
    }

    /// Waits for the current writer. A later one would connect again.
    pub(super) async fn close(&self) {
        self.checkpoints.close().await;
        if let Some(connection) = self.slot.lock().await.take()
            && let Err(why) = connection.close().await
        {
            tracing::warn!(
                "the database was not closed gracefully, and is recovered at the next start: {why}"
            );
        }
    }

    /// Nothing that could panic runs under this lock, so a poisoned one still guards a consistent list.
    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// A caller that is cancelled from here on rolls back by `Drop`.
    async fn begin(&mut self, options: &SqliteConnectOptions) -> Result<(), Error> {
        (self.ended, self.rows) = (false, 0);
        if let Some(slot) = self.guard.as_mut().filter(|slot| slot.is_none()) {
            **slot = Some(options.connect().await.map_err(failed)?);
        }
        let begun = sqlx::query("begin immediate").execute(self.connection()?).await;
        begun.map(drop).map_err(|error| {
            self.disconnect();
            failed(error)
        })
    }

    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, Error> {
        let connection = self.guard.as_mut().and_then(|guard| guard.as_mut());
        connection.ok_or_else(|| Error::Unavailable("the connection was closed".into()))
    }

    /// Writes all batches at once, which nearly always succeeds. `None`: one failed, nothing is written, and each has
    /// to be tried by itself.
    async fn write_all(&mut self, together: &[Waiting]) -> Option<Result<(), Error>> {
        if together.iter().any(|waiting| waiting.depends_on.iter().any(|batch| batch.failed())) {
            return None;
        }
        for waiting in together {
            let connection = match self.connection() {
                Ok(connection) => connection,
                Err(lost) => return Some(Err(lost)),
            };
            if waiting.write(connection).await.is_err() {
                return self.start_over().await.err().map(Err);
            }
            self.rows += waiting.rows;
        }
        Some(Ok(()))
    }

    async fn start_over(&mut self) -> Result<(), Error> {
        let lost = |error: sqlx::Error| Error::Unavailable(error.to_string());
        let connection = self.connection()?;
        sqlx::query("rollback").execute(&mut *connection).await.map_err(lost)?;
        sqlx::query("begin immediate").execute(connection).await.map_err(lost)?;
        Ok(())
    }

    /// Writes one batch under a savepoint: all of it, or nothing and the reason. The outer error means that the whole
    /// transaction is lost.
    async fn write_apart(&mut self, waiting: &Waiting) -> Result<Result<(), Error>, Error> {
        let lost = |error: sqlx::Error| Error::Unavailable(error.to_string());
        let connection = self.connection()?;
        sqlx::query("savepoint apart").execute(&mut *connection).await.map_err(lost)?;
        let written = waiting.write(connection).await;
        if written.is_err() {
            // Fails if SQLite has rolled back the whole transaction by itself, for instance on a full disk.
            sqlx::query("rollback to apart").execute(&mut *connection).await.map_err(lost)?;
        }
        sqlx::query("release apart").execute(connection).await.map_err(lost)?;
        self.rows += waiting.rows;
        Ok(written)
    }

    pub(super) async fn commit(&mut self) -> Result<(), Error> {
        let Err(error) = sqlx::query("commit").execute(self.connection()?).await else {
            self.ended = true;
            return Ok(());
        };
        let busy = is_busy(&error);
        self.disconnect();
        Err(match (failed(error), busy) {
            // The disk was full or failed during the commit: after a power cut, the commit may turn out to be on it.
            (Error::Unavailable(why), false) => Error::Unknown(why),
            (error, _) => error,
        })
    }

    /// Closing a connection rolls back, whatever state it is in.
    fn disconnect(&mut self) {
        if let Some(slot) = self.guard.as_mut() {
            **slot = None;
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(mut guard) = self.guard.take() else { return };
        if self.ended || guard.is_none() {
            return;
        }
        // The task takes the lock with it and releases it after the rollback, so that no one can begin before.
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
