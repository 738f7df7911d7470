//! The whole shop in one process, for as long as one likes to watch.

use std::process::ExitCode;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;

use super::{paint, shop, story};
use crate::app::System;
use crate::config::Settings;

pub(super) async fn run(settings: &Settings) -> Result<ExitCode> {
    let mut asked_to_stop = signal(SignalKind::terminate())?;
    let mut system = System::start(settings).await?;
    shop::stock_up(&system).await?;
    system.announce()?;
    greet(&system, settings);
    let mut facts = system.broker.facts().await;
    loop {
        tokio::select! {
            fact = facts.recv() => match fact {
                Ok(message) => {
                    if let Some(line) = story::line(&message) {
                        say!("{line}");
                    }
                }
                Err(RecvError::Lagged(missed)) => say!("{}", paint::dim(&format!("… {missed} facts not shown"))),
                Err(RecvError::Closed) => {}
            },
            why = system.broken() => {
                tracing::error!("{why}; start it again, nothing is lost");
                return Ok(ExitCode::FAILURE);
            }
            _ = tokio::signal::ctrl_c() => break,
            _ = asked_to_stop.recv() => break,
        }
    }
    say!("finishing what is in hand");
    system.stop().await?;
    Ok(ExitCode::SUCCESS)
}

fn greet(system: &System, settings: &Settings) {
    say!("checkout is open on http://{}", system.address());
    say!("  everything is kept in {}", settings.database_url.path.display());
    say!("  the mock provider takes {:.0} of 100 payments", settings.provider_success_rate.0 * 100.0);
    say!("  try, in another terminal:");
    for example in
        ["checkout submit config/example-checkout.json --wait", "checkout order list", "checkout audit"]
    {
        say!("    {}", paint::good(example));
    }
    say!("  Ctrl-C stops it; what is under way goes on next time\n");
}
