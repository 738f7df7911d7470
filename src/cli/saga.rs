//! Sagas: where each is, and what an operator can do for those that wait.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use contract::{OrderId, Role, Table, Time};
use serde_json::{Value, json};
use settings::Settings;
use store::Database;
use view::search::{self, public};
use view::{self, visible};

use super::client::{Client, wait_for};
use super::order::row_of;
use super::{paint, shop, words};
use crate::app;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Sagas, newest first
    #[command(after_help = "Example: checkout saga list --status needs_attention")]
    List {
        #[arg(long, value_parser = ["awaited", "running", "unwinding", "needs_attention", "completed", "undone"])]
        status: Option<String>,
        /// The beginning of the order's id, or a customer's id
        #[arg(long, value_name = "TEXT")]
        find: Option<String>,
        /// Only those at this step
        #[arg(long, value_parser = search::known_step)]
        step: Option<String>,
        /// Only running sagas for which nothing has happened for this long
        #[arg(long, value_name = "SECONDS")]
        idle_s: Option<u64>,
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        #[arg(long)]
        json: bool,
    },
    /// One saga: its steps, and why it waits
    #[command(after_help = "Example: checkout saga show 01932b4a-1111-7000-8000-000000000001")]
    Show {
        #[command(flatten)]
        which: Which,
        #[arg(long)]
        json: bool,
    },
    /// Send the waiting step's command again
    #[command(after_help = "Example: checkout saga retry 01932b4a-1111-7000-8000-000000000001 --by me")]
    Retry {
        #[command(flatten)]
        which: Which,
        /// The reason, kept with the saga
        #[arg(long, value_parser = words::reason)]
        why: Option<String>,
        #[arg(long, default_value = "operator", value_parser = words::name)]
        by: String,
        /// Only show what it would cause
        #[arg(long)]
        preview: bool,
    },
    /// Fire the step's deadline now, move it, or wait for the answer without one
    #[command(
        after_help = "Example: checkout saga deadline 01932b4a-1111-7000-8000-000000000001 move --due 2026-12-24T18:00:00Z --why 'the warehouse is closed'"
    )]
    Deadline {
        #[command(flatten)]
        which: Which,
        #[arg(value_parser = ["fire", "move", "cancel"])]
        change: String,
        /// With move: its new time, within a year
        #[arg(long, required_if_eq("change", "move"))]
        due: Option<Time>,
        /// The reason, kept with the saga
        #[arg(long, value_parser = words::reason)]
        why: String,
        #[arg(long, default_value = "operator", value_parser = words::name)]
        by: String,
        /// Only show what it would cause
        #[arg(long)]
        preview: bool,
    },
    /// Mark the waiting step as done (the refund was made by hand), or give_up (undo what was done)
    #[command(
        after_help = "Example: checkout saga resolve 01932b4a-1111-7000-8000-000000000001 done --evidence 'bank transfer 77'"
    )]
    Resolve {
        #[command(flatten)]
        which: Which,
        #[arg(value_parser = ["done", "give_up"])]
        outcome: String,
        /// The evidence, kept with the saga
        #[arg(long, value_parser = words::reason)]
        evidence: String,
        #[arg(long, default_value = "operator", value_parser = words::name)]
        by: String,
        /// Only show what it would cause
        #[arg(long)]
        preview: bool,
    },
}

#[derive(clap::Args)]
pub(super) struct Which {
    #[arg(value_parser = view::order_id)]
    order_id: OrderId,
    /// The saga of this return instead of the checkout's
    #[arg(long = "return", value_name = "NUMBER", default_value_t = 0)]
    return_no: u32,
}

pub(super) async fn run(command: Command, settings: &Settings) -> Result<ExitCode> {
    let store = app::look(settings).await?;
    match command {
        Command::List { status, find, step, idle_s, limit, json } => {
            let limit = limit.into();
            let wanted = search::Wanted { q: find, status, step, idle_s, limit, ..search::Wanted::default() };
            list(&*store, &wanted, json).await
        }
        Command::Show { which, json } => show(&*store, &which, json).await,
        Command::Retry { which, why, by, preview } => {
            let body =
                json!({"order_id": which.order_id, "return_no": which.return_no, "by": by, "why": why});
            ask(&store, settings, &which, Ask { name: "saga.retry", body, preview }).await
        }
        Command::Deadline { which, change, due, why, by, preview } => {
            let body = json!({
                "order_id": which.order_id, "return_no": which.return_no,
                "change": change, "due": due, "why": why, "by": by,
            });
            ask(&store, settings, &which, Ask { name: "saga.deadline", body, preview }).await
        }
        Command::Resolve { which, outcome, evidence, by, preview } => {
            let body = json!({
                "order_id": which.order_id, "return_no": which.return_no,
                "outcome": outcome, "evidence": evidence, "by": by,
            });
            ask(&store, settings, &which, Ask { name: "saga.resolve", body, preview }).await
        }
    }
}

