//! A failover may lose the last seconds of what was written; what was done outside stays done. No customer pays for it.

use std::collections::BTreeMap;

use adapters::mock::Settings;
use broker::Delivery;
use serde_json::json;

use crate::world::case::{Case, cases};
use crate::world::claims::{self, Known, Tally};
use crate::world::faults::{Aim, Fault, Place};
use crate::world::{Deployment, End, World};

const ORDER: &str = "01932b4a-1111-7000-8000-000000000001";
const TOTAL: i64 = 2_000;
/// A little more than the patience with a payment.
const TOO_LATE_MS: i64 = 301_000;

/// How an order comes to be given up whose charge is not known any more.
#[derive(Clone, Copy, Debug)]
enum Over {
    Overdue,
    Cancelled,
}

#[test]
fn what_was_charged_before_its_record_was_lost_goes_back_once() {
    for over in [Over::Overdue, Over::Cancelled] {
        let world = checkout("tok_ok");
        let wish = until(&world, "payment.charge");
        let saved = world.memory.saved();
        world.memory_broker.put_back(wish);
        let charge = until(&world, "provider.charge");
        work(&world, charge, None);
        // Nothing is left of it but the money that the provider took.
        world.memory.go_back_to(saved);
        world.memory_broker.forget();
        world.outside.due().clear();
        assert_eq!(world.outside.books().charges().count(), 1);

        match over {
            Over::Overdue => time_passes(&world, TOO_LATE_MS),
            Over::Cancelled => {
                assert!(world.command("wish", "order.cancel", &json!({"order_id": ORDER})));
            }
        }
        run_dry(&world);
        // The journal still knows of the wish for the money: it comes at last.
        world.refill();
        let case = ended(&world);
        assert_eq!(case.end(), "cancelled", "{over:?}");
        assert_eq!((case.captured(), case.refunded(), case.refunds.len()), (TOTAL, TOTAL, 1), "{over:?}");
    }
}

#[test]
fn a_charge_that_waits_until_its_order_is_given_up_takes_no_money() {
    let world = checkout("tok_ok");
    let charge = until(&world, "provider.charge");
    time_passes(&world, TOO_LATE_MS);
    run_dry(&world);
    world.memory_broker.put_back(charge);
    let case = ended(&world);
    assert_eq!((case.end(), case.charges.len()), ("cancelled", 0));
}

/// The adapter died before it could tell, and was away until the charge's time was over.
#[test]
fn a_charge_that_was_made_and_comes_again_too_late_is_found_and_pays() {
    let world = checkout("tok_lost_answer");
    let charge = until(&world, "provider.charge");
    work(&world, charge, Some(Aim::at(Place::Reached, 0, Fault::Die)));
    world.clock.pass_ms(TOO_LATE_MS);
    run_dry(&world);
    // No deadline has come, and nothing but this charge has told of the money.
    assert_eq!(cases(&world)[ORDER].end(), "fulfilled");
    let case = ended(&world);
    assert_eq!((case.end(), case.captured(), case.refunded()), ("fulfilled", TOTAL, 0));
    assert_eq!(case.charges.len(), 1);
}

/// One card order of two things, submitted.
fn checkout(token: &str) -> World {
    let world = World::open(Settings::default());
    let price = json!({"amount": "10.00", "currency": "EUR"});
    let thing = json!({"sku": "A", "title": "Thing", "price": price, "on_hand": 5});
    world.command("product", "product.upsert", &thing);
    run_dry(&world);
    let checkout = json!({"order_id": ORDER, "customer_id": "c", "items": [{"sku": "A", "quantity": 2}],
        "payment": {"method": "card", "token": token}, "contact": {"email": "a@example.org"}});
    world.command("checkout", "checkout.submit", &checkout);
    world
}

/// Works until a message of this name is next, and hands that out.
fn until(world: &World, name: &str) -> Delivery {
    loop {
        let delivery = world.memory_broker.first().unwrap_or_else(|| panic!("{name} never comes"));
        if delivery.message.name() == name {
            return delivery;
        }
        work(world, delivery, None);
    }
}

fn work(world: &World, delivery: Delivery, aim: Option<Aim>) {
    let end = world.work(delivery.queue, vec![delivery], Deployment::Apart, aim, || {});
    let expected = if aim.is_some() { End::Died } else { End::Acknowledged };
    assert_eq!(end.expect("no message is faulty"), expected);
}

fn run_dry(world: &World) {
    while let Some(delivery) = world.memory_broker.first() {
        work(world, delivery, None);
    }
}

fn time_passes(world: &World, ms: i64) {
    world.clock.pass_ms(ms);
    world.ring(None).expect("the timer lives");
}

/// The order at its very end, when no deadline is left; every promise holds.
fn ended(world: &World) -> Case {
    run_dry(world);
    while let Some(next) = world.memory.next_deadline() {
        time_passes(world, (next.unix_ms() - world.now().unix_ms()).max(0));
        run_dry(world);
    }
    let known = Known { received: BTreeMap::from([("A".into(), 5)]), by_hand: BTreeMap::new() };
    let mut cases = cases(world);
    let mut tally = Tally::default();
    claims::check(world, &cases, &known, &mut tally);
    assert!(tally.broken.is_empty(), "{:#?}", tally.broken);
    cases.remove(ORDER).expect("the order is known")
}
