//! `scripts/rabbitmq-users.sh` gives each role what it needs, and the broker refuses it the rest.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use checkout_saga::broker::Broker;
use checkout_saga::broker::rabbitmq::{Options, apply};
use contract::{Queue, Role};
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};

use super::{numbers, publish, say, take};
use crate::support::rabbit::{self, Corner, url};
use crate::support::root;

/// A virtual host and users of its own, gone in the end.
struct House {
    name: String,
}

impl House {
    fn new() -> Self {
        let name = format!("test-{}", uuid::Uuid::new_v4().simple());
        let guest = user_of(&url());
        let definitions = serde_json::json!({
            "vhosts": [{"name": name}],
            "permissions": [{"user": guest, "vhost": name, "configure": ".*", "write": ".*", "read": ".*"}],
        });
        let mut import = rabbit::ctl();
        import.arg("import_definitions");
        let house = Self { name };
        fed(import, &definitions.to_string());
        house
    }

    fn url(&self, user: &str, password: &str) -> String {
        let mut uri: lapin::uri::AMQPUri = url().parse().unwrap();
        uri.vhost = self.name.clone();
        uri.authority.userinfo =
            lapin::uri::AMQPUserInfo { username: user.into(), password: password.into() };
        uri.to_string()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // One call for all: each costs a second.
        let forget = format!(
            "rabbit_vhost:delete(<<\"{name}\">>, <<\"test\">>), [rabbit_auth_backend_internal:delete_user(U, <<\"test\">>) || \
             X <- rabbit_auth_backend_internal:list_users(), U <- [proplists:get_value(user, X)], \
             binary:longest_common_prefix([U, <<\"{name}.\">>]) =:= {length}].",
            name = self.name,
            length = self.name.len() + 1,
        );
        let forgotten = rabbit::ctl().args(["eval", &forget]).output();
        if !std::thread::panicking() {
            let forgotten = forgotten.unwrap();
            assert!(forgotten.status.success(), "{forgotten:?}");
        }
    }
}

#[tokio::test]
async fn each_role_reads_its_own_queues_and_is_refused_the_others() {
    let house = House::new();
    let users = made(&house.name);
    let corner = Corner::within(house.name.clone(), house.url(&user_of(&url()), &password_of(&url())));
    apply(&corner.options()).await.unwrap();
    let as_user = |name: &str| {
        let user = format!("{}.{name}", house.name);
        house.url(&user, &users[&user])
    };
    for queue in Queue::ALL {
        // The whole broker, as a process of that role has it: it declares nothing, and works.
        let options = Options { url: as_user(queue.reader().name()), ..corner.options() };
        let broker = corner.broker_with(options).await;
        publish(&*broker, &[say(7, queue)]).await;
        let taken = take(&*broker, queue).await;
        assert_eq!(numbers(&taken), [7]);
        broker.retry(&taken[0], checkout_saga::retry::LADDER[1]).await.unwrap();
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
            let name = corner.names().queue(queue);
            assert_eq!(may_read(&connection, &name).await, own, "{user} reads {name}");
            let dead = corner.names().dead_queue(queue);
            assert_eq!(may_read(&connection, &dead).await, user == "timers", "{user} reads {dead}");
            assert!(!may_declare(&connection, &name).await, "{user} declares {name}");
        }
        let answers = matches!(user, "order" | "timers");
        let straight = may_publish(&connection, "", &corner.names().queue(Queue::Payment)).await;
        assert_eq!(
            straight, answers,
            "{user} speaks straight to a queue, as only those who answer askers may"
        );
        assert!(!may_publish(&connection, &corner.names().commands(), "checkout.submit").await);
    }
    // Somebody else's shop.
    let shop = Connection::connect(&as_user("shop"), ConnectionProperties::default()).await.unwrap();
    let (commands, queues) = (corner.names().commands(), corner.names().queues());
    assert!(may_publish(&shop, &commands, "checkout.submit").await);
    assert!(!may_publish(&shop, &commands, "payment.webhook").await, "he does not say what was paid");
    assert!(!may_publish(&shop, &queues, &corner.names().queue(Queue::Payment)).await);
    assert!(!may_publish(&shop, &corner.names().events(), "order.paid").await);
    assert!(!may_read(&shop, &corner.names().queue(Queue::Intake)).await);
}

/// Users and passwords, as the script prints them.
fn made(house: &str) -> BTreeMap<String, String> {
    let mut script = Command::new(root().join("scripts/rabbitmq-users.sh"));
    script.args(["--vhost", house, "--prefix", house]).env("RABBITMQCTL", rabbit::ctl_words().join(" "));
    let Output { stdout, stderr, status } = script.output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let text = String::from_utf8(stdout).unwrap();
    let pair =
        |line: &str| line.split_once(' ').map(|(user, password)| (user.to_string(), password.to_string()));
    text.lines().map(|line| pair(line).unwrap()).collect()
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

/// `false` for the one refusal that is meant; any other is a mistake in this test.
fn refused(answer: lapin::Result<()>) -> bool {
    match answer {
        Ok(()) => true,
        Err(error) => {
            assert!(error.to_string().contains("ACCESS"), "{error}");
            false
        }
    }
}

fn fed(mut command: Command, input: &str) {
    use std::io::Write;
    let command = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let child = command.spawn();
    let mut child = child.unwrap_or_else(|why| {
        panic!(
            "this test needs rabbitmqctl ({why}); say how it is called by CHECKOUT_TEST_RABBITMQCTL=\"docker compose \
             exec -T rabbitmq rabbitmqctl\""
        )
    });
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn user_of(url: &str) -> String {
    url.parse::<lapin::uri::AMQPUri>().unwrap().authority.userinfo.username
}

fn password_of(url: &str) -> String {
    url.parse::<lapin::uri::AMQPUri>().unwrap().authority.userinfo.password
}
