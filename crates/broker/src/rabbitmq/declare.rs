//! Declares the topology on the broker, or reports how the broker differs from it.

use std::fmt;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection};

use super::link::{Fault, channel, short, soon};
use super::topology::{Argument, Exchange, QueueSpec, Topology};

/// One difference between the broker and the topology, as far as AMQP shows it: bindings cannot be queried, only
/// declared again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    MissingExchange(String),
    MissingQueue(String),
    /// It exists with other arguments, which cannot be changed any more.
    Differs {
        name: String,
        why: String,
    },
    /// It exists, but we are not permitted to find out its arguments.
    Unseen(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::MissingExchange(name) => write!(f, "exchange {name} is missing; apply declares it"),
            Difference::MissingQueue(name) => write!(f, "queue {name} is missing; apply declares it"),
            Difference::Differs { name, why } => write!(
                f,
                "{name} has other arguments, and they cannot be changed: {why}; delete it when it is empty and \
                 apply again, or use another prefix"
            ),
            Difference::Unseen(name) => write!(
                f,
                "{name} is there; this user may not configure it, so its arguments cannot be compared"
            ),
        }
    }
}

/// Declares everything. What exists already stays as it is.
pub(super) async fn apply(connection: &Connection, topology: &Topology) -> Result<(), Fault> {
    let channel = channel(connection).await?;
    for exchange in &topology.exchanges {
        declare_exchange(&channel, exchange, ExchangeDeclareOptions { durable: true, ..Default::default() })
            .await?;
    }
    for queue in &topology.queues {
        declare_queue(&channel, queue, QueueDeclareOptions::durable()).await?;
    }
    for binding in &topology.bindings {
        let (queue, exchange) = (short(&*binding.queue), short(&*binding.exchange));
        let bind = channel.queue_bind(
            queue,
            exchange,
            short(&*binding.key),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        soon("binding a queue", bind).await?;
    }
    soon("closing a channel", channel.close(200, short("done"))).await
}

/// Compares without changing anything. A failed check closes its channel, so each check has its own.
pub(super) async fn plan(connection: &Connection, topology: &Topology) -> Result<Vec<Difference>, Fault> {
    let mut found = missing(connection, topology).await?;
    let missing = |name: &str| {
        found.iter().any(|difference| match difference {
            Difference::MissingExchange(gone) | Difference::MissingQueue(gone) => gone == name,
            Difference::Differs { .. } | Difference::Unseen(_) => false,
        })
    };
    let mut others = Vec::new();
    // What exists is declared again, which changes nothing: equal arguments are accepted, others are refused.
    for exchange in topology.exchanges.iter().filter(|exchange| !missing(&exchange.name)) {
        let same = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let again = declare_exchange(&channel(connection).await?, exchange, same).await;
        others.extend(compared(&exchange.name, again)?);
    }
    for queue in topology.queues.iter().filter(|queue| !missing(&queue.name)) {
        let again = declare_queue(&channel(connection).await?, queue, QueueDeclareOptions::durable()).await;
        others.extend(compared(&queue.name, again)?);
    }
    found.append(&mut others);
    Ok(found)
}

/// What does not exist. A login that may not declare may still check.
pub(super) async fn missing(connection: &Connection, topology: &Topology) -> Result<Vec<Difference>, Fault> {
    let mut found = Vec::new();
    for exchange in &topology.exchanges {
        let look = ExchangeDeclareOptions { passive: true, ..Default::default() };
        match declare_exchange(&channel(connection).await?, exchange, look).await {
            Err(Fault::Missing(_)) => found.push(Difference::MissingExchange(exchange.name.clone())),
            looked => looked?,
        }
    }
    for queue in &topology.queues {
        let look = QueueDeclareOptions::durable().passive();
        match declare_queue(&channel(connection).await?, queue, look).await {
            Err(Fault::Missing(_)) => found.push(Difference::MissingQueue(queue.name.clone())),
            looked => looked?,
        }
    }
    Ok(found)
}

fn compared(name: &str, declared: Result<(), Fault>) -> Result<Option<Difference>, Fault> {
    match declared {
        Ok(()) => Ok(None),
        Err(Fault::Differs(why)) => Ok(Some(Difference::Differs { name: name.to_string(), why })),
        Err(Fault::Forbidden(_)) => Ok(Some(Difference::Unseen(name.to_string()))),
        Err(fault @ (Fault::Missing(_) | Fault::Away(_) | Fault::Garbled(_) | Fault::TooLarge(_))) => {
            Err(fault)
        }
    }
}

async fn declare_exchange(
    channel: &Channel,
    exchange: &Exchange,
    options: ExchangeDeclareOptions,
) -> Result<(), Fault> {
    let mut arguments = FieldTable::default();
    if let Some(alternate) = &exchange.alternate {
        arguments.insert(short("alternate-exchange"), AMQPValue::LongString(alternate.as_str().into()));
    }
    let name = short(&*exchange.name);
    soon("declaring an exchange", channel.exchange_declare(name, exchange.kind.clone(), options, arguments))
        .await
}

async fn declare_queue(
    channel: &Channel,
    queue: &QueueSpec,
    options: QueueDeclareOptions,
) -> Result<(), Fault> {
    let mut arguments = FieldTable::default();
    for (name, argument) in &queue.arguments {
        let value = match argument {
            Argument::Text(text) => AMQPValue::LongString(text.as_str().into()),
            Argument::Number(number) => AMQPValue::LongLongInt(i64::from(*number)),
        };
        arguments.insert(short(*name), value);
    }
    soon("declaring a queue", channel.queue_declare(short(&*queue.name), options, arguments)).await?;
    Ok(())
}
