//! Every type by every speaker, imported as a dead letter, replayed and edited: derived from the table of messages,
//! so that a new type is tried as soon as it exists. Each needs an example below `tests/corpus/body`.

use std::sync::Arc;

use broker::embedded::EmbeddedBroker;
use broker::{Broker, DeadDelivery, Mark};
use contract::{MESSAGES, Message, MessageId, Queue, Role, Speaker, Time, speakers_of};
use engine::dead::replay;
use engine::import::import;
use engine::operator::{Edited, Operator};
use store::batch;
use store::sqlite::SqliteStore;
use store::{Changes, Database, DeadLetter, DeadLetters, DeadStatus, Emitted, Journal, JournalRow, Store};

use super::queue_of;
use crate::support::root;

struct Letters {
    store: Arc<dyn Database>,
    broker: EmbeddedBroker,
    all: Vec<DeadLetter>,
}

impl Letters {
    /// Dead letters of this type, one from each speaker.
    async fn of_type(name: &str, body: &str, queue: Queue) -> Self {
        let store: Arc<dyn Database> = Arc::new(SqliteStore::in_memory().await.unwrap());
        let broker = EmbeddedBroker::refilled(Vec::new());
        let dead: Vec<_> = Speaker::ALL.into_iter().map(|by| dead(by, name, body, queue)).collect();
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

    /// The speakers whose dead letters could be replayed, in the order of `Speaker::ALL`.
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

    /// The messages in a queue, as its consumer sees them.
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

fn dead(by: Speaker, name: &str, body: &str, queue: Queue) -> DeadDelivery {
    DeadDelivery {
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
    }
}

/// The example of a type: its name in the first line, then a body.
pub(super) fn example(name: &str) -> String {
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
        // The message that was sent had an unknown type.
        let letters = Letters::of_type("order.unheard_of", "{}", queue_of(queues)).await;
        assert_eq!(letters.replayed(Some(name)).await, may_say(name), "{name}");
    }
}

/// Written a second time, on purpose: whose messages a row of this role may hold.
fn may_hold(role: Role, by: Speaker) -> bool {
    match role {
        Role::Operator => true,
        Role::Gateway => ["customer", "payment_provider", "admin", "operator", "timers"].contains(&by.name()),
        role => role.name() == by.name(),
    }
}

#[test]
fn a_row_of_each_role_is_believed_in_what_that_role_may_say() {
    for (name, ..) in MESSAGES {
        let id = MessageId::new("m1").unwrap();
        let message = Message::restore(id, None, Time::default(), name, &example(name)).unwrap();
        for by in Speaker::ALL {
            let message = message.clone().said_by(by);
            for role in Queue::ALL.map(Queue::reader).into_iter().chain([Role::Gateway, Role::Operator]) {
                let expected = may_hold(role, by) && speakers_of(name).contains(&by);
                assert_eq!(store::may_say(role, &message), expected, "{role}: {by} says {name}");
            }
        }
    }
}

/// A role's database login can dead-letter anything in the queue of that role, in any speaker's name.
#[tokio::test]
async fn a_replay_sends_nothing_to_another_role_than_the_one_that_would_have_read_it() {
    let store = SqliteStore::in_memory().await.unwrap();
    let broker = EmbeddedBroker::refilled(Vec::new());
    let forged = dead(Speaker::Payment, "payment.captured", &example("payment.captured"), Queue::Email);
    import(&store, &broker, &[forged]).await.unwrap();
    let letter = &store.dead_letters(Some(DeadStatus::Open), 9).await.unwrap()[0];
    for edited in
        [None, Some(Edited { name: Some("order.cancel".into()), body: Some(example("order.cancel")) })]
    {
        let who = Operator { edited, ..Operator::new("anna", "a test") };
        replay(&store, &broker, &letter.id, &who).await.unwrap_err();
    }
    let refused = replay(&store, &broker, &letter.id, &Operator::new("anna", "a test")).await.unwrap_err();
    assert!(format!("{refused:#}").contains("it lies in the queue email"), "{refused:#}");
    for queue in Queue::ALL {
        assert_eq!(broker.depth(queue).await.unwrap().messages, 0, "{queue}");
    }
}

/// So every row but the operator's speaks for its own role, and a refill believes it.
#[tokio::test]
async fn an_edited_replay_is_said_by_the_operator_and_the_old_message_counts_as_handled() {
    let store = SqliteStore::in_memory().await.unwrap();
    let broker = EmbeddedBroker::refilled(Vec::new());
    import(&store, &broker, &[dead(Speaker::Shop, "order.cancel", "{}", Queue::Order)]).await.unwrap();
    let letter = &store.dead_letters(Some(DeadStatus::Open), 9).await.unwrap()[0];
    let edited = Some(Edited { name: None, body: Some(example("order.cancel")) });
    let who = Operator { edited, ..Operator::new("anna", "a test") };
    replay(&store, &broker, &letter.id, &who).await.unwrap();
    let rows: Vec<_> =
        store.journal_page(0, 9).await.unwrap().into_iter().map(|(_, row)| row.unwrap()).collect();
    let told: Vec<_> = rows.iter().map(|row| (row.role, row.emitted.len())).collect();
    assert_eq!(told, [(Role::Order, 0), (Role::Operator, 1)]);
    assert!(rows[0].outcome.starts_with("superseded by ") && rows[0].id.as_str() == "shop says order.cancel");
    let missing = engine::refill::missing(&store, std::time::Duration::ZERO).await.unwrap();
    let missing: Vec<_> = missing.emitted.iter().map(|said| said.message.by).collect();
    assert_eq!(missing, [Speaker::Shop]);
}

#[tokio::test]
async fn what_held_a_card_number_is_not_sent_as_it_was() {
    let store = SqliteStore::in_memory().await.unwrap();
    let broker = EmbeddedBroker::refilled(Vec::new());
    let sent = dead(Speaker::Shop, "order.cancel", &example("order.cancel"), Queue::Order);
    import(&store, &broker, &[DeadDelivery { code: "card_number_refused".into(), ..sent }]).await.unwrap();
    let letter = &store.dead_letters(Some(DeadStatus::Open), 9).await.unwrap()[0];
    let refused = replay(&store, &broker, &letter.id, &Operator::new("anna", "a test")).await.unwrap_err();
    assert!(format!("{refused:#}").contains("discard it"), "{refused:#}");
    assert_eq!(broker.depth(Queue::Order).await.unwrap().messages, 0);
}

/// What a handled message emitted may have been handled too, by a role that forges its rows.
#[tokio::test]
async fn what_a_handled_message_has_led_to_is_believed_as_far_as_each_role_may_say_it() {
    let store = SqliteStore::in_memory().await.unwrap();
    let broker = EmbeddedBroker::refilled(Vec::new());
    let read = |id: &str, name: &str| {
        let id = MessageId::new(id).unwrap();
        Message::restore(id, None, Time::default(), name, &example(name)).unwrap()
    };
    let sent = dead(Speaker::Order, "notification.tell", &example("notification.tell"), Queue::Notification);
    let told = read(sent.message_id.as_deref().unwrap(), "notification.tell");
    let (mail, other) = (read("mail", "email.send"), read("other", "email.send"));
    let said = |message: &Message, queue| Emitted { message: Arc::new(message.clone()), queues: vec![queue] };
    let mails = vec![said(&mail, Queue::Email), said(&other, Queue::Email)];
    let forged = vec![said(&read("forged", "payment.captured"), Queue::Saga)];
    let row = |role, message: &Message, said| {
        batch::journal_row(role, message, "done".into(), said, Time::default())
    };
    let journal = vec![row(Role::Notification, &told, mails), row(Role::Email, &mail, forged)];
    store.begin().await.unwrap().commit(Changes { journal, ..Changes::default() }).await.unwrap();
    import(&store, &broker, &[sent]).await.unwrap();
    assert_eq!(broker.depth(Queue::Saga).await.unwrap().messages, 0);
    assert_eq!(broker.depth(Queue::Email).await.unwrap().messages, 1, "the other mail was not handled");
}

#[tokio::test]
async fn a_row_of_the_journal_speaks_for_its_own_role_when_its_message_comes_back_dead() {
    let store = SqliteStore::in_memory().await.unwrap();
    let broker = EmbeddedBroker::refilled(Vec::new());
    let sent = dead(Speaker::Notification, "email.send", &example("email.send"), Queue::Email);
    let read = |id: &str, name: &str| {
        let id = MessageId::new(id).unwrap();
        Message::restore(id, None, Time::default(), name, &example(name)).unwrap()
    };
    let handled = read(sent.message_id.as_deref().unwrap(), "email.send");
    // The login of the e-mail role can write this row, and nothing else of the journal.
    let forged = Emitted { message: Arc::new(read("forged", "payment.captured")), queues: vec![Queue::Saga] };
    let row = JournalRow {
        role: Role::Email,
        id: handled.id.clone(),
        name: handled.name().into(),
        hash: handled.hash(),
        order_id: handled.order_id,
        cause: None,
        at: Time::default(),
        outcome: "handed_over".into(),
        emitted: vec![forged],
    };
    let changes = Changes { journal: vec![row], ..Changes::default() };
    store.begin().await.unwrap().commit(changes).await.unwrap();
    import(&store, &broker, &[sent]).await.unwrap();
    assert_eq!(broker.depth(Queue::Saga).await.unwrap().messages, 0);
    assert!(store.dead_letters(None, 9).await.unwrap().is_empty(), "it was handled");
}
