//! A whole system without I/O: the real loop, workers and adapters over tables, queues and a provider in memory.
//!
//! `Consumer::handle` is the loop that production runs. Here it is polled by hand, so that a test may kill, pause or
//! disturb it at every await (`faults`), and nothing moves unless a test says so.

pub(crate) mod case;
pub(crate) mod claims;
pub(crate) mod faults;
pub(crate) mod memory;
pub(crate) mod memory_broker;
pub(crate) mod outside;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use adapters::email::EmailAdapter;
use adapters::mock::Settings;
use adapters::provider::ProviderAdapter;
use adapters::sms::SmsAdapter;
use broker::Delivery;
use contract::{Message, MessageId, ProviderEvent, Queue, Raw, Role, Time};
use engine::pause::Paused;
use engine::redelivery::RedeliveryRecorder;
use engine::run::{
    AdapterHandler, BatchError, BatchSize, Consumer, Handler, Linger, LocalHandlers, RetryState,
    WorkerHandler,
};
use engine::timers;
use notification::NotificationWorker;
use order::OrderWorker;
use payment::PaymentWorker;
use saga::{Patience, SagaWorker};
use serde_json::Value;
use stock::StockWorker;
use store::batch;
use store::{DeadLetter, DeadStatus, Emitted};

use faults::{Aim, FaultInjector};
use memory::MemoryStore;
use memory_broker::MemoryBroker;
use outside::{Clock, Outside};

pub(crate) struct World {
    pub(crate) clock: Arc<Clock>,
    pub(crate) memory: Arc<MemoryStore>,
    pub(crate) memory_broker: Arc<MemoryBroker>,
    pub(crate) outside: Arc<Outside>,
    pub(crate) faults: Arc<FaultInjector>,
    /// Every role in a process of its own.
    apart: Vec<(Role, Consumer)>,
    /// All roles in one process.
    together: Vec<(Role, Consumer)>,
}

/// Which consumers handle a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Deployment {
    Apart,
    Together,
}

/// What became of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Acknowledged,
    /// The process died; what it had not acknowledged is in its queue again, flagged as redelivered.
    Died,
    /// A dependency is down; the batch is in its queue as before.
    Waits,
}

/// The settings' defaults (`config.rs`): how long each step may take.
pub(crate) const PATIENCE: Patience =
    Patience { stock_s: 30, payment_s: 300, ship_s: 30, cod_s: COD_PATIENCE_S };
const COD_PATIENCE_S: u64 = 30 * 24 * 3600;

/// A batch whose look at the journal ends in a conflict this often would never end.
const AGAIN_MAX: usize = 5;

impl World {
    pub(crate) fn open(settings: Settings) -> Self {
        let faults = Arc::new(FaultInjector::default());
        let clock = Arc::new(Clock::default());
        let memory = Arc::new(MemoryStore::new(clock.clone(), faults.clone()));
        let memory_broker = Arc::new(MemoryBroker::new(faults.clone()));
        let outside = Arc::new(Outside::new(settings, clock.clone(), faults.clone()));
        let handlers: Vec<Arc<dyn Handler>> = vec![
            Arc::new(WorkerHandler(OrderWorker)),
            Arc::new(WorkerHandler(PaymentWorker)),
            Arc::new(WorkerHandler(StockWorker)),
            Arc::new(WorkerHandler(NotificationWorker)),
            Arc::new(WorkerHandler(SagaWorker { patience: PATIENCE })),
            Arc::new(AdapterHandler(ProviderAdapter(outside.clone()))),
            Arc::new(AdapterHandler(EmailAdapter(outside.clone()))),
            Arc::new(AdapterHandler(SmsAdapter(outside.clone()))),
        ];
        let consumers = |local_handlers: &dyn Fn() -> Arc<LocalHandlers>| {
            let consumer = |handler: &Arc<dyn Handler>| {
                let (store, broker, handler) = (memory.clone(), memory_broker.clone(), handler.clone());
                let (paused, local_handlers) = (Paused::never(), local_handlers());
                (
                    handler.role(),
                    Consumer {
                        store,
                        broker,
                        handler,
                        queues: &[],
                        batch_size: BatchSize::up_to(1),
                        paused,
                        local_handlers,
                        redeliveries: RedeliveryRecorder::off(),
                        linger: Linger::default(),
                    },
                )
            };
            handlers.iter().map(consumer).collect()
        };
        let apart = consumers(&LocalHandlers::none);
        let local_handlers = LocalHandlers::of(handlers.iter().cloned());
        let together = consumers(&|| local_handlers.clone());
        Self { clock, memory, memory_broker, outside, faults, apart, together }
    }

