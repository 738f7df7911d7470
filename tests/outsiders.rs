//! Any AMQP client can take part: what it sends is handled, or kept with a reason that says what to change, and it
//! hears what it asked to hear.

use std::time::Duration;

use broker::rabbitmq::{Options, RabbitBroker};
use broker::{Broker, DeadDelivery, Delivery};
use contract::{Body, Ending, Message, MessageId, Queue, Reply, ReplyTo, Time, bodies};
use lapin::BasicProperties;
use lapin::message::BasicGetMessage;
use lapin::options::{BasicGetOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};
use store::Emitted;
use tokio::time::timeout;

use crate::asyncapi::messages::commands;
use crate::support::Folder;
use crate::support::PATIENCE;
use crate::support::rabbit::{Namespace, Outsider};
use crate::support::system::{QUICK, System};

const ORDER: &str = "01932b4a-1111-7000-8000-000000000001";
/// How often a test polls a queue that it does not consume.
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[tokio::test]
async fn every_example_of_the_document_is_taken_by_a_real_broker() {
    let namespace = Namespace::new().await;
    let (broker, outsider) = (namespace.broker().await, namespace.outsider().await);
    for entry in commands() {
        for (at, (example, body)) in entry.examples.iter().enumerate() {
            let id = format!("{}-{at}", entry.name);
            let properties = BasicProperties::default()
                .with_message_id(id.as_str().into())
                .with_content_type("application/json".into());
            outsider.sends(entry.name, properties, body.to_string().as_bytes()).await;
            let (queue, _) = broker::rabbitmq::topology::outside_commands()
                .find(|(name, _)| *name == entry.name)
                .map(|(name, queue)| (queue, name))
                .unwrap();
            let taken = take(&broker, queue).await;
            assert_eq!(
                (taken.message.name(), taken.message.id.as_str()),
                (entry.name, id.as_str()),
                "{example}"
            );
            broker.ack(&[taken]).await.unwrap();
        }
    }
}

/// A message, its sender, its properties, and what becomes of it.
struct Odd {
    who: &'static str,
    key: &'static str,
    properties: BasicProperties,
    body: String,
    /// It arrives in this queue of ours, or becomes a dead letter with this code and these words in its reason.
    becomes: Result<&'static str, (&'static str, &'static str)>,
}

fn odd_messages() -> Vec<Odd> {
    let plain = BasicProperties::default;
    let named = |id: &str| plain().with_message_id(id.into());
    let headers = |pairs: &[(&str, &str)]| {
        let mut table = FieldTable::default();
        for (name, value) in pairs {
            table.insert((*name).into(), AMQPValue::LongString((*value).into()));
        }
        plain().with_headers(table)
    };
    let archive = json!({"order_id": ORDER}).to_string();
    let odd =
        |who, key, properties, body: &str, becomes| Odd { who, key, properties, body: body.into(), becomes };
    vec![
        odd(
            "no properties at all",
            "order.archive",
            plain(),
            &archive,
            Err(("message_id_missing", "set message_id")),
        ),
        odd("nothing but an id", "order.archive", named("o1"), &archive, Ok("o1")),
        odd(
            "another content type",
            "order.archive",
            named("o2").with_content_type("application/xml".into()),
            "<a/>",
            Err(("content_type_unknown", "application/json")),
        ),
        odd(
            "no content type, no JSON",
            "order.archive",
            named("o3"),
            "order_id=7",
            Err(("body_malformed", "not JSON")),
        ),
        odd(
            "a charset",
            "order.archive",
            named("o4").with_content_type("application/json; charset=UTF-8".into()),
            &archive,
            Ok("o4"),
        ),
        odd(
            "compressed",
            "order.archive",
            named("o5").with_content_encoding("gzip".into()),
            &archive,
            Err(("content_encoding_unknown", "plain UTF-8")),
        ),
        odd(
            "Celery",
            "order.archive",
            headers(&[("task", "shop.archive"), ("lang", "py"), ("retries", "0")])
                .with_message_id("o6".into()),
            &archive,
            Ok("o6"),
        ),
        odd(
            "Spring",
            "order.archive",
            headers(&[("__TypeId__", "java.util.HashMap"), ("spring_listener_return_correlation", "x")])
                .with_message_id("o7".into())
                .with_reply_to("amq.gen-7".into()),
            &archive,
            Ok("o7"),
        ),
        odd(
            "CloudEvents",
            "order.archive",
            headers(&[
                ("cloudEvents:specversion", "1.0"),
                ("cloudEvents:type", "order.archive"),
                ("cloudEvents:source", "/desk"),
                ("cloudEvents:id", "ce-8"),
            ]),
            &archive,
            Ok("ce-8"),
        ),
        odd(
            "CloudEvents, all of it in the body",
            "order.archive",
            named("o9").with_content_type("application/cloudevents+json".into()),
            &json!({"specversion": "1.0", "type": "order.archive", "data": {"order_id": ORDER}}).to_string(),
            Err(("content_type_unknown", "CloudEvent as headers")),
        ),
        odd(
            "a mistyped type",
            "order.archive",
            named("o10").with_type("order.arcive".into()),
            &archive,
            Err(("type_differs", "must be the same")),
        ),
        odd(
            "a fact",
            "order.archive",
            named("o11").with_type("order.paid".into()),
            &archive,
            Err(("type_differs", "must be the same")),
        ),
        odd(
            "another version",
            "order.archive",
            headers(&[("schema", "two")]).with_message_id("o12".into()),
            &archive,
            Err(("schema_unknown", "leave it out")),
        ),
        odd(
            "an id that no log should show",
            "order.archive",
            named("a\nb"),
            &archive,
            Err(("message_id_invalid", "no control characters")),
        ),
        odd(
            "an asker at one of our queues",
            "checkout.submit",
            named("o14").with_reply_to("PREFIX.saga".into()),
            "{}",
            Err(("reply_to_invalid", "one of your own")),
        ),
        odd(
            "an asker nowhere",
            "checkout.submit",
            named("o15").with_reply_to("a\tb".into()),
            "{}",
            Err(("reply_to_invalid", "no control characters")),
        ),
    ]
}

