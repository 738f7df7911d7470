//! Faults on demand, in a shop to play with: real ones, for a bounded time, and healed by a word.
//!
//! A worker dies in the middle of its work: its task is dropped, with all that it had in hand, and started anew; what it
//! had taken comes again, as from a broker whose connection broke. The broker repeats, dawdles, loses its answers or is
//! away. Nothing here knows how any of this is survived.

mod faulty_broker;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use contract::Role;
use futures_util::future::join_all;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use broker::Broker;
use engine::run::{Consumer, LocalHandlers};
use faulty_broker::FaultyBroker;

/// What the broker does wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// Every message is published twice.
    Twice,
    /// Publishing takes up to a second and a half.
    Slow,
    /// Half of its confirmations never come, although the messages do.
    AnswerLost,
    /// It gives nothing and takes nothing.
    Away,
}

/// Where a worker may die. What it leaves behind differs each time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// It has taken a batch and done nothing with it, or some of it.
    Taken,
    /// It has kept what it decided, and told nobody.
    Committed,
    /// It has told everybody, and acknowledged nothing.
    Published,
}

impl Fault {
    pub const ALL: [(Self, &str, &str); 4] = [
        (Self::Twice, "twice", "Every message comes twice"),
        (Self::Slow, "slow", "Messages are delayed"),
        (Self::AnswerLost, "answer-lost", "The broker's answers get lost"),
        (Self::Away, "away", "The broker is away"),
    ];

    /// Long enough to be seen, and short enough to see what comes after it.
    pub fn lasts(self) -> Duration {
        match self {
            Self::Twice | Self::Slow | Self::AnswerLost => Duration::from_secs(30),
            Self::Away => Duration::from_secs(10),
        }
    }

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(fault, ..)| *fault == self).map_or("", |(_, _, name)| name)
    }
}

/// Whoever has nothing to do by then dies while waiting for it.
const DIES_WITHIN: Duration = Duration::from_secs(3);
/// As a supervisor would.
const STARTED_AGAIN_AFTER: Duration = Duration::from_millis(500);
const TOLD_MAX: usize = 12;

pub struct Chaos {
    broker: Arc<dyn Broker>,
    /// Which ones rage, and until when.
    faults: Mutex<BTreeMap<Fault, Instant>>,
    doomed: Mutex<BTreeMap<Role, Place>>,
    /// Something above has changed.
    changed: watch::Sender<()>,
    deaths: [Notify; Role::ALL.len()],
    /// Newest first.
    told: Mutex<VecDeque<(Instant, String)>>,
    local_handlers: Mutex<Option<Arc<LocalHandlers>>>,
    draws: AtomicU64,
}

impl Chaos {
    pub fn around(broker: Arc<dyn Broker>) -> Arc<Self> {
        Arc::new(Self {
            broker,
            faults: Mutex::default(),
            doomed: Mutex::default(),
            changed: watch::Sender::new(()),
            deaths: [const { Notify::const_new() }; Role::ALL.len()],
            told: Mutex::default(),
            local_handlers: Mutex::default(),
            draws: AtomicU64::new(0),
        })
    }

    /// The broker as somebody sees it who is hit by all this; a worker may die there.
    pub fn faulty_broker(self: &Arc<Self>, role: Option<Role>) -> Arc<FaultyBroker> {
        Arc::new(FaultyBroker::new(self.clone(), self.broker.clone(), role))
    }

    /// While anything is wrong, these say everything by their queues: there it can be hit.
    pub fn separates(&self, local_handlers: Arc<LocalHandlers>) {
        *lock(&self.local_handlers) = Some(local_handlers);
    }

    /// A station that dies when it is told to, with all who sit there, and begins anew.
    pub async fn keep_alive(self: Arc<Self>, consumer: Consumer, concurrency: u32, stop: CancellationToken) {
        let role = consumer.handler.role();
        let faulty_broker = self.faulty_broker(Some(role));
        let consumer = Consumer { broker: faulty_broker.clone(), ..consumer };
        loop {
            let death = self.deaths[role as usize].notified();
            let works = join_all((0..concurrency).map(|_| consumer.clone().run(stop.clone())));
            tokio::select! {
                biased;
                () = death => {}
                _ = works => return,
            }
            // All that it had in hand is gone. What it had taken is somebody's again.
            faulty_broker.give_back().await;
            tokio::time::sleep(STARTED_AGAIN_AFTER).await;
            self.tell(format!("{role} is at work again"));
        }
    }

    /// It rages from now on, and ends by itself.
    pub fn rage(self: &Arc<Self>, fault: Fault) {
        lock(&self.faults).insert(fault, Instant::now() + fault.lasts());
        self.tell(format!("{}, for {} s", fault.name(), fault.lasts().as_secs()));
        self.news();
        let chaos = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(fault.lasts()).await;
            chaos.separate();
        });
    }

    /// The role's worker dies, at whatever it does next.
    pub fn doom(self: &Arc<Self>, role: Role) {
        let place = [Place::Taken, Place::Committed, Place::Published][self.draw(3) as usize];
        lock(&self.doomed).insert(role, place);
        self.news();
        let chaos = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(DIES_WITHIN).await;
            if lock(&chaos.doomed).remove(&role).is_some() {
                chaos.kill(role, "while it had nothing to do");
            }
        });
    }

    /// Nothing is wrong any more.
    pub fn heal(&self) {
        lock(&self.faults).clear();
        lock(&self.doomed).clear();
        self.tell("healed".to_string());
        self.news();
    }

    /// What rages, and for how much longer.
    pub fn raging(&self) -> Vec<(Fault, Duration)> {
        let now = Instant::now();
        let mut faults = lock(&self.faults);
        faults.retain(|_, until| *until > now);
        faults.iter().map(|(fault, until)| (*fault, *until - now)).collect()
    }

    /// What has happened, newest first, and how long ago.
    pub fn told(&self) -> Vec<(Duration, String)> {
        lock(&self.told).iter().map(|(at, what)| (at.elapsed(), what.clone())).collect()
    }

    pub fn tell(&self, what: String) {
        let mut told = lock(&self.told);
        told.push_front((Instant::now(), what));
        told.truncate(TOLD_MAX);
    }

    fn rages(&self, fault: Fault) -> bool {
        lock(&self.faults).get(&fault).is_some_and(|until| *until > Instant::now())
    }

    /// Ends once the broker is away; perhaps never.
    async fn away(&self) {
        let mut changed = self.changed.subscribe();
        while !self.rages(Fault::Away) {
            if changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// True for whoever dies here.
    fn strikes(&self, role: Role, place: Place) -> bool {
        let mut doomed = lock(&self.doomed);
        let strikes = doomed.get(&role) == Some(&place);
        if strikes {
            doomed.remove(&role);
        }
        strikes
    }

    fn kill(&self, role: Role, how: &str) {
        self.tell(format!("{role} died {how}"));
        self.deaths[role as usize].notify_waiters();
        self.news();
    }

    fn news(&self) {
        self.separate();
        self.changed.send_replace(());
    }

    fn separate(&self) {
        let now = Instant::now();
        let wrong = lock(&self.faults).values().any(|until| *until > now) || !lock(&self.doomed).is_empty();
        if let Some(local_handlers) = &*lock(&self.local_handlers) {
            local_handlers.switch_off(wrong);
        }
    }

    /// One of so many, as if by chance.
    fn draw(&self, of: u64) -> u64 {
        let mut x = self.draws.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % of.max(1)
    }
}

/// Nothing that could panic runs under these locks, so what they guard is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
