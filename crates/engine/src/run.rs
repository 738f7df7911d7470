//! The one loop: take a batch, skip what was seen, load, decide, keep, tell, acknowledge.
//!
//! Nothing is published before it is committed, and nothing is acknowledged before it is published.

mod batch_size;
mod handler;
mod inline;
mod linger;
mod owed;
mod prefetch;
mod sort;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use broker::{Broker, Delivery};
use contract::{Message, Need, Outcome, PrefetchHint, Queue, Role, Time};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use metrics::{Ending, METRICS, Stage, Watch};
use retry::{Delays, RETRY_DELAYS};
use store::batch::{self, Settled};
use store::{Changes, DeadChange, Emitted, Error, SavedRecord, Store, Transaction};
use tokio_util::sync::CancellationToken;

pub use batch_size::BatchSize;
pub use handler::{AdapterHandler, WorkerHandler};
pub use inline::LocalHandlers;
use inline::{BatchResult, BatchUnit, Entry};
pub use linger::Linger;
use linger::Permit;
pub(crate) use owed::still_owed;
use prefetch::PrefetchingTransaction;
use sort::{not_handled, sort};

use crate::fail;
use crate::pause::Paused;
use crate::redelivery::RedeliveryRecorder;

/// A role at its queues. Clones sit side by side, each with a batch of its own.
#[derive(Clone)]
pub struct Consumer {
    pub store: Arc<dyn Store>,
    pub broker: Arc<dyn Broker>,
    pub handler: Arc<dyn Handler>,
    /// Drained in this order: a later queue only while the earlier ones are empty.
    pub queues: &'static [Queue],
    pub batch_size: BatchSize,
    pub paused: Paused,
    /// Who handles on the spot what is said here.
    pub local_handlers: Arc<LocalHandlers>,
    /// Who counts what comes again.
    pub redeliveries: RedeliveryRecorder,
    pub linger: Linger,
}

/// What earlier tries at the same batch have taught.
#[derive(Clone, Copy, Default, Debug)]
pub struct RetryState {
    /// Its commit may have happened.
    pub answer_lost: bool,
    /// It failed together with what follows from it: now its follow-ups go by their queues.
    pub alone: bool,
}

impl RetryState {
    /// False when there is nothing more to learn from it: then the batch itself is at fault.
    pub fn learn(&mut self, error: &BatchError) -> bool {
        match error {
            BatchError::Unavailable(_) => true,
            BatchError::Again { answer_lost, .. } => {
                self.answer_lost |= answer_lost;
                self.alone = true;
                true
            }
            BatchError::Faulty(_) => !std::mem::replace(&mut self.alone, true),
        }
    }
}

/// What a role does with the messages of a batch that it has not seen before.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    fn role(&self) -> Role;

    fn reaches_out(&self) -> bool;

    /// What it will likely look at next.
    fn prefetch(&self, _course: PrefetchHint<'_>) -> Vec<Need> {
        Vec::new()
    }

    /// Whatever has to happen outside, before and apart from the transaction.
    async fn reach_out(&self, fresh: &[Arc<Message>]) -> Result<Reached, BatchError>;

    /// Where it sits during one transaction.
    fn unit(&self) -> Box<dyn UnitOfWork + '_>;
}

/// A role's part in one transaction. It sees what it decided before.
#[async_trait]
pub trait UnitOfWork: Send {
    /// This message can be handled here and now.
    fn takes(&self, message: &Message) -> bool;

    async fn settle(
        &mut self,
        transaction: &mut dyn Transaction,
        reached: Reached,
        fresh: &[Arc<Message>],
        now: Time,
    ) -> Result<Vec<Settled>, BatchError>;

    /// The records that are to be written.
    fn changed(self: Box<Self>) -> Vec<SavedRecord>;
}

/// What came back from outside, message by message.
pub type Reached = Vec<adapters::Done>;

/// Three kinds of failure, because there are three things to do.
#[derive(Debug)]
pub enum BatchError {
    /// Something everybody needs is away: keep the deliveries, wait, go on.
    Unavailable(String),
    /// Somebody was faster, or the commit's answer was lost: look at the journal again.
    Again { answer_lost: bool, why: String },
    /// One of these messages fails by itself.
    Faulty(String),
}

