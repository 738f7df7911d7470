//! A customer's stored cart: only a client that has seen its version changes it, it is bought once, and a failed
//! order keeps it.

use serde_json::{Value, json};

use super::GatewayTest;
use crate::support::http_client::{Answer, HttpClient};
use crate::support::until;

const PEN: &str = "PEN-BLUE";
const DUNE: &str = "BOOK-DUNE";

#[track_caller]
fn put(web: &HttpClient, sku: &str, quantity: u32) -> Value {
    let body = json!({"quantity": quantity}).to_string();
    // The first request may come before the sample catalogue is loaded.
    until("the catalogue", || {
        let answer = web.send("PUT", &format!("/cart/items/{sku}"), &[], body.as_bytes());
        (answer.status != 422).then(|| answer.is(200).json())
    })
}

/// `v2: BOOK-DUNE 1, PEN-BLUE 3`
fn in_words(cart: &Value) -> String {
    let line = |item: &Value| format!("{} {}", item["sku"].as_str().unwrap(), item["quantity"]);
    let lines: Vec<_> = cart["items"].as_array().unwrap().iter().map(line).collect();
    format!("v{}: {}", cart["version"], lines.join(", "))
}

fn cart(web: &HttpClient) -> String {
    in_words(&web.get("/cart").is(200).json())
}

fn check_out(web: &HttpClient, key: &str, version: Option<u64>, payment: Value) -> Answer {
    let body = json!({"cart_version": version, "payment": payment}).to_string();
    web.send("POST", "/orders/checkout", &[("idempotency-key", key), ("prefer", "wait=30")], body.as_bytes())
}

fn card(token: &str) -> Value {
    json!({"method": "card", "token": token})
}

#[test]
fn a_write_is_answered_with_the_cart_after_it() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    assert_eq!(cart(&anna), "v0: ");
    assert_eq!(in_words(&put(&anna, PEN, 2)), "v1: PEN-BLUE 2");
    let all = json!({"items": [{"sku": PEN, "quantity": 1}, {"sku": DUNE, "quantity": 3}]}).to_string();
    let written = anna.send("PUT", "/cart", &[("if-match", "\"1\"")], all.as_bytes()).is(200);
    assert_eq!(
        (in_words(&written.json()).as_str(), written.headers["etag"].as_str()),
        ("v2: BOOK-DUNE 3, PEN-BLUE 1", "\"2\"")
    );
    let dune = &written.json()["items"][0];
    assert_eq!((&dune["title"], &dune["unit_price"]["amount"]), (&json!("Dune"), &json!("12.99")));

    let seen = [("if-match", "\"1\"")];
    anna.send("DELETE", "/cart", &seen, b"").problem(412, "CART_CHANGED");
    anna.send("PUT", "/cart/items/NOPE", &[], br#"{"quantity":1}"#).problem(422, "PRODUCT_UNKNOWN");
    anna.send("PUT", "/cart/items/PEN-BLUE", &[], br#"{"quantity":1001}"#).problem(422, "CART_INVALID");
    anna.send("PUT", "/cart/items/PEN-BLUE", &[], br#"{"quantity":0}"#).problem(422, "CART_INVALID");
    anna.send("PUT", "/cart/items/PEN-BLUE", &[("if-match", "x")], br#"{"quantity":1}"#)
        .problem(400, "IF_MATCH_INVALID");
    assert_eq!(cart(&anna), "v2: BOOK-DUNE 3, PEN-BLUE 1");
    assert_eq!(cart(&gate.customer("berta")), "v0: ", "a cart is its customer's");
    gate.stranger().get("/cart").problem(401, "UNAUTHORIZED");

    anna.send("DELETE", "/cart/items/BOOK-DUNE", &[], b"").is(200);
    assert_eq!(cart(&anna), "v3: PEN-BLUE 1");
    let key = [("idempotency-key", "clear")];
    for _ in 0..2 {
        anna.send("DELETE", "/cart", &key, b"").is(200);
    }
    assert_eq!(cart(&anna), "v4: ");
    gate.shop.close();
}

#[test]
fn what_was_bought_leaves_the_cart_and_what_was_added_since_stays() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    put(&anna, DUNE, 2);
    let waits = json!({"method": "card", "token": "tok_ok", "confirm": "manual"});
    let body = json!({"cart_version": 1, "payment": waits}).to_string();
    let placed = anna.send("POST", "/orders/checkout", &[("idempotency-key", "k")], body.as_bytes()).is(202);
    let id = placed.json()["order_id"].as_str().unwrap().to_string();
    until("the cart to be ordered", || (anna.get("/cart").json()["order_id"] == id.as_str()).then_some(()));
    put(&anna, PEN, 1);
    put(&anna, DUNE, 3);
    super::intents::pay(&anna, &id).is(200);
    until("the cart to be settled", || (cart(&anna) == "v4: BOOK-DUNE 1, PEN-BLUE 1").then_some(()));
    gate.shop.close();
}

#[test]
fn a_cart_is_kept_when_its_order_fails_and_bought_when_it_does_not() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    put(&anna, DUNE, 1);
    check_out(&anna, "k1", Some(1), card("tok_declined")).problem(402, "ORDER_PAYMENT_FAILED");
    assert_eq!(cart(&anna), "v1: BOOK-DUNE 1");
    let again = until("the cart to be free", || {
        let answer = check_out(&anna, "k2", Some(1), card("tok_ok"));
        (answer.status != 409 && answer.status != 422).then_some(answer)
    });
    assert_eq!(again.is(201).json()["items"][0]["sku"], DUNE);
    until("the cart to be settled", || (cart(&anna) == "v2: ").then_some(()));
    check_out(&anna, "k3", None, card("tok_ok")).problem(422, "ORDER_CART_EMPTY");
    gate.shop.close();
}

#[test]
fn of_two_tabs_at_once_one_orders_the_cart() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    put(&anna, DUNE, 1);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let tab = |no: usize| {
            let anna = anna.clone();
            scope.spawn(move || check_out(&anna, &format!("tab-{no}"), Some(1), card("tok_ok")).status)
        };
        let tabs: Vec<_> = (0..6).map(tab).collect();
        tabs.into_iter().map(|tab| tab.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
    assert_eq!(anna.get("/orders").json()["items"].as_array().unwrap().len(), 1);
    gate.shop.close();
}

#[test]
fn a_cart_that_has_changed_since_it_was_seen_is_not_ordered() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    put(&anna, DUNE, 1);
    put(&anna, DUNE, 2);
    let told = check_out(&anna, "k", Some(1), card("tok_ok")).problem(409, "CART_CHANGED");
    assert_eq!(told["errors"][0]["field"], "cart_version");
    assert_eq!(cart(&anna), "v2: BOOK-DUNE 2");
    gate.shop.close();
}

