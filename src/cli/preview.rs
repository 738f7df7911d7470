//! What a command would cause, decided by the workers on the current records; nothing is sent.

use std::process::ExitCode;

use anyhow::Result;
use contract::{Message, Queue, Raw, Speaker};
use engine::preview::{Change, Preview};
use serde_json::Value;
use settings::Settings;
use store::Database;
use view::visible;

use super::{WrongUsage, paint, shop};
use crate::app;

/// Of a message that was not sent so far.
pub(super) async fn of(
    settings: &Settings,
    store: &dyn Database,
    name: &str,
    body: &Value,
) -> Result<ExitCode> {
    let raw = Raw {
        message_id: Some(shop::new_id().to_string()),
        name: name.to_string(),
        body: body.to_string().into_bytes(),
        ..Raw::default()
    };
    let message = Message::accept(Speaker::Operator, &raw, store.now().await?);
    let message = message.map_err(|why| WrongUsage(why.to_string()))?;
    let queues = message.body.queues().to_vec();
    at(settings, store, message, queues).await
}

/// At these queues, as when a dead letter is replayed.
pub(super) async fn at(
    settings: &Settings,
    store: &dyn Database,
    message: Message,
    queues: Vec<Queue>,
) -> Result<ExitCode> {
    print(&app::dry_run(settings).preview_at(store, queues, message).await?);
    Ok(ExitCode::SUCCESS)
}

fn print(preview: &Preview) {
    say!("{}", paint::dim("this is what would happen; nothing was sent"));
    if let Some(why) = &preview.refused {
        say!("{}", paint::bad(&format!("it would be refused: {}", visible(why))));
    }
    let steps = preview.steps.iter();
    let steps =
        steps.map(|s| vec![s.role.clone(), s.message.clone(), visible(&s.outcome).into(), s.says.join("\n")]);
    say!("{}", paint::table(&["role", "message", "would come to", "says"], steps.collect()));
    for change in &preview.changes {
        say!("changes   {}", visible(&in_words(change)));
    }
    for money in &preview.money {
        let amount = money.amount.map(|amount| amount.to_string()).unwrap_or_default();
        say!("money     {} {amount}  {}", money.ask, paint::dim(&money.key));
    }
    for deadline in &preview.deadlines {
        match deadline.due {
            Some(due) => say!("deadline  {} at {due}", deadline.key),
            None => say!("deadline  {} is cleared", deadline.key),
        }
    }
    for waiting in &preview.waits_for {
        say!("waits for {} to handle {} ({})", waiting.role, waiting.message, waiting.why);
    }
    for good in &preview.for_good {
        say!("{}", paint::bad(&format!("for good  {good}")));
    }
}

fn in_words(change: &Change) -> String {
    let Change { table, id, field, from, to } = change;
    match field.is_empty() {
        true => format!("{table} {id} is new: {to}"),
        false => format!("{table} {id} {field}: {from} → {to}"),
    }
}
