//! What Stripe reports of refunds made in its dashboard, and of a second charge, in bodies like Stripe's.

use serde_json::{Value, json};
use store::Records;

use super::into::{now_s, outcomes, post_as_stripe, shop_with};
use crate::support::shop::{Shop, checkout};
use crate::support::{block_on, new_id, until};

/// A payment at Stripe, which knows it by these names.
struct Charge {
    order: String,
    intent: String,
    charge: String,
    /// Whether the payment's event names the charge: then the charge is known by that name, else by its intent.
    named: bool,
    /// Whether Stripe's objects say which order it is.
    addressed: bool,
}

impl Charge {
    fn new(no: usize, named: bool, addressed: bool) -> Self {
        let (intent, charge) = (format!("pi_3Pq{no:04}"), format!("ch_3Pq{no:04}"));
        Self { order: new_id(), intent, charge, named, addressed }
    }

    fn event(&self, kind: &str, object: Value, before: Value) -> Value {
        json!({"id": format!("evt_1{}", new_id().replace('-', "")), "object": "event", "api_version": "2025-03-31",
            "created": now_s(), "livemode": false, "pending_webhooks": 1, "type": kind,
            "request": {"id": null, "idempotency_key": null},
            "data": {"object": object, "previous_attributes": before}})
    }

    fn metadata(&self) -> Value {
        if self.addressed { json!({"order_id": self.order}) } else { json!({}) }
    }

    fn paid(&self) -> Value {
        let latest = if self.named { json!(self.charge) } else { Value::Null };
        let object = json!({"id": self.intent, "object": "payment_intent", "amount": 1299, "amount_received": 1299,
            "currency": "eur", "latest_charge": latest, "status": "succeeded", "metadata": {"order_id": self.order}});
        self.event("payment_intent.succeeded", object, Value::Null)
    }

    /// A refund made in the dashboard, as `refund.created` reports it.
    fn refund(&self, no: u32, amount: u32) -> Value {
        let object = json!({"id": format!("re_{}_{no}", self.charge), "object": "refund", "amount": amount,
            "balance_transaction": "txn_1", "charge": self.charge, "currency": "eur", "metadata": {},
            "payment_intent": self.intent, "reason": "requested_by_customer", "status": "succeeded"});
        self.event("refund.created", object, Value::Null)
    }

    /// The charge after that, as `charge.refunded` reports it.
    fn refunded(&self, in_all: u32, before: u32) -> Value {
        let object = json!({"id": self.charge, "object": "charge", "amount": 1299, "amount_captured": 1299,
            "amount_refunded": in_all, "captured": true, "currency": "eur", "metadata": self.metadata(),
            "paid": true, "payment_intent": self.intent, "refunded": in_all == 1299, "status": "succeeded"});
        self.event("charge.refunded", object, json!({"amount_refunded": before}))
    }
}

/// An order paid by Stripe, whatever our own provider knows, and delivered.
fn pay(shop: &Shop, charges: &[Charge]) {
    for charge in charges {
        shop.send(
            "checkout.submit",
            &charge.order,
            &checkout(&charge.order, "BOOK-DUNE", "card", "tok_never_answers"),
        );
    }
    for charge in charges {
        until("the charge to be asked for", || {
            (books(shop, &charge.order)["status"] == "asked").then_some(())
        });
        assert_eq!(post_as_stripe(shop, &charge.paid()).1["what"], "accepted");
    }
    for charge in charges {
        fulfilled(shop, &charge.order);
    }
}

fn fulfilled(shop: &Shop, order: &str) {
    until("the order to be fulfilled", || {
        let doc = document(shop, contract::Table::Orders, order);
        (doc["status"] == "fulfilled").then_some(())
    });
}

fn document(shop: &Shop, table: contract::Table, id: &str) -> Value {
    let doc = block_on(async { shop.folder.store().await.get(table, id).await.unwrap() });
    doc.map(|doc| serde_json::from_str(&doc).unwrap()).unwrap_or_default()
}

/// What our own records say about the order's money.
fn books(shop: &Shop, order: &str) -> Value {
    document(shop, contract::Table::Payments, order)
}

/// Every reported event is handled.
fn rest(shop: &Shop) {
    block_on(async {
        let store = shop.folder.store().await;
        crate::support::until_stored("rest", async || crate::support::at_rest(&store).await).await;
    });
}

/// Posts the event at this index of each charge's own order.
fn tell(shop: &Shop, charges: &[(Charge, Vec<Value>)], at: usize) {
    for (_, events) in charges {
        let (status, answer) = post_as_stripe(shop, &events[at]);
        assert_eq!((status, &answer["what"]), (200, &json!("accepted")), "{}", events[at]);
    }
    rest(shop);
    shop.run(&["audit", "--at-rest"]).ok();
}

fn every_order(events: &[Value]) -> Vec<Vec<Value>> {
    if events.is_empty() {
        return vec![Vec::new()];
    }
    let first = |at: usize| {
        let mut rest = events.to_vec();
        let one = rest.remove(at);
        every_order(&rest).into_iter().map(move |rest| [vec![one.clone()], rest].concat())
    };
    (0..events.len()).flat_map(first).collect()
}

