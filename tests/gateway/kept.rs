//! Meaningless input from customers is refused or dropped before any of it is stored.

use serde_json::{Value, json};
use store::Journal;
use store::JournalRow;

use super::GatewayTest;
use super::orders::{body, id_of, place, place_and_wait};
use crate::support::{block_on, new_id};

fn journal(gate: &GatewayTest) -> Vec<JournalRow> {
    let store = block_on(gate.shop.folder.store());
    let rows = block_on(store.journal_page(0, 10_000)).unwrap();
    rows.into_iter().map(|(_, row)| row.unwrap()).collect()
}

fn letters(gate: &GatewayTest) -> usize {
    let answer = gate.admin().get("/admin/dead-letters").is(200).json();
    answer["items"].as_array().unwrap().len()
}

#[test]
fn an_order_id_that_was_used_is_refused_with_another_content_also_when_it_was_rejected() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    let wanted = |quantity: u32| {
        let mut wanted = body("BOOK-DUNE", quantity, "tok_ok");
        wanted["order_id"] = json!(new_id());
        wanted["discount_code"] = json!("NO-SUCH-CODE");
        wanted
    };
    let rejected = wanted(1);
    place_and_wait(&anna, "k1", &rejected).is(422);
    let mut other = rejected.clone();
    other["items"][0]["quantity"] = json!(2);
    for n in 0..20 {
        place(&anna, &format!("fresh-{n}"), &other).problem(422, "ORDER_ID_REUSED");
    }
    anna.post("/orders", &other).problem(422, "ORDER_ID_REUSED");
    gate.customer("ben").post("/orders", &rejected).problem(422, "ORDER_ID_REUSED");
    // The same request again gets the same answer.
    place_and_wait(&anna, "k2", &rejected).is(422);
    assert_eq!(letters(&gate), 0);
    gate.shop.close();
}

#[test]
fn fields_that_are_not_known_are_kept_nowhere_and_make_no_difference() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    let plain = body("BOOK-DUNE", 1, "tok_ok");
    let filler = "x".repeat(20 << 10);
    let mut padded = plain.clone();
    padded["filler"] = json!(filler);
    padded["items"][0]["note"] = json!(filler);
    padded["payment"]["note"] = json!(filler);
    let first = id_of(&place_and_wait(&anna, "k", &padded).is(201));
    assert_eq!(id_of(&place_and_wait(&anna, "k", &plain).is(201)), first, "it is the same request");
    let said = journal(&gate).into_iter().flat_map(|row| row.emitted);
    let longest = said.map(|said| said.message.json().len()).max().unwrap();
    assert!(longest < 4096, "a message of {longest} bytes is kept");
    gate.shop.close();
}

#[test]
fn what_cannot_be_an_id_or_a_short_text_is_refused_before_anything_is_journalled() {
    let gate = GatewayTest::open();
    let (anna, admin) = (gate.customer("anna"), gate.admin());
    let before = journal(&gate).len();
    let long = "x".repeat(200);
    let patch = json!({"default": true}).to_string();
    for path in [format!("/payment-methods/{long}"), "/payment-methods/pm_1%00".into()] {
        anna.send("PATCH", &path, &[], patch.as_bytes()).problem(400, "PATH_INVALID");
    }
    for (method, path) in [("PATCH", "/payment-methods/pm_nobodys"), ("DELETE", "/payment-methods/x")] {
        anna.send(method, path, &[], patch.as_bytes()).problem(404, "PAYMENT_METHOD_NOT_FOUND");
    }
    let percent = json!({"percent": "5"}).to_string();
    for path in [format!("/admin/discounts/{}", "X".repeat(41)), "/admin/discounts/A%20B".into()] {
        admin.send("PUT", &path, &[], percent.as_bytes()).problem(400, "PATH_INVALID");
    }
    for (path, reading) in
        [(format!("/orders/{long}"), &anna), (format!("/admin/dead-letters/{long}"), &admin)]
    {
        let refused = reading.get(&path);
        assert!(!refused.text.contains(&long), "it is echoed: {refused:?}");
        refused.problem(400, "PATH_INVALID");
    }
    let large = |field: &str| -> Value { json!({field: "x".repeat(5000)}) };
    anna.send("PUT", "/cart/items/BOOK-DUNE", &[], large("quantity").to_string().as_bytes())
        .problem(413, "BODY_TOO_LARGE");
    anna.post("/payment-methods", &large("token")).problem(413, "BODY_TOO_LARGE");
    anna.post(&format!("/orders/{}/cancel", new_id()), &large("reason")).problem(413, "BODY_TOO_LARGE");
    assert_eq!(journal(&gate).len(), before);
    gate.shop.close();
}
