//! Workers in one process hand messages over inline: what that saves, and which messages still go by their queue.

use std::sync::Arc;

use async_trait::async_trait;
use broker::embedded::EmbeddedBroker;
use broker::{Broker, Delivery};
use contract::{
    Body, ChargeStanding, Message, MessageId, Need, ProviderAnswer, Queue, Raw, Role, Table, Time,
};
use engine::pause::Paused;
use engine::redelivery::RedeliveryRecorder;
use engine::run::{
    BatchError, BatchSize, Consumer, Handler, Linger, LocalHandlers, Reached, RetryState, UnitOfWork,
    WorkerHandler,
};
use notification::NotificationWorker;
use order::OrderWorker;
use payment::PaymentWorker;
use saga::SagaWorker;
use stock::StockWorker;
use store::batch::Settled;
use store::sqlite::SqliteStore;
use store::{Emitted, Journal, Outbox, SavedRecord, Transaction};
use tokio_util::sync::CancellationToken;

use crate::support::PATIENCE;
use crate::support::usual;
use crate::world::PATIENCE as STEPS;
use crate::world::faults::{Aim, Fault, FaultInjector, Place};
use crate::world::memory::MemoryStore;

const ORDER: &str = "01932b4a-1111-7000-8000-000000000001";

#[tokio::test]
async fn a_checkout_goes_as_far_as_the_provider_in_one_transaction() {
    let process = SingleProcess::of(Arc::new(WorkerHandler(SagaWorker { patience: STEPS }))).await;
    process.stock_up().await;
    process.handle(&process.submitted("one"), RetryState::default()).await.unwrap();
    assert_eq!(
        process.journalled().await,
        [
            "order checkout.submit",
            "notification notification.tell",
            "saga saga.start",
            "stock stock.reserve",
            "saga stock.reserved",
            "payment payment.charge",
        ]
    );
    // Everything else was handled inline when it was emitted.
    assert_eq!(process.in_flight().await, ["email email.send", "provider provider.charge"]);
    for queue in Queue::ALL {
        let published = process.broker.depth(queue).await.unwrap().messages;
        let outside = matches!(queue, Queue::Provider | Queue::Email);
        assert_eq!(published, usize::from(outside), "{queue}");
    }
}

