//! The provider's books take over what events from outside report.

use contract::{ProviderTold, ToldCharge};

use super::*;

on_every_shelf!(
    a_charge_that_was_told_is_booked_once_and_given_back_by_the_name_it_was_told_by,
    the_charge_that_was_asked_for_and_the_one_that_was_told_are_one,
    two_orders_may_be_told_of_by_one_name_and_a_restart_forgets_neither,
    a_failure_that_was_told_ends_what_has_not_ended,
    a_refund_that_was_told_is_booked_once_and_counts,
    a_refund_teaches_the_charge_that_it_is_of,
);

impl World {
    async fn tell(&self, told: ProviderTold) {
        self.mock.told(&[&told]).await.remove(0).unwrap();
    }

    /// Transaction id, state, refunded, and whether it was reported from outside: of each charge, by key.
    async fn books(&self) -> Vec<(String, String, i64, bool)> {
        let charges = self.mock.charges_page("", 1000).await.unwrap();
        charges.into_iter().map(|c| (c.transaction_id, c.state, c.refunded_minor, c.told_outside)).collect()
    }
}

fn told_of(ask: &ProviderCharge, name: &str) -> ToldCharge {
    let (key, order_id, amount) = (ask.key.clone(), ask.order_id, ask.amount);
    ToldCharge { key, order_id, transaction_id: name.into(), amount, failure_code: None }
}

fn failure_of(ask: &ProviderCharge, name: &str) -> ToldCharge {
    ToldCharge { failure_code: Some("lost_card".into()), ..told_of(ask, name) }
}

fn taken(name: &str, refunded: i64) -> Vec<(String, String, i64, bool)> {
    vec![(name.into(), "succeeded".into(), refunded, true)]
}

async fn a_charge_that_was_told_is_booked_once_and_given_back_by_the_name_it_was_told_by(on: On) {
    let world = World::new(on, Settings::default()).await;
    let ask = card(1, "tok_ok");
    for _ in 0..2 {
        world.tell(ProviderTold::Charge(told_of(&ask, "ch_theirs"))).await;
        world.pass_ms(5);
    }
    assert_eq!(world.books().await, taken("ch_theirs", 0));
    let standing = world.query(&ask).await;
    assert!(
        matches!(&standing, ChargeStanding::Succeeded { transaction_id, .. } if transaction_id == "ch_theirs"),
        "{standing:?}"
    );
    // The request for it comes late: nothing is charged again, and nothing is reported under another id.
    assert_eq!(world.charge(&ask).await.unwrap(), Answer::Accepted);
    let refund = |key, minor| back(&ask, "ch_theirs", key, minor);
    let answers = world.mock.refund(&[&refund("a", 600), &refund("b", 400), &refund("c", 1)]).await;
    let answers: Vec<_> = answers.iter().map(told).collect();
    assert_eq!(answers, ["succeeded", "succeeded", "failed amount_exceeds_charge"]);
    world.tell(ProviderTold::Charge(told_of(&ask, "ch_theirs"))).await;
    assert_eq!(world.books().await, taken("ch_theirs", 1000));
}

async fn the_charge_that_was_asked_for_and_the_one_that_was_told_are_one(on: On) {
    for token in ["tok_never_answers", "tok_late", "tok_lost_answer", "tok_ok", "tok_declined"] {
        let settings = Settings { delay_least_ms: 9, delay_most_ms: 9, ..Settings::default() };
        let world = World::new(on, settings).await;
        let ask = card(1, token);
        world.charge(&ask).await.unwrap();
        let own = world.transaction(&ask).await;
        world.tell(ProviderTold::Charge(told_of(&ask, "ch_theirs"))).await;
        assert_eq!(world.books().await, taken("ch_theirs", 0), "{token}");
        world.pass_ms(400_000);
        let due = world.mock.due_events(world.mock.now(), 10).await.unwrap();
        assert!(due.is_empty(), "{token}: it was told already: {due:?}");
        world.refund(&back(&ask, &own, "own", 1000)).await.unwrap();
        assert_eq!(world.books().await, taken("ch_theirs", 0), "{token}: it is not called so any more");
        world.refund(&back(&ask, "ch_theirs", "back", 1000)).await.unwrap();
        assert_eq!(world.books().await, taken("ch_theirs", 1000), "{token}");
    }
}

