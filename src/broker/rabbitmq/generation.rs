//! One pair of connections with all that hangs on it. On any fault it is dropped whole and a new one is made.
//!
//! Publishing and consuming have a connection each: a broker that is short of memory stops reading from those
//! that publish, and what is handled must still be acknowledged then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::Queue;
use futures_util::{Stream, StreamExt};
use lapin::{Connection, Event};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::consume::consume;
use super::link::{Fault, Frames, close, fault};
use super::listen::listen;
use super::publisher::Publisher;
use super::topology::topology;
use super::{Shared, declare};
use crate::broker::State;
use crate::retry::Delays;

/// One that lived so long was well: the next fault begins with a short delay again.
pub(super) const LIVED: Duration = Duration::from_secs(5);

/// How far a generation reads ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Ahead,
    /// One message at a time, after one came that our client cannot parse and gave the connection up for. Each
    /// such end counts against all that was prefetched, and the good ones should not die with the bad one.
    OneByOne,
}

/// Keeps a generation alive until told to stop.
pub(super) async fn supervise(shared: Arc<Shared>, stop: CancellationToken) {
    let mut delays = Delays::new();
    let mut reading = Reading::Ahead;
    let mut frames = Frames::Small;
    loop {
        let begun = Instant::now();
        let opened = tokio::select! {
            () = stop.cancelled() => return,
            opened = Generation::open(&shared, reading, frames) => opened,
        };
        let ended = match opened {
            Ok(generation) => generation.live(&shared, &stop).await,
            Err(fault) => Err(fault),
        };
        let Err(why) = ended else { return };
        let garbled = matches!(why, Fault::Garbled(_));
        reading = if garbled { Reading::OneByOne } else { Reading::Ahead };
        // Somebody has headers that do not fit: from now on there is room for the largest.
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

/// What its users have of a generation.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) publisher: Arc<Publisher>,
    pub(super) life: Life,
}

/// Of one generation: what its users find broken ends it, and no other.
#[derive(Clone)]
pub(super) struct Life(mpsc::Sender<Fault>);

impl Life {
    fn new() -> (Self, mpsc::Receiver<Fault>) {
        let (breaks, broken) = mpsc::channel(1);
        (Self(breaks), broken)
    }

    /// Gives the connections up. The first reason counts.
    pub(super) fn broke(&self, why: Fault) {
        self.0.try_send(why).ok();
    }

    /// `None` once it has ended: our client may then never answer.
    pub(super) async fn within<T>(&self, asked: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            answer = asked => Some(answer),
            () = self.0.closed() => None,
        }
    }
}

struct Generation {
    publishing: Arc<Connection>,
    consuming: Arc<Connection>,
    publisher: Arc<Publisher>,
    reading: Reading,
}

impl Generation {
    async fn open(shared: &Shared, reading: Reading, frames: Frames) -> Result<Self, Fault> {
        let publishing = Arc::new(shared.address.connect("publishes", Frames::Small).await?);
        let consuming = Arc::new(shared.address.connect("consumes", frames).await?);
        // Who reads one by one had it a moment ago, and comes back fifty times: each of them keeps the queue waiting.
        if reading == Reading::Ahead {
            settle_topology(shared, &publishing).await?;
        }
        let publisher = Arc::new(Publisher::open(publishing.clone(), shared.address.login()).await?);
        Ok(Self { publishing, consuming, publisher, reading })
    }

    /// `Err` says what went wrong.
    async fn live(self, shared: &Arc<Shared>, stop: &CancellationToken) -> Result<(), Fault> {
        let (life, mut broken) = Life::new();
        let (mut alarms, mut ends) = (self.publishing.events_listener(), self.consuming.events_listener());
        shared.came_up(Line { publisher: self.publisher.clone(), life });
        tracing::info!(broker = %shared.address, "the broker is there");
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
                word = next_word(&mut ends, &mut alarms, &mut tasks, &mut broken) => {
                    let over = match word {
                        Word::OfTheConnection(event) => noticed(shared, event),
                        Word::OfItsUsers(why) => Some(why),
                    };
                    if let Some(why) = over {
                        break Err(why);
                    }
                }
                () = &mut enough, if self.reading == Reading::OneByOne => {
                    break Err(Fault::Away("it is well again, and may be read ahead".into()));
                }
                // It cannot end: its sender is ours.
                _ = wanted.changed() => {}
            }
        };
        // In this order: nobody publishes or acknowledges any more, nobody puts anything on a shelf any more, nothing
        // lies there.
        shared.closed();
        drop(broken);
        tasks.shutdown().await;
        shared.shelves.iter().for_each(super::shelf::Shelf::clear);
        shared.read.send_replace(BTreeSet::new());
        tokio::join!(close(&self.publishing), close(&self.consuming));
        ended
    }

    /// Whoever was started once rests by himself when nobody wants his queue any more.
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

enum Word {
    OfTheConnection(Option<Event>),
    OfItsUsers(Fault),
}

/// A connection says best itself why it ended, before those who find it gone.
async fn next_word(
    ends: &mut (impl Stream<Item = Event> + Unpin),
    alarms: &mut (impl Stream<Item = Event> + Unpin),
    tasks: &mut JoinSet<Fault>,
    broken: &mut mpsc::Receiver<Fault>,
) -> Word {
    tokio::select! {
        biased;
        event = ends.next() => Word::OfTheConnection(event),
        event = alarms.next() => Word::OfTheConnection(event),
        Some(ended) = tasks.join_next() => {
            Word::OfItsUsers(ended.unwrap_or_else(|panic| Fault::Away(format!("a consumer panicked: {panic}"))))
        }
        // It cannot be closed: its sender is with our publisher until we end.
        Some(why) = broken.recv() => Word::OfItsUsers(why),
    }
}

/// Declares it where we may. Where we may not, an administrator has done it, or there is no going on.
async fn settle_topology(shared: &Shared, connection: &Connection) -> Result<(), Fault> {
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

/// What the broker says about a connection by itself. `Some`: it is over.
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

    /// Otherwise nobody would learn that it was a message that our client cannot parse.
    #[tokio::test]
    async fn a_connection_is_asked_before_its_users_why_it_ended() {
        // What is ready at the same time would be taken in any order.
        for _ in 0..32 {
            let gone = || Fault::Away("its channel is gone".into());
            let (life, mut broken) = Life::new();
            life.broke(gone());
            let mut tasks = JoinSet::new();
            tasks.spawn(async move { gone() });
            tokio::task::yield_now().await;
            let mut ends =
                stream::iter([Event::Error(ErrorKind::ChannelsLimitReached.into())]).chain(stream::pending());
            let mut word =
                async || next_word(&mut ends, &mut stream::pending(), &mut tasks, &mut broken).await;
            assert!(matches!(word().await, Word::OfTheConnection(Some(Event::Error(_)))));
            assert!(matches!(word().await, Word::OfItsUsers(Fault::Away(_))), "a consumer's, then");
            assert!(matches!(word().await, Word::OfItsUsers(Fault::Away(_))), "and who acknowledged");
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_an_answer_of_a_connection_that_has_ended() {
        let (life, broken) = Life::new();
        assert_eq!(life.within(async { 1 }).await, Some(1));
        let unanswered = life.within(std::future::pending::<()>());
        let ended = async {
            tokio::task::yield_now().await;
            drop(broken);
        };
        let both = async { tokio::join!(unanswered, ended).0 };
        let waited = tokio::time::timeout(Duration::from_secs(5), both).await;
        assert_eq!(waited.expect("it waits on"), None);
    }
}
