//! Admins see every order and change its status by the table; customers and strangers are refused.

use serde_json::{Value, json};
use store::Journal;
use store::Store as _;

use super::GatewayTest;
use super::orders::{body, id_of, on_delivery, place, place_and_wait, status};
use crate::support::http_client::HttpClient;
use crate::support::{new_id, until};

fn put(web: &HttpClient, path: &str, body: &Value) -> crate::support::http_client::Answer {
    web.send("PUT", path, &[], body.to_string().as_bytes())
}

#[test]
fn every_admin_route_is_closed_to_strangers_and_customers() {
    let gate = GatewayTest::open();
    let document = gateway::openapi_document();
    let mut closed = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            let path = path.replace("{id}", &new_id()).replace("{sku}", "X").replace("{code}", "X");
            if path.starts_with("/admin") {
                gate.stranger().send(&method, &path, &[], b"{}").problem(401, "UNAUTHORIZED");
                gate.customer("anna").send(&method, &path, &[], b"{}").problem(403, "FORBIDDEN");
                closed += 1;
            }
        }
    }
    assert!(closed >= 15, "{closed}");
    gate.shop.close();
}

#[test]
fn an_admin_lets_in_what_an_admin_may_say_and_the_journal_knows_the_name() {
    let gate = GatewayTest::open();
    let admin = gate.admin();
    let submit = |name: &str, body: Value| {
        admin.post("/admin/messages", &json!({"type": name, "message_id": name, "body": body}))
    };
    let captured = json!({
        "order_id": new_id(), "at": "2026-11-20T10:00:00Z", "transaction_id": "ch_1",
        "amount": {"amount": "1.00", "currency": "EUR"},
    });
    submit("payment.captured", captured).problem(403, "not_allowed");
    submit("order.mark_paid", json!({"order_id": new_id(), "transaction_id": "ch_1"}))
        .problem(403, "not_allowed");
    submit("saga.cancel", json!({})).problem(403, "not_allowed");
    let adjust = json!({"sku": "BOOK-DUNE", "delta": 1, "reason": "found", "who": "root"});
    submit("stock.adjust", adjust).is(202);
    let outcome = || {
        let rows =
            crate::support::block_on(async { gate.shop.folder.store().await.journal_page(0, 10_000).await });
        let rows = rows.unwrap().into_iter().map(|(_, row)| row.unwrap());
        rows.filter(|row| row.id.as_str() == "stock.adjust").map(|row| row.outcome).next()
    };
    assert_eq!(until("a journal row", outcome), "accepted from admin anna");
    gate.shop.close();
}

#[test]
fn an_id_of_our_own_form_is_taken_by_no_way_in() {
    let gate = GatewayTest::open();
    let (ours, admin) = ("0195d2a4-0000-8000-8000-000000000001", gate.admin());
    let adjust = json!({"sku": "BOOK-DUNE", "delta": 1, "reason": "found"});
    let message = json!({"type": "stock.adjust", "message_id": ours, "body": adjust});
    for path in ["/admin/messages", "/admin/preview"] {
        let refused = admin.post(path, &message).problem(422, "message_id_invalid");
        assert!(refused["detail"].as_str().unwrap().contains("UUID of version 8"), "{refused}");
    }
    // An order's id may have this form; the message that places it has another id.
    let mut named = body("BOOK-DUNE", 1, "tok_ok");
    named["order_id"] = json!(ours);
    let placed = gate.customer("anna").post("/orders", &named);
    assert_eq!(placed.is(202).json()["order_id"], ours);
    status(&gate.customer("anna"), ours, "fulfilled");
    let known = || async {
        let ids = [contract::MessageId::new(ours).unwrap()];
        let mut transaction = gate.shop.folder.store().await.begin().await.unwrap();
        let mut handled = Vec::new();
        for role in [contract::Role::Gateway, contract::Role::Order, contract::Role::Stock] {
            handled.extend(transaction.handled(role, &ids).await.unwrap().1);
        }
        handled
    };
    let known = crate::support::block_on(known());
    assert!(known.is_empty(), "{known:?}");
    gate.shop.close();
}

