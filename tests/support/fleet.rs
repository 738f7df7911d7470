//! A whole distributed system for one test: real processes on a schema and a prefix of their own, each of which the
//! test may kill.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Instant;

use broker::rabbitmq::topology::topology;
use serde_json::{Value, json};
use sqlx::PgConnection;
use store::Outbox;
use store::postgres::{Options, PostgresStore};

use super::duplicator::Duplicator;
use super::postgres::{self, Schema};
use super::rabbit::{self, Namespace, Outsider};
use super::running::Running;
use super::{Folder, PATIENCE, http, new_id, pause, turn, until};
use crate::crash::Rng;

/// Every role that consumes a queue.
pub(crate) const WORKERS: [&str; 8] =
    ["order", "payment", "stock", "notification", "saga", "provider", "email", "sms"];

/// No random failures, short delays, and answers by the courier.
const QUICK: [&str; 4] = [
    "--listen=127.0.0.1:0",
    "--provider-delay-ms=1-20",
    "--provider-success-rate=1.0",
    // Work that goes well logs nothing; what goes wrong and is recovered does.
    "--log=warn,checkout_saga::cli=info,checkout_engine::run=debug",
];

/// All orders are for this product. There is enough of it for all of them.
pub(crate) const SKU: &str = "CHAOS-BOOK";
pub(crate) const ON_HAND: i64 = 1_000_000;

pub(crate) struct Fleet {
    folder: Folder,
    pub(crate) namespace: Namespace,
    schema: Schema,
    outsider: Outsider,
    database: PgConnection,
    store: PostgresStore,
    database_url: String,
    amqp_url: String,
    members: Vec<Member>,
    starts: usize,
    /// Duplicates that processes counted before they were stopped gracefully.
    absorbed: u64,
    /// Held until the fleet is gone: fields are dropped in order.
    _turn: File,
}

struct Member {
    args: Vec<String>,
    child: Running,
    log: String,
}

/// What was counted once everything was at rest.
pub(crate) struct Proof {
    pub(crate) orders: u64,
    pub(crate) handled: u64,
    pub(crate) absorbed: u64,
    pub(crate) dead_letters: u64,
    pub(crate) needs_attention: u64,
}

impl Fleet {
    /// No process runs in it yet, but there is a product to sell.
    pub(crate) async fn new() -> Self {
        Self::through(None, None).await
    }

    /// Its processes reach the database or the broker by these addresses instead. The test itself connects directly.
    pub(crate) async fn through(
        database: Option<std::net::SocketAddr>,
        broker: Option<std::net::SocketAddr>,
    ) -> Self {
        let turn = turn::wait().await;
        let (namespace, schema) = (Namespace::new().await, Schema::fresh().await);
        let outsider = namespace.outsider().await;
        let connection = postgres::connect(schema.url()).await;
        // Without TLS, so that a proxy can read the requests. And commits are durable, as in a real shop.
        let durable = postgres::with_parameter(schema.url(), "options[synchronous_commit]=on");
        let database_url = by_way_of(&postgres::with_parameter(&durable, "sslmode=disable"), database);
        let amqp_url = by_way_of(&rabbit::url(), broker);
        let store = PostgresStore::open(schema.url(), Options::named("a test")).await.unwrap();
        let fleet = Self {
            folder: Folder::new(),
            namespace,
            schema,
            outsider,
            database: connection,
            store,
            database_url,
            amqp_url,
            members: Vec::new(),
            starts: 0,
            absorbed: 0,
            _turn: turn,
        };
        fleet.checkout(&["migrate"]).ok();
        fleet.checkout(&["topology", "apply"]).ok();
        let product = json!({"sku": SKU, "title": "A book", "price": {"amount": "10.00", "currency": "EUR"}, "on_hand": ON_HAND});
        fleet.send("product.upsert", &format!("{SKU}-is-there"), &product).await;
        fleet
    }

    /// Starts `checkout ARGS`, and does not wait. Its number.
    pub(crate) fn start(&mut self, args: &[&str]) -> usize {
        self.start_with(args, &[])
    }

    pub(crate) fn start_with(&mut self, args: &[&str], env: &[(&str, &str)]) -> usize {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let member = self.spawn(args, env);
        self.members.push(member);
        self.members.len() - 1
    }

