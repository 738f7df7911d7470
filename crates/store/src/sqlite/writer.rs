//! There is one writing connection, and whoever holds it is in a transaction.

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
use crate::{Changes, Keeping};

/// SQLite lets one connection write at a time. Waiting for it here is fair; waiting in SQLite is by luck.
#[derive(Clone)]
pub(super) struct Writer {
    /// Empty until it is first needed, and after a failure: the next one connects anew.
    place: Arc<Mutex<Option<SqliteConnection>>>,
    /// What is to be kept when the place is free. As many as there are seats, each with one batch.
    waiting: Arc<Lock<Vec<Waiting>>>,
    pending: Pending,
    checkpoints: Checkpoints,
    options: SqliteConnectOptions,
}

struct Waiting {
    steps: Vec<Step>,
    rows: usize,
    /// Somebody outside waits for it, at the door.
    first: bool,
    depends_on: DependsOn,
    way: PendingWrite,
    answer: Answer,
}

type Answer = oneshot::Sender<Result<(), Error>>;

type Place = OwnedMutexGuard<Option<SqliteConnection>>;

/// A transaction. Whoever drops it without `commit` undoes it.
pub(super) struct Open {
    guard: Option<Place>,
    /// Nothing is left to be undone.
    over: bool,
    /// How much was written.
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
        // First: whoever rests on it must know before its sender does.
        drop(self.way);
        self.answer.send(Err(why)).ok();
    }
}

impl Writer {
    pub(super) fn new(options: SqliteConnectOptions, connection: Option<SqliteConnection>) -> Self {
        Self {
            place: Arc::new(Mutex::new(connection)),
            waiting: Arc::default(),
            pending: Pending::default(),
            checkpoints: Checkpoints::new(options.clone()),
            options,
        }
    }

    pub(super) async fn begin(&self) -> Result<Open, Error> {
        let mut open = Open { guard: Some(self.place.clone().lock_owned().await), over: false, rows: 0 };
        open.begin(&self.options).await?;
        Ok(open)
    }

    pub(super) fn pending(&self) -> &Pending {
        &self.pending
    }

    /// Whoever comes to the place first keeps what all the others brought as well, in the order in which they
    /// brought it: they share one commit, and with it one wait for the disk. What fails, fails alone. What came in at
    /// the door goes before all else, in a commit of its own: it is little, and nothing there rests on anything.
    pub(super) fn keep(self, changes: Changes, depends_on: DependsOn) -> Keeping {
        let (answer, mut answered) = oneshot::channel();
        let first = changes.is_only_ingress();
        let rows = changes.rows();
        let on_their_way = loadable(&changes.records);
        let steps = match batch::steps(changes) {
            Ok(steps) => steps,
            Err(why) => return Box::pin(std::future::ready(Err(why))),
        };
        let mut waiting = self.waiting();
        let way = self.pending.add(on_their_way);
        waiting.push(Waiting { steps, rows, first, depends_on, way, answer });
        drop(waiting);
        Box::pin(async move {
            let gone = || Error::Unknown("whoever was to keep it has gone".into());
            let place = tokio::select! {
                biased;
                kept = &mut answered => return kept.unwrap_or_else(|_| Err(gone())),
                place = self.place.clone().lock_owned() => place,
            };
            match answered.try_recv() {
                Ok(kept) => return kept,
                Err(TryRecvError::Closed) => return Err(gone()),
                Err(TryRecvError::Empty) => {}
            }
            let mut open = Open { guard: Some(place), over: false, rows: 0 };
            let mut done = Vec::new();
            self.keep_all(&mut open, self.take(true), &mut done).await;
            // Who came in at the door goes; one of the others comes to the place next.
            if !first {
                self.keep_all(&mut open, self.take(false), &mut done).await;
            }
            drop(open);
            // Somebody may write already while we tidy up.
            drop(done);
            answered.try_recv().unwrap_or_else(|_| Err(Error::Unknown("nobody kept it".into())))
        })
    }

    /// Whoever loads meanwhile counts on all of this: before the place is let go, everybody knows what became of what
    /// he rests on. What nobody needs any more is `done` with.
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
                waiting.failed(Error::Conflict("what it had read was not kept".into()));
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
        for Waiting { steps, way, answer, .. } in written.into_iter().chain(together) {
            match kept {
                Ok(()) => way.arrived(),
                Err(_) => drop(way),
            }
            answer.send(kept.clone()).ok();
            done.push(steps);
        }
    }

    fn take(&self, first: bool) -> Vec<Waiting> {
        self.waiting().extract_if(.., |one| one.first == first).collect()
    }

    /// Waits for whoever writes. The next one would connect anew.
    pub(super) async fn close(&self) {
        self.checkpoints.close().await;
        if let Some(connection) = self.place.lock().await.take()
            && let Err(why) = connection.close().await
        {
            tracing::warn!(
                "the database was not closed in order, and is looked through at the next start: {why}"
            );
        }
    }

    /// Nothing that could panic runs under this lock, so what it guards is whole.
    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Whoever gives up waiting from here on leaves through `Drop`.
    async fn begin(&mut self, options: &SqliteConnectOptions) -> Result<(), Error> {
        (self.over, self.rows) = (false, 0);
        if let Some(place) = self.guard.as_mut().filter(|place| place.is_none()) {
            **place = Some(options.connect().await.map_err(failed)?);
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

    /// All of it at one go, as it nearly always can be. `None`: not so, nothing of it is written, and each has to be
    /// tried apart.
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

    /// All of it, or nothing and why. An error outside means that the whole transaction is lost.
    async fn write_apart(&mut self, waiting: &Waiting) -> Result<Result<(), Error>, Error> {
        let lost = |error: sqlx::Error| Error::Unavailable(error.to_string());
        let connection = self.connection()?;
        sqlx::query("savepoint apart").execute(&mut *connection).await.map_err(lost)?;
        let written = waiting.write(connection).await;
        if written.is_err() {
            // Fails where SQLite has rolled everything back by itself: on a full disk, for one.
            sqlx::query("rollback to apart").execute(&mut *connection).await.map_err(lost)?;
        }
        sqlx::query("release apart").execute(connection).await.map_err(lost)?;
        self.rows += waiting.rows;
        Ok(written)
    }

    pub(super) async fn commit(&mut self) -> Result<(), Error> {
        let Err(error) = sqlx::query("commit").execute(self.connection()?).await else {
            self.over = true;
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
        if let Some(place) = self.guard.as_mut() {
            **place = None;
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(mut guard) = self.guard.take() else { return };
        if self.over || guard.is_none() {
            return;
        }
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
