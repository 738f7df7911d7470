//! A request about an order in the first milliseconds after it was accepted is held until the order exists.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::GatewayTest;
use super::intents::waiting;
use super::orders::{body, id_of, on_delivery, place, place_and_wait, status};
use super::payments::said;
use crate::support::http_client::{Answer, HttpClient};
use crate::support::until;

/// Asks without waiting for the outcome.
fn ask(web: &HttpClient, path: &str, body: &Value) -> Answer {
    web.send("POST", path, &[("prefer", "wait=0")], body.to_string().as_bytes())
}

/// Its log is plain text, in which tests look for the pause of a role.
fn open() -> GatewayTest {
    GatewayTest::open_with(&["--log-format=text"])
}

fn order_role(gate: &GatewayTest, what: &str) {
    let why = json!({"by": "anna", "why": "a test"});
    gate.admin().post(&format!("/admin/roles/order/{what}"), &why).is(204);
}

fn rests(gate: &GatewayTest) {
    order_role(gate, "pause");
    until("the order role to pause", || gate.shop.log().contains("paused role=order").then_some(()));
}

#[test]
fn an_order_is_cancelled_from_the_moment_it_was_accepted_and_nothing_is_charged() {
    let gate = open();
    let (anna, ben) = (gate.customer("anna"), gate.customer("ben"));
    rests(&gate);
    let placed = |no: usize| id_of(&place(&anna, &format!("k{no}"), &body("BOOK-DUNE", 1, "tok_ok")).is(202));
    let ids: Vec<String> = (0..20).map(placed).collect();
    for id in &ids {
        assert_eq!(anna.get(&format!("/orders/{id}")).is(200).json()["actions"], json!(["cancel"]));
        ask(&ben, &format!("/orders/{id}/cancel"), &json!({})).problem(404, "ORDER_NOT_FOUND");
        let answer = ask(&anna, &format!("/orders/{id}/cancel"), &json!({"reason": "too late at night"}));
        assert_eq!(answer.is(202).json()["status"], "submitted");
    }
    order_role(&gate, "resume");
    for id in &ids {
        let order = status(&anna, id, "cancelled");
        assert_eq!(order["reason"], "cancelled_by_customer");
        assert_eq!(order["audit"][1]["note"], "too late at night");
        assert_eq!(order["payment"]["status"], "none", "no payment was asked for");
    }
    gate.shop.close();
}

/// The customer alone does not choose the id: another shop's customer may have submitted it as well.
#[test]
fn the_second_sender_of_an_id_cancels_and_pays_nothing_of_the_first() {
    let gate = open();
    let (anna, ben) = (gate.customer("anna"), gate.customer("ben"));
    rests(&gate);
    let mut named = body("BOOK-DUNE", 1, "tok_ok");
    named["payment"]["confirm"] = json!("manual");
    named["order_id"] = json!(crate::support::new_id());
    let id = id_of(&place(&anna, "k", &named).is(202));
    // As if Ben's command had come through a shop that speaks for its customers.
    let of_ben = |name: &str| json!({"order_id": id, "customer_id": "ben", "reason": name});
    let held = json!({"type": "order.cancel", "message_id": "ben's", "body": of_ben("spite")});
    gate.admin().post("/admin/messages", &held).is(202);
    let token = json!({"order_id": id, "customer_id": "ben", "token": "tok_ok"});
    let held = json!({"type": "order.pay", "message_id": "ben's money", "body": token});
    gate.admin().post("/admin/messages", &held).is(202);
    order_role(&gate, "resume");
    let waits = status(&anna, &id, "created");
    assert_eq!(waits["order_id"], id.as_str());
    until("the payment to wait", || {
        let order = anna.get(&format!("/orders/{id}")).json();
        (order["payment"]["status"] == "awaiting_confirmation").then_some(())
    });
    ben.post(&format!("/orders/{id}/cancel"), &json!({})).problem(404, "ORDER_NOT_FOUND");
    anna.post(&format!("/orders/{id}/cancel"), &json!({})).is(200);
    gate.shop.close();
}

