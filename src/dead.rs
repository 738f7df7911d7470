//! What an operator does about a dead letter is journalled like everything else, before it has any effect.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use contract::{BodyHash, Message, MessageId, Queue, Role};

use crate::broker::Broker;
use crate::store::{Changes, DeadChange, DeadLetter, DeadStatus, Error, JournalRow, Said, Store};

/// Sends the letter to its queue again, under its own id: if it was handled after all, it is recognised.
pub(crate) async fn replay(store: &dyn Store, broker: &dyn Broker, id: &str, by: &str) -> Result<()> {
    let (letter, queue) = open_letter(store, id).await?;
    let message = message_of(&letter)?;
    let said = vec![Said { message: Arc::new(message), queues: vec![queue] }];
    close(store, &letter, DeadStatus::Replayed, Role::Operator, format!("replayed by {by}"), said.clone())
        .await?;
    broker.publish(&said).await?;
    Ok(())
}

/// Gives the letter up, for a reason that stays in the journal: its message counts as handled from now on.
pub(crate) async fn discard(store: &dyn Store, id: &str, by: &str, why: &str) -> Result<()> {
    let (letter, queue) = open_letter(store, id).await?;
    let outcome = format!("discarded by {by}: {why}");
    close(store, &letter, DeadStatus::Discarded, queue.reader(), outcome, Vec::new()).await
}

async fn open_letter(store: &dyn Store, id: &str) -> Result<(DeadLetter, Queue)> {
    let letter = store.dead_letter(id).await?;
    let letter =
        letter.with_context(|| format!("there is no dead letter {id}; `checkout dead list` shows them"))?;
    if letter.status != DeadStatus::Open {
        bail!("dead letter {id} was {:?} before", letter.status);
    }
    let queue =
        Queue::named(&letter.queue).with_context(|| format!("no queue is called {}", letter.queue))?;
    Ok((letter, queue))
}

fn message_of(letter: &DeadLetter) -> Result<Message> {
    let id = letter
        .message_id
        .as_deref()
        .and_then(MessageId::new)
        .context("the letter has no usable message id")?;
    let cause = letter.cause.as_deref().and_then(MessageId::new);
    let message = Message::restore(id, cause, letter.at, &letter.name, &letter.body);
    message.map_err(|why| anyhow::anyhow!("it still cannot be read: {why}"))
}

/// The hash that its message is recognised by. What cannot be read is known by its text.
fn hash_of(letter: &DeadLetter) -> BodyHash {
    match message_of(letter) {
        Ok(message) => message.hash(),
        Err(_) => BodyHash::of(&letter.name, &letter.body),
    }
}

async fn close(
    store: &dyn Store,
    letter: &DeadLetter,
    status: DeadStatus,
    role: Role,
    outcome: String,
    said: Vec<Said>,
) -> Result<()> {
    let mut transaction = store.begin().await?;
    let own = MessageId::new(letter.message_id.as_deref().unwrap_or(&letter.id))
        .context("the letter has no usable id")?;
    let (now, handled) = transaction.handled(role, std::slice::from_ref(&own)).await?;
    // An operator may replay one message many times, and each time is a row of its own.
    let id = match role {
        Role::Operator => {
            MessageId::derived(letter.order_id, role, &own, usize::try_from(now.unix_ms()).unwrap_or(0))
        }
        _ => own,
    };
    let row = JournalRow {
        role,
        id,
        name: letter.name.clone(),
        hash: hash_of(letter),
        order_id: letter.order_id,
        cause: letter.cause.as_deref().and_then(MessageId::new),
        at: now,
        outcome,
        said,
    };
    let journal = if handled.is_empty() || role == Role::Operator { vec![row] } else { Vec::new() };
    let dead = vec![DeadChange::Close { id: letter.id.clone(), status }];
    match transaction.keep(Changes { journal, dead, ..Changes::default() }).await {
        Ok(()) => Ok(()),
        Err(Error::Conflict(_)) => bail!("somebody else has just dealt with dead letter {}", letter.id),
        Err(error) => Err(error.into()),
    }
}
