//! An operator finds what is stuck among everything that has ended well.

use super::*;

/// More than the newest rows that a search looks at first.
const MANY: u64 = 1200;

fn saga(n: u64, status: &str, step: &str, heard: u64) -> SavedRecord {
    let json = format!(
        r#"{{"number":{n},"status":"{status}","step":"{step}","created_at":"{}","updated_at":"{}"}}"#,
        at(n),
        at(heard)
    );
    save(Table::Sagas, &order(n).to_string(), 0, &json)
}

fn waits(n: u64) -> Changes {
    let mut changes = Changes::default();
    changes.deadlines.insert(order(n).to_string(), Some((at(NOW_S), Arc::new(fulfil(n)))));
    changes
}

async fn found(db: &Db, table: Table, filter: Filter) -> Vec<u64> {
    let found = db.store.list(table, &filter).await.unwrap();
    found.iter().map(|json| number_of(json)).collect()
}

pub(super) async fn what_has_not_ended_is_found_by_what_it_waits_for(db: Db) {
    let mut all = vec![ordered(1, "created", 1), ordered(2, "paid", 2), ordered(3, "paid", 3)];
    all.extend([ordered(4, "fulfilled", 4), ordered(5, "created", 5)]);
    all.extend((0..MANY).map(|n| ordered(100 + n, "fulfilled", 100 + n)));
    all.push(ordered(9000, "created", 9000));
    all.push(saga(3, "needs_attention", "ship", 3));
    keep(&db, records(all)).await.unwrap();
    keep(&db, waits(1)).await.unwrap();
    keep(&db, dead(DeadChange::Park(letter("order", &fulfil(2))))).await.unwrap();
    let any = || Filter { limit: 9, ..Filter::default() };
    let status = |status: &str| Some(status.to_string());
    // The fifth waits for nothing, which is true only of the newest orders, and it is not among those.
    assert_eq!(found(&db, Table::Orders, Filter { status: status("created"), ..any() }).await, [9000, 1]);
    assert_eq!(found(&db, Table::Orders, Filter { status: status("paid"), ..any() }).await, [3, 2]);
    let before = Some((at(3), order(3).to_string()));
    assert_eq!(found(&db, Table::Orders, Filter { status: status("paid"), before, ..any() }).await, [2]);
    let of_c1 = Filter { status: status("paid"), customer_id: Some("c1".into()), ..any() };
    assert_eq!(found(&db, Table::Orders, of_c1).await, [3]);
    assert_eq!(found(&db, Table::Orders, Filter { step: Some("ship".into()), ..any() }).await, [3]);
    let idle_since = Some(at(4));
    assert_eq!(found(&db, Table::Orders, Filter { idle_since, ..any() }).await, [3, 2, 1]);
    let limit = Filter { idle_since, limit: 1, ..any() };
    assert_eq!(found(&db, Table::Orders, limit).await, [3]);
}

pub(super) async fn sagas_are_found_by_their_step_and_by_how_long_nothing_was_heard(db: Db) {
    let mut all = vec![saga(1, "running", "take_payment", 500), saga(2, "unwinding", "hold_stock", 2)];
    all.extend([saga(3, "needs_attention", "ship", 3), saga(4, "completed", "", 4)]);
    all.extend((0..MANY).map(|n| saga(100 + n, "completed", "", 100 + n)));
    keep(&db, records(all)).await.unwrap();
    for n in [1, 2, 4] {
        keep(&db, waits(n)).await.unwrap();
    }
    let any = || Filter { limit: 9, ..Filter::default() };
    let step = |step: &str| Filter { step: Some(step.to_string()), limit: 9, ..Filter::default() };
    assert_eq!(found(&db, Table::Sagas, step("take_payment")).await, [1]);
    assert_eq!(found(&db, Table::Sagas, step("ship")).await, [3]);
    assert_eq!(found(&db, Table::Sagas, step("' or 1=1 --")).await, [0; 0]);
    assert_eq!(found(&db, Table::Sagas, Filter { idle_since: Some(at(400)), ..any() }).await, [3, 2]);
    assert_eq!(found(&db, Table::Sagas, Filter { status: Some("running".into()), ..any() }).await, [1]);
    let idle_there = Filter { idle_since: Some(at(3)), ..step("hold_stock") };
    assert_eq!(found(&db, Table::Sagas, idle_there).await, [2]);
}

pub(super) async fn what_came_to_nothing_or_was_put_away_is_found_by_its_state(db: Db) {
    let mut all = vec![ordered(1, "archived", 1), ordered(2, "cancelled", 2), ordered(3, "paid", 3)];
    all.extend((0..MANY).map(|n| ordered(100 + n, "fulfilled", 100 + n)));
    keep(&db, records(all)).await.unwrap();
    let status = |status: &str| Filter { status: Some(status.into()), limit: 9, ..Filter::default() };
    assert_eq!(found(&db, Table::Orders, status("archived")).await, [1]);
    // One changes its status, and is found only by the new one.
    let json = db.store.get(Table::Orders, &order(2).to_string()).await.unwrap().unwrap();
    let json = json.replace("cancelled", "archived");
    keep(&db, records(vec![save(Table::Orders, &order(2).to_string(), 1, &json)])).await.unwrap();
    assert_eq!(found(&db, Table::Orders, status("archived")).await, [2, 1]);
    assert_eq!(found(&db, Table::Orders, status("cancelled")).await, [0; 0]);
    assert_eq!(found(&db, Table::Orders, Filter { limit: 1, ..status("archived") }).await, [2]);
    assert_eq!(found(&db, Table::Orders, Filter { from: Some(at(2)), ..status("archived") }).await, [2]);
    let of_c1 = Filter { customer_id: Some("c1".into()), ..status("archived") };
    assert_eq!(found(&db, Table::Orders, of_c1).await, [1]);
}

