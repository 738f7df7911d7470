//! The tables are what the numbered files in `migrations/sqlite` make of an empty database, and nothing else.

use std::path::Path;
use std::sync::LazyLock;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{ConnectOptions, SqlSafeStr, SqliteConnection};

use super::{Durability, Error, SqliteStore, failed, file};

/// Number, name, up, down.
type Step = (i64, &'static str, &'static str, &'static str);

macro_rules! steps {
    ($($number:literal $name:literal $file:literal),* $(,)?) => {
        const STEPS: &[Step] = &[$((
            $number,
            $name,
            include_str!(concat!("../../../../migrations/sqlite/", $file, ".up.sql")),
            include_str!(concat!("../../../../migrations/sqlite/", $file, ".down.sql")),
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
    Migrator::with_migrations(STEPS.iter().flat_map(both).collect())
});

impl SqliteStore {
    /// The migrations of this program that were not applied to the database at `path` yet.
    pub async fn migrations_pending(path: &Path) -> Result<Vec<String>, Error> {
        if !path.exists() {
            return Ok(STEPS.iter().map(name).collect());
        }
        pending(&mut connect(path).await?).await
    }

    /// Creates the database if it does not exist and brings it up to date. Returns the migrations that were applied.
    pub async fn migrate_up(path: &Path) -> Result<Vec<String>, Error> {
        file::create(path)?;
        up(&mut connect(path).await?).await
    }

    /// What `migrate_down` would undo, newest first.
    pub async fn migrations_after(path: &Path, to: i64) -> Result<Vec<String>, Error> {
        file::must_exist(path)?;
        let applied = applied(&mut connect(path).await?).await?;
        Ok(STEPS.iter().rev().filter(|step| step.0 > to && applied.contains(&step.0)).map(name).collect())
    }

    /// Undoes every migration after number `to`, newest first, with all that their tables hold. Returns what
    /// was undone.
    pub async fn migrate_down(path: &Path, to: i64) -> Result<Vec<String>, Error> {
        let undone = Self::migrations_after(path, to).await?;
        MIGRATOR.undo(&mut connect(path).await?, to).await.map_err(unmigrated)?;
        Ok(undone)
    }
}

pub(super) async fn up(conn: &mut SqliteConnection) -> Result<Vec<String>, Error> {
    let pending = pending(conn).await?;
    MIGRATOR.run(conn).await.map_err(unmigrated)?;
    Ok(pending)
}

/// Refuses a database whose tables are older or newer than this program.
pub(super) async fn must_fit(conn: &mut SqliteConnection) -> Result<(), Error> {
    match pending(conn).await?.as_slice() {
        [] => Ok(()),
        missing => Err(Error::Refused(format!(
            "its tables are older than this program (missing: {}); stop what runs on it and migrate it up first",
            missing.join(", ")
        ))),
    }
}

async fn pending(conn: &mut SqliteConnection) -> Result<Vec<String>, Error> {
    let applied = applied(conn).await?;
    if let Some(unknown) = applied.iter().find(|number| STEPS.iter().all(|step| step.0 != **number)) {
        return Err(newer(*unknown));
    }
    Ok(STEPS.iter().filter(|step| !applied.contains(&step.0)).map(name).collect())
}

async fn applied(conn: &mut SqliteConnection) -> Result<Vec<i64>, Error> {
    let begun: i64 = sqlx::query_scalar("select count(*) from sqlite_schema where name = '_sqlx_migrations'")
        .fetch_one(&mut *conn)
        .await
        .map_err(failed)?;
    if begun == 0 {
        return Ok(Vec::new());
    }
    let applied = sqlx::query_scalar("select version from _sqlx_migrations where success order by version");
    applied.fetch_all(conn).await.map_err(failed)
}

async fn connect(path: &Path) -> Result<SqliteConnection, Error> {
    super::writing(path, Durability::PowerLoss.synchronous()).connect().await.map_err(failed)
}

fn name(step: &Step) -> String {
    format!("{:04} {}", step.0, step.1)
}

fn newer(number: i64) -> Error {
    Error::Refused(format!(
        "its tables are newer than this program (it has had migration {number:04}), or older than the first release; use \
         the program that made them"
    ))
}

fn unmigrated(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failed(error),
        MigrateError::VersionMissing(number) => newer(number),
        other => Error::Refused(format!("cannot migrate: {other}")),
    }
}