impl From<Error> for BatchError {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(why) => BatchError::Unavailable(why),
            Error::Conflict(why) => BatchError::Again { answer_lost: false, why },
            Error::Unknown(why) => BatchError::Again { answer_lost: true, why },
            Error::Refused(why) => BatchError::Faulty(why),
        }
    }
}

/// A broker answers for each queue in its own time. At the start, and after a rest, those before a queue are asked so much
/// earlier, so that what was asked of an order while its role was away is not overtaken by the order's submission.
const HEAD_START: Duration = Duration::from_millis(250);

impl Consumer {
    /// Runs until told to stop, and finishes the batch in hand.
    pub async fn run(self, stop: CancellationToken) {
        METRICS.runs(self.handler.role());
        let mut head_start = HEAD_START;
        loop {
            let turn = self.linger.turn().await;
            let Some(deliveries) = self.take(&stop, std::mem::take(&mut head_start)).await else { return };
            let turn = turn.took(deliveries.len(), self.batch_size.next());
            // Somebody outside may take his time.
            let turn = turn.filter(|_| !self.handler.reaches_out());
            self.see_through(deliveries, turn, &stop).await;
        }
    }

    /// A batch from the first queue that has one. `None` when it is time to stop.
    async fn take(&self, stop: &CancellationToken, mut head_start: Duration) -> Option<Vec<Delivery>> {
        let role = self.handler.role();
        let mut delays = Delays::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                () = self.paused.over(role) => {}
            }
            let takes = self.queues.iter().zip(0..).map(|(queue, place)| -> BoxFuture<'_, _> {
                match head_start * place {
                    Duration::ZERO => self.broker.take(*queue, self.batch_size.next()),
                    later => Box::pin(async move {
                        tokio::time::sleep(later).await;
                        self.broker.take(*queue, self.batch_size.next()).await
                    }),
                }
            });
            // Polled in order, so that accepted work goes before new work.
            let first = first_ready(takes.collect());
            let taken = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                () = self.paused.begins(role) => {
                    tracing::info!(%role, "paused");
                    for queue in self.queues {
                        self.broker.rest(*queue).await;
                    }
                    head_start = HEAD_START;
                    continue;
                }
                taken = first => taken,
            };
            match taken {
                Ok(deliveries) => return Some(deliveries),
                Err(away) => {
                    tracing::warn!(%role, "{away}; waiting for it");
                    tokio::time::sleep(delays.next_delay()).await;
                }
            }
        }
    }

    /// Handles a batch to its end, waiting for what is away. When told to stop meanwhile, hands it back.
    /// Nobody waits for his turn until trouble is over.
    async fn see_through(
        &self,
        deliveries: Vec<Delivery>,
        mut turn: Option<Permit>,
        stop: &CancellationToken,
    ) {
        let mut delays = Delays::new();
        let mut retry_state = RetryState::default();
        loop {
            let Err(error) = self.handle(&deliveries, retry_state).await else { return };
            drop(turn.take());
            let learned = retry_state.learn(&error);
            match error {
                BatchError::Unavailable(why) => {
                    tracing::warn!(role = %self.handler.role(), messages = deliveries.len(), "{why}; waiting for it");
                }
                BatchError::Again { why, .. } => {
                    tracing::debug!(role = %self.handler.role(), "{why}; looking again");
                }
                BatchError::Faulty(why) if learned => {
                    tracing::debug!(role = %self.handler.role(), "{why}; trying again without what follows from it");
                    continue;
                }
                BatchError::Faulty(why) => match deliveries.as_slice() {
                    [alone] => return self.retry_later(alone, &why).await,
                    several => {
                        tracing::debug!(role = %self.handler.role(), "a batch failed, handling it one by one: {why}");
                        for delivery in several.iter().cloned() {
                            Box::pin(self.see_through(vec![delivery], None, stop)).await;
                        }
                        return;
                    }
                },
            }
            tokio::select! {
                () = stop.cancelled() => return self.broker.hand_back(&deliveries).await,
                () = tokio::time::sleep(delays.next_delay()) => {}
            }
        }
    }

    /// Steps 2 to 8, once.
    pub async fn handle(&self, deliveries: &[Delivery], retry_state: RetryState) -> Result<(), BatchError> {
        let role = self.handler.role();
        fail::point("taken", role);
        METRICS.batch(role, deliveries.len());
        let work = AssertUnwindSafe(self.decide_and_keep(deliveries, retry_state));
        let (said, roles) = match work.catch_unwind().await {
            Ok(kept) => kept?,
            Err(panic) => return Err(BatchError::Faulty(format!("it panicked: {}", text_of(&*panic)))),
        };
        roles.iter().for_each(|role| fail::point("committed", *role));
        let mut watch = Watch::start(role);
        self.tell(&said).await;
        watch.lap(Stage::Tell);
        roles.iter().for_each(|role| fail::point("published", *role));
        let acknowledged = self.broker.ack(deliveries).await;
        watch.lap(Stage::Acknowledge);
        acknowledged.map_err(|away| BatchError::Unavailable(away.to_string()))
    }

    /// Returns what is to be published, and which roles took part.
    async fn decide_and_keep(
        &self,
        deliveries: &[Delivery],
        retry_state: RetryState,
    ) -> Result<(Vec<Emitted>, Vec<Role>), BatchError> {
        let role = self.handler.role();
        let mut watch = Watch::start(role);
        let mut transaction = self.store.begin().await?;
        let ids: Vec<_> = deliveries.iter().map(|delivery| delivery.message.id.clone()).collect();
        let (now, handled) = transaction.handled(role, &ids).await?;
        let mut sorted = sort(deliveries, handled, retry_state.answer_lost, now);
        sorted.owed = still_owed(&mut *transaction, sorted.owed).await?;
        watch.lap(Stage::Look);
        let duplicates = deliveries.len() - sorted.fresh.len() - sorted.reused.len();
        let elsewhere = std::mem::take(&mut sorted.elsewhere);
        sorted.fresh.extend(not_handled(&mut *transaction, role, elsewhere).await?);
        sorted.repeats.iter().for_each(|message| self.redeliveries.repeated(role, message));
        if sorted.fresh.is_empty() && sorted.reused.is_empty() {
            METRICS.duplicates(role, duplicates);
            return Ok((sorted.owed, vec![role]));
        }
        fail::at_poison(&sorted.fresh);
        let mut reached = Vec::new();
        if self.handler.reaches_out() {
            // Nobody waits for a lock while somebody outside takes his time.
            drop(transaction);
            reached = self.handler.reach_out(&sorted.fresh).await?;
            fail::point("reached_out", role);
            watch.lap(Stage::ReachOut);
            transaction = self.store.begin().await?;
        }
        let turn = self.local_handlers.turn().await;
        watch.lap(Stage::Wait);
        if transaction.is_remote() && !retry_state.alone {
            let prefetched = self.local_handlers.prefetch(&self.paused, &sorted.fresh);
            transaction = Box::new(PrefetchingTransaction::of(transaction, prefetched));
        }
        let mut unit = BatchUnit::new(&self.local_handlers, &self.paused, now);
        unit.settle(&*self.handler, &mut *transaction, reached, &sorted.fresh).await?;
        match retry_state.alone {
            false => unit.follow_up(&mut *transaction).await?,
            true => unit.leave_to_queues(),
        }
        let BatchResult { entries, records, said, roles } = unit.end();
        let mut changes = Changes { records, dead: sorted.reused, ..Changes::default() };
        gather(&entries, deliveries, now, &mut changes);
        roles.iter().for_each(|role| fail::point("decided", *role));
        watch.lap(Stage::Decide);
        let dead_lettered = changes.dead.len();
        let keeping = transaction.keep(changes);
        // Whoever decides next sees what is being kept, or waits for it.
        drop(turn);
        keeping.await?;
        watch.lap(Stage::Keep);
        // Counted once it is so.
        METRICS.duplicates(role, duplicates);
        METRICS.dead_lettered(role, dead_lettered);
        for entry in &entries {
            report(entry.role, &entry.settled);
        }
        sorted.owed.extend(said);
        Ok((sorted.owed, roles))
    }

    /// Publishes until the broker has confirmed. Unknown is not lost: the ids make repeats harmless.
    async fn tell(&self, said: &[Emitted]) {
        let mut delays = Delays::new();
        while let Err(away) = self.broker.publish(said).await {
            tracing::warn!(role = %self.handler.role(), messages = said.len(), "{away}; publishing again");
            tokio::time::sleep(delays.next_delay()).await;
        }
    }

    /// A message that fails by itself: later, and later, and then to the dead letters.
    async fn retry_later(&self, delivery: &Delivery, why: &str) {
        let role = self.handler.role();
        let message = &delivery.message;
        let order_id = message.order_id.map(tracing::field::display);
        if let Some(delay) = RETRY_DELAYS.get(delivery.attempt as usize) {
            tracing::warn!(%role, order_id, message_id = %message.id, name = message.name(), attempt = delivery.attempt + 1,
                "it failed and is tried again in {} s: {why}", delay.as_secs());
            METRICS.retried(role);
            self.redeliveries.failed(role, message, why);
            if self.broker.retry(delivery, *delay).await.is_ok() {
                return;
            }
            return self.broker.hand_back(std::slice::from_ref(delivery)).await;
        }
        tracing::error!(%role, order_id, message_id = %message.id, name = message.name(),
            "it failed {} times and is kept as a dead letter: {why}", delivery.attempt + 1);
        match self.park(delivery, why).await {
            Ok(()) => METRICS.dead_lettered(role, 1),
            // It has lost nothing but time: it is delivered again and fails again.
            Err(_) => self.broker.hand_back(std::slice::from_ref(delivery)).await,
        }
    }

    async fn park(&self, delivery: &Delivery, why: &str) -> Result<(), BatchError> {
        let now = self.store.now().await?;
        let letter =
            batch::dead_letter(delivery.queue, &delivery.message, delivery.attempt + 1, "failed", why, now);
        let changes = Changes { dead: vec![DeadChange::Park(letter)], ..Changes::default() };
        self.store.begin().await?.keep(changes).await?;
        self.broker
            .ack(std::slice::from_ref(delivery))
            .await
            .map_err(|away| BatchError::Unavailable(away.to_string()))
    }
}

