//! What died on the broker is kept as a dead letter, where people look; it leaves the broker only after that.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{Message, MessageId, Queue, Role, Time};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::batch;
use crate::broker::{Broker, DeadDelivery};
use crate::retry::Delays;
use crate::store::{Changes, DeadChange, DeadLetter, DeadStatus, Error, Said, Store, Transaction};

const BATCH_MAX: usize = 100;
/// The place of what no queue of ours wanted.
const UNROUTED: &str = "unrouted";

pub(super) async fn import(store: Arc<dyn Store>, broker: Arc<dyn Broker>, stop: CancellationToken) {
    let mut delays = Delays::new();
    loop {
        let taken = tokio::select! {
            () = stop.cancelled() => return,
            taken = broker.take_dead(BATCH_MAX) => taken,
        };
        let imported = match &taken {
            Ok(dead) => keep(&*store, &*broker, dead).await,
            Err(away) => Err(Error::Unavailable(away.to_string())),
        };
        match imported {
            Ok(()) => delays = Delays::new(),
            Err(why) => {
                tracing::warn!("dead letters wait on the broker: {why}");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(delays.next_delay()) => {}
                }
                // They are still ours: the same ids make the same letters.
                if let Ok(dead) = taken
                    && let Err(why) = keep(&*store, &*broker, &dead).await
                {
                    tracing::warn!(
                        "{} dead letters stay on the broker until the next start: {why}",
                        dead.len()
                    );
                }
            }
        }
    }
}

/// A message that was handled after all is no dead letter: what was said because of it is said again, for it may
/// have died on its way.
async fn keep(store: &dyn Store, broker: &dyn Broker, dead: &[DeadDelivery]) -> Result<(), Error> {
    let mut transaction = store.begin().await?;
    let mut changes = Changes::default();
    let (now, mut handled) = handled(&mut *transaction, dead).await?;
    let mut owed = Vec::new();
    for one in dead {
        let known =
            one.queue.zip(message_id(one)).and_then(|(queue, id)| handled.remove(&(queue.reader(), id)));
        match known {
            Some(Known { hash, said }) if same(one, now, hash) => owed.extend(said),
            Some(_) | None => {
                let letter = letter(one, now);
                tracing::warn!(
                    queue = letter.queue,
                    message_id = letter.message_id,
                    name = letter.name,
                    code = letter.code,
                    "kept as a dead letter: {}",
                    letter.why
                );
                changes.dead.push(DeadChange::Bury(letter));
            }
        }
    }
    if changes.dead.is_empty() {
        drop(transaction);
    } else {
        transaction.keep(changes).await?;
    }
    let away = |away: crate::broker::Unavailable| Error::Unavailable(away.to_string());
    broker.publish(&owed).await.map_err(away)?;
    broker.ack_dead(dead).await.map_err(away)
}

struct Known {
    hash: contract::BodyHash,
    said: Vec<Said>,
}

async fn handled(
    transaction: &mut dyn Transaction,
    dead: &[DeadDelivery],
) -> Result<(Time, BTreeMap<(Role, MessageId), Known>), Error> {
    let mut by_role: BTreeMap<Role, Vec<MessageId>> = BTreeMap::new();
    for one in dead {
        if let Some((queue, id)) = one.queue.zip(message_id(one)) {
            by_role.entry(queue.reader()).or_default().push(id);
        }
    }
    let (mut now, _) = transaction.handled(Role::Operator, &[]).await?;
    let mut known = BTreeMap::new();
    for (role, ids) in by_role {
        let (later, handled) = transaction.handled(role, &ids).await?;
        now = later;
        known.extend(
            handled.into_iter().map(|one| ((role, one.id), Known { hash: one.hash, said: one.said })),
        );
    }
    Ok((now, known))
}

fn message_id(dead: &DeadDelivery) -> Option<MessageId> {
    dead.message_id.as_deref().and_then(MessageId::new)
}

fn same(dead: &DeadDelivery, now: Time, hash: contract::BodyHash) -> bool {
    let Some(id) = message_id(dead) else { return false };
    Message::restore(id, None, now, &dead.name, &dead.body).is_ok_and(|message| message.hash() == hash)
}

fn letter(dead: &DeadDelivery, now: Time) -> DeadLetter {
    let queue = dead.queue.map_or(UNROUTED, Queue::name);
    let id = match dead.message_id.as_deref() {
        Some(id) => batch::dead_letter_id(queue, id),
        // The same again is the same letter.
        None => {
            let name = format!("{queue}/{}/{}", dead.name, dead.body);
            Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).hyphenated().to_string()
        }
    };
    let read = message_id(dead).and_then(|id| Message::restore(id, None, now, &dead.name, &dead.body).ok());
    DeadLetter {
        id,
        queue: queue.to_string(),
        message_id: dead.message_id.clone(),
        name: dead.name.clone(),
        order_id: read.and_then(|message| message.order_id),
        cause: dead.cause.clone(),
        code: dead.code.clone(),
        why: dead.why.clone(),
        attempts: dead.attempts,
        at: now,
        body: dead.body.clone(),
        status: DeadStatus::Open,
    }
}
