//! Payment intents: the owner of the token or of the secret confirms, and however confirmations race, one charge is
//! paid.

use serde_json::{Value, json};

use super::GatewayTest;
use crate::support::http_client::{Answer, HttpClient};
use crate::support::until;

/// An order that waits to be confirmed. Its id.
pub(super) fn waiting(web: &HttpClient, sku: &str, quantity: u32, token: Option<&str>) -> String {
    let payment = json!({"method": "card", "token": token, "confirm": "manual"});
    let body = json!({"items": [{"sku": sku, "quantity": quantity}], "payment": payment});
    let key = crate::support::new_id();
    let placed = until("the catalogue", || {
        let answer = web.send("POST", "/orders", &[("idempotency-key", &key)], body.to_string().as_bytes());
        (answer.status != 422).then_some(answer)
    });
    let id = placed.is(202).json()["order_id"].as_str().unwrap().to_string();
    until("the goods to be held", || {
        let order = web.get(&format!("/orders/{id}")).json();
        (order["payment"]["status"] == "awaiting_confirmation" || order["status"] == "cancelled")
            .then_some(())
    });
    id
}

pub(super) fn intent(web: &HttpClient, order_id: &str) -> Value {
    web.post("/payment-intents", &json!({"order_id": order_id})).is(201).json()
}

fn confirm(web: &HttpClient, intent: &Value, body: Value) -> Answer {
    web.post(&format!("/payment-intents/{}/confirm", intent["id"].as_str().unwrap()), &body)
}

/// Paid by its owner, with the method of the order.
pub(super) fn pay(web: &HttpClient, order_id: &str) -> Answer {
    let intent = intent(web, order_id);
    confirm(web, &intent, json!({}))
}

fn payment(web: &HttpClient, order_id: &str) -> Value {
    web.get(&format!("/payments?order_id={order_id}")).is(200).json()["items"][0].clone()
}

#[track_caller]
fn becomes(web: &HttpClient, order_id: &str, status: &str) -> Value {
    until(&format!("{order_id} to be {status}"), || {
        let order = web.get(&format!("/orders/{order_id}")).json();
        (order["status"] == status).then_some(order)
    })
}

#[test]
fn an_order_is_paid_when_its_intent_is_confirmed_and_not_before() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    let order = waiting(&anna, "BOOK-DUNE", 2, Some("pm_card_visa"));
    let intent = intent(&anna, &order);
    assert_eq!(
        (&intent["status"], &intent["amount"]["amount"], &intent["currency"]),
        (&json!("requires_confirmation"), &json!("25.98"), &json!("EUR"))
    );
    assert!(intent["client_secret"].as_str().unwrap().starts_with(intent["id"].as_str().unwrap()));
    assert_eq!(super::intents::intent(&anna, &order), intent, "an order has one intent");
    assert_eq!(anna.get(&format!("/orders/{order}")).json()["status"], "created");
    assert_eq!(confirm(&anna, &intent, json!({})).is(200).json()["status"], "succeeded");
    becomes(&anna, &order, "fulfilled");
    let shown = anna.get(&format!("/payment-intents/{}", intent["id"].as_str().unwrap())).is(200);
    assert_eq!(shown.json()["status"], "succeeded");
    gate.shop.close();
}

#[test]
fn a_page_with_the_secret_confirms_and_no_other_page_does() {
    let gate = GatewayTest::open();
    let (anna, berta, page) = (gate.customer("anna"), gate.customer("berta"), gate.stranger());
    let order = waiting(&anna, "BOOK-DUNE", 1, None);
    let intent = intent(&anna, &order);
    assert_eq!(intent["status"], "requires_payment_method");
    berta.post("/payment-intents", &json!({"order_id": order})).problem(404, "ORDER_NOT_FOUND");
    berta
        .get(&format!("/payment-intents/{}", intent["id"].as_str().unwrap()))
        .problem(404, "PAYMENT_INTENT_NOT_FOUND");
    confirm(&berta, &intent, json!({"payment_method": "pm_card_visa"}))
        .problem(404, "PAYMENT_INTENT_NOT_FOUND");
    for secret in
        [json!(null), json!("guessed"), json!(format!("{}x", intent["client_secret"].as_str().unwrap()))]
    {
        let body = json!({"client_secret": secret, "payment_method": "pm_card_visa"});
        confirm(&page, &intent, body).problem(401, "UNAUTHORIZED");
    }
    let by_secret = json!({"client_secret": intent["client_secret"], "payment_method": "pm_card_visa"});
    let paid = confirm(&page, &intent, by_secret).is(200).json();
    assert_eq!((&paid["status"], paid.get("client_secret")), (&json!("succeeded"), None));
    becomes(&anna, &order, "fulfilled");
    gate.shop.close();
}

#[test]
fn a_declined_confirmation_may_be_tried_again_by_another_card() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    let order = waiting(&anna, "BOOK-DUNE", 1, None);
    let intent = intent(&anna, &order);
    let declined =
        confirm(&anna, &intent, json!({"payment_method": "pm_card_chargeDeclinedInsufficientFunds"}));
    assert_eq!(declined.problem(402, "PAYMENT_DECLINED")["decline_code"], "insufficient_funds");
    confirm(&anna, &intent, json!({})).problem(402, "PAYMENT_DECLINED");
    confirm(&anna, &intent, json!({"payment_method": "4242 4242 4242 4242"}))
        .problem(422, "CARD_NUMBER_REFUSED");
    assert_eq!(anna.get(&format!("/orders/{order}")).json()["status"], "created");
    confirm(&anna, &intent, json!({"payment_method": "tok_visa"})).is(200);
    becomes(&anna, &order, "fulfilled");
    let payment = payment(&anna, &order);
    assert_eq!(
        (payment["tries"].as_array().unwrap().len(), &payment["captured"]["amount"]),
        (3, &json!("12.99"))
    );
    gate.shop.close();
}

