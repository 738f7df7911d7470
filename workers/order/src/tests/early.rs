//! A command ahead of its order's submission is held, counts once the order exists, and ends where a person sees it.

use contract::{Cancelled, Deadline, OrderHeld};

use super::*;

/// The deadline that holds a command: its key, when it is due, and the message that is sent then.
#[track_caller]
fn held(decision: &Decision<Record>) -> (String, Time, OrderHeld) {
    let [Deadline::Set { key, due, body }] = decision.deadlines.as_slice() else {
        panic!("{:?}", decision.deadlines)
    };
    let Body::OrderHeld(held) = &**body else { panic!("{body:?}") };
    (key.clone(), *due, held.clone())
}

fn cancel_of(customer_id: &str) -> Body {
    let customer_id = Some(customer_id.to_string());
    Body::OrderCancel(OrderCancel { order_id: order_id(), customer_id, ..OrderCancel::default() })
}

#[track_caller]
fn start(decision: &Decision<Record>) -> Option<Cancelled> {
    let Some(Body::SagaStart(start)) = decision.send.first() else { panic!("{:?}", decision.send) };
    start.cancelled.clone()
}

fn cleared(decision: &Decision<Record>) -> Vec<&str> {
    let mut keys = Vec::new();
    for deadline in &decision.deadlines {
        let Deadline::Clear { key } = deadline else { panic!("{deadline:?}") };
        keys.push(key.as_str());
    }
    keys
}

#[test]
fn a_cancellation_that_overtakes_its_submit_cancels_the_order_as_it_is_created() {
    for by in [By::Customer, By::Admin] {
        let mut shop = Shop::with_catalogue();
        let early = shop.hear(cancel(by));
        assert_eq!((shop.status(), said(&early).as_str()), ("absent", "nothing"));
        let (key, ..) = held(&early);
        let created = shop.hear(submit(json!({})));
        let reason = if by == By::Admin { Reason::CancelledByAdmin } else { Reason::CancelledByCustomer };
        assert_eq!(start(&created).unwrap().reason, reason);
        assert_eq!(said(&created), "saga.start, order.created, notification.tell(created, 16.65 EUR)");
        assert_eq!(cleared(&created), [key]);
        // The deadline had come due before it was cleared.
        let (_, due, again) = held(&early);
        let late = shop.hear_at(due, Body::OrderHeld(again));
        assert_eq!(outcome(&late), "ignored: it was answered when its order came");
    }
}

#[test]
fn an_order_without_a_cancellation_is_not_cancelled() {
    assert_eq!(start(&Shop::with_catalogue().hear(submit(json!({})))), None);
}

#[test]
fn of_another_customers_order_nothing_is_cancelled_early_or_late() {
    let refused = "order.cancel_refused(order_unknown, allowed: none)";
    let mut shop = Shop::with_catalogue();
    shop.hear(cancel_of("bob"));
    let created = shop.hear(submit(json!({})));
    assert_eq!(start(&created), None);
    assert!(said(&created).ends_with(refused), "{}", said(&created));
    assert_eq!(said(&shop.hear(cancel_of("bob"))), refused);
    assert_eq!(said(&shop.hear(cancel_of("ann"))), "saga.cancel(cancelled_by_customer)");
    // Its own customer's cancellation counts, whichever came first.
    let mut shop = Shop::with_catalogue();
    shop.hear(cancel_of("bob"));
    shop.hear(cancel_of("ann"));
    assert!(start(&shop.hear(submit(json!({})))).is_some());
}

