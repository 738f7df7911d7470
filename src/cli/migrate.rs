//! The schema goes up by itself at every start; this is for looking ahead, and for going back.

use std::process::ExitCode;

use anyhow::Result;

use crate::app;
use crate::config::{DatabaseUrl, Settings};
use crate::store::sqlite::SqliteStore;

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
    /// With down: yes, throw away what the removed tables hold
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(args: Args, settings: &Settings) -> Result<ExitCode> {
    let DatabaseUrl::Sqlite(path) = &settings.database_url else {
        anyhow::bail!("not yet");
    };
    let done = match (args.direction.as_str(), args.dry_run) {
        ("up", true) => SqliteStore::migrations_pending(path).await?,
        ("up", false) => SqliteStore::migrate_up(path).await?,
        (_, true) => SqliteStore::migrations_after(path, args.to).await?,
        (_, false) if !args.yes => {
            let why =
                format!("down to {} drops tables and what they hold; say --yes if that is meant", args.to);
            return Err(super::WrongUsage(why).into());
        }
        (_, false) => {
            // Nobody works on tables that are about to go.
            let _lock = app::lock(path)?;
            SqliteStore::migrate_down(path, args.to).await?
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
