//! Delivers the mock provider's events to the shop: through the ingress, or by posting them to its webhook.

mod post;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use contract::{Body, Message, MessageId, Speaker};
use tokio_util::sync::CancellationToken;

use adapters::mock::MockWorld;
use engine::ingress::{Ingress, Refused};
use post::Poster;
use settings::{Settings, WebhookUrl};

const EVENTS_AT_ONCE: usize = 500;
/// An event that another process booked is noticed this late at most.
const EVERY: Duration = Duration::from_millis(250);

/// How the events are delivered.
pub(super) enum Way {
    Ingress(Ingress),
    Webhook(Box<Poster>),
}

impl Way {
    pub(super) fn of(settings: &Settings, ingress: &Ingress) -> Self {
        match &settings.provider_webhook_url {
            WebhookUrl::Nowhere => Way::Ingress(ingress.clone()),
            WebhookUrl::At(url) => Way::Webhook(Box::new(Poster::new(url.clone(), settings))),
        }
    }

    async fn bring_due(&mut self, world: &MockWorld) -> Result<()> {
        match self {
            Way::Ingress(ingress) => carry_in(world, ingress).await,
            Way::Webhook(poster) => poster.post_due(world).await,
        }
    }
}

pub(super) async fn bring_events(world: Arc<MockWorld>, mut way: Way, stop: CancellationToken) {
    loop {
        let due = tokio::select! {
            () = stop.cancelled() => return,
            due = world.wait_due(EVERY) => due,
        };
        let brought = match due {
            Ok(()) => way.bring_due(&world).await,
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

async fn carry_in(world: &MockWorld, ingress: &Ingress) -> Result<()> {
    let now = world.now();
    let events = world.due_events(now, EVENTS_AT_ONCE).await?;
    let brought = events.into_iter().map(|event| async move {
        let id = MessageId::new(&event.id).context("the provider's event has no usable id")?;
        let name = event.id.clone();
        // A reused id is the provider's mistake and is logged once; a retry would not correct it. The event comes
        // from the books themselves, so they need not be told of it.
        let message = Message::new(id, now, Body::ProviderEvent(event)).said_by(Speaker::Timers);
        match ingress.bring(message).await {
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
