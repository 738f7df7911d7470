//! Asks the process that listens with these settings whether it can work: for a container's health check.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use engine::probe::Readiness;
use hyper::StatusCode;
use settings::{Listen, Settings};

use super::client::http;

pub(super) async fn run(settings: &Settings) -> Result<ExitCode> {
    let ((Listen::At(mut address), _) | (Listen::Nowhere, Listen::At(mut address))) =
        (settings.ops_listen, settings.listen)
    else {
        bail!(
            "with these settings nothing listens, so that no process can be asked: start the process with --listen or \
             --ops-listen, and give this command the same"
        );
    };
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    let asked = http::get(address, "/health/ready").await;
    let (status, answer) = asked.with_context(|| {
        format!(
            "nothing answers at {address}. Does the process run? A worker or the timers listen only if they are started \
             with --listen or --ops-listen: start it with one, and give this command the same"
        )
    })?;
    if status == StatusCode::OK {
        say!("ready");
        return Ok(ExitCode::SUCCESS);
    }
    let readiness: Readiness = serde_json::from_slice(&answer)?;
    for (name, dependency) in [("database", readiness.database), ("broker", readiness.broker)] {
        if let Some(why) = dependency.why {
            say!("{name}: {why}");
        }
    }
    Ok(ExitCode::FAILURE)
}
