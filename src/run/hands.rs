//! Who sits at a station: a pure worker that decides, or an adapter that reaches out. Both leave the rest to the loop.

use std::sync::Arc;

use async_trait::async_trait;
use contract::{Message, Role, Time, Worker};

use super::{Hand, Reached, Trouble};
use crate::adapter::{Adapter, Failure};
use crate::batch::{self, Settled};
use crate::store::{Changes, SavedRecord, Transaction};

/// A pure worker at its station.
pub struct Decides<W>(pub W);

#[async_trait]
impl<W: Worker> Hand for Decides<W> {
    fn role(&self) -> Role {
        W::ROLE
    }

    fn reaches_out(&self) -> bool {
        false
    }

    async fn reach_out(&self, _fresh: &[Arc<Message>]) -> Result<Reached, Trouble> {
        Ok(Vec::new())
    }

    async fn settle(
        &self,
        transaction: &mut dyn Transaction,
        _reached: Reached,
        fresh: &[Arc<Message>],
        now: Time,
        changes: &mut Changes,
    ) -> Result<Vec<Settled>, Trouble> {
        let needs = batch::needs(&self.0, fresh);
        let found = transaction.load(&needs).await?;
        let mut records = batch::records(needs, &found).map_err(Trouble::Faulty)?;
        let settled = batch::settle(&self.0, &mut records, fresh, now);
        changes.records.extend(records.changed().map(|(need, version, record)| SavedRecord {
            need: need.clone(),
            version,
            json: contract::Record::to_json(record),
        }));
        Ok(settled)
    }
}

/// An adapter at its station.
pub struct Reaches<A>(pub A);

#[async_trait]
impl<A: Adapter> Hand for Reaches<A> {
    fn role(&self) -> Role {
        A::ROLE
    }

    fn reaches_out(&self) -> bool {
        true
    }

    async fn reach_out(&self, fresh: &[Arc<Message>]) -> Result<Reached, Trouble> {
        let mut reached = Vec::with_capacity(fresh.len());
        for answer in self.0.perform(fresh).await {
            reached.push(answer.map_err(|failure| match failure {
                Failure::Unavailable(..) => Trouble::Unavailable(failure.to_string()),
                Failure::Refused(..) => Trouble::Faulty(failure.to_string()),
            })?);
        }
        Ok(reached)
    }

    async fn settle(
        &self,
        _transaction: &mut dyn Transaction,
        reached: Reached,
        fresh: &[Arc<Message>],
        now: Time,
        _changes: &mut Changes,
    ) -> Result<Vec<Settled>, Trouble> {
        let settled = fresh.iter().zip(reached).map(|(message, done)| Settled {
            message: message.clone(),
            outcome: done.outcome,
            said: batch::say(A::ROLE, message, done.send, now),
            deadlines: Vec::new(),
        });
        Ok(settled.collect())
    }
}