    /// Every role once, each in a process of its own, and the timers.
    pub(crate) fn start_all(&mut self) {
        for role in WORKERS {
            self.start(&["worker", role]);
        }
        self.start(&["timers"]);
    }

    pub(crate) fn size(&self) -> usize {
        self.members.len()
    }

    /// The number of the process that was started with these arguments.
    pub(crate) fn find(&self, name: &str) -> usize {
        (0..self.size()).find(|number| self.name(*number) == name).unwrap()
    }

    pub(crate) fn name(&self, number: usize) -> String {
        self.members[number].args.join(" ")
    }

    /// As a supervisor does, with another environment.
    pub(crate) fn start_again(&mut self, number: usize, env: &[(&str, &str)]) {
        let args = self.members[number].args.clone();
        self.members[number] = self.spawn(args, env);
    }

    pub(crate) fn kill_9(&mut self, number: usize) {
        self.members[number].child.kill_9();
    }

    /// Gracefully: its messages in hand are finished, published and acknowledged.
    pub(crate) fn stop(&mut self, number: usize) {
        self.members[number].child.ask_to_stop();
        self.wait_until_stopped(number);
    }

    fn wait_until_stopped(&mut self, number: usize) {
        let name = self.name(number);
        let status = self.members[number].child.ended(&name);
        assert_eq!(status.code(), Some(0), "{name}: {}", self.log(number));
    }

    /// It was killed, and is not started again.
    pub(crate) fn forget(&mut self, number: usize) {
        self.members.remove(number);
    }

    /// After a server was away: the test's own connections do not recover by themselves as those of the processes do.
    pub(crate) async fn connect_again(&mut self) {
        self.outsider = self.namespace.outsider().await;
        self.database = postgres::connect(self.schema.url()).await;
    }

    /// The signal that it has died of by itself; `None` while it runs.
    pub(crate) fn died_of(&mut self, number: usize) -> Option<i32> {
        let status = self.members[number].child.status()?;
        Some(
            status
                .signal()
                .unwrap_or_else(|| panic!("{} ended: {status}\n{}", self.name(number), self.log(number))),
        )
    }

    pub(crate) fn log(&self, number: usize) -> String {
        self.folder.read(&self.members[number].log)
    }

    /// How often this occurs in the logs of all processes, ended ones included.
    pub(crate) fn logged(&self, what: &str) -> usize {
        (0..self.starts).map(|start| self.folder.read(&log_name(start)).matches(what).count()).sum()
    }

    /// Waits until every process is at work and the product is in stock.
    pub(crate) async fn open(&mut self) {
        self.wait_until_at_work();
        let known = "select count(*) from stock where id = $1";
        let until = Instant::now() + PATIENCE;
        loop {
            let goods: i64 = sqlx::query_scalar(known).bind(SKU).fetch_one(&mut self.database).await.unwrap();
            if goods == 1 {
                return;
            }
            assert!(Instant::now() < until, "the goods did not arrive{}", self.complaints());
            pause();
        }
    }

    fn all_stop(&mut self) {
        self.members.iter().for_each(|member| member.child.ask_to_stop());
        (0..self.members.len()).for_each(|number| self.wait_until_stopped(number));
    }

    fn wait_until_at_work(&mut self) {
        for number in 0..self.members.len() {
            until(&format!("that {} is at work", self.name(number)), || {
                assert!(self.died_of(number).is_none(), "{} died: {}", self.name(number), self.log(number));
                self.log(number).contains("is at work").then_some(())
            });
        }
    }

    pub(crate) fn checkout(&self, args: &[&str]) -> super::Run {
        self.folder.run(self.command(args, &[]), b"")
    }

    // ---- what outsiders do ---------------------------------------------------------------------------------

    pub(crate) fn outsider(&self) -> &Outsider {
        &self.outsider
    }

    pub(crate) async fn duplicator(&self, copies: u32, late_ms: u64, rng: Rng) -> Duplicator {
        Duplicator::between(&self.outsider, &self.namespace, copies, late_ms, rng).await
    }

