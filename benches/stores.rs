//! One batch of a role through the seam: what was handled, the records, keep. Everything is on the disk afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use contract::{Message, Need, Role, Table};
use divan::Bencher;
use divan::counter::ItemsCount;
use store::batch;
use store::postgres::{Options, PostgresStore};
use store::sqlite::{Durability, SqliteStore};
use store::{Changes, SavedRecord, Store};

use crate::{BATCHES, runtime, words};

#[divan::bench(args = BATCHES)]
fn sqlite(bencher: Bencher, messages: usize) {
    let file = File::open();
    measure(bencher, &file.store, messages);
    file.gone();
}

#[divan::bench(args = BATCHES)]
fn postgres(bencher: Bencher, messages: usize) {
    let database = Database::open();
    measure(bencher, &database.store, messages);
    database.gone();
}

/// A database of its own in a folder of its own.
pub(crate) struct File {
    pub(crate) store: SqliteStore,
    _folder: tempfile::TempDir,
}

impl File {
    pub(crate) fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("checkout.db");
        let store = runtime().block_on(SqliteStore::open(&file, Durability::PowerLoss)).unwrap();
        Self { store, _folder: folder }
    }

    pub(crate) fn gone(self) {
        runtime().block_on(store::Database::close(&self.store));
    }
}

/// A schema of its own.
pub(crate) struct Database {
    pub(crate) store: PostgresStore,
    url: String,
    schema: String,
}

impl Database {
    pub(crate) fn open() -> Self {
        let url = std::env::var("CHECKOUT_TEST_DATABASE_URL");
        let url = url.expect("let CHECKOUT_TEST_DATABASE_URL name a database, or run scripts/bench parts");
        let schema = format!("checkout_bench_{}", uuid::Uuid::now_v7().simple());
        let separator = if url.contains('?') { '&' } else { '?' };
        let own = format!("{url}{separator}options[search_path]={schema}");
        let store = runtime().block_on(async {
            PostgresStore::make_schema(&url, &schema).await.unwrap();
            PostgresStore::open(&own, Options::named("a benchmark of checkout")).await.unwrap()
        });
        Self { store, url, schema }
    }

    pub(crate) fn gone(self) {
        runtime().block_on(async {
            store::Database::close(&self.store).await;
            PostgresStore::drop_schema(&self.url, &self.schema).await.unwrap();
        });
    }
}

fn measure(bencher: Bencher, store: &dyn Store, messages: usize) {
    let number = AtomicU64::new(0);
    let next = |_| words::checkout(number.fetch_add(1, Ordering::Relaxed), 2);
    bencher
        .counter(ItemsCount::new(messages))
        .with_inputs(|| (0..messages).map(next).collect())
        .bench_local_values(|batch: Vec<_>| runtime().block_on(handle(store, batch)));
}

/// A row of the journal and a record for each message.
async fn handle(store: &dyn Store, batch: Vec<Message>) {
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
        changes.records.push(SavedRecord { need, version: 0, json: message.json().into() });
        let row = batch::journal_row(Role::Notification, &message, "noted".into(), Vec::new(), now);
        changes.journal.push(row);
    }
    transaction.commit(changes).await.unwrap();
}
