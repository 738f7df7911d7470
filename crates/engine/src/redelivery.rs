//! What came again and had no effect, and what failed and was tried again: counted for each message of an order, for
//! whoever reads its story.
//!
//! It is told beside the work and never in its way: when much is told at once some of it is dropped, and a crash takes
//! what was not written yet. The journal alone says what happened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contract::{Message, MessageId, Role};
use store::{RedeliveryStats, Store};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const WAITING_MAX: usize = 10_000;
/// One statement writes so many; the same message counts once.
const BATCH_MAX: usize = 1000;
const EVERY: Duration = Duration::from_millis(500);
/// A failure is recognised by its beginning.
const WHY_CHARS_MAX: usize = 300;

/// Where it is told. Clones tell the same.
#[derive(Clone)]
pub struct RedeliveryRecorder(Option<mpsc::Sender<RedeliveryStats>>);

impl RedeliveryRecorder {
    /// For those whose repeats nobody counts.
    pub fn off() -> Self {
        Self(None)
    }

    /// Where to tell it, and the task that writes it down.
    pub fn kept(store: Arc<dyn Store>, stop: CancellationToken) -> (Self, impl Future<Output = ()> + Send) {
        let (tell, heard) = mpsc::channel(WAITING_MAX);
        (Self(Some(tell)), keep(store, heard, stop))
    }

    pub(crate) fn repeated(&self, role: Role, message: &Message) {
        self.tell(role, message, |stats| stats.repeats = 1);
    }

    pub(crate) fn failed(&self, role: Role, message: &Message, why: &str) {
        self.tell(role, message, |stats| {
            stats.failures = 1;
            stats.why = why.chars().take(WHY_CHARS_MAX).collect();
        });
    }

    fn tell(&self, role: Role, message: &Message, what: impl FnOnce(&mut RedeliveryStats)) {
        let (Some(tell), Some(order_id)) = (&self.0, message.order_id) else { return };
        let id = message.id.clone();
        let mut stats = RedeliveryStats { role, id, order_id, repeats: 0, failures: 0, why: String::new() };
        what(&mut stats);
        // Whoever works does not wait for it.
        tell.try_send(stats).ok();
    }
}

async fn keep(store: Arc<dyn Store>, mut heard: mpsc::Receiver<RedeliveryStats>, stop: CancellationToken) {
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            biased;
            count = heard.recv_many(&mut batch, BATCH_MAX) => if count == 0 { return },
            () = stop.cancelled() => return,
        }
        if let Err(why) = store.add_redelivery_stats(&together(std::mem::take(&mut batch))).await {
            tracing::debug!("repeats are not counted: {why}");
        }
        // What comes meanwhile goes together.
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// In key order, so that two processes do not wait for each other.
fn together(all: Vec<RedeliveryStats>) -> Vec<RedeliveryStats> {
    let mut sums: BTreeMap<(Role, MessageId), RedeliveryStats> = BTreeMap::new();
    for stats in all {
        match sums.get_mut(&(stats.role, stats.id.clone())) {
            None => drop(sums.insert((stats.role, stats.id.clone()), stats)),
            Some(sum) => {
                sum.repeats += stats.repeats;
                sum.failures += stats.failures;
                if !stats.why.is_empty() {
                    sum.why = stats.why;
                }
            }
        }
    }
    sums.into_values().collect()
}
