//! Prints what is wrong, and what to do about it.

use std::process::ExitCode;

use anyhow::Result;
use settings::Settings;
use view::visible;

use super::paint;
use crate::doctor::{self, Level};

#[derive(clap::Args)]
pub(super) struct Args {
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, settings: &Settings, warnings: &[String]) -> Result<ExitCode> {
    let findings = doctor::examine(settings, warnings).await;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        for finding in &findings.0 {
            let level = match finding.level {
                Level::Good => paint::good("good   "),
                Level::Note => paint::dim("note   "),
                Level::Warning => paint::paint("warning", owo_colors::AnsiColors::Yellow),
                Level::Error => paint::bad("error  "),
            };
            say!("{level}  {:12}  {}", finding.about, visible(&finding.what));
            if !finding.fix.is_empty() {
                say!("{:23}  → {}", "", finding.fix);
            }
        }
    }
    Ok(match findings.worst() {
        Level::Good | Level::Note | Level::Warning => ExitCode::SUCCESS,
        Level::Error => ExitCode::FAILURE,
    })
}
