//! Every promise, checked against the database and the provider's own books.

use std::process::ExitCode;

use anyhow::{Result, bail};
use audit::{Report, audit};
use settings::Settings;
use view::visible;

use super::paint;
use crate::app;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The system is at rest: what is still in flight counts as lost
    #[arg(long)]
    at_rest: bool,
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, settings: &Settings) -> Result<ExitCode> {
    let store = app::look(settings).await?;
    if let Some(books) = settings.database_url.file().map(app::world_path)
        && !books.is_file()
    {
        bail!("the provider's books are not at {}; start the system once", books.display());
    }
    let world = app::open_world(settings).await?;
    let report = audit(&*store, &*world, args.at_rest).await?;
    match args.json {
        true => say!("{}", serde_json::to_string_pretty(&report)?),
        false => print(&report),
    }
    Ok(if report.clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(super) fn print(report: &Report) {
    let rows = report.checks.iter().map(|check| {
        let verdict = match (check.violated, check.examined) {
            (0, 0) => paint::dim(check.verdict()),
            (0, _) => paint::good(check.verdict()),
            (violated, _) => paint::bad(&format!("{violated} violations")),
        };
        vec![check.id.to_string(), verdict, check.examined.to_string(), check.claim.to_string()]
    });
    say!("{}", paint::table(&["id", "verdict", "examined", "claim"], rows.collect()));
    for check in &report.checks {
        for violation in &check.violations {
            say!("{}", paint::bad(&format!("{}: {}", check.id, visible(violation))));
        }
    }
    let Report { orders, journal_rows, needs_attention, open_dead_letters, told_outside, .. } = report;
    say!(
        "{orders} orders, {journal_rows} journal rows, {needs_attention} sagas wait for an operator, {open_dead_letters} open dead letters"
    );
    if *told_outside > 0 {
        say!("{told_outside} charges are in the provider's books because events from outside told of them");
    }
    if report.cut_off {
        say!(
            "{}",
            paint::bad("there are more dead letters or deadlines than were read; deal with those first")
        );
    }
}