#[test]
fn the_catalogue_the_stock_and_the_discounts_are_as_they_were_put_when_the_answer_comes() {
    let gate = GatewayTest::open();
    let (admin, anna) = (gate.admin(), gate.customer("anna"));
    let product = json!({"title": "Emma", "price": {"amount": "7.50", "currency": "EUR"}, "on_hand": 2});
    assert_eq!(put(&admin, "/admin/products/EMMA", &product).is(200).json()["title"], "Emma");
    place_and_wait(&anna, "k1", &body("EMMA", 2, "tok_ok")).is(201);
    place_and_wait(&anna, "k2", &body("EMMA", 1, "tok_ok")).problem(409, "ORDER_INSUFFICIENT_STOCK");
    let found = admin.post("/admin/stock/EMMA/adjust", &json!({"delta": 5, "reason": "behind the shelf"}));
    assert!(found.is(200).json()["on_hand"].as_i64().unwrap() >= 5);
    let discount = json!({"percent": "50"});
    assert_eq!(put(&admin, "/admin/discounts/HALF", &discount).is(200).json()["code"], "HALF");
    let mut cheaper = body("EMMA", 1, "tok_ok");
    cheaper["discount_code"] = json!("HALF");
    let order = place_and_wait(&anna, "k3", &cheaper).is(201).json();
    assert_eq!(order["total"], json!({"amount": "3.75", "currency": "EUR"}));

    let negative = json!({"title": "Emma", "price": {"amount": "-1", "currency": "EUR"}});
    put(&admin, "/admin/products/EMMA", &negative).problem(422, "PRODUCT_INVALID");
    let float = json!({"title": "Emma", "price": {"amount": 7.5, "currency": "EUR"}});
    put(&admin, "/admin/products/EMMA", &float).problem(422, "BODY_INVALID");
    put(&admin, "/admin/products/a%20b", &product).problem(400, "PATH_INVALID");
    let silent = json!({"delta": 1, "reason": ""});
    admin.post("/admin/stock/EMMA/adjust", &silent).problem(422, "REASON_INVALID");
    put(&admin, "/admin/discounts/HALF", &json!({})).problem(422, "DISCOUNT_INVALID");
    let letters = admin.get("/admin/dead-letters").is(200).json();
    assert_eq!(letters["items"], json!([]), "a mistake that its sender was told of leaves no dead letter");
    gate.shop.close();
}

#[test]
fn an_admin_sees_all_customers_orders_and_moves_them_along_the_table() {
    let gate = GatewayTest::open();
    let (admin, anna, ben) = (gate.admin(), gate.customer("anna"), gate.customer("ben"));
    let waits = id_of(&place(&anna, "k", &body("BOOK-DUNE", 1, "tok_never_answers")).is(202));
    status(&anna, &waits, "created");
    let done = id_of(&place_and_wait(&ben, "k", &body("BOOK-DUNE", 2, "tok_ok")).is(201));
    status(&ben, &done, "fulfilled");
    let cash = id_of(&place_and_wait(&ben, "cash", &on_delivery("BOOK-DUNE")).is(201));
    let all = admin.get("/admin/orders").is(200).json();
    let ids: Vec<_> =
        all["items"].as_array().unwrap().iter().map(|order| order["order_id"].clone()).collect();
    assert_eq!(ids, [json!(cash), json!(done), json!(waits)]);
    let page = admin.get("/admin/orders?limit=2&customer_id=ben&status=fulfilled").is(200).json();
    assert_eq!((page["items"][0]["order_id"].as_str(), &page["next"]), (Some(done.as_str()), &Value::Null));
    let first = admin.get("/admin/orders?limit=1").is(200).json();
    let rest = admin.get(&format!("/admin/orders?cursor={}", first["next"].as_str().unwrap())).is(200).json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 2);

    let set = |id: &str, to: &str| put(&admin, &format!("/admin/orders/{id}/status"), &json!({"status": to}));
    let no = set(&waits, "fulfilled").problem(409, "ORDER_INVALID_TRANSITION");
    assert_eq!((no["order_status"].as_str(), &no["allowed"]), (Some("created"), &json!(["cancelled"])));
    set(&waits, "paid").problem(409, "ORDER_INVALID_TRANSITION");
    let cancelled = set(&waits, "cancelled").is(200).json();
    assert_eq!(cancelled["reason"], "cancelled_by_admin");
    assert_eq!(set(&waits, "archived").is(200).json()["status"], "archived");
    set(&waits, "created").problem(409, "ORDER_INVALID_TRANSITION");
    set(&cash, "paid").is(200);
    set(&new_id(), "cancelled").problem(404, "ORDER_NOT_FOUND");
    set(&done, "lost").problem(422, "BODY_INVALID");

    let refund = |body: &Value| admin.post(&format!("/admin/orders/{done}/refund"), body);
    let one =
        refund(&json!({"items": [{"sku": "BOOK-DUNE", "quantity": 1}], "reason": "torn"})).is(200).json();
    assert_eq!(
        (one["status"].as_str(), &one["payment"]["refunded"]["amount"]),
        (Some("fulfilled"), &json!("12.99"))
    );
    let three = json!({"items": [{"sku": "BOOK-DUNE", "quantity": 3}]});
    let too_many = refund(&three).problem(409, "ORDER_NOT_REFUNDABLE");
    assert_eq!(too_many["errors"][0]["field"], "items[0].quantity");
    assert_eq!(set(&done, "refunded").is(200).json()["payment"]["refunded"]["amount"], "25.98");
    refund(&json!({})).problem(409, "ORDER_NOT_REFUNDABLE");
    gate.shop.close();
}

