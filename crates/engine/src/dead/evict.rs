//! Of strangers' open dead letters a fixed number is kept; past that the oldest are deleted and only counted. Our own
//! stay.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use contract::{BodyHash, MessageId, Queue, Role, Time};
use store::{Changes, Database, DeadChange, DeadLetter, Error, JournalRow, Transaction};

use super::hash_of;

/// A flood can be studied by its newest letters, and a table of this size is counted in a few milliseconds.
pub const STRANGERS_LETTERS_MAX: u64 = 10_000;

/// Each step is one short transaction: the letters of one are read, at most 64 KiB each, and deleted.
const AT_ONCE: usize = 200;
/// So many steps in one call; the next call goes on there.
const STEPS_MAX: usize = 250;

/// Returns how many went.
pub async fn evict(store: &dyn Database, keep: u64) -> Result<u64, Error> {
    let strangers = store.vitals().await?.strangers_dead_letters;
    let mut too_many = usize::try_from(strangers.saturating_sub(keep)).unwrap_or(usize::MAX);
    let mut evicted = 0;
    for _ in 0..STEPS_MAX {
        if too_many == 0 {
            break;
        }
        let oldest = store.oldest_of_strangers(too_many.min(AT_ONCE)).await?;
        if oldest.is_empty() {
            break;
        }
        match evict_these(store, &oldest).await {
            Ok(()) => {}
            // An operator, or another process that evicts, was faster: the next call looks again.
            Err(Error::Conflict(_)) => break,
            Err(error) => return Err(error),
        }
        evicted += oldest.len() as u64;
        too_many -= oldest.len().min(too_many);
    }
    Ok(evicted)
}

/// A message that the gateway let in counts as in flight when its letter is gone. So it is journalled as handled by its
/// reader, as it is when a person discards the letter. An outsider may send any message id: that one was let in shows in
/// its hash too.
async fn evict_these(store: &dyn Database, letters: &[DeadLetter]) -> Result<(), Error> {
    let mut transaction = store.begin().await?;
    let known: Vec<_> = letters.iter().filter_map(Known::of).collect();
    let ids: Vec<_> = known.iter().map(|known| known.id.clone()).collect();
    let (now, let_in) = hashes(&mut *transaction, Role::Gateway, &ids).await?;
    let mut by_reader: HashMap<Role, Vec<&Known<'_>>> = HashMap::new();
    for known in known.iter().filter(|known| let_in.get(&known.id) == Some(&known.hash)) {
        by_reader.entry(known.queue.reader()).or_default().push(known);
    }
    let mut journal = Vec::new();
    for (role, ours) in by_reader {
        let ids: Vec<_> = ours.iter().map(|known| known.id.clone()).collect();
        let (_, mut handled) = hashes(&mut *transaction, role, &ids).await?;
        for known in ours {
            // The same message may lie in two letters, of two queues that one role reads.
            if handled.insert(known.id.clone(), known.hash).is_none() {
                journal.push(known.row(role, now));
            }
        }
    }
    let dead = letters.iter().map(|letter| DeadChange::Evict { id: letter.id.clone() }).collect();
    transaction.commit(Changes { journal, dead, ..Changes::default() }).await
}

async fn hashes(
    transaction: &mut dyn Transaction,
    role: Role,
    ids: &[MessageId],
) -> Result<(Time, HashMap<MessageId, BodyHash>), Error> {
    let (now, handled) = transaction.handled(role, ids).await?;
    Ok((now, handled.into_iter().map(|handled| (handled.id, handled.hash)).collect()))
}

/// A letter whose message the journal may know as in flight.
struct Known<'a> {
    letter: &'a DeadLetter,
    queue: Queue,
    id: MessageId,
    hash: BodyHash,
}

impl<'a> Known<'a> {
    fn of(letter: &'a DeadLetter) -> Option<Self> {
        let id = letter.message_id.as_deref().and_then(MessageId::new)?;
        let queue = Queue::named(&letter.queue)?;
        Some(Self { letter, queue, id, hash: hash_of(letter) })
    }

    fn row(&self, role: Role, now: Time) -> JournalRow {
        JournalRow {
            role,
            id: self.id.clone(),
            name: self.letter.name.clone(),
            hash: self.hash,
            order_id: self.letter.order_id,
            cause: None,
            at: now,
            outcome: format!("evicted: too many dead letters of strangers ({})", self.letter.code),
            emitted: Vec::new(),
        }
    }
}
