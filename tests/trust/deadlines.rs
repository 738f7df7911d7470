//! The timers publish the deadlines that workers set, and nothing else that a login has put into that table.

use std::sync::Arc;

use broker::Broker;
use broker::embedded::EmbeddedBroker;
use contract::{MESSAGES, Message, MessageId, Queue, Speaker, Time};
use engine::timers::publish_due;
use store::sqlite::SqliteStore;
use store::{Changes, DeadLetter, DeadLetters, DeadStatus, Deadlines, Origin, Store};

use super::matrix::example;

const SET_BY_WORKERS: [(&str, Speaker); 4] = [
    ("saga.overdue", Speaker::Saga),
    ("order.held", Speaker::Order),
    ("payment.held", Speaker::Payment),
    ("provider.query", Speaker::Payment),
];

fn now() -> Time {
    Time::from_unix_ms(1_800_000_000_000)
}

async fn open() -> (SqliteStore, EmbeddedBroker) {
    let store = SqliteStore::in_memory().await.unwrap().with_clock(Arc::new(now));
    (store, EmbeddedBroker::refilled(Vec::new()))
}

async fn set(store: &SqliteStore, key: &str, message: Message) {
    let mut changes = Changes::default();
    changes.deadlines.insert(key.into(), Some((Time::default(), Arc::new(message))));
    store.begin().await.unwrap().commit(changes).await.unwrap();
}

fn said(name: &str, by: Speaker) -> Message {
    let id = MessageId::new(&format!("{by} says {name}")).unwrap();
    Message::restore(id, None, now(), name, &example(name)).unwrap().said_by(by)
}

async fn published(broker: &EmbeddedBroker) -> usize {
    let mut messages = 0;
    for queue in Queue::ALL {
        messages += broker.depth(queue).await.unwrap().messages;
    }
    messages
}

async fn letters(store: &SqliteStore) -> Vec<DeadLetter> {
    store.dead_letters(Some(DeadStatus::Open), 999).await.unwrap()
}

#[tokio::test]
async fn of_all_types_by_all_speakers_only_what_workers_set_is_published() {
    let (store, broker) = open().await;
    let mut refused = 0;
    for (name, ..) in MESSAGES {
        for by in Speaker::ALL {
            set(&store, &format!("{by} {name}"), said(name, by)).await;
            refused += usize::from(!SET_BY_WORKERS.contains(&(name, by)));
        }
    }
    let all = refused + SET_BY_WORKERS.len();
    let mut done = 0;
    while done < all {
        done += publish_due(&store, &broker).await.unwrap();
    }
    assert_eq!(published(&broker).await, SET_BY_WORKERS.len());
    assert_eq!(letters(&store).await.len(), refused.min(999));
}

#[tokio::test]
async fn a_refused_deadline_is_a_dead_letter_of_no_proven_origin_and_comes_again_a_day_later() {
    let (store, broker) = open().await;
    set(&store, "0195d2a4-0000-7000-8000-000000000001", said("payment.captured", Speaker::Payment)).await;
    set(&store, "good", said("saga.overdue", Speaker::Saga)).await;
    publish_due(&store, &broker).await.unwrap();
    let letters = letters(&store).await;
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!((letter.code.as_str(), letter.by), ("deadline_refused", Speaker::Outsider));
    assert_eq!((letter.origin(), letter.message_id.as_deref()), (Origin::Own, None));
    assert!(letter.why.contains("0195d2a4") && letter.why.contains("payment.captured"), "{}", letter.why);
    assert_eq!(published(&broker).await, 1);
    let listed = store.deadlines(9).await.unwrap();
    let due: Vec<_> = listed.iter().map(|one| (one.key.len(), one.due)).collect();
    assert_eq!(due, [(4, now().plus_s(30)), (36, now().plus_s(24 * 3600))]);
}
