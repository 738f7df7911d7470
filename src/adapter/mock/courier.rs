//! An event that was not told at once stays due until somebody says that it was delivered.
//!
//! Whoever brings events (to the queue, or as signed HTTP to a webhook) takes what is due, hands it on safely,
//! and only then calls it delivered: dying in between brings it again, as real providers do.

use std::time::Duration;

use contract::{ProviderEvent, Time};

use super::{MockWorld, failure, lines};
use crate::adapter::Failure;

impl MockWorld {
    /// Up to `limit` events that are due, earliest first. One that is scripted to come three times stands
    /// there three times, on top of the limit. What another courier has in hand is left to him for a while.
    pub async fn due_events(&self, now: Time, limit: usize) -> Result<Vec<ProviderEvent>, Failure> {
        let mut events = Vec::new();
        for line in self.shelf.take_due(now, limit).await.map_err(|error| failure(&error))? {
            events.extend(lines::event(&line).map_err(|error| failure(&error))?);
        }
        Ok(events)
    }

    /// These arrived safely. Ids that are not known or were delivered before change nothing.
    pub async fn delivered(&self, ids: &[&str]) -> Result<(), Failure> {
        self.shelf.delivered(ids).await.map_err(|error| failure(&error))
    }

    /// When the next event is due that was not delivered yet; it may be in the past.
    pub async fn next_due(&self) -> Result<Option<Time>, Failure> {
        Ok(self.shelf.next_due().await.map_err(|error| failure(&error))?.map(Time::from_unix_ms))
    }

    /// Waits until an event is due, at most `at_most`. One that could not be delivered stays due, so the caller
    /// slows down by itself then.
    pub async fn wait_due(&self, at_most: Duration) -> Result<(), Failure> {
        let until = tokio::time::Instant::now() + at_most;
        loop {
            // Listening begins before looking: what is booked in between rings.
            let booked = self.booked.notified();
            tokio::pin!(booked);
            booked.as_mut().enable();
            let left_ms = match self.next_due().await? {
                Some(due) => u64::try_from(due.unix_ms() - self.now().unix_ms()).unwrap_or(0),
                None => u64::MAX,
            };
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if left_ms == 0 || left.is_zero() {
                return Ok(());
            }
            // What another process books does not ring here.
            let nap = left.min(Duration::from_millis(left_ms)).min(self.shelf.look_again_after());
            tokio::select! {
                () = &mut booked => {}
                () = tokio::time::sleep(nap) => {}
            }
        }
    }
}
