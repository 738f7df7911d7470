//! RabbitMQ keeps what is published until it is acknowledged; this file keeps the connection to it, or says why there
//! is none.
//!
//! Between our own roles, all messages of a batch for one queue travel as one bundle. Outsiders send and receive
//! plain single messages. `topology.rs` has every name, `connection_pair.rs` the connections, `envelope.rs` what we
//! write and `incoming.rs` what we read.

mod connection_pair;
mod consume;
mod dead;
mod dead_consumer;
mod declare;
mod envelope;
mod facts;
mod frame;
#[cfg(test)]
mod fuzzed;
mod incoming;
mod inspect;
mod link;
mod listen;
mod listeners;
mod logins;
mod outgoing;
mod outsider;
mod prefetch_buffer;
mod publisher;
mod remove;
mod screen;
mod session;
pub mod topology;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use contract::{Message, Queue};
use store::Emitted;
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tuning::PREFERRED_BUNDLES;

use super::{Broker, DeadDelivery, Delivery, Depth, State, Unavailable};
pub use declare::Difference;
pub use incoming::BY_A_BINDING;
pub use inspect::{ConnectError, QueueSeen, ping, queues, version};
use link::{Address, Fault, Frames, close, short, soon};
pub use logins::{Logins, check as check_logins};
use outgoing::Outgoing;
pub use outsider::Outsider;
use prefetch_buffer::PrefetchBuffer;
use publisher::Failed;
pub use remove::remove;
use session::Session;
use topology::Names;

/// A listener that falls further behind misses facts; it is told how many.
const FACTS_MAX: usize = 65_536;

/// The binding key that matches every fact.
const ALL_FACTS: &str = "#";

/// A new listener waits at most this long for the first connection, and is subscribed in any case.
const LISTEN_WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct Options {
    /// `amqp://user:password@host:port/vhost`, or `amqps://` for TLS. Commas separate the hosts of a cluster.
    pub url: String,
    /// Every exchange and queue name begins with it.
    pub prefix: String,
    /// Our name in the broker's own list of connections.
    pub connection_name: String,
    /// How many messages a consumer takes at once.
    pub batch_max: usize,
    /// Consumed from the start. Other queues are consumed from the first `take` on.
    pub consume: Vec<Queue>,
    /// `Some`: each role has a login of its own, and this text says for whom else a login speaks. `None`: one login
    /// for all.
    pub logins: Option<String>,
}

impl Options {
    /// What each login may say; `Err`: these options cannot work.
    pub fn who_speaks(&self) -> Result<Logins, Unavailable> {
        let own = Address::new(&self.url, &self.connection_name).map_err(Unavailable)?;
        match &self.logins {
            None => Ok(Logins::shared(own.login())),
            Some(more) => Logins::separate(own.login(), &self.prefix, more).map_err(Unavailable),
        }
    }
}

pub struct RabbitBroker {
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
    dead_open: OnceLock<()>,
    /// Closes the connections when this value is dropped.
    _stops: DropGuard,
}

/// State that outlives a single connection.
struct Shared {
    address: Address,
    names: Names,
    logins: Logins,
    batch_max: usize,
    /// The consumer priority: among all processes that consume the same queues, the highest is served first.
    rank: i32,
    buffers: [PrefetchBuffer<Delivery>; Queue::ALL.len()],
    dead_buffer: PrefetchBuffer<DeadDelivery>,
    /// The queues that this process takes from …
    wanted: watch::Sender<BTreeSet<Queue>>,
    /// … and those that are being consumed for it.
    read: watch::Sender<BTreeSet<Queue>>,
    /// `Some` while there is a connection.
    session: Mutex<Option<Session>>,
    state: watch::Sender<State>,
    facts: broadcast::Sender<Arc<Message>>,
    listens: Notify,
    /// What the listeners of this process want to hear, as binding keys …
    to_hear: Mutex<BTreeSet<&'static str>>,
    /// … and which of them are bound.
    heard: watch::Sender<BTreeSet<&'static str>>,
}

impl RabbitBroker {
    /// Starts connecting, and reconnects until it is dropped or closed. `Err`: these options cannot work.
    pub fn connect(options: Options) -> Result<Arc<Self>, Unavailable> {
        let logins = options.who_speaks()?;
        let Options { url, prefix, connection_name, batch_max, consume, logins: _ } = options;
        let shared = Arc::new(Shared {
            address: Address::new(&url, &connection_name).map_err(Unavailable)?,
            names: Names::new(&prefix).map_err(Unavailable)?,
            logins,
            batch_max,
            rank: rank(),
            buffers: Default::default(),
            dead_buffer: PrefetchBuffer::default(),
            wanted: watch::Sender::new(consume.into_iter().collect()),
            read: watch::Sender::default(),
            session: Mutex::new(None),
            state: watch::Sender::new(State::Down("no connection was made yet".into())),
            facts: broadcast::Sender::new(FACTS_MAX),
            listens: Notify::new(),
            to_hear: Mutex::default(),
            heard: watch::Sender::default(),
        });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(connection_pair::supervise(shared.clone(), stop.clone()));
        let _stops = stop.clone().drop_guard();
        Ok(Arc::new(Self { shared, stop, tasks, dead_open: OnceLock::new(), _stops }))
    }

