//! No message is lost, and none is handled twice: the journal's outboxes are compared with its inboxes.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use anyhow::Result;
use contract::{Message, MessageId, Queue, Role, Speaker, first_who_may, speakers_of};
use store::{DeadStatus, Evidence, JournalRow};
use uuid::Uuid;

use super::pace::paced;
use super::world::{DEAD_MAX, DEADLINES};
use super::{Claim, Findings, PAGE};

/// How many ids are in memory at once. A longer journal is read several times, a share of its messages each time.
pub(super) const KEYS_MAX: usize = 4_000_000;

/// The row with the message's cause may be written while the journal is read.
pub(super) const AT_REST_ONLY: &[Claim] = &[Claim::B3];

/// An operator replaced the message by an edited one, or discarded it.
const OUT_OF_THE_WAY: &[&str] = &["superseded", "discarded"];

/// One message for one role.
type Key = (Role, Uuid);

#[derive(Clone, Copy, Default)]
struct Mark {
    emitted: bool,
    handled: bool,
    has_cause: bool,
    /// Handling this message set a deadline, as the deadline's own message says.
    set_a_deadline: bool,
}

/// Returns how many rows there are.
pub(super) async fn check(store: &dyn Evidence, at_rest: bool, findings: &mut Findings) -> Result<u64> {
    let dead = settled_by_hand(store).await?;
    let mut shares = 1;
    let (mut share, mut rows) = (0, 0);
    while share < shares {
        let mut found = Findings::default();
        match check_share(store, at_rest, &dead, Share { no: share, of: shares }, &mut found).await? {
            Some(read) => {
                findings.absorb(found);
                rows = read;
                share += 1;
            }
            // The findings of a share that was too large are dropped: it is read again in halves.
            None => (share, shares) = (share * 2, shares * 2),
        }
    }
    Ok(rows)
}

#[derive(Clone, Copy)]
struct Share {
    no: u64,
    of: u64,
}

impl Share {
    /// Halving a share gives shares `2n` and `2n + 1` of twice as many.
    fn has(self, (_, id): Key) -> bool {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(id);
        ((u128::from(hash) * u128::from(self.of)) >> 64) as u64 == self.no
    }
}

/// Dead letters that are open or were discarded: a person knows of them.
async fn settled_by_hand(store: &dyn Evidence) -> Result<HashSet<Key>> {
    let mut settled = HashSet::new();
    for status in [DeadStatus::Open, DeadStatus::Discarded] {
        for letter in store.dead_letters(Some(status), DEAD_MAX).await? {
            let role = Queue::named(&letter.queue).map(Queue::reader);
            let id = letter.message_id.as_deref().and_then(MessageId::new);
            settled.extend(role.zip(id.as_ref().map(known_by)));
        }
    }
    Ok(settled)
}

/// `None` when the share is too large.
async fn check_share(
    store: &dyn Evidence,
    at_rest: bool,
    dead: &HashSet<Key>,
    share: Share,
    findings: &mut Findings,
) -> Result<Option<u64>> {
    let mut marks = HashMap::new();
    let mut reading = Reading { share, after: 0, rows: 0, by_operators: HashSet::new() };
    if !reading.on(store, &mut marks, findings).await? {
        return Ok(None);
    }
    // What is in flight now was emitted before; what has been handled meanwhile is in the rows that came since.
    let said_so_far: Vec<Key> = marks.iter().filter(|(_, mark)| mark.emitted).map(|(key, _)| *key).collect();
    let flying = store.in_flight().await?;
    let flying: HashSet<Key> =
        flying.iter().flatten().map(|one| (one.queue.reader(), known_by(&one.message.id))).collect();
    if !reading.on(store, &mut marks, findings).await? {
        return Ok(None);
    }
    for key in said_so_far {
        let handled = marks.get(&key).is_some_and(|mark| mark.handled);
        let settled = handled || dead.contains(&key) || reading.by_operators.contains(&key.1);
        let (role, id) = key;
        let in_flight = !at_rest && flying.contains(&key);
        findings.check(Claim::B1, settled || in_flight, || match flying.contains(&key) {
            true => format!("message {id} for {role} is still in flight"),
            false => format!("message {id} for {role} is lost: not handled, no dead letter, not in flight"),
        });
    }
    for ((role, id), mark) in marks.iter().filter(|(_, mark)| mark.set_a_deadline) {
        findings.check(Claim::T1, mark.handled, || {
            format!("a deadline names {id} as its cause, which is not in the journal of {role}")
        });
    }
    if at_rest {
        for ((role, id), mark) in marks.iter().filter(|(_, mark)| mark.has_cause) {
            findings.check(Claim::B3, mark.emitted, || format!("{role} handled {id}, which no role sent"));
        }
    }
    Ok(Some(reading.rows))
}

