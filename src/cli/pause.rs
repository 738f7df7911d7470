//! Pauses and resumes a role or a payment method, without losing anything in flight.

use std::process::ExitCode;
use std::sync::Arc;

use ::order::MethodState;
use anyhow::Result;
use contract::{Body, Message, Method, MethodSwitch, Role, Table, Time};
use engine::operator::Operator;
use serde_json::{Value, json};
use settings::Settings;
use store::Database;

use super::client::{Client, wait_for};
use super::serve::worker;
use super::{paint, shop, words};
use crate::app;

#[derive(clap::Subcommand)]
pub(super) enum Pause {
    /// A role takes no messages any more, wherever it runs; they stay in its queue
    #[command(
        after_help = "Example: checkout pause role payment --why 'the provider is being moved' --by anna"
    )]
    Role {
        #[arg(value_parser = worker)]
        role: Role,
        #[command(flatten)]
        words: Words,
    },
    /// New checkouts by a payment method are refused, so that customers choose another; running orders go on
    #[command(after_help = "Example: checkout pause method paypal --why 'it is down' --by anna")]
    Method {
        #[arg(value_parser = method)]
        method: Method,
        #[command(flatten)]
        words: Words,
    },
    /// List what is paused, and why
    #[command(after_help = "Example: checkout pause list --json")]
    List {
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Subcommand)]
pub(super) enum Resume {
    /// The role goes on with the messages that have queued up
    #[command(after_help = "Example: checkout resume role payment --why 'it is back' --by anna")]
    Role {
        #[arg(value_parser = worker)]
        role: Role,
        #[command(flatten)]
        words: Words,
    },
    /// New checkouts by the method are accepted again
    #[command(after_help = "Example: checkout resume method paypal --why 'it is back' --by anna")]
    Method {
        #[arg(value_parser = method)]
        method: Method,
        #[command(flatten)]
        words: Words,
    },
}

#[derive(clap::Args)]
pub(super) struct Words {
    /// The reason, kept in the journal
    #[arg(long, value_parser = clean)]
    why: String,
    #[arg(long, default_value = "operator", value_parser = clean)]
    by: String,
    /// Only show what it would cause
    #[arg(long)]
    preview: bool,
}

pub(super) async fn pause(command: Pause, settings: &Settings) -> Result<ExitCode> {
    let store = app::look(settings).await?;
    match command {
        Pause::Role { role, words } if words.preview => waits(&*store, role).await?,
        Pause::Role { role, words } => {
            let who = Operator::new(words.by, words.why);
            Client::open(settings, &store).await?.pause(role, &who).await?;
            say!("{role} is paused everywhere within a second; `checkout resume role {role}` lets it go on");
        }
        Pause::Method { method, words } => {
            let Words { why, by, preview } = words;
            let body = Body::MethodPause(MethodSwitch { method, why, by });
            if preview {
                return would_turn(settings, &*store, body).await;
            }
            turn(settings, &store, body).await?;
            say!("new checkouts by {} are refused; those under way go on", method.words());
        }
        Pause::List { json } => list(&*store, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn resume(command: Resume, settings: &Settings) -> Result<ExitCode> {
    let store = app::look(settings).await?;
    match command {
        Resume::Role { role, words } if words.preview => waits(&*store, role).await?,
        Resume::Role { role, words } => {
            let who = Operator::new(words.by, words.why);
            Client::open(settings, &store).await?.resume(role, &who).await?;
            say!("{role} goes on");
        }
        Resume::Method { method, words } => {
            let Words { why, by, preview } = words;
            let body = Body::MethodResume(MethodSwitch { method, why, by });
            if preview {
                return would_turn(settings, &*store, body).await;
            }
            turn(settings, &store, body).await?;
            say!("new checkouts by {} are taken again", method.words());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the steps that wait for a role while it is paused.
async fn waits(store: &dyn Database, role: Role) -> Result<()> {
    say!("{}", paint::dim("nothing was changed; while it is paused, these steps wait for it"));
    let waits = engine::pause::waits(store, role).await?.into_iter();
    let rows = waits.map(|one| vec![one.saga, one.step.into(), one.ask.into(), one.sagas.to_string()]);
    say!("{}", paint::table(&["saga", "step", "asks it by", "sagas there now"], rows.collect()));
    Ok(())
}

async fn would_turn(settings: &Settings, store: &dyn Database, body: Body) -> Result<ExitCode> {
    let message = Message::new(shop::new_id(), store.now().await?, body);
    let queues = message.body.queues().to_vec();
    super::preview::at(settings, store, message, queues).await
}

/// Sends it to the order worker, and waits until it is handled.
async fn turn(settings: &Settings, store: &Arc<dyn Database>, body: Body) -> Result<()> {
    let (method, paused) = match &body {
        Body::MethodPause(switch) => (switch.method, true),
        Body::MethodResume(switch) => (switch.method, false),
        other => anyhow::bail!("{} turns no method on or off", other.name()),
    };
    let message = Message::new(shop::new_id(), store.now().await?, body);
    let body: Value = serde_json::from_str(message.json())?;
    let client = Client::open(settings, store).await?;
    client.send(message.name(), Some(message.id.to_string()), &body).await?;
    wait_for(30, "the order worker's answer (is the role paused, or not running?)", async || {
        let doc = store.get(Table::Methods, method.code()).await?;
        let state = doc.map(|doc| serde_json::from_str::<MethodState>(&doc)).transpose()?;
        Ok((state.is_some_and(|state| state.paused) == paused).then_some(()))
    })
    .await
}

/// Roles first, then payment methods.
async fn list(store: &dyn Database, json: bool) -> Result<()> {
    let roles = store.pauses().await?;
    let methods = store.page(Table::Methods, "", Method::ALL.len()).await?;
    let methods = methods.iter().map(|(_, doc)| serde_json::from_str(doc));
    let mut methods: Vec<MethodState> = methods.collect::<Result<_, _>>()?;
    methods.retain(|state| state.paused);
    if json {
        say!("{}", serde_json::to_string_pretty(&json!({"roles": roles, "methods": methods}))?);
        return Ok(());
    }
    let row = |what: String, at: Time, by: &str, why: &str| vec![what, at.to_string(), by.into(), why.into()];
    let roles = roles.iter().map(|one| row(format!("role {}", one.role), one.at, &one.by, &one.why));
    let methods =
        methods.iter().map(|one| row(format!("method {}", one.method.code()), one.at, &one.by, &one.why));
    say!("{}", paint::table(&["paused", "since", "by", "why"], roles.chain(methods).collect()));
    Ok(())
}

fn method(code: &str) -> Result<Method, String> {
    let found = Method::ALL.into_iter().find(|method| method.code() == code);
    found.ok_or_else(|| format!("there are {}", Method::ALL.map(Method::code).join(", ")))
}

fn clean(text: &str) -> Result<String, String> {
    const WORDS_MAX: usize = 200;
    words::clean(text, WORDS_MAX)
}
