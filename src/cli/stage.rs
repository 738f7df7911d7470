//! Demonstrations and load run on a system of their own, which is removed afterwards: no real shop is disturbed.
//!
//! On a file that is a folder; on servers it is a schema and a prefix that no other system has.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Result};
use broker::rabbitmq;
use gateway::auth;
use settings::{AmqpUrl, DatabaseUrl, Listen, Prefix, Secret, Settings, Usage, WebhookUrl};
use store::postgres::PostgresStore;

use crate::app;

pub(super) struct Stage {
    pub(super) settings: Settings,
    folder: Option<PathBuf>,
    schema: Option<(Secret, String)>,
}

impl Stage {
    pub(super) async fn set(settings: Settings, purpose: &str) -> Result<Self> {
        settings.must_fit(Usage::Whole).map_err(super::wrong_usage)?;
        let name = format!("checkout_{purpose}_{}", uuid::Uuid::now_v7().simple());
        tracing::info!("a stage of its own is set: {name}");
        let mut stage = Self { settings, folder: None, schema: None };
        (stage.settings.listen, stage.settings.ops_listen) = (Listen::Nowhere, Listen::Nowhere);
        // The configured shop would hear of orders that are not its own.
        stage.settings.provider_webhook_url = WebhookUrl::Nowhere;
        stage.settings.prefix = Prefix::try_from(name.clone()).map_err(anyhow::Error::msg)?;
        stage.settings.database_url = match &stage.settings.database_url {
            DatabaseUrl::Sqlite(_) => {
                let folder = std::env::temp_dir().join(name);
                std::fs::create_dir_all(&folder)
                    .with_context(|| format!("cannot make {}", folder.display()))?;
                let database = folder.join("checkout.db");
                stage.folder = Some(folder);
                DatabaseUrl::Sqlite(database)
            }
            DatabaseUrl::Postgres(url) => {
                PostgresStore::make_schema(url.reveal(), &name)
                    .await
                    .with_context(|| format!("cannot make a schema of its own in {url}"))?;
                let separator = if url.reveal().contains('?') { '&' } else { '?' };
                let own = format!("{}{separator}options[search_path]={name}", url.reveal());
                stage.schema = Some((url.clone(), name));
                DatabaseUrl::Postgres(Secret::new(own))
            }
        };
        Ok(stage)
    }

    /// Without rate limits, for a client on this machine.
    pub(super) fn opens_for_one(&mut self) {
        let settings = auth::with_key(self.settings.clone());
        let listen = Listen::At(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let (rate_per_customer, rate_per_address, connections_per_address) = (0, 0, 0);
        self.settings =
            Settings { listen, rate_per_customer, rate_per_address, connections_per_address, ..settings };
    }

    /// Removes it, whatever happened.
    pub(super) async fn strike(self) -> Result<()> {
        if let Some(folder) = self.folder {
            std::fs::remove_dir_all(folder).ok();
        }
        if let (AmqpUrl::At(_), Some(options)) =
            (&self.settings.amqp_url, app::rabbit_options(&self.settings, "cleans up"))
        {
            rabbitmq::remove(&options).await?;
        }
        if let Some((url, name)) = self.schema {
            PostgresStore::drop_schema(url.reveal(), &name).await?;
        }
        Ok(())
    }
}
