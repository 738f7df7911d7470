//! Gives a broker back what it lost: all that was said and never handled, by the journal, straight to its queues.
//!
//! It changes no record, and ids make repeats harmless, so that it may run twice, and beside a running system.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use contract::Message;

use crate::broker::Broker;
use crate::retry::Delays;
use crate::store::{Said, Store};

/// Published and confirmed together.
const BATCH_MAX: usize = 500;
/// A broker that takes nothing for so long is not there to be refilled.
const TRIES_MAX: u32 = 12;

/// What was said before `age` ago and is not handled yet. What is younger is most likely on its way.
pub async fn missing(store: &dyn Store, age: Duration) -> Result<Vec<Said>> {
    let before = store.now().await?.unix_ms() - i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    let old = |message: &Message| message.at.unix_ms() <= before;
    let in_flight = store.in_flight().await?.into_iter().filter(|(_, message)| old(message));
    Ok(in_flight.map(|(queue, message)| Said { message: Arc::new(message), queues: vec![queue] }).collect())
}

/// Publishes all of it, in the order in which it was said; `done` hears how many have arrived.
pub async fn publish(broker: &dyn Broker, missing: &[Said], mut done: impl FnMut(usize)) -> Result<()> {
    for batch in missing.chunks(BATCH_MAX) {
        let (mut delays, mut tries) = (Delays::new(), 0);
        while let Err(away) = broker.publish(batch).await {
            tries += 1;
            anyhow::ensure!(tries < TRIES_MAX, "{away}; what was published so far stays, run it again later");
            tokio::time::sleep(delays.next_delay()).await;
        }
        done(batch.len());
    }
    Ok(())
}
