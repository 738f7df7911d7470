//! Under overload new checkouts are refused and everything else goes on. While a dependency is down, no request is
//! half done.

use serde_json::{Value, json};

use super::GatewayTest;
use super::orders::{body, id_of, place, place_and_wait, status};
use crate::support::until;

/// No rate limit: a client that asks until it is refused must be refused for the reason under test.
const ANY_RATE: &str = "--rate-per-customer=0";

#[test]
fn new_checkouts_are_refused_while_dead_letters_pile_up_and_all_else_goes_on() {
    let gate = GatewayTest::open_with(&["--refuse-when-dead-letters=1", ANY_RATE]);
    let (admin, anna) = (gate.admin(), gate.customer("anna"));
    let waits = id_of(&place(&anna, "before", &body("BOOK-DUNE", 1, "tok_never_answers")).is(202));
    status(&anna, &waits, "created");
    for number in 0..2 {
        let wrong = json!({"sku": "X", "title": "", "price": {"amount": "1", "currency": "EUR"}});
        let message = json!({"type": "product.upsert", "message_id": format!("odd-{number}"), "body": wrong});
        admin.post("/admin/messages", &message).is(202);
    }
    let mut key = 0;
    let refused = until("a refusal", || {
        key += 1;
        let answer = place(&anna, &format!("k{key}"), &body("BOOK-DUNE", 1, "tok_ok"));
        (answer.status != 202).then_some(answer)
    });
    refused.problem(503, "OVERLOADED");
    assert_eq!(refused.headers["retry-after"], "10");
    anna.post(&format!("/orders/{waits}/cancel"), &json!({})).is(200);
    let letters = admin.get("/admin/dead-letters").is(200).json();
    for letter in letters["items"].as_array().unwrap() {
        let path = format!("/admin/dead-letters/{}/discard", letter["id"].as_str().unwrap());
        admin.post(&path, &json!({"why": "a test"})).is(204);
    }
    until("the gateway to accept orders again", || {
        (place(&anna, "after", &body("BOOK-DUNE", 1, "tok_ok")).status == 202).then_some(())
    });
    gate.shop.close();
}

#[test]
fn new_checkouts_are_refused_while_a_message_waits_too_long() {
    let gate = GatewayTest::open_with(&["--refuse-when-oldest-s=1", ANY_RATE]);
    let (admin, anna) = (gate.admin(), gate.customer("anna"));
    // Enough stock for every order that comes before the gateway hears of the pause: an order that is sold out would
    // not wait.
    let product =
        json!({"title": "Plenty", "price": {"amount": "1", "currency": "EUR"}, "on_hand": 1_000_000});
    admin.send("PUT", "/admin/products/PLENTY", &[], product.to_string().as_bytes()).is(200);
    admin.post("/admin/roles/provider/pause", &json!({"why": "a test"})).is(204);
    let first = id_of(&place(&anna, "first", &body("PLENTY", 1, "tok_ok")).is(202));
    let mut key = 0;
    let refused = until("a refusal", || {
        key += 1;
        let answer = place(&anna, &format!("k{key}"), &body("PLENTY", 1, "tok_ok"));
        (answer.status != 202).then_some(answer)
    });
    refused.problem(503, "OVERLOADED");
    admin.post("/admin/roles/provider/resume", &json!({"why": "a test"})).is(204);
    status(&anna, &first, "fulfilled");
    until("the gateway to accept orders again", || {
        (place(&anna, "after", &body("PLENTY", 1, "tok_ok")).status == 202).then_some(())
    });
    gate.shop.close();
}

#[test]
fn of_a_hundred_buyers_of_the_last_piece_one_gets_it_and_ninety_nine_know() {
    let gate = GatewayTest::open();
    let product = json!({"title": "Last", "price": {"amount": "9", "currency": "EUR"}, "on_hand": 1});
    gate.admin().send("PUT", "/admin/products/LAST", &[], product.to_string().as_bytes()).is(200);
    let answers: Vec<(u16, Value)> = std::thread::scope(|scope| {
        let bought: Vec<_> = (0..100)
            .map(|number| {
                let buyer = gate.customer(&format!("buyer-{number}"));
                scope.spawn(move || {
                    let answer = place_and_wait(&buyer, "k", &body("LAST", 1, "tok_ok"));
                    (answer.status, answer.json()["code"].clone())
                })
            })
            .collect();
        bought.into_iter().map(|bought| bought.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|(status, _)| *status == 201).count(), 1, "{answers:?}");
    let without =
        answers.iter().filter(|(status, code)| *status == 409 && code == "ORDER_INSUFFICIENT_STOCK");
    assert_eq!(without.count(), 99, "{answers:?}");
    gate.shop.close();
}
