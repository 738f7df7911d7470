//! A broker in memory whose queues have no order: the test chooses what is taken. Unacknowledged deliveries of a dead
//! process come again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use broker::{Broker, Delivery, Depth, Mark, Unavailable};
use contract::{Message, Queue};
use store::Emitted;
use tokio::sync::broadcast;

use super::faults::{Fault, FaultInjector, Place};

pub(crate) struct MemoryBroker {
    ready: Mutex<[Vec<Delivery>; Queue::ALL.len()]>,
    acked: AtomicUsize,
    faults: Arc<FaultInjector>,
}

impl MemoryBroker {
    pub(crate) fn new(faults: Arc<FaultInjector>) -> Self {
        Self { ready: Mutex::default(), acked: AtomicUsize::new(0), faults }
    }

    pub(crate) fn put(&self, emitted: &[Emitted]) {
        for Emitted { message, queues } in emitted {
            queues.iter().for_each(|queue| self.lock()[*queue as usize].push(fresh(*queue, message)));
        }
    }

    pub(crate) fn put_back(&self, delivery: Delivery) {
        self.lock()[delivery.queue as usize].push(delivery);
    }

    pub(crate) fn put_redelivered(&self, queue: Queue, message: Arc<Message>) {
        self.put_back(Delivery { redelivered: true, ..fresh(queue, &message) });
    }

    pub(crate) fn len(&self, queue: Queue) -> usize {
        self.lock()[queue as usize].len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().iter().all(Vec::is_empty)
    }

    /// Takes the delivery at index `at`.
    pub(crate) fn draw(&self, queue: Queue, at: usize) -> Delivery {
        self.lock()[queue as usize].swap_remove(at)
    }

    /// Takes the first that came.
    pub(crate) fn first(&self) -> Option<Delivery> {
        let mut ready = self.lock();
        let queue = ready.iter_mut().find(|queue| !queue.is_empty())?;
        Some(queue.remove(0))
    }

    pub(crate) fn forget(&self) {
        self.lock().iter_mut().for_each(Vec::clear);
    }

    pub(super) fn count_acks(&self) {
        self.acked.store(0, Ordering::Relaxed);
    }

    pub(super) fn acked(&self) -> usize {
        self.acked.load(Ordering::Relaxed)
    }

    /// `flag`: whether it counts as redelivered; `None` leaves it as it was.
    pub(super) fn come_back(&self, deliveries: &[Delivery], flag: Option<bool>) {
        for delivery in deliveries {
            let redelivered = flag.unwrap_or(delivery.redelivered);
            self.put_back(Delivery { redelivered, ..delivery.clone() });
        }
    }

    fn lock(&self) -> MutexGuard<'_, [Vec<Delivery>; Queue::ALL.len()]> {
        self.ready.lock().expect("no holder of this lock panics")
    }
}

fn fresh(queue: Queue, message: &Arc<Message>) -> Delivery {
    Delivery { queue, message: message.clone(), redelivered: false, attempt: 0, mark: Mark::default() }
}

#[async_trait]
impl Broker for MemoryBroker {
    async fn publish(&self, emitted: &[Emitted]) -> Result<(), Unavailable> {
        for Emitted { message, queues } in emitted {
            for queue in queues {
                if self.faults.pass(Place::Publish).await == Some(Fault::Twice) {
                    self.put(emitted);
                }
                self.lock()[*queue as usize].push(fresh(*queue, message));
            }
        }
        self.faults.pass(Place::Publish).await;
        Ok(())
    }

    async fn take(&self, _queue: Queue, _max: usize) -> Result<Vec<Delivery>, Unavailable> {
        Err(Unavailable("in this world deliveries are handed out, not taken".into()))
    }

    async fn ack(&self, deliveries: &[Delivery]) -> Result<(), Unavailable> {
        for _ in deliveries {
            if self.faults.pass(Place::Ack).await == Some(Fault::Unavailable) {
                return Err(Unavailable("it went away".into()));
            }
            self.acked.fetch_add(1, Ordering::Relaxed);
        }
        self.faults.pass(Place::Ack).await;
        Ok(())
    }

    async fn hand_back(&self, deliveries: &[Delivery]) {
        self.come_back(deliveries, Some(true));
    }

    async fn retry(&self, delivery: &Delivery, _delay: Duration) -> Result<(), Unavailable> {
        self.put_back(Delivery { attempt: delivery.attempt + 1, ..delivery.clone() });
        Ok(())
    }

    async fn depth(&self, queue: Queue) -> Result<Depth, Unavailable> {
        Ok(Depth { messages: self.len(queue), oldest: None })
    }

    async fn facts(&self, _names: &[&'static str]) -> broadcast::Receiver<Arc<Message>> {
        broadcast::channel(1).1
    }
}
