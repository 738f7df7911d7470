//! A part of a real RabbitMQ for one test: everything in it has one prefix, and is deleted at the end.

use std::process::Command;
use std::sync::Arc;

use broker::rabbitmq::topology::{Names, topology};
use broker::rabbitmq::{Options, RabbitBroker};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use super::PATIENCE;

/// The command line of `rabbitmqctl` for the broker's node.
pub(crate) fn ctl_words() -> Vec<String> {
    let words = std::env::var("CHECKOUT_TEST_RABBITMQCTL").unwrap_or_else(|_| "rabbitmqctl".into());
    words.split_whitespace().map(String::from).collect()
}

pub(crate) fn ctl() -> Command {
    let words = ctl_words();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg("-q");
    command
}

/// The broker's URL: a local one as the packages install it, unless the environment names another.
pub(crate) fn url() -> String {
    std::env::var("CHECKOUT_TEST_AMQP_URL")
        .unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".to_string())
}

pub(crate) struct Namespace {
    prefix: String,
    url: String,
}

impl Namespace {
    /// Fails, and says what to do, when there is no broker.
    pub(crate) async fn new() -> Self {
        drop(connect(&url()).await);
        Self { prefix: format!("test.{}", uuid::Uuid::new_v4().simple()), url: url() }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn names(&self) -> Names {
        Names::new(&self.prefix).unwrap()
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            url: self.url.clone(),
            prefix: self.prefix.clone(),
            connection_name: "a test of checkout".into(),
            batch_max: 256,
            consume: Vec::new(),
            logins: None,
        }
    }

    /// Connected, with its topology declared.
    pub(crate) async fn broker(&self) -> Arc<RabbitBroker> {
        self.broker_with(self.options()).await
    }

    pub(crate) async fn broker_with(&self, options: Options) -> Arc<RabbitBroker> {
        let broker = RabbitBroker::connect(options).unwrap();
        tokio::time::timeout(PATIENCE, broker.up()).await.expect("it does not connect");
        broker
    }

    /// In a virtual host of its own, which is deleted with everything in it.
    pub(crate) fn within(prefix: String, url: String) -> Self {
        Self { prefix, url }
    }

    /// A client that knows nothing of our program and speaks AMQP.
    pub(crate) async fn outsider(&self) -> Outsider {
        self.outsider_at(&self.url).await
    }

    /// The same, by another URL.
    pub(crate) async fn outsider_at(&self, url: &str) -> Outsider {
        let connection = connect(url).await;
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        Outsider { connection, channel, names: self.names() }
    }
}

pub(crate) struct Outsider {
    connection: Connection,
    pub(crate) channel: Channel,
    names: Names,
}

impl Outsider {
    /// As most clients would: to the exchange for commands, without watching what becomes of it.
    pub(crate) async fn sends(&self, key: &str, properties: BasicProperties, body: &[u8]) {
        self.publishes(&self.names.commands(), key, properties, body).await;
    }

    pub(crate) async fn publishes(
        &self,
        exchange: &str,
        key: &str,
        properties: BasicProperties,
        body: &[u8],
    ) {
        let options = BasicPublishOptions::default();
        let sent = self.channel.basic_publish(exchange.into(), key.into(), options, body, properties).await;
        sent.unwrap().await.unwrap();
    }

    /// Another channel on the same connection.
    pub(crate) async fn channel(&self) -> Channel {
        self.connection.create_channel().await.unwrap()
    }

    /// Purges a queue, as an operator may by mistake. How many messages there were.
    pub(crate) async fn purges(&self, queue: &str) -> u32 {
        self.channel.queue_purge(queue.into(), Default::default()).await.unwrap()
    }

    /// How many messages in a queue are ready, without those that a consumer holds.
    pub(crate) async fn ready_in(&self, queue: &str) -> u32 {
        let look = QueueDeclareOptions::durable().passive();
        self.channel.queue_declare(queue.into(), look, FieldTable::default()).await.unwrap().message_count()
    }
}

async fn connect(url: &str) -> Connection {
    let connected = Connection::connect(url, ConnectionProperties::default()).await;
    connected.unwrap_or_else(|why| {
        panic!(
            "these tests need a RabbitMQ, and there is none to be reached ({why}). Start one, for example by \
             `docker run --rm -p 5672:5672 rabbitmq:4-alpine` or `service rabbitmq-server start`, or say where one is by \
             CHECKOUT_TEST_AMQP_URL=amqp://user:password@host:5672/%2f"
        )
    })
}

impl Drop for Namespace {
    /// Also after a panic. On a thread of its own, because a runtime may be running on this one.
    fn drop(&mut self) {
        let (url, names) = (self.url.clone(), self.names());
        let swept = std::thread::spawn(move || super::block_on(sweep(&url, &names))).join();
        let left = format!("what the test declared could not be deleted; its prefix is {}", self.prefix);
        match swept {
            Ok(()) => {}
            Err(_) if std::thread::panicking() => eprintln!("{left}"),
            Err(_) => panic!("{left}"),
        }
    }
}

async fn sweep(url: &str, names: &Names) {
    let connection = connect(url).await;
    let channel = connection.create_channel().await.unwrap();
    let topology = topology(names);
    // Deleting what is not there is no error.
    for queue in topology.queues {
        channel.queue_delete(queue.name.into(), Default::default()).await.unwrap();
    }
    for exchange in topology.exchanges {
        channel.exchange_delete(exchange.name.into(), ExchangeDeleteOptions::default()).await.unwrap();
    }
    connection.close(200, "done".into()).await.unwrap();
}