#[tokio::test]
async fn whatever_is_odd_is_handled_or_tells_its_sender_what_to_change() {
    let namespace = Namespace::new().await;
    // The consumer of a queue finds out what is wrong with a message in it.
    let options = Options { consume: vec![Queue::Order, Queue::Intake], ..namespace.options() };
    let (broker, outsider) = (namespace.broker_with(options).await, namespace.outsider().await);
    for Odd { who, key, mut properties, body, becomes } in odd_messages() {
        if properties.reply_to().as_ref().is_some_and(|queue| queue.as_str() == "PREFIX.saga") {
            properties = properties.with_reply_to(namespace.names().queue(Queue::Saga).into());
        }
        outsider.sends(key, properties, body.as_bytes()).await;
        match becomes {
            Ok(id) => {
                let taken = take(&broker, Queue::Order).await;
                assert_eq!(taken.message.id.as_str(), id, "{who}");
                broker.ack(&[taken]).await.unwrap();
            }
            Err((code, words)) => {
                let dead = take_dead(&broker).await;
                assert_eq!(dead.code, code, "{who}: {}", dead.why);
                assert!(dead.why.contains(words), "{who}: {}", dead.why);
                assert_eq!(dead.body, body, "{who}: it is kept as it came");
                broker.ack_dead(&[dead]).await.unwrap();
            }
        }
    }
}

fn reply(id: &str, queue: &str, correlation_id: Option<&str>) -> Emitted {
    let order_id = ORDER.parse().unwrap();
    let event = bodies::OrderFulfilled { order_id, customer_id: "c".into(), at: Time::default() };
    let body = Body::Reply(Reply {
        order_id,
        reply_to: ReplyTo::new(queue, correlation_id).unwrap(),
        ending: Ending::Fulfilled(event),
    });
    Emitted {
        message: Message::new(MessageId::new(id).unwrap(), Time::default(), body).into(),
        queues: Vec::new(),
    }
}

#[tokio::test]
async fn an_asker_gets_the_event_itself_under_its_own_word() {
    let namespace = Namespace::new().await;
    let (broker, outsider) = (namespace.broker().await, namespace.outsider().await);
    let queue = own_queue(&outsider, FieldTable::default()).await;
    broker.publish(&[reply("r1", &queue, Some("my-1")), reply("r2", &queue, None)]).await.unwrap();
    for (id, correlation) in [("r1", "my-1"), ("r2", ORDER)] {
        let answer = answer_in(&outsider, &queue).await;
        let said =
            |property: &Option<lapin::types::ShortString>| property.as_ref().unwrap().as_str().to_string();
        assert_eq!(said(answer.properties.kind()), "order.fulfilled");
        assert_eq!(said(answer.properties.message_id()), id);
        assert_eq!(said(answer.properties.correlation_id()), correlation);
        let body: Value = serde_json::from_slice(&answer.data).unwrap();
        assert_eq!(body, json!({"order_id": ORDER, "customer_id": "c", "at": "1970-01-01T00:00:00.000Z"}));
    }
}