/// On a database server, each load is a round trip.
#[tokio::test]
async fn what_a_checkout_leads_to_is_loaded_before_a_worker_needs_it() {
    let faults = Arc::new(FaultInjector::default());
    let far = MemoryStore::new(Arc::default(), faults.clone());
    let far = Arc::new(far);
    let process = SingleProcess::on(far.clone(), Arc::new(WorkerHandler(SagaWorker { patience: STEPS })));
    process.stock_up().await;

    let one_look_more = |looks| Some(Aim::at(Place::Load, looks, Fault::Unavailable));
    faults.expect(one_look_more(1));
    process.handle(&process.submitted("one"), RetryState::default()).await.unwrap();
    assert_eq!(faults.struck(), None, "one load of what all of them need");

    let said = process.store.in_flight().await.unwrap();
    let asked = said.into_iter().flatten().find_map(|one| match one.message.body {
        Body::ProviderCharge(ask) => Some(ask),
        _ => None,
    });
    let ask = asked.expect("every worker had its turn, up to the payment");
    let charge = ChargeStanding::Succeeded { transaction_id: "t1".into(), amount: ask.amount };
    let body = Body::ProviderAnswer(ProviderAnswer { key: ask.key, order_id: ask.order_id, charge });
    let answer = Message::new(MessageId::new("answer").unwrap(), Time::default(), body);
    faults.expect(one_look_more(2));
    let answered = [deliver(Queue::Payment, Arc::new(answer))];
    process.handle_as(Role::Payment, &answered, RetryState::default()).await.unwrap();
    assert_eq!(faults.struck(), None, "one load, and one of the goods that the hold names");
    let need = Need::of(Table::Orders, ORDER);
    let order = far.tables().records.get(&need).map(|(_, json)| json.to_string()).unwrap();
    assert!(order.contains(r#""status":"fulfilled""#), "{order}");
}

#[tokio::test]
async fn what_was_emitted_inline_before_a_crash_is_published_when_the_batch_comes_again() {
    let process = SingleProcess::of(Arc::new(WorkerHandler(SagaWorker { patience: STEPS }))).await;
    process.stock_up().await;
    let submitted = process.submitted("one");
    process.handle(&submitted, RetryState::default()).await.unwrap();
    // Everything that it published is lost, and the broker delivers the batch again.
    for queue in [Queue::Provider, Queue::Email] {
        process.broker.take(queue, 1).await.unwrap();
    }
    let again: Vec<_> =
        submitted.into_iter().map(|delivery| Delivery { redelivered: true, ..delivery }).collect();
    let mut facts = process.broker.facts(&[]).await;
    process.handle(&again, RetryState::default()).await.unwrap();
    assert_eq!(process.broker.take(Queue::Provider, 9).await.unwrap()[0].message.name(), "provider.charge");
    assert_eq!(process.broker.take(Queue::Email, 9).await.unwrap()[0].message.name(), "email.send");
    let mut heard = Vec::new();
    while let Ok(fact) = facts.try_recv() {
        heard.push(fact.name());
    }
    assert_eq!(heard, ["order.created", "stock.reserved"]);
    assert_eq!(process.journalled().await.len(), 6, "no message was handled twice");
}

#[tokio::test]
async fn what_fails_inline_goes_by_its_queue_and_fails_there_alone() {
    let process = SingleProcess::of(Arc::new(Fails)).await;
    process.stock_up().await;
    let stop = CancellationToken::new();
    process.broker.publish(&[process.say("one"), process.say("two")]).await.unwrap();
    let consumer = tokio::spawn(process.consumer(Role::Order).run(stop.clone()));
    tokio::time::timeout(PATIENCE, async {
        while process.broker.depth(Queue::Saga).await.unwrap().messages < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the orders were created and the saga was asked");
    stop.cancel();
    consumer.await.unwrap();
    assert!(process.journalled().await.iter().all(|row| row.starts_with("order ")));
    assert_eq!(process.broker.depth(Queue::Intake).await.unwrap().messages, 0, "it is not tried again");
}

#[tokio::test]
async fn a_batch_that_conflicts_with_its_follow_ups_is_tried_without_them() {
    let mut retry_state = RetryState::default();
    assert!(retry_state.learn(&BatchError::Unavailable("away".into())) && !retry_state.without_inline);
    assert!(retry_state.learn(&BatchError::Recheck { answer_lost: true, why: "lost".into() }));
    assert!(retry_state.without_inline && retry_state.answer_lost);
    assert!(!retry_state.learn(&BatchError::Faulty("it fails by itself".into())));

    let process = SingleProcess::of(Arc::new(WorkerHandler(SagaWorker { patience: STEPS }))).await;
    process.stock_up().await;
    process.handle(&process.submitted("one"), retry_state).await.unwrap();
    assert_eq!(process.journalled().await, ["order checkout.submit"]);
    assert_eq!(process.in_flight().await, ["notification notification.tell", "saga saga.start"]);
}

/// All deciding workers in one process, with a database and a broker of their own.
struct SingleProcess<S> {
    store: Arc<S>,
    broker: Arc<EmbeddedBroker>,
    handlers: Vec<Arc<dyn Handler>>,
    local_handlers: Arc<LocalHandlers>,
}

impl SingleProcess<SqliteStore> {
    async fn of(saga: Arc<dyn Handler>) -> Self {
        Self::on(Arc::new(SqliteStore::in_memory().await.unwrap()), saga)
    }

    /// Which role handled which message about orders, in order.
    async fn journalled(&self) -> Vec<String> {
        let rows = self.store.journal_page(0, 100).await.unwrap();
        let rows = rows.into_iter().map(|(_, row)| row.unwrap()).filter(|row| row.order_id.is_some());
        rows.map(|row| format!("{} {}", row.role, row.name)).collect()
    }
}

impl<S: Outbox + 'static> SingleProcess<S> {
    fn on(store: Arc<S>, saga: Arc<dyn Handler>) -> Self {
        let handlers: Vec<Arc<dyn Handler>> = vec![
            Arc::new(WorkerHandler(OrderWorker)),
            Arc::new(WorkerHandler(PaymentWorker)),
            Arc::new(WorkerHandler(StockWorker)),
            Arc::new(WorkerHandler(NotificationWorker)),
            saga,
        ];
        Self {
            store,
            broker: Arc::new(EmbeddedBroker::refilled(Vec::new())),
            local_handlers: LocalHandlers::of(handlers.iter().cloned()),
            handlers,
        }
    }

    fn consumer(&self, role: Role) -> Consumer {
        Consumer {
            store: self.store.clone(),
            broker: self.broker.clone(),
            handler: self.handlers.iter().find(|handler| handler.role() == role).unwrap().clone(),
            queues: &[Queue::Order, Queue::Intake],
            batch_size: BatchSize::up_to(10),
            paused: Paused::never(),
            local_handlers: self.local_handlers.clone(),
            redeliveries: RedeliveryRecorder::off(),
            linger: Linger::default(),
        }
    }

    async fn handle(&self, deliveries: &[Delivery], retry_state: RetryState) -> Result<(), BatchError> {
        self.handle_as(Role::Order, deliveries, retry_state).await
    }

    async fn handle_as(
        &self,
        role: Role,
        deliveries: &[Delivery],
        retry_state: RetryState,
    ) -> Result<(), BatchError> {
        for delivery in deliveries {
            let said = Emitted { message: delivery.message.clone(), queues: vec![delivery.queue] };
            self.broker.publish(&[said]).await.unwrap();
            self.broker.take(delivery.queue, 1).await.unwrap();
        }
        self.consumer(role).handle(deliveries, retry_state).await
    }

    /// Adds one product, and takes its message off the broker again.
    async fn stock_up(&self) {
        let body = r#"{"sku":"A","title":"A","price":{"amount":"1.00","currency":"EUR"},"on_hand":5}"#;
        let product = message("product", "product.upsert", body);
        let delivery = deliver(Queue::Order, product);
        self.handle(&[delivery], RetryState::default()).await.unwrap();
        assert!(self.in_flight().await.is_empty(), "the stock is counted inline");
    }

    fn submitted(&self, id: &str) -> Vec<Delivery> {
        vec![deliver(Queue::Intake, self.say(id).message)]
    }

    fn say(&self, id: &str) -> Emitted {
        let order = ORDER.replace("1111", if id == "one" { "1111" } else { "2222" });
        let body = format!(
            r#"{{"order_id":"{order}","customer_id":"c","items":[{{"sku":"A","quantity":1}}],
                "payment":{{"method":"card","token":"tok_ok"}},"contact":{{"email":"c@example.com"}}}}"#
        );
        Emitted { message: message(id, "checkout.submit", &body), queues: vec![Queue::Intake] }
    }

    async fn in_flight(&self) -> Vec<String> {
        let found = self.store.in_flight().await.unwrap();
        let mut found: Vec<_> =
            found.iter().flatten().map(|one| format!("{} {}", one.queue, one.message.name())).collect();
        found.sort();
        found
    }
}

/// A saga that cannot handle what it is given inline.
struct Fails;

#[async_trait]
impl Handler for Fails {
    fn role(&self) -> Role {
        Role::Saga
    }

    fn reaches_out(&self) -> bool {
        false
    }

    async fn reach_out(&self, _fresh: &[Arc<Message>], _now: Time) -> Result<Reached, BatchError> {
        Ok(Reached::new())
    }

    fn unit(&self) -> Box<dyn UnitOfWork + '_> {
        Box::new(Fails)
    }
}

#[async_trait]
impl UnitOfWork for Fails {
    fn takes(&self, _message: &Message) -> bool {
        true
    }

    async fn settle(
        &mut self,
        _transaction: &mut dyn Transaction,
        _reached: Reached,
        _fresh: &[Arc<Message>],
        _now: Time,
    ) -> Result<Vec<Settled>, BatchError> {
        Err(BatchError::Faulty("it always fails".into()))
    }

    fn changed(self: Box<Self>) -> Vec<SavedRecord> {
        Vec::new()
    }
}

fn message(id: &str, name: &str, body: &str) -> Arc<Message> {
    let raw = Raw {
        message_id: Some(id.to_string()),
        name: name.into(),
        body: body.as_bytes().to_vec(),
        ..Raw::default()
    };
    Arc::new(Message::accept(usual(&raw.name), &raw, Time::default()).unwrap())
}

fn deliver(queue: Queue, message: Arc<Message>) -> Delivery {
    Delivery { queue, message, redelivered: false, attempt: 0, mark: Default::default() }
}
