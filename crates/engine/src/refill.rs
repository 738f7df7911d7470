//! Gives a broker back what it lost: the journal names all messages that were emitted and never handled, and they are
//! published straight to their queues. What a row emits that its role may not say is left out.
//!
//! It changes no record, and ids make repeats harmless, so that it may run twice, and beside a running system.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use broker::Broker;
use retry::Delays;
use store::{Emitted, InFlight, Outbox};

/// Published and confirmed together.
const BATCH_MAX: usize = 500;
/// A broker that accepts nothing for this long cannot be refilled.
const TRIES_MAX: u32 = 12;

/// What is to be published, and how much is not believed.
#[derive(Debug, Default)]
pub struct Missing {
    pub emitted: Vec<Emitted>,
    /// Messages that stand in rows whose role may not say them.
    pub not_theirs: usize,
    pub unreadable: usize,
}

/// What was emitted longer than `age` ago and is not handled yet. What is younger is most likely on its way.
pub async fn missing(store: &dyn Outbox, age: Duration) -> Result<Missing> {
    let before = store.now().await?.unix_ms() - i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    let mut missing = Missing::default();
    for found in store.in_flight().await? {
        match found {
            Err(why) => {
                tracing::error!("{why}; what it said is not published");
                missing.unreadable += 1;
            }
            Ok(flying) if !flying.is_believed() => {
                let InFlight { role, message, .. } = flying;
                tracing::error!(%role, by = %message.by, name = message.name(), message_id = %message.id,
                    "a row of the journal says what its role may not, and is not published");
                missing.not_theirs += 1;
            }
            Ok(InFlight { queue, message, .. }) if message.at.unix_ms() <= before => {
                missing.emitted.push(Emitted { message: Arc::new(message), queues: vec![queue] });
            }
            Ok(_) => {}
        }
    }
    Ok(missing)
}

/// Publishes all of it, in the order in which it was emitted; `done` is called with how many have arrived.
pub async fn publish(broker: &dyn Broker, missing: &[Emitted], mut done: impl FnMut(usize)) -> Result<()> {
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
