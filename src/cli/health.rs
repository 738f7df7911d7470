//! Asks the process that listens with these settings whether it can work: for a container's health check.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;

use anyhow::{Result, bail};
use hyper::StatusCode;

use super::client::http;
use crate::config::{Listen, Settings};
use crate::probe::Readiness;

pub(super) async fn run(settings: &Settings) -> Result<ExitCode> {
    let ((Listen::At(mut address), _) | (Listen::Nowhere, Listen::At(mut address))) =
        (settings.ops_listen, settings.listen)
    else {
        bail!("nothing listens with these settings; give --listen or --ops-listen as the process has it");
    };
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    let (status, answer) = http::get(address, "/health/ready").await?;
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
