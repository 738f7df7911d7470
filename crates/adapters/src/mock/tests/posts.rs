use super::*;

on_every_shelf!(
    what_was_posted_in_vain_comes_again_later_also_after_a_restart,
    an_event_that_is_never_taken_is_given_up_and_stays_in_the_books,
    with_a_courier_for_all_nothing_is_told_in_the_answer,
);

fn by_courier() -> Settings {
    Settings { courier_brings_all: true, ..Default::default() }
}

async fn due(world: &World) -> Vec<Parcel> {
    world.pass_ms(crate::mock::storage::TAKEN_MS);
    world.mock.due_parcels(world.mock.now(), 10).await.unwrap()
}

async fn what_was_posted_in_vain_comes_again_later_also_after_a_restart(on: On) {
    let mut world = World::new(on, by_courier()).await;
    assert_eq!(world.charge(&card(1, "tok_duplicate_event")).await.unwrap(), Answer::Accepted);
    let parcel = due(&world).await.remove(0);
    assert_eq!((parcel.copies, parcel.tries), (3, 0));
    let begun = world.mock.now();
    let again = world.mock.refused(&parcel, "503 Service Unavailable", Some(1000)).await.unwrap().unwrap();
    let wait_ms = again.unix_ms() - begun.unix_ms();
    assert!((1_000_000..=1_100_000).contains(&wait_ms), "{wait_ms}: a tenth longer at most");
    world.restart().await;

    world.pass_ms(wait_ms - 2 * crate::mock::storage::TAKEN_MS);
    assert!(due(&world).await.is_empty(), "before its time");
    let parcel = due(&world).await.remove(0);
    assert_eq!((parcel.copies, parcel.tries), (3, 1));
    world.mock.refused(&parcel, "500 Internal Server Error", Some(0)).await.unwrap();
    let waits = world.mock.refused_page("", 10).await.unwrap().remove(0);
    let told = (waits.event_id.as_str(), waits.tries, waits.answer.as_str(), waits.given_up);
    assert_eq!(told, (parcel.event.id.as_str(), 2, "500 Internal Server Error", false));
    world.mock.delivered(&[&parcel.event.id]).await.unwrap();
    assert!(world.mock.refused_page("", 10).await.unwrap().is_empty(), "it has arrived");
    assert!(due(&world).await.is_empty());
}

async fn an_event_that_is_never_taken_is_given_up_and_stays_in_the_books(on: On) {
    let mut world = World::new(on, by_courier()).await;
    for no in [1, 2] {
        world.charge(&card(no, "tok_ok")).await.unwrap();
    }
    for parcel in due(&world).await {
        assert_eq!(world.mock.refused(&parcel, "404 Not Found", None).await.unwrap(), None);
    }
    world.restart().await;
    world.pass_ms(100 * 365 * 24 * 3_600_000);
    assert!(due(&world).await.is_empty());
    let given_up = world.mock.refused_page("", 10).await.unwrap();
    assert!(given_up.len() == 2 && given_up.iter().all(|one| one.given_up && one.tries == 1));
    assert_eq!(world.mock.refused_page(&given_up[0].event_id, 10).await.unwrap(), given_up[1..]);
    // A query still returns the result.
    assert_eq!(stands(&world.query(&card(1, "tok_ok")).await), "succeeded");
}

async fn with_a_courier_for_all_nothing_is_told_in_the_answer(on: On) {
    let world = World::new(on, by_courier()).await;
    let ask = card(1, "tok_ok");
    // A repeated charge does not send the event a second time, neither while it is queued nor after it was delivered.
    for _ in 0..2 {
        assert_eq!(world.charge(&ask).await.unwrap(), Answer::Accepted);
    }
    let parcels = due(&world).await;
    assert_eq!(parcels.len(), 1);
    world.mock.delivered(&[&parcels[0].event.id]).await.unwrap();
    assert_eq!(world.charge(&ask).await.unwrap(), Answer::Accepted);
    assert!(due(&world).await.is_empty());
    let refund = back(&ask, &world.transaction(&ask).await, "refund", 1000);
    assert_eq!(world.refund(&refund).await.unwrap(), Answer::Accepted);
    assert_eq!(
        told(&Ok(Answer::Told(due(&world).await.into_iter().map(|one| one.event).collect()))),
        "succeeded"
    );
}
