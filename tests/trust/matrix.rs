//! Every type by every speaker, imported as a dead letter, replayed and edited: made from the table of messages, so that a
//! new type is tried as soon as it is there. Each needs an example below `tests/corpus/body`.

use std::sync::Arc;

use checkout_saga::broker::embedded::EmbeddedBroker;
use checkout_saga::broker::{Broker, DeadDelivery, Mark};
use checkout_saga::dead::replay;
use checkout_saga::gateway::{Edited, Operator};
use checkout_saga::import::import;
use checkout_saga::store::sqlite::SqliteStore;
use checkout_saga::store::{DeadLetter, DeadStatus, Store};
use contract::{MESSAGES, Message, Queue, Speaker, speakers_of};

use super::queue_of;
use crate::support::root;

struct Letters {
    store: Arc<dyn Store>,
    broker: EmbeddedBroker,
    all: Vec<DeadLetter>,
}

impl Letters {
    /// One from each speaker, of this type.
    async fn of_type(name: &str, body: &str, queue: Queue) -> Self {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::in_memory().await.unwrap());
        let broker = EmbeddedBroker::refilled(Vec::new());
        let dead: Vec<_> = Speaker::ALL
            .into_iter()
            .map(|by| DeadDelivery {
                queue: Some(queue),
                message_id: Some(format!("{by} says {name}")),
                name: name.into(),
                by,
                cause: None,
                code: "failed".into(),
                why: "a test".into(),
                attempts: 1,
                body: body.into(),
                mark: Mark::default(),
            })
            .collect();
        import(&*store, &broker, &dead).await.unwrap();
        let all = store.dead_letters(Some(DeadStatus::Open), 100).await.unwrap();
        assert_eq!(all.len(), Speaker::ALL.len(), "{name}");
        for letter in &all {
            assert_eq!(
                letter.message_id,
                Some(format!("{} says {name}", letter.by)),
                "imported as another's"
            );
        }
        Self { store, broker, all }
    }

    /// The speakers whose letters could be sent again, in the order of `Speaker::ALL`.
    async fn replayed(&self, edited_into: Option<&str>) -> Vec<Speaker> {
        let edited = edited_into.map(|name| Edited { name: Some(name.into()), body: Some(example(name)) });
        let who = Operator { edited, ..Operator::new("anna", "a test") };
        let mut allowed = Vec::new();
        for letter in &self.all {
            match replay(&*self.store, &self.broker, &letter.id, &who).await {
                Ok(()) => allowed.push(letter.by),
                Err(refused) => {
                    let why = format!("{refused:#}");
                    assert!(why.contains(&format!("this was said by {}", letter.by)), "{why}");
                }
            }
        }
        allowed.sort();
        allowed
    }

    /// What a queue was given, as its reader sees it.
    async fn delivered(&self, queue: Queue) -> Vec<Speaker> {
        let mut speakers = Vec::new();
        while self.broker.depth(queue).await.unwrap().messages > 0 {
            let deliveries = self.broker.take(queue, 100).await.unwrap();
            speakers.extend(deliveries.iter().map(|delivery| delivery.message.by));
            self.broker.ack(&deliveries).await.unwrap();
        }
        speakers.sort();
        speakers
    }
}

/// The example of a type: its name in the first line, then a body.
fn example(name: &str) -> String {
    let file = root().join("tests/corpus/body").join(format!("{name}-0"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|why| panic!("{name} has no example: {why}"));
    let (first, body) = text.split_once('\n').unwrap();
    assert_eq!(first, name, "{}", file.display());
    body.to_string()
}

fn may_say(name: &str) -> Vec<Speaker> {
    let mut speakers = speakers_of(name).to_vec();
    speakers.sort();
    speakers
}

#[test]
fn every_type_has_an_example_that_can_be_read() {
    for (name, ..) in MESSAGES {
        let id = contract::MessageId::new("m1").unwrap();
        let read = Message::restore(id, None, contract::Time::default(), name, &example(name));
        assert!(read.is_ok(), "{name}: {read:?}");
    }
}

#[tokio::test]
async fn a_replay_sends_only_what_its_first_speaker_may_say() {
    for (name, _, queues) in MESSAGES {
        let queue = queue_of(queues);
        let letters = Letters::of_type(name, &example(name), queue).await;
        assert_eq!(letters.replayed(None).await, may_say(name), "{name}");
        let heard = if queues.is_empty() { Vec::new() } else { may_say(name) };
        assert_eq!(letters.delivered(queue).await, heard, "{name} was delivered as another's");
    }
}

#[tokio::test]
async fn an_edit_makes_nothing_of_a_letter_that_its_first_speaker_may_not_say() {
    for (name, _, queues) in MESSAGES {
        // What was sent was of a type that nobody knows.
        let letters = Letters::of_type("order.unheard_of", "{}", queue_of(queues)).await;
        assert_eq!(letters.replayed(Some(name)).await, may_say(name), "{name}");
    }
}
