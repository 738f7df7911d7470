//! One batch of a role through the seam: what was handled, the records, keep. Everything is on the disk afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use checkout_saga::batch;
use checkout_saga::store::postgres::{Options, PostgresStore};
use checkout_saga::store::sqlite::{Durability, SqliteStore};
use checkout_saga::store::{Changes, SavedRecord, Store};
use contract::{Need, Role, Table, Time};
use divan::Bencher;
use divan::counter::ItemsCount;

use crate::{BATCHES, runtime, words};

#[divan::bench(args = BATCHES)]
fn sqlite(bencher: Bencher, messages: usize) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkout.db");
    let store = runtime().block_on(SqliteStore::open(&file, Durability::PowerLoss)).unwrap();
    measure(bencher, &store, messages);
    runtime().block_on(store.close());
}

#[divan::bench(args = BATCHES)]
fn postgres(bencher: Bencher, messages: usize) {
    let Ok(url) = std::env::var("CHECKOUT_TEST_DATABASE_URL") else {
        panic!("let CHECKOUT_TEST_DATABASE_URL name a database, or run scripts/bench parts");
    };
    let name = format!("checkout_bench_{}", uuid::Uuid::now_v7().simple());
    let separator = if url.contains('?') { '&' } else { '?' };
    let own = format!("{url}{separator}options[search_path]={name}");
    let store = runtime().block_on(async {
        PostgresStore::make_schema(&url, &name).await.unwrap();
        PostgresStore::open(&own, Options::named("a benchmark of checkout")).await.unwrap()
    });
    measure(bencher, &store, messages);
    runtime().block_on(async {
        store.close().await;
        PostgresStore::drop_schema(&url, &name).await.unwrap();
    });
}

fn measure(bencher: Bencher, store: &dyn Store, messages: usize) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let first = NUMBER.fetch_add(1_000_000, Ordering::Relaxed);
    let at = AtomicU64::new(first);
    let batch = || (0..messages).map(|_| words::checkout(at.fetch_add(1, Ordering::Relaxed), 2)).collect();
    bencher
        .counter(ItemsCount::new(messages))
        .with_inputs(batch)
        .bench_local_values(|batch: Vec<_>| runtime().block_on(handle(store, batch)));
}

/// A row of the journal and a record for each message.
async fn handle(store: &dyn Store, batch: Vec<contract::Message>) {
    let ids: Vec<_> = batch.iter().map(|message| message.id.clone()).collect();
    let needs: Vec<_> =
        batch.iter().filter_map(|message| Some(Need::of(Table::Notices, message.order_id?))).collect();
    let mut transaction = store.begin().await.unwrap();
    let (now, handled) = transaction.handled(Role::Notification, &ids).await.unwrap();
    assert!(handled.is_empty());
    assert!(transaction.load(&needs).await.unwrap().is_empty());
    let mut changes = Changes::default();
    for (message, need) in batch.into_iter().zip(needs) {
        let message = Arc::new(message);
        changes.records.push(SavedRecord { need, version: 0, json: message.json().to_string() });
        changes.journal.push(row(&message, now));
    }
    transaction.keep(changes).await.unwrap();
}

fn row(message: &Arc<contract::Message>, now: Time) -> checkout_saga::store::JournalRow {
    batch::journal_row(Role::Notification, message, "noted".into(), Vec::new(), now)
}
