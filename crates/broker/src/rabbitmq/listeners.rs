//! Which facts have a listener outside, as far as one connection has found out.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lapin::Channel;

/// How long a listener that was found counts as present: meanwhile the other facts of its name need not wait for an
/// answer. An absent listener is not remembered: a listener may come at any moment.
const REMEMBERED_FOR: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Listeners {
    /// The channel for asking whether a fact has a listener, used by one batch at a time: a returned fact is
    /// recognised only by its name. `None` before the first such fact, and after one whose answer was not awaited.
    pub(super) asking: tokio::sync::Mutex<Option<Channel>>,
    /// When a name was last found to have a listener.
    found: Mutex<HashMap<&'static str, Instant>>,
}

impl Listeners {
    pub(super) fn known(&self) -> HashSet<&'static str> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.retain(|_, when| when.elapsed() < REMEMBERED_FOR);
        found.keys().copied().collect()
    }

    pub(super) fn found(&self, names: impl Iterator<Item = &'static str>) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.extend(names.map(|name| (name, Instant::now())));
    }
}
