//! What a batch says and handles itself is never in flight: it stands in the journal, and nowhere that is searched for
//! what is.

use std::collections::HashSet;

use contract::{MessageId, Queue, Role};

use super::JournalRow;

/// The messages that a batch handles.
pub(super) struct Handles<'a>(HashSet<(Role, &'a MessageId)>);

impl<'a> Handles<'a> {
    pub(super) fn of(journal: &'a [JournalRow]) -> Self {
        Self(journal.iter().map(|row| (row.role, &row.id)).collect())
    }

    /// "queue id" for each message of this row that is still to be handled. No queue's name has a space in it.
    pub(super) fn leaves(&self, row: &JournalRow) -> impl Iterator<Item = String> {
        row.said.iter().flat_map(move |said| {
            let id = &said.message.id;
            let left = move |queue: &&Queue| !self.0.contains(&(queue.reader(), id));
            said.queues.iter().filter(left).map(move |queue| format!("{} {id}", queue.name()))
        })
    }
}
