//! With several timer processes, one of which dies with due deadlines in hand, every deadline takes effect once.

use crate::support::fleet::{Fleet, WORKERS};

const ORDERS: usize = 20;
const TIMERS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unanswered_request_is_repeated_when_due_by_any_timers_that_live() {
    let mut fleet = Fleet::new().await;
    for role in WORKERS {
        fleet.start(&["worker", role, "--payment-patience-s=2"]);
    }
    let timers: Vec<_> = (0..TIMERS).map(|_| fleet.start(&["timers"])).collect();
    fleet.open().await;
    // Some were charged without an event, some were never charged. Only the deadline moves either of them on.
    let charged = fleet.orders(ORDERS, "tok_lost_answer").await;
    let never = fleet.orders(ORDERS, "tok_never_answers").await;
    fleet.wait_until_asked_for_payment(2 * ORDERS as i64).await;
    fleet.kill_9(timers[0]);
    fleet.start_again(timers[0], &[]);
    fleet.kill_9(timers[1]);
    let orders = 2 * ORDERS as i64;
    // One timer process is not started again.
    fleet.forget(timers[1]);
    fleet.wait_for_rest(orders).await;
    fleet.assert_ended(&charged, "fulfilled").await;
    fleet.assert_ended(&never, "cancelled").await;
    println!("{TIMERS} timers, two killed: {}", fleet.prove(orders).await);
}