    /// As any client would, with a publisher confirm.
    pub(crate) async fn send(&self, name: &str, id: &str, body: &Value) {
        self.send_text(name, id, &body.to_string()).await;
    }

    pub(crate) async fn send_text(&self, name: &str, id: &str, body: &str) {
        let properties = lapin::BasicProperties::default()
            .with_message_id(id.into())
            .with_type(name.into())
            .with_content_type("application/json".into())
            .with_delivery_mode(2);
        self.outsider.sends(name, properties, body.as_bytes()).await;
    }

    /// Checks out one book. The order's id.
    pub(crate) async fn order(&self, token: &str) -> String {
        let id = new_id();
        self.order_as(&id, token).await;
        id
    }

    pub(crate) async fn order_as(&self, id: &str, token: &str) {
        self.send("checkout.submit", id, &checkout(id, token)).await;
    }

    pub(crate) async fn orders(&self, count: usize, token: &str) -> Vec<String> {
        let mut ids = Vec::with_capacity(count);
        for _ in 0..count {
            ids.push(self.order(token).await);
        }
        ids
    }

    /// How many orders have ended.
    pub(crate) async fn ended(&mut self) -> i64 {
        let ended = "select count(*) from orders where status in ('fulfilled', 'cancelled', 'refunded')";
        sqlx::query_scalar(ended).fetch_one(&mut self.database).await.unwrap()
    }

    /// Waits until so many orders have reserved their goods and asked for their payment.
    pub(crate) async fn wait_until_asked_for_payment(&mut self, orders: i64) {
        let until = Instant::now() + PATIENCE;
        loop {
            let asked = "select count(*) from journal where role = 'saga' and name = 'stock.reserved'";
            let asked: i64 = sqlx::query_scalar(asked).fetch_one(&mut self.database).await.unwrap();
            if asked == orders {
                return;
            }
            assert!(Instant::now() < until, "{asked} of {orders} have asked{}", self.complaints());
            pause();
        }
    }

    /// Each of these orders has ended with this status.
    pub(crate) async fn assert_ended(&mut self, ids: &[String], status: &str) {
        let others = "select id || ' is ' || status from orders where id = any($1) and status <> $2
                      union all select want || ' is not there' from unnest($1) as want
                      where not exists (select from orders where id = want) limit 10";
        let others: Vec<String> =
            sqlx::query_scalar(others).bind(ids).bind(status).fetch_all(&mut self.database).await.unwrap();
        assert!(others.is_empty(), "not {status}: {others:?}");
    }

    // ---- the proof -----------------------------------------------------------------------------------------

    /// Waits until so many orders have ended, and no queue holds a message, ready or unacknowledged.
    pub(crate) async fn wait_for_rest(&mut self, orders: i64) {
        let until = Instant::now() + PATIENCE;
        loop {
            let ended = self.ended().await;
            let left = self.left_in_queues().await;
            // Unacknowledged messages are visible only in the journal.
            if ended == orders && left.is_empty() && self.store.in_flight().await.unwrap().is_empty() {
                return;
            }
            assert!(
                Instant::now() < until,
                "{ended} of {orders} orders have ended; in queues: {left:?}{}",
                self.complaints()
            );
            for number in 0..self.members.len() {
                assert!(self.died_of(number).is_none(), "{} died: {}", self.name(number), self.log(number));
            }
            pause();
        }
    }

