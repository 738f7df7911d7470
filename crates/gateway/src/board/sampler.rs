//! Samples the state of the system for all dashboard pages at once: only while pages are open, and so seldom that it
//! takes less than a hundredth of the database's time.
//!
//! Orders in flight are counted for each sample. Ended orders are counted completely now and then (`Tally`), and in
//! between only the new ones.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::{Duration, Instant};

use broker::{Broker, Depth};
use contract::{Queue, Table, Time};
use engine::probe::{Probe, Readiness};
use serde::Deserialize;
use store::census::Census;
use store::{Database, Error, Filter, Pause, Vitals};
use tokio::sync::{Mutex, Notify, watch};

use crate::deps::Deps;

/// One sample: the state of the system at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) at: Time,
    pub(crate) readiness: Readiness,
    /// `None` until the first complete count has ended.
    pub(crate) counted: Option<Census>,
    pub(crate) under_way: Census,
    pub(crate) queues: Vec<(Queue, Option<Depth>)>,
    pub(crate) vitals: Vitals,
    pub(crate) pauses: Vec<Pause>,
    pub(crate) throughput: Throughput,
    /// Oldest first.
    pub(crate) history: Arc<Vec<Point>>,
}

/// Throughput and latency, from the newest orders.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Throughput {
    pub(crate) orders_per_s: f64,
    /// Latency p50, p95 and p99. `None` if no recent order has ended.
    pub(crate) ended_ms: Option<[u64; 3]>,
}

/// One point of the charts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Point {
    pub(crate) orders_per_s: f64,
    pub(crate) ended_ms: Option<[u64; 3]>,
    pub(crate) queued: usize,
    pub(crate) oldest_ms: u64,
}

pub(crate) struct Sampler {
    store: Arc<dyn Database>,
    broker: Arc<dyn Broker>,
    probe: Arc<Probe>,
    latest: watch::Sender<Option<Arc<Snapshot>>>,
    /// Locked while a sample is taken: concurrent requests wait and then share it.
    state: Mutex<SamplerState>,
    counting: Arc<Counting>,
}

#[derive(Default)]
struct SamplerState {
    last: Option<Instant>,
    history: VecDeque<Point>,
    watched: bool,
}

/// A sample that is younger than this is reused.
const FRESH_FOR: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_secs(2);
/// The pause between two samples is at least this many times as long as one takes.
const SHARE: u32 = 100;
/// Five minutes of history, while samples are quick.
const HISTORY_MAX: usize = 150;
/// A page waits at most this long for the first count of ended orders.
const COUNT_WAIT: Duration = Duration::from_millis(50);
/// When a sample takes longer, the last one is shown.
const SAMPLE_TIMEOUT: Duration = Duration::from_secs(2);

impl Sampler {
    pub(crate) fn new(deps: &Deps) -> Arc<Self> {
        Arc::new(Self {
            store: deps.store.clone(),
            broker: deps.broker.clone(),
            probe: deps.probe.clone(),
            latest: watch::Sender::new(None),
            state: Mutex::default(),
            counting: Arc::default(),
        })
    }

    /// A new sample, or the last one if that is recent.
    pub(crate) async fn snapshot(&self) -> Result<Arc<Snapshot>, Error> {
        let mut state = self.state.lock().await;
        if let (Some(at), Some(known)) = (state.last, self.latest.borrow().clone())
            && at.elapsed() < FRESH_FOR
        {
            return Ok(known);
        }
        let Ok(sampled) = tokio::time::timeout(SAMPLE_TIMEOUT, self.take(&mut state)).await else {
            let known = self.latest.borrow().clone();
            return known.ok_or_else(|| Error::Unavailable("the dashboard's sample takes too long".into()));
        };
        let snapshot = sampled?;
        state.last = Some(Instant::now());
        self.latest.send_replace(Some(snapshot.clone()));
        Ok(snapshot)
    }

