//! A message that a batch both sends and handles (by inline dispatch) is never in flight: its journal row keeps it, but
//! not in the column that is searched for messages in flight.

use std::collections::HashSet;

use contract::{MessageId, Queue, Role};

use super::JournalRow;

/// The messages that a batch handles.
pub(super) struct Handles<'a>(HashSet<(Role, &'a MessageId)>);

impl<'a> Handles<'a> {
    pub(super) fn of(journal: &'a [JournalRow]) -> Self {
        Self(journal.iter().map(|row| (row.role, &row.id)).collect())
    }

    /// "queue id" for each message of this row that still has to be handled. No queue name contains a space.
    pub(super) fn leaves(&self, row: &JournalRow) -> impl Iterator<Item = String> {
        row.emitted.iter().flat_map(move |emitted| {
            let id = &emitted.message.id;
            let left = move |queue: &&Queue| !self.0.contains(&(queue.reader(), id));
            emitted.queues.iter().filter(left).map(move |queue| format!("{} {id}", queue.name()))
        })
    }
}
