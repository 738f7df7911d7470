//! A broker as one worker sees it: it remembers the worker's unsettled deliveries, and has the faults that are
//! active.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use broker::{Broker, DeadDelivery, Delivery, Depth, State, Unavailable};
use contract::{Message, Queue, Role};
use store::Emitted;
use tokio::sync::broadcast;

use super::{Chaos, Fault, Place, lock};

/// The longest that a message is delayed.
const SLOW_MS: u64 = 1500;
/// Within this time after a take, a worker is in the middle of the batch.
const MID_BATCH_MS: u64 = 20;

pub struct FaultyBroker {
    chaos: Arc<Chaos>,
    broker: Arc<dyn Broker>,
    /// `None`: no worker dies here.
    role: Option<Role>,
    held: Mutex<Vec<Delivery>>,
}

impl FaultyBroker {
    pub(super) fn new(chaos: Arc<Chaos>, broker: Arc<dyn Broker>, role: Option<Role>) -> Self {
        Self { chaos, broker, role, held: Mutex::default() }
    }

    /// The worker has died: what it held is redelivered, as when a connection breaks.
    pub(super) async fn give_back(&self) {
        let held = std::mem::take(&mut *lock(&self.held));
        self.broker.hand_back(&held).await;
    }

    fn let_go(&self, deliveries: &[Delivery]) {
        let mut held = lock(&self.held);
        for delivery in deliveries {
            let same =
                |known: &Delivery| known.mark == delivery.mark && known.message.id == delivery.message.id;
            if let Some(at) = held.iter().position(same) {
                held.swap_remove(at);
            }
        }
    }

    fn must_be_there(&self) -> Result<(), Unavailable> {
        match self.chaos.rages(Fault::Away) {
            true => Err(Unavailable("it was sent away to see what happens".into())),
            false => Ok(()),
        }
    }

    async fn may_die(&self, place: Place, how: &str) {
        let Some(role) = self.role.filter(|role| self.chaos.strikes(*role, place)) else { return };
        self.chaos.kill(role, how);
        // The task is dropped at this point.
        std::future::pending::<()>().await;
    }

    /// Not at once, but in the middle of handling what was taken.
    fn may_die_soon(&self) {
        let Some(role) = self.role.filter(|role| self.chaos.strikes(*role, Place::Taken)) else { return };
        let (chaos, after) = (self.chaos.clone(), Duration::from_millis(self.chaos.draw(MID_BATCH_MS)));
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            chaos.kill(role, "in the middle of a batch");
        });
    }
}

#[async_trait]
impl Broker for FaultyBroker {
    async fn publish(&self, emitted: &[Emitted]) -> Result<(), Unavailable> {
        self.may_die(Place::Committed, "after it had committed, and before it published").await;
        self.must_be_there()?;
        if self.chaos.rages(Fault::Slow) {
            tokio::time::sleep(Duration::from_millis(self.chaos.draw(SLOW_MS))).await;
        }
        self.broker.publish(emitted).await?;
        if self.chaos.rages(Fault::Twice) {
            self.broker.publish(emitted).await?;
        }
        self.may_die(Place::Published, "after it had published, and before it acknowledged").await;
        match self.chaos.rages(Fault::AnswerLost) && self.chaos.draw(2) == 0 {
            true => Err(Unavailable("its answer was lost to see what happens".into())),
            false => Ok(()),
        }
    }

    async fn take(&self, queue: Queue, max: usize) -> Result<Vec<Delivery>, Unavailable> {
        self.must_be_there()?;
        let taken = tokio::select! {
            biased;
            () = self.chaos.away() => return Err(Unavailable("it was sent away to see what happens".into())),
            taken = self.broker.take(queue, max) => taken?,
        };
        lock(&self.held).extend(taken.iter().cloned());
        self.may_die_soon();
        Ok(taken)
    }

    async fn ack(&self, deliveries: &[Delivery]) -> Result<(), Unavailable> {
        self.must_be_there()?;
        self.broker.ack(deliveries).await?;
        self.let_go(deliveries);
        Ok(())
    }

    async fn hand_back(&self, deliveries: &[Delivery]) {
        self.let_go(deliveries);
        self.broker.hand_back(deliveries).await;
    }

    async fn rest(&self, queue: Queue) {
        self.broker.rest(queue).await;
    }

    async fn retry(&self, delivery: &Delivery, delay: Duration) -> Result<(), Unavailable> {
        self.must_be_there()?;
        self.broker.retry(delivery, delay).await?;
        self.let_go(std::slice::from_ref(delivery));
        Ok(())
    }

    async fn depth(&self, queue: Queue) -> Result<Depth, Unavailable> {
        self.must_be_there()?;
        self.broker.depth(queue).await
    }

    async fn facts(&self, names: &[&'static str]) -> broadcast::Receiver<Arc<Message>> {
        self.broker.facts(names).await
    }

    fn state(&self) -> State {
        match self.must_be_there() {
            Ok(()) => self.broker.state(),
            Err(Unavailable(why)) => State::Down(why),
        }
    }

    fn starts_from_journal(&self) -> bool {
        self.broker.starts_from_journal()
    }

    async fn take_dead(&self, max: usize) -> Result<Vec<DeadDelivery>, Unavailable> {
        self.must_be_there()?;
        self.broker.take_dead(max).await
    }

    async fn ack_dead(&self, dead: &[DeadDelivery]) -> Result<(), Unavailable> {
        self.must_be_there()?;
        self.broker.ack_dead(dead).await
    }
}
