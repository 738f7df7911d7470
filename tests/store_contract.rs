//! What the head of `src/store.rs` promises holds for every store there is.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use checkout_saga::store::sqlite::{Durability, SqliteStore};
use checkout_saga::store::{
    Changes, DeadChange, DeadLetter, DeadStatus, Error, Filter, JournalRow, Said, SavedRecord, Store,
};
use contract::{Body, Message, MessageId, Need, OrderId, Queue, Role, Table, Time, bodies};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;
use uuid::Uuid;

/// One line for each backend: the module's name and how to get an empty database.
macro_rules! every_store {
    ($($name:ident),* $(,)?) => {
        stamp!(sqlite, SqliteDb, $($name)*);
    };
}

macro_rules! stamp {
    ($backend:ident, $db:ident, $($name:ident)*) => {
        mod $backend {
            $(#[tokio::test]
            async fn $name() {
                let db = super::$db::fresh().await;
                super::$name(super::Db::of(&db)).await;
            })*
        }
    };
}

every_store!(
    what_was_kept_is_handled_next_time,
    a_second_keeper_of_the_same_message_gets_a_conflict_and_nothing_is_kept,
    a_message_is_handled_once_by_each_role,
    a_dropped_transaction_leaves_nothing,
    loaded_records_come_back_as_saved_with_versions,
    a_stale_version_is_a_conflict,
    a_record_that_is_not_there_cannot_be_changed,
    stock_below_zero_is_refused_and_nothing_is_kept,
    refund_above_capture_is_refused,
    audit_and_journal_refuse_update_and_delete,
    deadlines_come_due_again_until_cleared,
    the_last_deadline_under_a_key_counts,
    in_flight_is_said_minus_handled_minus_open_dead_letters,
    a_replay_is_in_flight_again_wherever_the_mark_is,
    the_mark_never_passes_an_unhandled_message,
    what_is_said_after_pruning_is_past_the_mark,
    two_queues_of_one_message_are_handled_apart,
    dead_letters_open_close_and_open_again,
    discarding_twice_is_a_conflict,
    list_filters_and_pages_newest_first,
    pages_follow_each_other_without_gap_or_overlap,
    an_orders_journal_comes_back_as_it_was_written,
    pruning_takes_only_ended_orders,
    pruning_stops_at_its_limit_and_goes_on,
    money_is_kept_in_minor_units_for_people_to_query,
    a_batch_of_a_thousand_is_kept_whole,
    one_that_fails_among_many_keepers_fails_alone_in_the_end,
);

/// A store, and its database by another way in.
struct Db {
    store: Arc<dyn Store>,
    raw: Raw,
}

enum Raw {
    Sqlite(std::path::PathBuf),
}

impl Db {
    fn of(db: &SqliteDb) -> Self {
        Self { store: db.store.clone(), raw: Raw::Sqlite(db.path.clone()) }
    }

    async fn sql(&self, sql: &'static str) -> Result<Vec<i64>, sqlx::Error> {
        match &self.raw {
            Raw::Sqlite(path) => {
                let mut connection = SqliteConnectOptions::new().filename(path).connect().await?;
                sqlx::query_scalar(sql).fetch_all(&mut connection).await
            }
        }
    }
}

struct SqliteDb {
    store: Arc<dyn Store>,
    path: std::path::PathBuf,
    _folder: TempDir,
}

impl SqliteDb {
    async fn fresh() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        let store = open(&path).await;
        Self { store, path, _folder: folder }
    }
}

async fn open(path: &Path) -> Arc<dyn Store> {
    // Its commits outlive this process; a test needs no more.
    let store = SqliteStore::open(path, Durability::ProcessCrash).await.unwrap();
    Arc::new(store.with_clock(Arc::new(|| at(NOW_S))))
}

// ---- the promises ----------------------------------------------------------------------------------------

