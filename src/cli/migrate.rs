//! Every start migrates the schema up; this command is for seeing that first, for doing it as another user, and for
//! going back.

use std::process::ExitCode;

use anyhow::Result;
use settings::{DatabaseUrl, Settings};
use store::Error;
use store::postgres::PostgresStore;
use store::sqlite::SqliteStore;

use crate::app;

#[derive(clap::Args)]
pub(super) struct Args {
    #[arg(default_value = "up", value_parser = ["up", "down"])]
    direction: String,
    /// With down: the last migration that stays (0: none)
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    to: i64,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// With down: yes, delete what the removed tables hold
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(args: Args, settings: &Settings) -> Result<ExitCode> {
    let database = &settings.database_url;
    let done = match (args.direction.as_str(), args.dry_run) {
        ("up", true) => pending(database).await?,
        ("up", false) => up(settings).await?,
        (_, true) => after(database, args.to).await?,
        (_, false) if !args.yes => {
            let why =
                format!("down to {} drops tables and what they hold; say --yes if that is meant", args.to);
            return Err(super::WrongUsage(why).into());
        }
        (_, false) => {
            // No process may use tables that are about to be dropped. A server does not tell who uses it.
            let _lock = database.file().map(app::lock).transpose()?;
            down(database, args.to).await?
        }
    };
    for name in &done {
        match (args.dry_run, args.direction.as_str()) {
            (true, "up") => say!("would apply {name}"),
            (true, _) => say!("would undo {name}"),
            (false, direction) => say!("{direction} {name}"),
        }
    }
    if done.is_empty() {
        say!("nothing to do");
    }
    Ok(ExitCode::SUCCESS)
}

async fn pending(database: &DatabaseUrl) -> Result<Vec<String>, Error> {
    match database {
        DatabaseUrl::Sqlite(path) => SqliteStore::migrations_pending(path).await,
        DatabaseUrl::Postgres(url) => PostgresStore::migrations_pending(url.reveal()).await,
    }
}

async fn up(settings: &Settings) -> Result<Vec<String>> {
    match &settings.database_url {
        DatabaseUrl::Sqlite(path) => Ok(SqliteStore::migrate_up(path).await?),
        DatabaseUrl::Postgres(url) => {
            let done = PostgresStore::migrate_up(url.reveal()).await?;
            // The mock world creates its schema when it is first used. Logins of single roles may not create it, so
            // the owner uses it here.
            app::open_world(settings).await?.refused_page("", 1).await?;
            Ok(done)
        }
    }
}

async fn after(database: &DatabaseUrl, to: i64) -> Result<Vec<String>, Error> {
    match database {
        DatabaseUrl::Sqlite(path) => SqliteStore::migrations_after(path, to).await,
        DatabaseUrl::Postgres(url) => PostgresStore::migrations_after(url.reveal(), to).await,
    }
}

async fn down(database: &DatabaseUrl, to: i64) -> Result<Vec<String>, Error> {
    match database {
        DatabaseUrl::Sqlite(path) => SqliteStore::migrate_down(path, to).await,
        DatabaseUrl::Postgres(url) => PostgresStore::migrate_down(url.reveal(), to).await,
    }
}
