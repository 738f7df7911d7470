//! Runs the whole shop in one process until it is stopped.

use std::process::ExitCode;

use anyhow::Result;
use engine::part::Part;
use gateway::{CUSTOMER, auth};
use settings::{Settings, Usage};
use tokio::sync::broadcast::error::RecvError;

use super::serve::Stop;
use super::{paint, shop, story};
use crate::app::{Purpose, System};

pub(super) async fn run(settings: &Settings) -> Result<ExitCode> {
    settings.must_fit(Usage::Whole).map_err(super::wrong_usage)?;
    settings.must_listen().map_err(super::wrong_usage)?;
    let settings = &auth::with_key(settings.clone());
    let mut stop = Stop::listen()?;
    let parts = Part::all();
    let mut system = tokio::select! {
        started = System::start_for(Purpose::Play, settings, &parts) => started?,
        () = stop.asked() => return Ok(ExitCode::SUCCESS),
    };
    shop::stock_up(&system).await?;
    system.announce()?;
    greet(&system, settings);
    let mut facts = system.broker.facts(&[]).await;
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
            () = stop.asked() => break,
        }
    }
    say!("finishing running batches");
    system.stop().await?;
    Ok(ExitCode::SUCCESS)
}

fn greet(system: &System, settings: &Settings) {
    if let Some(address) = system.address() {
        say!("checkout is open on http://{address}");
        say!("  look at it there; order something at /dashboard/shop, break it at /dashboard/chaos");
    }
    match settings.database_url.file() {
        Some(path) => say!("  everything is kept in {}", path.display()),
        None => say!("  everything is kept in {}", settings.database_url),
    }
    say!("  the mock provider takes {:.0} of 100 payments", settings.provider_success_rate.0 * 100.0);
    if let Some((customer, admin)) = auth::tokens(settings, CUSTOMER) {
        say!("  tokens for the HTTP API (/openapi.json), good for a week or until it stops:");
        say!("    {CUSTOMER:<12} {}", paint::dim(&customer));
        say!("    {:<12} {}", "admin", paint::dim(&admin));
    }
    say!("  try, in another terminal:");
    for example in
        ["checkout submit config/example-checkout.json --wait", "checkout order list", "checkout audit"]
    {
        say!("    {}", paint::good(example));
    }
    say!("  Ctrl-C stops it; what is under way goes on next time\n");
}