    /// Waits for a connection.
    pub async fn up(&self) {
        self.shared.up().await;
    }

    /// Closes gracefully. What was taken and not acknowledged goes to another consumer.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Random, so that no two processes have the same and no process has to assign them.
fn rank() -> i32 {
    let [a, b, c, d, ..] = uuid::Uuid::new_v4().into_bytes();
    i32::from_be_bytes([a, b, c, d]) & i32::MAX
}

/// How the broker differs from the topology.
pub async fn plan(options: &Options) -> Result<Vec<Difference>, Unavailable> {
    let (connection, names) = by_hand(options).await?;
    let found = declare::plan(&connection, &topology::topology(&names)).await;
    close(&connection).await;
    found.map_err(|fault| Unavailable(fault.to_string()))
}

/// Declares the topology. An exchange or queue that exists with other arguments is an error.
pub async fn apply(options: &Options) -> Result<(), Unavailable> {
    let (connection, names) = by_hand(options).await?;
    let applied = declare::apply(&connection, &topology::topology(&names)).await;
    close(&connection).await;
    applied.map_err(|fault| Unavailable(fault.to_string()))
}

async fn by_hand(options: &Options) -> Result<(lapin::Connection, Names), Unavailable> {
    let names = Names::new(&options.prefix).map_err(Unavailable)?;
    let address = Address::new(&options.url, &options.connection_name).map_err(Unavailable)?;
    let connection = address.connect_once("topology", Frames::Small).await;
    Ok((connection.map_err(|fault| Unavailable(fault.to_string()))?, names))
}

#[async_trait]
impl Broker for RabbitBroker {
    async fn publish(&self, emitted: &[Emitted]) -> Result<(), Unavailable> {
        let facts = envelope::facts(emitted);
        let queues = self.shared.publish(envelope::to_queues(&self.shared.names, emitted));
        let (published, told) = tokio::join!(queues, self.shared.tell(&facts));
        published.and(told)?;
        self.shared.answer(envelope::answers(emitted)).await
    }

    /// Without a connection it waits: the task that supervises the connection logs why there is none.
    async fn take(&self, queue: Queue, max: usize) -> Result<Vec<Delivery>, Unavailable> {
        self.shared.want(queue);
        Ok(self.shared.buffer(queue).take(max).await)
    }

    /// Always `Ok`: what came over a lost connection is redelivered, flagged, and the journal recognises it.
    async fn ack(&self, deliveries: &[Delivery]) -> Result<(), Unavailable> {
        let Ok(Session { handle, .. }) = self.shared.session() else { return Ok(()) };
        for queue in Queue::ALL {
            let of_it = deliveries.iter().filter(|delivery| delivery.queue == queue);
            for acker in self.shared.buffer(queue).settle(of_it.map(|delivery| delivery.mark)) {
                consume::acknowledge(&handle, acker).await;
            }
        }
        Ok(())
    }

    /// They go back into our own buffer: the broker could take back only whole bundles, and would count that as a
    /// failed delivery. When this process ends, the broker redelivers all that it held in any case.
    async fn hand_back(&self, deliveries: &[Delivery]) {
        for queue in Queue::ALL {
            let of_it = deliveries.iter().filter(|delivery| delivery.queue == queue);
            let again = of_it.map(|delivery| Delivery { redelivered: true, ..delivery.clone() });
            self.shared.buffer(queue).put_back(again.collect());
        }
    }

    async fn rest(&self, queue: Queue) {
        self.shared.wanted.send_if_modified(|wanted| wanted.remove(&queue));
        // The consumer gives everything back first. This wait cannot fail: we own the sender.
        self.shared.read.subscribe().wait_for(|read| !read.contains(&queue)).await.ok();
    }

    async fn retry(&self, delivery: &Delivery, delay: Duration) -> Result<(), Unavailable> {
        let attempt = delivery.attempt + 1;
        let copy =
            envelope::again_later(&self.shared.names, delivery.queue, &delivery.message, attempt, delay);
        self.shared.publish(vec![copy]).await?;
        // If the process dies here, there are two copies; the journal handles only one of them.
        self.ack(std::slice::from_ref(delivery)).await
    }

    async fn depth(&self, queue: Queue) -> Result<Depth, Unavailable> {
        let ready = self.shared.ready_in(queue).await?;
        Ok(Depth { messages: ready + self.shared.buffer(queue).held(), oldest: None })
    }