#[test]
fn a_saga_that_waits_is_shown_with_what_can_be_done_and_resolved_with_evidence() {
    let gate = GatewayTest::open();
    let (admin, anna) = (gate.admin(), gate.customer("anna"));
    let id = id_of(&place_and_wait(&anna, "k", &body("BOOK-DUNE", 1, "tok_refund_fails")).is(201));
    status(&anna, &id, "fulfilled");
    let wait = [("prefer", "wait=0")];
    admin.send("POST", &format!("/admin/orders/{id}/refund"), &wait, b"{}").is(202);
    let waiting = until("a saga that waits", || {
        let page = admin.get("/admin/sagas?status=needs_attention").is(200).json();
        page["items"].as_array()?.first().cloned()
    });
    assert_eq!((&waiting["order_id"], &waiting["return_no"]), (&json!(id), &json!(1)));
    let path = format!("/admin/sagas/{id}");
    let shown = admin.get(&format!("{path}?return=1")).is(200).json();
    assert!(shown["attention"]["actions"].as_array().unwrap().contains(&json!("resolve done")), "{shown}");
    assert!(!admin.get(&path).is(200).text.contains("tok_"), "the token is for the provider alone");
    let resolve = |body: &Value| admin.post(&format!("{path}/resolve"), body);
    resolve(&json!({"return": 1, "outcome": "done", "evidence": ""})).problem(422, "BODY_INVALID");
    resolve(&json!({"outcome": "done", "evidence": "transfer 77"})).problem(409, "NOT_POSSIBLE");
    let resolved =
        resolve(&json!({"return": 1, "outcome": "done", "evidence": "transfer 77"})).is(200).json();
    assert_eq!(resolved["interventions"][0]["by"], "anna");
    admin.post(&format!("/admin/sagas/{}/retry", new_id()), &json!({})).problem(404, "SAGA_NOT_FOUND");
    status(&anna, &id, "refunded");
    gate.shop.close();
}

#[test]
fn a_dead_letter_is_found_shown_and_given_up() {
    let gate = GatewayTest::open();
    let admin = gate.admin();
    let message = json!({"type": "product.upsert", "message_id": "odd", "body": {
        "sku": "X", "title": "", "price": {"amount": "1", "currency": "EUR"},
    }});
    admin.post("/admin/messages", &message).is(202);
    let letter = until("a dead letter", || {
        admin.get("/admin/dead-letters").is(200).json()["items"].as_array()?.first().cloned()
    });
    let path = format!("/admin/dead-letters/{}", letter["id"].as_str().unwrap());
    assert_eq!(admin.get(&path).is(200).json()["code"], "product_invalid");
    admin.post(&format!("{path}/discard"), &json!({"why": "a test"})).is(204);
    admin.post(&format!("{path}/discard"), &json!({"why": "a test"})).problem(409, "NOT_POSSIBLE");
    assert_eq!(admin.get(&path).is(200).json()["status"], "discarded");
    assert_eq!(admin.get("/admin/dead-letters").json()["items"], json!([]));
    assert_eq!(
        admin.get("/admin/dead-letters?status=discarded").json()["items"].as_array().unwrap().len(),
        1
    );
    admin.get("/admin/dead-letters/nothing").problem(404, "DEAD_LETTER_NOT_FOUND");
    gate.shop.close();
}
