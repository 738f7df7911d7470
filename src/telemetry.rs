//! Logs go to standard error: text for a person at a terminal, JSON for everything else. What is printed for
//! the user goes to standard output and is not a log.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Call once, first thing.
pub fn start(log: &str, format: LogFormat) -> Result<()> {
    let filter = EnvFilter::try_new(log).with_context(|| format!("log = {log:?} is no log filter"))?;
    // The AMQP client would log what was returned to it whole, with all that is in it. We say it without.
    let quiet = "lapin::returned_messages=off".parse().context("a directive of ours")?;
    let filter = filter.add_directive(quiet);
    let terminal = std::io::stderr().is_terminal();
    let json = match format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if json {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    } else {
        builder.with_ansi(terminal && std::env::var_os("NO_COLOR").is_none()).with_target(false).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot start: {error}"))
}
