//! Lets a role rest, or a payment method, without losing anything that is under way.

use std::process::ExitCode;

use anyhow::Result;
use contract::Role;

use super::client::Client;
use super::paint;
use super::serve::worker;
use crate::app;
use crate::config::Settings;
use crate::gateway::Operator;

#[derive(clap::Subcommand)]
pub(super) enum Pause {
    /// A role takes nothing any more, wherever it runs; its messages stay in their queue
    #[command(
        after_help = "Example: checkout pause role payment --why 'the provider is being moved' --by anna"
    )]
    Role {
        #[arg(value_parser = worker)]
        role: Role,
        /// Stays in the journal
        #[arg(long)]
        why: String,
        #[arg(long, default_value = "operator")]
        by: String,
    },
    /// What rests, and why
    #[command(after_help = "Example: checkout pause list --json")]
    List {
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Subcommand)]
pub(super) enum Resume {
    /// The role goes on with what has gathered
    #[command(after_help = "Example: checkout resume role payment --by anna")]
    Role {
        #[arg(value_parser = worker)]
        role: Role,
        /// Stays in the journal
        #[arg(long, default_value = "it may go on")]
        why: String,
        #[arg(long, default_value = "operator")]
        by: String,
    },
}

pub(super) async fn pause(command: Pause, settings: &Settings) -> Result<ExitCode> {
    let store = app::look(settings).await?;
    match command {
        Pause::Role { role, why, by } => {
            Client::open(settings, &store).await?.pause(role, &Operator::new(by, why)).await?;
            say!("{role} is paused everywhere within a second; `checkout resume role {role}` lets it go on");
        }
        Pause::List { json } => {
            let pauses = store.pauses().await?;
            if json {
                say!("{}", serde_json::to_string_pretty(&pauses)?);
                return Ok(ExitCode::SUCCESS);
            }
            let rows = pauses.iter().map(|pause| {
                vec![pause.role.to_string(), pause.at.to_string(), pause.by.clone(), pause.why.clone()]
            });
            say!("{}", paint::table(&["role", "since", "by", "why"], rows.collect()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn resume(command: Resume, settings: &Settings) -> Result<ExitCode> {
    let store = app::look(settings).await?;
    match command {
        Resume::Role { role, why, by } => {
            Client::open(settings, &store).await?.resume(role, &Operator::new(by, why)).await?;
            say!("{role} goes on");
        }
    }
    Ok(ExitCode::SUCCESS)
}
