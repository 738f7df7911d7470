//! One pair of connections with all that hangs on it. On any fault it is dropped whole and a new one is made.
//!
//! Publishing and consuming have a connection each: a broker that is short of memory stops reading from those
//! that publish, and what is handled must still be acknowledged then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::Queue;
use futures_util::StreamExt;
use lapin::{Connection, Event};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::consume::consume;
use super::link::{Fault, close};
use super::listen::listen;
use super::publisher::Publisher;
use super::topology::topology;
use super::{Shared, declare};
use crate::broker::State;
use crate::retry::Delays;

/// One that lived so long was well: the next fault begins with a short delay again.
const LIVED: Duration = Duration::from_secs(5);

/// Keeps a generation alive until told to stop.
pub(super) async fn supervise(shared: Arc<Shared>, stop: CancellationToken) {
    let mut delays = Delays::new();
    loop {
        let begun = Instant::now();
        let ended = tokio::select! {
            // While it opens; once it is open, it closes itself.
            () = stop.cancelled() => return,
            opened = Generation::open(&shared) => match opened {
                Ok(generation) => generation.live(&shared, &stop).await,
                Err(fault) => Err(fault.to_string()),
            },
        };
        let Err(why) = ended else { return };
        if begun.elapsed() > LIVED {
            delays = Delays::new();
        }
        let delay = delays.next_delay();
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

struct Generation {
    publishing: Arc<Connection>,
    consuming: Arc<Connection>,
    publisher: Arc<Publisher>,
}

impl Generation {
    async fn open(shared: &Shared) -> Result<Self, Fault> {
        let publishing = Arc::new(shared.address.connect("publishes").await?);
        let consuming = Arc::new(shared.address.connect("consumes").await?);
        settle_topology(shared, &publishing).await?;
        let publisher = Arc::new(Publisher::open(publishing.clone()).await?);
        Ok(Self { publishing, consuming, publisher })
    }

    /// `Err` says what went wrong.
    async fn live(self, shared: &Arc<Shared>, stop: &CancellationToken) -> Result<(), String> {
        let (breaks, mut broken) = mpsc::channel(1);
        let (mut alarms, mut ends) = (self.publishing.events_listener(), self.consuming.events_listener());
        shared.came_up(self.publisher.clone(), breaks);
        tracing::info!(broker = %shared.address, "the broker is there");
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(shared.clone(), self.consuming.clone()));
        let mut started = BTreeSet::new();
        let ended = loop {
            self.start_wanted(shared, &mut started, &mut tasks);
            tokio::select! {
                () = stop.cancelled() => break Ok(()),
                why = broken.recv() => break Err(why.unwrap_or_default()),
                Some(ended) = tasks.join_next() => {
                    break Err(ended.unwrap_or_else(|panic| format!("a consumer panicked: {panic}")));
                }
                event = alarms.next() => if let Some(why) = noticed(shared, event) { break Err(why) },
                event = ends.next() => if let Some(why) = noticed(shared, event) { break Err(why) },
                () = shared.wanted_more.notified() => {}
            }
        };
        // In this order: nobody publishes any more, nobody puts anything on a shelf any more, nothing lies there.
        shared.closed();
        tasks.shutdown().await;
        shared.shelves.iter().for_each(super::shelf::Shelf::clear);
        tokio::join!(close(&self.publishing), close(&self.consuming));
        ended
    }

    fn start_wanted(&self, shared: &Arc<Shared>, started: &mut BTreeSet<Queue>, tasks: &mut JoinSet<String>) {
        for queue in shared.wanted() {
            if started.insert(queue) {
                tasks.spawn(consume(shared.clone(), self.consuming.clone(), queue));
            }
        }
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
        Err(fault @ (Fault::Missing(_) | Fault::Away(_))) => Err(fault),
    }
}

/// What the broker says about a connection by itself. `Some`: it is over.
fn noticed(shared: &Shared, event: Option<Event>) -> Option<String> {
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
        Some(Event::Error(error)) => Some(error.to_string()),
        None => Some("the connection ended".into()),
        // Connected, and flow control, which newer brokers do not use.
        Some(_) => None,
    }
}
