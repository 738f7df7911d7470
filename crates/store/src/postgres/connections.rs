//! A connection has one user at a time, and returns to the pool only if client and server agree on its state.
//!
//! sqlx's own pool pings every connection that is returned, one more round trip for every batch. Here a dead connection
//! is found by its next user, and is then closed together with all idle ones.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::METRICS;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::servers::Servers;
use super::{Error, failed, nodelay, not_committed};

/// A statement from the program text, with its values.
pub type Statement = Query<'static, Postgres, PgArguments>;

#[derive(Clone)]
pub struct Connections {
    pool: Arc<Pool>,
}

struct Pool {
    servers: Servers,
    idle: Mutex<Vec<PgConnection>>,
    free: Arc<Semaphore>,
    limits: Limits,
}

/// How many connections there are, and how long the client waits. The server's own time limits are a little tighter, because its errors name the reason.
#[derive(Clone, Copy)]
pub struct Limits {
    pub connections: u32,
    /// For a connection: a new one, or one that another user returns.
    pub connect: Duration,
    pub answer: Duration,
}

/// A connection in use. Dropping it in a transaction rolls the transaction back.
pub struct Held {
    /// Empty once it has failed.
    connection: Option<PgConnection>,
    /// A transaction is open.
    open: bool,
    /// A request was sent and has not been answered.
    unanswered: bool,
    answer: Duration,
    pool: Arc<Pool>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Connections {
    pub fn new(servers: Servers, limits: Limits) -> Self {
        let free = Arc::new(Semaphore::new(limits.connections.max(1) as usize));
        Self { pool: Arc::new(Pool { servers, idle: Mutex::default(), free, limits }) }
    }

    pub async fn take(&self) -> Result<Held, Error> {
        let pool = self.pool.clone();
        // Its holder may be connecting, to each of several servers in turn.
        let wait = pool.limits.connect * u32::try_from(pool.servers.count()).unwrap_or(u32::MAX);
        let Ok(permit) = timeout(wait, pool.free.clone().acquire_owned()).await else {
            let all = pool.limits.connections;
            return Err(Error::Unavailable(format!(
                "all {all} connections were in use for {} s; allow more, or find out what holds them",
                wait.as_secs()
            )));
        };
        let permit = permit.map_err(|_| Error::Unavailable("the store was closed".into()))?;
        let idle = pool.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => pool.connect().await?,
        };
        Ok(Held {
            connection: Some(connection),
            open: false,
            unanswered: false,
            answer: pool.limits.answer,
            pool,
            permit: Some(permit),
        })
    }
}

impl Pool {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<PgConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every failure is [`Error::Unavailable`], because no message can be its cause.
    async fn connect(&self) -> Result<PgConnection, Error> {
        match self.servers.connect(self.limits.connect).await {
            Ok((connection, options)) => {
                nodelay::to_the_server(options).await;
                Ok(connection)
            }
            Err(Error::Refused(why)) => Err(Error::Unavailable(why)),
            Err(why) => Err(why),
        }
    }
}

impl Held {
    pub async fn rows(&mut self, statement: Statement) -> Result<Vec<PgRow>, Error> {
        let at_most = self.answer;
        let asked = statement.fetch_all(self.begin_request()?);
        let answered = timeout(at_most, asked).await;
        self.judge(answered)
    }

    /// Runs several statements that have no values.
    pub async fn run_all(&mut self, statements: &'static str) -> Result<(), Error> {
        let at_most = self.answer;
        let asked = sqlx::raw_sql(statements).execute(self.begin_request()?);
        let answered = timeout(at_most, asked).await;
        self.judge(answered).map(drop)
    }

    /// Runs a statement whose rows do not matter. Returns how many rows it affected.
    pub async fn execute(&mut self, statement: Statement) -> Result<u64, Error> {
        let at_most = self.answer;
        let asked = statement.execute(self.begin_request()?);
        let answered = timeout(at_most, asked).await;
        Ok(self.judge(answered)?.rows_affected())
    }

