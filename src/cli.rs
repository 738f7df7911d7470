//! The command line: every command says what it did, and every error says what to do next.

#![allow(clippy::print_stderr)]

/// Prints a line for the user. A closed pipe (`| head`) ends the program without an error message.
macro_rules! say {
    () => { crate::cli::print_line(format_args!("")) };
    ($($text:tt)*) => { crate::cli::print_line(format_args!($($text)*)) };
}

mod audit;
mod client;
mod dead;
mod demo;
mod dev;
mod doctor;
mod health;
mod journal;
mod load;
mod migrate;
mod order;
mod paint;
mod pause;
mod preview;
mod progress;
mod saga;
mod serve;
mod shop;
mod stage;
mod story;
mod submit;
mod topology;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};
use contract::Role;
use engine::part::Part;
use settings::{self, Loaded, Profile, Settings};

use crate::telemetry;

/// A checkout saga: orders, payments, stock and notices that hold together under every fault.
#[derive(Parser)]
#[command(
    name = "checkout",
    version,
    after_help = "Example: checkout demo\nWithout a command: checkout dev",
    max_term_width = 110
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    /// Settings file (default: checkout.toml, if it is there)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole shop in this process and watch its orders (the default)
    #[command(after_help = "Example: checkout dev --listen 127.0.0.1:0 --provider-success-rate 0.5")]
    Dev,
    /// Run every scene in 20 seconds on a system of its own, and check every promise
    #[command(after_help = "Example: checkout demo --json")]
    Demo(demo::Args),
    /// Run some roles in this process; others run elsewhere
    #[command(after_help = "Example: checkout worker payment stock --listen 127.0.0.1:9101")]
    Worker {
        #[arg(required = true, value_parser = serve::worker)]
        roles: Vec<Role>,
    },
    /// Run the HTTP gateway: orders, webhooks, health, readiness and metrics
    #[command(after_help = "Example: checkout gateway --listen 0.0.0.0:8080")]
    Gateway,
    /// Run the timers: deadlines, housekeeping and the mock provider's courier; several may run
    #[command(after_help = "Example: checkout timers")]
    Timers,
    /// Run every role in this process
    #[command(after_help = "Example: checkout all --listen 127.0.0.1:0")]
    All,
    /// Send checkouts (JSON, or JSON lines) to a running system
    #[command(after_help = "Example: checkout submit config/example-checkout.json --wait")]
    Submit(submit::Args),
    /// Show orders, and cancel, refund, pay or archive them
    #[command(subcommand, after_help = "Example: checkout order list --status paid")]
    Order(order::Command),
    /// Check every invariant against the database and the provider's own books
    #[command(after_help = "Example: checkout audit --at-rest")]
    Audit(audit::Args),
    /// Dead letters, messages that could not be handled: show, replay, discard
    #[command(subcommand, after_help = "Example: checkout dead list")]
    Dead(dead::Command),
    /// Sagas: show them, and help those that wait for an operator
    #[command(subcommand, after_help = "Example: checkout saga list --status needs_attention")]
    Saga(saga::Command),
    /// Put load on a system of its own, and measure
    #[command(after_help = "Example: checkout load --orders 20000 --in-flight 512 --report report.json")]
    Load(load::Args),
    /// Find what is wrong: settings, database, broker, queues, dead letters; each finding with its fix
    #[command(after_help = "Example: checkout doctor --json")]
    Doctor(doctor::Args),
    /// Add the sample catalogue; once is enough
    #[command(after_help = "Example: checkout sample")]
    Sample,
    /// Restore from the journal what a broker has lost
    #[command(subcommand, after_help = "Example: checkout journal refill --dry-run")]
    Journal(journal::Command),
    /// Exchanges and queues on the broker: show what differs, or declare what is missing
    #[command(after_help = "Example: checkout topology plan")]
    Topology(topology::Args),
    /// Pause a role or a payment method
    #[command(
        subcommand,
        after_help = "Example: checkout pause role payment --why 'the provider is being moved'"
    )]
    Pause(pause::Pause),
    /// Resume a role or a payment method
    #[command(subcommand, after_help = "Example: checkout resume role payment")]
    Resume(pause::Resume),
    /// Ask the process that listens at the configured address whether it can work: for a container's health check
    #[command(after_help = "Example: checkout health --listen 127.0.0.1:9101")]
    Health,
    /// The settings in force, and where each comes from
    #[command(after_help = "Example: checkout config --json")]
    Config {
        #[arg(long)]
        json: bool,
    },
    /// Bring the database's schema up to date, or take it back
    #[command(after_help = "Example: checkout migrate down --to 1")]
    Migrate(migrate::Args),
}

