//! Sagas: where each stands, and what an operator can do for those that wait.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use contract::{OrderId, Role, Table};
use serde_json::{Value, json};

use super::client::{Client, wait_for};
use super::order::row_of;
use super::{paint, shop};
use crate::app;
use crate::config::Settings;
use crate::store::{Filter, Store};
use crate::view;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Sagas, newest first
    #[command(after_help = "Example: checkout saga list --status needs_attention")]
    List {
        #[arg(long, value_parser = ["awaited", "running", "unwinding", "needs_attention", "completed", "undone"])]
        status: Option<String>,
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
    /// Ask for the waiting step again
    #[command(after_help = "Example: checkout saga retry 01932b4a-1111-7000-8000-000000000001 --by me")]
    Retry {
        #[command(flatten)]
        which: Which,
        #[arg(long, default_value = "operator")]
        by: String,
    },
    /// Say how the waiting step ended: done (the refund was made by hand), or give_up (undo what was done)
    #[command(
        after_help = "Example: checkout saga resolve 01932b4a-1111-7000-8000-000000000001 done --evidence 'bank transfer 77'"
    )]
    Resolve {
        #[command(flatten)]
        which: Which,
        #[arg(value_parser = ["done", "give_up"])]
        outcome: String,
        /// What proves it; stays with the saga
        #[arg(long)]
        evidence: String,
        #[arg(long, default_value = "operator")]
        by: String,
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
        Command::List { status, limit, json } => list(&*store, status, limit.into(), json).await,
        Command::Show { which, json } => show(&*store, &which, json).await,
        Command::Retry { which, by } => {
            let body = json!({"order_id": which.order_id, "return_no": which.return_no, "by": by});
            ask(&store, settings, &which, "saga.retry", body).await
        }
        Command::Resolve { which, outcome, evidence, by } => {
            let body = json!({
                "order_id": which.order_id, "return_no": which.return_no,
                "outcome": outcome, "evidence": evidence, "by": by,
            });
            ask(&store, settings, &which, "saga.resolve", body).await
        }
    }
}

async fn list(store: &dyn Store, status: Option<String>, limit: usize, as_json: bool) -> Result<ExitCode> {
    let docs = store.list(Table::Sagas, &Filter { status, limit, ..Filter::default() }).await?;
    let sagas: Vec<Value> =
        docs.iter().map(|doc| serde_json::from_str(doc).map(public)).collect::<Result<_, _>>()?;
    if as_json {
        say!("{}", serde_json::to_string_pretty(&sagas)?);
        return Ok(ExitCode::SUCCESS);
    }
    let text = |saga: &Value, name: &str| saga[name].as_str().unwrap_or_default().to_string();
    let rows = sagas.iter().map(|saga| {
        let why = saga["attention"]["why"].as_str().unwrap_or_default().to_string();
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

async fn show(store: &dyn Store, which: &Which, as_json: bool) -> Result<ExitCode> {
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
        say!("because  {why}");
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
        let text = |name: &str| one[name].as_str().unwrap_or_default();
        say!("  {}  {} {}  {}", text("at"), text("by"), text("what"), text("evidence"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn ask(
    store: &Arc<dyn Store>,
    settings: &Settings,
    which: &Which,
    name: &str,
    body: Value,
) -> Result<ExitCode> {
    known(&**store, which).await?;
    let id = shop::new_id();
    Client::open(settings, store).await?.send(name, Some(id.to_string()), &body).await?;
    let row = wait_for(30, name, async || row_of(&**store, which.order_id, Role::Saga, &id).await).await?;
    if let Some(why) = row.outcome.strip_prefix("ignored: ") {
        bail!("{why}");
    }
    say!("{}", row.outcome);
    Ok(ExitCode::SUCCESS)
}

async fn known(store: &dyn Store, which: &Which) -> Result<Value> {
    let doc = store.get(Table::Sagas, &::saga::saga_id(which.order_id, which.return_no)).await?;
    let doc = doc.with_context(|| {
        format!("no saga runs for order {}; `checkout saga list` shows them", which.order_id)
    })?;
    Ok(public(serde_json::from_str(&doc)?))
}

/// The token is for the provider alone.
fn public(mut saga: Value) -> Value {
    if let Some(payment) = saga.pointer_mut("/subject/payment").and_then(Value::as_object_mut) {
        payment.remove("token");
    }
    saga
}
