//! Several processes share the books of one world.

use std::collections::BTreeSet;

use sqlx::Connection;

use super::*;
use crate::channel::{Channel, Notice};
use crate::mock::storage::TAKEN_MS;

on_every_shelf!(
    one_charge_is_booked_however_many_ask_at_once,
    money_goes_back_once_however_many_ask_at_once,
    together_they_give_back_no_more_than_was_taken,
    one_notice_is_booked_however_many_hand_it_over_at_once,
    ten_may_start_at_once,
);

const AT_ONCE: usize = 10;

async fn all<T>(work: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures_util::future::join_all(work).await
}

async fn several(world: &World) -> Vec<Arc<MockWorld>> {
    all((0..AT_ONCE).map(|_| world.another())).await
}

async fn one_charge_is_booked_however_many_ask_at_once(on: On) {
    let world = World::new(on, Settings { delay_most_ms: 9, ..Default::default() }).await;
    let asks: Vec<_> = (0..40).map(|no| card(no, "tok_ok")).collect();
    let replicas = several(&world).await;
    // Each begins at another request, so that they do not simply queue up.
    let answers = all(replicas.iter().enumerate().map(|(no, replica)| {
        let turned: Vec<_> = asks.iter().cycle().skip(no * 7).take(asks.len()).collect();
        async move { replica.charge(&turned).await }
    }));
    for answer in answers.await.into_iter().flatten() {
        answer.unwrap();
    }
    assert_eq!(world.mock.charges_page("", 100).await.unwrap().len(), asks.len());
    world.pass_ms(9);
    let events = world.mock.due_events(world.mock.now(), 100).await.unwrap();
    let once: BTreeSet<_> = events.iter().map(|event| &event.id).collect();
    assert_eq!(events.len(), once.len(), "an event was booked for each time it was asked for");
}

async fn money_goes_back_once_however_many_ask_at_once(on: On) {
    let world = World::new(on, Settings::default()).await;
    let mut refunds = Vec::new();
    for no in 0..5 {
        let ask = card(no, "tok_ok");
        world.charge(&ask).await.unwrap();
        let transaction = world.transaction(&ask).await;
        // Two of these three fit into the charge; and one is for an unknown charge.
        refunds.extend(["a", "b", "c"].map(|key| back(&ask, &transaction, key, 500)));
        refunds.push(back(&ask, "ch_nobodys", "d", 500));
    }
    let replicas = several(&world).await;
    let answers = all(replicas.iter().enumerate().map(|(no, replica)| {
        let turned: Vec<_> = refunds.iter().cycle().skip(no * 3).take(refunds.len()).collect();
        async move {
            let answers = replica.refund(&turned).await;
            turned.into_iter().zip(answers).map(|(ask, answer)| (ask.key.clone(), told(&answer))).collect()
        }
    }));
    let answers: Vec<BTreeSet<(String, String)>> = answers.await;
    assert!(answers.iter().all(|other| *other == answers[0]), "a key has one answer: {answers:?}");
    let worked = answers[0].iter().filter(|(_, told)| told == "succeeded").count();
    assert_eq!(worked, 10);
    let charges = world.mock.charges_page("", 10).await.unwrap();
    assert_eq!(charges.iter().map(|charge| charge.refunded_minor).collect::<Vec<_>>(), [1000; 5]);
}

async fn together_they_give_back_no_more_than_was_taken(on: On) {
    let world = World::new(on, Settings::default()).await;
    let asks: Vec<_> = (0..20).map(|no| card(no, "tok_ok")).collect();
    let charged = world.mock.charge(&asks.iter().collect::<Vec<_>>()).await;
    let transactions: Vec<_> =
        charged.into_iter().map(|answer| events(answer).remove(0).data.transaction_id).collect();
    let replicas = several(&world).await;
    // Each under a key of its own: only the lock on the charge separates them.
    let answers = all(replicas.iter().enumerate().map(|(no, replica)| {
        let asks = asks.iter().zip(&transactions);
        let refunds: Vec<_> = asks.map(|(ask, id)| back(ask, id, &format!("{no}"), 400)).collect();
        async move { replica.refund(&refunds.iter().collect::<Vec<_>>()).await }
    }));
    let worked = answers.await.iter().flatten().filter(|answer| told(answer) == "succeeded").count();
    assert_eq!(worked, 2 * asks.len());
    let charges = world.mock.charges_page("", 100).await.unwrap();
    assert!(charges.iter().all(|charge| charge.refunded_minor == 800), "{charges:?}");
}

