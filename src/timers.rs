//! Publishes what has come due. It changes nothing else: whoever handles the message removes the deadline.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::broker::Broker;
use crate::metrics::METRICS;
use crate::retry::Delays;
use crate::store::{Error, Said, Store};

/// A deadline that nobody handled for this long is published again.
const AGAIN_AFTER_S: u64 = 30;
const BATCH_MAX: usize = 500;

/// How late a deadline may be noticed.
const EVERY: Duration = Duration::from_millis(200);

pub async fn run(store: Arc<dyn Store>, broker: Arc<dyn Broker>, stop: CancellationToken) {
    let mut delays = Delays::new();
    loop {
        let pause = match publish_due(&*store, &*broker).await {
            Ok(count) if count == BATCH_MAX => continue,
            Ok(_) => {
                delays = Delays::new();
                EVERY
            }
            Err(why) => {
                tracing::warn!("deadlines wait: {why}");
                delays.next_delay()
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One round; returns how many came due.
pub async fn publish_due(store: &dyn Store, broker: &dyn Broker) -> Result<usize, Error> {
    let due = store.due_deadlines(BATCH_MAX, AGAIN_AFTER_S).await?;
    let said: Vec<_> = due
        .into_iter()
        .map(|message| Said { queues: message.body.queues().to_vec(), message: Arc::new(message) })
        .collect();
    broker.publish(&said).await.map_err(|away| Error::Unavailable(away.to_string()))?;
    METRICS.deadlines(said.len());
    Ok(said.len())
}
