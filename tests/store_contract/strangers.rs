//! Strangers' dead letters are counted, listed and evicted apart from our own.

use contract::Speaker;
use store::Origin;

use super::*;

fn strangers(n: u64, s: u64) -> DeadLetter {
    DeadLetter { code: "unroutable".into(), at: at(s), ..letter("order", &archive(n)) }
}

fn own(n: u64, s: u64) -> DeadLetter {
    // A customer waits for what it asks for.
    DeadLetter { code: "failed".into(), by: Speaker::Customer, at: at(s), ..letter("order", &archive(n)) }
}

fn park(letter: DeadLetter) -> Changes {
    dead(DeadChange::Park(letter))
}

fn evict(letters: &[DeadLetter]) -> Changes {
    let evict = |letter: &DeadLetter| DeadChange::Evict { id: letter.id.clone() };
    Changes { dead: letters.iter().map(evict).collect(), ..Changes::default() }
}

/// All that are open, those of strangers, and how many were evicted.
async fn counts(db: &Db) -> (u64, u64, u64) {
    let vitals = db.store.vitals().await.unwrap();
    (vitals.open_dead_letters, vitals.strangers_dead_letters, vitals.evicted_dead_letters)
}

pub(super) async fn strangers_letters_are_counted_listed_and_grouped_apart_from_our_own(db: Db) {
    for letter in [own(1, 10), strangers(2, 20), strangers(3, 30), own(4, 40), strangers(5, 50)] {
        keep(&db, park(letter)).await.unwrap();
    }
    keep(&db, dead(close("order", &archive(5), DeadStatus::Discarded))).await.unwrap();
    assert_eq!(counts(&db).await, (4, 2, 0));
    assert_eq!(db.store.vitals().await.unwrap().own_dead_letters(), 2);
    for (origin, expected) in [(Origin::Own, ["m4", "m1"]), (Origin::Stranger, ["m3", "m2"])] {
        let status = Some(DeadStatus::Open);
        let wanted = Letters { status, origin: Some(origin), limit: 9, ..Letters::default() };
        let found = db.store.letters(&wanted).await.unwrap();
        let ids: Vec<_> = found.iter().filter_map(|letter| letter.message_id.clone()).collect();
        assert_eq!(ids, expected, "{origin:?}");
    }
    keep(&db, park(strangers(6, 60))).await.unwrap();
    let groups = db.store.dead_groups(9).await.unwrap();
    let told: Vec<_> =
        groups.iter().map(|group| (group.origin, group.code.as_str(), group.letters)).collect();
    assert_eq!(told, [(Origin::Own, "failed", 2), (Origin::Stranger, "unroutable", 3)]);
}

pub(super) async fn the_oldest_letters_of_strangers_are_evicted_and_counted_and_our_own_never_are(db: Db) {
    let letters = [strangers(1, 30), strangers(2, 10), own(3, 5), strangers(4, 20)];
    for letter in letters.clone() {
        keep(&db, park(letter)).await.unwrap();
    }
    let oldest = db.store.oldest_of_strangers(2).await.unwrap();
    let ids: Vec<_> = oldest.iter().filter_map(|letter| letter.message_id.as_deref()).collect();
    assert_eq!(ids, ["m2", "m4"]);
    let refused = keep(&db, evict(&[letters[2].clone()])).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    keep(&db, evict(&oldest)).await.unwrap();
    assert_eq!(counts(&db).await, (2, 1, 2));
    let again = keep(&db, evict(&oldest)).await;
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    keep(&db, evict(&[letters[0].clone()])).await.unwrap();
    assert_eq!(counts(&db).await, (1, 0, 3), "the count stays when the letters are gone");
    assert!(db.store.dead_letter(&letters[2].id).await.unwrap().is_some());
}

pub(super) async fn a_strangers_letter_never_takes_the_place_of_our_own(db: Db) {
    keep(&db, park(own(1, 10))).await.unwrap();
    keep(&db, park(DeadLetter { body: "something else".into(), ..strangers(1, 20) })).await.unwrap();
    let kept = db.store.dead_letter(&own(1, 10).id).await.unwrap().unwrap();
    assert_eq!((kept.code.as_str(), kept.at), ("failed", at(10)));
    // The other way round it does change, and what an operator replayed is our own from then on.
    keep(&db, park(strangers(2, 10))).await.unwrap();
    keep(&db, park(own(2, 20))).await.unwrap();
    assert_eq!(counts(&db).await, (2, 0, 0));
    keep(&db, park(strangers(3, 10))).await.unwrap();
    keep(&db, dead(close("order", &archive(3), DeadStatus::Replayed))).await.unwrap();
    keep(&db, park(strangers(3, 20))).await.unwrap();
    assert_eq!(counts(&db).await, (3, 0, 0));
    // A dead letter that was our own does not become a stranger's when it was closed and comes again.
    keep(&db, dead(close("order", &archive(1), DeadStatus::Discarded))).await.unwrap();
    keep(&db, park(strangers(1, 30))).await.unwrap();
    assert_eq!(counts(&db).await, (3, 0, 0));
    let stranger = "update dead_letters set stranger = true where id = 'order/m1' returning 1";
    assert!(db.sql(stranger).await.is_err(), "the database refuses");
}
