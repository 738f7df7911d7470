//! The journal knows what was emitted and not handled: after a broker was lost, its queues are refilled from it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use engine::refill;
use engine::refill::Missing;
use settings::{AmqpUrl, Settings};

use super::{paint, progress};
use crate::app;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Publish again what was emitted and never handled, after a broker or a queue was lost
    #[command(after_help = "Example: checkout journal refill --older-than-s 60 --dry-run")]
    Refill {
        /// Leave out what was emitted more recently than this: it is most likely in flight
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
    let Missing { emitted, .. } = &missing;
    if dry_run || emitted.is_empty() {
        say!("{} messages were emitted more than {older_than_s} s ago and are not handled", emitted.len());
        return Ok(left_out(&missing));
    }
    let broker = app::publisher(settings, &*store).await?;
    let bar = progress::bar(emitted.len() as u64, "messages");
    let published = refill::publish(&*broker, emitted, |count| bar.inc(count as u64)).await;
    bar.finish_and_clear();
    published?;
    say!("{} messages are in their queues again; what was there already is recognised", emitted.len());
    Ok(left_out(&missing))
}

/// A forged row fails the command: a login has written what its role may not say.
fn left_out(missing: &Missing) -> ExitCode {
    let Missing { not_theirs, unreadable, .. } = missing;
    for (count, what) in [
        (*not_theirs, "messages stand in journal rows whose role may not say them"),
        (*unreadable, "messages stand in journal rows that cannot be read"),
    ] {
        if count > 0 {
            say!("{}", paint::bad(&format!("{count} {what}; not published; run `checkout audit`")));
        }
    }
    if *not_theirs + *unreadable == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
