//! Every message from outside is journalled before it is published, and answered only then.
//!
//! Its journal row is the idempotency record: the same message again is recognised here, and journalled no second time.
//! It is published again, because the process that accepted it first may have died before that; its reader knows its id.
//! Requests that come close together share one commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use broker::{Broker, State};
use contract::{Message, Role};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use retry::Delays;
use store::batch;
use store::{Changes, Emitted, Error, Store};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tuning::{BACKPRESSURE_LASTS, INGRESS_BATCHES_IN_HAND, INGRESS_INTERVAL, MANY_WAITING, REQUESTS_FLOWING};

use crate::fail;
use crate::redelivery::RedeliveryRecorder;

/// Requests that wait for the ingress; past that, callers wait for a place.
const WAITING_MAX: usize = 10_000;
const BATCH_MAX: usize = 500;

/// A dependency that is away may come back within this; after that the caller is told.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub struct Ingress {
    requests: mpsc::Sender<Request>,
    backpressure: Backpressure,
}

/// How many customers wait for their orders to be accepted. While there are many, the workers of this process take smaller
/// batches, so that accepting comes first: an accepted order may wait in a queue, a customer should not wait for an answer.
#[derive(Clone)]
pub struct Backpressure(Arc<Counters>);

struct Counters {
    waiting: AtomicUsize,
    /// The times below are milliseconds since then.
    epoch: Instant,
    /// When the present backpressure began.
    began_ms: AtomicU64,
    /// Until then it lasts, even if fewer customers wait.
    until_ms: AtomicU64,
}

impl Default for Backpressure {
    fn default() -> Self {
        let epoch = Instant::now();
        let (waiting, began_ms, until_ms) = Default::default();
        Self(Arc::new(Counters { waiting, epoch, began_ms, until_ms }))
    }
}

impl Backpressure {
    /// How long there has been backpressure; `None`: there is none.
    pub fn lasting(&self) -> Option<Duration> {
        let now = self.0.now_ms();
        let many = self.0.waiting.load(Ordering::Relaxed) >= MANY_WAITING;
        let lasts = many || now < self.0.until_ms.load(Ordering::Relaxed);
        lasts.then(|| Duration::from_millis(now.saturating_sub(self.0.began_ms.load(Ordering::Relaxed))))
    }

    fn join(&self) -> Waiting {
        let before = self.0.waiting.fetch_add(1, Ordering::Relaxed);
        let now = self.0.now_ms();
        if before + 1 == MANY_WAITING && now >= self.0.until_ms.load(Ordering::Relaxed) {
            self.0.began_ms.store(now, Ordering::Relaxed);
        }
        Waiting(self.0.clone())
    }
}

/// One waiting customer.
struct Waiting(Arc<Counters>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.0.waiting.fetch_sub(1, Ordering::Relaxed) >= MANY_WAITING {
            self.0.until_ms.store(self.0.now_ms() + BACKPRESSURE_LASTS.as_millis() as u64, Ordering::Relaxed);
        }
    }
}

impl Counters {
    fn now_ms(&self) -> u64 {
        self.epoch.elapsed().as_millis() as u64
    }
}

struct Request {
    message: Arc<Message>,
    /// The name of the person who sent it, if the journal is to know.
    from: Option<Box<str>>,
    answer: oneshot::Sender<Result<Accepted, Refused>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is journalled and published.
    New,
    /// It came before, and had the same type and body.
    Repeat,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("this message_id was used before, with another type or body; give every message its own")]
    IdReused,
    #[error("not now: {0}")]
    Unavailable(String),
}

impl Ingress {
    /// The ingress, and the task that runs it. While requests flow, a batch begins at least `interval` after the one before.
    pub fn open(
        store: Arc<dyn Store>,
        broker: Arc<dyn Broker>,
        redeliveries: RedeliveryRecorder,
        interval: Duration,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (requests, waiting) = mpsc::channel(WAITING_MAX);
        (
            Self { requests, backpressure: Backpressure::default() },
            run_ingress(store, broker, redeliveries, waiting, interval, stop),
        )
    }

    /// For a customer who waits for the answer. A caller refused because something is away may send the same again: it is
    /// done once.
    pub async fn accept(&self, message: Message) -> Result<Accepted, Refused> {
        let _waits = self.backpressure.join();
        self.bring(message).await
    }

    /// The same, from a person whose name stays in the journal.
    pub async fn accept_from(&self, message: Message, from: &str) -> Result<Accepted, Refused> {
        let _waits = self.backpressure.join();
        self.within(self.pass(message, Some(from.into()))).await
    }

    /// From a program, as from a queue: it may wait, and causes no backpressure.
    pub async fn bring(&self, message: Message) -> Result<Accepted, Refused> {
        self.within(self.pass(message, None)).await
    }

    pub fn backpressure(&self) -> Backpressure {
        self.backpressure.clone()
    }

    async fn within(
        &self,
        passed: impl Future<Output = Result<Accepted, Refused>>,
    ) -> Result<Accepted, Refused> {
        let late = || Refused::Unavailable(format!("no answer within {} s", ANSWER_WITHIN.as_secs()));
        timeout(ANSWER_WITHIN, passed).await.map_err(|_| late())?
    }

