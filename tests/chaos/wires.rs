//! Connections to the broker and to the database break, some of them while an answer is on its way.

use std::time::Duration;

use crate::support::fault_proxy::{FaultProxy, KEEP, PUBLISH};
use crate::support::fleet::Fleet;
use crate::support::{authority, postgres, rabbit, until};

const TIMES: usize = 12;
const ORDERS_FOR_EACH: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_hangs_up_again_and_again_and_loses_its_answers() {
    let proxy = FaultProxy::to(&authority(&rabbit::url()), PUBLISH);
    let mut fleet = Fleet::through(None, Some(proxy.address())).await;
    fleet.start_all();
    fleet.open().await;
    let orders = disturb(&mut fleet, &proxy).await;
    let (cut, swallowed) = (proxy.lines_cut(), proxy.answers_swallowed());
    assert!(cut > 0 && swallowed > 0, "{cut} lines cut, {swallowed} answers swallowed");
    let proof = fleet.prove(orders).await;
    assert!(proof.absorbed > 0, "nothing came twice: {proof}");
    println!("{cut} lines to the broker cut, {swallowed} answers swallowed: {proof}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_hangs_up_again_and_again_and_loses_its_answers() {
    let proxy = FaultProxy::to(&authority(&postgres::server()), KEEP);
    let mut fleet = Fleet::through(Some(proxy.address()), None).await;
    fleet.start_all();
    fleet.open().await;
    let orders = disturb(&mut fleet, &proxy).await;
    let (cut, swallowed) = (proxy.lines_cut(), proxy.answers_swallowed());
    assert!(cut > 0 && swallowed > 0, "{cut} lines cut, {swallowed} answers swallowed");
    let looked = fleet.logged("looking again");
    let proof = fleet.prove(orders).await;
    // No process sent anything twice: the duplicates had been committed, and the confirmation was lost.
    assert!(proof.absorbed > 0 && looked > 0, "no commit lost its answer: {proof}");
    println!(
        "{cut} lines to the database cut, {swallowed} answers swallowed, looked again {looked} times: {proof}"
    );
}

/// Orders come in all the while.
async fn disturb(fleet: &mut Fleet, proxy: &FaultProxy) -> i64 {
    let (mut good, mut declined) = (Vec::new(), Vec::new());
    for time in 0..TIMES {
        let swallowed = proxy.answers_swallowed();
        if time % 2 == 0 {
            proxy.swallow_answers(3);
        }
        good.extend(fleet.orders(ORDERS_FOR_EACH - 1, "tok_ok").await);
        declined.extend(fleet.orders(1, "tok_declined").await);
        match time % 2 {
            0 => until("that answers are swallowed", || {
                (proxy.answers_swallowed() == swallowed + 3).then_some(())
            }),
            _ => {
                // Long enough that the processes notice, and that their first attempt to reconnect fails.
                proxy.away();
                tokio::time::sleep(Duration::from_millis(150)).await;
                proxy.back();
            }
        }
    }
    let orders = (good.len() + declined.len()) as i64;
    fleet.wait_for_rest(orders).await;
    fleet.assert_ended(&good, "fulfilled").await;
    fleet.assert_ended(&declined, "cancelled").await;
    orders
}