    /// Sends `rows` in the format of `copy … from stdin`. A failure aborts the open transaction.
    pub(super) async fn copy(&mut self, statement: &'static str, rows: Vec<u8>) -> Result<(), Error> {
        let at_most = self.answer;
        let connection = self.begin_request()?;
        // A second round trip: the server answers the statement first, and then the data.
        METRICS.round_trip();
        let copied = async {
            let mut copy = connection.copy_in_raw(statement).await?;
            copy.send(rows).await?;
            copy.finish().await
        };
        let answered = timeout(at_most, copied).await;
        self.judge(answered).map(drop)
    }

    /// Runs a statement that is a transaction of its own. A failure is [`Error::Unknown`], as it may have been committed,
    /// unless the server says that it was not.
    pub async fn rows_and_commit(&mut self, statement: Statement) -> Result<Vec<PgRow>, Error> {
        let at_most = self.answer;
        let asked = statement.fetch_all(self.begin_request()?);
        let answered = timeout(at_most, asked).await;
        self.judge_commit(answered)
    }

    pub async fn begin(&mut self) -> Result<(), Error> {
        let at_most = self.answer;
        let asked = sqlx::raw_sql("begin").execute(self.begin_request()?);
        let answered = timeout(at_most, asked).await;
        self.judge(answered)?;
        self.open = true;
        Ok(())
    }

    /// Begins a transaction for a query that reads much and may take long. It is planned for its actual values, not generically.
    pub(super) async fn begin_long(&mut self, at_most: Duration) -> Result<(), Error> {
        self.begin().await?;
        self.answer = at_most + self.pool.limits.answer;
        let settings = sqlx::query(
            "select set_config('statement_timeout', $1, true), set_config('plan_cache_mode', 'force_custom_plan', true)",
        );
        self.rows(settings.bind(at_most.as_millis().to_string())).await.map(drop)
    }

    pub async fn commit(&mut self) -> Result<(), Error> {
        let at_most = self.answer;
        let asked = sqlx::raw_sql("commit").execute(self.begin_request()?);
        let answered = timeout(at_most, asked).await;
        self.open = false;
        self.judge_commit(answered).map(drop)
    }

    pub fn in_transaction(&self) -> bool {
        self.open
    }

    /// For one request: until `judge` has seen its answer, the connection is not used again. Counts a round trip.
    fn begin_request(&mut self) -> Result<&mut PgConnection, Error> {
        self.unanswered = true;
        METRICS.round_trip();
        self.connection.as_mut().ok_or_else(|| Error::Unavailable("the connection was closed".into()))
    }

    fn judge<T>(&mut self, answered: Answered<T>) -> Result<T, Error> {
        let error = match answered {
            Ok(Ok(answer)) => {
                self.unanswered = false;
                return Ok(answer);
            }
            Ok(Err(error)) => failed(error),
            Err(_) => Error::Unavailable(format!("no answer within {} s", self.answer.as_secs())),
        };
        match error {
            Error::Conflict(_) | Error::Refused(_) => self.unanswered = false,
            Error::Unavailable(_) | Error::Unknown(_) => self.disconnect(),
        }
        Err(error)
    }

    fn judge_commit<T>(&mut self, answered: Answered<T>) -> Result<T, Error> {
        let sure = matches!(&answered, Ok(Err(error)) if not_committed(error));
        match (self.judge(answered), sure) {
            (Ok(answer), _) => Ok(answer),
            (Err(error), true) => Err(error),
            (Err(Error::Conflict(why) | Error::Refused(why)), false)
            | (Err(Error::Unavailable(why) | Error::Unknown(why)), false) => {
                self.disconnect();
                Err(Error::Unknown(why))
            }
        }
    }

    fn disconnect(&mut self) {
        self.connection = None;
        self.pool.idle().clear();
    }
}

type Answered<T> = Result<Result<T, sqlx::Error>, tokio::time::error::Elapsed>;

impl Drop for Held {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if self.unanswered {
            // Dropped in the middle of a request: the server rolls back when the connection closes.
            return;
        }
        if !self.open {
            self.pool.idle().push(connection);
            return;
        }
        let (pool, permit) = (self.pool.clone(), self.permit.take());
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let undone = timeout(pool.limits.answer, sqlx::raw_sql("rollback").execute(&mut connection));
                if let Ok(Ok(_)) = undone.await {
                    pool.idle().push(connection);
                }
                drop(permit);
            });
        }
    }
}
