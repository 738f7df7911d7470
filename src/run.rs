//! The one loop: take a batch, skip what was seen, load, decide, keep, tell, acknowledge.
//!
//! Nothing is published before it is committed, and nothing is acknowledged before it is published.

mod hands;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use contract::{Message, MessageId, Outcome, Queue, Role, Time};
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

pub use hands::{Decides, Reaches};

use crate::batch::{self, Settled};
use crate::broker::{Broker, Delivery};
use crate::fail;
use crate::metrics::{Ending, METRICS, Stage, Watch};
use crate::pause::Paused;
use crate::retry::{Delays, LADDER};
use crate::store::{Changes, DeadChange, Error, Handled, Said, Store, Transaction};

/// A role at its queues.
pub struct Station {
    pub store: Arc<dyn Store>,
    pub broker: Arc<dyn Broker>,
    pub hand: Arc<dyn Hand>,
    /// Drained in this order: a later queue only while the earlier ones are empty.
    pub queues: &'static [Queue],
    pub batch_max: usize,
    pub paused: Paused,
}

/// What a role does with the messages of a batch that it has not seen before.
#[async_trait]
pub trait Hand: Send + Sync + 'static {
    fn role(&self) -> Role;

    fn reaches_out(&self) -> bool;

    /// Whatever has to happen outside, before and apart from the transaction.
    async fn reach_out(&self, fresh: &[Arc<Message>]) -> Result<Reached, Trouble>;

    /// Decides inside the transaction, and adds to `changes` the records that changed.
    async fn settle(
        &self,
        transaction: &mut dyn Transaction,
        reached: Reached,
        fresh: &[Arc<Message>],
        now: Time,
        changes: &mut Changes,
    ) -> Result<Vec<Settled>, Trouble>;
}

/// What came back from outside, message by message.
pub type Reached = Vec<crate::adapter::Done>;

/// Three kinds of failure, because there are three things to do.
#[derive(Debug)]
pub enum Trouble {
    /// Something everybody needs is away: keep the deliveries, wait, go on.
    Unavailable(String),
    /// Somebody was faster, or the commit's answer was lost: look at the journal again.
    Again { answer_lost: bool, why: String },
    /// One of these messages fails by itself.
    Faulty(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(why) => Trouble::Unavailable(why),
            Error::Conflict(why) => Trouble::Again { answer_lost: false, why },
            Error::Unknown(why) => Trouble::Again { answer_lost: true, why },
            Error::Refused(why) => Trouble::Faulty(why),
        }
    }
}

impl Station {
    /// Runs until told to stop, and finishes the batch in hand.
    pub async fn run(self, stop: CancellationToken) {
        METRICS.runs(self.hand.role());
        while let Some(deliveries) = self.take(&stop).await {
            self.see_through(deliveries, &stop).await;
        }
    }

