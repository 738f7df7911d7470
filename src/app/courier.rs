//! Brings the mock provider's events in by the door, as its webhook would.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use contract::{Body, Message, MessageId};
use tokio_util::sync::CancellationToken;

use crate::adapter::mock::MockWorld;
use crate::door::{Door, Refused};

const EVENTS_AT_ONCE: usize = 500;
/// An event that another process booked is noticed this late at most.
const EVERY: Duration = Duration::from_millis(250);

pub(super) async fn bring_events(world: Arc<MockWorld>, door: Door, stop: CancellationToken) {
    loop {
        let due = tokio::select! {
            () = stop.cancelled() => return,
            due = world.wait_due(EVERY) => due,
        };
        let brought = match due {
            Ok(()) => bring_due(&world, &door).await,
            Err(why) => Err(why.into()),
        };
        if let Err(why) = brought {
            tracing::warn!("the provider's events wait: {why:#}");
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    }
}

async fn bring_due(world: &MockWorld, door: &Door) -> Result<()> {
    let now = world.now();
    let events = world.due_events(now, EVENTS_AT_ONCE).await?;
    let brought = events.into_iter().map(|event| async move {
        let id = MessageId::new(&event.id).context("the provider's event has no usable id")?;
        let name = event.id.clone();
        // A reused id is the provider's mistake and is said once; trying again would not mend it.
        match door.accept(Message::new(id, now, Body::ProviderEvent(event))).await {
            Ok(_) => Ok(name),
            Err(Refused::IdReused) => {
                tracing::error!(event = name, "the provider used an event id twice");
                Ok(name)
            }
            Err(refused) => Err(anyhow::Error::from(refused)),
        }
    });
    let ids: Vec<String> = futures_util::future::try_join_all(brought).await?;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    if !ids.is_empty() {
        world.delivered(&ids).await?;
    }
    Ok(())
}
