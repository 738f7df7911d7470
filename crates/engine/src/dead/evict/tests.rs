//! An eviction leaves nothing in flight, and swallows no message of another sender.

use std::sync::Arc;

use contract::{Message, MessageId, Queue, Role, Time};
use store::batch;
use store::sqlite::SqliteStore;
use store::{Changes, DeadChange, DeadLetter, DeadLetters, Emitted, Outbox, Store};

use super::evict;

fn count(id: &str, on_hand: u32) -> Message {
    let json = format!(r#"{{"sku":"A","on_hand":{on_hand}}}"#);
    let id = MessageId::new(id).unwrap();
    Message::restore(id, None, Time::from_unix_ms(1), "stock.count", &json).unwrap()
}

fn refused(message: &Message, at_s: u64) -> DeadLetter {
    let at = Time::from_unix_ms(0).plus_s(at_s);
    let letter = batch::dead_letter(Queue::Stock, message, 1, "body_invalid", "a test", at);
    // Several may have the same message id.
    DeadLetter { id: format!("{}/{at_s}", letter.id), ..letter }
}

async fn keep(store: &SqliteStore, changes: Changes) {
    store.begin().await.unwrap().commit(changes).await.unwrap();
}

async fn let_in(store: &SqliteStore, message: &Message) {
    let emitted = Emitted { message: Arc::new(message.clone()), queues: vec![Queue::Stock] };
    let row = batch::journal_row(Role::Gateway, message, "accepted".into(), vec![emitted], message.at);
    keep(store, Changes { journal: vec![row], ..Changes::default() }).await;
}

async fn dead_lettered(store: &SqliteStore, letter: DeadLetter) {
    keep(store, Changes { dead: vec![DeadChange::Park(letter)], ..Changes::default() }).await;
}

#[tokio::test]
async fn past_their_number_the_oldest_go_and_nothing_is_in_flight_because_of_that() {
    let store = SqliteStore::in_memory().await.unwrap();
    for n in 0..5 {
        let message = count(&format!("m{n}"), 1);
        let_in(&store, &message).await;
        dead_lettered(&store, refused(&message, n)).await;
    }
    assert_eq!(evict(&store, 5).await.unwrap(), 0);
    assert_eq!(evict(&store, 2).await.unwrap(), 3);
    let left = store.dead_letters(None, 9).await.unwrap();
    let left: Vec<_> = left.iter().filter_map(|letter| letter.message_id.as_deref()).collect();
    assert_eq!(left, ["m4", "m3"]);
    assert!(store.in_flight().await.unwrap().is_empty(), "the gateway let them in, and they are over");
    let vitals = store.vitals().await.unwrap();
    assert_eq!((vitals.strangers_dead_letters, vitals.evicted_dead_letters), (2, 3));
}

#[tokio::test]
async fn a_letter_under_the_id_of_a_message_that_was_let_in_takes_nothing_along() {
    let store = SqliteStore::in_memory().await.unwrap();
    let ours = count("m1", 1);
    let_in(&store, &ours).await;
    // From an outsider that has guessed the id; and one that the gateway never accepted.
    dead_lettered(&store, refused(&count("m1", 7), 1)).await;
    dead_lettered(&store, refused(&count("m2", 7), 2)).await;
    assert_eq!(evict(&store, 0).await.unwrap(), 2);
    let flying = store.in_flight().await.unwrap();
    assert_eq!(flying.iter().flatten().map(|one| one.message.id.as_str()).collect::<Vec<_>>(), ["m1"]);
    let (_, handled) = store
        .begin()
        .await
        .unwrap()
        .handled(Role::Stock, &[ours.id, MessageId::new("m2").unwrap()])
        .await
        .unwrap();
    assert!(handled.is_empty(), "{handled:?}");
}