#[test]
fn a_payment_that_overtakes_its_submit_is_passed_on_as_the_order_is_created() {
    let later = json!({"payment": {"method": "card", "token": "tok_ok", "confirm": "manual"}});
    let cash = json!({"payment": {"method": "cod"}});
    let mut table = String::new();
    for (by, story, checkout) in [
        (Speaker::Customer, vec![pay()], &later),
        (Speaker::Admin, vec![pay()], &cash),
        (Speaker::Customer, vec![pay()], &cash),
        (Speaker::Customer, vec![cancel(By::Customer), pay()], &later),
        (Speaker::Customer, vec![pay()], &json!({"items": []})),
    ] {
        let mut shop = Shop::with_catalogue();
        for body in story {
            assert_eq!(said(&shop.hear_by(by, body)), "nothing");
        }
        let created = shop.hear(submit(checkout.clone()));
        let answers =
            created.send.iter().filter(|body| !matches!(body, Body::OrderCreated(_) | Body::Tell(_)));
        let answers: Vec<_> = answers.map(told).collect();
        writeln!(table, "{}", answers.join(", ")).unwrap();
    }
    expect![[r#"
        saga.start, payment.confirm
        saga.start, payment.settle
        saga.start, order.refused(order.pay, paid_on_delivery, created, allowed: cancel)
        saga.start, order.refused(order.pay, order_cancelled, allowed: none)
        order.rejected(cart_empty), order.refused(order.pay, order_rejected, allowed: none)
    "#]]
    .assert_eq(&table);
}

#[test]
fn a_command_for_an_order_that_never_comes_ends_where_a_person_sees_it_after_an_hour() {
    let mut shop = Shop::with_catalogue();
    let began = shop.now();
    let (first_key, mut now, again) = held(&shop.hear_at(began, cancel(By::Customer)));
    let mut looks = 0;
    let last = loop {
        let decision = shop.hear_at(now, Body::OrderHeld(again.clone()));
        looks += 1;
        if matches!(decision.outcome, Outcome::Parked { .. }) {
            break decision;
        }
        assert!(looks < 100, "it never ends");
        let (key, due, same) = held(&decision);
        assert_eq!((&key, &same), (&first_key, &again));
        now = due;
    };
    assert!(outcome(&last).starts_with("PARKED order_never_came: order.cancel asks"), "{last:?}");
    assert_eq!((cleared(&last), now), (vec![first_key.as_str()], began.plus_s(3600)));
    assert!(looks <= 13, "{looks} looks are {looks} rows for one command");
    // From then on only an operator can send it again.
    assert_eq!(start(&shop.hear_at(now.plus_s(9), submit(json!({})))), None);
    let replayed = shop.hear_at(now.plus_s(10), Body::OrderHeld(again));
    assert_eq!(said(&replayed), "saga.cancel(cancelled_by_customer)");
}

#[test]
fn of_one_order_that_there_is_not_eight_commands_are_held_and_no_more() {
    let mut shop = Shop::with_catalogue();
    for _ in 0..8 {
        held(&shop.hear(cancel(By::Customer)));
    }
    let refused = shop.hear(cancel(By::Customer));
    assert_eq!(said(&refused), "order.cancel_refused(order_unknown, allowed: none)");
    assert!(refused.save.is_empty() && refused.deadlines.is_empty());
    assert_eq!(cleared(&shop.hear(submit(json!({})))).len(), 8);
}

#[test]
fn what_one_replica_held_while_another_made_the_order_is_asked_of_it_then() {
    let mut shop = Shop::with_catalogue();
    let (_, due, again) = held(&shop.hear(cancel(By::Customer)));
    let mut other = Shop::with_catalogue();
    other.hear(submit(json!({})));
    shop.rows.extend(other.rows.into_iter().filter(|((table, _), _)| *table == Table::Orders));
    let asked = shop.hear_at(due, Body::OrderHeld(again.clone()));
    assert_eq!(said(&asked), "saga.cancel(cancelled_by_customer)");
    assert_eq!(cleared(&asked).len(), 1);
    assert_eq!(said(&shop.hear_at(due, Body::OrderHeld(again))), "nothing");
}

#[test]
fn what_was_rejected_is_not_held() {
    let mut shop = Shop::with_catalogue();
    shop.hear(cancel(By::Customer));
    let rejected = shop.hear(submit(json!({"items": []})));
    let refused = "order.cancel_refused(order_rejected, allowed: none)";
    assert_eq!(said(&rejected), format!("order.rejected(cart_empty), {refused}"));
    assert_eq!(cleared(&rejected).len(), 1);
    assert_eq!(said(&shop.hear(cancel(By::Customer))), refused);
}
