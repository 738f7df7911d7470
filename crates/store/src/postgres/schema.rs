//! The tables are what the numbered files in `migrations/postgres` make of an empty schema, and nothing else.
//!
//! Any number of processes may start at once: the one that migrates holds an advisory lock, and the others then find
//! nothing left to do. The program also runs on a database with newer migrations than it knows, unless one of them
//! demands (by `program_at_least` in `meta`) that a program must know it.

use std::sync::LazyLock;
use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{PgConnection, SqlSafeStr};

use super::url::connecting;
use super::{Error, PostgresStore, failed};

/// Number, name, up, down.
type Step = (i64, &'static str, &'static str, &'static str);

macro_rules! steps {
    ($($number:literal $name:literal $file:literal),* $(,)?) => {
        const STEPS: &[Step] = &[$((
            $number,
            $name,
            include_str!(concat!("../../../../migrations/postgres/", $file, ".up.sql")),
            include_str!(concat!("../../../../migrations/postgres/", $file, ".down.sql")),
        )),*];
    };
}

steps! {
    1 "schema" "0001_schema",
}

static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let both = |(number, name, up, down): &Step| {
        let step = |kind, sql: &'static str| {
            Migration::new(*number, (*name).into(), kind, sql.into_sql_str(), false)
        };
        [step(MigrationType::ReversibleUp, up), step(MigrationType::ReversibleDown, down)]
    };
    let mut migrator = Migrator::with_migrations(STEPS.iter().flat_map(both).collect());
    // `must_still_do` has checked the migrations that are newer than this program.
    migrator.set_ignore_missing(true);
    migrator
});

/// Where sqlx records the applied migrations.
const TABLE: &str = "_sqlx_migrations";

/// A migration gives up waiting for a table lock after this, because all later users of the table queue behind it.
const LOCK_TIMEOUT: &str = "60s";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl PostgresStore {
    /// The migrations of this program that were not applied to the database yet.
    pub async fn migrations_pending(url: &str) -> Result<Vec<String>, Error> {
        pending(&mut connect(url).await?).await
    }

    /// Brings the database up to date. Returns the migrations that were applied, by us or at the same time by another
    /// process.
    pub async fn migrate_up(url: &str) -> Result<Vec<String>, Error> {
        up(&mut connect(url).await?).await
    }

    /// What `migrate_down` would undo, newest first.
    pub async fn migrations_after(url: &str, to: i64) -> Result<Vec<String>, Error> {
        let applied = applied(&mut connect(url).await?).await?;
        Ok(STEPS.iter().rev().filter(|step| step.0 > to && applied.contains(&step.0)).map(name).collect())
    }

    /// Undoes every migration after number `to`, newest first, with all that their tables hold. Returns what
    /// was undone.
    pub async fn migrate_down(url: &str, to: i64) -> Result<Vec<String>, Error> {
        let mut connection = connect(url).await?;
        let applied = applied(&mut connection).await?;
        if applied.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(unknown) = unknown(&applied) {
            return Err(Error::Refused(format!(
                "the database has had migration {unknown:04}, which this program cannot undo; use the newer program"
            )));
        }
        undo(&mut connection, to).await.map_err(unmigrated)
    }
}

/// Migrates up if this login may; refuses a database that does not fit. Returns whether row security restricts this
/// login's access to the journal.
pub(super) async fn ready(url: &str) -> Result<bool, Error> {
    let mut connection = connect(url).await?;
    let missing = pending(&mut connection).await?;
    if missing.is_empty() {
        let bound = sqlx::query_scalar("select row_security_active('journal')");
        return bound.fetch_one(&mut connection).await.map_err(failed);
    }
    let may: Option<bool> = sqlx::query_scalar("select has_schema_privilege(current_schema(), 'create')")
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
    if may == Some(true) {
        up(&mut connection).await?;
        // Its owner, whom no policy binds.
        return Ok(false);
    }
    Err(Error::Refused(format!(
        "its tables are older than this program (missing: {}), and this user may not change them; \
         run `checkout migrate up` once as their owner",
        missing.join(", ")
    )))
}

async fn up(conn: &mut PgConnection) -> Result<Vec<String>, Error> {
    let pending = pending(conn).await?;
    if !pending.is_empty() {
        MIGRATOR.run_direct(None, conn, false).await.map_err(unmigrated)?;
    }
    Ok(pending)
}

/// Does the same as `Migrator::undo`, whose future cannot be spawned as a task.
async fn undo(conn: &mut PgConnection, to: i64) -> Result<Vec<String>, MigrateError> {
    conn.lock().await?;
    let applied: Vec<i64> =
        conn.list_applied_migrations(TABLE).await?.iter().map(|applied| applied.version).collect();
    let mut undone = Vec::new();
    let downs = MIGRATOR.iter().rev().filter(|step| step.migration_type.is_down_migration());
    for step in downs.filter(|step| step.version > to && applied.contains(&step.version)) {
        conn.revert(TABLE, step).await?;
        undone.push(format!("{:04} {}", step.version, step.description));
    }
    conn.unlock().await?;
    Ok(undone)
}

async fn pending(conn: &mut PgConnection) -> Result<Vec<String>, Error> {
    let applied = applied(conn).await?;
    if let Some(unknown) = unknown(&applied) {
        must_still_do(conn, unknown).await?;
    }
    Ok(STEPS.iter().filter(|step| !applied.contains(&step.0)).map(name).collect())
}

fn unknown(applied: &[i64]) -> Option<i64> {
    applied.iter().copied().find(|number| STEPS.iter().all(|step| step.0 != *number))
}

/// Accepts unknown migrations that only add something; the others set `program_at_least`.
async fn must_still_do(conn: &mut PgConnection, unknown: i64) -> Result<(), Error> {
    let at_least: Option<i64> = sqlx::query_scalar("select value from meta where key = 'program_at_least'")
        .fetch_optional(conn)
        .await
        .map_err(failed)?;
    let ours = STEPS.iter().map(|step| step.0).max().unwrap_or_default();
    match at_least {
        Some(number) if number <= ours => Ok(()),
        _ => Err(Error::Refused(format!(
            "its tables are newer than this program (it has had migration {unknown:04}, and no program that knows \
             only {ours:04} can work on it), or older than the first release; use the program that made them"
        ))),
    }
}

async fn applied(conn: &mut PgConnection) -> Result<Vec<i64>, Error> {
    let begun: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null")
        .fetch_one(&mut *conn)
        .await
        .map_err(failed)?;
    if !begun {
        return Ok(Vec::new());
    }
    let applied = sqlx::query_scalar("select version from _sqlx_migrations where success order by version");
    applied.fetch_all(conn).await.map_err(failed)
}

pub(super) async fn connect(url: &str) -> Result<PgConnection, Error> {
    let servers = connecting(url)?.map(|options| {
        options.application_name("checkout migrate").options([("lock_timeout", LOCK_TIMEOUT)])
    });
    Ok(servers.connect(CONNECT_TIMEOUT).await?.0)
}

fn name(step: &Step) -> String {
    format!("{:04} {}", step.0, step.1)
}

fn unmigrated(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failed(error),
        other => Error::Refused(format!("cannot migrate: {other}")),
    }
}
