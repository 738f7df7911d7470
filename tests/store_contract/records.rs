//! A record comes back as it was saved, and only a writer that has seen its last version changes it.

use super::*;

pub(super) async fn loaded_records_come_back_as_saved_with_versions(db: Db) {
    let json = r#"{"on_hand":7,"reserved":0,"note":"a \"quoted\" \\ bücher \u0001 {","e":1.50}"#;
    keep(&db, records(vec![save(Table::Stock, "A \"x\"", 0, json), save(Table::Stock, "B", 0, STOCKED)]))
        .await
        .unwrap();
    keep(&db, records(vec![save(Table::Stock, "B", 1, r#"{"on_hand":5,"reserved":2}"#)])).await.unwrap();

    let mut look = db.store.begin().await.unwrap();
    let needs = ["A \"x\"", "B", "C"].map(|sku| Need::of(Table::Stock, sku));
    let mut loaded = look.load(&needs).await.unwrap();
    loaded.sort_by_key(|loaded| loaded.need.id.clone());
    assert_eq!(loaded.len(), 2);
    assert_eq!((loaded[0].version, loaded[0].json.as_ref()), (1, json));
    assert_eq!((loaded[1].version, loaded[1].json.as_ref()), (2, r#"{"on_hand":5,"reserved":2}"#));
    assert_eq!(loaded[1].need, needs[1]);
    assert_eq!(db.store.get(Table::Stock, "A \"x\"").await.unwrap().as_deref(), Some(json));
}

pub(super) async fn a_stale_version_is_a_conflict(db: Db) {
    keep(&db, records(vec![save(Table::Stock, "A", 0, STOCKED)])).await.unwrap();
    keep(&db, records(vec![save(Table::Stock, "A", 1, STOCKED)])).await.unwrap();
    for stale in [0, 1, 3] {
        let mut late = everything(1);
        late.records.push(save(Table::Stock, "A", stale, STOCKED));
        assert!(matches!(keep(&db, late).await, Err(Error::Conflict(_))), "version {stale}");
        assert_nothing_of(&db, 1).await;
    }
}

/// The changes of five workers in one batch are committed together or not at all, whichever of them was too late.
pub(super) async fn a_stale_record_of_any_worker_rolls_back_the_batch_of_all(db: Db) {
    let paid = r#"{"status":"captured","captured_minor":5,"refunded_minor":0}"#;
    let all = |version| {
        vec![
            save(Table::Submissions, "s", version, "{}"),
            save(Table::Stock, "A", version, STOCKED),
            save(Table::Holds, "h", version, "{}"),
            save(Table::Payments, "p", version, paid),
            save(Table::Notices, "n", version, "{}"),
            save(Table::Sagas, "g", version, "{}"),
            SavedRecord { version, ..ordered(7, "paid", 10) },
        ]
    };
    keep(&db, records(all(0))).await.unwrap();
    for late in 0..all(1).len() {
        let mut batch = everything(1);
        batch.dead.clear();
        batch.records.extend(all(1));
        let at = batch.records.len() - all(1).len() + late;
        batch.records[at].version = 2;
        let table = batch.records[at].need.table;
        assert!(matches!(keep(&db, batch).await, Err(Error::Conflict(_))), "{}", table.name());
        assert_nothing_of(&db, 1).await;
    }
    let mut batch = everything(1);
    batch.records.extend(all(1));
    keep(&db, batch).await.unwrap();
    for record in all(1) {
        let found = db.store.begin().await.unwrap().load(std::slice::from_ref(&record.need)).await.unwrap();
        assert_eq!((found[0].version, &found[0].json), (2, &record.json), "{}", record.need.table.name());
    }
    assert_eq!(db.store.journal_of(order(1)).await.unwrap().len(), 1);
}

pub(super) async fn a_record_that_is_not_there_cannot_be_changed(db: Db) {
    let changed = keep(&db, records(vec![save(Table::Stock, "A", 4, STOCKED)])).await;
    assert!(matches!(changed, Err(Error::Conflict(_))));
    assert_eq!(db.store.get(Table::Stock, "A").await.unwrap(), None);
}

pub(super) async fn stock_below_zero_is_refused_and_nothing_is_kept(db: Db) {
    keep(&db, records(vec![save(Table::Stock, "A", 0, STOCKED)])).await.unwrap();
    for (sku, version, bad) in [
        ("A", 1, r#"{"on_hand":-1,"reserved":0}"#),
        ("A", 1, r#"{"on_hand":0,"reserved":-1}"#),
        ("B", 0, r#"{"on_hand":-1,"reserved":0}"#),
        ("B", 0, r#"{"reserved":0}"#),
    ] {
        let mut changes = everything(1);
        changes.records.push(save(Table::Stock, sku, version, bad));
        assert!(matches!(keep(&db, changes).await, Err(Error::Refused(_))), "{bad}");
        assert_nothing_of(&db, 1).await;
    }
}

pub(super) async fn refund_above_capture_is_refused(db: Db) {
    let paid = |captured: i64, refunded: i64| {
        let json =
            format!(r#"{{"status":"captured","captured_minor":{captured},"refunded_minor":{refunded}}}"#);
        records(vec![save(Table::Payments, &format!("{captured}/{refunded}"), 0, &json)])
    };
    keep(&db, paid(1000, 1000)).await.unwrap();
    for (captured, refunded) in [(1000, 1001), (-1, -1), (5, -1)] {
        assert!(matches!(keep(&db, paid(captured, refunded)).await, Err(Error::Refused(_))));
    }
}

pub(super) async fn money_is_kept_in_minor_units_for_people_to_query(db: Db) {
    let priced = |n: u64, amount: &str, currency: &str| {
        let json = format!(
            r#"{{"status":"paid","customer_id":"c","created_at":"2026-01-01","total":{{"amount":"{amount}","currency":"{currency}"}}}}"#
        );
        save(Table::Orders, &order(n).to_string(), 0, &json)
    };
    let orders = [priced(1, "12.30", "EUR"), priced(2, "500", "JPY"), priced(3, "99999999999.999", "BHD")];
    keep(&db, records(orders.into())).await.unwrap();
    let minor = db.sql("select total_minor from orders order by id").await.unwrap();
    assert_eq!(minor, [1230, 500, 99_999_999_999_999]);
    assert!(matches!(keep(&db, records(vec![priced(4, "-0.01", "EUR")])).await, Err(Error::Refused(_))));
}

pub(super) async fn records_of_several_tables_come_back_together(db: Db) {
    // With all fields that any of these tables keeps in columns.
    const DOC: &str = r#"{"on_hand":5,"reserved":2,"status":"paid","currency":"EUR","captured_minor":5,"refunded_minor":1}"#;
    let order_worker =
        [(Table::Submissions, "1"), (Table::Products, "A"), (Table::Discounts, "D"), (Table::Methods, "cod")];
    let others = [
        (Table::Stock, "A"),
        (Table::Holds, "1"),
        (Table::Notices, "n"),
        (Table::Sagas, "s"),
        (Table::Payments, "p"),
    ];
    let no_checkout = [(Table::Carts, "c")];
    let all: Vec<_> = order_worker.into_iter().chain(others).chain(no_checkout).collect();
    for (table, id) in &all {
        keep(&db, records(vec![save(*table, id, 0, DOC)])).await.unwrap();
    }
    for together in [&all[..4], &all[4..6], &all[6..7], &all[..9], &all[..]] {
        // More than a few, so that a store that locks them does so.
        let absent = (0..20).map(|n| Need::of(together[0].0, format!("absent {n}")));
        for needs in [Vec::new(), absent.collect()] {
            let there = together.iter().map(|(table, id)| Need::of(*table, id));
            let mut expected: Vec<Need> = there.collect();
            let needs: Vec<Need> = needs.into_iter().chain(expected.clone()).collect();
            let mut look = db.store.begin().await.unwrap();
            let loaded = look.load(&needs).await.unwrap();
            assert!(loaded.iter().all(|found| (found.version, found.json.as_ref()) == (1, DOC)));
            let mut found: Vec<Need> = loaded.into_iter().map(|loaded| loaded.need).collect();
            found.sort();
            expected.sort();
            assert_eq!(found, expected);
        }
    }
}

pub(super) async fn a_record_that_was_saved_meanwhile_is_a_conflict(db: Db) {
    for table in Table::ALL.into_iter().filter(|table| !table.append_only()) {
        let json = r#"{"on_hand":1,"reserved":0,"captured_minor":0,"refunded_minor":0}"#;
        keep(&db, records(vec![save(table, "A", 0, json)])).await.unwrap();
        let mut slow = db.store.begin().await.unwrap();
        let need = Need::of(table, "A");
        // Whether it waits for the other's lock or not, it can only save the version that it saw last.
        let seen = slow.load(std::slice::from_ref(&need)).await.unwrap();
        drop(slow);
        keep(&db, records(vec![save(table, "A", seen[0].version, json)])).await.unwrap();
        let mut late = everything(1);
        late.records.push(save(table, "A", seen[0].version, json));
        let kept = keep(&db, late).await;
        assert!(matches!(kept, Err(Error::Conflict(_))), "{table:?}: {kept:?}");
        assert_nothing_of(&db, 1).await;
    }
}

pub(super) async fn a_load_beside_a_commit_has_seen_it_or_is_a_conflict(db: Db) {
    for (number, table) in [(1, Table::Stock), (2, Table::Sagas), (3, Table::Products)] {
        let need = Need::of(table, format!("record {number}"));
        let saved =
            |version| records(vec![SavedRecord { need: need.clone(), version, json: STOCKED.into() }]);
        let mut first = db.store.begin().await.unwrap();
        assert!(first.load(std::slice::from_ref(&need)).await.unwrap().is_empty());
        let keeping = first.commit(saved(0));
        let second = async {
            let mut second = db.store.begin().await.unwrap();
            let seen = second.load(std::slice::from_ref(&need)).await.unwrap();
            let version = seen.first().map_or(0, |found| found.version);
            (version, second.commit(saved(version)).await)
        };
        let (first, (seen, second)) = tokio::join!(keeping, second);
        let now = db.store.begin().await.unwrap().load(&[need]).await.unwrap()[0].version;
        let name = table.name();
        match (first, second) {
            (Ok(()), Ok(())) => assert_eq!((seen, now), (1, 2), "{name}"),
            (Ok(()), Err(Error::Conflict(_))) | (Err(Error::Conflict(_)), Ok(())) => {
                assert_eq!((seen, now), (0, 1), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// In one process, with or without a disk in between.
pub(super) async fn what_is_on_its_way_is_seen_by_the_next_batch_and_if_it_fails_so_does_that_batch(db: Db) {
    let store = &db.store;
    for (id, on_hand, arrives) in [("good", "5", true), ("bad", "-5", false)] {
        let product = Need::of(Table::Products, id);
        let first = store.begin().await.unwrap();
        let keeping = first.commit(records(vec![
            save(Table::Products, id, 0, r#"{"title":"new"}"#),
            save(Table::Stock, id, 0, &format!(r#"{{"on_hand":{on_hand},"reserved":0}}"#)),
        ]));
        // Nothing of it has been written yet.
        assert_eq!(store.get(Table::Products, id).await.unwrap(), None);
        let mut second = store.begin().await.unwrap();
        let seen = second.load(std::slice::from_ref(&product)).await.unwrap();
        assert_eq!((seen[0].version, seen[0].json.as_ref()), (1, r#"{"title":"new"}"#));
        let resting = second.commit(journal(row(Role::Order, &no_order(u64::from(arrives)), Vec::new())));
        // The second may be awaited first: they are committed in their order all the same.
        let (second, first) = tokio::join!(resting, keeping);
        match arrives {
            true => assert_eq!((first.is_ok(), second.is_ok()), (true, true)),
            false => {
                assert!(matches!(first, Err(Error::Refused(_))));
                assert!(matches!(second, Err(Error::Conflict(_))), "it depends on what was refused");
            }
        }
        assert_eq!(store.get(Table::Products, id).await.unwrap().is_some(), arrives);
        let found = store.begin().await.unwrap().load(&[product]).await.unwrap();
        assert_eq!(found.len(), usize::from(arrives));
    }
    assert_eq!(store.journal_page(0, 10).await.unwrap().len(), 1);
}
