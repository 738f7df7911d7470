//! What an operator does about a dead letter is journalled like everything else, before it has any effect.

mod codes;
mod evict;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use broker::Broker;
use contract::{BodyHash, Message, MessageId, Queue, Role, Unreadable};
use schemars::JsonSchema;
use serde::Serialize;
use store::{
    Changes, DeadChange, DeadLetter, DeadLetters, DeadStatus, Emitted, Error, JournalRow, Letters, Origin,
};
use view::mask::text_as_meant;

use crate::operator::{Edited, Operator};

pub use codes::CODES;
pub use codes::{known_code, known_queue};
pub use evict::{STRANGERS_LETTERS_MAX, evict};

/// Dead letters as `letters` finds them, but our own before those that strangers caused, so that strangers cannot
/// crowd them out.
pub async fn own_first(store: &dyn DeadLetters, wanted: Letters) -> Result<Vec<DeadLetter>, Error> {
    if wanted.origin.is_some() {
        return store.letters(&wanted).await;
    }
    let of = |origin, limit| Letters { origin: Some(origin), limit, ..wanted.clone() };
    let mut letters = store.letters(&of(Origin::Own, wanted.limit)).await?;
    let room = wanted.limit.saturating_sub(letters.len());
    if room > 0 {
        letters.extend(store.letters(&of(Origin::Stranger, room)).await?);
    }
    Ok(letters)
}

/// Sends the letter to its queue again. As it was, it keeps its id: if it was handled after all, it is recognised.
/// Edited, it is another message with an id of its own, and the old one counts as handled.
pub async fn replay(store: &dyn DeadLetters, broker: &dyn Broker, id: &str, who: &Operator) -> Result<()> {
    let letter = open_letter(store, id).await?;
    let own = own_id(&letter)?;
    let by = &who.by;
    let why = if who.why.is_empty() { String::new() } else { format!(": {}", who.why) };
    let (message, outcome, superseded) = match &who.edited {
        None => (as_it_was(&letter)?, format!("replayed by {by}{why}"), None),
        Some(edited) => {
            let message = with_edits(&letter, &own, edited)?;
            let superseded = format!("superseded by {}, edited by {by}{why}", message.id);
            (message, format!("edited and replayed by {by}{why}"), Some(superseded))
        }
    };
    let emitted = vec![Emitted { queues: queues(&letter, &message), message: Arc::new(message) }];
    // The operator emits it: a row of the reader's own role could not speak in another role's name.
    let replayed = Entry { role: Role::Operator, outcome, emitted: emitted.clone() };
    let over = superseded.map(|outcome| Entry { role: reader(&letter), outcome, emitted: Vec::new() });
    let entries = over.into_iter().chain([replayed]).collect();
    close(store, &letter, own, DeadStatus::Replayed, entries).await?;
    broker.publish(&emitted).await?;
    Ok(())
}

/// Gives the letter up, for a reason that stays in the journal: its message counts as handled from now on.
pub async fn discard(store: &dyn DeadLetters, id: &str, who: &Operator) -> Result<()> {
    let letter = open_letter(store, id).await?;
    let own = own_id(&letter)?;
    let outcome = format!("discarded by {}: {}", who.by, who.why);
    let entry = Entry { role: reader(&letter), outcome, emitted: Vec::new() };
    close(store, &letter, own, DeadStatus::Discarded, vec![entry]).await
}

/// What is done about each of many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BulkAction {
    Replay,
    Discard,
}

/// What became of a group.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct BulkResult {
    pub(crate) done: usize,
    /// Those that could not be, each with why.
    pub(crate) failed: Vec<Failed>,
    /// There may be more of them.
    pub(crate) left: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Failed {
    pub(crate) id: String,
    pub(crate) why: String,
}

/// As many of a group as are wanted, the oldest of them first; one that cannot be dealt with holds up no other.
pub async fn deal_with(
    store: &dyn DeadLetters,
    broker: &dyn Broker,
    wanted: &Letters,
    action: BulkAction,
    who: &Operator,
) -> Result<BulkResult> {
    let letters = store.letters(wanted).await?;
    let mut result = BulkResult { left: letters.len() == wanted.limit, ..BulkResult::default() };
    for letter in letters.iter().rev() {
        let done = match action {
            BulkAction::Replay => replay(store, broker, &letter.id, who).await,
            BulkAction::Discard => discard(store, &letter.id, who).await,
        };
        match done {
            Ok(()) => result.done += 1,
            Err(why) => result.failed.push(Failed { id: letter.id.clone(), why: format!("{why:#}") }),
        }
    }
    Ok(result)
}

/// What a replay would send, and to which queues.
pub fn as_it_would_be(letter: &DeadLetter, edited: Option<&Edited>) -> Result<(Message, Vec<Queue>)> {
    let message = match edited {
        None => as_it_was(letter)?,
        Some(edited) => with_edits(letter, &own_id(letter)?, edited)?,
    };
    let queues = queues(letter, &message);
    Ok((message, queues))
}

/// A journal row to be written.
struct Entry {
    role: Role,
    outcome: String,
    emitted: Vec<Emitted>,
}

async fn open_letter(store: &dyn DeadLetters, id: &str) -> Result<DeadLetter> {
    let letter = store.dead_letter(id).await?;
    let letter =
        letter.with_context(|| format!("there is no dead letter {id}; `checkout dead list` shows them"))?;
    if letter.status != DeadStatus::Open {
        bail!("dead letter {id} was {:?} before", letter.status);
    }
    Ok(letter)
}