    async fn facts(&self, names: &[&'static str]) -> broadcast::Receiver<Arc<Message>> {
        let names = if names.is_empty() { &[ALL_FACTS] } else { names };
        let facts = self.shared.facts.subscribe();
        self.shared.to_hear().extend(names);
        self.shared.listens.notify_one();
        let mut heard = self.shared.heard.subscribe();
        let all = heard.wait_for(|heard| names.iter().all(|name| heard.contains(name)));
        tokio::time::timeout(LISTEN_WITHIN, all).await.ok();
        facts
    }

    fn state(&self) -> State {
        self.shared.state.borrow().clone()
    }

    async fn take_dead(&self, max: usize) -> Result<Vec<DeadDelivery>, Unavailable> {
        self.dead_open.get_or_init(|| {
            self.tasks.spawn(dead_consumer::bring_in(self.shared.clone(), self.stop.clone()));
        });
        Ok(self.shared.dead_buffer.take(max).await)
    }

    async fn ack_dead(&self, dead: &[DeadDelivery]) -> Result<(), Unavailable> {
        for acker in self.shared.dead_buffer.settle(dead.iter().map(|one| one.mark)) {
            // If the acknowledgement is lost, the same letter comes again and is recognised.
            soon("an acknowledgement", acker.ack(Default::default())).await.ok();
        }
        Ok(())
    }
}

impl Shared {
    async fn publish(&self, outgoing: Vec<Outgoing>) -> Result<(), Unavailable> {
        let session = self.free_session()?;
        self.judge(&session, session.publisher.publish(outgoing).await)
    }

    async fn tell(&self, facts: &[&Message]) -> Result<(), Unavailable> {
        let session = self.free_session()?;
        self.judge(&session, session.publisher.tell(&self.names, facts).await)
    }

    async fn answer(&self, answers: Vec<Outgoing>) -> Result<(), Unavailable> {
        if answers.is_empty() {
            return Ok(());
        }
        let session = self.free_session()?;
        self.judge(&session, session.publisher.answer(answers).await)
    }

    /// A session over which one can publish now.
    fn free_session(&self) -> Result<Session, Unavailable> {
        if let State::Blocked(why) = &*self.state.borrow() {
            // A publish would only wait in our own memory.
            return Err(Unavailable(format!("it accepts nothing for now: {why}")));
        }
        self.session()
    }

    fn session(&self) -> Result<Session, Unavailable> {
        self.current().clone().ok_or_else(|| Unavailable("there is no connection to it".into()))
    }

    fn judge(&self, session: &Session, published: Result<(), Failed>) -> Result<(), Unavailable> {
        match published {
            Ok(()) => Ok(()),
            Err(Failed::Refused(why)) => Err(Unavailable(why)),
            Err(Failed::Broken(why)) => {
                let blocked = matches!(&*self.state.borrow(), State::Blocked(_));
                // A blocked broker confirms nothing; its connection is still good.
                if !blocked {
                    session.handle.broke(Fault::Away(why.clone()));
                }
                Err(Unavailable(why))
            }
        }
    }

    async fn ready_in(&self, queue: Queue) -> Result<usize, Unavailable> {
        let ready = self.session()?.publisher.ready_in(short(self.names.queue(queue))).await;
        ready.map_err(|fault| Unavailable(fault.to_string()))
    }

    fn buffer(&self, queue: Queue) -> &PrefetchBuffer<Delivery> {
        &self.buffers[queue as usize]
    }

    /// How many unacknowledged AMQP messages of a queue we may hold: first at our own priority, then at that of all. Our own
    /// roles send bundles, so a quarter of a batch is plenty, and bounds memory. New checkouts come from outsiders, each in
    /// an AMQP message of its own: there it is the batches that a role has in hand, and the next one.
    fn prefetch(&self, queue: Queue) -> [u16; 2] {
        let batch = u16::try_from(self.batch_max).unwrap_or(u16::MAX);
        match queue {
            Queue::Intake => [batch.clamp(PREFERRED_BUNDLES, 512) * 3, batch.clamp(4, 512)],
            Queue::Order
            | Queue::Payment
            | Queue::Stock
            | Queue::Notification
            | Queue::Saga
            | Queue::Provider
            | Queue::Email
            | Queue::Sms => [PREFERRED_BUNDLES, (batch / 4).clamp(16, 64) - PREFERRED_BUNDLES],
        }
    }

    fn want(&self, queue: Queue) {
        self.wanted.send_if_modified(|wanted| wanted.insert(queue));
    }

    fn to_hear(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        self.to_hear.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until_a_listener_comes(&self) {
        while self.facts.receiver_count() == 0 {
            self.listens.notified().await;
        }
    }

    async fn up(&self) {
        let up = |state: &State| match state {
            State::Up | State::Blocked(_) => true,
            State::Down(_) => false,
        };
        // It cannot fail: `self` owns the sender.
        self.state.subscribe().wait_for(up).await.ok();
    }

    fn came_up(&self, session: Session) {
        *self.current() = Some(session);
        self.set_state(State::Up);
    }

    /// `true` if it was not down before.
    fn went_down(&self, why: &str) -> bool {
        let first = State::Down("no connection was made yet".into());
        let before = self.state.send_replace(State::Down(why.to_string()));
        before == first || !matches!(before, State::Down(_))
    }

    fn closed(&self) {
        *self.current() = None;
    }

    fn set_state(&self, state: State) {
        self.state.send_replace(state);
    }

    /// A poisoned lock is safe to use: no code under it can panic.
    fn current(&self) -> MutexGuard<'_, Option<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