#[test]
fn an_order_is_paid_from_the_moment_it_was_accepted_once() {
    let gate = open();
    let anna = gate.customer("anna");
    rests(&gate);
    let mut later = body("BOOK-DUNE", 1, "tok_declined");
    later["payment"]["confirm"] = json!("manual");
    let id = id_of(&place(&anna, "k1", &later).is(202));
    ask(&anna, &format!("/orders/{id}/pay"), &json!({"token": "tok_ok"})).is(202);
    let cash = id_of(&place(&anna, "k2", &on_delivery("BOOK-DUNE")).is(202));
    ask(&anna, &format!("/orders/{cash}/pay"), &json!({})).is(202);
    order_role(&gate, "resume");
    status(&anna, &id, "fulfilled");
    let payments = anna.get(&format!("/payments?order_id={id}")).is(200).json();
    assert_eq!(payments["items"][0]["tries"].as_array().unwrap().len(), 1, "{payments}");
    // A customer's claim is no proof of payment, however early it comes.
    let on_its_way = || {
        let order = anna.get(&format!("/orders/{cash}")).json();
        (order["payment"]["status"] == "awaiting_cash").then_some(())
    };
    until("the parcel to be on its way", on_its_way);
    gate.shop.close();
}

#[test]
fn a_payment_in_the_first_milliseconds_is_answered_once_it_is_known() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    for no in 0..10 {
        let mut later = body("BOOK-DUNE", 1, "tok_ok");
        later["payment"]["confirm"] = json!("manual");
        let id = id_of(&place(&anna, &format!("k{no}"), &later).is(202));
        anna.post(&format!("/orders/{id}/pay"), &json!({})).is(201);
    }
    gate.shop.close();
}

#[test]
fn paying_tells_of_success_and_of_failure_as_soon_as_it_is_known() {
    let gate = GatewayTest::open();
    let (anna, ben, admin) = (gate.customer("anna"), gate.customer("ben"), gate.admin());
    let id = waiting(&anna, "BOOK-DUNE", 1, None);
    let began = Instant::now();
    let pay = |web: &HttpClient, body: Value| {
        web.send("POST", &format!("/orders/{id}/pay"), &[("prefer", "wait=30")], body.to_string().as_bytes())
    };
    let declined = |body: Value| pay(&anna, body).problem(402, "PAYMENT_DECLINED")["decline_code"].clone();
    assert_eq!(declined(json!({})), "payment_method_required");
    assert_eq!(declined(json!({"token": "tok_insufficient_funds"})), "insufficient_funds");
    assert_eq!(declined(json!({})), "payment_method_required", "a declined token is not tried again unasked");
    assert_eq!(declined(json!({"payment_method_id": "pm_x"})), "payment_method_unknown");
    let both = pay(&anna, json!({"token": "tok_ok", "payment_method_id": "pm_x"}));
    let both = both.problem(422, "PAYMENT_METHOD_INVALID")["detail"].clone();
    assert_eq!(both, "payment_method_id: send either a token or this");
    pay(&anna, json!({"token": "two words"})).problem(422, "PAYMENT_METHOD_INVALID");
    pay(&ben, json!({"token": "tok_ok"})).problem(404, "ORDER_NOT_FOUND");
    let stored =
        anna.post("/payment-methods", &json!({"method": "paypal", "token": "tok_ok"})).is(201).json();
    let paid = pay(&anna, json!({"payment_method_id": stored["id"]})).is(201).json();
    assert!(["paid", "fulfilled"].contains(&paid["status"].as_str().unwrap()), "{paid}");
    assert!(began.elapsed() < Duration::from_secs(20), "none of them took the whole wait");
    pay(&anna, json!({"token": "tok_ok"})).problem(409, "ORDER_NOT_PAYABLE");

    let cash = id_of(&place_and_wait(&anna, "cash", &on_delivery("BOOK-DUNE")).is(201));
    let path = format!("/orders/{cash}/pay");
    let told = anna.post(&path, &json!({})).problem(403, "FORBIDDEN")["detail"].to_string();
    assert!(told.contains("can no longer be cancelled") && !told.contains("you may cancel"), "{told}");
    let refused = admin.post(&path, &json!({"token": "tok_ok"})).problem(409, "ORDER_NOT_PAYABLE");
    assert_eq!(refused["errors"][0]["code"], "token_not_taken");
    admin.post(&path, &json!({"transaction_id": "receipt 7"})).is(201);

    let given_up = waiting(&anna, "BOOK-DUNE", 1, Some("tok_never_answers"));
    let path = format!("/orders/{given_up}/pay");
    ask(&anna, &path, &json!({})).is(202);
    let out = anna.post(&path, &json!({})).problem(409, "ORDER_NOT_PAYABLE");
    assert!(out["detail"].as_str().unwrap().contains("under way"), "{out}");
    assert_eq!((&out["order_status"], &out["allowed"]), (&json!("created"), &json!(["cancel"])));
    anna.post(&format!("/orders/{given_up}/cancel"), &json!({})).is(200);
    anna.post(&path, &json!({})).problem(409, "ORDER_NOT_PAYABLE");
    gate.shop.close();
}

