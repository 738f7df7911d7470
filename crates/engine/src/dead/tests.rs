//! Dead letters that share a message id are closed one by one, however fast.

use std::sync::Arc;

use contract::{Message, MessageId, Queue, Time};
use store::sqlite::SqliteStore;
use store::{Changes, DeadChange, DeadLetter, DeadLetters, DeadStatus, Store, batch};

use super::discard;
use crate::operator::Operator;

/// Three letters with one message id, in the queue of this name.
async fn three_letters(store: &SqliteStore, queue: &str) -> Vec<String> {
    let id = MessageId::new("evt_1").unwrap();
    let json = r#"{"sku":"A","on_hand":1}"#;
    let message = Message::restore(id, None, Time::from_unix_ms(1), "stock.count", json).unwrap();
    let letter = batch::dead_letter(Queue::Stock, &message, 1, "body_invalid", "a test", message.at);
    let ids = ["a", "b", "c"].map(|id| format!("{queue}/{id}"));
    let parked = ids.iter().map(|id| {
        DeadChange::Park(DeadLetter { id: id.clone(), queue: queue.to_string(), ..letter.clone() })
    });
    let changes = Changes { dead: parked.collect(), ..Changes::default() };
    store.begin().await.unwrap().commit(changes).await.unwrap();
    ids.to_vec()
}

#[tokio::test]
async fn letters_with_one_message_id_are_discarded_within_one_millisecond() {
    let store = SqliteStore::in_memory().await.unwrap();
    let store = store.with_clock(Arc::new(|| Time::from_unix_ms(1_000)));
    for queue in ["stock", "gateway"] {
        for id in three_letters(&store, queue).await {
            discard(&store, &id, &Operator::new("anna", "a test")).await.unwrap();
            assert_eq!(store.dead_letter(&id).await.unwrap().unwrap().status, DeadStatus::Discarded);
        }
    }
}
