//! An operator purges a queue by mistake, and the system refills it from the journal.

use crate::support::fleet::Fleet;
use contract::Queue;

const ORDERS: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_purged_from_a_queue_are_published_again_from_the_journal() {
    let mut fleet = Fleet::new().await;
    fleet.start_all();
    fleet.open().await;
    let (payment, saga) = (fleet.find("worker payment"), fleet.find("worker saga"));
    fleet.kill_9(payment);
    let orders = fleet.orders(ORDERS, "tok_ok").await;
    let queue = fleet.namespace.names().queue(Queue::Payment);
    // Every order waits for its payment, several to a bundle.
    fleet.wait_until_asked_for_payment(ORDERS as i64).await;
    // Once the saga has stopped, all its messages are in the queue.
    fleet.stop(saga);
    let purged = fleet.outsider().purges(&queue).await;
    assert!(purged > 0, "there was nothing to lose");
    fleet.start_again(saga, &[]);
    fleet.start_again(payment, &[]);
    fleet.open().await;
    assert_eq!(fleet.ended().await, 0, "the messages are lost, and only the journal has them");

    let refilled = fleet.checkout(&["journal", "refill", "--older-than-s", "0"]).ok();
    println!("{purged} thrown away; {}", refilled.trim());
    fleet.wait_for_rest(ORDERS as i64).await;
    fleet.assert_ended(&orders, "fulfilled").await;
    // Messages that are in the queue already are recognised as duplicates.
    fleet.checkout(&["journal", "refill", "--older-than-s", "0"]).ok();
    println!("a queue purged: {}", fleet.prove(ORDERS as i64).await);
}
