//! What makes its worker fail waits by itself; what cannot be read is put aside; nobody else is held up.

use std::time::{Duration, Instant};

use crate::support::fleet::Fleet;
use crate::support::{new_id, pause, until};

const GOOD: usize = 1_000;
const UNREADABLE: usize = 3;
const TRIED_AGAIN: &str = "it failed and is tried again";
/// With each of its tries the poisoned one makes its batch be handled one by one: a part of the work, not all of it.
const SLOWER_AT_MOST: u32 = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisoned_order_amid_thousands_waits_alone_and_goes_on_when_the_fault_is_mended() {
    let mut fleet = Fleet::new().await;
    fleet.start_all();
    fleet.open().await;
    let begun = Instant::now();
    let mut good = fleet.orders(GOOD, "tok_ok").await;
    let without = all_ended(&mut fleet, good.len(), begun).await;

    let poisoned = new_id();
    let stock = fleet.find("worker stock");
    fleet.kill_9(stock);
    fleet.start_again(stock, &[("CHECKOUT_POISON", &poisoned)]);
    let begun = Instant::now();
    good.extend(fleet.orders(GOOD / 2, "tok_ok").await);
    fleet.order_as(&poisoned, "tok_ok").await;
    for number in 0..UNREADABLE {
        fleet.send_text("checkout.submit", &format!("unreadable-{number}"), "{\"customer_id\": ").await;
    }
    good.extend(fleet.orders(GOOD / 2, "tok_ok").await);
    let beside = all_ended(&mut fleet, good.len(), begun).await;
    assert!(beside < without * SLOWER_AT_MOST, "{without:?} without it, {beside:?} beside it");
    fleet.assert_ended(&good, "fulfilled").await;
    let letters = fleet.checkout(&["dead", "list", "--json"]).json();
    let held_up = letters.as_array().unwrap().iter().filter(|letter| letter["code"] == "failed").count();
    assert_eq!(held_up, 0, "somebody was put aside with it: {letters}");

    // It waits on its ladder, and comes again.
    let failed = || (fleet.logged(TRIED_AGAIN) >= 2).then_some(());
    until("that the poisoned order fails twice", failed);
    fleet.kill_9(stock);
    fleet.start_again(stock, &[]);
    let orders = (good.len() + 1) as i64;
    fleet.wait_for_rest(orders).await;
    fleet.assert_ended(&[poisoned], "fulfilled").await;
    let (failed, proof) = (fleet.logged(TRIED_AGAIN), fleet.prove(orders).await);
    assert_eq!(proof.dead_letters, UNREADABLE as u64);
    println!(
        "{GOOD} orders took {without:?}, and {beside:?} beside a poisoned one, tried again {failed} times: {proof}"
    );
}

/// How long it took until so many had ended.
async fn all_ended(fleet: &mut Fleet, orders: usize, begun: Instant) -> Duration {
    while fleet.ended().await < orders as i64 {
        assert!(begun.elapsed() < crate::support::PATIENCE * 2, "the good ones are held up");
        pause();
    }
    begun.elapsed()
}
