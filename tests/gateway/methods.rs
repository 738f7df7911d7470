//! Stored payment methods: visible to their customer only, one of them the default, and no card number stored
//! anywhere.

use serde_json::{Value, json};

use super::GatewayTest;
use crate::support::http_client::{Answer, HttpClient};
use crate::support::until;

fn visa() -> Value {
    json!({"method": "card", "token": "tok_ok", "brand": "visa", "last_four": "4242", "expires": {"year": 2040, "month": 12}})
}

fn add(web: &HttpClient, method: &Value) -> Value {
    web.post("/payment-methods", method).is(201).json()
}

fn id(method: &Value) -> String {
    method["id"].as_str().unwrap().to_string()
}

fn patch(web: &HttpClient, id: &str, body: &Value) -> Answer {
    web.send("PATCH", &format!("/payment-methods/{id}"), &[], body.to_string().as_bytes())
}

fn stored(web: &HttpClient) -> Vec<Value> {
    web.get("/payment-methods").is(200).json()["items"].as_array().unwrap().clone()
}

/// Which of them are the default.
fn defaults(web: &HttpClient) -> Vec<String> {
    stored(web).iter().filter(|method| method["default"] == true).map(id).collect()
}

fn order_by(web: &HttpClient, key: &str, method_id: &str) -> Answer {
    let payment = json!({"method": "card", "payment_method_id": method_id});
    let body = json!({"items": [{"sku": "BOOK-DUNE", "quantity": 1}], "payment": payment}).to_string();
    until("the catalogue", || {
        let headers = [("idempotency-key", key), ("prefer", "wait=30")];
        let answer = web.send("POST", "/orders", &headers, body.as_bytes());
        (answer.status != 422).then_some(answer)
    })
}

#[test]
fn methods_are_added_changed_and_forgotten_and_one_is_always_the_default() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    assert_eq!(stored(&anna), Vec::<Value>::new());
    let first = add(&anna, &visa());
    assert_eq!(
        (&first["last_four"], &first["default"], &first["expired"]),
        (&json!("4242"), &json!(true), &json!(false))
    );
    assert!(!first.to_string().contains("tok_ok"), "a stored token is never returned: {first}");
    let second = add(&anna, &json!({"method": "paypal", "token": "tok_of_paypal"}));
    assert_eq!(defaults(&anna), [id(&first)]);
    assert_eq!(patch(&anna, &id(&second), &json!({"default": true})).is(200).json()["default"], true);
    assert_eq!(defaults(&anna), [id(&second)]);
    patch(&anna, &id(&second), &json!({"default": false})).problem(409, "PAYMENT_METHOD_DEFAULT_REQUIRED");
    let longer = json!({"expires": {"year": 2041, "month": 6}});
    assert_eq!(patch(&anna, &id(&first), &longer).is(200).json()["expires"]["year"], 2041);
    patch(&anna, &id(&first), &json!({"expires": {"year": 2001, "month": 6}}))
        .problem(422, "PAYMENT_METHOD_INVALID");
    anna.send("DELETE", &format!("/payment-methods/{}", id(&second)), &[], b"").is(204);
    assert_eq!(defaults(&anna), [id(&first)], "another one takes its place");
    anna.send("DELETE", &format!("/payment-methods/{}", id(&second)), &[], b"")
        .problem(404, "PAYMENT_METHOD_NOT_FOUND");
    gate.shop.close();
}

#[test]
fn a_method_sent_again_is_stored_once_and_a_key_stands_for_one_body() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    let key = [("idempotency-key", "k")];
    let send = |body: &Value| anna.send("POST", "/payment-methods", &key, body.to_string().as_bytes());
    let first = send(&visa()).is(201);
    assert_eq!(first.headers["location"], format!("/payment-methods/{}", id(&first.json())));
    assert_eq!(send(&visa()).is(201).json()["id"], first.json()["id"]);
    assert_eq!(stored(&anna).len(), 1);
    send(&json!({"method": "paypal", "token": "t"})).problem(422, "IDEMPOTENCY_KEY_REUSED");
    gate.shop.close();
}

#[test]
fn a_method_is_its_customers_alone() {
    let gate = GatewayTest::open();
    let (anna, berta) = (gate.customer("anna"), gate.customer("berta"));
    let annas = id(&add(&anna, &visa()));
    assert_eq!(stored(&berta), Vec::<Value>::new());
    patch(&berta, &annas, &json!({"default": true})).problem(404, "PAYMENT_METHOD_NOT_FOUND");
    berta
        .send("DELETE", &format!("/payment-methods/{annas}"), &[], b"")
        .problem(404, "PAYMENT_METHOD_NOT_FOUND");
    order_by(&berta, "k", &annas).problem(402, "ORDER_PAYMENT_FAILED");
    order_by(&anna, "k", &annas).is(201);
    gate.shop.close();
}

#[test]
fn a_card_number_gets_in_nowhere() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    for field in ["token", "brand", "last_four"] {
        let mut body = visa();
        body[field] = json!("4242 4242 4242 4242");
        anna.post("/payment-methods", &body).problem(422, "CARD_NUMBER_REFUSED");
    }
    let mut cvv = visa();
    cvv["cvv"] = json!("123");
    let kept = add(&anna, &cvv);
    assert!(kept.get("cvv").is_none(), "unknown fields are not stored: {kept}");
    for (field, wrong) in [
        ("method", json!("cod")),
        ("last_four", json!("42")),
        ("expires", json!({"year": 2040, "month": 13})),
    ] {
        let mut body = visa();
        body[field] = wrong;
        anna.post("/payment-methods", &body).problem(422, "PAYMENT_METHOD_INVALID");
    }
    assert_eq!(stored(&anna).len(), 1);
    gate.shop.close();
}