async fn what_was_kept_is_handled_next_time(db: Db) {
    let cause = archive(1);
    let said =
        vec![say(&fulfil(2)), Said { message: refunded(3).into(), queues: vec![Queue::Saga, Queue::Order] }];
    keep(&db, journal(row(Role::Order, &cause, said.clone()))).await.unwrap();

    let mut look = db.store.begin().await.unwrap();
    let (now, handled) = look.handled(Role::Order, &[cause.id.clone(), archive(9).id]).await.unwrap();
    assert_eq!(now, at(NOW_S));
    assert_eq!(handled.len(), 1);
    assert_eq!((&handled[0].id, handled[0].name.as_str()), (&cause.id, "order.archive"));
    assert_eq!(handled[0].hash, cause.hash());
    assert_eq!(handled[0].said, said);
    assert_eq!(handled[0].said[1].message.hash(), said[1].message.hash());
    assert!(look.handled(Role::Saga, &[cause.id]).await.unwrap().1.is_empty());
}

async fn a_second_keeper_of_the_same_message_gets_a_conflict_and_nothing_is_kept(db: Db) {
    keep(&db, journal(row(Role::Order, &archive(1), vec![]))).await.unwrap();
    let mut second = everything(2);
    second.journal.push(row(Role::Order, &archive(1), vec![]));
    assert!(matches!(keep(&db, second).await, Err(Error::Conflict(_))));
    assert_nothing_of(&db, 2).await;
}

async fn a_message_is_handled_once_by_each_role(db: Db) {
    keep(&db, journal(row(Role::Order, &refunded(1), vec![]))).await.unwrap();
    keep(&db, journal(row(Role::Saga, &refunded(1), vec![]))).await.unwrap();
    assert_eq!(db.store.journal_page(0, 10).await.unwrap().len(), 2);
}

async fn a_dropped_transaction_leaves_nothing(db: Db) {
    let mut dropped = db.store.begin().await.unwrap();
    dropped.load(&[Need::of(Table::Stock, "A")]).await.unwrap();
    drop(dropped);
    // The next one begins although nobody waited for the first to be undone.
    let mut next = db.store.begin().await.unwrap();
    assert!(next.load(&[Need::of(Table::Stock, "A")]).await.unwrap().is_empty());
    next.keep(everything(1)).await.unwrap();
    assert_eq!(db.store.journal_page(0, 10).await.unwrap().len(), 1);
}

