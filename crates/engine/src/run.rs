//! The one loop: 1 take a batch, 2 drop what was handled before, 3 load, 4 decide, 5 write, 6 commit, 7 publish,
//! 8 acknowledge.
//!
//! Nothing is published before it is committed, and nothing is acknowledged before it is published. `handle` is the life
//! of one batch, step by step; `retry.rs` says what happens when it fails.

mod batch_size;
mod dedupe;
mod handler;
mod inline;
mod linger;
mod owed;
mod prefetch;
mod report;
mod retry;
mod take;

use std::sync::Arc;

use broker::{Broker, Delivery};
use contract::{Message, Queue, Role};
use metrics::{METRICS, Stage, Watch};
use store::{DeadChange, Emitted, Store, Transaction};
use tokio_util::sync::CancellationToken;

pub use batch_size::BatchSize;
use dedupe::{Deduped, dedupe};
pub use handler::{AdapterHandler, Handler, Reached, UnitOfWork, WorkerHandler};
pub use inline::LocalHandlers;
use inline::{BatchResult, BatchUnit};
pub use linger::Linger;
pub(crate) use owed::still_owed;
use prefetch::PrefetchingTransaction;
use retry::caught;
pub use retry::{BatchError, RetryState};
use take::HEAD_START;

use crate::fail;
use crate::pause::Paused;
use crate::redelivery::RedeliveryRecorder;

/// Reads the queues of one role. Its clones work side by side, each with a batch of its own.
#[derive(Clone)]
pub struct Consumer {
    pub store: Arc<dyn Store>,
    pub broker: Arc<dyn Broker>,
    pub handler: Arc<dyn Handler>,
    /// Drained in this order: a later queue only while the earlier ones are empty.
    pub queues: &'static [Queue],
    pub batch_size: BatchSize,
    pub paused: Paused,
    /// The workers of this process that handle inline what this batch emits.
    pub local_handlers: Arc<LocalHandlers>,
    /// Counts what is delivered again and what fails.
    pub redeliveries: RedeliveryRecorder,
    pub linger: Linger,
}

/// What a committed batch leaves to be done.
struct Committed {
    /// To be published.
    outbox: Vec<Emitted>,
    /// The roles that took part.
    roles: Vec<Role>,
}

impl Consumer {
    /// Runs until `stop` is cancelled, and finishes the batch in hand.
    pub async fn run(self, stop: CancellationToken) {
        METRICS.runs(self.handler.role());
        let mut head_start = HEAD_START;
        loop {
            let permit = self.linger.permit().await;
            let Some(deliveries) = self.take(&stop, std::mem::take(&mut head_start)).await else { return };
            let permit = permit.after(deliveries.len(), self.batch_size.next());
            // An adapter may wait long for the outside world: it must not keep the other consumers of its role from taking.
            let permit = permit.filter(|_| !self.handler.reaches_out());
            self.handle_to_the_end(deliveries, permit, &stop).await;
        }
    }

    /// One attempt at a batch that was taken: steps 2 to 8.
    pub async fn handle(&self, deliveries: &[Delivery], retry_state: RetryState) -> Result<(), BatchError> {
        let role = self.handler.role();
        fail::point("taken", role);
        METRICS.batch(role, deliveries.len());
        let Committed { outbox, roles } = caught(self.commit(deliveries, retry_state)).await?;
        roles.iter().for_each(|role| fail::point("committed", *role));
        let mut watch = Watch::start(role);
        // 7. Publish, until the broker has confirmed.
        self.publish(&outbox).await;
        watch.lap(Stage::Tell);
        roles.iter().for_each(|role| fail::point("published", *role));
        // 8. Acknowledge.
        let acknowledged = self.broker.ack(deliveries).await;
        watch.lap(Stage::Acknowledge);
        acknowledged.map_err(|away| BatchError::Unavailable(away.to_string()))
    }