struct Reading {
    share: Share,
    after: i64,
    rows: u64,
    /// Replaced by an edited message, or discarded.
    by_operators: HashSet<Uuid>,
}

impl Reading {
    /// Reads on to the end of the journal. `false` when there are more ids than fit.
    async fn on(
        &mut self,
        store: &dyn Evidence,
        marks: &mut HashMap<Key, Mark>,
        findings: &mut Findings,
    ) -> Result<bool> {
        loop {
            let page = paced(store.journal_page(self.after, PAGE)).await?;
            let more = page.len() == PAGE;
            for (no, row) in &page {
                self.after = *no;
                self.rows += 1;
                if self.share.no == 0 {
                    let unreadable = row.as_ref().err();
                    findings.check(Claim::R1, unreadable.is_none(), || {
                        unreadable.map(ToString::to_string).unwrap_or_default()
                    });
                }
                if let Ok(row) = row {
                    self.enter(row, marks, findings);
                }
            }
            if marks.len() > KEYS_MAX {
                return Ok(false);
            }
            if !more {
                return Ok(true);
            }
        }
    }

    fn enter(&mut self, row: &JournalRow, marks: &mut HashMap<Key, Mark>, findings: &mut Findings) {
        if self.share.no == 0 {
            judge_speakers(row, findings);
        }
        for emitted in &row.emitted {
            for role in emitted.queues.iter().map(|queue| queue.reader()) {
                let key = (role, known_by(&emitted.message.id));
                if self.share.has(key) {
                    marks.entry(key).or_default().emitted = true;
                }
            }
        }
        let key = (row.role, known_by(&row.id));
        match row.role {
            Role::Operator => {
                if is_out_of_the_way(row) {
                    self.by_operators.insert(key.1);
                }
            }
            // These roles let messages in, and handle none.
            Role::Gateway => {}
            Role::Order
            | Role::Payment
            | Role::Stock
            | Role::Notification
            | Role::Saga
            | Role::Provider
            | Role::Email
            | Role::Sms => {
                if !self.share.has(key) {
                    return;
                }
                let mark = marks.entry(key).or_default();
                let twice = std::mem::replace(&mut mark.handled, true);
                // Rows without an order are pruned one by one: the row that emitted this message may be gone already.
                let traced = row.order_id.is_some() && !DEADLINES.contains(&row.name.as_str());
                mark.has_cause = row.cause.is_some() && traced;
                findings.check(Claim::B2, !twice, || format!("{} handled {} twice", row.role, row.id));
                let setter =
                    first_who_may(&row.name).role().filter(|_| DEADLINES.contains(&row.name.as_str()));
                if let (Some(setter), Some(cause)) = (setter, &row.cause) {
                    let key = (setter, known_by(cause));
                    if self.share.has(key) {
                        marks.entry(key).or_default().set_a_deadline = true;
                    }
                }
            }
        }
    }
}

/// Checks that the row's role may send each message in its outbox, and that the message it handled was sent.
fn judge_speakers(row: &JournalRow, findings: &mut Findings) {
    for emitted in &row.emitted {
        let message = &emitted.message;
        findings.check(Claim::T1, may_have_said(row, message), || {
            format!(
                "{} has {} {} in its journal, said by {}",
                row.role,
                message.name(),
                message.id,
                message.by
            )
        });
    }
    let speakers = speakers_of(&row.name);
    let internal = !speakers.is_empty() && speakers.iter().all(|speaker| speaker.role().is_some());
    // A discarded message was never handled, so that a forged one may stand there.
    if internal && !is_out_of_the_way(row) {
        findings.check(Claim::T1, row.cause.is_some(), || {
            format!("{} handled {} {}, which has no cause", row.role, row.name, row.id)
        });
    }
}

fn is_out_of_the_way(row: &JournalRow) -> bool {
    OUT_OF_THE_WAY.iter().any(|outcome| row.outcome.starts_with(outcome))
}

fn may_have_said(row: &JournalRow, message: &Message) -> bool {
    let own = match row.role {
        // It passes on what others say, and emits nothing of its own.
        Role::Gateway => {
            message.by.role().is_none() && ![Speaker::Shop, Speaker::Outsider].contains(&message.by)
        }
        // A replay keeps its first speaker.
        Role::Operator => true,
        role => message.by == Speaker::from(role),
    };
    own && message.is_allowed()
}

/// Sixteen bytes for any id: the id itself if it is a UUID.
fn known_by(id: &MessageId) -> Uuid {
    let id = id.as_str();
    Uuid::parse_str(id).unwrap_or_else(|_| Uuid::new_v5(&Uuid::NAMESPACE_OID, id.as_bytes()))
}
