//! Only rows of orders that ended long ago are pruned.

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
    rest.dead.push(DeadChange::Park(letter("order", &archive(6))));
    rest.journal.push(row(Role::Order, &no_order(99), vec![]));
    keep(&db, rest).await.unwrap();

    assert_eq!(db.store.prune(at(500), 100).await.unwrap(), Pruned { orders: 2, others: 0 });
    assert_eq!(db.store.prune(at(500), 100).await.unwrap(), Pruned::default());
    for (n, _) in orders {
        let left = db.store.journal_of(order(n)).await.unwrap().len();
        assert_eq!(left, usize::from(![1, 7].contains(&n)), "order {n}");
        assert!(db.store.get(Table::Orders, &order(n).to_string()).await.unwrap().is_some());
    }
    assert_eq!(db.store.journal_page(0, 100).await.unwrap().len(), 6);
    assert!(db.sql("delete from journal").await.is_err(), "the journal may not be pruned again");
}

pub(super) async fn pruning_stops_at_its_limit_and_goes_on(db: Db) {
    for n in 1..=5 {
        let mut changes = journal(row(Role::Order, &archive(n), vec![]));
        changes.records.push(ordered(n, "archived", 10));
        keep(&db, changes).await.unwrap();
    }
    let mut pruned = Vec::new();
    for _ in 0..4 {
        pruned.push(db.store.prune(at(500), 2).await.unwrap().orders);
    }
    assert_eq!(pruned, [2, 2, 1, 0]);
}

pub(super) async fn what_belongs_to_no_order_is_pruned_once_it_is_old_and_behind_the_mark(db: Db) {
    // 1 and 2: a stock count of the catalogue, accepted and handled.
    keep(&db, journal(row(Role::Gateway, &no_order(1), vec![say(&no_order(1))]))).await.unwrap();
    keep(&db, journal(row(Role::Stock, &no_order(1), vec![]))).await.unwrap();
    // 3: a submission that was rejected. No order will ever have that id.
    let mut rejected = journal(row(Role::Order, &archive(2), vec![]));
    rejected.records.push(save(
        Table::Submissions,
        &order(2).to_string(),
        0,
        r#"{"at":"1970-01-01T00:00:03Z"}"#,
    ));
    keep(&db, rejected).await.unwrap();
    let echo = RedeliveryStats {
        role: Role::Order,
        id: id(2),
        order_id: order(2),
        repeats: 3,
        failures: 0,
        why: "".into(),
    };
    db.store.add_redelivery_stats(&[echo]).await.unwrap();
    // 4: a person has yet to look at its dead letter.
    let mut failed = journal(row(Role::Gateway, &archive(3), vec![]));
    failed.dead.push(DeadChange::Park(DeadLetter { code: "failed".into(), ..letter("order", &archive(3)) }));
    keep(&db, failed).await.unwrap();
    // 5: of an order that has not ended. 6: too young.
    let mut ordered_ = journal(row(Role::Order, &archive(4), vec![]));
    ordered_.records.push(ordered(4, "paid", 10));
    keep(&db, ordered_).await.unwrap();
    keep(&db, journal(JournalRow { at: at(600), ..row(Role::Stock, &no_order(6), vec![]) })).await.unwrap();
    // 7: in flight. 8: behind it, where the mark cannot go.
    keep(&db, journal(row(Role::Gateway, &no_order(7), vec![say(&no_order(7))]))).await.unwrap();
    keep(&db, journal(row(Role::Stock, &no_order(8), vec![]))).await.unwrap();
    assert_eq!(db.store.prune(at(500), 100).await.unwrap(), Pruned::default(), "the mark is at the start");

    db.mark_comes_to(6).await;
    assert_eq!(db.store.prune(at(500), 100).await.unwrap(), Pruned { orders: 0, others: 3 });
    assert_eq!(db.store.prune(at(500), 100).await.unwrap(), Pruned::default());
    let left: Vec<_> = db.store.journal_page(0, 100).await.unwrap().into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(left, [4, 5, 6, 7, 8]);
    assert_eq!(db.store.get(Table::Submissions, &order(2).to_string()).await.unwrap(), None);
    assert!(db.store.redelivery_stats_of(order(2)).await.unwrap().is_empty());
    assert_eq!(in_flight(&db).await, ["stock 7"]);
}

pub(super) async fn a_rejection_is_remembered_as_long_as_anything_about_it_is_young(db: Db) {
    let id = order(1).to_string();
    let mut rejected = journal(row(Role::Order, &archive(1), vec![]));
    rejected.records.push(save(Table::Submissions, &id, 0, "{}"));
    keep(&db, rejected).await.unwrap();
    // It was sent again a moment ago.
    keep(&db, journal(JournalRow { at: at(600), ..row(Role::Gateway, &archive(1), vec![]) })).await.unwrap();
    db.mark_comes_to(2).await;
    assert_eq!(db.store.prune(at(500), 100).await.unwrap().others, 1);
    assert!(db.store.get(Table::Submissions, &id).await.unwrap().is_some());
    assert_eq!(db.store.prune(at(700), 100).await.unwrap().others, 1);
    assert!(db.store.get(Table::Submissions, &id).await.unwrap().is_none());
}

pub(super) async fn closed_letters_of_strangers_are_pruned_and_open_ones_and_those_of_orders_stay(db: Db) {
    let strangers = |n| DeadLetter { code: "unroutable".into(), ..letter("order", &archive(n)) };
    let own = |n| DeadLetter { code: "failed".into(), ..letter("order", &archive(n)) };
    let young = DeadLetter { at: at(600), ..strangers(4) };
    let of_no_order = DeadLetter { order_id: None, ..own(5) };
    for one in [strangers(1), own(2), strangers(3), young, of_no_order] {
        keep(&db, dead(DeadChange::Park(one))).await.unwrap();
    }
    for n in [1, 2, 4, 5] {
        keep(&db, dead(close("order", &archive(n), DeadStatus::Discarded))).await.unwrap();
    }
    assert_eq!(db.store.prune(at(500), 100).await.unwrap(), Pruned { orders: 0, others: 2 });
    let left = db.store.dead_letters(None, 9).await.unwrap();
    let mut left: Vec<_> = left.into_iter().filter_map(|letter| letter.message_id).collect();
    left.sort_unstable();
    assert_eq!(left, ["m2", "m3", "m4"]);
}
