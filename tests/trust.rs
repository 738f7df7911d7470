//! Who may send what, on a real broker and with the logins of `scripts/rabbitmq-users.sh`: every type by every login
//! and every way in. An allowed message is handled; any other becomes a dead letter `not_allowed` that stays its
//! sender's.

mod dead;
mod deadlines;
mod matrix;
mod rows;
mod shop;

use std::collections::HashMap;
use std::sync::Arc;

use broker::Broker;
use broker::rabbitmq::{Options, RabbitBroker, apply};
use contract::{MESSAGES, Message, Queue, Speaker, first_who_may, speakers_of};
use engine::import;
use lapin::BasicProperties;
use store::sqlite::SqliteStore;
use store::{Database, DeadLetter, DeadStatus};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::rabbit::Namespace;
use crate::support::until_stored;
use crate::support::vhost::VirtualHost;

/// The consumers of all roles under their own logins, each recording what it is given.
struct Readers {
    // Dropped first, so that it is deleted before its virtual host.
    namespace: Namespace,
    vhost: VirtualHost,
    store: Arc<dyn Database>,
    timers: Arc<RabbitBroker>,
    taken: Arc<Mutex<HashMap<String, Message>>>,
    _stop: DropGuard,
    _tasks: JoinSet<()>,
}

/// What became of a message.
#[derive(Clone, PartialEq, Debug)]
enum Became {
    Taken(Speaker),
    Letter { code: String, by: Speaker },
}

impl Readers {
    async fn new() -> Self {
        let vhost = VirtualHost::new();
        let namespace = vhost.namespace();
        apply(&namespace.options()).await.unwrap();
        let (taken, mut tasks) = (Arc::new(Mutex::new(HashMap::new())), JoinSet::new());
        for queue in Queue::ALL {
            let reader = namespace.broker_with(as_login(&vhost, &namespace, queue.reader().name())).await;
            tasks.spawn(note(reader, queue, taken.clone()));
        }
        let store: Arc<dyn Database> = Arc::new(SqliteStore::in_memory().await.unwrap());
        let timers = namespace.broker_with(as_login(&vhost, &namespace, "timers")).await;
        let stop = CancellationToken::new();
        tasks.spawn(import::run(store.clone(), timers.clone(), stop.clone()));
        Self { vhost, namespace, store, timers, taken, _stop: stop.drop_guard(), _tasks: tasks }
    }

    /// Once each of these messages was taken, or is a dead letter.
    async fn became(&self, ids: &[String]) -> HashMap<String, Became> {
        let mut all = HashMap::new();
        until_stored("an end of every message", async || {
            all = self.so_far().await;
            ids.iter().all(|id| all.contains_key(id))
        })
        .await;
        all
    }

    async fn so_far(&self) -> HashMap<String, Became> {
        let taken = self.taken.lock().await;
        let taken = taken.iter().map(|(id, message)| (id.clone(), Became::Taken(message.by)));
        let mut all: HashMap<_, _> = taken.collect();
        for letter in self.letters().await {
            let DeadLetter { message_id, code, by, .. } = letter;
            all.insert(message_id.unwrap_or_default(), Became::Letter { code, by });
        }
        all
    }

    async fn letters(&self) -> Vec<DeadLetter> {
        self.store.dead_letters(Some(DeadStatus::Open), 10_000).await.unwrap()
    }
}

fn as_login(vhost: &VirtualHost, namespace: &Namespace, login: &str) -> Options {
    Options { url: vhost.url_of(login), logins: Some(String::new()), ..namespace.options() }
}

async fn note(reader: Arc<RabbitBroker>, queue: Queue, taken: Arc<Mutex<HashMap<String, Message>>>) {
    loop {
        let deliveries = reader.take(queue, 256).await.unwrap();
        let mut taken = taken.lock().await;
        for delivery in &deliveries {
            taken.insert(delivery.message.id.to_string(), (*delivery.message).clone());
        }
        reader.ack(&deliveries).await.unwrap();
    }
}

/// Where a message of this type goes; a fact that no queue of ours wants is tried at the saga's.
fn queue_of(queues: &[Queue]) -> Queue {
    queues.first().copied().unwrap_or(Queue::Saga)
}

fn with_id(id: &str) -> BasicProperties {
    BasicProperties::default().with_message_id(id.into()).with_delivery_mode(2)
}

/// Written a second time, on purpose: what each login may publish to our own exchange.
fn may_bring(login: &str, by: Speaker, queue: Queue) -> bool {
    match login {
        "timers" | "operator" => true,
        "gateway" => matches!(by, Speaker::Customer | Speaker::PaymentProvider | Speaker::Admin),
        role => by.name() == role || queue.reader().name() == role,
    }
}

#[tokio::test]
async fn every_login_says_by_our_own_exchange_only_what_its_role_may_say() {
    let readers = Readers::new().await;
    let exchange = readers.namespace.names().queues();
    let roles = ["order", "payment", "stock", "notification", "saga", "provider", "email", "sms"];
    let mut expected = HashMap::new();
    for login in roles.into_iter().chain(["gateway", "timers", "operator"]) {
        let outsider = readers.namespace.outsider_at(&readers.vhost.url_of(login)).await;
        for (name, _, queues) in MESSAGES {
            let queue = queue_of(queues);
            let id = format!("{login} says {name}");
            let properties =
                with_id(&id).with_type((*name).into()).with_user_id(readers.vhost.login(login).into());
            let key = readers.namespace.names().queue(queue);
            // Its body has no fields, which is checked last: an allowed message is taken or cannot be read.
            outsider.publishes(&exchange, &key, properties, b"{}").await;
            expected.insert(id, may_bring(login, first_who_may(name), queue));
        }
        // Without its login, it is not believed to be from one of our roles.
        let id = format!("{login} does not say who it is");
        let key = readers.namespace.names().queue(Queue::Order);
        let properties = with_id(&id).with_type("order.mark_paid".into());
        outsider.publishes(&exchange, &key, properties, b"{}").await;
        expected.insert(id, false);
    }
    let ids: Vec<_> = expected.keys().cloned().collect();
    let became = readers.became(&ids).await;
    for (id, allowed) in expected {
        let refused = matches!(&became[&id], Became::Letter { code, .. } if code == "not_allowed");
        assert_eq!(!refused, allowed, "{id}: {:?}", became[&id]);
    }
}

#[tokio::test]
async fn each_exchange_for_outsiders_lets_in_what_its_speaker_may_say() {
    let readers = Readers::new().await;
    let names = readers.namespace.names();
    // A login that may write everywhere: the exchange alone decides.
    let outsider = readers.namespace.outsider().await;
    let mut expected = HashMap::new();
    for (exchange, speaker) in [
        (names.commands(), Speaker::Shop),
        (names.provider_events(), Speaker::PaymentProvider),
        (names.admin(), Speaker::Admin),
    ] {
        for (name, ..) in MESSAGES {
            let id = format!("{speaker} says {name}");
            outsider.publishes(&exchange, name, with_id(&id).with_type((*name).into()), b"{}").await;
            let known = broker::rabbitmq::topology::OUTSIDE.contains(name);
            expected.insert(id, known && speakers_of(name).contains(&speaker));
        }
    }
    let ids: Vec<_> = expected.keys().cloned().collect();
    let became = readers.became(&ids).await;
    for (id, allowed) in expected {
        let found = match &became[&id] {
            Became::Taken(_) => true,
            Became::Letter { code, .. } => {
                !["not_allowed", "unroutable", "type_internal"].contains(&code.as_str())
            }
        };
        assert_eq!(found, allowed, "{id}: {:?}", became[&id]);
    }
}
