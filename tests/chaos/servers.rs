//! The database and the broker die with everything in their memory and come back, and no process of ours is
//! restarted.

use std::process::Command;

use crate::support::fleet::Fleet;
use crate::support::{rabbit, until};

const TIMES: usize = 2;
const ORDERS_BEFORE: usize = 40;
const ORDERS_AFTER: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it kills the server: `scripts/services --own` starts one that may be killed"]
async fn the_database_dies_and_comes_back() {
    dies_and_comes_back("CHECKOUT_TEST_KILL_DATABASE", "waiting for it").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it kills the server: `scripts/services --own` starts one that may be killed"]
async fn the_broker_dies_and_comes_back() {
    dies_and_comes_back("CHECKOUT_TEST_KILL_BROKER", "the broker is away").await;
}

async fn dies_and_comes_back(kill: &str, noticed: &str) {
    let kill = std::env::var(kill).expect("run it by `scripts/services --own cargo test … -- --ignored`");
    let mut fleet = Fleet::new().await;
    fleet.start_all();
    fleet.open().await;
    let mut ids = Vec::new();
    for _ in 0..TIMES {
        ids.extend(fleet.orders(ORDERS_BEFORE, "tok_ok").await);
        // The orders are under way, each at another step.
        assert!(Command::new("bash").args(["-c", &kill]).status().unwrap().success());
        fleet.connect_again().await;
        ids.extend(fleet.orders(ORDERS_AFTER, "tok_ok").await);
    }
    let orders = ids.len() as i64;
    fleet.wait_for_rest(orders).await;
    fleet.assert_ended(&ids, "fulfilled").await;
    let said = fleet.logged(noticed);
    assert!(said > 0, "no process noticed");
    println!("killed {TIMES} times, and {said} times a process waited: {}", fleet.prove(orders).await);
}

/// The broker raises its memory alarm: it accepts no message until the alarm is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it alarms the server: `scripts/services --own` starts one that may be alarmed"]
async fn a_broker_that_is_short_of_memory_is_waited_for() {
    let mut fleet = Fleet::new().await;
    fleet.start_all();
    fleet.open().await;
    // Meanwhile the orders wait for stock. The broker tells only connections that publish of its alarm.
    fleet.checkout(&["pause", "role", "stock", "--why", "an alarm"]).ok();
    until("the pause", || (fleet.logged("\"paused\"") > 0).then_some(()));
    let mut ids = fleet.orders(ORDERS_BEFORE, "tok_ok").await;
    memory_may_be("absolute", "1");
    fleet.checkout(&["resume", "role", "stock", "--why", "an alarm"]).ok();
    until("that the alarm is noticed", || {
        (fleet.logged("the broker accepts nothing for now") > 0).then_some(())
    });
    memory_may_be("0.4", "");
    ids.extend(fleet.orders(ORDERS_AFTER, "tok_ok").await);
    let orders = ids.len() as i64;
    fleet.wait_for_rest(orders).await;
    fleet.assert_ended(&ids, "fulfilled").await;
    println!("alarmed once: {}", fleet.prove(orders).await);
}

fn memory_may_be(share: &str, bytes: &str) {
    let words = [share, bytes].into_iter().filter(|word| !word.is_empty());
    let done = rabbit::ctl().arg("set_vm_memory_high_watermark").args(words).status();
    assert!(done.unwrap().success(), "rabbitmqctl");
}