/// The role that would have handled it; for a message that no queue of ours wanted, the operator.
fn reader(letter: &DeadLetter) -> Role {
    Queue::named(&letter.queue).map_or(Role::Operator, Queue::reader)
}

/// A message that came without an id is known by its letter's.
fn own_id(letter: &DeadLetter) -> Result<MessageId> {
    let own = letter.message_id.as_deref().and_then(MessageId::new);
    own.or_else(|| MessageId::new(&letter.id)).context("the letter has no usable id")
}

fn as_it_was(letter: &DeadLetter) -> Result<Message> {
    if letter.code == "card_number_refused" {
        // Its digits are masked, and so may be the token that stood beside them: the provider would be asked with stars.
        bail!("what held a card number is kept without it, and cannot be sent as it was; discard it");
    }
    if letter.code == "message_id_invalid" {
        bail!(
            "no message may have the id that it came with ({}); replay it with --edit, which gives it another",
            letter.why
        );
    }
    let id = letter.message_id.as_deref().and_then(MessageId::new);
    let id = id.context("it came without a message id; replay it with --edit, which gives it one")?;
    let cause = letter.cause.as_deref().and_then(MessageId::new);
    let message = Message::restore(id, cause, letter.at, &letter.name, &letter.body);
    let message =
        message.map_err(|why| anyhow::anyhow!("it still cannot be read: {why}; replay it with --edit"))?;
    still_theirs(letter, message)
}

/// Text that was shown masked and left unedited stays as it was. The old message is the cause of the new one; the
/// journal knows the old one's own cause.
fn with_edits(letter: &DeadLetter, own: &MessageId, edited: &Edited) -> Result<Message> {
    let id = MessageId::derived(letter.order_id, Role::Operator, own, 0);
    let name = edited.name.as_deref().unwrap_or(&letter.name);
    let body = edited.body.as_deref().map(|body| text_as_meant(body, &letter.body));
    let body = body.as_deref().unwrap_or(&letter.body);
    let message = Message::restore(id, Some(own.clone()), letter.at, name, body);
    let message = message.map_err(|why| anyhow::anyhow!("edited like this it cannot be read: {why}"))?;
    still_theirs(letter, message)
}

/// It keeps its first speaker: a replay grants no rights.
fn still_theirs(letter: &DeadLetter, message: Message) -> Result<Message> {
    let message = message.said_by(letter.by);
    if !message.is_allowed() {
        bail!(
            "{}; replayed or edited it is still theirs. If it is right all the same, say it yourself (`checkout submit`, \
             or a command of its own), and discard this letter",
            Unreadable::not_allowed(letter.by, message.name()).why
        );
    }
    if let Some(queue) = Queue::named(&letter.queue)
        && !may_go_on_from(queue, &message)
    {
        bail!(
            "it lies in the queue {queue}, whose reader takes no {}: the login of that reader may have put it there. If it \
             is right all the same, say it yourself (`checkout submit`, or a command of its own), and discard this letter",
            message.name()
        );
    }
    Ok(message)
}

/// A role's database login can dead-letter anything in its own queue, in any speaker's name: a replay may carry it to
/// no other role.
fn may_go_on_from(queue: Queue, message: &Message) -> bool {
    let all = message.body.queues();
    all.is_empty() || all.iter().any(|other| other.reader() == queue.reader())
}

/// Only where it died; what is no message for that queue goes to the others that its reader reads.
fn queues(letter: &DeadLetter, message: &Message) -> Vec<Queue> {
    let all = message.body.queues();
    match Queue::named(&letter.queue) {
        Some(queue) if all.contains(&queue) => vec![queue],
        Some(queue) => all.iter().copied().filter(|other| other.reader() == queue.reader()).collect(),
        None => all.to_vec(),
    }
}

/// The hash that its message is recognised by. What cannot be read is known by its text.
fn hash_of(letter: &DeadLetter) -> BodyHash {
    match as_it_was(letter) {
        Ok(message) => message.hash(),
        Err(_) => BodyHash::of(&letter.name, &letter.body),
    }
}

async fn close(
    store: &dyn DeadLetters,
    letter: &DeadLetter,
    own: MessageId,
    status: DeadStatus,
    entries: Vec<Entry>,
) -> Result<()> {
    let letter_id = MessageId::new(&letter.id).context("the letter's id is too long")?;
    let mut transaction = store.begin().await?;
    let (now, handled) = transaction.handled(reader(letter), std::slice::from_ref(&own)).await?;
    let row = |(number, entry): (usize, Entry)| {
        let Entry { role, outcome, emitted } = entry;
        // Another message under its id was handled (or this one was after all), so the row gets an id of its own.
        let role = if handled.is_empty() { role } else { Role::Operator };
        // Several letters may have the same message id, and one letter may be replayed many times: each time is a row.
        let place = usize::try_from(now.unix_ms()).unwrap_or(0).saturating_add(number);
        let id = match role {
            Role::Operator => MessageId::derived(letter.order_id, role, &letter_id, place),
            _ => own.clone(),
        };
        JournalRow {
            role,
            id,
            name: letter.name.clone(),
            hash: hash_of(letter),
            order_id: letter.order_id,
            cause: letter.cause.as_deref().and_then(MessageId::new),
            at: now,
            outcome,
            emitted,
        }
    };
    let journal = entries.into_iter().enumerate().map(row).collect();
    let dead = vec![DeadChange::Close { id: letter.id.clone(), status }];
    match transaction.commit(Changes { journal, dead, ..Changes::default() }).await {
        Ok(()) => Ok(()),
        Err(Error::Conflict(_)) => bail!("somebody else has just dealt with dead letter {}", letter.id),
        Err(error) => Err(error.into()),
    }
}
