//! Batches of one process that want the same rows, and what becomes of that where another process wants them too.

use std::time::Duration;

use super::only_postgres::until;
use super::*;
use crate::support::postgres::{Schema, connect};

/// Deciding ahead of what is being kept pays only for who is alone with a row.
#[tokio::test]
async fn who_was_beaten_by_another_process_waits_for_his_turn_from_then_on() {
    let schema = Schema::fresh().await;
    let (ours, theirs) = (open_postgres(schema.url()).await, open_postgres(schema.url()).await);
    let wanted = [Need::of(Table::Stock, "A")];
    let change = |version| records(vec![save(Table::Stock, "A", version, STOCKED)]);
    ours.begin().await.unwrap().keep(change(0)).await.unwrap();

    // Ahead of one that is not kept yet, so without a lock: the other process is faster.
    let ahead_of = ours.begin().await.unwrap().keep(records(vec![save(Table::Stock, "B", 0, STOCKED)]));
    let mut beaten = ours.begin().await.unwrap();
    beaten.load(&wanted).await.unwrap();
    theirs.begin().await.unwrap().keep(change(1)).await.unwrap();
    ahead_of.await.unwrap();
    assert!(matches!(beaten.keep(change(1)).await, Err(Error::Conflict(_))));

    let ahead_of = ours.begin().await.unwrap().keep(records(vec![save(Table::Stock, "C", 0, STOCKED)]));
    let mut next = ours.begin().await.unwrap();
    let short = Duration::from_millis(200);
    tokio::time::timeout(short, next.load(&wanted)).await.expect_err("it does not look ahead any more");
    ahead_of.await.unwrap();
    assert_eq!(next.load(&wanted).await.unwrap()[0].version, 2);
    let mut other = theirs.begin().await.unwrap();
    tokio::time::timeout(short, other.load(&wanted)).await.expect_err("the row is locked");
    next.keep(change(2)).await.unwrap();
    schema.gone().await;
}

/// All that both change is the stock of a product: the rest of a large batch is there before the first one has ended.
#[tokio::test]
async fn a_large_batch_is_written_beside_the_one_before_it_and_falls_with_it() {
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
        let first = first.keep(records(vec![change(1)]));
        let mut second = store.begin().await.unwrap();
        assert_eq!(second.load(&wanted).await.unwrap()[0].version, 2, "what is on its way counts");
        let own = save(Table::Holds, "of an order of its own", 0, "{}");
        let changes = Changes { journal: large(), ..records(vec![own, change(2)]) };
        let second = tokio::spawn(second.keep(changes));
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

/// An order of the batch is under way in the one before it: nothing goes ahead of that.
#[tokio::test]
async fn what_follows_on_another_batch_is_written_after_it() {
    let schema = Schema::fresh().await;
    let store = open_postgres(schema.url()).await;
    let first = store.begin().await.unwrap().keep(records(vec![ordered(1, "created", 10)]));
    let mut second = store.begin().await.unwrap();
    let need = Need::of(Table::Orders, order(1).to_string());
    assert_eq!(second.load(&[need]).await.unwrap().len(), 1);
    let journal = (1..=64).map(|n| row(Role::Order, &archive(n), vec![])).collect();
    let mut second = second.keep(Changes { journal, ..Changes::default() });
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
