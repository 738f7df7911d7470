//! No message that dies on its way is lost: it becomes a dead letter with its reason.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker::Broker;
use broker::rabbitmq::{Options, RabbitBroker};
use contract::{Queue, Role, Speaker, Time};
use engine::import;
use lapin::BasicProperties;
use lapin::options::{BasicGetOptions, BasicNackOptions};
use lapin::types::{AMQPValue, FieldTable};
use store::sqlite::SqliteStore;
use store::{Changes, Database, DeadLetter, DeadStatus, Emitted, JournalRow};
use tokio_util::sync::CancellationToken;

use super::{numbers, say, take};
use crate::support::rabbit::Namespace;
use crate::support::until_stored;

const CANCEL: &[u8] = br#"{"order_id":"0195d2a4-0000-7000-8000-000000000001"}"#;

struct DeadLetterFixture {
    store: Arc<dyn Database>,
    broker: Arc<RabbitBroker>,
    stop: CancellationToken,
    namespace: Namespace,
}

impl DeadLetterFixture {
    /// Consumes the queue that commands go to.
    async fn new() -> Self {
        Self::reading(vec![Queue::Order]).await
    }

    /// Consumes nothing but dead letters.
    async fn idle() -> Self {
        Self::reading(Vec::new()).await
    }

    async fn reading(consume: Vec<Queue>) -> Self {
        let namespace = Namespace::new().await;
        let store: Arc<dyn Database> = Arc::new(SqliteStore::in_memory().await.unwrap());
        let options = Options { consume, ..namespace.options() };
        let (broker, stop) = (namespace.broker_with(options).await, CancellationToken::new());
        Self { store, broker, stop, namespace }
    }

    fn import(&self) {
        tokio::spawn(import::run(self.store.clone(), self.broker.clone(), self.stop.clone()));
    }

    /// The open dead letters, once there are so many.
    async fn letters(&self, count: usize) -> Vec<DeadLetter> {
        let open = async || self.store.dead_letters(Some(DeadStatus::Open), 1000).await.unwrap();
        until_stored("the import of all dead letters", async || open().await.len() >= count).await;
        open().await
    }
}

#[tokio::test]
async fn a_command_that_no_queue_wants_ends_as_a_dead_letter_with_a_reason() {
    let fixture = DeadLetterFixture::new().await;
    fixture.import();
    let outsider = fixture.namespace.outsider().await;
    let id = |id: &str| BasicProperties::default().with_message_id(id.into());
    outsider.sends("order.cancle", id("m1"), CANCEL).await;
    // Its type names the queue it was meant for, and it can be replayed to that one.
    outsider.sends("order.cancle", id("m2").with_type("order.cancel".into()), CANCEL).await;
    // A message that only our own workers may send is not accepted under another name either.
    outsider.sends("order.mark_paid", id("m3"), CANCEL).await;
    let letters: BTreeMap<_, _> = fixture
        .letters(3)
        .await
        .into_iter()
        .map(|letter| (letter.message_id.clone().unwrap(), letter))
        .collect();
    let queues: Vec<_> = letters.values().map(|letter| letter.queue.as_str()).collect();
    assert_eq!(queues, ["unrouted", "order", "unrouted"]);
    for letter in letters.values() {
        assert_eq!((letter.code.as_str(), letter.body.as_bytes()), ("unroutable", CANCEL));
        assert!(letter.why.contains("order.cancel, "), "{}", letter.why);
    }
    // A fact without listeners is no failure.
    assert_eq!(outsider.ready_in(&fixture.namespace.names().unrouted()).await, 0);
}