    /// Has the role that reads `queue` handle a batch. `meanwhile` runs when the fault is a pause.
    ///
    /// `Err` is what the real loop would retry later. In here that is always a defect.
    pub(crate) fn work(
        &self,
        queue: Queue,
        batch: Vec<Delivery>,
        deployment: Deployment,
        aim: Option<Aim>,
        meanwhile: impl FnOnce(),
    ) -> Result<End, String> {
        let consumer = self.consumer(queue, deployment);
        self.faults.expect(aim);
        self.memory_broker.count_acks();
        let mut meanwhile = Some(meanwhile);
        let mut retry_state = RetryState::default();
        for _ in 0..AGAIN_MAX {
            let mut handling = pin!(consumer.handle(&batch, retry_state));
            let mut context = Context::from_waker(Waker::noop());
            let handled = loop {
                match handling.as_mut().poll(&mut context) {
                    Poll::Ready(handled) => break handled,
                    Poll::Pending if self.faults.paused() => {
                        if let Some(meanwhile) = meanwhile.take() {
                            meanwhile();
                        }
                    }
                    Poll::Pending => {
                        self.memory_broker.come_back(&batch[self.memory_broker.acked()..], Some(true));
                        return Ok(End::Died);
                    }
                }
            };
            match handled {
                Ok(()) => return Ok(End::Acknowledged),
                Err(trouble @ BatchError::Recheck { .. }) => assert!(retry_state.learn(&trouble)),
                Err(BatchError::Unavailable(_)) => {
                    self.memory_broker.come_back(&batch[self.memory_broker.acked()..], None);
                    return Ok(End::Waits);
                }
                Err(BatchError::Faulty(why)) => {
                    return Err(format!("{} cannot handle it: {why}", queue.reader()));
                }
            }
        }
        Err(format!("{}: conflict after conflict", queue.reader()))
    }

    /// Another replica of the same role, while the first one is paused. No fault is injected into it.
    pub(crate) fn rival(&self, queue: Queue, batch: &[Delivery]) -> Option<String> {
        if batch.is_empty() {
            return None;
        }
        let consumer = self.consumer(queue, Deployment::Apart);
        let handled = pin!(consumer.handle(batch, RetryState::default()))
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        self.memory_broker.count_acks();
        match handled {
            Poll::Ready(Ok(())) => None,
            Poll::Ready(Err(BatchError::Unavailable(_))) => {
                self.memory_broker.come_back(batch, None);
                None
            }
            Poll::Ready(Err(why)) => Some(format!("{} and a rival: {why:?}", queue.reader())),
            Poll::Pending => Some(format!("{}: the rival stands still", queue.reader())),
        }
    }

    fn consumer(&self, queue: Queue, deployment: Deployment) -> &Consumer {
        let consumers = match deployment {
            Deployment::Apart => &self.apart,
            Deployment::Together => &self.together,
        };
        let consumer = consumers.iter().find(|(role, _)| *role == queue.reader());
        &consumer.expect("every queue's reader has a consumer").1
    }

    /// A message from outside, through the ingress: journalled, then published. A repeat goes no further.
    pub(crate) fn enter(&self, message: Message) -> bool {
        let message = Arc::new(message);
        let said = vec![Emitted { message: message.clone(), queues: message.body.queues().to_vec() }];
        let now = self.clock.now();
        let row = batch::journal_row(Role::Gateway, &message, "accepted".into(), said.clone(), now);
        let new = self.memory.journal(row);
        if new {
            self.memory_broker.put(&said);
        }
        new
    }

    /// Parses a command as the ingress does.
    pub(crate) fn message(&self, id: &str, name: &str, body: &Value) -> Message {
        let raw = Raw {
            message_id: Some(id.to_string()),
            // As over HTTP, where a key becomes an id of our own form.
            of_key: MessageId::new(id).filter(MessageId::is_reserved),
            name: name.into(),
            schema: None,
            // Counts for checkouts only: each of them asks for a reply.
            reply_to: Some("asker".into()),
            correlation_id: Some(id.to_string()),
            body: body.to_string().into_bytes(),
            ..Raw::default()
        };
        let by = match body["by"].as_str() {
            Some("admin") => contract::Speaker::Admin,
            _ => crate::support::usual(name),
        };
        Message::accept(by, &raw, self.clock.now()).unwrap_or_else(|why| panic!("{name} {id}: {why}"))
    }

    pub(crate) fn command(&self, id: &str, name: &str, body: &Value) -> bool {
        self.enter(self.message(id, name, body))
    }

    /// The provider's event, as the courier brings it.
    pub(crate) fn bring(&self, message_id: &str, event: &ProviderEvent) -> bool {
        let body = serde_json::to_value(event).expect("an event is JSON");
        self.command(message_id, "payment.webhook", &body)
    }

    /// Publishes the deadlines that are due. Under `aim` the timer process may die half-way.
    pub(crate) fn ring(&self, aim: Option<Aim>) -> Option<usize> {
        self.faults.expect(aim);
        let mut ringing = pin!(timers::publish_due(&*self.memory, &*self.memory_broker));
        match ringing.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(count) => Some(count.expect("every dependency is up while the timer looks")),
            Poll::Pending => None,
        }
    }

    /// The broker has lost everything. What is in flight by the journal is put into its queues again.
    pub(crate) fn refill(&self) {
        self.memory_broker.forget();
        for one in self.memory.in_flight_now() {
            self.memory_broker.put_redelivered(one.queue, Arc::new(one.message));
        }
    }

    /// An operator replays a dead letter to its queue, under its own id.
    pub(crate) fn replay(&self, letter: &DeadLetter) {
        let now = self.clock.now();
        let id = letter.message_id.as_deref().and_then(MessageId::new).expect("a letter of ours has an id");
        let message = Message::restore(id.clone(), None, letter.at, &letter.name, &letter.body);
        let message = Arc::new(message.expect("it could be read before"));
        let queue = Queue::named(&letter.queue).expect("a queue of ours");
        let said = vec![Emitted { message: message.clone(), queues: vec![queue] }];
        let mut row = batch::journal_row(Role::Operator, &message, "replayed".into(), said.clone(), now);
        row.id = MessageId::derived(letter.order_id, Role::Operator, &id, self.memory.journal_len());
        assert!(self.memory.journal(row), "a replay is a row of its own");
        self.memory.close(&letter.id, DeadStatus::Replayed);
        self.memory_broker.put(&said);
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }
}