    /// Subscribes to all samples from now on. Sampling goes on while there are subscribers.
    pub(crate) async fn watch(self: &Arc<Self>) -> watch::Receiver<Option<Arc<Snapshot>>> {
        let samples = self.latest.subscribe();
        let mut state = self.state.lock().await;
        if !std::mem::replace(&mut state.watched, true) {
            tokio::spawn(self.clone().sample_loop());
        }
        samples
    }

    async fn sample_loop(self: Arc<Self>) {
        // A moving average, so that one slow sample has little effect.
        let mut takes = Duration::ZERO;
        loop {
            let started = Instant::now();
            if let Err(why) = self.snapshot().await {
                tracing::debug!("the dashboard's sample failed: {why}");
            }
            takes = (takes * 3 + started.elapsed()) / 4;
            tokio::time::sleep((takes * SHARE).max(EVERY)).await;
            let mut state = self.state.lock().await;
            if self.latest.receiver_count() == 0 {
                state.watched = false;
                return;
            }
        }
    }

    async fn take(&self, state: &mut SamplerState) -> Result<Arc<Snapshot>, Error> {
        let (at, vitals) = (self.store.now().await?, self.store.vitals().await?);
        let throughput = Throughput::of(&*self.store, at).await?;
        let under_way = self.store.census_under_way().await?;
        let counted = self.counting.counted(&self.store, at).await?.map(|mut ended| {
            ended += under_way.clone();
            ended
        });
        let mut queues = Vec::new();
        for queue in Queue::ALL {
            queues.push((queue, self.broker.depth(queue).await.ok()));
        }
        let oldest_ms =
            vitals.oldest_in_flight.map_or(0, |oldest| at.unix_ms().saturating_sub(oldest.unix_ms()));
        let point = Point {
            orders_per_s: throughput.orders_per_s,
            ended_ms: throughput.ended_ms,
            queued: queues.iter().filter_map(|(_, depth)| Some(depth.as_ref()?.messages)).sum(),
            oldest_ms: u64::try_from(oldest_ms).unwrap_or_default(),
        };
        state.history.push_back(point);
        if state.history.len() > HISTORY_MAX {
            state.history.pop_front();
        }
        Ok(Arc::new(Snapshot {
            at,
            readiness: self.probe.readiness().await,
            counted,
            under_way,
            queues,
            vitals,
            pauses: self.store.pauses().await?,
            throughput,
            history: Arc::new(state.history.iter().copied().collect()),
        }))
    }
}

impl Snapshot {
    /// Sagas that wait for an operator.
    pub(crate) fn attention(&self) -> u64 {
        let waiting = self.under_way.sagas.iter().filter(|saga| saga.status == "needs_attention");
        waiting.map(|saga| saga.count).sum()
    }

    pub(crate) fn sagas_under_way(&self) -> u64 {
        self.under_way.sagas.iter().filter(|saga| !saga.has_ended()).map(|saga| saga.count).sum()
    }
}

impl Throughput {
    async fn of(store: &dyn Database, now: Time) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Newest<'a> {
            status: &'a str,
            created_at: Time,
            updated_at: Time,
        }
        let from = Time::from_unix_ms(now.unix_ms() - MINUTE_MS);
        let newest = store
            .list(Table::Orders, &Filter { from: Some(from), limit: NEWEST, ..Filter::default() })
            .await?;
        let newest: Vec<Newest> = newest.iter().filter_map(|doc| serde_json::from_str(doc).ok()).collect();
        let since = |at: Time| now.unix_ms().saturating_sub(at.unix_ms());
        // There may be more orders than were read, so the window is the time that those span.
        let window_ms = match newest.last() {
            Some(oldest) if newest.len() == NEWEST => since(oldest.created_at).max(1),
            _ => MINUTE_MS,
        };
        let ended = newest.iter().filter(|order| !matches!(order.status, "created" | "paid"));
        let took = ended.map(|order| order.updated_at.unix_ms().saturating_sub(order.created_at.unix_ms()));
        let mut took: Vec<u64> = took.map(|ms| u64::try_from(ms).unwrap_or_default()).collect();
        took.sort_unstable();
        let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
        Ok(Self {
            orders_per_s: newest.len() as f64 * 1000.0 / window_ms as f64,
            ended_ms: (!took.is_empty()).then(|| [at(50), at(95), at(99)]),
        })
    }
}

