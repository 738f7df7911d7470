//! Inline dispatch: what a batch emits for a worker of the same process is handled in the same transaction, without a queue
//! in between.
//!
//! The journal gets the same rows as ever: who emitted it to which queue, and who handled it. Both are committed at once,
//! so the message is never in flight, and a command is not published; a fact is, for listeners outside. What goes by its
//! queue: messages for roles that reach out, are paused or run elsewhere; and all of them, once a batch met a conflict or
//! failed together with its follow-ups.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use contract::{Kind, Message, Need, PrefetchHint, Queue, Role, Time};
use metrics::METRICS;
use store::batch::Settled;
use store::{Emitted, SavedRecord, Transaction};
use tokio::sync::{Mutex, MutexGuard};

use super::{BatchError, Handler, Reached, UnitOfWork};
use crate::fail;
use crate::pause::Paused;

/// The workers of one process. They decide one batch at a time, so that each batch sees what the one before it changed.
#[derive(Default)]
pub struct LocalHandlers {
    handlers: Vec<Arc<dyn Handler>>,
    deciding: Mutex<()>,
    /// Inline dispatch is off: everything goes by its queue.
    off: AtomicBool,
}

impl LocalHandlers {
    /// Those of the handlers that decide. An adapter is never dispatched to inline: it would hold the transaction open.
    pub fn of(handlers: impl IntoIterator<Item = Arc<dyn Handler>>) -> Arc<Self> {
        let handlers = handlers.into_iter().filter(|handler| !handler.reaches_out()).collect();
        Arc::new(Self { handlers, ..Self::default() })
    }

    /// For a consumer whose messages all go by their queues.
    pub fn none() -> Arc<Self> {
        Self::of([])
    }

    /// Switches inline dispatch off, or on again.
    pub fn switch_off(&self, off: bool) {
        self.off.store(off, Ordering::Relaxed);
    }

    /// The records that these messages will likely make the workers load.
    pub(super) fn prefetch(&self, paused: &Paused, fresh: &[Arc<Message>]) -> Vec<Need> {
        if self.off.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let here: Vec<_> = self.handlers.iter().filter(|handler| !paused.rests(handler.role())).collect();
        let hints = fresh.iter().filter_map(|message| PrefetchHint::of(message));
        hints.flat_map(|hint| here.iter().flat_map(move |handler| handler.prefetch(hint))).collect()
    }

    /// Held while a batch decides.
    pub(super) async fn lock(&self) -> MutexGuard<'_, ()> {
        self.deciding.lock().await
    }

    fn at(&self, role: Role) -> Option<&dyn Handler> {
        if self.off.load(Ordering::Relaxed) {
            return None;
        }
        self.handlers.iter().map(|handler| &**handler).find(|handler| handler.role() == role)
    }
}

/// How many messages one batch may handle inline. A checkout takes seven steps between two waits, so that only a defect
/// gets here; past it, messages go by their queues.
const SETTLED_MAX: usize = 20_000;

/// All that is decided in one transaction: the batch, and what follows from it inline.
pub(super) struct BatchUnit<'a> {
    local_handlers: &'a LocalHandlers,
    paused: &'a Paused,
    now: Time,
    units: BTreeMap<Role, Box<dyn UnitOfWork + 'a>>,
    settled: Vec<Decided>,
    outbox: Vec<Emitted>,
}

/// One decision, and where its message came from.
pub(super) struct Decided {
    pub(super) role: Role,
    /// The queue that it bypassed by inline dispatch; `None` for a message of the batch itself, which came by its queue.
    pub(super) bypassed: Option<Queue>,
    pub(super) settled: Settled,
}

/// What was decided in a `BatchUnit`.
pub(super) struct BatchResult {
    pub(super) entries: Vec<Decided>,
    pub(super) records: Vec<SavedRecord>,
    /// To be published.
    pub(super) outbox: Vec<Emitted>,
    /// The roles that took part.
    pub(super) roles: Vec<Role>,
}

type FollowUps = BTreeMap<Queue, Vec<Arc<Message>>>;

impl<'a> BatchUnit<'a> {
    pub(super) fn new(local_handlers: &'a LocalHandlers, paused: &'a Paused, now: Time) -> Self {
        Self { local_handlers, paused, now, units: BTreeMap::new(), settled: Vec::new(), outbox: Vec::new() }
    }

    /// The batch itself.
    pub(super) async fn decide_batch(
        &mut self,
        handler: &'a dyn Handler,
        transaction: &mut dyn Transaction,
        reached: Reached,
        fresh: &[Arc<Message>],
    ) -> Result<(), BatchError> {
        let unit = self.units.entry(handler.role()).or_insert_with(|| handler.unit());
        let settled = unit.settle(transaction, reached, fresh, self.now).await?;
        let entry = |settled| Decided { role: handler.role(), bypassed: None, settled };
        self.settled.extend(settled.into_iter().map(entry));
        Ok(())
    }

    /// Handles what the batch emitted for local workers, and what that emits, until nothing is left.
    pub(super) async fn follow_up(&mut self, transaction: &mut dyn Transaction) -> Result<(), BatchError> {
        let mut looked_at = 0;
        while looked_at < self.settled.len() {
            let next = self.follow_ups(looked_at);
            looked_at = self.settled.len();
            for (queue, messages) in next {
                let role = queue.reader();
                fail::point("taken", role);
                fail::at_poison(&messages);
                METRICS.batch(role, messages.len());
                let unit = self.units.get_mut(&role).expect("follow_ups asked it");
                let settled = unit.settle(transaction, Reached::new(), &messages, self.now).await?;
                let entry = |settled| Decided { role, bypassed: Some(queue), settled };
                self.settled.extend(settled.into_iter().map(entry));
            }
        }
        Ok(())
    }

    /// Nothing is handled inline: all that was emitted goes by its queue.
    pub(super) fn leave_to_queues(&mut self) {
        self.outbox.extend(self.settled.iter().flat_map(|entry| entry.settled.emitted.iter().cloned()));
    }

    pub(super) fn end(self) -> BatchResult {
        let roles = self.units.keys().copied().collect();
        let records = self.units.into_values().flat_map(|unit| unit.changed()).collect();
        BatchResult { entries: self.settled, records, outbox: self.outbox, roles }
    }

    /// What the decisions from index `since` on emitted for local workers, by queue. All other messages are added to
    /// the outbox.
    fn follow_ups(&mut self, since: usize) -> FollowUps {
        let mut next = FollowUps::new();
        let full = self.settled.len() >= SETTLED_MAX;
        for at in since..self.settled.len() {
            for emitted in self.settled[at].settled.emitted.clone() {
                let Emitted { message, queues } = emitted;
                let (here, elsewhere): (Vec<_>, Vec<_>) =
                    queues.into_iter().partition(|queue| !full && self.is_handled_here(*queue, &message));
                for queue in here {
                    next.entry(queue).or_default().push(message.clone());
                }
                // A fact is published even when every queue was handled inline: listeners outside may want it.
                if !elsewhere.is_empty() || message.body.kind() != Kind::Command {
                    self.outbox.push(Emitted { message, queues: elsewhere });
                }
            }
        }
        next
    }

    fn is_handled_here(&mut self, queue: Queue, message: &Message) -> bool {
        let role = queue.reader();
        let local_handlers = self.local_handlers;
        let Some(handler) = local_handlers.at(role).filter(|_| !self.paused.rests(role)) else {
            return false;
        };
        self.units.entry(role).or_insert_with(|| handler.unit()).takes(message)
    }
}
