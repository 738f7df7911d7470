//! Counts, for each message of an order, how often it came again without effect and how often it failed and was retried. The
//! story of the order shows it.
//!
//! Counting never delays work: under load some of it is dropped, and a crash loses what was not written yet. Only the
//! journal says what happened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contract::{Message, MessageId, Role};
use store::{RedeliveryCounts, RedeliveryStats};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const WAITING_MAX: usize = 10_000;
/// Rows that one statement writes; the same message is one row.
const BATCH_MAX: usize = 1000;
const EVERY: Duration = Duration::from_millis(500);
/// A failure is recognised by its beginning.
const WHY_CHARS_MAX: usize = 300;

/// Takes the counts. Clones feed the same task.
#[derive(Clone)]
pub struct RedeliveryRecorder(Option<mpsc::Sender<RedeliveryStats>>);

impl RedeliveryRecorder {
    /// Counts nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// The recorder, and the task that writes its counts to the store.
    pub fn recording(
        store: Arc<dyn RedeliveryCounts>,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send) {
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
        // A full channel drops it: work does not wait.
        tell.try_send(stats).ok();
    }
}

async fn keep(
    store: Arc<dyn RedeliveryCounts>,
    mut heard: mpsc::Receiver<RedeliveryStats>,
    stop: CancellationToken,
) {
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
        // What comes meanwhile is written together.
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// In key order, so that two processes cannot deadlock.
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
