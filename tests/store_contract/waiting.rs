//! Deadlines come due until they are cleared, and dead letters stay until they are closed.

use contract::Speaker;
use store::DeadlineRow;

use super::*;

pub(super) async fn deadlines_come_due_again_until_cleared(db: Db) {
    keep(&db, deadlines(&[("later", NOW_S + 1, 3), ("second", NOW_S, 2), ("first", NOW_S - 5, 1)]))
        .await
        .unwrap();
    assert_eq!(due(&db, 1, 0).await, [fulfil(1)]);
    // With a delay of 0 s it was not moved on, so it is due again, in its old place.
    assert_eq!(due(&db, 9, 60).await, [fulfil(1), fulfil(2)]);
    assert!(due(&db, 9, 60).await.is_empty(), "they come again in a minute");
    let listed = db.store.deadlines(10).await.unwrap();
    let says = Ok((Speaker::Saga, "order.mark_fulfilled"));
    let (later, first) = (at(NOW_S + 1), at(NOW_S + 60));
    assert_eq!(listed[0], DeadlineRow { key: "later".into(), due: later, says: says.clone() });
    assert_eq!(listed[1], DeadlineRow { key: "first".into(), due: first, says });
    db.store.put_off(&["later".into(), "second".into()], 90).await.unwrap();
    let listed = db.store.deadlines(10).await.unwrap();
    let put_off: Vec<_> = listed.iter().map(|one| (one.key.as_str(), one.due)).collect();
    assert_eq!(put_off, [("first", first), ("later", at(NOW_S + 90)), ("second", at(NOW_S + 90))]);

    let mut cleared = deadlines(&[("later", NOW_S, 3)]);
    cleared.deadlines.insert("first".into(), None);
    cleared.deadlines.insert("second".into(), None);
    cleared.deadlines.insert("never set".into(), None);
    keep(&db, cleared).await.unwrap();
    assert_eq!(due(&db, 9, 60).await, [fulfil(3)]);
    assert_eq!(db.store.deadlines(10).await.unwrap().len(), 1);
}

pub(super) async fn the_last_deadline_under_a_key_counts(db: Db) {
    keep(&db, deadlines(&[("k", NOW_S - 9, 1)])).await.unwrap();
    keep(&db, deadlines(&[("k", NOW_S - 8, 2)])).await.unwrap();
    assert_eq!(due(&db, 9, 60).await, [fulfil(2)]);
}

pub(super) async fn dead_letters_open_close_and_open_again(db: Db) {
    let mut first = letter("order", &fulfil(1));
    first.body = "\u{0}\u{FFFD} \"not\\ JSON".into();
    keep(&db, dead(DeadChange::Park(first.clone()))).await.unwrap();
    assert_eq!(db.store.dead_letter(&first.id).await.unwrap().unwrap(), first);

    keep(&db, dead(close("order", &fulfil(1), DeadStatus::Discarded))).await.unwrap();
    assert_eq!(db.store.dead_letter(&first.id).await.unwrap().unwrap().status, DeadStatus::Discarded);
    assert!(db.store.dead_letters(Some(DeadStatus::Open), 10).await.unwrap().is_empty());
    assert_eq!(db.store.dead_letters(None, 10).await.unwrap().len(), 1);

    let again = DeadLetter { attempts: 9, why: "still".into(), at: at(NOW_S), ..first };
    keep(&db, dead(DeadChange::Park(again.clone()))).await.unwrap();
    assert_eq!(db.store.dead_letters(Some(DeadStatus::Open), 10).await.unwrap(), [again]);
    assert_eq!(db.store.dead_letter("no such").await.unwrap(), None);
}

pub(super) async fn discarding_twice_is_a_conflict(db: Db) {
    keep(&db, dead(DeadChange::Park(letter("order", &fulfil(1))))).await.unwrap();
    keep(&db, dead(close("order", &fulfil(1), DeadStatus::Discarded))).await.unwrap();
    let mut again = everything(2);
    again.dead.push(close("order", &fulfil(1), DeadStatus::Replayed));
    assert!(matches!(keep(&db, again).await, Err(Error::Conflict(_))));
    assert_nothing_of(&db, 2).await;
}

pub(super) async fn a_letter_that_is_closed_and_dies_again_at_once_is_open(db: Db) {
    keep(&db, dead(DeadChange::Park(letter("order", &fulfil(1))))).await.unwrap();
    let again = DeadLetter { attempts: 6, ..letter("order", &fulfil(1)) };
    let close = close("order", &fulfil(1), DeadStatus::Replayed);
    let changes = Changes {
        dead: vec![DeadChange::Park(letter("order", &fulfil(1))), close, DeadChange::Park(again.clone())],
        ..Changes::default()
    };
    keep(&db, changes).await.unwrap();
    assert_eq!(db.store.dead_letters(None, 10).await.unwrap(), [again]);
}