#[test]
fn an_order_that_waits_for_its_customer_is_answered_at_once() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    let mut later = body("BOOK-DUNE", 1, "tok_ok");
    later["payment"]["confirm"] = json!("manual");
    let began = Instant::now();
    let placed = place_and_wait(&anna, "k", &later).is(202).json();
    assert!(began.elapsed() < Duration::from_secs(15), "it asked for thirty seconds");
    assert_eq!((placed["status"].as_str(), &placed["actions"]), (Some("created"), &json!(["cancel", "pay"])));
    anna.post(&format!("/orders/{}/cancel", placed["order_id"].as_str().unwrap()), &json!({})).is(200);
    gate.shop.close();
}

/// Puts a message into its queue, as an admin's program sends it.
fn publish(gate: &GatewayTest, id: &str, name: &str, body: &Value) {
    let message = json!({"type": name, "message_id": id, "body": body});
    gate.admin().post("/admin/messages", &message).is(202);
}

#[test]
fn of_two_early_payments_each_sender_gets_an_answer() {
    let gate = open();
    let anna = gate.customer("anna");
    rests(&gate);
    let mut later = body("BOOK-DUNE", 1, "tok_declined");
    later["payment"]["confirm"] = json!("manual");
    let id = id_of(&place(&anna, "k1", &later).is(202));
    let cash = id_of(&place(&anna, "k2", &on_delivery("BOOK-DUNE")).is(202));
    publish(&gate, "first", "order.pay", &json!({"order_id": id, "token": "tok_ok"}));
    publish(&gate, "second", "order.pay", &json!({"order_id": id, "token": "tok_other"}));
    publish(&gate, "first cash", "order.pay", &json!({"order_id": cash, "transaction_id": "receipt 1"}));
    publish(&gate, "second cash", "order.pay", &json!({"order_id": cash, "transaction_id": "receipt 2"}));
    order_role(&gate, "resume");
    for id in [&id, &cash] {
        status(&anna, id, "fulfilled");
        assert_eq!(said(&gate, id, "payment.captured")["amount"]["amount"], "12.99");
        let refused = said(&gate, id, "order.refused");
        assert_eq!(refused["command"], "order.pay");
        let reason = refused["reason"].as_str().unwrap();
        assert!(["payment_under_way", "already_paid"].contains(&reason), "{refused}");
    }
    assert_eq!(said(&gate, &cash, "order.paid")["transaction_id"], "receipt 1");
    gate.shop.close();
}

