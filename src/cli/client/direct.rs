//! With a database server and a broker a command needs no running gateway: it journals its message and publishes it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use broker::Broker;
use contract::{Message, Raw, Speaker};
use engine::ingress::{Accepted, Ingress, Refused};
use engine::redelivery::RedeliveryRecorder;
use gateway::Receipt;
use settings::{Settings, Usage};
use store::Database;
use tokio_util::sync::CancellationToken;

use super::super::WrongUsage;
use crate::app;

pub(in crate::cli) struct Direct {
    pub(super) store: Arc<dyn Database>,
    pub(super) broker: Arc<dyn Broker>,
    ingress: Ingress,
}

impl Direct {
    pub(super) async fn open(settings: &Settings, store: Arc<dyn Database>) -> Result<Self> {
        settings.must_fit(Usage::Part).map_err(super::super::wrong_usage)?;
        let broker = app::publisher(settings, &*store).await?;
        let (redeliveries, never) = (RedeliveryRecorder::off(), CancellationToken::new());
        let (ingress, run_ingress) =
            Ingress::open(store.clone(), broker.clone(), redeliveries, Duration::ZERO, never);
        // It ends with the command, which waits for each of its answers.
        tokio::spawn(run_ingress);
        Ok(Self { store, broker, ingress })
    }

    pub(super) async fn send(&self, raw: &Raw) -> Result<Receipt> {
        let message = Message::accept(Speaker::Operator, raw, self.store.now().await?);
        let message = message.map_err(|why| WrongUsage(why.to_string()))?;
        let (message_id, order_id) = (message.id.to_string(), message.order_id.map(|id| id.to_string()));
        match self.ingress.accept(message).await {
            Ok(accepted) => Ok(Receipt { message_id, order_id, repeat: accepted == Accepted::Repeat }),
            Err(refused @ Refused::IdReused) => Err(WrongUsage(refused.to_string()).into()),
            Err(refused @ Refused::Unavailable(_)) => Err(refused.into()),
        }
    }
}