    /// Steps 2 to 6: from the deliveries to what is committed.
    async fn commit(
        &self,
        deliveries: &[Delivery],
        retry_state: RetryState,
    ) -> Result<Committed, BatchError> {
        let role = self.handler.role();
        let mut watch = Watch::start(role);
        // 2. Dedupe: the journal says which of them this role has handled.
        let mut transaction = self.store.begin().await?;
        let batch = dedupe(&mut *transaction, role, deliveries, retry_state.answer_lost).await?;
        watch.lap(Stage::Look);
        batch.repeats.iter().for_each(|message| self.redeliveries.repeated(role, message));
        if batch.fresh.is_empty() && batch.reused.is_empty() {
            METRICS.duplicates(role, batch.repeats.len());
            return Ok(Committed { outbox: batch.owed, roles: vec![role] });
        }
        fail::at_poison(&batch.fresh);
        let (transaction, reached) = self.reach_out(transaction, &batch, &mut watch).await?;
        // The workers of a process decide one batch after the other, so that each sees what the last one changed.
        let deciding = self.local_handlers.lock().await;
        watch.lap(Stage::Wait);
        // 3 and 4. Load and decide, and the same for all that is handled inline.
        let mut transaction = self.prefetching(transaction, &batch.fresh, retry_state);
        let mut decided = self.decide(&mut *transaction, reached, &batch, retry_state).await?;
        // 5 and 6. Write and commit. Once `commit` is called, loads see these changes: so the next batch may decide while
        // they are still being written.
        let Deduped { owed, reused, repeats, now, .. } = batch;
        let changes = report::changes(&mut decided, reused, deliveries, now);
        decided.roles.iter().for_each(|role| fail::point("decided", *role));
        watch.lap(Stage::Decide);
        let dead_letters = changes.dead.len();
        let committing = transaction.commit(changes);
        drop(deciding);
        committing.await?;
        watch.lap(Stage::Keep);
        report::report(role, &decided, repeats.len(), dead_letters);
        let outbox = owed.into_iter().chain(decided.outbox).collect();
        Ok(Committed { outbox, roles: decided.roles })
    }

    /// An adapter asks the outside world, in no transaction: a slow provider must not hold locks.
    async fn reach_out(
        &self,
        transaction: Box<dyn Transaction>,
        batch: &Deduped,
        watch: &mut Watch,
    ) -> Result<(Box<dyn Transaction>, Reached), BatchError> {
        if !self.handler.reaches_out() {
            return Ok((transaction, Reached::new()));
        }
        drop(transaction);
        let reached = self.handler.reach_out(&batch.fresh, batch.now).await?;
        fail::point("reached_out", self.handler.role());
        watch.lap(Stage::ReachOut);
        // Not deduplicated again: if another process has handled one of them meanwhile, the journal's unique key makes our
        // commit a conflict.
        Ok((self.store.begin().await?, reached))
    }

    /// On a server, the first load brings along what the batch will need inline: that saves round trips.
    fn prefetching(
        &self,
        transaction: Box<dyn Transaction>,
        fresh: &[Arc<Message>],
        retry_state: RetryState,
    ) -> Box<dyn Transaction> {
        if !transaction.is_remote() || retry_state.without_inline {
            return transaction;
        }
        let hints = self.local_handlers.prefetch(&self.paused, fresh);
        Box::new(PrefetchingTransaction::of(transaction, hints))
    }

    /// The batch itself, and what follows from it in this process.
    async fn decide(
        &self,
        transaction: &mut dyn Transaction,
        reached: Reached,
        batch: &Deduped,
        retry_state: RetryState,
    ) -> Result<BatchResult, BatchError> {
        let mut unit = BatchUnit::new(&self.local_handlers, &self.paused, batch.now);
        unit.decide_batch(&*self.handler, transaction, reached, &batch.fresh).await?;
        match retry_state.without_inline {
            false => unit.follow_up(transaction).await?,
            true => unit.leave_to_queues(),
        }
        Ok(unit.end())
    }
}
