//! Batches of one process that change the same rows, also when another process changes them too.

use std::time::Duration;

use sqlx::Connection;

use super::only_postgres::until;
use super::*;
use crate::support::postgres::{Schema, connect};

fn stocked(on_hand: i64, reserved: i64, received: i64) -> String {
    format!(r#"{{"sku":"A","on_hand":{on_hand},"reserved":{reserved},"received":{received}}}"#)
}

/// The stock of A, column by column and as a document, after two processes have read `before` and one was faster; and
/// whether the other one's batch was committed.
async fn after_both(before: &str, faster: &str, slower: &str) -> ([i64; 3], String, Result<(), Error>) {
    let schema = Schema::fresh().await;
    let (ours, theirs) = (open_postgres(schema.url()).await, open_postgres(schema.url()).await);
    let wanted = [Need::of(Table::Stock, "A")];
    ours.begin().await.unwrap().commit(records(vec![save(Table::Stock, "A", 0, before)])).await.unwrap();
    let (mut first, mut second) = (theirs.begin().await.unwrap(), ours.begin().await.unwrap());
    for batch in [&mut first, &mut second] {
        assert_eq!(batch.load(&wanted).await.unwrap()[0].version, 1, "reading for a decision takes no lock");
    }
    first.commit(records(vec![save(Table::Stock, "A", 1, faster)])).await.unwrap();
    let hold = save(Table::Holds, "1", 0, "{}");
    let kept = second.commit(records(vec![save(Table::Stock, "A", 1, slower), hold])).await;
    let doc = ours.get(Table::Stock, "A").await.unwrap().unwrap();
    let db = Db { store: ours, raw: Raw::Postgres(schema.url().to_string()) };
    let numbers = db.sql("select unnest(array[on_hand, reserved, version]) from stock").await.unwrap();
    let holds = db.sql("select count(*) from holds").await.unwrap();
    assert_eq!(holds, [i64::from(kept.is_ok())], "all of the batch is kept or nothing");
    schema.gone().await;
    (numbers.try_into().unwrap(), doc, kept)
}

#[tokio::test]
async fn what_two_processes_change_of_one_product_is_added_up() {
    let before = stocked(10, 4, 12);
    for (faster, slower, sum) in [
        // Both reserve. One ships reserved goods while the other counts. One takes back a delivery that never arrived
        // while the other reserves.
        (stocked(10, 6, 12), stocked(10, 8, 12), (10, 10, 12)),
        (stocked(7, 1, 12), stocked(20, 4, 22), (17, 1, 22)),
        (stocked(13, 4, 12), stocked(10, 9, 12), (13, 9, 12)),
    ] {
        let (numbers, doc, kept) = after_both(&before, &faster, &slower).await;
        kept.unwrap();
        let (on_hand, reserved, received) = sum;
        assert_eq!(numbers, [on_hand, reserved, 3]);
        let doc: serde_json::Value = serde_json::from_str(&doc).unwrap();
        let sum = stocked(on_hand, reserved, received);
        assert_eq!(doc, serde_json::from_str::<serde_json::Value>(&sum).unwrap());
    }
}

#[tokio::test]
async fn what_is_left_once_is_promised_once() {
    for (before, faster, slower) in [
        // Three of five for each. The same four ship twice. A stock-take leaves less than is reserved: then no
        // concurrent change is added up.
        (stocked(5, 0, 5), stocked(5, 3, 5), stocked(5, 3, 5)),
        (stocked(10, 4, 10), stocked(6, 0, 10), stocked(6, 0, 10)),
        (stocked(5, 3, 5), stocked(5, 2, 5), stocked(1, 3, 1)),
    ] {
        let (numbers, doc, kept) = after_both(&before, &faster, &slower).await;
        assert!(matches!(kept, Err(Error::Conflict(_))), "{before} {faster} {slower}: {kept:?}");
        assert_eq!((doc, numbers[2]), (faster, 2));
    }
}

fn promised(reserved: i64, version: i64) -> Changes {
    records(vec![save(Table::Stock, "A", version, &stocked(10, reserved, 10))])
}

/// Begins a batch that has read A, and returns how many of it are reserved by what it has read.
async fn found(store: &Arc<dyn Database>) -> (Box<dyn Transaction>, i64) {
    let mut batch = store.begin().await.unwrap();
    let loaded = batch.load(&[Need::of(Table::Stock, "A")]).await.unwrap();
    let doc: serde_json::Value = serde_json::from_str(&loaded[0].json).unwrap();
    (batch, doc["reserved"].as_i64().unwrap())
}

/// Two processes of which the first has noticed that the other changes A as well. Five of it are reserved, at version
/// 3.
async fn after_they_met(schema: &Schema) -> (Arc<dyn Database>, Arc<dyn Database>) {
    let (ours, theirs) = (open_postgres(schema.url()).await, open_postgres(schema.url()).await);
    ours.begin().await.unwrap().commit(promised(0, 0)).await.unwrap();
    let (first, _) = found(&ours).await;
    let first = first.commit(promised(1, 1));
    let (ahead, reserved) = found(&ours).await;
    assert_eq!(reserved, 1, "a pending write counts");
    found(&theirs).await.0.commit(promised(4, 1)).await.unwrap();
    first.await.unwrap();
    // The batch changes nothing itself, but a refusal based on stale stock would be wrong too.
    assert!(matches!(ahead.commit(Changes::default()).await, Err(Error::Conflict(_))));
    (ours, theirs)
}

/// Deciding ahead on a commit that is under way pays only while no other process changes the row.
#[tokio::test]
async fn a_batch_that_decided_on_numbers_that_changed_starts_over() {
    let schema = Schema::fresh().await;
    let (ours, theirs) = after_they_met(&schema).await;
    let (second, _) = found(&ours).await;
    let second = second.commit(promised(6, 3));
    let (next, reserved) = found(&ours).await;
    assert_eq!(reserved, 5, "pending writes are added up, as other processes' changes are");
    second.await.unwrap();
    next.commit(promised(7, 3)).await.unwrap();
    assert_eq!(found(&theirs).await.1, 8);
    schema.gone().await;
}

/// A batch that waits decides on what is left; otherwise two processes would go on promising the last one to each
/// other's orders.
#[tokio::test]
async fn once_stock_was_short_no_batch_decides_before_it_is_known_what_is_left() {
    let schema = Schema::fresh().await;
    let (ours, _theirs) = after_they_met(&schema).await;
    let (first, _) = found(&ours).await;
    let (second, _) = found(&ours).await;
    first.commit(promised(9, 3)).await.unwrap();
    let refused = second.commit(promised(8, 3)).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");

    let (third, reserved) = found(&ours).await;
    assert_eq!(reserved, 9);
    let third = third.commit(promised(10, 4));
    let short = Duration::from_millis(200);
    assert!(tokio::time::timeout(short, found(&ours)).await.is_err(), "it decides ahead");
    third.await.unwrap();
    assert_eq!(found(&ours).await.1, 10);
    schema.gone().await;
}

/// If they locked row by row, a batch that waits for one row would keep others waiting for the rows that it has.
#[tokio::test]
async fn large_batches_of_several_processes_take_turns_at_what_they_share() {
    let schema = Schema::fresh().await;
    let (ours, _theirs) = after_they_met(&schema).await;
    let mut direct = connect(schema.url()).await;
    let mut turn = direct.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock('stock'::regclass::oid::integer, 0)")
        .execute(&mut *turn)
        .await
        .unwrap();
    let journal = (1..=64).map(|n| row(Role::Order, &archive(n), vec![])).collect();
    let (large, _) = found(&ours).await;
    let (small, _) = found(&ours).await;
    let mut large = large.commit(Changes { journal, ..promised(6, 3) });
    let short = Duration::from_millis(200);
    tokio::time::timeout(short, &mut large).await.expect_err("it waits for its turn");
    small.commit(promised(7, 3)).await.unwrap();
    turn.rollback().await.unwrap();
    large.await.unwrap();
    assert_eq!(found(&ours).await.1, 8);
    schema.gone().await;
}

/// All that both change is the stock of a product: the rest of a large batch is written before the first one has
/// ended.
#[tokio::test]
async fn a_large_batch_is_written_beside_the_one_before_it_and_fails_with_it() {
    let large = || (1..=64).map(|n| row(Role::Order, &archive(n), vec![])).collect::<Vec<_>>();
    let wanted = [Need::of(Table::Stock, "A")];
    let change = |version| save(Table::Stock, "A", version, STOCKED);
    for first_is_kept in [true, false] {
        let schema = Schema::fresh().await;
        let store = open_postgres(schema.url()).await;
        let db = Db { store: store.clone(), raw: Raw::Postgres(schema.url().to_string()) };
        keep(&db, records(vec![change(0)])).await.unwrap();

        let mut first = store.begin().await.unwrap();
        first.load(&wanted).await.unwrap();
        let first = first.commit(records(vec![change(1)]));
        let mut second = store.begin().await.unwrap();
        assert_eq!(second.load(&wanted).await.unwrap()[0].version, 2, "a pending write counts");
        let own = save(Table::Holds, "of an order of its own", 0, "{}");
        let changes = Changes { journal: large(), ..records(vec![own, change(2)]) };
        let second = tokio::spawn(second.commit(changes));
        let mut direct = connect(schema.url()).await;
        let journalled = "select exists (select 1 from pg_locks where relation = 'journal'::regclass and mode = 'RowExclusiveLock')";
        until(&mut direct, journalled).await;

        if first_is_kept {
            first.await.unwrap();
            second.await.unwrap().unwrap();
        } else {
            drop(first);
            let fell = second.await.unwrap();
            assert!(matches!(fell, Err(Error::Conflict(_))), "{fell:?}");
        }
        let (rows, version) = if first_is_kept { (64, 3) } else { (0, 1) };
        assert_eq!(db.sql("select count(*) from journal").await.unwrap(), [rows]);
        assert_eq!(db.sql("select count(*) from holds").await.unwrap(), [rows / 64]);
        assert_eq!(db.sql("select version from stock").await.unwrap(), [version]);
        schema.gone().await;
    }
}

/// The batch before it changes an order of this batch, so nothing may be written ahead of it.
#[tokio::test]
async fn what_follows_on_another_batch_is_written_after_it() {
    let schema = Schema::fresh().await;
    let store = open_postgres(schema.url()).await;
    let first = store.begin().await.unwrap().commit(records(vec![ordered(1, "created", 10)]));
    let mut second = store.begin().await.unwrap();
    let need = Need::of(Table::Orders, order(1).to_string());
    assert_eq!(second.load(&[need]).await.unwrap().len(), 1);
    let journal = (1..=64).map(|n| row(Role::Order, &archive(n), vec![])).collect();
    let mut second = second.commit(Changes { journal, ..Changes::default() });
    let short = Duration::from_millis(200);
    tokio::time::timeout(short, &mut second).await.expect_err("it waits for the first");
    let mut direct = connect(schema.url()).await;
    let locked = "select not exists (select 1 from pg_locks where relation = 'journal'::regclass and mode = 'RowExclusiveLock')";
    until(&mut direct, locked).await;
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(store.journal_of(order(1)).await.unwrap().len(), 1);
    schema.gone().await;
}