#[tokio::test]
async fn a_client_that_is_gone_or_reads_no_reply_stops_no_other() {
    let namespace = Namespace::new().await;
    let (broker, outsider) = (namespace.broker().await, namespace.outsider().await);
    let mut full = FieldTable::default();
    full.insert("x-max-length".into(), AMQPValue::LongInt(0));
    full.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let full = own_queue(&outsider, full).await;
    let own = own_queue(&outsider, FieldTable::default()).await;
    let gone = "amq.rabbitmq.reply-to.g1h2AA5yZXBseUAxMjM0NQAAAAA=";
    let said = [
        reply("r1", "nobody-has-this", None),
        reply("r2", &full, None),
        reply("r3", gone, None),
        reply("r4", &own, None),
    ];
    broker.publish(&said).await.expect("a client that is gone is no failure");
    assert_eq!(answer_in(&outsider, &own).await.properties.message_id().as_ref().unwrap().as_str(), "r4");
    assert_eq!(broker.state(), broker::State::Up);
}

#[tokio::test]
async fn a_sender_with_reply_to_is_told_how_it_ended() {
    let namespace = Namespace::new().await;
    let folder = Folder::new();
    let options = namespace.options();
    let (url, prefix) = (format!("--amqp-url={}", options.url), format!("--prefix={}", options.prefix));
    let settings: Vec<_> = QUICK.iter().copied().chain([url.as_str(), prefix.as_str()]).collect();
    let system = System::start(&folder, &settings);
    let outsider = namespace.outsider().await;
    let queue = own_queue(&outsider, FieldTable::default()).await;
    let checkout = |sku: &str, token: &str| {
        json!({
            "customer_id": "c", "items": [{"sku": sku, "quantity": 1}],
            "payment": {"method": "card", "token": token},
        })
    };
    for (word, body, ends) in [
        ("goes well", checkout("PEN-BLUE", "tok_ok"), "order.fulfilled"),
        ("no money", checkout("PEN-BLUE", "tok_declined"), "order.cancelled"),
        ("no such thing", checkout("NOTHING", "tok_ok"), "order.rejected"),
    ] {
        let properties = BasicProperties::default()
            .with_message_id(word.into())
            .with_reply_to(queue.as_str().into())
            .with_correlation_id(word.into());
        outsider.sends("checkout.submit", properties, body.to_string().as_bytes()).await;
        let answer = answer_in(&outsider, &queue).await;
        assert_eq!(answer.properties.kind().as_ref().unwrap().as_str(), ends, "{word}");
        assert_eq!(answer.properties.correlation_id().as_ref().unwrap().as_str(), word);
    }
    assert_eq!(outsider.ready_in(&queue).await, 0, "each once");
    // The same once more, from a client that has a new queue by now: under the same id, and under another.
    for (word, body, ends) in [
        ("goes well", checkout("PEN-BLUE", "tok_ok"), "order.fulfilled"),
        ("no such thing", checkout("NOTHING", "tok_ok"), "order.rejected"),
    ] {
        let new_queue = own_queue(&outsider, FieldTable::default()).await;
        let again = || {
            let properties = BasicProperties::default().with_message_id(word.into());
            properties.with_reply_to(new_queue.as_str().into()).with_correlation_id("again".into())
        };
        outsider.sends("checkout.submit", again(), body.to_string().as_bytes()).await;
        let answer = answer_in(&outsider, &new_queue).await;
        assert_eq!(answer.properties.kind().as_ref().unwrap().as_str(), ends, "{word}");
        assert_eq!(answer.properties.correlation_id().as_ref().unwrap().as_str(), "again");
    }
    assert_eq!(outsider.ready_in(&queue).await, 0, "a client that was answered is not answered again");
    assert_eq!(system.terminate(), 0);
}

async fn take(broker: &RabbitBroker, queue: Queue) -> Delivery {
    let taken = timeout(PATIENCE, broker.take(queue, 1)).await.expect("it did not come").unwrap();
    taken.into_iter().next().unwrap()
}

async fn take_dead(broker: &RabbitBroker) -> DeadDelivery {
    let taken = timeout(PATIENCE, broker.take_dead(1)).await.expect("it did not die").unwrap();
    taken.into_iter().next().unwrap()
}

/// A queue that is deleted with our connection.
async fn own_queue(outsider: &Outsider, arguments: FieldTable) -> String {
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    outsider.channel.queue_declare("".into(), options, arguments).await.unwrap().name().to_string()
}

async fn answer_in(outsider: &Outsider, queue: &str) -> BasicGetMessage {
    let look = async {
        loop {
            let options = BasicGetOptions { no_ack: true };
            if let Some(answer) = outsider.channel.basic_get(queue.into(), options).await.unwrap() {
                return answer;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    timeout(PATIENCE, look).await.expect("no answer came")
}