#[tokio::test]
async fn what_comes_back_by_a_binding_of_others_is_named_with_its_exchange_and_keeps_no_rights() {
    let fixture = DeadLetterFixture::new().await;
    fixture.import();
    let outsider = fixture.namespace.outsider().await;
    let (to, from) = (fixture.namespace.names().commands(), fixture.namespace.names().events());
    let bound = outsider.channel.exchange_bind(
        to.as_str().into(),
        from.as_str().into(),
        "#".into(),
        lapin::options::ExchangeBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.unwrap();
    let id = BasicProperties::default().with_message_id("fact".into()).with_type("order.archived".into());
    outsider.publishes(&from, "order.archived", id, CANCEL).await;
    let letter = fixture.letters(1).await.pop().unwrap();
    assert_eq!(
        (letter.code.as_str(), letter.by, letter.queue.as_str()),
        ("not_allowed", Speaker::Outsider, "unrouted")
    );
    for says in [from.as_str(), "came here by a binding", "rabbitmqctl list_bindings"] {
        assert!(letter.why.contains(says), "{}", letter.why);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_with_its_reason_and_holds_up_no_other() {
    let fixture = DeadLetterFixture::new().await;
    fixture.import();
    let outsider = fixture.namespace.outsider().await;
    let with = |name: &str, value: AMQPValue| {
        let mut headers = FieldTable::default();
        headers.insert(name.into(), value);
        BasicProperties::default().with_headers(headers)
    };
    let id = || BasicProperties::default().with_message_id("bad".into());
    let bad = [
        ("message_id_missing", BasicProperties::default(), CANCEL.to_vec()),
        (
            "message_id_invalid",
            with("cloudEvents_id", AMQPValue::LongString("x".repeat(300).into())),
            CANCEL.to_vec(),
        ),
        ("content_type_unknown", id().with_content_type("text/xml".into()), CANCEL.to_vec()),
        ("type_differs", id().with_type("product.upsert".into()), CANCEL.to_vec()),
        ("bundle_refused", id().with_type("bundle".into()), b"[]".to_vec()),
        ("body_malformed", id(), b"{\"order_id\": \0".to_vec()),
        ("body_too_large", id(), vec![b'x'; 100 * 1024]),
        (
            "schema_unknown",
            with("schema", AMQPValue::LongInt(9)).with_message_id("bad schema".into()),
            CANCEL.to_vec(),
        ),
    ];
    for (n, (_, properties, body)) in bad.iter().enumerate() {
        outsider.sends("order.cancel", properties.clone(), body).await;
        let good = BasicProperties::default().with_message_id(format!("good {n}").into());
        outsider.sends("order.cancel", good, CANCEL).await;
    }
    let mut good = Vec::new();
    while good.len() < bad.len() {
        let taken = take(&*fixture.broker, Queue::Order).await;
        fixture.broker.ack(&taken).await.unwrap();
        good.extend(taken.iter().map(|one| one.message.id.to_string()));
    }
    assert_eq!(good, (0..bad.len()).map(|n| format!("good {n}")).collect::<Vec<_>>());
    let letters = fixture.letters(bad.len()).await;
    let mut codes: Vec<_> = letters.iter().map(|letter| letter.code.as_str()).collect();
    let mut expected: Vec<_> = bad.iter().map(|(code, ..)| *code).collect();
    codes.sort_unstable();
    expected.sort_unstable();
    assert_eq!(codes, expected);
    for letter in &letters {
        assert!(
            letter.queue == "order" && letter.why.len() > 20 && letter.body.len() <= contract::BODY_BYTES_MAX
        );
        assert!(!letter.body.contains('\0'), "no database keeps that");
    }
    let names = fixture.namespace.names();
    for queue in [names.queue(Queue::Order), names.dead_queue(Queue::Order)] {
        assert_eq!(outsider.ready_in(&queue).await, 0, "{queue}");
    }
}

#[tokio::test]
async fn the_same_bad_message_sent_twice_is_one_letter() {
    let fixture = DeadLetterFixture::new().await;
    fixture.import();
    let outsider = fixture.namespace.outsider().await;
    for body in [b"[1]", b"[1]", b"[2]"] {
        let id = BasicProperties::default().with_message_id("m1".into());
        outsider.sends("order.cancel", id, body).await;
    }
    let mut bodies: Vec<_> = fixture.letters(2).await.into_iter().map(|letter| letter.body).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, ["[1]", "[2]"]);
}

#[tokio::test]
async fn what_is_delivered_too_often_is_imported_and_of_it_only_what_was_not_handled() {
    let fixture = DeadLetterFixture::idle().await;
    let (unhandled, handled) = (say(1, Queue::Order), say(2, Queue::Order));
    let owed = accepted(3);
    fixture.broker.publish(&[unhandled.clone(), handled.clone()]).await.unwrap();
    // Every consumer that takes the bundle dies.
    let outsider = fixture.namespace.outsider().await;
    let name = fixture.namespace.names().queue(Queue::Order);
    let mut deliveries = 0;
    while let Some(got) =
        outsider.channel.basic_get(name.as_str().into(), BasicGetOptions::default()).await.unwrap()
    {
        deliveries += 1;
        assert!(deliveries < 1000, "there is no delivery limit");
        got.nack(BasicNackOptions { requeue: true, multiple: false }).await.unwrap();
    }
    assert_eq!(deliveries, broker::rabbitmq::topology::DELIVERY_LIMIT + 1);
    // One of the two was handled before its consumer died, and what it emitted was never published.
    let row = JournalRow {
        role: Role::Order,
        id: handled.message.id.clone(),
        name: handled.message.name().to_string(),
        hash: handled.message.hash(),
        order_id: handled.message.order_id,
        cause: None,
        at: Time::default(),
        outcome: "done".into(),
        emitted: vec![owed],
    };
    let changes = Changes { journal: vec![row], ..Changes::default() };
    fixture.store.begin().await.unwrap().commit(changes).await.unwrap();
    fixture.import();
    assert_eq!(
        numbers(&take(&*fixture.broker, Queue::Saga).await),
        [3],
        "what it emitted is published again"
    );
    let [letter] = &fixture.letters(1).await[..] else { panic!("one letter") };
    assert_eq!(letter.message_id.as_deref(), Some(unhandled.message.id.as_str()));
    assert_eq!(
        (letter.code.as_str(), letter.queue.as_str(), letter.attempts),
        ("delivery_limit", "order", 51)
    );
    assert_eq!(letter.body, unhandled.message.json());
}

/// A message that the order worker may send.
fn accepted(n: u64) -> Emitted {
    let id = uuid::Uuid::from_u128(u128::from(n));
    let json = format!(r#"{{"order_id":"{id}","customer_id":"c1","at":"2026-11-20T18:53:00Z"}}"#);
    let message =
        contract::Message::restore(id.into(), None, Time::default(), "order.accepted", &json).unwrap();
    Emitted { message: std::sync::Arc::new(message), queues: vec![Queue::Saga] }
}