#[test]
fn however_confirmations_and_the_providers_word_race_one_charge_is_paid() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    // The provider sends its event three times.
    let order = waiting(&anna, "BOOK-DUNE", 1, Some("tok_duplicate_event"));
    let intent = intent(&anna, &order);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let both: Vec<_> =
            (0..8).map(|_| scope.spawn(|| confirm(&anna, &intent, json!({})).status)).collect();
        both.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(
        statuses.iter().all(|status| [200, 409].contains(status)) && statuses.contains(&200),
        "{statuses:?}"
    );
    becomes(&anna, &order, "fulfilled");
    let payment = payment(&anna, &order);
    assert_eq!(
        (&payment["captured"]["amount"], &payment["refunded"]["amount"]),
        (&json!("12.99"), &json!("0.00"))
    );
    assert_eq!(payment["tries"].as_array().unwrap().len(), 1, "{payment}");
    gate.shop.close();
}

#[test]
fn the_providers_event_may_come_before_the_customer_confirms() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    // The provider's books are in a database of their own, and an event that it did not send would not match them in
    // the end. So a confirmation straight to the order worker comes first here, and the front end's comes late.
    let order = waiting(&anna, "BOOK-DUNE", 1, Some("tok_ok"));
    let intent = intent(&anna, &order);
    anna.post(&format!("/orders/{order}/pay"), &json!({})).is(201);
    let late = confirm(&anna, &intent, json!({})).problem(409, "PAYMENT_INTENT_UNEXPECTED_STATE");
    assert_eq!(late["intent_status"], "succeeded");
    becomes(&anna, &order, "fulfilled");
    gate.shop.close();
}

#[test]
fn a_confirmation_sent_again_under_its_key_is_answered_as_before() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    let order = waiting(&anna, "BOOK-DUNE", 1, Some("tok_ok"));
    let path = format!("/payment-intents/{}/confirm", intent(&anna, &order)["id"].as_str().unwrap());
    for _ in 0..2 {
        let answer = anna.send("POST", &path, &[("idempotency-key", "mine")], b"{}");
        assert_eq!(answer.is(200).json()["status"], "succeeded");
    }
    anna.send("POST", &path, &[("idempotency-key", "another")], b"{}")
        .problem(409, "PAYMENT_INTENT_UNEXPECTED_STATE");
    gate.shop.close();
}

#[test]
fn what_was_cancelled_or_paid_is_not_payable() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    let order = waiting(&anna, "BOOK-DUNE", 1, Some("tok_ok"));
    let known = intent(&anna, &order);
    anna.post(&format!("/orders/{order}/cancel"), &json!({})).is(200);
    confirm(&anna, &known, json!({})).problem(409, "PAYMENT_INTENT_UNEXPECTED_STATE");
    anna.post(&format!("/orders/{order}/pay"), &json!({})).problem(409, "ORDER_NOT_PAYABLE");
    let unknown = waiting(&anna, "BOOK-DUNE", 1, Some("tok_ok"));
    anna.post(&format!("/orders/{unknown}/cancel"), &json!({})).is(200);
    anna.post("/payment-intents", &json!({"order_id": unknown})).problem(409, "ORDER_NOT_PAYABLE");
    let paid = waiting(&anna, "BOOK-DUNE", 1, Some("tok_ok"));
    pay(&anna, &paid).is(200);
    becomes(&anna, &paid, "fulfilled");
    anna.post(&format!("/orders/{paid}/pay"), &json!({})).problem(409, "ORDER_NOT_PAYABLE");
    assert_eq!(payment(&anna, &paid)["captured"]["amount"], "12.99");
    gate.shop.close();
}

#[test]
fn an_unpaid_order_expires_and_its_goods_are_free_again() {
    let gate = GatewayTest::open_with(&["--payment-patience-s=1"]);
    let anna = gate.customer("anna");
    let order = waiting(&anna, "BOOK-ATLAS", 3, Some("tok_ok"));
    let expired = becomes(&anna, &order, "cancelled");
    assert_eq!(expired["reason"], "payment_timeout");
    let body = json!({"items": [{"sku": "BOOK-ATLAS", "quantity": 3}], "payment": {"method": "card", "token": "tok_ok"}});
    let headers = [("idempotency-key", "k"), ("prefer", "wait=30")];
    anna.send("POST", "/orders", &headers, body.to_string().as_bytes()).is(201);
    gate.shop.close();
}

#[test]
fn a_stored_method_pays_for_its_owner_and_not_for_a_page_with_the_secret() {
    let gate = GatewayTest::open();
    let (anna, page) = (gate.customer("anna"), gate.stranger());
    let stored =
        anna.post("/payment-methods", &json!({"method": "paypal", "token": "tok_ok"})).is(201).json();
    let order = waiting(&anna, "BOOK-DUNE", 1, None);
    let intent = intent(&anna, &order);
    let by_secret = json!({"client_secret": intent["client_secret"], "payment_method": stored["id"]});
    confirm(&page, &intent, by_secret).problem(401, "UNAUTHORIZED");
    confirm(&anna, &intent, json!({"payment_method": stored["id"]})).is(200);
    assert_eq!(payment(&anna, &order)["method"], "paypal");
    gate.shop.close();
}
