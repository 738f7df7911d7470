//! What is on its way to the database counts as kept for whoever loads next in this process, so that deciding and
//! writing go side by side. If it does not get there, whoever rested on it starts over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::Need;
use tokio::sync::watch;

use crate::{Loaded, SavedRecord};

/// The records of all batches that wait to be written, or are being written. As many as a few batches have.
#[derive(Clone, Default)]
pub(super) struct Pending(Arc<Mutex<HashMap<Need, Entry>>>);

struct Entry {
    version: i64,
    json: Arc<str>,
    batch: Arc<WriteOutcome>,
}

/// What became of one batch: nothing yet, kept, or not.
#[derive(Default)]
pub(super) struct WriteOutcome(watch::Sender<Option<bool>>);

/// The batches that somebody has read from before they were kept.
pub(super) type DependsOn = Vec<Arc<WriteOutcome>>;

/// Those of a batch's records that somebody may load: nobody loads what only grows.
pub(super) fn loadable(records: &[SavedRecord]) -> Vec<SavedRecord> {
    records.iter().filter(|one| !one.need.table.append_only()).cloned().collect()
}

/// One batch's records. They are taken out when this goes, whatever the reason.
pub(super) struct PendingWrite {
    pending: Pending,
    outcome: Arc<WriteOutcome>,
    kept: bool,
}

impl Pending {
    /// What is found here, and what remains to be looked for in the database.
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

    /// Waits until it is known what became of all of it.
    pub(super) async fn settled(&self) {
        loop {
            let Some(batch) = self.entries().values().next().map(|entry| entry.batch.clone()) else { return };
            batch.kept().await;
            // It takes its entries out right after it has told.
            tokio::task::yield_now().await;
        }
    }

    /// Those that are [`loadable`].
    pub(super) fn add(&self, records: Vec<SavedRecord>) -> PendingWrite {
        let outcome = Arc::<WriteOutcome>::default();
        let mut entries = self.entries();
        for SavedRecord { need, version, json } in records {
            entries.insert(need, Entry { version: version + 1, json, batch: outcome.clone() });
        }
        drop(entries);
        PendingWrite { pending: self.clone(), outcome, kept: false }
    }

    /// Nothing that could panic runs under this lock, so what it guards is whole.
    fn entries(&self) -> MutexGuard<'_, HashMap<Need, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WriteOutcome {
    /// Nobody knows yet.
    pub(super) fn is_open(&self) -> bool {
        self.0.borrow().is_none()
    }

    pub(super) fn failed(&self) -> bool {
        *self.0.borrow() == Some(false)
    }

    /// Waits until it is known.
    pub(super) async fn kept(&self) -> bool {
        let mut told = self.0.subscribe();
        // The sender is here, so somebody will tell.
        told.wait_for(Option::is_some).await.is_ok_and(|outcome| *outcome == Some(true))
    }
}

impl PendingWrite {
    /// It is there.
    pub(super) fn arrived(mut self) {
        self.kept = true;
    }
}

impl Drop for PendingWrite {
    fn drop(&mut self) {
        // First: whoever does not find it here any more must find it in the database, or be told.
        self.outcome.0.send_replace(Some(self.kept));
        self.pending.entries().retain(|_, entry| !Arc::ptr_eq(&entry.batch, &self.outcome));
    }
}
