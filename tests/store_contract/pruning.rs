//! Only what belongs to orders that ended long ago is pruned.

use super::*;

pub(super) async fn pruning_takes_only_ended_orders(db: Db) {
    let orders = [
        (1, "archived"),  // prunable
        (2, "paid"),      // not ended
        (3, "fulfilled"), // something is in flight
        (4, "cancelled"), // changed too recently
        (5, "refunded"),  // its return's saga is under way
        (6, "cancelled"), // an open dead letter
        (7, "fulfilled"), // prunable: its saga is done
    ];
    for (n, status) in orders {
        let said = if n == 3 { vec![say(&fulfil(30))] } else { vec![] };
        let mut changes = journal(row(Role::Order, &archive(n), said));
        changes.records.push(ordered(n, status, if n == 4 { 500 } else { 10 }));
        changes.records.push(save(
            Table::Sagas,
            &order(n).to_string(),
            0,
            r#"{"status":"completed","created_at":"2026-01-01"}"#,
        ));
        keep(&db, changes).await.unwrap();
    }
    let returning = save(
        Table::Sagas,
        &format!("{}/return/1", order(5)),
        0,
        r#"{"status":"needs_attention","created_at":"2026-01-01"}"#,
    );
    let mut rest = records(vec![returning]);
    rest.dead.push(DeadChange::Bury(letter("order", &archive(6))));
    rest.journal.push(row(Role::Order, &no_order(99), vec![]));
    keep(&db, rest).await.unwrap();

    assert_eq!(db.store.prune(at(500), 100).await.unwrap(), 2);
    assert_eq!(db.store.prune(at(500), 100).await.unwrap(), 0);
    for (n, _) in orders {
        let left = db.store.journal_of(order(n)).await.unwrap().len();
        assert_eq!(left, usize::from(![1, 7].contains(&n)), "order {n}");
        assert!(db.store.get(Table::Orders, &order(n).to_string()).await.unwrap().is_some());
    }
    assert_eq!(db.store.journal_page(0, 100).await.unwrap().len(), 6);
    assert!(db.sql("delete from journal").await.is_err(), "the door is closed again");
}

pub(super) async fn pruning_stops_at_its_limit_and_goes_on(db: Db) {
    for n in 1..=5 {
        let mut changes = journal(row(Role::Order, &archive(n), vec![]));
        changes.records.push(ordered(n, "archived", 10));
        keep(&db, changes).await.unwrap();
    }
    let mut pruned = Vec::new();
    for _ in 0..4 {
        pruned.push(db.store.prune(at(500), 2).await.unwrap());
    }
    assert_eq!(pruned, [2, 2, 1, 0]);
}