    async fn pass(&self, message: Message, from: Option<Box<str>>) -> Result<Accepted, Refused> {
        let closed = || Refused::Unavailable("the system is stopping".into());
        let (answer, answered) = oneshot::channel();
        let request = Request { message: Arc::new(message), from, answer };
        self.requests.send(request).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

async fn run_ingress(
    store: Arc<dyn Store>,
    broker: Arc<dyn Broker>,
    redeliveries: RedeliveryRecorder,
    mut waiting: mpsc::Receiver<Request>,
    interval: Duration,
    stop: CancellationToken,
) {
    let mut in_hand = FuturesUnordered::new();
    let (mut began, mut requests) = (Instant::now(), 0);
    loop {
        let next = began + wait_after(requests, !in_hand.is_empty(), interval);
        let batch = tokio::select! {
            biased;
            Some(()) = in_hand.next() => continue,
            batch = gather(&mut waiting, next), if in_hand.len() < INGRESS_BATCHES_IN_HAND => batch,
            () = stop.cancelled() => break,
        };
        if batch.is_empty() {
            break;
        }
        (began, requests) = (Instant::now(), batch.len());
        in_hand.push(answer(&*store, &*broker, &redeliveries, batch));
    }
    while in_hand.next().await.is_some() {}
}

/// How long after a batch of this many requests the next one begins.
fn wait_after(requests: usize, still_in_hand: bool, interval: Duration) -> Duration {
    let in_a_flow = if requests >= REQUESTS_FLOWING { interval } else { Duration::ZERO };
    let beside_another = if still_in_hand { INGRESS_INTERVAL } else { Duration::ZERO };
    in_a_flow.max(beside_another)
}

/// Safe to cancel: requests stay in the channel.
async fn gather(waiting: &mut mpsc::Receiver<Request>, not_before: Instant) -> Vec<Request> {
    if Instant::now() < not_before {
        tokio::time::sleep_until(not_before).await;
    }
    let mut batch = Vec::new();
    waiting.recv_many(&mut batch, BATCH_MAX).await;
    batch
}

async fn answer(
    store: &dyn Store,
    broker: &dyn Broker,
    redeliveries: &RedeliveryRecorder,
    batch: Vec<Request>,
) {
    let answers = let_in(store, broker, &batch).await;
    for (request, answer) in batch.into_iter().zip(answers) {
        if answer == Ok(Accepted::Repeat) {
            redeliveries.repeated(Role::Gateway, &request.message);
        }
        // A caller that has stopped waiting will ask again under the same id.
        request.answer.send(answer).ok();
    }
}

async fn let_in(store: &dyn Store, broker: &dyn Broker, batch: &[Request]) -> Vec<Result<Accepted, Refused>> {
    if let State::Down(why) | State::Blocked(why) = broker.state() {
        // What cannot be published is not journalled either.
        return vec![Err(Refused::Unavailable(format!("the broker is away: {why}"))); batch.len()];
    }
    let mut delays = Delays::new();
    let mut lost = false;
    loop {
        // A broker that starts from the journal has all that was accepted before, even if a process died before publishing it.
        match journal(store, batch, lost || !broker.starts_from_journal()).await {
            Ok((answers, emitted)) => {
                if !emitted.is_empty() {
                    fail::point("committed", Role::Gateway);
                }
                while broker.publish(&emitted).await.is_err() {
                    tokio::time::sleep(delays.next_delay()).await;
                }
                if !emitted.is_empty() {
                    fail::point("published", Role::Gateway);
                }
                return answers;
            }
            Err(Error::Conflict(_)) => {}
            Err(Error::Unknown(_)) => lost = true,
            Err(error @ (Error::Unavailable(_) | Error::Refused(_))) => {
                return vec![Err(Refused::Unavailable(error.to_string())); batch.len()];
            }
        }
        tokio::time::sleep(delays.next_delay()).await;
    }
}

async fn journal(
    store: &dyn Store,
    batch: &[Request],
    say_again: bool,
) -> Result<(Vec<Result<Accepted, Refused>>, Vec<Emitted>), Error> {
    let mut transaction = store.begin().await?;
    let ids: Vec<_> = batch.iter().map(|request| request.message.id.clone()).collect();
    let (now, handled) = transaction.handled(Role::Gateway, &ids).await?;
    let mut known: std::collections::HashMap<_, _> = handled.into_iter().map(|h| (h.id, h.hash)).collect();
    let mut told = std::collections::HashSet::new();
    let mut changes = Changes::default();
    let (mut answers, mut emitted) = (Vec::with_capacity(batch.len()), Vec::new());
    for Request { message, from, .. } in batch {
        let answer = match known.get(&message.id) {
            Some(hash) if *hash != message.hash() => Err(Refused::IdReused),
            Some(_) => {
                if say_again && told.insert(&message.id) {
                    emitted.push(goes_to(message));
                }
                Ok(Accepted::Repeat)
            }
            None => {
                known.insert(message.id.clone(), message.hash());
                told.insert(&message.id);
                let one = goes_to(message);
                let outcome = match from {
                    Some(name) => format!("accepted from {} {name}", message.by),
                    None => "accepted".to_string(),
                };
                let row = batch::journal_row(Role::Gateway, message, outcome, vec![one.clone()], now);
                changes.journal.push(row);
                emitted.push(one);
                Ok(Accepted::New)
            }
        };
        answers.push(answer);
    }
    if !changes.journal.is_empty() {
        transaction.commit(changes).await?;
    }
    Ok((answers, emitted))
}

fn goes_to(message: &Arc<Message>) -> Emitted {
    Emitted { message: message.clone(), queues: message.body.queues().to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_lingers_longer_while_requests_flow_and_a_lone_request_never_waits() {
        let interval = Duration::from_millis(10);
        for (requests, in_hand, waits) in
            [(0, false, 0), (1, false, 0), (2, true, 2), (3, false, 10), (3, true, 10), (500, false, 10)]
        {
            let found = wait_after(requests, in_hand, interval);
            assert_eq!(found.as_millis(), waits, "after {requests}, still in hand: {in_hand}");
        }
        assert_eq!(wait_after(500, false, Duration::ZERO), Duration::ZERO, "where a batch costs little");
        assert_eq!(wait_after(500, true, Duration::ZERO), INGRESS_INTERVAL);
    }
}
