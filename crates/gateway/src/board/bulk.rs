//! Bulk actions on dead letters: a process runs one at a time, and every open page shows its progress.

use std::sync::{Mutex, PoisonError};

use crate::problem::Problem;

/// At most this many failed letters are listed.
const FAILED_MAX: usize = 20;

/// The running action, or the last one.
#[derive(Default)]
pub(crate) struct BulkActions(Mutex<Option<BulkAction>>);

#[derive(Clone)]
pub(crate) struct BulkAction {
    pub(crate) what: String,
    pub(crate) total: usize,
    pub(crate) done: usize,
    /// The first of those that failed, and why.
    pub(crate) failed: Vec<String>,
    pub(crate) more_failed: usize,
    pub(crate) under_way: bool,
}

impl BulkActions {
    pub(crate) fn begin(&self, what: String, total: usize) -> Result<(), Problem> {
        let mut action = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if action.as_ref().is_some_and(|action| action.under_way) {
            let why = "another group is being worked on; look again when that is done";
            return Err(Problem::conflict("NOT_POSSIBLE", why));
        }
        *action =
            Some(BulkAction { what, total, done: 0, failed: Vec::new(), more_failed: 0, under_way: true });
        Ok(())
    }

    pub(crate) fn step(&self, id: &str, done: anyhow::Result<()>) {
        self.with(|action| match done {
            Ok(()) => action.done += 1,
            Err(why) if action.failed.len() < FAILED_MAX => action.failed.push(format!("{id}: {why:#}")),
            Err(_) => action.more_failed += 1,
        });
    }

    pub(crate) fn end(&self) {
        self.with(|action| action.under_way = false);
    }

    pub(crate) fn current(&self) -> Option<BulkAction> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn with(&self, change: impl FnOnce(&mut BulkAction)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(change);
    }
}