async fn one_notice_is_booked_however_many_hand_it_over_at_once(on: On) {
    let world = World::new(on, Settings::default()).await;
    let keys: Vec<_> = (0..1000).map(|no| format!("key-{no:04}")).collect();
    let replicas = several(&world).await;
    let answers = all(replicas.iter().enumerate().map(|(no, replica)| {
        let mut notices: Vec<_> = keys.iter().map(|key| notice(key)).collect();
        if no % 2 == 0 {
            notices.reverse();
        }
        async move { replica.email().hand_over(&notices).await }
    }));
    for answer in answers.await.into_iter().flatten() {
        answer.unwrap();
    }
    let sent = world.mock.sent_page(0, 5000).await.unwrap();
    assert_eq!(sent.into_iter().map(|sent| sent.key).collect::<BTreeSet<_>>().len(), keys.len());
    assert_eq!(world.mock.sent_page(0, 5000).await.unwrap().len(), keys.len());
}

async fn ten_may_start_at_once(on: On) {
    let world = World::new(on, Settings::default()).await;
    let ask = card(1, "tok_ok");
    let replicas = several(&world).await;
    let ask = &ask;
    for answer in all(replicas.iter().map(|replica| async move { replica.charge(&[ask]).await })).await {
        answer.into_iter().for_each(|answer| _ = events(answer));
    }
}

/// A file has one courier, because it has one system.
#[tokio::test]
async fn two_couriers_share_the_work_and_a_dead_ones_share_is_taken_over() {
    let settings = Settings { delay_least_ms: 1, delay_most_ms: 1, ..Default::default() };
    let world = World::new(On::Postgres, settings).await;
    let asks: Vec<_> = (0..30).map(|no| card(no, "tok_ok")).collect();
    world.mock.charge(&asks.iter().collect::<Vec<_>>()).await;
    world.pass_ms(1);
    let now = world.mock.now();
    let ids = |events: Vec<ProviderEvent>| events.into_iter().map(|event| event.id).collect::<BTreeSet<_>>();
    let his = ids(world.mock.due_events(now, 10).await.unwrap());
    let her = world.another().await;
    // Another courier is about to take ten of the others; this one does not wait for it.
    let mut third = world.place.connection().await;
    let mut third = third.begin().await.unwrap();
    let taking = sqlx::query("select from events order by due_ms, id limit 10 for update");
    taking.fetch_all(&mut *third).await.unwrap();
    let hers = ids(her.due_events(now, 100).await.unwrap());
    third.rollback().await.unwrap();
    assert_eq!((his.len(), hers.len(), his.intersection(&hers).count()), (10, 10, 0));

    her.delivered(&hers.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(ids(her.due_events(now, 100).await.unwrap()).len(), 10, "what the third left");
    assert!(her.due_events(now, 100).await.unwrap().is_empty(), "the others are given time");
    let due = her.next_due().await.unwrap().unwrap();
    assert_eq!(due.unix_ms() - now.unix_ms(), TAKEN_MS);
    world.pass_ms(TAKEN_MS);
    assert!(his.is_subset(&ids(her.due_events(her.now(), 100).await.unwrap())));
}

#[tokio::test]
async fn a_courier_notices_what_another_process_booked() {
    let settings = Settings { delay_least_ms: 1, delay_most_ms: 1, ..Default::default() };
    let world = World::new(On::Postgres, settings).await;
    let courier = world.another().await;
    let begun = std::time::Instant::now();
    let ask = async {
        world.charge(&card(1, "tok_ok")).await.unwrap();
        world.pass_ms(1);
    };
    let (waited, ()) = tokio::join!(courier.wait_due(Duration::from_secs(60)), ask);
    waited.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(courier.due_events(courier.now(), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_database_cannot_hold_fails_by_itself_and_stops_no_other_message() {
    let world = World::new(On::Postgres, Settings::default()).await;
    let with_nul = world.mock.email().hand_over(&[Notice { text: "\0", ..notice("a") }]).await;
    assert!(matches!(with_nul[..], [Err(Failure::Refused(..))]), "it would be tried for ever");
    assert!(world.mock.email().hand_over(&[notice("b")]).await[0].is_ok());
}

#[tokio::test]
async fn a_database_that_is_away_is_no_reason_not_to_start() {
    let nobody = MockWorld::on_postgres("postgres://root@127.0.0.1:1/test", Settings::default()).unwrap();
    let ask = card(1, "tok_ok");
    for _ in 0..2 {
        let refused = nobody.charge(&[&ask]).await;
        assert!(matches!(refused[..], [Err(Failure::Unavailable(..))]), "{refused:?}");
    }
}

#[tokio::test]
async fn an_address_that_names_an_odd_schema_is_refused_with_what_would_do() {
    for odd in ["options[search_path]=Shop", "options=-c%20search_path%3D%22a%20b%22"] {
        let url = format!("postgres://127.0.0.1/test?{odd}");
        let refused = MockWorld::on_postgres(&url, Settings::default()).err().unwrap().to_string();
        assert!(refused.contains("a-z"), "{refused}");
    }
}

fn notice(key: &str) -> Notice<'_> {
    Notice { order_id: OrderId::default(), key, to: "anna@example.org", subject: None, text: "On its way." }
}
