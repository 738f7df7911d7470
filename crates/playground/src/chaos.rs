//! Faults on demand, in a shop to play with: real ones, for a limited time, and ended by a command.
//!
//! A worker dies in the middle of its work: its task is dropped, with all that it was handling, and started anew;
//! what it had taken is redelivered, as from a broker whose connection broke. The broker repeats, delays, loses
//! confirms or is away. Nothing here knows how the system survives any of this.

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
    /// Half of its confirms never come, although the messages do.
    AnswerLost,
    /// It delivers nothing and accepts nothing.
    Away,
}

/// Where a worker may die. What it leaves undone differs each time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// It has taken a batch and handled none of it, or some.
    Taken,
    /// It has committed what it decided, and published nothing.
    Committed,
    /// It has published everything, and acknowledged nothing.
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

/// A worker that has nothing to do until then dies while it waits.
const DIES_IDLE_AFTER: Duration = Duration::from_secs(3);
/// As a supervisor would.
const STARTED_AGAIN_AFTER: Duration = Duration::from_millis(500);
const TOLD_MAX: usize = 12;

pub struct Chaos {
    broker: Arc<dyn Broker>,
    /// The active faults, and until when.
    faults: Mutex<BTreeMap<Fault, Instant>>,
    doomed: Mutex<BTreeMap<Role, Place>>,
    /// The active faults or the doomed roles have changed.
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

    /// The broker as one consumer sees it, with these faults; with a role, its worker may die there.
    pub fn faulty_broker(self: &Arc<Self>, role: Option<Role>) -> Arc<FaultyBroker> {
        Arc::new(FaultyBroker::new(self.clone(), self.broker.clone(), role))
    }

    /// While a fault is active, these handlers send everything through their queues, where the fault has an effect.
    pub fn separates(&self, local_handlers: Arc<LocalHandlers>) {
        *lock(&self.local_handlers) = Some(local_handlers);
    }

    /// Runs consumers that die on demand, all of a role at once, and are started again.
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
            // What it was handling is lost; what it had taken is redelivered.
            faulty_broker.give_back().await;
            tokio::time::sleep(STARTED_AGAIN_AFTER).await;
            self.tell(format!("{role} is at work again"));
        }
    }

    /// The fault is active from now on, and ends by itself.
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

    /// The role's worker dies at its next opportunity.
    pub fn doom(self: &Arc<Self>, role: Role) {
        let place = [Place::Taken, Place::Committed, Place::Published][self.draw(3) as usize];
        lock(&self.doomed).insert(role, place);
        self.news();
        let chaos = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(DIES_IDLE_AFTER).await;
            if lock(&chaos.doomed).remove(&role).is_some() {
                chaos.kill(role, "while it had nothing to do");
            }
        });
    }

    /// Ends all faults.
    pub fn heal(&self) {
        lock(&self.faults).clear();
        lock(&self.doomed).clear();
        self.tell("healed".to_string());
        self.news();
    }

    /// The active faults, and for how much longer.
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

    /// Returns once the broker is away; perhaps never.
    async fn away(&self) {
        let mut changed = self.changed.subscribe();
        while !self.rages(Fault::Away) {
            if changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// `true` if the caller dies here.
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

    /// A pseudo-random number below `of`.
    fn draw(&self, of: u64) -> u64 {
        let mut x = self.draws.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % of.max(1)
    }
}

/// A poisoned lock is safe to use: no code under it can panic halfway through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