    /// Every process stops gracefully; then every queue is empty, and every promise holds.
    pub(crate) async fn prove(mut self, orders: i64) -> Proof {
        self.wait_for_rest(orders).await;
        self.absorbed = (0..self.members.len()).map(|number| self.duplicates_at(number)).sum();
        self.all_stop();
        if !self.left_in_queues().await.is_empty() {
            // A process without a publisher confirm publishes again while it stops, when the consumers may have
            // stopped already.
            (0..self.members.len()).for_each(|number| self.start_again(number, &[]));
            self.wait_until_at_work();
            self.wait_for_rest(orders).await;
            self.all_stop();
        }
        // Unacknowledged messages would be in their queues again now.
        assert_eq!(self.left_in_queues().await, Vec::<String>::new());
        // Except for the panics that the test asked for.
        assert_eq!(
            self.logged("panicked at "),
            self.logged("panicked at crates/engine/src/fail.rs"),
            "{}",
            self.complaints()
        );
        let audit = self.checkout(&["audit", "--at-rest", "--json"]);
        let report: Value = serde_json::from_str(&audit.out)
            .unwrap_or_else(|why| panic!("{why}: {}{}", audit.out, audit.err));
        let violated: Vec<_> =
            report["checks"].as_array().unwrap().iter().filter(|check| check["violated"] != 0).collect();
        assert!(violated.is_empty() && audit.code == 0, "{violated:#?}{}", self.complaints());
        let number = |name: &str| report[name].as_u64().unwrap();
        let proof = Proof {
            orders: number("orders"),
            handled: number("journal_rows"),
            absorbed: self.absorbed,
            dead_letters: number("open_dead_letters"),
            needs_attention: number("needs_attention"),
        };
        assert_eq!(proof.orders, u64::try_from(orders).unwrap());
        self.members.clear();
        self.schema.gone().await;
        proof
    }

    async fn left_in_queues(&self) -> Vec<String> {
        let mut left = Vec::new();
        for queue in topology(&self.namespace.names()).queues {
            match self.outsider.ready_in(&queue.name).await {
                0 => {}
                ready => left.push(format!("{} in {}", ready, queue.name)),
            }
        }
        left
    }

    /// By the process's own counter, which is lost with it.
    fn duplicates_at(&self, number: usize) -> u64 {
        let log = self.log(number);
        let Some((_, after)) = log.rsplit_once("http://") else { return 0 };
        let address = after.split('/').next().unwrap().parse().unwrap();
        let page = http::get(address, "/metrics").unwrap().1;
        let counts = page.lines().filter(|line| line.starts_with("checkout_duplicates_total{"));
        counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// The last log lines of each process.
    fn complaints(&self) -> String {
        let last = |number: usize| {
            let log = self.log(number);
            let lines: Vec<_> = log.lines().rev().take(4).collect();
            format!(
                "\n{}:\n  {}",
                self.name(number),
                lines.into_iter().rev().collect::<Vec<_>>().join("\n  ")
            )
        };
        (0..self.members.len()).map(last).collect()
    }

    fn spawn(&mut self, args: Vec<String>, env: &[(&str, &str)]) -> Member {
        let log = log_name(self.starts);
        self.starts += 1;
        let mut command = self.command(&args.iter().map(String::as_str).collect::<Vec<_>>(), env);
        command.args(QUICK).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(self.folder.path(&log)).unwrap());
        Member { args, child: Running::spawn(&mut command), log }
    }

    fn command(&self, args: &[&str], env: &[(&str, &str)]) -> Command {
        let mut command = self.folder.command(args);
        command.env("CHECKOUT_DATABASE_URL", &self.database_url).env("CHECKOUT_AMQP_URL", &self.amqp_url);
        command.env("CHECKOUT_JWT_SECRET", super::served::SECRET);
        command.env("CHECKOUT_PREFIX", self.namespace.prefix()).envs(env.iter().copied());
        command
    }
}

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { orders, handled, absorbed, dead_letters, needs_attention } = self;
        write!(
            f,
            "{orders} orders, {handled} messages handled, {absorbed} duplicates absorbed, {dead_letters} dead \
             letters, {needs_attention} wait for an operator, 0 violations"
        )
    }
}

pub(crate) fn checkout(id: &str, token: &str) -> Value {
    json!({"order_id": id, "customer_id": "customer-1", "items": [{"sku": SKU, "quantity": 1}],
        "payment": {"method": "card", "token": token}, "contact": {"email": "reader@example.org", "phone": "+49301234567"}})
}

fn log_name(start: usize) -> String {
    format!("member.{start}.log")
}

/// The same URL, with another host and port.
pub(crate) fn by_way_of(url: &str, other: Option<std::net::SocketAddr>) -> String {
    let Some(other) = other else { return url.to_string() };
    let (scheme, rest) = url.split_once("://").unwrap();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let user = authority.rsplit_once('@').map(|(user, _)| format!("{user}@")).unwrap_or_default();
    format!("{scheme}://{user}{other}{path}")
}