/// Shown on standard error; the exit code becomes 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongUsage(pub String);

/// Parses, runs, and turns the result into an exit code: 0 done, 1 failed, 2 wrong usage.
pub fn main() -> ExitCode {
    let matches = command().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let flags = settings::settings()
        .filter_map(|(name, _)| Some((name.to_string(), matches.get_one::<String>(name)?.clone())))
        .collect();
    match run(cli, &flags) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", view::visible_lines(&format!("{error:#}")));
            ExitCode::from(if error.downcast_ref::<WrongUsage>().is_some() { 2 } else { 1 })
        }
    }
}

/// For wrong settings that were noticed before anything was done.
fn wrong_usage(why: anyhow::Error) -> anyhow::Error {
    WrongUsage(format!("{why:#}")).into()
}

fn print_line(line: std::fmt::Arguments<'_>) {
    use std::io::Write;
    if writeln!(std::io::stdout(), "{}", paint::harmless(&line.to_string())).is_err() {
        std::process::exit(0);
    }
}

/// The commands, with a flag for every setting.
fn command() -> clap::Command {
    settings::settings().fold(Cli::command(), |command, (name, meaning)| {
        // Clap keeps names for the life of the program, and this is done once.
        let long: &'static str = name.replace('_', "-").leak();
        let flag = Arg::new(name).long(long).value_name("VALUE").help(meaning);
        command.arg(flag.global(true).hide_short_help(true).help_heading("Settings"))
    })
}

fn run(cli: Cli, flags: &BTreeMap<String, String>) -> Result<ExitCode> {
    let command = cli.command.unwrap_or(Command::Dev);
    let profile = match command {
        Command::Dev => Profile::Dev,
        Command::Worker { .. } | Command::Timers => Profile::Part,
        _ => Profile::Plain,
    };
    let loaded = settings::load(profile, cli.config.as_deref(), flags)
        .map_err(|why| WrongUsage(format!("{why:#}")))?;
    let Loaded { settings, shown, warnings } = loaded;
    let log = match &command {
        _ if shown.iter().any(|setting| setting.name == "log" && setting.from != "default") => &settings.log,
        // These show their own progress; but while they wait for a server there is none, so that must be logged.
        Command::Demo(_) | Command::Load(_) => "error,checkout_saga::app::open=warn",
        Command::Dev | Command::Worker { .. } | Command::Gateway | Command::Timers | Command::All => {
            &settings.log
        }
        // A person reads the command's output, and of the log only warnings.
        _ => "warn",
    };
    telemetry::start(log, settings.log_format)?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    if let Command::Config { json } = command {
        return show_config(&shown, json);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(dispatch(command, settings, &warnings))
}

async fn dispatch(command: Command, settings: Settings, warnings: &[String]) -> Result<ExitCode> {
    match command {
        Command::Dev => dev::run(&settings.with_secrets_made_up()).await,
        Command::Demo(args) => demo::run(args, settings.with_secrets_made_up()).await,
        Command::Worker { roles } => {
            serve::run(roles.into_iter().map(Part::Worker).collect(), &settings).await
        }
        Command::Gateway => serve::run([Part::Gateway].into(), &settings).await,
        Command::Timers => serve::run([Part::Timers].into(), &settings).await,
        Command::All => serve::run(Part::all(), &settings).await,
        Command::Submit(args) => submit::run(args, &settings).await,
        Command::Order(command) => order::run(command, &settings).await,
        Command::Audit(args) => audit::run(args, &settings).await,
        Command::Dead(command) => dead::run(command, &settings).await,
        Command::Saga(command) => saga::run(command, &settings).await,
        Command::Load(args) => load::run(args, settings).await,
        Command::Pause(command) => pause::pause(command, &settings).await,
        Command::Resume(command) => pause::resume(command, &settings).await,
        Command::Doctor(args) => doctor::run(args, &settings, warnings).await,
        Command::Sample => shop::sample(&settings).await,
        Command::Journal(command) => journal::run(command, &settings).await,
        Command::Topology(args) => topology::run(args, &settings).await,
        Command::Health => health::run(&settings).await,
        Command::Config { .. } => Ok(ExitCode::SUCCESS),
        Command::Migrate(args) => migrate::run(args, &settings).await,
    }
}

fn show_config(shown: &[settings::Shown], json: bool) -> Result<ExitCode> {
    if json {
        say!("{}", serde_json::to_string_pretty(shown)?);
    } else {
        let rows =
            shown.iter().map(|s| vec![s.name.into(), s.value.clone(), s.from.into(), s.meaning.into()]);
        say!("{}", paint::table(&["setting", "value", "from", "meaning"], rows.collect()));
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_well_formed() {
        super::command().debug_assert();
    }
}
