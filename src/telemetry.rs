//! Logs go to standard error: text for a person at a terminal, JSON for everything else. What is printed for
//! the user goes to standard output and is not a log.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Call once, first thing.
pub fn start(log: &str, format: LogFormat) -> Result<()> {
    let mut filter = EnvFilter::try_new(log).with_context(|| format!("log = {log:?} is no log filter"))?;
    // More of these would show the password with which we greet the broker. And its client cries out at every
    // channel that closes: whoever supervises it says what that means.
    for quiet in ["lapin=off", "amq_protocol=error", "amq_protocol_tcp=error", "tcp_stream=error"] {
        filter = filter.add_directive(quiet.parse()?);
    }
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