#[test]
fn refunds_in_stripes_dashboard_are_booked_once_in_every_order_of_arrival() {
    let shop = shop_with(&[]);
    let mut charges = Vec::new();
    for named in [true, false] {
        for order in 0..24 {
            let charge = Charge::new(charges.len(), named, order % 2 == 0);
            let events = [
                charge.refund(1, 500),
                charge.refunded(500, 0),
                charge.refund(2, 299),
                charge.refunded(799, 500),
            ];
            let events = every_order(&events).swap_remove(order);
            charges.push((charge, events));
        }
    }
    let (paid, events): (Vec<_>, Vec<_>) = charges.into_iter().unzip();
    pay(&shop, &paid);
    let charges: Vec<_> = paid.into_iter().zip(events).collect();
    for at in 0..4 {
        tell(&shop, &charges, at);
    }
    for (charge, events) in &charges {
        let books = books(&shop, &charge.order);
        assert_eq!(books["refunded_minor"], 799, "{events:?}");
        let names: Vec<_> =
            books["refunds"].as_array().unwrap().iter().map(|one| &one["transaction_id"]).collect();
        assert_eq!(names.len(), 2, "{books}");
        assert!(
            names.iter().all(|name| name.as_str().is_some_and(|name| name.starts_with("re_"))),
            "{books}"
        );
    }
    shop.close();
}

#[test]
fn a_refund_that_only_its_charge_tells_of_is_booked_and_one_of_no_charge_of_ours_is_set_aside() {
    let shop = shop_with(&[]);
    let paid = [Charge::new(1, true, true), Charge::new(2, false, true), Charge::new(3, false, false)];
    pay(&shop, &paid);
    for charge in &paid {
        assert_eq!(post_as_stripe(&shop, &charge.refund(1, 500)).0, 200);
        let event = charge.refunded(799, 500);
        assert_eq!(post_as_stripe(&shop, &event).1["what"], "accepted");
        assert_eq!(post_as_stripe(&shop, &event).1["what"], "repeat");
        rest(&shop);
        assert_eq!(books(&shop, &charge.order)["refunded_minor"], 799);
    }
    let stranger = Charge::new(9, true, false);
    for event in [stranger.refund(1, 500), stranger.refunded(500, 0)] {
        assert_eq!(post_as_stripe(&shop, &event).1["what"], "set_aside");
    }
    assert!(shop.log().contains("no payment is known by its charge"));
    shop.close();
}

#[test]
fn a_refund_that_overtakes_its_payment_is_booked_after_it() {
    let shop = shop_with(&[]);
    let charge = Charge::new(1, true, true);
    shop.send(
        "checkout.submit",
        &charge.order,
        &checkout(&charge.order, "BOOK-DUNE", "card", "tok_never_answers"),
    );
    until("the charge to be asked for", || (books(&shop, &charge.order)["status"] == "asked").then_some(()));
    assert_eq!(post_as_stripe(&shop, &charge.refunded(500, 0)).1["what"], "accepted");
    until("it is held", || (!outcomes(&shop, &charge.order).is_empty()).then_some(()));
    assert_eq!(outcomes(&shop, &charge.order), ["nothing was captured for this order so far; it is held"]);
    assert_eq!(post_as_stripe(&shop, &charge.paid()).0, 200);
    fulfilled(&shop, &charge.order);
    until("the refund to be booked", || (books(&shop, &charge.order)["refunded_minor"] == 500).then_some(()));
    shop.close();
}

#[test]
fn a_return_after_a_refund_at_the_providers_side_gives_back_what_is_left() {
    let shop = shop_with(&[]);
    let paid = [Charge::new(1, true, true), Charge::new(2, false, true)];
    pay(&shop, &paid);
    for (charge, back, left) in [(&paid[0], 1299, "0.00"), (&paid[1], 500, "7.99")] {
        assert_eq!(post_as_stripe(&shop, &charge.refunded(back, 0)).0, 200);
        rest(&shop);
        let offered = shop.show(&charge.order)["actions"].clone();
        let refundable = offered.as_array().unwrap().contains(&json!("refund"));
        assert_eq!(refundable, left != "0.00", "{offered}");
        // The goods come back all the same.
        shop.run(&["order", "refund", &charge.order]).ok();
        let view = shop.wait_for(&charge.order, |view| view["status"] == "refunded");
        assert_eq!(view["returns"][0]["went_back"]["amount"], left);
        let note = view["audit"].as_array().unwrap().last().unwrap()["note"].to_string();
        assert!(note.contains(&format!("{left} EUR of 12.99 EUR went back with return 1")), "{note}");
        assert_eq!(view["payment"]["refunded"]["amount"], "12.99");
        rest(&shop);
        shop.run(&["audit", "--at-rest"]).ok();
    }
    shop.close();
}

#[test]
fn a_second_charge_that_stripe_tells_of_goes_back_and_is_audited() {
    let shop = shop_with(&[]);
    let first = Charge::new(1, true, true);
    pay(&shop, std::slice::from_ref(&first));
    let mut second = Charge::new(2, true, true);
    second.order.clone_from(&first.order);
    assert_eq!(post_as_stripe(&shop, &second.paid()).0, 200);
    let back = |shop: &Shop| -> Vec<String> {
        block_on(shop.folder.world(
            "select told.transaction_id || ': ' || refunded_minor || ' of ' || amount_minor
             from charges join told using (key) order by 1",
        ))
    };
    let (first_name, second_name) = (&first.charge, &second.charge);
    let expected = [format!("{first_name}: 0 of 1299"), format!("{second_name}: 1299 of 1299")];
    until("the second charge to be back", || (back(&shop) == expected).then_some(()));
    rest(&shop);
    let audit = shop.run(&["audit", "--at-rest"]).ok();
    assert!(audit.contains("2 charges are in the provider's books because events from outside told of them"));
    // Stripe reports that refund as well, and it does not belong to the order's own charge.
    assert_eq!(post_as_stripe(&shop, &second.refunded(1299, 0)).0, 200);
    rest(&shop);
    assert_eq!(books(&shop, &first.order)["refunded_minor"], 0);
    shop.run(&["order", "refund", &first.order]).ok();
    shop.wait_for(&first.order, |view| view["status"] == "refunded");
    shop.close();
}
