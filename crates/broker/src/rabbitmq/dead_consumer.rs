//! Reads the dead-letter queues, over a connection of its own.
//!
//! Malformed messages are repaired before our client parses them (`frame.rs`). A delivery that is garbled all the
//! same costs the connection it comes by: on this connection it disturbs nothing but other dead letters, until the
//! broker has moved it to `P.unreadable`.

use std::sync::Arc;
use std::time::Instant;

use contract::Queue;
use futures_util::StreamExt;
use lapin::types::ShortString;
use lapin::{Channel, Connection, Consumer, Event};
use retry::Delays;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::connection_pair::LIVED;
use super::consume::{Share, start};
use super::dead::letters;
use super::incoming::Incoming;
use super::link::{Fault, Frames, channel, close, fault, short};

/// For each dead-letter queue. Dead letters are few, and may be as large as a broker allows.
const PREFETCH: u16 = 16;

/// Reads all of them until `stop`.
pub(super) async fn bring_in(shared: Arc<Shared>, stop: CancellationToken) {
    let mut delays = Delays::new();
    loop {
        let begun = Instant::now();
        let why = tokio::select! {
            () = stop.cancelled() => return,
            ended = once(&shared, &stop) => match ended {
                Ok(()) => return,
                Err(fault) => fault,
            },
        };
        shared.dead_buffer.clear();
        if begun.elapsed() > LIVED || matches!(why, Fault::Garbled(_)) {
            delays = Delays::new();
        }
        tracing::warn!(broker = %shared.address, "dead letters wait: {why}");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(delays.next_delay()) => {}
        }
    }
}

async fn once(shared: &Arc<Shared>, stop: &CancellationToken) -> Result<(), Fault> {
    // The other connections make sure that the topology exists.
    shared.up().await;
    let connection = Arc::new(shared.address.connect("imports", Frames::Large).await?);
    let mut events = connection.events_listener();
    let mut tasks = JoinSet::new();
    for queue in Queue::ALL {
        let name = short(shared.names.dead_queue(queue));
        tasks.spawn(read(shared.clone(), connection.clone(), Some(queue), name));
    }
    let unrouted = short(shared.names.unrouted());
    tasks.spawn(read(shared.clone(), connection.clone(), None, unrouted));
    let ended = loop {
        tokio::select! {
            () = stop.cancelled() => break Ok(()),
            Some(ended) = tasks.join_next() => break match ended {
                Ok(fault) => Err(fault),
                Err(panic) => Err(Fault::Away(format!("reading them panicked: {panic}"))),
            },
            event = events.next() => match event {
                Some(Event::Error(error)) => break Err(fault(error)),
                None => break Err(Fault::Away("the connection ended".into())),
                Some(_) => {}
            },
        }
    };
    tasks.shutdown().await;
    shared.dead_buffer.clear();
    close(&connection).await;
    ended
}

async fn opened(connection: &Connection, name: ShortString) -> Result<(Channel, Consumer), Fault> {
    let channel = channel(connection).await?;
    let consumer = start(&channel, name, &Share { prefetch: PREFETCH, priority: 0 }).await?;
    Ok((channel, consumer))
}

async fn read(
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    queue: Option<Queue>,
    name: ShortString,
) -> Fault {
    let (_channel, mut consumer) = match opened(&connection, name.clone()).await {
        Ok(opened) => opened,
        Err(fault) => return fault,
    };
    while let Some(delivery) = consumer.next().await {
        match delivery {
            Ok(delivery) => {
                let dead = letters(&shared.names, &shared.logins, queue, &Incoming::from(&delivery));
                shared.dead_buffer.put(delivery.acker, dead);
            }
            Err(error) => return fault(error),
        }
    }
    Fault::Away(format!("the broker ended our reading of {name}"))
}
