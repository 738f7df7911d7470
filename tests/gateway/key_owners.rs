//! A key belongs to its customer: no other customer can occupy the order that it stands for, whatever ids they
//! choose.

use contract::{KeySecret, MessageId, OrderId};
use lapin::BasicProperties;
use serde_json::{Value, json};

use super::GatewayTest;
use super::orders::{id_of, on_delivery, place, place_and_wait};
use crate::support::http_client::HttpClient;
use crate::support::served::Served;
use crate::support::{block_on, until};

const KEYS: [&str; 2] = ["cart-1001", "01932b4a-1111-7222-8000-000000000001"];

/// An attacker knows how ids are made, and not the secret.
fn guessed_secret() -> KeySecret {
    KeySecret::new([0; 32])
}

fn guessed_order(key: &str) -> OrderId {
    OrderId::of_key(&guessed_secret(), "alice", key)
}

fn naming(order_id: OrderId) -> Value {
    let mut order = on_delivery("BOOK-DUNE");
    order["order_id"] = json!(order_id);
    order
}

#[test]
fn an_order_of_anothers_choice_does_not_stand_in_the_way_of_a_key() {
    let gate = GatewayTest::open();
    let (alice, bob) = (gate.customer("alice"), gate.customer("bob"));
    for (number, key) in KEYS.into_iter().enumerate() {
        let guessed = guessed_order(key);
        place_and_wait(&bob, &format!("mine-{number}"), &naming(guessed)).is(201);
        let placed = place_and_wait(&alice, key, &on_delivery("BOOK-DUNE")).is(201);
        assert_ne!(id_of(&placed), guessed.to_string());
        let again = place_and_wait(&alice, key, &on_delivery("BOOK-DUNE")).is(201);
        assert_eq!(id_of(&again), id_of(&placed));
        // Bob knows her order's id by now, but the order is hers.
        let known = naming(id_of(&placed).parse().unwrap());
        place_and_wait(&bob, &format!("late-{number}"), &known).problem(422, "ORDER_ID_REUSED");
        alice.get(&format!("/orders/{}", id_of(&placed))).is(200);
    }
    gate.shop.close();
}

#[test]
fn a_message_of_anothers_choice_does_not_stand_in_the_way_of_a_key() {
    let served = Served::new();
    let mut all = served.spawn(&["all"]);
    let alice = HttpClient::customer(served.ready(&mut all), "alice");
    served.run(&["sample"]).ok();
    let first = until("the goods", || {
        let answer = place(&alice, "first", &on_delivery("BOOK-DUNE"));
        (answer.status == 202).then(|| id_of(&answer))
    });
    block_on(async {
        let outsider = served.namespace.outsider().await;
        for key in KEYS {
            let id = |id: &str| BasicProperties::default().with_message_id(id.into());
            let mut taken = naming(guessed_order(key));
            taken["customer_id"] = json!("bob");
            outsider.sends("checkout.submit", id(&format!("mine {key}")), taken.to_string().as_bytes()).await;
        }
        for key in KEYS.into_iter().chain(["cancel-1001"]) {
            let guessed = MessageId::of_key(&guessed_secret(), "alice", key);
            let guessed = BasicProperties::default().with_message_id(guessed.as_str().into());
            let cancel = json!({"order_id": guessed_order("none")}).to_string();
            outsider.sends("order.cancel", guessed, cancel.as_bytes()).await;
        }
    });
    for key in KEYS {
        let guessed = guessed_order(key).to_string();
        until("the other order", || (served.run(&["order", "show", &guessed]).code == 0).then_some(()));
        place_and_wait(&alice, key, &on_delivery("BOOK-DUNE")).is(201);
    }
    // Nor can he occupy her cancellation: granted or too late, she gets the order worker's answer to her own message.
    let cancel = format!("/orders/{first}/cancel");
    let headers = [("idempotency-key", "cancel-1001"), ("prefer", "wait=30")];
    let cancelled = alice.send("POST", &cancel, &headers, b"");
    assert!(matches!(cancelled.status, 200 | 409), "{cancelled:?}");
    assert_eq!(all.terminate(), 0);
}