    /// A batch from the first queue that has one. `None` when it is time to stop.
    async fn take(&self, stop: &CancellationToken) -> Option<Vec<Delivery>> {
        let role = self.hand.role();
        let mut delays = Delays::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                () = self.paused.over(role) => {}
            }
            let takes = self.queues.iter().map(|queue| self.broker.take(*queue, self.batch_max));
            // Polled in order, so that accepted work goes before new work.
            let first = first_ready(takes.collect());
            let taken = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                () = self.paused.begins(role) => {
                    tracing::info!(%role, "paused");
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
    async fn see_through(&self, deliveries: Vec<Delivery>, stop: &CancellationToken) {
        let mut delays = Delays::new();
        let mut answer_lost = false;
        loop {
            match self.handle(&deliveries, answer_lost).await {
                Ok(()) => return,
                Err(Trouble::Unavailable(why)) => {
                    tracing::warn!(role = %self.hand.role(), messages = deliveries.len(), "{why}; waiting for it");
                }
                Err(Trouble::Again { answer_lost: lost, why }) => {
                    tracing::debug!(role = %self.hand.role(), "{why}; looking again");
                    answer_lost |= lost;
                }
                Err(Trouble::Faulty(why)) => match deliveries.as_slice() {
                    [alone] => return self.climb(alone, &why).await,
                    several => {
                        tracing::debug!(role = %self.hand.role(), "a batch failed, handling it one by one: {why}");
                        for delivery in several.iter().cloned() {
                            Box::pin(self.see_through(vec![delivery], stop)).await;
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
    pub async fn handle(&self, deliveries: &[Delivery], answer_lost: bool) -> Result<(), Trouble> {
        let role = self.hand.role();
        fail::point("taken", role);
        METRICS.batch(role, deliveries.len());
        let work = AssertUnwindSafe(self.decide_and_keep(deliveries, answer_lost));
        let said = match work.catch_unwind().await {
            Ok(said) => said?,
            Err(panic) => return Err(Trouble::Faulty(format!("it panicked: {}", text_of(&*panic)))),
        };
        fail::point("committed", role);
        let mut watch = Watch::start(role);
        self.tell(&said).await;
        watch.lap(Stage::Tell);
        fail::point("published", role);
        let acknowledged = self.broker.ack(deliveries).await;
        watch.lap(Stage::Acknowledge);
        acknowledged.map_err(|away| Trouble::Unavailable(away.to_string()))
    }

    async fn decide_and_keep(
        &self,
        deliveries: &[Delivery],
        answer_lost: bool,
    ) -> Result<Vec<Said>, Trouble> {
        let role = self.hand.role();
        let mut watch = Watch::start(role);
        let mut transaction = self.store.begin().await?;
        let ids: Vec<_> = deliveries.iter().map(|delivery| delivery.message.id.clone()).collect();
        let (now, handled) = transaction.handled(role, &ids).await?;
        let mut sorted = sort(deliveries, handled, answer_lost, now);
        watch.lap(Stage::Look);
        let duplicates = deliveries.len() - sorted.fresh.len() - sorted.reused.len();
        if sorted.fresh.is_empty() && sorted.reused.is_empty() {
            METRICS.duplicates(role, duplicates);
            return Ok(sorted.owed);
        }
        fail::at_poison(&sorted.fresh);
        let mut reached = Vec::new();
        if self.hand.reaches_out() {
            // Nobody waits for a lock while somebody outside takes his time.
            drop(transaction);
            reached = self.hand.reach_out(&sorted.fresh).await?;
            fail::point("reached_out", role);
            watch.lap(Stage::ReachOut);
            transaction = self.store.begin().await?;
        }
        let mut changes = Changes::default();
        changes.dead.append(&mut sorted.reused);
        let settled = self.hand.settle(&mut *transaction, reached, &sorted.fresh, now, &mut changes).await?;
        let said = gather(role, &settled, deliveries, now, &mut changes);
        fail::point("decided", role);
        watch.lap(Stage::Decide);
        let buried = changes.dead.len();
        transaction.keep(changes).await?;
        watch.lap(Stage::Keep);
        // Counted once it is so.
        METRICS.duplicates(role, duplicates);
        METRICS.buried(role, buried);
        for one in &settled {
            report(role, one);
        }
        sorted.owed.extend(said);
        Ok(sorted.owed)
    }

    /// Publishes until the broker has confirmed. Unknown is not lost: the ids make repeats harmless.
    async fn tell(&self, said: &[Said]) {
        let mut delays = Delays::new();
        while let Err(away) = self.broker.publish(said).await {
            tracing::warn!(role = %self.hand.role(), messages = said.len(), "{away}; publishing again");
            tokio::time::sleep(delays.next_delay()).await;
        }
    }

    /// A message that fails by itself: later, and later, and then to the dead letters.
    async fn climb(&self, delivery: &Delivery, why: &str) {
        let role = self.hand.role();
        let message = &delivery.message;
        let order_id = message.order_id.map(tracing::field::display);
        if let Some(delay) = LADDER.get(delivery.attempt as usize) {
            tracing::warn!(%role, order_id, message_id = %message.id, name = message.name(), attempt = delivery.attempt + 1,
                "it failed and is tried again in {} s: {why}", delay.as_secs());
            METRICS.retried(role);
            if self.broker.retry(delivery, *delay).await.is_ok() {
                return;
            }
            return self.broker.hand_back(std::slice::from_ref(delivery)).await;
        }
        tracing::error!(%role, order_id, message_id = %message.id, name = message.name(),
            "it failed {} times and is kept as a dead letter: {why}", delivery.attempt + 1);
        match self.bury(delivery, why).await {
            Ok(()) => METRICS.buried(role, 1),
            // It has lost nothing but time: it is delivered again and fails again.
            Err(_) => self.broker.hand_back(std::slice::from_ref(delivery)).await,
        }
    }

    async fn bury(&self, delivery: &Delivery, why: &str) -> Result<(), Trouble> {
        let now = self.store.now().await?;
        let letter =
            batch::dead_letter(delivery.queue, &delivery.message, delivery.attempt + 1, "failed", why, now);
        let changes = Changes { dead: vec![DeadChange::Bury(letter)], ..Changes::default() };
        self.store.begin().await?.keep(changes).await?;
        self.broker
            .ack(std::slice::from_ref(delivery))
            .await
            .map_err(|away| Trouble::Unavailable(away.to_string()))
    }
}

/// A batch, by what is to be done about each message.
struct Sorted {
    fresh: Vec<Arc<Message>>,
    /// Said before, and perhaps never published.
    owed: Vec<Said>,
    /// Another message under a known id.
    reused: Vec<DeadChange>,
}

fn sort(deliveries: &[Delivery], handled: Vec<Handled>, answer_lost: bool, now: Time) -> Sorted {
    let mut known: HashMap<MessageId, Handled> = handled.into_iter().map(|h| (h.id.clone(), h)).collect();
    let mut sorted =
        Sorted { fresh: Vec::with_capacity(deliveries.len()), owed: Vec::new(), reused: Vec::new() };
    let mut seen: HashMap<&MessageId, &Arc<Message>> = HashMap::with_capacity(deliveries.len());
    for delivery in deliveries {
        let message = &delivery.message;
        let reused = match (known.get_mut(&message.id), seen.get(&message.id)) {
            (Some(before), _) if before.hash == message.hash() => {
                // Only a delivery whose first handling may have died half-way owes what was said then.
                if delivery.redelivered || delivery.attempt > 0 || answer_lost {
                    sorted.owed.append(&mut before.said);
                }
                false
            }
            (None, Some(before)) => before.hash() != message.hash(),
            (Some(_), _) => true,
            (None, None) => {
                seen.insert(&message.id, message);
                sorted.fresh.push(message.clone());
                false
            }
        };
        if reused {
            let why =
                "this message_id was used before, with another type or body; give every message its own";
            let letter =
                batch::dead_letter(delivery.queue, message, delivery.attempt, "message_id_reused", why, now);
            sorted.reused.push(DeadChange::Bury(reused_letter(letter, message)));
        }
    }
    sorted
}

/// The letter's id is made from queue and message id, which here belong to another message as well.
fn reused_letter(letter: crate::store::DeadLetter, message: &Message) -> crate::store::DeadLetter {
    let name = format!("{}/{}", letter.id, message.hash());
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).hyphenated().to_string();
    crate::store::DeadLetter { id, ..letter }
}

/// Journal rows, deadlines and dead letters of what was settled; returns all that was said.
fn gather(
    role: Role,
    settled: &[Settled],
    deliveries: &[Delivery],
    now: Time,
    changes: &mut Changes,
) -> Vec<Said> {
    let mut said = Vec::new();
    for one in settled {
        if let Outcome::Parked { code, why } = &one.outcome {
            let delivery = deliveries.iter().find(|delivery| delivery.message.id == one.message.id);
            let (queue, attempts) = delivery.map_or((Queue::Intake, 0), |d| (d.queue, d.attempt));
            let letter = batch::dead_letter(queue, &one.message, attempts + 1, code, why, now);
            changes.dead.push(DeadChange::Bury(letter));
        }
        changes.journal.extend(one.journal_row(role, now));
        changes.deadlines.extend(one.deadlines.iter().cloned());
        said.extend(one.said.iter().cloned());
    }
    said
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
async fn first_ready<T>(mut takes: Vec<futures_util::future::BoxFuture<'_, T>>) -> T {
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
