//! Records that are still being written count as committed for the next batch that this process loads, so that deciding
//! and writing overlap. If they are not committed just so, every batch that has read one of them starts over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::Need;
use tokio::sync::watch;

use crate::{Loaded, SavedRecord};

/// The records of all batches that wait to be written or are being written: those of a few batches.
#[derive(Clone, Default)]
pub(super) struct Pending(Arc<Mutex<HashMap<Need, Entry>>>);

struct Entry {
    version: i64,
    json: Arc<str>,
    batch: Arc<WriteOutcome>,
}

/// The outcome of writing one batch: `None` while it is open, then whether its records were committed as they are here.
#[derive(Default)]
pub(super) struct WriteOutcome(watch::Sender<Option<bool>>);

/// The uncommitted batches whose records a transaction has read.
pub(super) type DependsOn = Vec<Arc<WriteOutcome>>;

/// The records of a batch that another batch may load. Records of append-only tables are never loaded.
pub(super) fn loadable(records: &[SavedRecord]) -> Vec<SavedRecord> {
    records.iter().filter(|one| !one.need.table.append_only()).cloned().collect()
}

/// One batch's records in [`Pending`]. Dropping it removes them and publishes the outcome.
pub(super) struct PendingWrite {
    pending: Pending,
    outcome: Arc<WriteOutcome>,
    kept: bool,
}

impl Pending {
    /// The records found here, and the needs that remain to be loaded from the database.
    pub(super) fn find<'a>(
        &self,
        needs: impl IntoIterator<Item = &'a Need>,
        depends_on: &mut DependsOn,
    ) -> (Vec<Loaded>, Vec<&'a Need>) {
        let entries = self.entries();
        let mut found = Vec::new();
        let mut rest = Vec::new();
        for need in needs {
            let Some(Entry { version, json, batch }) = entries.get(need) else {
                rest.push(need);
                continue;
            };
            found.push(Loaded { need: need.clone(), version: *version, json: json.clone() });
            if !depends_on.iter().any(|known| Arc::ptr_eq(known, batch)) {
                depends_on.push(batch.clone());
            }
        }
        (found, rest)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }

    /// Waits until the outcome of every pending batch is known.
    pub(super) async fn all_written(&self) {
        loop {
            let Some(batch) = self.entries().values().next().map(|entry| entry.batch.clone()) else { return };
            batch.kept().await;
            // The batch publishes its outcome first and removes its entries right after that.
            tokio::task::yield_now().await;
        }
    }

    /// Adds one batch's records: only those that are [`loadable`].
    pub(super) fn add(&self, records: Vec<SavedRecord>) -> PendingWrite {
        let outcome = Arc::<WriteOutcome>::default();
        let mut entries = self.entries();
        for SavedRecord { need, version, json } in records {
            entries.insert(need, Entry { version: version + 1, json, batch: outcome.clone() });
        }
        drop(entries);
        PendingWrite { pending: self.clone(), outcome, kept: false }
    }

    /// Nothing that could panic runs under this lock, so a poisoned one still guards consistent entries.
    fn entries(&self) -> MutexGuard<'_, HashMap<Need, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WriteOutcome {
    /// The outcome is not known yet.
    pub(super) fn is_open(&self) -> bool {
        self.0.borrow().is_none()
    }

    pub(super) fn failed(&self) -> bool {
        *self.0.borrow() == Some(false)
    }

    /// Waits for the outcome: whether the records were committed as they are here.
    pub(super) async fn kept(&self) -> bool {
        let mut outcome = self.0.subscribe();
        // We hold the sender, so the channel cannot close before the outcome is known.
        outcome.wait_for(Option::is_some).await.is_ok_and(|outcome| *outcome == Some(true))
    }
}

impl PendingWrite {
    /// The records were committed as they are here.
    pub(super) fn arrived(mut self) {
        self.kept = true;
    }
}

impl Drop for PendingWrite {
    fn drop(&mut self) {
        // Before the removal: a batch that no longer finds a record here must find it in the database, and a batch
        // that has read it here must learn of a failure.
        self.outcome.0.send_replace(Some(self.kept));
        self.pending.entries().retain(|_, entry| !Arc::ptr_eq(&entry.batch, &self.outcome));
    }
}
