//! A message that makes its worker fail is retried alone, one that cannot be read is parked, and no other order is
//! held up.

use std::time::{Duration, Instant};

use crate::support::fleet::Fleet;
use crate::support::{new_id, pause, until};

const GOOD: usize = 1_000;
const UNREADABLE: usize = 3;
const TRIED_AGAIN: &str = "it failed and is tried again";
/// Each try of the poisoned message makes its batch be handled one by one: a part of the work, not all of it.
const SLOWER_AT_MOST: u32 = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisoned_order_amid_thousands_waits_alone_and_goes_on_when_the_fault_is_corrected() {
    let mut fleet = Fleet::new().await;
    fleet.start_all();
    fleet.open().await;
    let stock = fleet.find("worker stock");
    let begun = start_anew(&mut fleet, stock, &[]);
    let mut good = fleet.orders(GOOD, "tok_ok").await;
    let before = all_ended(&mut fleet, good.len(), begun).await;

    let poisoned = new_id();
    let begun = start_anew(&mut fleet, stock, &[("CHECKOUT_POISON", &poisoned)]);
    good.extend(fleet.orders(GOOD / 2, "tok_ok").await);
    fleet.order_as(&poisoned, "tok_ok").await;
    for number in 0..UNREADABLE {
        fleet.send_text("checkout.submit", &format!("unreadable-{number}"), "{\"customer_id\": ").await;
    }
    good.extend(fleet.orders(GOOD / 2, "tok_ok").await);
    let beside = all_ended(&mut fleet, good.len(), begun).await;
    fleet.assert_ended(&good, "fulfilled").await;
    let letters = fleet.checkout(&["dead", "list", "--json"]).json();
    let held_up = letters.as_array().unwrap().iter().filter(|letter| letter["code"] == "failed").count();
    assert_eq!(held_up, 0, "good orders were dead-lettered with it: {letters}");

    // It waits for its next retry, and comes again.
    let failed = || (fleet.logged(TRIED_AGAIN) >= 2).then_some(());
    until("that the poisoned order fails twice", failed);
    start_anew(&mut fleet, stock, &[]);
    fleet.wait_for_rest(good.len() as i64 + 1).await;
    fleet.assert_ended(&[poisoned], "fulfilled").await;

    // This machine's speed changes within seconds, so its speed without a poisoned order is measured before and
    // after.
    let begun = start_anew(&mut fleet, stock, &[]);
    good.extend(fleet.orders(GOOD, "tok_ok").await);
    let after = all_ended(&mut fleet, good.len() + 1, begun).await;
    let without = before.max(after);
    assert!(
        beside < without * SLOWER_AT_MOST,
        "{before:?} before it, {beside:?} beside it, {after:?} after it"
    );
    let (failed, proof) = (fleet.logged(TRIED_AGAIN), fleet.prove(good.len() as i64 + 1).await);
    assert_eq!(proof.dead_letters, UNREADABLE as u64);
    println!(
        "{GOOD} orders took {before:?} and {after:?}, and {beside:?} beside a poisoned one, tried again {failed} times: \
         {proof}"
    );
}

/// Each measurement begins with the start of a worker, so that they can be compared.
fn start_anew(fleet: &mut Fleet, worker: usize, env: &[(&str, &str)]) -> Instant {
    fleet.kill_9(worker);
    fleet.start_again(worker, env);
    Instant::now()
}

/// How long it took until so many orders had ended.
async fn all_ended(fleet: &mut Fleet, orders: usize, begun: Instant) -> Duration {
    while fleet.ended().await < orders as i64 {
        assert!(begun.elapsed() < crate::support::PATIENCE * 2, "the good ones are held up");
        pause();
    }
    begun.elapsed()
}