const MINUTE_MS: i64 = 60_000;
/// This many are read in a few milliseconds.
const NEWEST: usize = 500;

/// The count of all orders that ended, of those created before `to`, and how long counting took.
struct Tally {
    ended: Census,
    to: Time,
    at: Instant,
    took: Duration,
}

#[derive(Default)]
struct Counting {
    tally: Lock<Option<Tally>>,
    under_way: Lock<bool>,
    done: Notify,
}

/// A page waits for a complete count only if the last one was quicker than this.
const QUICK: Duration = Duration::from_millis(20);
/// Younger orders are mostly in flight, so they are not added to the tally yet. An older order that is still in flight
/// is counted by the next complete count.
const SETTLED_MS: i64 = 10_000;
/// Later than any order.
const END_OF_TIME: i64 = 253_402_300_799_000;

impl Counting {
    /// All orders that have ended; `None` until the first complete count has ended.
    async fn counted(
        self: &Arc<Self>,
        store: &Arc<dyn Database>,
        now: Time,
    ) -> Result<Option<Census>, Error> {
        let (due, wait) = self.tally(|tally| match tally {
            None => (true, true),
            Some(tally) => (tally.at.elapsed() >= tally.took * SHARE, tally.took < QUICK),
        });
        if due {
            let done = self.done.notified();
            if !std::mem::replace(&mut *self.running(), true) {
                tokio::spawn(self.clone().count_all(store.clone(), now));
            }
            if wait {
                tokio::time::timeout(COUNT_WAIT, done).await.ok();
            }
        }
        self.extend_tally(store, now).await?;
        let Some((mut all, to)) =
            self.tally(|tally| tally.as_ref().map(|tally| (tally.ended.clone(), tally.to)))
        else {
            return Ok(None);
        };
        all += store.census(to, Time::from_unix_ms(END_OF_TIME)).await?.ended();
        Ok(Some(all))
    }

    async fn count_all(self: Arc<Self>, store: Arc<dyn Database>, now: Time) {
        let (started, to) = (Instant::now(), Time::from_unix_ms(now.unix_ms() - SETTLED_MS));
        match store.census(Time::from_unix_ms(0), to).await {
            Ok(census) => {
                let (at, took) = (Instant::now(), started.elapsed());
                self.tally(|tally| *tally = Some(Tally { ended: census.ended(), to, at, took }));
            }
            Err(why) => tracing::warn!("the orders cannot be counted: {why}"),
        }
        *self.running() = false;
        self.done.notify_waiters();
    }

    /// Adds orders that have become old enough to the tally, so that not every sample counts them.
    async fn extend_tally(&self, store: &Arc<dyn Database>, now: Time) -> Result<(), Error> {
        let settled = Time::from_unix_ms(now.unix_ms() - SETTLED_MS);
        let Some(from) = self.tally(|tally| tally.as_ref().map(|tally| tally.to)) else { return Ok(()) };
        if settled.unix_ms() - from.unix_ms() < SETTLED_MS {
            return Ok(());
        }
        let more = store.census(from, settled).await?.ended();
        self.tally(|tally| {
            // A complete count may have ended meanwhile; it replaces this one.
            if let Some(tally) = tally.as_mut().filter(|tally| tally.to == from) {
                tally.ended += more;
                tally.to = settled;
            }
        });
        Ok(())
    }

    fn tally<T>(&self, with: impl FnOnce(&mut Option<Tally>) -> T) -> T {
        with(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn running(&self) -> std::sync::MutexGuard<'_, bool> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
