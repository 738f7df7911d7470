//! The ways in which an order comes to us.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use broker::rabbitmq::Outsider;
use contract::{KeySecret, Message, OrderId, Raw, Speaker};
use engine::ingress::{Ingress, Refused};
use gateway::auth;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::{Value, json};
use settings::{AmqpUrl, Settings};
use store::Database;
use uuid::Uuid;

use crate::app::{System, rabbit_options};

#[derive(Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    /// Journalled by this process, without a request
    #[default]
    Ingress,
    /// `POST /orders` of a gateway, which refuses when it is overloaded
    Http,
    /// Published to RabbitMQ, as a shop does
    Amqp,
}

/// One message of a customer.
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) order_id: OrderId,
    pub(super) key: Uuid,
    pub(super) body: Value,
}

pub(super) const SUBMIT: &str = "checkout.submit";

impl Command {
    fn naming_its_order(&self) -> String {
        let mut body = self.body.clone();
        body["order_id"] = json!(self.order_id);
        body.to_string()
    }
}

/// What the ingress did with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Admission {
    In,
    /// Told to come again later.
    TurnedAway,
}

pub(super) enum Way {
    Ingress(Ingress, Arc<dyn Database>),
    Http(Http),
    Amqp(Box<Outsider>),
}

impl Way {
    pub(super) async fn open(entry: Entry, system: &System, settings: &Settings) -> Result<Self> {
        Ok(match entry {
            Entry::Ingress => Way::Ingress(system.ingress.clone(), system.store.clone()),
            Entry::Http => Way::Http(Http::open(system, settings).await?),
            Entry::Amqp => {
                let options =
                    rabbit_options(settings, "orders").context("--entry amqp needs an --amqp-url")?;
                Way::Amqp(Box::new(Outsider::connect(&options).await?))
            }
        })
    }

    /// The order that is placed with this key: an HTTP request names none, like a shop's front end.
    pub(super) fn order_of(&self, key: Uuid) -> OrderId {
        match self {
            Way::Ingress(..) | Way::Amqp(_) => OrderId::new(key),
            Way::Http(http) => OrderId::of_key(&http.keys, CUSTOMER, &key.to_string()),
        }
    }

    pub(super) async fn bring(&self, command: Command) -> Result<Admission> {
        match self {
            Way::Ingress(ingress, store) => {
                let body = command.naming_its_order().into_bytes();
                let raw = Raw { message_id: None, name: command.name.into(), body, ..Raw::default() };
                let message = Message::accept(Speaker::Operator, &raw, store.now().await?);
                let message = message.map_err(|why| anyhow::anyhow!("{why}"))?;
                match ingress.bring(message).await {
                    Ok(_) => Ok(Admission::In),
                    Err(Refused::Unavailable(why)) => {
                        tracing::debug!("a message was not let in: {why}");
                        Ok(Admission::TurnedAway)
                    }
                    Err(why @ Refused::IdReused) => bail!("{why}"),
                }
            }
            Way::Http(http) => http.post(command).await,
            Way::Amqp(outsider) => {
                let id = format!("{}-{}", command.name, command.order_id);
                outsider.say(command.name, &id, command.naming_its_order()).await?;
                Ok(Admission::In)
            }
        }
    }

    pub(super) async fn close(&self) {
        if let Way::Amqp(outsider) = self {
            outsider.close().await;
        }
    }
}

/// `--entry amqp` needs a broker.
pub(super) fn must_fit(entry: Entry, settings: &Settings) -> Result<(), String> {
    match (entry, &settings.amqp_url) {
        (Entry::Amqp, AmqpUrl::Embedded) => {
            Err("--entry amqp needs a RabbitMQ: name one with --amqp-url, and a Postgres with --database-url"
                .into())
        }
        (Entry::Ingress | Entry::Http | Entry::Amqp, _) => Ok(()),
    }
}

/// A customer's application, on connections that stay open.
pub(super) struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    bearer: String,
    keys: KeySecret,
}

/// A connection that was idle for longer is not used again: the gateway closes it soon after.
const IDLE_FOR: Duration = Duration::from_secs(5);

/// All orders of a load that come over HTTP are this customer's.
const CUSTOMER: &str = "load";

impl Http {
    async fn open(system: &System, settings: &Settings) -> Result<Self> {
        let keys = system.store.key_secret().await?;
        let address = system.address().context("nothing listens")?;
        let (token, _) = auth::tokens(settings, CUSTOMER).context("no secret of ours signs tokens")?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_FOR)
            .build(connector);
        Ok(Self { client, url: format!("http://{address}"), bearer: format!("Bearer {token}"), keys })
    }

    async fn post(&self, command: Command) -> Result<Admission> {
        let Command { name, order_id, key, body } = command;
        let (path, key) = match name {
            SUBMIT => ("/orders".to_string(), key.to_string()),
            _ => (format!("/orders/{order_id}/cancel"), format!("{name}-{key}")),
        };
        let request = Request::post(format!("{}{path}", self.url))
            .header("authorization", &self.bearer)
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(Full::new(Bytes::from(body.to_string())))?;
        let response = self.client.request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        match status {
            _ if status.is_success() => Ok(Admission::In),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Ok(Admission::TurnedAway),
            _ => bail!("{path} answers {status}: {}", String::from_utf8_lossy(&answer)),
        }
    }
}