async fn list(store: &dyn Database, wanted: &search::Wanted, as_json: bool) -> Result<ExitCode> {
    let sagas = search::sagas(store, wanted).await?.items;
    if as_json {
        say!("{}", serde_json::to_string_pretty(&sagas)?);
        return Ok(ExitCode::SUCCESS);
    }
    let text = |saga: &Value, name: &str| saga[name].as_str().unwrap_or_default().to_string();
    let rows = sagas.iter().map(|saga| {
        let why = visible(saga["attention"]["why"].as_str().unwrap_or_default()).into();
        vec![
            text(saga, "order_id"),
            match saga["return_no"].as_u64() {
                Some(0) | None => text(saga, "definition"),
                Some(number) => format!("return {number}"),
            },
            paint::status(&text(saga, "status")),
            text(saga, "step"),
            text(saga, "updated_at"),
            why,
        ]
    });
    say!("{}", paint::table(&["order", "saga", "status", "step", "since", "why"], rows.collect()));
    Ok(ExitCode::SUCCESS)
}

async fn show(store: &dyn Database, which: &Which, as_json: bool) -> Result<ExitCode> {
    let saga = known(store, which).await?;
    if as_json {
        say!("{}", serde_json::to_string_pretty(&saga)?);
        return Ok(ExitCode::SUCCESS);
    }
    let text = |name: &str| saga[name].as_str().unwrap_or_default();
    say!("order    {}", which.order_id);
    say!("saga     {} version {}", text("definition"), saga["version"]);
    say!("status   {}  {}", paint::status(text("status")), text("step"));
    if let Some(why) = saga["attention"]["why"].as_str() {
        say!("because  {}", visible(why));
        for action in saga["attention"]["actions"].as_array().into_iter().flatten().filter_map(Value::as_str)
        {
            let (verb, rest) = action.split_once(' ').unwrap_or((action, ""));
            let mut command = format!("checkout saga {verb} {}", which.order_id);
            if which.return_no > 0 {
                command += &format!(" --return {}", which.return_no);
            }
            if verb == "resolve" {
                command += &format!(" {rest} --evidence 'what proves it'");
            }
            say!("  you can: {}", paint::good(&command));
        }
    }
    for one in saga["interventions"].as_array().into_iter().flatten() {
        let text = |name: &str| visible(one[name].as_str().unwrap_or_default());
        say!("  {}  {} {}  {}", text("at"), text("by"), text("what"), text("evidence"));
    }
    Ok(ExitCode::SUCCESS)
}

/// A command on a saga, or a preview of it.
struct Ask {
    name: &'static str,
    body: Value,
    preview: bool,
}

async fn ask(store: &Arc<dyn Database>, settings: &Settings, which: &Which, asked: Ask) -> Result<ExitCode> {
    let Ask { name, body, preview } = asked;
    known(&**store, which).await?;
    if preview {
        return super::preview::of(settings, &**store, name, &body).await;
    }
    let id = shop::new_id();
    Client::open(settings, store).await?.send(name, Some(id.to_string()), &body).await?;
    let row = wait_for(30, name, async || row_of(&**store, which.order_id, Role::Saga, &id).await).await?;
    if let Some(why) = row.outcome.strip_prefix("ignored: ") {
        bail!("{why}");
    }
    say!("{}", visible(&row.outcome));
    Ok(ExitCode::SUCCESS)
}

async fn known(store: &dyn Database, which: &Which) -> Result<Value> {
    let doc = store.get(Table::Sagas, &::saga::saga_id(which.order_id, which.return_no)).await?;
    let doc = doc.with_context(|| {
        format!("no saga runs for order {}; `checkout saga list` shows them", which.order_id)
    })?;
    let saga = serde_json::from_str(&doc).with_context(|| {
        format!(
            "the saga of order {} cannot be read; `checkout audit` (R1) names every such record",
            which.order_id
        )
    })?;
    Ok(public(saga))
}
