//! Reads one queue on to its shelf. What cannot be read is safe in `Q.dead` before it is acknowledged here.

use std::sync::Arc;

use contract::{Queue, Time};
use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Acker, Connection, Consumer};

use super::generation::Reading;
use super::incoming::{Incoming, Read, Unread, read};
use super::link::{Fault, channel, fault, short, soon};
use super::{Shared, dead};
use crate::broker::{Delivery, Mark};
use crate::retry::Delays;

/// Runs until something breaks, and says what.
pub(super) async fn consume(
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    queue: Queue,
    reading: Reading,
) -> Fault {
    let name = short(shared.names.queue(queue));
    let prefetch = match reading {
        Reading::Ahead => shared.prefetch(queue),
        Reading::OneByOne => 1,
    };
    let mut consumer = match start(&connection, name.clone(), prefetch).await {
        Ok(consumer) => consumer,
        Err(fault) => return fault.about(&format!("queue {name} cannot be read")),
    };
    while let Some(delivery) = consumer.next().await {
        match delivery {
            Ok(delivery) => sort(&shared, queue, delivery).await,
            Err(error) => return fault(error).about(&format!("queue {name} cannot be read any more")),
        }
    }
    Fault::Away(format!("the broker ended our reading of queue {name}; it may have been deleted"))
}

pub(super) async fn start(
    connection: &Connection,
    name: ShortString,
    prefetch: u16,
) -> Result<Consumer, Fault> {
    let channel = channel(connection).await?;
    soon("setting a prefetch", channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
    let consume = channel.basic_consume(
        name,
        ShortString::default(),
        BasicConsumeOptions::default(),
        FieldTable::default(),
    );
    soon("consuming", consume).await
}

pub(super) fn incoming(delivery: &lapin::message::Delivery) -> Incoming<'_> {
    Incoming {
        exchange: delivery.exchange.as_str(),
        key: delivery.routing_key.as_str(),
        properties: &delivery.properties,
        body: &delivery.data,
    }
}

async fn sort(shared: &Shared, queue: Queue, delivery: lapin::message::Delivery) {
    let (mut messages, mut unread) = (Vec::new(), Vec::new());
    for one in read(&shared.names, &incoming(&delivery), now()) {
        match one {
            Ok(Read { message, attempt }) => messages.push(Delivery {
                queue,
                message: Arc::new(message),
                // Who failed at it once may have died half-way.
                redelivered: delivery.redelivered || attempt > 0,
                attempt,
                mark: Mark::default(),
            }),
            Err(one) => unread.push(*one),
        }
    }
    bury(shared, queue, &unread).await;
    if messages.is_empty() {
        acknowledge(shared, delivery.acker).await;
    } else {
        shared.shelf(queue).put(delivery.acker, messages);
    }
}

/// Does not return before the broker has them: until then the original is not acknowledged.
async fn bury(shared: &Shared, queue: Queue, unread: &[Unread]) {
    if unread.is_empty() {
        return;
    }
    for one in unread {
        tracing::warn!(%queue, message_id = one.message_id, name = one.name, code = one.why.code,
            "it cannot be read and becomes a dead letter: {}", one.why.why);
    }
    let mut delays = Delays::new();
    let letters = || unread.iter().map(|one| dead::letter(&shared.names, queue, one)).collect();
    while let Err(away) = shared.publish(letters()).await {
        tracing::warn!(%queue, "dead letters wait: {away}");
        tokio::time::sleep(delays.next_delay()).await;
    }
}

/// `Ok(false)` is no acknowledgement: the channel is gone, and the message comes again.
pub(super) async fn acknowledge(shared: &Shared, acker: Acker) {
    match soon("an acknowledgement", acker.ack(BasicAckOptions::default())).await {
        Ok(true) => {}
        Ok(false) => shared.broke("an acknowledgement found its channel gone"),
        Err(fault) => shared.broke(&fault.to_string()),
    }
}

/// For messages of outsiders alone, whose own times are not believed.
pub(super) fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
