//! Databases and brokers that do not go together are refused, with the reason, before anything is opened.

use anyhow::{Result, bail};
use webhook::standard;

use super::{AmqpUrl, DatabaseUrl, Listen, Settings, WebhookUrl};

/// What a command is about to do with the settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Usage {
    /// Every role, in this process.
    Whole,
    /// Some of the roles; others run elsewhere.
    Part,
    /// Reads the database, or sends a message to a running system.
    Beside,
}

impl Settings {
    /// `Ok` when this database and this broker make a system for that usage.
    pub fn must_fit(&self, usage: Usage) -> Result<()> {
        let works = usage != Usage::Beside;
        if works && self.provider_webhook_url != WebhookUrl::Nowhere && self.webhook_secret.is_empty() {
            bail!(
                "provider_webhook_url is set and webhook_secret is not: no receiver could verify what is posted there. \
                 Give both ends the same one: CHECKOUT_WEBHOOK_SECRET=whsec_$(head -c 32 /dev/urandom | base64)"
            );
        }
        match (usage, &self.database_url, &self.amqp_url) {
            (Usage::Whole, DatabaseUrl::Sqlite(_), AmqpUrl::Embedded | AmqpUrl::At(_)) => Ok(()),
            (Usage::Whole | Usage::Part, DatabaseUrl::Postgres(_), AmqpUrl::At(_)) => Ok(()),
            (Usage::Whole | Usage::Part, DatabaseUrl::Postgres(_), AmqpUrl::Embedded) => bail!(
                "database_url is a Postgres server and amqp_url is not set: the queues would be in this process, \
                 where no other one and no command can reach them. Give --amqp-url as well, or keep everything \
                 in one process and one file with --database-url sqlite:data/checkout.db"
            ),
            (Usage::Part, DatabaseUrl::Sqlite(_), AmqpUrl::Embedded | AmqpUrl::At(_)) => bail!(
                "a single role needs a database and a broker that other processes can reach; a SQLite file \
                 belongs to one process. Give --database-url postgres://… and --amqp-url amqp://…, or run \
                 every role in this process with `checkout all`"
            ),
            // A system on a file is asked over its listener, so that its broker does not matter.
            (Usage::Beside, DatabaseUrl::Sqlite(_) | DatabaseUrl::Postgres(_), _) => Ok(()),
        }
    }

    /// Random secrets, for a system in one process, which shares them with no other.
    #[must_use]
    pub fn with_secrets_made_up(mut self) -> Self {
        if self.webhook_secret.is_empty() {
            self.webhook_secret = standard::Secrets::made_up();
        }
        self
    }

    /// For a process whose only purpose is to be reached.
    pub fn must_listen(&self) -> Result<()> {
        match self.listen {
            Listen::At(_) => Ok(()),
            Listen::Nowhere => bail!("the gateway needs an address; give --listen 127.0.0.1:8080"),
        }
    }
}
