use super::*;
use crate::mock::storage::TAKEN_MS;

on_every_shelf!(
    it_remembers_across_restarts,
    late_means_pending_until_then,
    a_courier_is_woken_by_an_event_that_is_booked_while_it_waits,
);

async fn it_remembers_across_restarts(on: On) {
    let mut world =
        World::new(on, Settings { delay_most_ms: 3000, delay_least_ms: 1000, ..Default::default() }).await;
    let (ask, late) = (card(1, "tok_duplicate_event"), card(2, "tok_late"));
    assert_eq!(world.charge(&ask).await.unwrap(), Answer::Accepted);
    assert_eq!(world.charge(&late).await.unwrap(), Answer::Accepted);
    world.restart().await;

    let due = world.mock.next_due().await.unwrap().unwrap();
    let in_ms = due.unix_ms() - world.mock.now().unix_ms();
    assert!((1000..=3000).contains(&in_ms), "{in_ms}");
    assert!(world.mock.due_events(world.mock.now(), 10).await.unwrap().is_empty());
    world.pass_ms(in_ms);
    let brought = world.mock.due_events(world.mock.now(), 10).await.unwrap();
    assert_eq!(brought.len(), 3);
    assert!(brought.iter().all(|event| *event == brought[0]));
    world.restart().await;
    // The courier that took it is dead; the storage cannot know that before the time is up.
    world.pass_ms(TAKEN_MS);
    assert_eq!(world.mock.due_events(world.mock.now(), 10).await.unwrap(), brought, "not called delivered");
    world.mock.delivered(&[&brought[0].id]).await.unwrap();
    world.restart().await;
    assert!(world.mock.due_events(world.mock.now(), 10).await.unwrap().is_empty());
    assert_eq!(events(world.charge(&ask).await), brought, "asked again, told again");
    assert_eq!(stands(&world.query(&late).await), "pending");
}

async fn late_means_pending_until_then(on: On) {
    let world = World::new(on, Settings { late_ms: 700, ..Default::default() }).await;
    let ask = card(1, "tok_late");
    assert_eq!(world.charge(&ask).await.unwrap(), Answer::Accepted);
    world.pass_ms(699);
    assert_eq!(stands(&world.query(&ask).await), "pending");
    assert_eq!(world.charge(&ask).await.unwrap(), Answer::Accepted, "asking again does not hurry it");
    let early = back(&ask, &world.transaction(&ask).await, "early", 1000);
    assert_eq!(told(&world.refund(&early).await), "failed charge_not_captured");
    assert!(world.mock.due_events(world.mock.now(), 10).await.unwrap().is_empty());
    assert_eq!(world.mock.charges_page("", 1).await.unwrap()[0].state, "pending");

    world.pass_ms(1);
    assert_eq!(stands(&world.query(&ask).await), "succeeded");
    assert_eq!(world.mock.due_events(world.mock.now(), 10).await.unwrap().len(), 1);
    assert_eq!(world.mock.charges_page("", 1).await.unwrap()[0].state, "succeeded");
}

async fn a_courier_is_woken_by_an_event_that_is_booked_while_it_waits(on: On) {
    let world =
        World::new(on, Settings { late_ms: 0, delay_least_ms: 1, delay_most_ms: 1, ..Default::default() })
            .await;
    let a_minute = Duration::from_secs(60);
    let begun = std::time::Instant::now();
    let ask = async {
        world.charge(&card(1, "tok_ok")).await.unwrap();
        world.pass_ms(1);
    };
    let (waited, ()) = tokio::join!(world.mock.wait_due(a_minute), ask);
    waited.unwrap();
    assert!(begun.elapsed() < a_minute / 2);
    assert_eq!(world.mock.due_events(world.mock.now(), 10).await.unwrap().len(), 1);
}
