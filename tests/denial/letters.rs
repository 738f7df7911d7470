//! However many dead letters outsiders cause, other customers' orders go on, and our own dead letters stay visible.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lapin::BasicProperties;
use lapin::options::ExchangeBindOptions;
use lapin::types::FieldTable;
use serde_json::{Value, json};

use super::Ends;
use crate::support::http_client::{Answer, HttpClient};
use crate::support::served::Served;
use crate::support::{block_on, http, new_id, until};

/// Ten times as many dead letters as close the shop when they are our own.
const JUNK: usize = 1005;
const REFUSE_WHEN: &str = "100";
/// Orders of an uninvolved customer: during the floods, and once all their dead letters are there.
const ORDERS_DURING: usize = 30;
const ORDERS_AFTER: usize = 10;

#[test]
fn floods_of_strangers_leave_another_customers_orders_alone() {
    let served = Served::new();
    served.run(&["migrate", "up"]).ok();
    let mut all = served.spawn_with(&["all"], &[("CHECKOUT_REFUSE_WHEN_DEAD_LETTERS", REFUSE_WHEN)]);
    let address = served.ready(&mut all);
    served.run(&["sample"]).ok();
    let (anna, mallory) = (HttpClient::customer(address, "anna"), HttpClient::customer(address, "mallory"));
    until("the samples", || {
        let answer = orders(&anna, "the first", "wait=0");
        (answer.status != 422).then_some(())
    });
    buys(&anna, "the second");
    let over = AtomicBool::new(false);
    let (mut took, reused) = std::thread::scope(|scope| {
        let ends = Ends(&over);
        let reused = scope.spawn(|| sends_one_id_again_and_again(&mallory, &over));
        let junk = scope.spawn(|| block_on(sends_junk(&served)));
        let took: Vec<_> = (0..ORDERS_DURING).map(|n| buys(&anna, &format!("during {n}"))).collect();
        junk.join().unwrap();
        drop(ends);
        (took, reused.join().unwrap())
    });
    let number = |name: &str| {
        let metrics = http::get(address, "/metrics").unwrap().1;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        line.unwrap_or_else(|| panic!("{name} is not among the metrics\n{metrics}"))
    };
    // A few of them are the same checkout as the first, which makes no dead letter.
    until("all that the outsider sent", || {
        (number("checkout_strangers_dead_letters_open ") >= (JUNK - 5) as f64).then_some(())
    });
    took.extend((0..ORDERS_AFTER).map(|n| buys(&anna, &format!("after {n}"))));
    assert_eq!(number("checkout_dead_letters_open "), 0.0, "none of it is our own trouble");
    took.sort_unstable();
    let slowest = took[(took.len() * 99).div_ceil(100) - 1];
    // Not a limit: a debug build on a busy machine shows here how busy the machine is.
    println!(
        "{} orders while {reused} reused ids and {JUNK} junk messages came: p99 {slowest:?}",
        took.len()
    );
    let doctor = served.run(&["doctor"]).out;
    assert!(
        doctor.contains("strangers have caused") && doctor.contains("none of our own is open"),
        "{doctor}"
    );
    assert!(!doctor.contains("purge"), "{doctor}");
    let list = served.run(&["dead", "list"]).ok();
    assert!(list.contains("stranger") && list.contains("unroutable"), "{list}");
    served.assert_clean_at_rest();
    assert_eq!(all.terminate(), 0);
}

fn orders(web: &HttpClient, key: &str, wait: &str) -> Answer {
    let body = json!({"items": [{"sku": "BOOK-DUNE", "quantity": 1}], "payment": {"method": "paypal"}});
    let key = key.replace(' ', "-");
    let headers = [("idempotency-key", key.as_str()), ("prefer", wait)];
    web.send("POST", "/orders", &headers, body.to_string().as_bytes())
}

/// Follows one order until it is fulfilled; any refusal is a failure. How long its outcome took.
fn buys(web: &HttpClient, key: &str) -> Duration {
    let began = Instant::now();
    let placed = orders(web, key, "wait=30").is(201);
    let took = began.elapsed();
    let id = placed.json()["order_id"].as_str().unwrap().to_string();
    until(&format!("{key} to be fulfilled"), || {
        let order = web.get(&format!("/orders/{id}")).is(200).json();
        (order["status"] == "fulfilled").then_some(())
    });
    took
}

/// Sends the id of a rejected order again, with other content each time, under fresh keys. How often it was refused.
fn sends_one_id_again_and_again(web: &HttpClient, over: &AtomicBool) -> usize {
    let order_id = new_id();
    let body = |quantity: usize| -> Value {
        json!({
            "order_id": order_id, "items": [{"sku": "BOOK-DUNE", "quantity": quantity}],
            "payment": {"method": "paypal"}, "discount_code": "NO-SUCH-CODE",
        })
    };
    // Never the first content again: the same content is the same order.
    let quantity = |n: usize| if n == 0 { 1 } else { 2 + n % 900 };
    let send = |n: usize, wait: &str| {
        let key = format!("key-{n}");
        let headers = [("idempotency-key", key.as_str()), ("prefer", wait)];
        web.send("POST", "/orders", &headers, body(quantity(n)).to_string().as_bytes())
    };
    send(0, "wait=30").is(422);
    let mut refused = 0;
    for n in 1.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let answer = send(n, "wait=0");
        match answer.status {
            422 => drop(answer.problem(422, "ORDER_ID_REUSED")),
            // This customer's share of requests is used up, and no other customer's.
            429 => std::thread::yield_now(),
            _ => panic!("{answer:?}"),
        }
        refused += usize::from(answer.status == 422);
    }
    refused
}

/// Messages of each kind to the exchange for commands; and a binding that turns every fact of ours into a command.
async fn sends_junk(served: &Served) {
    let outsider = served.namespace.outsider().await;
    let names = served.namespace.names();
    let (to, from) = (names.commands(), names.events());
    let bound = outsider.channel.exchange_bind(
        to.as_str().into(),
        from.as_str().into(),
        "#".into(),
        ExchangeBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.unwrap();
    let (sku, order_id) = ("BOOK-DUNE", new_id());
    for n in 0..JUNK {
        let id = format!("junk-{n}");
        let properties = BasicProperties::default().with_message_id(id.as_str().into());
        let submit = json!({"order_id": order_id, "customer_id": "mallory", "items": [{"sku": sku, "quantity": 1 + n % 900}]});
        match n % 4 {
            0 => outsider.sends("no.such.command", properties, b"{}").await,
            1 => outsider.sends("order.archive", properties, b"this is no JSON").await,
            2 => outsider.sends("checkout.submit", properties, submit.to_string().as_bytes()).await,
            _ => outsider.sends("order.archive", BasicProperties::default(), id.as_bytes()).await,
        }
    }
}
