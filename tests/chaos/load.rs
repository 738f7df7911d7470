//! Any process may be killed at any time, with several replicas of each role at work.

use crate::crash::Rng;
use crate::support::fleet::Fleet;
use crate::support::pause;

/// Small enough for a machine that runs other tests too: three replicas of each crew are nine processes.
pub(super) const CREWS: [&[&str]; 3] = [
    &["worker", "order", "payment", "stock"],
    &["worker", "notification", "saga"],
    &["worker", "provider", "email", "sms"],
];
pub(super) const REPLICAS: usize = 3;
const KILLS: usize = 20;
const ORDERS_FOR_EACH: usize = 10;

pub(super) async fn three_of_each() -> Fleet {
    let mut fleet = Fleet::new().await;
    staff(&mut fleet);
    fleet.open().await;
    fleet
}

/// Every worker three times, and two timer processes.
pub(super) fn staff(fleet: &mut Fleet) {
    for crew in CREWS {
        (0..REPLICAS).for_each(|_| _ = fleet.start(crew));
    }
    fleet.start(&["timers"]);
    fleet.start(&["timers"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_and_killed_at_random_no_order_is_lost_and_none_is_done_twice() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_121);
    println!("SEED={seed}");
    let mut rng = Rng(seed);
    let mut fleet = three_of_each().await;
    let (mut good, mut declined) = (Vec::new(), Vec::new());
    for _ in 0..KILLS {
        good.extend(fleet.orders(ORDERS_FOR_EACH - 1, "tok_ok").await);
        declined.extend(fleet.orders(1, "tok_declined").await);
        // The orders may be under way, not begun, or already done.
        (0..rng.below(30)).for_each(|_| pause());
        let victim = rng.below(fleet.size() as u64) as usize;
        fleet.kill_9(victim);
        fleet.start_again(victim, &[]);
    }
    let orders = (good.len() + declined.len()) as i64;
    fleet.wait_for_rest(orders).await;
    fleet.assert_ended(&good, "fulfilled").await;
    fleet.assert_ended(&declined, "cancelled").await;
    println!("{KILLS} killed at random: {}", fleet.prove(orders).await);
}
