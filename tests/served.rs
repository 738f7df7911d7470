//! A shop in which every role is a process of its own, on a real Postgres and a real RabbitMQ.

use broker::Broker;
use contract::{Queue, Role};
use lapin::BasicProperties;
use serde_json::{Value, json};
use store::{Emitted, Journal, Records, readable};

use crate::support::fault_proxy::{FaultProxy, KEEP, PUBLISH};
use crate::support::served::{Process, Served};
use crate::support::shop::checkout;
use crate::support::{block_on, http, new_id, postgres, rabbit, root, until};

/// All eight workers in one process, for tests that are not about how roles are split.
const WORKERS: &[&str] =
    &["worker", "order", "payment", "stock", "notification", "saga", "provider", "email", "sms"];

#[test]
fn the_services_of_the_compose_file_run_a_shop_and_stop_in_order() {
    let served = Served::new();
    let (mut services, once) = services();
    assert_eq!((services.len(), once.len()), (10, 3), "{services:?} {once:?}");
    // As with `--scale payment=3`.
    services.extend([vec!["worker".to_string(), "payment".into()], vec!["worker".into(), "payment".into()]]);
    served.run(&["migrate", "up"]).ok();
    let start = |args: &Vec<String>| served.spawn(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let mut running: Vec<Process> = services.iter().map(start).collect();
    for process in &mut running {
        served.ready(process);
    }
    for args in &once {
        served.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    }
    let example = root().join("config/example-checkout.json").display().to_string();
    served.run(&["submit", &example, "--wait"]).ok();
    let ends = [
        ("tok_ok", "fulfilled"),
        ("tok_declined", "cancelled"),
        ("tok_lost_answer", "cancelled"),
        ("tok_ok", "fulfilled"),
    ];
    let orders: Vec<_> = ends.iter().map(|(token, _)| submit(&served, token)).collect();
    for (id, (token, end)) in orders.iter().zip(ends) {
        if token == "tok_lost_answer" {
            served.run(&["order", "cancel", id]);
        }
        assert_eq!(served.outcome(id), end, "{token}");
    }
    served.assert_clean_at_rest();
    let doctor = served.run(&["doctor"]);
    assert!(doctor.code == 0 && !doctor.out.contains("error"), "{}", doctor.out);
    for process in running {
        let name = process.name.clone();
        assert_eq!(process.terminate(), 0, "{name}");
    }
}

#[test]
fn a_paused_role_rests_everywhere_and_goes_on_with_what_has_gathered() {
    let served = Served::new();
    let mut processes =
        [served.spawn(WORKERS), served.spawn(&["worker", "stock"]), served.spawn(&["timers"])];
    processes.iter_mut().for_each(|process| {
        served.ready(process);
    });
    served.run(&["sample"]).ok();
    served.run(&["pause", "role", "stock", "--why", "a test", "--by", "anna"]).ok();
    served.run(&["pause", "role", "stock", "--why", "again"]).fails(1, &["paused already"]);
    until("the pause in every process", || {
        let paused = |process: &Process| served.log(process).contains("paused role=stock");
        processes[..2].iter().all(paused).then_some(())
    });
    let id = submit(&served, "tok_ok");
    let stock = served.ready(&mut processes[1]);
    until("its message in the queue of the paused role", || {
        let metrics = http::get(stock, "/metrics").unwrap().1;
        metrics.contains("checkout_queue_messages{queue=\"stock\"} 1\n").then_some(())
    });
    assert_eq!(served.run(&["order", "show", &id, "--json"]).json()["status"], "created");
    assert!(served.run(&["doctor"]).ok().contains("stock was paused by anna"));
    let timers = served.ready(&mut processes[2]);
    let metrics = http::get(timers, "/metrics").unwrap().1;
    assert!(metrics.contains("checkout_role_paused{role=\"stock\"} 1"), "{metrics}");
    served.run(&["resume", "role", "stock", "--why", "enough", "--by", "ben"]).ok();
    served.run(&["resume", "role", "stock", "--why", "again"]).fails(1, &["not paused"]);
    assert_eq!(served.outcome(&id), "fulfilled");
    served.run(&["pause", "method", "paypal", "--why", "it is down"]).ok();
    let refused = new_id();
    let body = checkout(&refused, "BOOK-DUNE", "paypal", "tok_ok");
    let told = served.run_reading(&body, &["submit", "-", "--wait"]);
    assert!(told.code == 1 && told.out.contains("payment_method_paused"), "{}{}", told.out, told.err);
    assert!(served.run(&["pause", "list"]).ok().contains("method paypal"));
    served.run(&["resume", "method", "paypal", "--why", "it is back"]).ok();
    served.assert_clean_at_rest();
}

#[test]
fn what_is_told_from_outside_is_in_the_books_of_a_provider_in_another_process() {
    let served = Served::new();
    let mut processes = [
        served.spawn(&["worker", "order", "payment", "stock", "notification", "saga", "email", "sms"]),
        served.spawn(&["timers"]),
    ];
    for process in &mut processes {
        served.ready(process);
    }
    served.run(&["sample"]).ok();
    let orders: Vec<_> = (0..3).map(|_| submit(&served, "tok_never_answers")).collect();
    let view = |id: &str| served.run(&["order", "show", id, "--json"]).json();
    for id in &orders {
        until("the payment to be asked for", || (view(id)["payment"]["status"] == "asked").then_some(()));
        // One event id for all of them: the event did not come from our provider.
        let event = json!({"id": "evt", "type": "payment.succeeded", "created": 1_795_200_800, "data": {
            "reference": id, "transaction_id": "ch_theirs", "amount": {"amount": "12.99", "currency": "EUR"}}});
        served.run_reading(&event, &["submit", "-", "--type", "payment.webhook"]).ok();
    }
    // Only now do processes read the provider's queue, which holds the charges and the events together.
    let mut providers = [served.spawn(&["worker", "provider"]), served.spawn(&["worker", "provider"])];
    for process in &mut providers {
        served.ready(process);
    }
    for id in &orders {
        assert_eq!(served.outcome(id), "fulfilled");
        served.run(&["order", "refund", id]).ok();
        until("the refund", || (view(id)["status"] == "refunded").then_some(()));
        assert_eq!(view(id)["payment"]["refunded"]["amount"], "12.99");
    }
    served.assert_clean_at_rest();
}

#[test]
fn a_cancellation_that_overtakes_its_submit_is_not_lost() {
    let served = Served::new();
    let mut processes = [served.spawn(WORKERS), served.spawn(&["timers"])];
    processes.iter_mut().for_each(|process| {
        served.ready(process);
    });
    served.run(&["sample"]).ok();
    served.run(&["pause", "role", "order", "--why", "a test", "--by", "anna"]).ok();
    until("the pause", || served.log(&processes[0]).contains("paused role=order").then_some(()));
    let ids: Vec<String> = (0..20).map(|_| new_id()).collect();
    block_on(async {
        let outsider = served.namespace.outsider().await;
        let named = |id: String| BasicProperties::default().with_message_id(id.as_str().into());
        for id in &ids {
            let body = checkout(id, "BOOK-DUNE", "card", "tok_ok").to_string();
            outsider.sends("checkout.submit", named(id.clone()), body.as_bytes()).await;
        }
        for id in &ids {
            let body = json!({"order_id": id}).to_string();
            outsider.sends("order.cancel", named(format!("cancel {id}")), body.as_bytes()).await;
        }
    });
    served.run(&["resume", "role", "order", "--why", "enough", "--by", "anna"]).ok();
    for id in &ids {
        assert_eq!(served.outcome(id), "cancelled");
        let order = served.run(&["order", "show", id, "--json"]).json();
        assert_eq!(
            (&order["reason"], &order["payment"]["status"]),
            (&json!("cancelled_by_customer"), &json!("none"))
        );
    }
    served.assert_clean_at_rest();
}

#[test]
fn readiness_is_red_while_a_dependency_is_away_and_green_again_by_itself() {
    let served = Served::new();
    served.run(&["migrate", "up"]).ok();
    let database = FaultProxy::to(&host_of(&postgres::server(), 5432), KEEP);
    let broker = FaultProxy::to(&host_of(&rabbit::url(), 5672), PUBLISH);
    let database_url = through(&served.database_url, &database);
    let amqp_url = through(&rabbit::url(), &broker);
    let env = [("CHECKOUT_DATABASE_URL", database_url.as_str()), ("CHECKOUT_AMQP_URL", amqp_url.as_str())];
    // At the start it waits, and says what for.
    database.away();
    broker.away();
    let mut process = served.spawn_with(WORKERS, &env);
    until("waiting for the database", || {
        served.log(&process).contains("waiting for the database").then_some(())
    });
    database.back();
    until("waiting for the broker", || served.log(&process).contains("waiting for the broker").then_some(()));
    broker.back();
    let address = served.ready(&mut process);
    for (wire, name) in [(&database, "database"), (&broker, "broker")] {
        wire.away();
        until(&format!("not ready without the {name}"), || {
            let (status, body) = http::get(address, "/health/ready").unwrap();
            let body: Value = serde_json::from_str(&body).unwrap_or_default();
            (status == 503 && body[name]["ready"] == false && body["ready"] == false).then_some(())
        });
        assert_eq!(http::get(address, "/health").unwrap().0, 200, "it is alive, and must not be restarted");
        wire.back();
        until(&format!("ready with the {name} again"), || {
            (http::get(address, "/health/ready").unwrap().0 == 200).then_some(())
        });
    }
    let mut timers = served.spawn(&["timers"]);
    served.ready(&mut timers);
    served.run(&["sample"]).ok();
    assert_eq!(served.outcome(&submit(&served, "tok_ok")), "fulfilled");
    assert_eq!(process.terminate(), 0);
}

#[test]
fn what_cannot_work_ends_at_once_and_says_why_without_the_password() {
    let served = Served::new();
    let geheim = "amqp://guest:geheim@";
    let wrong_user = rabbit::url().replacen("amqp://guest:guest@", geheim, 1);
    let no_database = format!("{}_no_such", postgres::server().split('?').next().unwrap());
    for (name, value, says) in [
        ("CHECKOUT_AMQP_URL", wrong_user.as_str(), "the broker refuses us"),
        ("CHECKOUT_DATABASE_URL", &no_database, "the database refuses us"),
    ] {
        let mut command = served.command(&["worker", "order"]);
        command.env(name, value);
        let run = served.folder.run(command, b"");
        assert!(!run.err.contains("geheim"), "{}", run.err);
        run.fails(1, &[says]);
    }
    for (args, says) in [
        (&["worker", "order", "--amqp-url", ""][..], "--amqp-url"),
        (&["worker", "order", "--database-url", "sqlite:x.db"], "checkout all"),
        (&["worker", "orders"], "there are order, payment"),
        (&["gateway", "--listen", "none"], "needs an address"),
        (&["timers", "--amqp-url", "http://x"], "must look like amqp://"),
    ] {
        served.run(args).fails(2, &[says]);
    }
}

#[test]
fn what_died_on_the_broker_is_kept_by_its_cause_and_can_be_corrected() {
    let served = Served::new();
    let mut processes = [served.spawn(WORKERS), served.spawn(&["timers"])];
    processes.iter_mut().for_each(|process| {
        served.ready(process);
    });
    served.run(&["sample"]).ok();
    block_on(async {
        let outsider = served.namespace.outsider().await;
        let named = |id: &str| BasicProperties::default().with_message_id(id.into());
        for number in 0..3 {
            outsider.sends("stock.adjust", named(&format!("torn-{number}")), b"{").await;
        }
        let body = br#"{"sku":"BOOK-DUNE","delta":1,"reason":"found"}"#;
        outsider.sends("stock.adjst", named("typo"), body).await;
    });
    let letters = || served.run(&["dead", "list", "--json"]).json();
    until("four letters", || (letters().as_array().unwrap().len() == 4).then_some(()));
    let groups = served.run(&["dead", "list"]).ok();
    assert!(groups.lines().any(|line| line.contains(" 3 ") && line.contains("body_malformed")), "{groups}");
    let id_of = |name: &str| {
        let letters = letters();
        let found = letters.as_array().unwrap().iter().find(|letter| letter["name"] == name).unwrap();
        found["id"].as_str().unwrap().to_string()
    };
    let typo = id_of("stock.adjst");
    served.run(&["dead", "replay", &typo]).fails(1, &["--edit"]);
    served.run(&["dead", "replay", &typo, "--as", "stock.adjust", "--by", "anna"]).ok();
    let torn = id_of("stock.adjust");
    let body = json!({"sku": "BOOK-DUNE", "delta": 2, "reason": "found"});
    served.run_reading(&body, &["dead", "replay", &torn, "--edit", "-"]).ok();
    served.run(&["dead", "replay", &torn]).fails(1, &["before"]);
    served.run(&["dead", "discard", "--code", "body_malformed", "--why", "a test"]).ok();
    served.run(&["dead", "replay"]).fails(2, &["say which"]);
    until("both corrections", || {
        let stock = block_on(async { store(&served).await.get(contract::Table::Stock, "BOOK-DUNE").await });
        let stock: Value = serde_json::from_str(&stock.unwrap()?).unwrap();
        (stock["on_hand"] == json!(sample_of("BOOK-DUNE") + 3)).then_some(())
    });
    assert_eq!(letters(), json!([]));
    served.assert_clean_at_rest();
}

#[test]
fn a_queue_that_was_lost_is_refilled_from_the_journal() {
    let served = Served::new();
    let mut timers = served.spawn(&["timers"]);
    let mut others = served.spawn(&["worker", "order", "stock", "saga", "notification", "email", "sms"]);
    let mut payment = served.spawn(&["worker", "payment", "provider"]);
    for process in [&mut timers, &mut others, &mut payment] {
        served.ready(process);
    }
    served.run(&["sample"]).ok();
    payment.kill_9();
    let id = submit(&served, "tok_ok");
    let queue = served.namespace.names().queue(Queue::Payment);
    block_on(async {
        let outsider = served.namespace.outsider().await;
        // Deliveries of a dead process have to come back to the queue before it can be purged.
        let mut look = tokio::time::interval(std::time::Duration::from_millis(20));
        while outsider.ready_in(&queue).await == 0 {
            look.tick().await;
        }
        outsider.channel.queue_purge(queue.as_str().into(), Default::default()).await.unwrap();
    });
    let mut payment = served.spawn(&["worker", "payment", "provider"]);
    served.ready(&mut payment);
    let counted = served.run(&["journal", "refill", "--older-than-s", "0", "--dry-run"]).ok();
    assert!(counted.starts_with("1 messages"), "{counted}");
    // Twice, and beside a running system.
    for _ in 0..2 {
        served.run(&["journal", "refill", "--older-than-s", "0"]).ok();
    }
    assert_eq!(served.outcome(&id), "fulfilled");
    served.assert_clean_at_rest();
}

#[test]
fn a_message_that_was_handled_after_all_is_no_dead_letter() {
    let served = Served::new();
    let mut processes = [served.spawn(WORKERS), served.spawn(&["timers"])];
    processes.iter_mut().for_each(|process| {
        served.ready(process);
    });
    served.run(&["sample"]).ok();
    let id = submit(&served, "tok_ok");
    assert_eq!(served.outcome(&id), "fulfilled");
    // As the broker does when it has counted too many deliveries.
    block_on(async {
        let store = store(&served).await;
        let rows = readable(store.journal_of(id.parse().unwrap()).await.unwrap());
        let said =
            rows.iter().flat_map(|row| &row.emitted).find(|said| said.queues == [Queue::Stock]).unwrap();
        let outsider = served.namespace.outsider().await;
        let message = &said.message;
        let properties = BasicProperties::default()
            .with_message_id(message.id.as_str().into())
            .with_type(message.name().into());
        let dead = served.namespace.names().dead_queue(Queue::Stock);
        outsider.publishes("", &dead, properties, message.json().as_bytes()).await;
        let mut look = tokio::time::interval(std::time::Duration::from_millis(20));
        while outsider.ready_in(&dead).await > 0 {
            look.tick().await;
        }
        // A message behind it becomes a dead letter; by then the one before it was looked at, too.
        let torn = BasicProperties::default().with_message_id("torn".into()).with_type("stock.adjust".into());
        outsider.publishes("", &dead, torn, b"{").await;
        let broker = served.namespace.broker().await;
        broker.publish(&[] as &[Emitted]).await.unwrap();
    });
    until("the letter", || {
        let letters = served.run(&["dead", "list", "--json"]).json();
        assert!(letters.as_array()?.iter().all(|letter| letter["message_id"] == "torn"), "{letters}");
        (letters.as_array()?.len() == 1).then_some(())
    });
    served.run(&["dead", "discard", "--all", "--why", "a test"]).ok();
    served.assert_clean_at_rest();
}

#[test]
fn the_story_holds_on_servers_and_nothing_of_it_is_left_behind() {
    let served = Served::new();
    let mut demo = served.command(&["demo", "--json"]);
    demo.env("CHECKOUT_LOG", "checkout=info");
    let run = served.folder.run(demo, b"");
    let stage =
        run.err.split("stage of its own is set: ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let stage = stage.expect("the log names its stage").to_string();
    let told = run.json();
    assert!(told["scenes"].as_array().unwrap().iter().all(|scene| scene["as_told"] == true), "{told}");
    block_on(async {
        let mut connection = postgres::connect(&postgres::server()).await;
        let left: Vec<String> =
            sqlx::query_scalar("select nspname::text from pg_namespace where starts_with(nspname::text, $1)")
                .bind(&stage)
                .fetch_all(&mut connection)
                .await
                .unwrap();
        assert!(left.is_empty(), "{left:?}");
    });
}

#[test]
fn a_load_as_from_a_shop_keeps_every_promise_with_two_of_each_worker() {
    let served = Served::new();
    let load =
        ["load", "--orders", "200", "--entry", "amqp", "--replicas", "2", "--cancelled", "10", "--audit"];
    served.run(&[&load[..], &["--report", "r.json"]].concat()).ok();
    let report: Value = serde_json::from_str(&served.folder.read("r.json")).unwrap();
    let count = |end: &str| report[end].as_u64().unwrap();
    assert_eq!(count("fulfilled") + count("cancelled"), 200, "{report}");
    assert_eq!(count("otherwise"), 0, "{report}");
    // Every batch costs at least one round trip.
    let each = |what: &str| report["per_order"][what].as_f64().unwrap();
    assert!(each("database_round_trips") >= each("batches") && each("wal_bytes") > 0.0, "{report}");
}

/// The services that `docker-compose.yml` keeps running, and those that it runs once.
fn services() -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let compose = std::fs::read_to_string(root().join("docker-compose.yml")).unwrap();
    let lists = compose.lines().filter_map(|line| line.split_once("command: [")?.1.split_once(']'));
    let commands = lists.map(|(list, _)| list.split(", ").map(str::to_string).collect::<Vec<_>>());
    let ours = commands.filter(|command| command[0] != "postgres");
    ours.partition(|command| ["worker", "gateway", "timers"].contains(&command[0].as_str()))
}

fn submit(served: &Served, token: &str) -> String {
    let id = new_id();
    served.run_reading(&checkout(&id, "BOOK-DUNE", "card", token), &["submit", "-"]).ok();
    id
}

async fn store(served: &Served) -> store::postgres::PostgresStore {
    let options = store::postgres::Options::named("a test of checkout");
    store::postgres::PostgresStore::open(&served.database_url, options).await.unwrap()
}

fn sample_of(sku: &str) -> i64 {
    let sample = std::fs::read_to_string(root().join("config/sample-catalogue.jsonl")).unwrap();
    let mut products = sample.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    products.find(|product| product["sku"] == sku).unwrap()["on_hand"].as_i64().unwrap()
}

/// `host:port` of a URL.
fn host_of(url: &str, port: u16) -> String {
    let rest = url.split("://").nth(1).unwrap();
    let place = rest.split(['/', '?']).next().unwrap();
    let place = place.rsplit('@').next().unwrap();
    if place.contains(':') { place.to_string() } else { format!("{place}:{port}") }
}

fn through(url: &str, proxy: &FaultProxy) -> String {
    let rest = url.split("://").nth(1).unwrap();
    let place = rest.split(['/', '?']).next().unwrap().rsplit('@').next().unwrap();
    url.replacen(place, &proxy.address().to_string(), 1)
}

#[test]
fn every_role_that_works_has_a_service() {
    let (services, _) = services();
    for (role, _) in engine::part::WORKERS {
        assert!(services.iter().any(|service| *service == ["worker", Role::name(role)]), "{role}");
    }
}
