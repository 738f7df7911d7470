//! Every message arrives three times, late and in any order, at three replicas of each role.

use crate::crash::Rng;
use crate::support::fleet::checkout;
use crate::support::new_id;

use super::load::three_of_each;

const COPIES: u32 = 3;
const LATE_MS: u64 = 400;
const GOOD: usize = 30;
const DECLINED: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_three_times_and_in_any_order_everything_is_done_once() {
    let mut fleet = three_of_each().await;
    let duplicator = fleet.duplicator(COPIES, LATE_MS, Rng(20_261_121)).await;
    let (mut good, mut declined) = (Vec::new(), Vec::new());
    for number in 0..GOOD + DECLINED {
        let (ids, token) =
            if number < GOOD { (&mut good, "tok_ok") } else { (&mut declined, "tok_declined") };
        let id = new_id();
        for _ in 0..COPIES {
            fleet.send("checkout.submit", &id, &checkout(&id, token)).await;
        }
        ids.push(id);
    }
    let orders = (GOOD + DECLINED) as i64;
    fleet.wait_for_rest(orders).await;
    duplicator.wait_until_empty().await;
    fleet.wait_for_rest(orders).await;
    fleet.assert_ended(&good, "fulfilled").await;
    fleet.assert_ended(&declined, "cancelled").await;
    let brought = duplicator.brought();
    let proof = fleet.prove(orders).await;
    // Two of three copies are duplicates, and each bundle holds at least one message.
    assert!(brought > 0 && proof.absorbed >= brought / COPIES as u64 * 2, "{brought} brought: {proof}");
    println!("{brought} copies brought: {proof}");
}