async fn loaded_records_come_back_as_saved_with_versions(db: Db) {
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
    assert_eq!((loaded[0].version, loaded[0].json.as_str()), (1, json));
    assert_eq!((loaded[1].version, loaded[1].json.as_str()), (2, r#"{"on_hand":5,"reserved":2}"#));
    assert_eq!(loaded[1].need, needs[1]);
    assert_eq!(db.store.get(Table::Stock, "A \"x\"").await.unwrap().as_deref(), Some(json));
}

async fn a_stale_version_is_a_conflict(db: Db) {
    keep(&db, records(vec![save(Table::Stock, "A", 0, STOCKED)])).await.unwrap();
    keep(&db, records(vec![save(Table::Stock, "A", 1, STOCKED)])).await.unwrap();
    for stale in [0, 1, 3] {
        let mut late = everything(1);
        late.records.push(save(Table::Stock, "A", stale, STOCKED));
        assert!(matches!(keep(&db, late).await, Err(Error::Conflict(_))), "version {stale}");
        assert_nothing_of(&db, 1).await;
    }
}

async fn a_record_that_is_not_there_cannot_be_changed(db: Db) {
    let changed = keep(&db, records(vec![save(Table::Stock, "A", 4, STOCKED)])).await;
    assert!(matches!(changed, Err(Error::Conflict(_))));
    assert_eq!(db.store.get(Table::Stock, "A").await.unwrap(), None);
}

async fn stock_below_zero_is_refused_and_nothing_is_kept(db: Db) {
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

async fn refund_above_capture_is_refused(db: Db) {
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

async fn audit_and_journal_refuse_update_and_delete(db: Db) {
    keep(&db, everything(1)).await.unwrap();
    for sql in [
        "update journal set outcome = 'other'",
        "delete from journal",
        "update audit set doc = '{}'",
        "delete from audit",
    ] {
        assert!(db.sql(sql).await.is_err(), "{sql}");
    }
    let rewritten = keep(&db, records(vec![save(Table::Audit, &order(1).to_string(), 1, "{}")])).await;
    assert!(matches!(rewritten, Err(Error::Refused(_))), "{rewritten:?}");
    assert_eq!(db.store.journal_page(0, 10).await.unwrap().len(), 1);
    assert_eq!(db.store.page(Table::Audit, "", 10).await.unwrap().len(), 1);
}

async fn deadlines_come_due_again_until_cleared(db: Db) {
    keep(&db, deadlines(&[("later", NOW_S + 1, 3), ("second", NOW_S, 2), ("first", NOW_S - 5, 1)]))
        .await
        .unwrap();
    assert_eq!(db.store.due_deadlines(1, 0).await.unwrap(), [fulfil(1)]);
    // It was moved on by nothing: it is due again, and behind nobody.
    assert_eq!(db.store.due_deadlines(9, 60).await.unwrap(), [fulfil(1), fulfil(2)]);
    assert!(db.store.due_deadlines(9, 60).await.unwrap().is_empty(), "they come again in a minute");
    let listed = db.store.deadlines(10).await.unwrap();
    let name = "order.mark_fulfilled".to_string();
    assert_eq!(listed[0], ("later".to_string(), at(NOW_S + 1), name.clone()));
    assert_eq!(listed[1], ("first".to_string(), at(NOW_S + 60), name));

    let mut cleared = deadlines(&[("later", NOW_S, 3)]);
    cleared.deadlines.insert("first".into(), None);
    cleared.deadlines.insert("second".into(), None);
    cleared.deadlines.insert("never set".into(), None);
    keep(&db, cleared).await.unwrap();
    assert_eq!(db.store.due_deadlines(9, 60).await.unwrap(), [fulfil(3)]);
    assert_eq!(db.store.deadlines(10).await.unwrap().len(), 1);
}

async fn the_last_deadline_under_a_key_counts(db: Db) {
    keep(&db, deadlines(&[("k", NOW_S - 9, 1)])).await.unwrap();
    keep(&db, deadlines(&[("k", NOW_S - 8, 2)])).await.unwrap();
    assert_eq!(db.store.due_deadlines(9, 60).await.unwrap(), [fulfil(2)]);
}

async fn in_flight_is_said_minus_handled_minus_open_dead_letters(db: Db) {
    let said = [2, 3, 4].map(|n| say(&fulfil(n))).to_vec();
    keep(&db, journal(row(Role::Saga, &archive(1), said))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2", "order 3", "order 4"]);
    keep(&db, journal(row(Role::Order, &fulfil(3), vec![]))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2", "order 4"]);
    keep(&db, dead(DeadChange::Bury(letter("order", &fulfil(2))))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 4"]);
    keep(&db, dead(close("order", &fulfil(2), DeadStatus::Replayed))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2", "order 4"]);
    // Handled by somebody who does not read that queue: that is another handling.
    keep(&db, journal(row(Role::Stock, &fulfil(4), vec![]))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2", "order 4"]);
    // A queue and the role that reads it need not have one name.
    let taken_in = Said { queues: vec![Queue::Intake], ..say(&fulfil(5)) };
    keep(&db, journal(row(Role::Gateway, &fulfil(5), vec![taken_in]))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2", "order 4", "intake 5"]);
    keep(&db, journal(row(Role::Order, &fulfil(5), vec![]))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2", "order 4"]);
}

async fn a_replay_is_in_flight_again_wherever_the_mark_is(db: Db) {
    keep(&db, journal(row(Role::Saga, &archive(1), vec![say(&fulfil(2))]))).await.unwrap();
    keep(&db, dead(DeadChange::Bury(letter("order", &fulfil(2))))).await.unwrap();
    db.store.advance_mark().await.unwrap();
    let mut replay = journal(row(Role::Operator, &archive(7), vec![say(&fulfil(2))]));
    replay.dead.push(close("order", &fulfil(2), DeadStatus::Replayed));
    keep(&db, replay).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2"]);
    // Said twice, in flight once.
    keep(&db, journal(row(Role::Operator, &archive(8), vec![say(&fulfil(2))]))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2"]);
    db.store.advance_mark().await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2"]);
    keep(&db, journal(row(Role::Order, &fulfil(2), vec![]))).await.unwrap();
    assert!(in_flight(&db).await.is_empty());
}

async fn the_mark_never_passes_an_unhandled_message(db: Db) {
    for n in 1..=4 {
        keep(&db, journal(row(Role::Saga, &archive(n), vec![say(&fulfil(10 + n))]))).await.unwrap();
    }
    for (handled, left) in
        [(11, vec!["order 12", "order 13", "order 14"]), (13, vec!["order 12", "order 14"])]
    {
        keep(&db, journal(row(Role::Order, &fulfil(handled), vec![]))).await.unwrap();
        db.store.advance_mark().await.unwrap();
        assert_eq!(in_flight(&db).await, left);
    }
    assert_eq!(db.sql("select value from meta where key = 'mark'").await.unwrap(), [1]);
    keep(&db, journal(row(Role::Order, &fulfil(12), vec![]))).await.unwrap();
    keep(&db, journal(row(Role::Order, &fulfil(14), vec![]))).await.unwrap();
    db.store.advance_mark().await.unwrap();
    assert_eq!(db.sql("select value from meta where key = 'mark'").await.unwrap(), [8]);
    keep(&db, journal(row(Role::Saga, &archive(5), vec![say(&fulfil(15))]))).await.unwrap();
    db.store.advance_mark().await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 15"]);
}

async fn what_is_said_after_pruning_is_past_the_mark(db: Db) {
    let mut ended = journal(row(Role::Order, &archive(1), vec![]));
    ended.records.push(ordered(1, "archived", 0));
    keep(&db, ended).await.unwrap();
    db.store.advance_mark().await.unwrap();
    assert_eq!(db.store.prune(at(NOW_S), 10).await.unwrap(), 1);
    keep(&db, journal(row(Role::Saga, &archive(2), vec![say(&fulfil(3))]))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 3"]);
}

async fn two_queues_of_one_message_are_handled_apart(db: Db) {
    let both = Said { message: refunded(2).into(), queues: vec![Queue::Saga, Queue::Order] };
    keep(&db, journal(row(Role::Payment, &archive(1), vec![both]))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["saga 2", "order 2"]);
    keep(&db, journal(row(Role::Order, &refunded(2), vec![]))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["saga 2"]);
    keep(&db, dead(DeadChange::Bury(letter("order", &refunded(2))))).await.unwrap();
    db.store.advance_mark().await.unwrap();
    assert_eq!(in_flight(&db).await, ["saga 2"]);
    keep(&db, journal(row(Role::Saga, &refunded(2), vec![]))).await.unwrap();
    assert!(in_flight(&db).await.is_empty());
}

async fn dead_letters_open_close_and_open_again(db: Db) {
    let mut first = letter("order", &fulfil(1));
    first.body = "\u{0}\u{FFFD} \"not\\ JSON".into();
    keep(&db, dead(DeadChange::Bury(first.clone()))).await.unwrap();
    assert_eq!(db.store.dead_letter(&first.id).await.unwrap().unwrap(), first);

    keep(&db, dead(close("order", &fulfil(1), DeadStatus::Discarded))).await.unwrap();
    assert_eq!(db.store.dead_letter(&first.id).await.unwrap().unwrap().status, DeadStatus::Discarded);
    assert!(db.store.dead_letters(Some(DeadStatus::Open), 10).await.unwrap().is_empty());
    assert_eq!(db.store.dead_letters(None, 10).await.unwrap().len(), 1);

    let again = DeadLetter { attempts: 9, why: "still".into(), at: at(NOW_S), ..first };
    keep(&db, dead(DeadChange::Bury(again.clone()))).await.unwrap();
    assert_eq!(db.store.dead_letters(Some(DeadStatus::Open), 10).await.unwrap(), [again]);
    assert_eq!(db.store.dead_letter("no such").await.unwrap(), None);
}

async fn discarding_twice_is_a_conflict(db: Db) {
    keep(&db, dead(DeadChange::Bury(letter("order", &fulfil(1))))).await.unwrap();
    keep(&db, dead(close("order", &fulfil(1), DeadStatus::Discarded))).await.unwrap();
    let mut again = everything(2);
    again.dead.push(close("order", &fulfil(1), DeadStatus::Replayed));
    assert!(matches!(keep(&db, again).await, Err(Error::Conflict(_))));
    assert_nothing_of(&db, 2).await;
}

async fn list_filters_and_pages_newest_first(db: Db) {
    // Two of them at the same moment, so that only the id tells them apart.
    let orders = [(1, "created", 10), (2, "paid", 20), (3, "paid", 30), (4, "paid", 30), (5, "created", 40)];
    keep(&db, records(orders.map(|(n, status, when)| ordered(n, status, when)).into())).await.unwrap();
    let check = async |filter: Filter, expected: &[u64]| {
        let filter = Filter { limit: filter.limit.max(2), ..filter };
        let found = db.store.list(Table::Orders, &filter).await.unwrap();
        let found: Vec<u64> = found.iter().map(|json| number_of(json)).collect();
        assert_eq!(found, expected, "{filter:?}");
    };
    let any = Filter::default;
    check(any(), &[5, 4]).await;
    check(Filter { before: Some((at(30), order(4).to_string())), ..any() }, &[3, 2]).await;
    check(Filter { before: Some((at(20), order(2).to_string())), ..any() }, &[1]).await;
    check(Filter { status: Some("paid".into()), limit: 9, ..any() }, &[4, 3, 2]).await;
    check(Filter { customer_id: Some("c1".into()), limit: 9, ..any() }, &[5, 3, 1]).await;
    check(Filter { customer_id: Some("c1".into()), status: Some("paid".into()), ..any() }, &[3]).await;
    check(Filter { from: Some(at(20)), to: Some(at(30)), ..any() }, &[2]).await;
    check(Filter { status: Some("' or 1=1 --".into()), ..any() }, &[]).await;
    assert!(matches!(db.store.list(Table::Stock, &any()).await, Err(Error::Refused(_))));
}

async fn pages_follow_each_other_without_gap_or_overlap(db: Db) {
    let all = ["A", "B", "C", "D", "E"];
    keep(&db, records(all.map(|sku| save(Table::Stock, sku, 0, STOCKED)).into())).await.unwrap();
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = db.store.page(Table::Stock, &after, 2).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = last.clone();
        seen.extend(page.into_iter().map(|(id, _)| id));
    }
    assert_eq!(seen, all);
}

async fn an_orders_journal_comes_back_as_it_was_written(db: Db) {
    let written =
        [row(Role::Order, &archive(1), vec![say(&fulfil(2))]), row(Role::Saga, &archive(1), vec![])];
    let mut changes = Changes { journal: written.to_vec(), ..Changes::default() };
    changes.journal.push(row(Role::Order, &archive(3), vec![]));
    keep(&db, changes).await.unwrap();
    let found = db.store.journal_of(order(1)).await.unwrap();
    assert_eq!(format!("{found:?}"), format!("{written:?}"));
    let page = db.store.journal_page(1, 10).await.unwrap();
    assert_eq!(page.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [2, 3]);
}

async fn pruning_takes_only_ended_orders(db: Db) {
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

async fn pruning_stops_at_its_limit_and_goes_on(db: Db) {
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

async fn money_is_kept_in_minor_units_for_people_to_query(db: Db) {
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

/// Whoever is told of a conflict starts over, as the loop does; the one who is to blame meets it every time.
async fn one_that_fails_among_many_keepers_fails_alone_in_the_end(db: Db) {
    const KEEPERS: u64 = 20;
    const KNOWN: u64 = 7;
    const SHORT: u64 = 11;
    keep(&db, journal(row(Role::Order, &archive(KNOWN), vec![]))).await.unwrap();
    let changes = |n| {
        let stock = if n == SHORT { r#"{"on_hand":-1,"reserved":0}"# } else { STOCKED };
        let records = vec![save(Table::Stock, &format!("S{n}"), 0, stock)];
        Changes { records, ..journal(row(Role::Order, &archive(n), vec![])) }
    };
    let keepers = (0..KEEPERS).map(|n| {
        let db = &db;
        async move {
            let mut kept = keep(db, changes(n)).await;
            for _ in 0..KEEPERS {
                match kept {
                    Err(Error::Conflict(_)) => kept = keep(db, changes(n)).await,
                    Ok(()) | Err(Error::Unavailable(_) | Error::Unknown(_) | Error::Refused(_)) => break,
                }
            }
            kept
        }
    });
    for (n, kept) in (0..).zip(futures_util::future::join_all(keepers).await) {
        match n {
            KNOWN => assert!(matches!(kept, Err(Error::Conflict(_))), "{kept:?}"),
            SHORT => assert!(matches!(kept, Err(Error::Refused(_))), "{kept:?}"),
            _ => kept.unwrap(),
        }
    }
    assert_eq!(db.sql("select count(*) from journal").await.unwrap(), [KEEPERS as i64 - 1]);
    assert_eq!(db.sql("select count(*) from stock").await.unwrap(), [KEEPERS as i64 - 2]);
}

async fn a_batch_of_a_thousand_is_kept_whole(db: Db) {
    let mut changes = Changes::default();
    for n in 0..1000 {
        changes.journal.push(row(Role::Order, &archive(n), vec![say(&fulfil(5000 + n))]));
        changes.records.push(save(Table::Stock, &format!("S{n}"), 0, STOCKED));
    }
    keep(&db, changes).await.unwrap();
    let ids: Vec<MessageId> = (0..1000).map(|n| archive(n).id).collect();
    let needs: Vec<Need> = (0..1000).map(|n| Need::of(Table::Stock, format!("S{n}"))).collect();
    let mut look = db.store.begin().await.unwrap();
    assert_eq!(look.handled(Role::Order, &ids).await.unwrap().1.len(), 1000);
    assert_eq!(look.load(&needs).await.unwrap().len(), 1000);
    assert_eq!(in_flight(&db).await.len(), 1000);
}

// ---- SQLite alone ----------------------------------------------------------------------------------------

#[tokio::test]
async fn what_was_kept_is_there_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/shop.db");
    let db = SqliteDb { store: open(&path).await, path: path.clone(), _folder: folder };
    keep(&Db::of(&db), everything(1)).await.unwrap();
    // A second process looks while the first one runs.
    let beside = SqliteStore::open_existing(&path).await.unwrap();
    assert_eq!(beside.journal_of(order(1)).await.unwrap().len(), 1);
    drop(beside);
    let SqliteDb { store, _folder, .. } = db;
    drop(store);
    let again = open(&path).await;
    assert_eq!(again.journal_of(order(1)).await.unwrap().len(), 1);
    assert!(again.get(Table::Orders, &order(1).to_string()).await.unwrap().is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let db = SqliteDb::fresh().await;
    keep(&Db::of(&db), everything(1)).await.unwrap();
    for side in ["", "-wal", "-shm"] {
        let mode = std::fs::metadata(format!("{}{side}", db.path.display())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{side}");
    }
}

#[tokio::test]
async fn migrations_go_down_and_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let all = SqliteStore::migrations_pending(&path).await.unwrap();
    assert_eq!(
        all.len(),
        std::fs::read_dir("migrations/sqlite").unwrap().count() / 2,
        "a file is not embedded"
    );
    assert_eq!(SqliteStore::migrate_up(&path).await.unwrap(), all);
    assert!(SqliteStore::migrate_up(&path).await.unwrap().is_empty());
    let schema = schema(&path).await;

    let newest_first: Vec<String> = all.iter().rev().cloned().collect();
    assert_eq!(SqliteStore::migrate_down(&path, 2).await.unwrap(), newest_first[..all.len() - 2]);
    let Err(Error::Refused(why)) = SqliteStore::open_existing(&path).await.map(drop) else { panic!() };
    assert!(why.contains("older than this program (missing: 0003 stock"), "{why}");
    assert_eq!(SqliteStore::migrate_down(&path, 0).await.unwrap(), newest_first[all.len() - 2..]);
    assert_eq!(SqliteStore::migrations_pending(&path).await.unwrap(), all);
    SqliteStore::migrate_up(&path).await.unwrap();
    assert_eq!(self::schema(&path).await, schema);

    let mut connection = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    sqlx::query("update _sqlx_migrations set version = 99 where version = 1")
        .execute(&mut connection)
        .await
        .unwrap();
    for opened in [
        SqliteStore::open_existing(&path).await.map(drop),
        SqliteStore::open(&path, Durability::default()).await.map(drop),
    ] {
        assert!(opened.unwrap_err().to_string().contains("newer than this program"));
    }
}

async fn schema(path: &Path) -> Vec<String> {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let sql = "select sql from sqlite_schema where sql is not null order by name";
    sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
}

#[tokio::test]
async fn a_missing_file_is_not_created_by_looking() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let Err(Error::Refused(why)) = SqliteStore::open_existing(&path).await.map(drop) else { panic!() };
    assert!(why.contains("there is no database at"), "{why}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_store_in_memory_leaves_no_file() {
    let store = SqliteStore::in_memory().await.unwrap();
    assert_eq!(store.journal_page(0, 1).await.unwrap().len(), 0);
    let now = store.now().await.unwrap();
    assert!(now > at(0));
}

#[tokio::test]
async fn readers_do_not_wait_for_an_open_transaction() {
    let db = SqliteDb::fresh().await;
    let open = db.store.begin().await.unwrap();
    assert!(db.store.page(Table::Orders, "", 1).await.unwrap().is_empty());
    assert!(
        db.store.due_deadlines(1, 1).await.unwrap().is_empty(),
        "a poller with nothing to do waits for nobody"
    );
    drop(open);
}

// ---- words -----------------------------------------------------------------------------------------------

const NOW_S: u64 = 1000;
const STOCKED: &str = r#"{"on_hand":5,"reserved":0}"#;

fn at(s: u64) -> Time {
    Time::from_unix_ms(0).plus_s(s)
}

fn order(n: u64) -> OrderId {
    OrderId::new(Uuid::from_u128(0x0193_2b4a_0000_7000_8000_0000_0000_0000 + u128::from(n)))
}

fn id(n: u64) -> MessageId {
    MessageId::new(&format!("m{n}")).unwrap()
}

fn archive(n: u64) -> Message {
    Message::new(id(n), at(1), Body::OrderArchive(bodies::OrderArchive { order_id: order(n) }))
}

fn fulfil(n: u64) -> Message {
    let body = Body::MarkFulfilled(bodies::MarkFulfilled { order_id: order(n) });
    Message::with_cause(id(n), Some(id(1)), at(2), body)
}

/// Goes to two queues, and to none of them alone.
fn refunded(n: u64) -> Message {
    let json = format!(
        r#"{{"order_id":"{}","at":"2026-01-01T00:00:00Z","amount":{{"amount":"1.50","currency":"EUR"}}}}"#,
        order(n)
    );
    Message::restore(id(n), None, at(2), "payment.refunded", &json).unwrap()
}

fn no_order(n: u64) -> Message {
    Message::restore(id(n), None, at(2), "stock.count", r#"{"sku":"A\"\\","on_hand":1}"#).unwrap()
}

fn say(message: &Message) -> Said {
    Said { message: Arc::new(message.clone()), queues: message.body.queues().to_vec() }
}

fn row(role: Role, message: &Message, said: Vec<Said>) -> JournalRow {
    JournalRow {
        role,
        id: message.id.clone(),
        name: message.name().to_string(),
        hash: message.hash(),
        order_id: message.order_id,
        cause: message.cause.clone(),
        at: at(3),
        outcome: "done: \"as asked\"".into(),
        said,
    }
}

fn journal(row: JournalRow) -> Changes {
    Changes { journal: vec![row], ..Changes::default() }
}

fn records(records: Vec<SavedRecord>) -> Changes {
    Changes { records, ..Changes::default() }
}

fn save(table: Table, id: &str, version: i64, json: &str) -> SavedRecord {
    SavedRecord { need: Need::of(table, id), version, json: json.to_string() }
}

/// Odd orders are customer c1's, even ones c0's.
fn ordered(n: u64, status: &str, when: u64) -> SavedRecord {
    let json = format!(
        r#"{{"number":{n},"status":"{status}","customer_id":"c{}","created_at":"{at}","updated_at":"{at}"}}"#,
        n % 2,
        at = at(when)
    );
    save(Table::Orders, &order(n).to_string(), 0, &json)
}

fn number_of(json: &str) -> u64 {
    serde_json::from_str::<serde_json::Value>(json).unwrap()["number"].as_u64().unwrap()
}

fn deadlines(all: &[(&str, u64, u64)]) -> Changes {
    let set = |&(key, due, n): &(&str, u64, u64)| (key.to_string(), Some((at(due), Arc::new(fulfil(n)))));
    Changes { deadlines: all.iter().map(set).collect(), ..Changes::default() }
}

fn letter(queue: &str, message: &Message) -> DeadLetter {
    DeadLetter {
        id: format!("{queue}/{}", message.id),
        queue: queue.into(),
        message_id: Some(message.id.to_string()),
        name: message.name().into(),
        order_id: message.order_id,
        cause: None,
        code: "attempts_exhausted".into(),
        why: "it fails".into(),
        attempts: 5,
        at: at(4),
        body: message.json().into(),
        status: DeadStatus::Open,
    }
}

fn dead(change: DeadChange) -> Changes {
    Changes { dead: vec![change], ..Changes::default() }
}

fn close(queue: &str, message: &Message, status: DeadStatus) -> DeadChange {
    DeadChange::Close { id: letter(queue, message).id, status }
}

/// Something of each kind, all of it about order `n`.
fn everything(n: u64) -> Changes {
    let mut changes = journal(row(Role::Order, &archive(n), vec![say(&fulfil(n + 100))]));
    changes.records.push(ordered(n, "created", 10));
    changes.records.push(save(Table::Audit, &order(n).to_string(), 0, "{}"));
    changes.deadlines.insert(format!("k{n}"), Some((at(5), Arc::new(fulfil(n)))));
    changes.dead.push(DeadChange::Bury(letter("saga", &archive(n))));
    changes
}

async fn assert_nothing_of(db: &Db, n: u64) {
    let id = order(n).to_string();
    assert!(db.store.journal_of(order(n)).await.unwrap().is_empty());
    assert_eq!(db.store.get(Table::Orders, &id).await.unwrap(), None);
    assert_eq!(db.store.get(Table::Audit, &id).await.unwrap(), None);
    assert!(db.store.deadlines(100).await.unwrap().iter().all(|(key, ..)| *key != format!("k{n}")));
    assert_eq!(db.store.dead_letter(&letter("saga", &archive(n)).id).await.unwrap(), None);
}

async fn keep(db: &Db, changes: Changes) -> Result<(), Error> {
    db.store.begin().await.unwrap().keep(changes).await
}

/// "queue n" for each message mn.
async fn in_flight(db: &Db) -> Vec<String> {
    let found = db.store.in_flight().await.unwrap();
    found.iter().map(|(queue, message)| format!("{queue} {}", &message.id.as_str()[1..])).collect()
}
