//! An event that was not told at once stays due until somebody says that it was delivered.
//!
//! Whoever brings events (to the queue, or as signed HTTP to a webhook) takes what is due, hands it on safely,
//! and only then calls it delivered: dying in between brings it again, as real providers do.

use std::time::Duration;

use contract::{ProviderEvent, Time};
use sqlx::Row;

use super::{MockWorld, json, unavailable, unreadable};
use crate::adapter::Failure;

impl MockWorld {
    /// Up to `limit` events that are due, earliest first. One that is scripted to come three times stands
    /// there three times, on top of the limit.
    pub async fn due_events(&self, now: Time, limit: usize) -> Result<Vec<ProviderEvent>, Failure> {
        let due = sqlx::query(
            "select copies, body from events where delivered = 0 and due_ms <= ?1 order by due_ms, id limit ?2",
        )
        .bind(now.unix_ms())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let mut events = Vec::new();
        for row in due.fetch_all(&self.reader).await.map_err(unavailable)? {
            let copies: u32 = row.try_get("copies").map_err(unavailable)?;
            let body: &str = row.try_get("body").map_err(unavailable)?;
            let event: ProviderEvent =
                serde_json::from_str(body).map_err(|_| unavailable(unreadable("event")))?;
            events.extend(std::iter::repeat_n(event, copies as usize));
        }
        Ok(events)
    }

    /// These arrived safely. Ids that are not known or were delivered before change nothing.
    pub async fn delivered(&self, ids: &[&str]) -> Result<(), Failure> {
        let ids = json(&ids).map_err(unavailable)?;
        sqlx::query("update events set delivered = 1 where id in (select value from json_each(?1))")
            .bind(ids)
            .execute(&self.writer)
            .await
            .map_err(unavailable)?;
        Ok(())
    }

    /// When the next event is due that was not delivered yet; it may be in the past.
    pub async fn next_due(&self) -> Result<Option<Time>, Failure> {
        let due: Option<i64> = sqlx::query_scalar("select min(due_ms) from events where delivered = 0")
            .fetch_one(&self.reader)
            .await
            .map_err(unavailable)?;
        Ok(due.map(Time::from_unix_ms))
    }

    /// Waits until an event is due, at most `at_most`. One that could not be delivered stays due, so the caller
    /// slows down by itself then. An event that another process books is noticed only at the end of `at_most`.
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
            tokio::select! {
                () = &mut booked => {}
                () = tokio::time::sleep(left.min(Duration::from_millis(left_ms))) => {}
            }
        }
    }
}