/// Journal rows, deadlines and dead letters of what was settled.
fn gather(entries: &[Entry], deliveries: &[Delivery], now: Time, changes: &mut Changes) {
    for Entry { role, ahead_of, settled } in entries {
        if let Outcome::Parked { code, why } = &settled.outcome {
            let delivery = deliveries.iter().find(|delivery| delivery.message.id == settled.message.id);
            let came = delivery.map_or((Queue::Intake, 0), |d| (d.queue, d.attempt));
            let (queue, attempts) = ahead_of.map_or(came, |queue| (queue, 0));
            let letter = batch::dead_letter(queue, &settled.message, attempts + 1, code, why, now);
            changes.dead.push(DeadChange::Park(letter));
        }
        changes.journal.extend(settled.journal_row(*role, now));
        changes.deadlines.extend(settled.deadlines.iter().cloned());
    }
}

fn report(role: Role, settled: &Settled) {
    let message = &settled.message;
    let order_id = message.order_id.map(tracing::field::display);
    let (id, name) = (&message.id, message.name());
    let ending = match &settled.outcome {
        Outcome::Done(what) => {
            tracing::debug!(%role, order_id, message_id = %id, name, "{what}");
            Ending::Done
        }
        Outcome::Ignored(why) => {
            tracing::debug!(%role, order_id, message_id = %id, name, "ignored: {why}");
            Ending::Ignored
        }
        Outcome::Alarm(why) => {
            tracing::warn!(%role, order_id, message_id = %id, name, "{why}");
            Ending::Alarm
        }
        Outcome::Parked { code, why } => {
            tracing::warn!(%role, order_id, message_id = %id, name, code, "kept as a dead letter: {why}");
            Ending::Parked
        }
    };
    METRICS.ended(role, ending);
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_string())
}

/// The first of these futures that is ready, looking at them in order.
async fn first_ready<T>(mut takes: Vec<BoxFuture<'_, T>>) -> T {
    std::future::poll_fn(move |context| {
        for take in &mut takes {
            if let std::task::Poll::Ready(taken) = take.as_mut().poll(context) {
                return std::task::Poll::Ready(taken);
            }
        }
        std::task::Poll::Pending
    })
    .await
}