fn died(queue: &str, n: u64, code: &str, s: u64) -> DeadLetter {
    DeadLetter { code: code.into(), at: at(s), ..letter(queue, &fulfil(n)) }
}

async fn graveyard(db: &Db) {
    let letters = [
        ("order", 1, "failed", 10),
        ("order", 2, "failed", 20),
        ("saga", 3, "failed", 30),
        ("order", 4, "odd", 40),
    ];
    for (queue, n, code, s) in letters {
        keep(db, dead(DeadChange::Park(died(queue, n, code, s)))).await.unwrap();
    }
    keep(db, dead(DeadChange::Park(died("order", 5, "failed", 5)))).await.unwrap();
    keep(db, dead(close("order", &fulfil(5), DeadStatus::Discarded))).await.unwrap();
}

pub(super) async fn letters_are_found_by_what_they_died_of_page_by_page(db: Db) {
    graveyard(&db).await;
    let check = async |wanted: Letters, expected: &[&str]| {
        let wanted = Letters { limit: wanted.limit.max(2), ..wanted };
        let found = db.store.letters(&wanted).await.unwrap();
        let ids: Vec<_> = found.iter().filter_map(|letter| letter.message_id.clone()).collect();
        assert_eq!(ids, expected, "{wanted:?}");
    };
    let any = Letters::default;
    let failed = || Letters { code: Some("failed".into()), ..any() };
    check(any(), &["m4", "m3"]).await;
    check(Letters { status: Some(DeadStatus::Open), ..failed() }, &["m3", "m2"]).await;
    let before = Some((at(20), letter("order", &fulfil(2)).id));
    check(Letters { status: Some(DeadStatus::Open), before, ..failed() }, &["m1"]).await;
    check(Letters { queue: Some("order".into()), limit: 9, ..failed() }, &["m2", "m1", "m5"]).await;
    check(Letters { name: Some("order.paid".into()), ..any() }, &[]).await;
    check(Letters { status: Some(DeadStatus::Discarded), ..any() }, &["m5"]).await;
}

pub(super) async fn open_letters_are_counted_by_what_they_died_of(db: Db) {
    assert!(db.store.dead_groups(9).await.unwrap().is_empty());
    graveyard(&db).await;
    let groups = db.store.dead_groups(2).await.unwrap();
    let told: Vec<_> =
        groups.iter().map(|g| (g.letters, g.code.as_str(), g.queue.as_str(), g.oldest, g.newest)).collect();
    assert_eq!(told, [(2, "failed", "order", at(10), at(20)), (1, "failed", "saga", at(30), at(30))]);
}

pub(super) async fn what_stands_and_what_died_of_an_order_is_found_with_it(db: Db) {
    let id = order(1);
    let keys = [format!("{id}"), format!("{id}/return/2"), format!("held/{id}/abc"), format!("{}", order(2))];
    for (n, key) in (1..).zip(&keys) {
        keep(&db, deadlines(&[(key, NOW_S - n, n)])).await.unwrap();
    }
    let standing = db.store.deadlines_of(id).await.unwrap();
    let told: Vec<_> = standing.iter().map(|one| (one.key.clone(), one.due, one.message.clone())).collect();
    let expected =
        [2, 1, 0].map(|at_: usize| (keys[at_].clone(), at(NOW_S - at_ as u64 - 1), fulfil(at_ as u64 + 1)));
    assert_eq!(told, expected);

    let (first, second) = (died("saga", 1, "failed", 10), died("order", 1, "odd", 20));
    for letter in [&second, &first] {
        keep(&db, dead(DeadChange::Park(letter.clone()))).await.unwrap();
    }
    keep(&db, dead(close("saga", &fulfil(1), DeadStatus::Replayed))).await.unwrap();
    let first = DeadLetter { status: DeadStatus::Replayed, ..first };
    assert_eq!(db.store.letters_of(id).await.unwrap(), [first, second]);
    assert!(db.store.letters_of(order(2)).await.unwrap().is_empty());
}

pub(super) async fn what_came_again_or_failed_is_added_up(db: Db) {
    let echo = |n: u64, repeats, failures, why: &str| {
        let (id, order_id) = (id(n), order(n));
        RedeliveryStats { role: Role::Saga, id, order_id, repeats, failures, why: why.into() }
    };
    db.store.add_redelivery_stats(&[]).await.unwrap();
    db.store.add_redelivery_stats(&[echo(1, 1, 1, "the disk \u{0}"), echo(2, 7, 0, "")]).await.unwrap();
    db.store.add_redelivery_stats(&[echo(1, 2, 1, "the disk is full")]).await.unwrap();
    db.store.add_redelivery_stats(&[echo(1, 1, 0, "")]).await.unwrap();
    assert_eq!(db.store.redelivery_stats_of(order(1)).await.unwrap(), [echo(1, 4, 2, "the disk is full")]);
    assert_eq!(db.store.redelivery_stats_of(order(2)).await.unwrap(), [echo(2, 7, 0, "")]);
    assert!(db.store.redelivery_stats_of(order(3)).await.unwrap().is_empty());
}
