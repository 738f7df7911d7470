//! Consumes one queue into its prefetch buffer. What cannot be read is safe in `Q.dead` before it is acknowledged here.

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

/// So many AMQP messages of a queue the process with the highest rank gets before any other gets one. Where several
/// processes read a queue, what comes would otherwise lie in pieces in all their hands, and small batches cost the same
/// commits and questions. Three batches in hand and the next are about so many bundles.
const FIRST: u16 = 12;

/// How far a queue is read ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Ahead,
    /// One message at a time, after one came that our client cannot parse and gave the connection up for. Each
    /// such end counts against all that was prefetched, and the good ones should not die with the bad one.
    OneByOne,
}

/// Runs until something breaks, and says what.
pub(super) async fn consume(
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    queue: Queue,
    reading: Reading,
) -> Fault {
    let name = short(shared.names.queue(queue));
    let shares = match reading {
        Reading::Ahead => vec![
            Share { prefetch: FIRST, priority: shared.rank },
            Share { prefetch: shared.prefetch(queue) - FIRST, priority: 0 },
        ],
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
        // It cannot end: its sender is ours.
        wanted.wait_for(|wanted| wanted.contains(&queue)).await.ok();
    }
}

/// What we read of a queue under one priority: the highest that has room is served first, equal ones in turn.
pub(super) struct Share {
    pub(super) prefetch: u16,
    pub(super) priority: i32,
}

/// All that a process reads of one queue.
struct Consumers(Vec<Consumer>);

impl Consumers {
    async fn start(channel: &Channel, queue: &ShortString, shares: &[Share]) -> Result<Self, Fault> {
        let mut consumers = Vec::new();
        for share in shares {
            consumers.push(start(channel, queue.clone(), share).await?);
        }
        Ok(Self(consumers))
    }

    /// `None` once one of them has ended.
    async fn next(&mut self) -> Option<lapin::Result<lapin::message::Delivery>> {
        select_all(self.0.iter_mut().map(StreamExt::next)).await.0
    }
}

/// As long as this process takes from the queue.
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

/// All but what was taken from the buffer: that will be acknowledged.
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
                // Who failed at it once may have died half-way.
                redelivered: delivery.redelivered || attempt > 0,
                attempt,
                mark: Mark::default(),
            }),
            Err(one) => unread.push(*one),
        }
    }
    park(shared, queue, &unread).await;
    if messages.is_empty() {
        // Without a session we are just being ended.
        if let Ok(session) = shared.session() {
            acknowledge(&session.handle, delivery.acker).await;
        }
    } else {
        shared.buffer(queue).put(delivery.acker, messages);
    }
}

/// Does not return before the broker has them: until then the original is not acknowledged.
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

/// What came by a connection that has ended comes again, and need not be acknowledged.
pub(super) async fn acknowledge(session: &SessionHandle, acker: Acker) {
    let acknowledged = soon("an acknowledgement", acker.ack(BasicAckOptions::default()));
    match session.within(acknowledged).await {
        None | Some(Ok(true)) => {}
        Some(Ok(false)) => session.broke(Fault::Away("an acknowledgement found its channel gone".into())),
        Some(Err(fault)) => session.broke(fault),
    }
}
