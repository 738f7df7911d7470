//! Dead letters: nothing was lost, and a person decides.

use std::process::ExitCode;

use anyhow::{Context, Result};

use super::client::Client;
use super::paint;
use crate::app;
use crate::config::Settings;
use crate::gateway::Operator;
use crate::store::DeadStatus;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// What waits for a decision
    #[command(after_help = "Example: checkout dead list --all --json")]
    List {
        /// Those that were dealt with as well
        #[arg(long)]
        all: bool,
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        limit: u16,
        #[arg(long)]
        json: bool,
    },
    /// One dead letter, whole
    #[command(after_help = "Example: checkout dead show 5f0c1a52-0000-5000-8000-000000000000")]
    Show {
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Send it to its queue again; if it was handled after all, that is recognised
    #[command(after_help = "Example: checkout dead replay 5f0c1a52-0000-5000-8000-000000000000 --by me")]
    Replay {
        id: String,
        #[arg(long, default_value = "operator")]
        by: String,
    },
    /// Give it up for good
    #[command(
        after_help = "Example: checkout dead discard 5f0c1a52-0000-5000-8000-000000000000 --why 'a test'"
    )]
    Discard {
        id: String,
        /// Stays in the journal
        #[arg(long)]
        why: String,
        #[arg(long, default_value = "operator")]
        by: String,
    },
}

pub(super) async fn run(command: Command, settings: &Settings) -> Result<ExitCode> {
    let store = app::look(settings).await?;
    match command {
        Command::List { all, limit, json } => {
            let status = (!all).then_some(DeadStatus::Open);
            let letters = store.dead_letters(status, limit.into()).await?;
            if json {
                say!("{}", serde_json::to_string_pretty(&letters)?);
                return Ok(ExitCode::SUCCESS);
            }
            let rows = letters.iter().map(|letter| {
                let order = letter.order_id.map(|id| id.to_string()).unwrap_or_default();
                vec![
                    letter.id.clone(),
                    letter.at.to_string(),
                    letter.queue.clone(),
                    letter.name.clone(),
                    letter.code.clone(),
                    order,
                ]
            });
            say!("{}", paint::table(&["id", "at", "queue", "message", "code", "order"], rows.collect()));
        }
        Command::Show { id, json } => {
            let letter = store.dead_letter(&id).await?;
            let letter = letter
                .with_context(|| format!("there is no dead letter {id}; `checkout dead list` shows them"))?;
            if json {
                say!("{}", serde_json::to_string_pretty(&letter)?);
                return Ok(ExitCode::SUCCESS);
            }
            say!("letter   {}  ({:?})", letter.id, letter.status);
            say!("message  {} {}", letter.name, letter.message_id.unwrap_or_default());
            say!("queue    {}, tried {} times, {}", letter.queue, letter.attempts, letter.at);
            say!("code     {}", paint::bad(&letter.code));
            say!("because  {}", letter.why);
            say!("body     {}", letter.body);
        }
        Command::Replay { id, by } => {
            let client = Client::open(settings, &store).await?;
            client.replay(&id, &Operator::new(by, "")).await?;
            say!("{id} is in its queue again");
        }
        Command::Discard { id, why, by } => {
            let client = Client::open(settings, &store).await?;
            client.discard(&id, &Operator::new(by, why)).await?;
            say!("{id} is given up");
        }
    }
    Ok(ExitCode::SUCCESS)
}
