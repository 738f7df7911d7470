//! An event that was not told at once stays due until the courier reports it delivered.
//!
//! A courier (to the queue, or as signed HTTP to a webhook) takes what is due, hands it on safely, and only then
//! reports it delivered: if it dies in between, the event comes again, as with real providers.

use std::time::Duration;

use contract::{ProviderEvent, Time};

use super::draw::Draw;
use super::parcel::{Parcel, Refused};
use super::{MockWorld, failure, lines};
use crate::Failure;

/// Waits are longer by up to a tenth, so that what failed together is not retried together.
const JITTER: u64 = 10;

impl MockWorld {
    /// Up to `limit` events that are due, earliest first. Events that another courier has taken are left to it for a
    /// while.
    pub async fn due_parcels(&self, now: Time, limit: usize) -> Result<Vec<Parcel>, Failure> {
        let lines = self.storage.take_due(now, limit).await.map_err(|error| failure(&error))?;
        lines.iter().map(|line| lines::parcel(line).map_err(|error| failure(&error))).collect()
    }

    /// The same, each event as often as it is to be delivered; the copies do not count against the limit.
    pub async fn due_events(&self, now: Time, limit: usize) -> Result<Vec<ProviderEvent>, Failure> {
        let parcels = self.due_parcels(now, limit).await?.into_iter();
        Ok(parcels.flat_map(|parcel| std::iter::repeat_n(parcel.event, parcel.copies as usize)).collect())
    }

    /// Posting failed; the event is due again after about `wait_s`, or never. Returns when.
    pub async fn refused(
        &self,
        parcel: &Parcel,
        answer: &str,
        wait_s: Option<u64>,
    ) -> Result<Option<Time>, Failure> {
        let (id, now) = (&parcel.event.id, self.now());
        let again = wait_s.map(|wait_s| {
            let wait_ms = wait_s.saturating_mul(1000);
            let mut draw = Draw::of(self.settings.seed, &format!("{id}/{}", parcel.tries));
            now.plus_ms(wait_ms.saturating_add(draw.between(0, wait_ms / JITTER)))
        });
        self.storage.refused(id, answer, now, again).await.map_err(|error| failure(&error))?;
        Ok(again)
    }

    /// Events whose posting failed and that wait for a retry or were given up, by id, from just after the id `after`.
    pub async fn refused_page(&self, after: &str, limit: usize) -> Result<Vec<Refused>, Failure> {
        let page = self.storage.refused_page(after, i64::try_from(limit).unwrap_or(i64::MAX)).await;
        let page = page.map_err(|error| failure(&error))?.into_iter().map(lines::refused);
        page.collect::<Result<_, _>>().map_err(|error| failure(&error))
    }

    /// These were delivered. Ids that are unknown or were delivered before change nothing.
    pub async fn delivered(&self, ids: &[&str]) -> Result<(), Failure> {
        self.storage.delivered(ids).await.map_err(|error| failure(&error))
    }

    /// When the next undelivered event is due; it may be in the past.
    pub async fn next_due(&self) -> Result<Option<Time>, Failure> {
        Ok(self.storage.next_due().await.map_err(|error| failure(&error))?.map(Time::from_unix_ms))
    }

    /// Waits until an event is due, at most `at_most`. An event that cannot be delivered stays due, so the caller
    /// must slow down by itself then.
    pub async fn wait_due(&self, at_most: Duration) -> Result<(), Failure> {
        let until = tokio::time::Instant::now() + at_most;
        loop {
            // Registered before the check, so that an event that is booked in between wakes this task.
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
            // This process is not notified of events that another process books.
            let nap = left.min(Duration::from_millis(left_ms)).min(self.storage.look_again_after());
            tokio::select! {
                () = &mut booked => {}
                () = tokio::time::sleep(nap) => {}
            }
        }
    }
}