#[test]
fn goods_paid_for_at_the_door_leave_the_cart_when_they_are_on_their_way() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    put(&anna, DUNE, 1);
    check_out(&anna, "k", Some(1), json!({"method": "cod"})).is(201);
    until("the cart to be settled", || (cart(&anna) == "v2: ").then_some(()));
    gate.shop.close();
}

#[test]
fn a_checkout_of_the_cart_takes_no_items() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    put(&anna, DUNE, 1);
    let body = json!({"items": [{"sku": PEN, "quantity": 1}], "payment": card("tok_ok")}).to_string();
    let refused = anna.send("POST", "/orders/checkout", &[("idempotency-key", "k")], body.as_bytes());
    assert_eq!(refused.problem(422, "ORDER_INVALID")["errors"][0]["field"], "items");
    assert_eq!(anna.get("/orders").json()["items"], json!([]));
    assert_eq!(cart(&anna), "v1: BOOK-DUNE 1");
    gate.shop.close();
}

#[test]
fn what_is_sold_no_more_is_marked_in_the_cart_and_named_by_its_place_in_it() {
    let gate = GatewayTest::open();
    let (anna, admin) = (gate.customer("anna"), gate.admin());
    let tea =
        json!({"title": "Tea", "price": {"amount": "3.00", "currency": "EUR"}, "on_hand": 9}).to_string();
    admin.send("PUT", "/admin/products/TEA", &[], tea.as_bytes()).is(200);
    put(&anna, DUNE, 1);
    put(&anna, "TEA", 1);
    admin.send("DELETE", "/admin/products/TEA", &[], b"").is(200);
    let items = anna.get("/cart").is(200).json()["items"].clone();
    assert_eq!((&items[0]["retired"], &items[1]["retired"]), (&Value::Null, &json!(true)));
    let refused = check_out(&anna, "k", None, card("tok_ok")).problem(422, "PRODUCT_UNKNOWN");
    assert_eq!(refused["errors"][0]["field"], "items[1].sku");
    gate.shop.close();
}

#[test]
fn a_refusal_for_another_checkout_of_the_cart_names_that_order() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    put(&anna, DUNE, 1);
    let later = json!({"method": "card", "token": "tok_ok", "confirm": "manual"});
    let body = json!({"payment": later}).to_string();
    let placed = anna.send("POST", "/orders/checkout", &[("idempotency-key", "k")], body.as_bytes()).is(202);
    let id = placed.json()["order_id"].clone();
    until("the cart to be ordered", || (anna.get("/cart").json()["order_id"] == id).then_some(()));
    let second = check_out(&anna, "k2", None, card("tok_ok")).problem(409, "CART_IN_CHECKOUT");
    assert_eq!(second["errors"][0]["order_id"], id);
    gate.shop.close();
}