#[test]
fn a_decline_is_told_to_all_who_listen() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    for (no, pays, code) in [
        (1, json!({"token": "tok_insufficient_funds"}), "insufficient_funds"),
        (2, json!({}), "payment_method_required"),
    ] {
        let id = waiting(&anna, "BOOK-DUNE", 1, None);
        let mut body = pays.clone();
        body["order_id"] = json!(id);
        publish(&gate, &format!("pay {no}"), "order.pay", &body);
        let declined = said(&gate, &id, "payment.declined");
        assert_eq!((&declined["code"], &declined["may_be_retried"]), (&json!(code), &json!(true)));
        // The order still waits, and is paid by another method.
        assert_eq!(anna.get(&format!("/orders/{id}")).json()["status"], "created");
        anna.post(&format!("/orders/{id}/pay"), &json!({"token": "tok_ok"})).is(201);
    }
    gate.shop.close();
}

#[test]
fn an_admin_cancels_what_is_not_created_yet_and_hears_what_else_may_be_asked() {
    let gate = open();
    let (anna, admin) = (gate.customer("anna"), gate.admin());
    rests(&gate);
    let id = id_of(&place(&anna, "k", &body("BOOK-DUNE", 1, "tok_ok")).is(202));
    let put = |path: &str, to: &str| {
        admin.send("PUT", path, &[("prefer", "wait=0")], json!({"status": to}).to_string().as_bytes())
    };
    let path = format!("/admin/orders/{id}/status");
    for to in ["paid", "refunded", "archived"] {
        let refused = put(&path, to).problem(409, "ORDER_INVALID_TRANSITION");
        assert_eq!(
            (&refused["order_status"], &refused["allowed"]),
            (&json!("submitted"), &json!(["cancelled"]))
        );
        assert!(refused["detail"].as_str().unwrap().contains("not created yet"), "{refused}");
    }
    let refund = ask(&admin, &format!("/admin/orders/{id}/refund"), &json!({}));
    let refund = refund.problem(409, "ORDER_NOT_REFUNDABLE");
    assert_eq!(refund["allowed"], json!(["cancel"]));
    assert!(refund["detail"].as_str().unwrap().contains("it can be cancelled"), "{refund}");
    put(&format!("/admin/orders/{}/status", crate::support::new_id()), "cancelled")
        .problem(404, "ORDER_NOT_FOUND");
    assert_eq!(put(&path, "cancelled").is(202).json()["status"], "submitted");
    order_role(&gate, "resume");
    let order = status(&anna, &id, "cancelled");
    assert_eq!(order["reason"], "cancelled_by_admin");
    let rejected = place_and_wait(&anna, "k2", &rejected()).problem(422, "ORDER_INVALID");
    let path = format!("/admin/orders/{}/status", rejected["order_id"].as_str().unwrap());
    let refused = put(&path, "cancelled").problem(409, "ORDER_INVALID_TRANSITION");
    assert_eq!((&refused["order_status"], &refused["allowed"]), (&json!("rejected"), &json!([])));
    gate.shop.close();
}

/// Its discount code is unknown, which only the order worker can tell.
fn rejected() -> Value {
    let mut order = body("BOOK-DUNE", 1, "tok_ok");
    order["discount_code"] = json!("NO-SUCH-CODE");
    order
}

#[test]
fn the_intent_of_an_order_that_is_not_created_yet_is_asked_for_again_in_a_moment() {
    let gate = open();
    let anna = gate.customer("anna");
    rests(&gate);
    let mut later = body("BOOK-DUNE", 1, "tok_ok");
    later["payment"]["confirm"] = json!("manual");
    let id = id_of(&place(&anna, "k", &later).is(202));
    let asked = ask(&anna, "/payment-intents", &json!({"order_id": id}));
    assert_eq!(asked.headers["retry-after"], "1");
    let refused = asked.problem(409, "ORDER_NOT_PAYABLE");
    assert_eq!((&refused["order_status"], &refused["allowed"]), (&json!("submitted"), &json!(["cancel"])));
    assert!(refused["detail"].as_str().unwrap().contains("ask again in a moment"), "{refused}");
    order_role(&gate, "resume");
    anna.post("/payment-intents", &json!({"order_id": id})).is(201);
    gate.shop.close();
}
