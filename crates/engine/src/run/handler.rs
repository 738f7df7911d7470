//! What a role does with its messages: a pure worker decides on them, an adapter calls the outside world. The loop
//! does the rest.

use std::sync::Arc;

use adapters::{Adapter, Failure};
use async_trait::async_trait;
use contract::{Contention, Message, Need, PrefetchHint, Records, Role, Time, Worker};
use store::batch::{self, Settled};
use store::{SavedRecord, Transaction};

use super::BatchError;

/// What a role does with the messages of a batch that it has not handled before.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    fn role(&self) -> Role;

    fn reaches_out(&self) -> bool;

    /// The records that it will likely need next.
    fn prefetch(&self, _hint: PrefetchHint<'_>) -> Vec<Need> {
        Vec::new()
    }

    /// What has to happen outside, before and apart from the transaction.
    async fn reach_out(&self, fresh: &[Arc<Message>], now: Time) -> Result<Reached, BatchError>;

    /// Begins the role's part in one transaction.
    fn unit(&self) -> Box<dyn UnitOfWork + '_>;
}

/// A role's part in one transaction. Each decision sees the ones before it.
#[async_trait]
pub trait UnitOfWork: Send {
    /// Whether this message can be handled inline, in the transaction that emits it.
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

/// A pure worker as a handler.
pub struct WorkerHandler<W>(pub W);

#[async_trait]
impl<W: Worker> Handler for WorkerHandler<W> {
    fn role(&self) -> Role {
        W::ROLE
    }

    fn reaches_out(&self) -> bool {
        false
    }

    fn prefetch(&self, hint: PrefetchHint<'_>) -> Vec<Need> {
        self.0.prefetch(hint)
    }

    async fn reach_out(&self, _fresh: &[Arc<Message>], _now: Time) -> Result<Reached, BatchError> {
        Ok(Vec::new())
    }

    fn unit(&self) -> Box<dyn UnitOfWork + '_> {
        Box::new(WorkerUnit { worker: &self.0, records: Records::default() })
    }
}

/// What a worker knows of its records within one transaction.
struct WorkerUnit<'a, W: Worker> {
    worker: &'a W,
    records: Records<W::Record>,
}

#[async_trait]
impl<W: Worker> UnitOfWork for WorkerUnit<'_, W> {
    /// Not if it needs a hot row and this unit has loaded records already: hot rows are not locked, so a second load
    /// could show changes that the first one did not.
    fn takes(&self, message: &Message) -> bool {
        let is_hot = |need: &contract::Need| need.table.contention() == Contention::Hot;
        self.records.is_empty() || !self.worker.needs(message).iter().any(is_hot)
    }

    async fn settle(
        &mut self,
        transaction: &mut dyn Transaction,
        _reached: Reached,
        fresh: &[Arc<Message>],
        now: Time,
    ) -> Result<Vec<Settled>, BatchError> {
        let mut needs = batch::needs(self.worker, fresh);
        needs.retain(|need| !self.records.contains(need));
        if !needs.is_empty() {
            let found = transaction.load(&needs).await?;
            batch::put(&mut self.records, needs, found).map_err(BatchError::Faulty)?;
        }
        Ok(batch::settle(self.worker, &mut self.records, fresh, now))
    }

    fn changed(self: Box<Self>) -> Vec<SavedRecord> {
        let changed = self.records.changed().map(|(need, version, record)| SavedRecord {
            need: need.clone(),
            version,
            json: contract::Record::to_json(record),
        });
        changed.collect()
    }
}

/// An adapter as a handler.
pub struct AdapterHandler<A>(pub A);

#[async_trait]
impl<A: Adapter> Handler for AdapterHandler<A> {
    fn role(&self) -> Role {
        A::ROLE
    }

    fn reaches_out(&self) -> bool {
        true
    }

    async fn reach_out(&self, fresh: &[Arc<Message>], now: Time) -> Result<Reached, BatchError> {
        let mut reached = Vec::with_capacity(fresh.len());
        for answer in self.0.perform(fresh, now).await {
            reached.push(answer.map_err(|failure| match failure {
                Failure::Unavailable(..) => BatchError::Unavailable(failure.to_string()),
                Failure::Refused(..) => BatchError::Faulty(failure.to_string()),
            })?);
        }
        Ok(reached)
    }

    fn unit(&self) -> Box<dyn UnitOfWork + '_> {
        Box::new(AdapterUnit(A::ROLE))
    }
}

/// An adapter has no records; what came back is written down.
struct AdapterUnit(Role);

#[async_trait]
impl UnitOfWork for AdapterUnit {
    fn takes(&self, _message: &Message) -> bool {
        false
    }

    async fn settle(
        &mut self,
        _transaction: &mut dyn Transaction,
        reached: Reached,
        fresh: &[Arc<Message>],
        now: Time,
    ) -> Result<Vec<Settled>, BatchError> {
        let settled = fresh.iter().zip(reached).map(|(message, done)| Settled {
            message: message.clone(),
            outcome: done.outcome,
            emitted: batch::say(self.0, message, done.send, now),
            deadlines: Vec::new(),
        });
        Ok(settled.collect())
    }

    fn changed(self: Box<Self>) -> Vec<SavedRecord> {
        Vec::new()
    }
}
