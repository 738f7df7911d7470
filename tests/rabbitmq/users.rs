//! `scripts/rabbitmq-users.sh` gives each role the rights that it needs, and the broker refuses everything else.

use broker::Broker;
use broker::rabbitmq::{Options, apply};
use contract::{Queue, Role};
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};

use super::{numbers, publish, say, take};
use crate::support::vhost::VirtualHost;

#[tokio::test]
async fn each_role_reads_its_own_queues_and_is_refused_the_others() {
    let vhost = VirtualHost::new();
    let namespace = vhost.namespace();
    apply(&namespace.options()).await.unwrap();
    let as_user = |name: &str| vhost.url_of(name);
    for queue in Queue::ALL {
        // A process of that role runs the whole client with these rights: it declares nothing, and works.
        let options = Options {
            url: as_user(queue.reader().name()),
            logins: Some(String::new()),
            ..namespace.options()
        };
        let broker = namespace.broker_with(options).await;
        publish(&*broker, &[say(7, queue)]).await;
        let taken = take(&*broker, queue).await;
        assert_eq!(numbers(&taken), [7]);
        broker.retry(&taken[0], retry::RETRY_DELAYS[1]).await.unwrap();
        broker.close().await;
    }
    for role in Role::ALL {
        let user = match role {
            Role::Order | Role::Payment | Role::Stock | Role::Notification | Role::Saga => role.name(),
            Role::Provider | Role::Email | Role::Sms | Role::Gateway => role.name(),
            Role::Operator => "timers",
        };
        let connection = Connection::connect(&as_user(user), ConnectionProperties::default()).await.unwrap();
        for queue in Queue::ALL {
            let own = queue.reader() == role;
            let name = namespace.names().queue(queue);
            assert_eq!(may_read(&connection, &name).await, own, "{user} reads {name}");
            let dead = namespace.names().dead_queue(queue);
            assert_eq!(may_read(&connection, &dead).await, user == "timers", "{user} reads {dead}");
            assert!(!may_declare(&connection, &name).await, "{user} declares {name}");
        }
        let answers = matches!(user, "order" | "timers");
        let straight = may_publish(&connection, "", &namespace.names().queue(Queue::Payment)).await;
        assert_eq!(
            straight, answers,
            "only roles that answer clients may publish straight to a queue, and {user}"
        );
        assert!(!may_publish(&connection, &namespace.names().commands(), "checkout.submit").await);
    }
    // The login of an outside shop.
    let shop = Connection::connect(&as_user("shop"), ConnectionProperties::default()).await.unwrap();
    let (commands, queues) = (namespace.names().commands(), namespace.names().queues());
    assert!(may_publish(&shop, &commands, "checkout.submit").await);
    assert!(!may_publish(&shop, &commands, "payment.webhook").await, "a shop does not report payments");
    assert!(!may_publish(&shop, &commands, "order.pay").await, "nor that cash was collected");
    // The provider's events and the admins' commands have exchanges and logins of their own.
    for (login, exchange, key) in [
        ("payment_provider", namespace.names().provider_events(), "payment.webhook"),
        ("admin", namespace.names().admin(), "order.refund"),
    ] {
        let own = Connection::connect(&as_user(login), ConnectionProperties::default()).await.unwrap();
        assert!(may_publish(&own, &exchange, key).await, "{login}");
        assert!(!may_publish(&own, &commands, "checkout.submit").await, "{login}");
        assert!(!may_publish(&own, &queues, &namespace.names().queue(Queue::Order)).await, "{login}");
        assert!(!may_publish(&shop, &exchange, key).await, "the shop is not the {login}");
    }
    assert!(!may_publish(&shop, &queues, &namespace.names().queue(Queue::Payment)).await);
    assert!(!may_publish(&shop, &namespace.names().events(), "order.paid").await);
    assert!(!may_read(&shop, &namespace.names().queue(Queue::Intake)).await);
}

async fn may_read(connection: &Connection, queue: &str) -> bool {
    let channel = connection.create_channel().await.unwrap();
    let options = BasicConsumeOptions::default();
    refused(channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await.map(drop))
}

async fn may_declare(connection: &Connection, queue: &str) -> bool {
    let channel = connection.create_channel().await.unwrap();
    let options = QueueDeclareOptions::durable();
    refused(channel.queue_declare(queue.into(), options, FieldTable::default()).await.map(drop))
}

async fn may_publish(connection: &Connection, exchange: &str, key: &str) -> bool {
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let options = BasicPublishOptions::default();
    let sent =
        channel.basic_publish(exchange.into(), key.into(), options, b"{}", BasicProperties::default()).await;
    refused(sent.unwrap().await.map(drop))
}

/// `false` only for an access refusal; any other error is a mistake in this test.
fn refused(answer: lapin::Result<()>) -> bool {
    match answer {
        Ok(()) => true,
        Err(error) => {
            assert!(error.to_string().contains("ACCESS"), "{error}");
            false
        }
    }
}
