//! Orders through the whole system, embedded: from the ingress to fulfilled, on disk.

use std::collections::HashSet;
use std::path::Path;

use checkout_saga::app::System;
use contract::{Message, OrderId};
use divan::Bencher;
use divan::counter::ItemsCount;
use engine::part::Part;
use settings::{self, Profile};

use crate::{BATCHES, runtime, words};

#[divan::bench(args = BATCHES, sample_count = 20)]
fn embedded(bencher: Bencher, orders: usize) {
    let folder = tempfile::tempdir().unwrap();
    let system = runtime().block_on(open(folder.path()));
    let batch = || (0..orders as u64).map(|number| words::checkout(number, 2)).collect();
    bencher
        .counter(ItemsCount::new(orders))
        .with_inputs(batch)
        .bench_local_values(|batch: Vec<_>| runtime().block_on(fulfil(&system, batch)));
    runtime().block_on(system.stop()).unwrap();
}

async fn open(folder: &Path) -> System {
    let file = format!("sqlite:{}", folder.join("checkout.db").display());
    let flags = [("database_url", file.as_str()), ("listen", "none"), ("provider_delay_ms", "0")];
    let flags = flags.map(|(name, value)| (name.to_string(), value.to_string())).into();
    let settings = settings::load(Profile::Plain, None, &flags).unwrap().settings;
    let system = System::start(&settings, &Part::all()).await.unwrap();
    for number in 0..words::PRODUCTS {
        system.ingress.bring(words::product(number)).await.unwrap();
    }
    while !system.store.in_flight().await.unwrap().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    system
}

async fn fulfil(system: &System, batch: Vec<Message>) {
    let mut facts = system.broker.facts(&["order.fulfilled"]).await;
    let mut open: HashSet<OrderId> = batch.iter().filter_map(|message| message.order_id).collect();
    for message in batch {
        let ingress = system.ingress.clone();
        tokio::spawn(async move { ingress.bring(message).await.unwrap() });
    }
    while !open.is_empty() {
        let fact = facts.recv().await.unwrap();
        fact.order_id.map(|id| open.remove(&id));
    }
}
