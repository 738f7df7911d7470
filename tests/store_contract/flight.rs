//! What was emitted and not handled is in flight, wherever the mark is.

use super::*;

pub(super) async fn in_flight_is_emitted_minus_handled_minus_open_dead_letters(db: Db) {
    let said = [2, 3, 4].map(|n| say(&fulfil(n))).to_vec();
    keep(&db, journal(row(Role::Saga, &archive(1), said))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2", "order 3", "order 4"]);
    keep(&db, journal(row(Role::Order, &fulfil(3), vec![]))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2", "order 4"]);
    keep(&db, dead(DeadChange::Park(letter("order", &fulfil(2))))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 4"]);
    keep(&db, dead(close("order", &fulfil(2), DeadStatus::Replayed))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2", "order 4"]);
    // Handled by a role that does not read that queue: that does not count.
    keep(&db, journal(row(Role::Stock, &fulfil(4), vec![]))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2", "order 4"]);
    // A queue and the role that reads it may have different names.
    let taken_in = Emitted { queues: vec![Queue::Intake], ..say(&fulfil(5)) };
    keep(&db, journal(row(Role::Gateway, &fulfil(5), vec![taken_in]))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2", "order 4", "intake 5"]);
    keep(&db, journal(row(Role::Order, &fulfil(5), vec![]))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2", "order 4"]);
}

/// A batch handles most of what it emits itself: that is never in flight, and all the rest is.
pub(super) async fn what_a_batch_emits_and_handles_itself_is_never_in_flight(db: Db) {
    let both = Emitted { queues: vec![Queue::Saga, Queue::Order], ..say(&fulfil(2)) };
    let mut batch = journal(row(Role::Order, &archive(1), vec![both, say(&fulfil(3)), say(&fulfil(4))]));
    batch.journal.push(row(Role::Saga, &fulfil(2), vec![say(&fulfil(5))]));
    batch.journal.push(row(Role::Order, &fulfil(3), vec![]));
    // Handled by a role that does not read that queue.
    batch.journal.push(row(Role::Stock, &fulfil(5), vec![]));
    keep(&db, batch).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2", "order 4", "order 5"]);
    let first = db.store.in_flight().await.unwrap().remove(0).unwrap().message;
    assert_eq!((first.name(), first.json()), (fulfil(2).name(), fulfil(2).json()));
    db.store.advance_mark().await.unwrap();
    keep(&db, journal(row(Role::Order, &fulfil(2), vec![]))).await.unwrap();
    db.store.advance_mark().await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 4", "order 5"]);
}

pub(super) async fn a_replay_is_in_flight_again_wherever_the_mark_is(db: Db) {
    keep(&db, journal(row(Role::Saga, &archive(1), vec![say(&fulfil(2))]))).await.unwrap();
    keep(&db, dead(DeadChange::Park(letter("order", &fulfil(2))))).await.unwrap();
    db.store.advance_mark().await.unwrap();
    let mut replay = journal(row(Role::Operator, &archive(7), vec![say(&fulfil(2))]));
    replay.dead.push(close("order", &fulfil(2), DeadStatus::Replayed));
    keep(&db, replay).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2"]);
    // Emitted twice, in flight once.
    keep(&db, journal(row(Role::Operator, &archive(8), vec![say(&fulfil(2))]))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2"]);
    db.store.advance_mark().await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 2"]);
    keep(&db, journal(row(Role::Order, &fulfil(2), vec![]))).await.unwrap();
    assert!(in_flight(&db).await.is_empty());
}

pub(super) async fn the_mark_never_passes_an_unhandled_message(db: Db) {
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
    db.mark_comes_to(1).await;
    keep(&db, journal(row(Role::Order, &fulfil(12), vec![]))).await.unwrap();
    keep(&db, journal(row(Role::Order, &fulfil(14), vec![]))).await.unwrap();
    db.mark_comes_to(8).await;
    keep(&db, journal(row(Role::Saga, &archive(5), vec![say(&fulfil(15))]))).await.unwrap();
    db.store.advance_mark().await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 15"]);
}

pub(super) async fn what_is_emitted_after_pruning_is_past_the_mark(db: Db) {
    let mut ended = journal(row(Role::Order, &archive(1), vec![]));
    ended.records.push(ordered(1, "archived", 0));
    keep(&db, ended).await.unwrap();
    db.mark_comes_to(1).await;
    assert_eq!(db.store.prune(at(NOW_S), 10).await.unwrap().orders, 1);
    keep(&db, journal(row(Role::Saga, &archive(2), vec![say(&fulfil(3))]))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 3"]);
}

pub(super) async fn two_queues_of_one_message_are_handled_apart(db: Db) {
    let both = Emitted { message: refunded(2).into(), queues: vec![Queue::Saga, Queue::Order] };
    keep(&db, journal(row(Role::Payment, &archive(1), vec![both]))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["saga 2", "order 2"]);
    keep(&db, journal(row(Role::Order, &refunded(2), vec![]))).await.unwrap();
    assert_eq!(in_flight(&db).await, ["saga 2"]);
    keep(&db, dead(DeadChange::Park(letter("order", &refunded(2))))).await.unwrap();
    db.store.advance_mark().await.unwrap();
    assert_eq!(in_flight(&db).await, ["saga 2"]);
    keep(&db, journal(row(Role::Saga, &refunded(2), vec![]))).await.unwrap();
    assert!(in_flight(&db).await.is_empty());
}

pub(super) async fn the_oldest_that_waits_is_known_however_much_was_done_before_it(db: Db) {
    // Since the mark was last moved, more was handled than one look covers.
    let done = (0..1500).map(|n| row(Role::Order, &archive(n), vec![]));
    keep(&db, Changes { journal: done.collect(), ..Changes::default() }).await.unwrap();
    assert_eq!(db.store.vitals().await.unwrap().oldest_in_flight, None);
    let waits = row(Role::Order, &archive(2000), vec![say(&fulfil(2001))]);
    let since = waits.at;
    let done = (2100..3500).map(|n| row(Role::Order, &archive(n), vec![]));
    let journal = done.chain([waits]).collect();
    keep(&db, Changes { journal, ..Changes::default() }).await.unwrap();
    // On a shared server older transactions must end first, and these may be those of other tests.
    let start = std::time::Instant::now();
    loop {
        let oldest = db.store.vitals().await.unwrap().oldest_in_flight;
        if oldest == Some(since) {
            return;
        }
        assert_eq!(oldest, None);
        assert!(start.elapsed() < crate::support::PATIENCE, "it is never found");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
