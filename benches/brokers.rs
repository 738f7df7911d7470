//! One hop through the seam: a batch is published and confirmed, taken and acknowledged.

use std::sync::Arc;

use broker::Broker;
use broker::embedded::EmbeddedBroker;
use broker::rabbitmq::{self, Options, RabbitBroker};
use contract::Queue;
use divan::Bencher;
use divan::counter::ItemsCount;
use store::Emitted;

use crate::{BATCHES, runtime, words};

#[divan::bench(args = BATCHES)]
fn embedded(bencher: Bencher, messages: usize) {
    measure(bencher, &EmbeddedBroker::refilled(Vec::new()), messages);
}

#[divan::bench(args = BATCHES)]
fn rabbitmq(bencher: Bencher, messages: usize) {
    let Ok(url) = std::env::var("CHECKOUT_TEST_AMQP_URL") else {
        panic!("let CHECKOUT_TEST_AMQP_URL name a broker, or run scripts/bench parts");
    };
    let options = Options {
        url,
        prefix: format!("bench.{}", uuid::Uuid::now_v7().simple()),
        connection_name: "a benchmark of checkout".into(),
        batch_max: 256,
        consume: vec![Queue::Stock],
        logins: None,
    };
    let broker = runtime().block_on(async {
        let broker = RabbitBroker::connect(options.clone()).unwrap();
        broker.up().await;
        broker
    });
    measure(bencher, &*broker, messages);
    runtime().block_on(async {
        broker.close().await;
        rabbitmq::remove(&options).await.unwrap();
    });
}

fn measure(bencher: Bencher, broker: &dyn Broker, messages: usize) {
    let say = |number: usize| Emitted {
        message: Arc::new(words::checkout(number as u64, 2)),
        queues: vec![Queue::Stock],
    };
    let batch = || (0..messages).map(say).collect();
    bencher
        .counter(ItemsCount::new(messages))
        .with_inputs(batch)
        .bench_local_values(|batch: Vec<_>| runtime().block_on(hop(broker, &batch)));
}

async fn hop(broker: &dyn Broker, batch: &[Emitted]) {
    broker.publish(batch).await.unwrap();
    let mut taken = 0;
    while taken < batch.len() {
        let deliveries = broker.take(Queue::Stock, batch.len()).await.unwrap();
        taken += deliveries.len();
        broker.ack(&deliveries).await.unwrap();
    }
}
