//! One pair of connections, with its consumers and its publisher. On any fault the whole pair is dropped and a new
//! one opened.
//!
//! Publishing and consuming have a connection each: a broker that is short of memory stops reading from publishing
//! connections, and acknowledgements of handled messages must still get through then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::Queue;
use futures_util::{Stream, StreamExt};
use lapin::{Connection, Event};
use retry::Delays;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::consume::{Reading, consume};
use super::link::{Fault, Frames, close, fault};
use super::listen::listen;
use super::publisher::Publisher;
use super::session::{Session, SessionHandle};
use super::topology::topology;
use super::{Shared, declare};
use crate::State;

/// A pair that lived this long was healthy: the next fault begins with a short delay again.
pub(super) const LIVED: Duration = Duration::from_secs(5);

/// Keeps a pair of connections open until told to stop.
pub(super) async fn supervise(shared: Arc<Shared>, stop: CancellationToken) {
    let mut delays = Delays::new();
    let mut reading = Reading::Ahead;
    let mut frames = Frames::Small;
    loop {
        let begun = Instant::now();
        let node = shared.address.node();
        let opened = tokio::select! {
            () = stop.cancelled() => return,
            opened = ConnectionPair::open(&shared, node, reading, frames) => opened,
        };
        let ended = match opened {
            Ok(pair) => pair.live(&shared, &stop).await,
            Err(fault) => Err(fault),
        };
        let Err(why) = ended else { return };
        // Not what a message has caused, nor a pair that was healthy and read one by one.
        if matches!(why, Fault::Away(_)) && reading == Reading::Ahead {
            shared.address.failed(node);
        }
        let garbled = matches!(why, Fault::Garbled(_));
        reading = if garbled { Reading::OneByOne } else { Reading::Ahead };
        // A sender's headers did not fit: from now on the connection takes the largest frames.
        let too_large = matches!(why, Fault::TooLarge(_));
        if too_large {
            frames = Frames::Large;
        }
        if begun.elapsed() > LIVED || garbled || too_large {
            delays = Delays::new();
        }
        let (why, delay) = (why.to_string(), delays.next_delay());
        if shared.went_down(&why) {
            tracing::warn!(broker = %shared.address, "the broker is away, and is asked for again and again: {why}");
        } else {
            tracing::debug!(broker = %shared.address, ?delay, "still away: {why}");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(delay) => {}
        }
    }
}

struct ConnectionPair {
    publishing: Arc<Connection>,
    consuming: Arc<Connection>,
    publisher: Arc<Publisher>,
    reading: Reading,
}

impl ConnectionPair {
    async fn open(shared: &Shared, node: usize, reading: Reading, frames: Frames) -> Result<Self, Fault> {
        let publishing = Arc::new(shared.address.connect_to(node, "publishes", Frames::Small).await?);
        let consuming = Arc::new(shared.address.connect_to(node, "consumes", frames).await?);
        // Not for OneByOne: there the topology was declared a moment ago, the pair is reopened up to fifty times, and each
        // declaration would keep the queue waiting.
        if reading == Reading::Ahead {
            ensure_topology(shared, &publishing).await?;
        }
        let publisher = Arc::new(Publisher::open(publishing.clone(), shared.address.login()).await?);
        Ok(Self { publishing, consuming, publisher, reading })
    }

    /// `Err` says what went wrong.
    async fn live(self, shared: &Arc<Shared>, stop: &CancellationToken) -> Result<(), Fault> {
        let (handle, mut broken) = SessionHandle::new();
        let (mut alarms, mut ends) = (self.publishing.events_listener(), self.consuming.events_listener());
        shared.came_up(Session { publisher: self.publisher.clone(), handle });
        tracing::info!(broker = %shared.address, "the broker is connected");
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(shared.clone(), self.consuming.clone()));
        let mut wanted = shared.wanted.subscribe();
        let mut started = BTreeSet::new();
        let enough = tokio::time::sleep(LIVED);
        tokio::pin!(enough);
        let ended = loop {
            let now = wanted.borrow_and_update().clone();
            self.start_wanted(shared, now, &mut started, &mut tasks);
            tokio::select! {
                () = stop.cancelled() => break Ok(()),
                event = next_event(&mut ends, &mut alarms, &mut tasks, &mut broken) => {
                    let over = match event {
                        PairEvent::Connection(event) => noticed(shared, event),
                        PairEvent::Users(why) => Some(why),
                    };
                    if let Some(why) = over {
                        break Err(why);
                    }
                }
                () = &mut enough, if self.reading == Reading::OneByOne => {
                    break Err(Fault::Away("it is healthy again; reopening with the full prefetch".into()));
                }
                // It cannot end: we own the sender.
                _ = wanted.changed() => {}
            }
        };
        // In this order: first nothing is published or acknowledged any more, then no buffer is filled, then all are
        // emptied.
        shared.closed();
        drop(broken);
        tasks.shutdown().await;
        shared.buffers.iter().for_each(super::prefetch_buffer::PrefetchBuffer::clear);
        shared.read.send_replace(BTreeSet::new());
        tokio::join!(close(&self.publishing), close(&self.consuming));
        ended
    }

    /// A consumer that was started once pauses by itself while its queue is not wanted.
    fn start_wanted(
        &self,
        shared: &Arc<Shared>,
        wanted: BTreeSet<Queue>,
        started: &mut BTreeSet<Queue>,
        tasks: &mut JoinSet<Fault>,
    ) {
        for queue in wanted {
            if started.insert(queue) {
                tasks.spawn(consume(shared.clone(), self.consuming.clone(), queue, self.reading));
            }
        }
    }
}

