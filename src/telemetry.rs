//! Logs go to standard error: text for a person at a terminal, JSON for everything else. What a command prints for
//! the user goes to standard output and is not a log.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};

use anyhow::{Context, Result};
use settings::LogFormat;
use tracing_subscriber::EnvFilter;
use view::{visible_but_colours, visible_lines};

/// Call once, first thing.
pub fn start(log: &str, format: LogFormat) -> Result<()> {
    let mut filter = EnvFilter::try_new(log).with_context(|| format!("log = {log:?} is no log filter"))?;
    // At a higher level these would log the password that we send to the broker. And the client logs an error for
    // every channel that closes: our supervising task logs what that means.
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
        let colours = terminal && std::env::var_os("NO_COLOR").is_none();
        let shown: for<'a> fn(&'a str) -> Cow<'a, str> =
            if colours { visible_but_colours } else { visible_lines };
        let builder = builder.with_writer(move || Lines { shown, to: std::io::stderr() });
        builder.with_ansi(colours).with_target(false).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot start: {error}"))
}

/// Writes each event at once. Text from outside in it is escaped.
struct Lines<W> {
    shown: for<'a> fn(&'a str) -> Cow<'a, str>,
    to: W,
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, event: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        // The one line break that is ours.
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let shown = (self.shown)(line).replace('\n', "\\u000a");
        self.to.write_all(shown.as_bytes())?;
        if line.len() < text.len() {
            self.to.write_all(b"\n")?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_and_nothing_in_it_is_hidden() {
        let mut lines = Lines { shown: visible_lines, to: Vec::new() };
        lines.write_all("WARN a letter: x\u{202e}y\nERROR all is lost\u{1b}[2J\n".as_bytes()).unwrap();
        let written = String::from_utf8(lines.to).unwrap();
        assert_eq!(written, "WARN a letter: x\\u202ey\\u000aERROR all is lost\\u001b[2J\n");
    }
}