async fn two_orders_may_be_told_of_by_one_name_and_a_restart_forgets_neither(on: On) {
    let mut world = World::new(on, Settings::default()).await;
    let asks = [card(1, "tok_ok"), card(2, "tok_ok")];
    for ask in &asks {
        world.tell(ProviderTold::Charge(told_of(ask, "ch_1"))).await;
    }
    world.restart().await;
    assert_eq!(told(&world.refund(&back(&asks[1], "ch_1", "back", 700)).await), "succeeded");
    assert_eq!(world.books().await, [taken("ch_1", 0), taken("ch_1", 700)].concat());
}

async fn a_failure_that_was_told_ends_what_has_not_ended(on: On) {
    let settings = Settings { delay_least_ms: 9, delay_most_ms: 9, ..Settings::default() };
    for (token, passes_ms, state) in [
        ("tok_never_answers", 0, "failed"),
        ("tok_ok", 0, "failed"),
        ("tok_lost_answer", 0, "failed"),
        // It was taken, and the provider says so itself.
        ("tok_ok", 9, "succeeded"),
    ] {
        let world = World::new(on, settings.clone()).await;
        let ask = card(1, token);
        world.charge(&ask).await.unwrap();
        world.pass_ms(passes_ms);
        world.tell(ProviderTold::Charge(failure_of(&ask, "ch_theirs"))).await;
        world.pass_ms(400_000);
        assert_eq!(world.books().await[0].1, state, "{token} after {passes_ms} ms");
        let due = world.mock.due_events(world.mock.now(), 10).await.unwrap();
        assert_eq!(due.len(), usize::from(state == "succeeded"), "{token} after {passes_ms} ms");
    }
    // Money that was reported as captured is not reported otherwise later, in whatever order events come.
    let world = World::new(on, settings).await;
    let ask = card(1, "tok_ok");
    for told in [failure_of(&ask, "ch_a"), told_of(&ask, "ch_a"), failure_of(&ask, "ch_a")] {
        world.tell(ProviderTold::Charge(told)).await;
        world.pass_ms(1);
    }
    assert_eq!(world.books().await, taken("ch_a", 0));
}

async fn a_refund_that_was_told_is_booked_once_and_counts(on: On) {
    let world = World::new(on, Settings::default()).await;
    let ask = card(1, "tok_ok");
    world.charge(&ask).await.unwrap();
    let own = world.transaction(&ask).await;
    let made = |key, minor| ProviderTold::Refund(back(&ask, &own, key, minor));
    for told in [made("theirs", 600), made("theirs", 600), made("too much", 401)] {
        world.tell(told).await;
    }
    assert_eq!(world.books().await, [(own.clone(), "succeeded".to_string(), 600, false)]);
    let rest = world.refund(&back(&ask, &own, "rest", 500)).await;
    assert_eq!(told(&rest), "failed amount_exceeds_charge");
    assert_eq!(told(&world.refund(&back(&ask, &own, "all that is left", 400)).await), "succeeded");
}

async fn a_refund_teaches_the_charge_that_it_is_of(on: On) {
    let world = World::new(on, Settings::default()).await;
    let ask = card(1, "tok_ok");
    let refund =
        ProviderRefund { charged: Some(told_of(&ask, "ch_theirs")), ..back(&ask, "ch_theirs", "back", 1000) };
    assert_eq!(told(&world.refund(&refund).await), "succeeded");
    world.tell(ProviderTold::Charge(told_of(&ask, "ch_theirs"))).await;
    assert_eq!(world.books().await, taken("ch_theirs", 1000));
}