enum PairEvent {
    Connection(Option<Event>),
    Users(Fault),
}

/// The connection's own events come first, because they say why it ended; its users only find it gone.
async fn next_event(
    ends: &mut (impl Stream<Item = Event> + Unpin),
    alarms: &mut (impl Stream<Item = Event> + Unpin),
    tasks: &mut JoinSet<Fault>,
    broken: &mut mpsc::Receiver<Fault>,
) -> PairEvent {
    tokio::select! {
        biased;
        event = ends.next() => PairEvent::Connection(event),
        event = alarms.next() => PairEvent::Connection(event),
        Some(ended) = tasks.join_next() => {
            PairEvent::Users(ended.unwrap_or_else(|panic| Fault::Away(format!("a consumer panicked: {panic}"))))
        }
        // It cannot be closed: the session's sender lives until `live` ends.
        Some(why) = broken.recv() => PairEvent::Users(why),
    }
}

/// Declares the topology if we are permitted to. If not, an administrator must have declared it, or this is an error.
async fn ensure_topology(shared: &Shared, connection: &Connection) -> Result<(), Fault> {
    let topology = topology(&shared.names);
    match declare::apply(connection, &topology).await {
        Ok(()) => Ok(()),
        Err(Fault::Forbidden(_)) => {
            let missing: Vec<_> = declare::missing(connection, &topology).await?;
            match missing.first() {
                None => Ok(()),
                Some(first) => Err(Fault::Missing(format!(
                    "{first}, and {} more; this user may not declare them, so let an administrator run \
                     `checkout topology apply`",
                    missing.len() - 1
                ))),
            }
        }
        Err(Fault::Differs(why)) => Err(Fault::Differs(format!(
            "an exchange or queue of ours is there with other arguments, which cannot be changed: {why}; `checkout \
             topology plan` shows all of them"
        ))),
        Err(fault @ (Fault::Missing(_) | Fault::Away(_) | Fault::Garbled(_) | Fault::TooLarge(_))) => {
            Err(fault)
        }
    }
}

/// Handles an event of a connection. `Some`: the connection is lost.
fn noticed(shared: &Shared, event: Option<Event>) -> Option<Fault> {
    match event {
        Some(Event::ConnectionBlocked(why)) => {
            tracing::warn!(broker = %shared.address, "the broker accepts nothing for now: {why}");
            shared.set_state(State::Blocked(why));
            None
        }
        Some(Event::ConnectionUnblocked) => {
            tracing::info!(broker = %shared.address, "the broker accepts messages again");
            shared.set_state(State::Up);
            None
        }
        Some(Event::Error(error)) => Some(fault(error)),
        None => Some(Fault::Away("the connection ended".into())),
        // Connected, and flow control, which newer brokers do not use.
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use lapin::ErrorKind;

    use super::*;

    /// Otherwise the pair would not learn that the cause was a message that our client cannot parse.
    #[tokio::test]
    async fn a_connection_is_asked_before_its_users_why_it_ended() {
        // A select that is not biased would take ready events in random order.
        for _ in 0..32 {
            let gone = || Fault::Away("its channel is gone".into());
            let (handle, mut broken) = SessionHandle::new();
            handle.broke(gone());
            let mut tasks = JoinSet::new();
            tasks.spawn(async move { gone() });
            tokio::task::yield_now().await;
            let mut ends =
                stream::iter([Event::Error(ErrorKind::ChannelsLimitReached.into())]).chain(stream::pending());
            let mut word =
                async || next_event(&mut ends, &mut stream::pending(), &mut tasks, &mut broken).await;
            assert!(matches!(word().await, PairEvent::Connection(Some(Event::Error(_)))));
            assert!(matches!(word().await, PairEvent::Users(Fault::Away(_))), "a consumer's, then");
            assert!(matches!(word().await, PairEvent::Users(Fault::Away(_))), "and who acknowledged");
        }
    }
}
