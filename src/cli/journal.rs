//! The journal knows what was said and not handled: after a broker was lost, its queues are filled again from it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};

use super::progress;
use crate::config::{AmqpUrl, Settings};
use crate::{app, refill};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Publish again what was said and never handled, after a broker or a queue was lost
    #[command(after_help = "Example: checkout journal refill --older-than-s 60 --dry-run")]
    Refill {
        /// What was said more recently than this is most likely on its way
        #[arg(long, default_value_t = 60, value_name = "SECONDS")]
        older_than_s: u64,
        /// Only count
        #[arg(long)]
        dry_run: bool,
    },
}

pub(super) async fn run(command: Command, settings: &Settings) -> Result<ExitCode> {
    let Command::Refill { older_than_s, dry_run } = command;
    if settings.amqp_url == AmqpUrl::Embedded {
        bail!(
            "the queues are in the process of the system, which refills them when it starts: start it again"
        );
    }
    let store = app::look(settings).await?;
    let missing = refill::missing(&*store, Duration::from_secs(older_than_s)).await?;
    if dry_run || missing.is_empty() {
        say!("{} messages were said more than {older_than_s} s ago and are not handled", missing.len());
        return Ok(ExitCode::SUCCESS);
    }
    let broker = app::publisher(settings, &*store).await?;
    let bar = progress::bar(missing.len() as u64, "messages");
    let published = refill::publish(&*broker, &missing, |count| bar.inc(count as u64)).await;
    bar.finish_and_clear();
    published?;
    say!("{} messages are in their queues again; what was there already is recognised", missing.len());
    Ok(ExitCode::SUCCESS)
}
