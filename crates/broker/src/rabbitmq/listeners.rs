//! Which facts have a listener outside, as far as one connection has found out.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lapin::Channel;

/// A listener that was there counts as being there for so long: then the other facts of its name need not wait for an
/// answer. The opposite would not do: a listener may come at any moment.
const STAYS: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Listeners {
    /// Where the broker is asked, by one batch at a time: what comes back is known by its name alone. Empty until the
    /// first question, and after one whose answer was not awaited.
    pub(super) asking: tokio::sync::Mutex<Option<Channel>>,
    /// When a name was found to have a listener.
    found: Mutex<HashMap<&'static str, Instant>>,
}

impl Listeners {
    pub(super) fn known(&self) -> HashSet<&'static str> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.retain(|_, when| when.elapsed() < STAYS);
        found.keys().copied().collect()
    }

    pub(super) fn found(&self, names: impl Iterator<Item = &'static str>) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.extend(names.map(|name| (name, Instant::now())));
    }
}
