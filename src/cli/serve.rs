//! Runs some parts of a system, or all of it, until a stop signal comes or a part breaks.

use std::process::ExitCode;

use anyhow::Result;
use contract::Role;
use engine::part::{Part, Parts, WORKERS, named};
use settings::{Settings, Usage};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::System;

/// Ctrl-C, and the signal that supervisors send.
pub(super) struct Stop(Signal);

pub(super) async fn run(parts: Parts, settings: &Settings) -> Result<ExitCode> {
    let usage = if parts == Part::all() { Usage::Whole } else { Usage::Part };
    settings.must_fit(usage).map_err(super::wrong_usage)?;
    if parts.contains(&Part::Gateway) {
        settings.must_listen().map_err(super::wrong_usage)?;
    }
    let mut stop = Stop::listen()?;
    let name = named(&parts);
    let mut system = tokio::select! {
        started = System::start(settings, &parts) => started?,
        // Nothing has started yet.
        () = stop.asked() => return Ok(ExitCode::SUCCESS),
    };
    system.announce()?;
    match system.address().or(system.ops_address()) {
        Some(address) => tracing::info!("{name} is at work; http://{address}/health/ready tells how it is"),
        None => tracing::info!("{name} is at work"),
    }
    if let Some(address) = system.ops_address() {
        tracing::info!("health, readiness and metrics are at http://{address}/metrics");
    }
    tokio::select! {
        why = system.broken() => {
            tracing::error!("{why}; start it again, nothing is lost");
            return Ok(ExitCode::FAILURE);
        }
        () = stop.asked() => {}
    }
    tracing::info!("{name} finishes running batches");
    system.stop().await?;
    Ok(ExitCode::SUCCESS)
}

/// Parses `payment` and the like: the roles that consume queues.
pub(super) fn worker(name: &str) -> Result<Role, String> {
    let found = WORKERS.iter().map(|(role, _)| *role).find(|role| role.name() == name);
    found.ok_or_else(|| {
        let names: Vec<_> = WORKERS.iter().map(|(role, _)| role.name()).collect();
        format!("there are {}", names.join(", "))
    })
}

impl Stop {
    pub(super) fn listen() -> Result<Self> {
        Ok(Self(signal(SignalKind::terminate())?))
    }

    pub(super) async fn asked(&mut self) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = self.0.recv() => {}
        }
    }
}
