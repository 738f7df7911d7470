//! Every role dies at every boundary of the loop.

use crate::support::fleet::{Fleet, WORKERS};
use crate::support::until;

const INSIDE: [&str; 4] = ["taken", "decided", "committed", "published"];
const OUTSIDE: &str = "reached_out";
const ADAPTERS: [&str; 3] = ["provider", "email", "sms"];
const SIGABRT: i32 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_role_dies_and_wherever_every_order_ends_as_if_it_had_not() {
    let mut fleet = Fleet::new().await;
    fleet.start_all();
    fleet.open().await;
    let timers = fleet.size() - 1;
    let (mut good, mut declined, mut died) = (Vec::new(), Vec::new(), 0);
    for point in INSIDE.into_iter().chain([OUTSIDE]) {
        // All roles die at the same boundary, each at its own time.
        let mut dying: Vec<_> = WORKERS.iter().enumerate().map(|(number, role)| (number, *role)).collect();
        if point == OUTSIDE {
            dying.retain(|(_, role)| ADAPTERS.contains(role));
        }
        // The courier lets the provider's events in, and journals them first, as every ingress does.
        if ["committed", "published"].contains(&point) {
            dying.push((timers, "gateway"));
        }
        for (number, role) in &dying {
            fleet.kill_9(*number);
            fleet.start_again(*number, &[("CHECKOUT_FAIL_POINT", &format!("{point}:{role}:1"))]);
        }
        good.extend(fleet.orders(3, "tok_ok").await);
        good.extend(fleet.orders(1, "tok_duplicate_event").await);
        declined.extend(fleet.orders(2, "tok_declined").await);
        until(&format!("that all die at {point}"), || {
            // Each role needs the messages of the others, so a dead process is restarted at once.
            dying.retain(|(number, role)| {
                let Some(signal) = fleet.died_of(*number) else { return true };
                assert_eq!(signal, SIGABRT, "{point}:{role}");
                fleet.start_again(*number, &[]);
                died += 1;
                false
            });
            dying.is_empty().then_some(())
        });
    }
    let orders = (good.len() + declined.len()) as i64;
    fleet.wait_for_rest(orders).await;
    fleet.assert_ended(&good, "fulfilled").await;
    fleet.assert_ended(&declined, "cancelled").await;
    println!("{died} deaths at fail points: {}", fleet.prove(orders).await);
}
