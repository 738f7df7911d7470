//! Consumes one queue into its prefetch buffer. What cannot be read is confirmed in `Q.dead` before it is
//! acknowledged here.

use std::pin::pin;
use std::sync::Arc;

use contract::Queue;
use futures_util::StreamExt;
use futures_util::future::select_all;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Acker, Channel, Connection, Consumer};
use retry::Delays;

use super::envelope::Unread;
use super::incoming::{Incoming, Read, outsiders_now, read};
use super::link::{Fault, channel, fault, short, soon};
use super::session::SessionHandle;
use super::{Shared, dead};
use crate::{Delivery, Mark};

/// How far a queue is read ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Ahead,
    /// A prefetch of one, after our client gave up the connection because of a message that it cannot parse. Each
    /// such end counts as a failed delivery of all that was prefetched, and good messages should not be dead-lettered
    /// with the bad one.
    OneByOne,
}

/// Runs until something fails, and returns the fault.
pub(super) async fn consume(
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    queue: Queue,
    reading: Reading,
) -> Fault {
    let name = short(shared.names.queue(queue));
    let [preferred, rest] = shared.prefetch(queue);
    let shares = match reading {
        Reading::Ahead => {
            vec![Share { prefetch: preferred, priority: shared.rank }, Share { prefetch: rest, priority: 0 }]
        }
        Reading::OneByOne => vec![Share { prefetch: 1, priority: 0 }],
    };
    let channel = match channel(&connection).await {
        Ok(channel) => channel,
        Err(fault) => return fault.about(&format!("queue {name} cannot be read")),
    };
    let mut wanted = shared.wanted.subscribe();
    loop {
        let mut consumers = match Consumers::start(&channel, &name, &shares).await {
            Ok(consumers) => consumers,
            Err(fault) => return fault.about(&format!("queue {name} cannot be read")),
        };
        shared.read.send_if_modified(|read| read.insert(queue));
        if let Err(fault) = fill_buffer(&shared, queue, &mut consumers).await {
            return fault.about(&format!("queue {name} cannot be read any more"));
        }
        if let Err(fault) = give_back(&shared, queue, &channel, consumers).await {
            return fault.about(&format!("what was fetched from queue {name} cannot be given back"));
        }
        shared.read.send_if_modified(|read| read.remove(&queue));
        // It cannot end: we own the sender.
        wanted.wait_for(|wanted| wanted.contains(&queue)).await.ok();
    }
}

/// What a consumer reads of a queue at one priority: the broker serves the highest that has room first, equal ones in
/// turn.
pub(super) struct Share {
    pub(super) prefetch: u16,
    pub(super) priority: i32,
}

/// All consumers of one process on one queue.
struct Consumers(Vec<Consumer>);

impl Consumers {
    async fn start(channel: &Channel, queue: &ShortString, shares: &[Share]) -> Result<Self, Fault> {
        let mut consumers = Vec::new();
        for share in shares {
            consumers.push(start(channel, queue.clone(), share).await?);
        }
        Ok(Self(consumers))
    }

    /// `None` once one of the consumers has ended.
    async fn next(&mut self) -> Option<lapin::Result<lapin::message::Delivery>> {
        select_all(self.0.iter_mut().map(StreamExt::next)).await.0
    }
}

/// Returns when this process no longer takes from the queue.
async fn fill_buffer(shared: &Shared, queue: Queue, consumers: &mut Consumers) -> Result<(), Fault> {
    let mut wanted = shared.wanted.subscribe();
    let mut unwanted = pin!(async { wanted.wait_for(|wanted| !wanted.contains(&queue)).await.is_ok() });
    loop {
        let delivery = tokio::select! {
            delivery = consumers.next() => delivery,
            _ = &mut unwanted => return Ok(()),
        };
        match delivery {
            Some(delivery) => sort(shared, queue, delivery.map_err(fault)?).await,
            None => return Err(Fault::Away("the broker ended our reading; it may have been deleted".into())),
        }
    }
}

/// Stops consuming and requeues what was not taken from the buffer; what was taken will be acknowledged.
async fn give_back(
    shared: &Shared,
    queue: Queue,
    channel: &Channel,
    consumers: Consumers,
) -> Result<(), Fault> {
    for mut consumer in consumers.0 {
        let cancel = channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
        soon("an end of reading", cancel).await?;
        while let Some(delivery) = soon("what came until then", async { Ok(consumer.next().await) }).await? {
            sort(shared, queue, delivery.map_err(fault)?).await;
        }
    }
    for acker in shared.buffer(queue).give_back() {
        let again = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        soon("giving a message back", acker.nack(again)).await?;
    }
    Ok(())
}

pub(super) async fn start(channel: &Channel, name: ShortString, share: &Share) -> Result<Consumer, Fault> {
    let prefetch = channel.basic_qos(share.prefetch, BasicQosOptions::default());
    soon("setting a prefetch", prefetch).await?;
    let mut arguments = FieldTable::default();
    arguments.insert(short("x-priority"), AMQPValue::LongInt(share.priority));
    let consume =
        channel.basic_consume(name, ShortString::default(), BasicConsumeOptions::default(), arguments);
    soon("consuming", consume).await
}

async fn sort(shared: &Shared, queue: Queue, delivery: lapin::message::Delivery) {
    let (mut messages, mut unread) = (Vec::new(), Vec::new());
    for one in read(&shared.names, &shared.logins, queue, &Incoming::from(&delivery), outsiders_now()) {
        match one {
            Ok(Read { message, attempt }) => messages.push(Delivery {
                queue,
                message: Arc::new(message),
                // The process in which an attempt failed may have died halfway.
                redelivered: delivery.redelivered || attempt > 0,
                attempt,
                mark: Mark::default(),
            }),
            Err(one) => unread.push(*one),
        }
    }
    park(shared, queue, &unread).await;
    if messages.is_empty() {
        // Without a session this task is about to be stopped.
        if let Ok(session) = shared.session() {
            acknowledge(&session.handle, delivery.acker).await;
        }
    } else {
        shared.buffer(queue).put(delivery.acker, messages);
    }
}

/// Returns only when the broker has confirmed them: the original is not acknowledged before.
async fn park(shared: &Shared, queue: Queue, unread: &[Unread]) {
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

/// What came over a lost connection is redelivered, and need not be acknowledged.
pub(super) async fn acknowledge(session: &SessionHandle, acker: Acker) {
    let acknowledged = soon("an acknowledgement", acker.ack(BasicAckOptions::default()));
    match session.within(acknowledged).await {
        None | Some(Ok(true)) => {}
        Some(Ok(false)) => session.broke(Fault::Away("an acknowledgement found its channel gone".into())),
        Some(Err(fault)) => session.broke(fault),
    }
}
