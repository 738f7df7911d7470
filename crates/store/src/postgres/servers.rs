//! The servers of one database: a primary, and standbys that may become it. Of several, a connection goes to the one that
//! takes writes.

use std::time::Duration;

use retry::hosts::Turn;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::time::timeout;

use super::Error;

/// Where a connection may be opened: the options differ in host and port alone.
pub struct Servers {
    each: Vec<PgConnectOptions>,
    turn: Turn,
    /// A server that takes no writes is passed over.
    must_write: bool,
}

impl Servers {
    pub(super) fn new(each: Vec<PgConnectOptions>, must_write: bool) -> Self {
        let turn = Turn::beginning_with(0, each.len());
        Self { each, turn, must_write }
    }

    /// The same change to the options of each server.
    #[must_use]
    pub fn map(self, change: impl FnMut(PgConnectOptions) -> PgConnectOptions) -> Self {
        Self { each: self.each.into_iter().map(change).collect(), ..self }
    }

    /// The options of the first server: what is the same for all of them can be read there.
    pub fn first(&self) -> &PgConnectOptions {
        &self.each[0]
    }

    /// How many there are: connecting may take so many times as long as one may take.
    pub(super) fn count(&self) -> usize {
        self.each.len()
    }

    /// A connection to the server that was found last; if it fails or takes no writes, to the next one that does. Each
    /// has `at_most` to answer. [`Error::Refused`] only if all refuse our login: a server that is away may accept it.
    pub(super) async fn connect(
        &self,
        at_most: Duration,
    ) -> Result<(PgConnection, &PgConnectOptions), Error> {
        let mut failures = Vec::new();
        let mut at = self.turn.now();
        for _ in &self.each {
            let options = &self.each[at];
            match self.connect_to(options, at_most).await {
                Ok(connection) => {
                    self.turn.answered(at);
                    return Ok((connection, options));
                }
                Err(why) => failures.push(why),
            }
            at = self.turn.after(at);
        }
        let refused = failures.iter().all(|why| matches!(why, Error::Refused(_)));
        let whys = failures.into_iter().map(|why| match why {
            Error::Unavailable(why) | Error::Refused(why) | Error::Conflict(why) | Error::Unknown(why) => why,
        });
        let why = whys.collect::<Vec<_>>().join("; ");
        Err(if refused { Error::Refused(why) } else { Error::Unavailable(why) })
    }

    async fn connect_to(&self, options: &PgConnectOptions, at_most: Duration) -> Result<PgConnection, Error> {
        let place = format!("{}:{}", options.get_host(), options.get_port());
        let several = self.each.len() > 1;
        let connected = async {
            let mut connection = options.connect().await?;
            let writes = !self.must_write || takes_writes(&mut connection).await?;
            Ok::<_, sqlx::Error>((connection, writes))
        };
        match timeout(at_most, connected).await {
            Ok(Ok((connection, true))) => Ok(connection),
            Ok(Ok((_, false))) => Err(Error::Unavailable(format!("{place} is a standby or takes no writes"))),
            Ok(Err(error)) if several => Err(about(&place, unconnected(error))),
            Ok(Err(error)) => Err(unconnected(error)),
            Err(_) => {
                Err(Error::Unavailable(format!("no answer from {place} within {} s", at_most.as_secs())))
            }
        }
    }
}

async fn takes_writes(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    const SQL: &str =
        "select not pg_is_in_recovery() and not current_setting('default_transaction_read_only')::boolean";
    sqlx::query_scalar(SQL).fetch_one(connection).await
}

/// A wrong password or name is refused for good; other failures may pass.
fn unconnected(error: sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(|database| database.code()).unwrap_or_default();
    match code.as_ref() {
        "28P01" | "28000" | "3D000" => Error::Refused(format!("{error} ({code})")),
        _ => Error::Unavailable(error.to_string()),
    }
}

fn about(place: &str, error: Error) -> Error {
    match error {
        Error::Refused(why) => Error::Refused(format!("{place}: {why}")),
        Error::Unavailable(why) => Error::Unavailable(format!("{place}: {why}")),
        other => other,
    }
}
