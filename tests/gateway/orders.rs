//! Customers place orders, see what became of them, and change their minds; no customer sees another's orders.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use super::GatewayTest;
use crate::support::http_client::{Answer, HttpClient};
use crate::support::{new_id, until};

pub(super) fn body(sku: &str, quantity: u32, token: &str) -> Value {
    json!({"items": [{"sku": sku, "quantity": quantity}], "payment": {"method": "card", "token": token}})
}

pub(super) fn on_delivery(sku: &str) -> Value {
    json!({"items": [{"sku": sku, "quantity": 1}], "payment": {"method": "cod"}})
}

pub(super) fn place(web: &HttpClient, key: &str, body: &Value) -> Answer {
    web.send("POST", "/orders", &[("idempotency-key", key)], body.to_string().as_bytes())
}

pub(super) fn place_and_wait(web: &HttpClient, key: &str, body: &Value) -> Answer {
    let headers = [("idempotency-key", key), ("prefer", "wait=30")];
    web.send("POST", "/orders", &headers, body.to_string().as_bytes())
}

pub(super) fn id_of(answer: &Answer) -> String {
    answer.json()["order_id"].as_str().unwrap().to_string()
}

#[track_caller]
pub(super) fn status(web: &HttpClient, id: &str, wanted: &str) -> Value {
    until(&format!("{id} to be {wanted}"), || {
        let order = web.get(&format!("/orders/{id}")).is(200).json();
        (order["status"] == wanted).then_some(order)
    })
}

#[test]
fn an_order_is_safe_at_once_and_its_outcome_can_be_waited_for() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    let placed = place(&anna, "k1", &body("BOOK-DUNE", 1, "tok_ok")).is(202);
    let id = id_of(&placed);
    assert_eq!(placed.headers["location"], format!("/orders/{id}"));
    assert_eq!(placed.json()["status"], "submitted");
    anna.get(&format!("/orders/{id}")).is(200);
    let order = status(&anna, &id, "fulfilled");
    assert_eq!(order["customer_id"], "anna");
    assert!(order.get("saga").is_none() && order["actions"] == json!([]), "{order}");
    let audit: Vec<_> =
        order["audit"].as_array().unwrap().iter().map(|entry| entry["to"].as_str().unwrap()).collect();
    assert_eq!(audit, ["created", "paid", "fulfilled"]);

    let waited = place_and_wait(&anna, "k2", &body("BOOK-DUNE", 2, "tok_ok")).is(201);
    assert!(["paid", "fulfilled"].contains(&waited.json()["status"].as_str().unwrap()), "{waited:?}");
    assert_eq!(waited.headers["location"], format!("/orders/{}", id_of(&waited)));
    let delivered = place_and_wait(&anna, "k3", &on_delivery("BOOK-DUNE")).is(201).json();
    assert_eq!((delivered["status"].as_str(), &delivered["actions"]), (Some("created"), &json!([])));
    let declined = place_and_wait(&anna, "k4", &body("BOOK-DUNE", 1, "tok_declined"));
    let declined = declined.problem(402, "ORDER_PAYMENT_FAILED");
    assert_eq!(
        (&declined["reason"], &declined["decline_code"]),
        (&json!("payment_declined"), &json!("card_declined"))
    );
    status(&anna, declined["order_id"].as_str().unwrap(), "cancelled");
    gate.shop.close();
}

#[test]
fn all_short_lines_are_listed_and_not_only_the_first() {
    let gate = GatewayTest::open();
    let admin = gate.admin();
    for (sku, title) in [("RARE-1", "One"), ("RARE-2", "Two")] {
        let product =
            json!({"sku": sku, "title": title, "price": {"amount": "5.00", "currency": "EUR"}, "on_hand": 1});
        let envelope = json!({"type": "product.upsert", "message_id": new_id(), "body": product});
        admin.post("/admin/messages", &envelope).is(202);
    }
    let anna = gate.customer("anna");
    let wanted = json!({
        "items": [{"sku": "RARE-1", "quantity": 2}, {"sku": "RARE-2", "quantity": 3}, {"sku": "BOOK-DUNE", "quantity": 1}],
        "payment": {"method": "card", "token": "tok_ok"},
    });
    let short = until("the new products", || {
        let answer = place_and_wait(&anna, "k", &wanted);
        (answer.status != 422).then_some(answer)
    });
    let short = short.problem(409, "ORDER_INSUFFICIENT_STOCK");
    assert_eq!(
        short["items"],
        json!([
            {"sku": "RARE-1", "title": "One", "requested": 2, "available": 1},
            {"sku": "RARE-2", "title": "Two", "requested": 3, "available": 1},
        ])
    );
    gate.shop.close();
}

#[test]
fn what_cannot_be_an_order_is_refused_with_every_fault_and_leaves_no_trace() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    let good = body("BOOK-DUNE", 1, "tok_ok");
    anna.post("/orders", &good).problem(400, "IDEMPOTENCY_KEY_REQUIRED");
    place(&anna, "with space", &good).problem(400, "IDEMPOTENCY_KEY_INVALID");
    place(&anna, &"x".repeat(256), &good).problem(400, "IDEMPOTENCY_KEY_INVALID");
    let nothing = json!({"items": [], "payment": {"method": "cod"}});
    place(&anna, "k", &nothing).problem(422, "ORDER_CART_EMPTY");
    place(&anna, "k", &body("NO-SUCH", 1, "tok_ok")).problem(422, "PRODUCT_UNKNOWN");
    place(&anna, "k", &json!([])).problem(422, "ORDER_INVALID");
    place(&anna, "k", &json!({"order_id": "x"})).problem(422, "ORDER_INVALID");
    let wrong = json!({"items": [{"sku": "a b", "quantity": 0}], "payment": {"method": "gold"}, "contact": {"email": "x"}});
    let problem = place(&anna, "k", &wrong).problem(422, "ORDER_INVALID");
    let fields: BTreeSet<_> =
        problem["errors"].as_array().unwrap().iter().map(|fault| fault["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["items[0].sku", "items[0].quantity", "payment.method", "contact.email"].into());
    anna.send("POST", "/orders", &[("idempotency-key", "k")], b"{").problem(400, "BODY_MALFORMED");
    let large = json!({"items": "x".repeat(64 << 10)});
    place(&anna, "k", &large).problem(413, "BODY_TOO_LARGE");
    gate.stranger().post("/orders", &good).problem(401, "UNAUTHORIZED");
    place(&anna, "k", &good).is(202);
    gate.shop.close();
}

#[test]
fn a_key_stands_for_one_request_of_one_customer() {
    let gate = GatewayTest::open();
    let (anna, ben) = (gate.customer("anna"), gate.customer("ben"));
    let good = body("BOOK-DUNE", 1, "tok_ok");
    let first = id_of(&place(&anna, "k", &good).is(202));
    let spaced = serde_json::to_string_pretty(&good).unwrap();
    let again = anna.send("POST", "/orders", &[("idempotency-key", "k")], spaced.as_bytes()).is(202);
    assert_eq!(id_of(&again), first);
    assert_eq!(id_of(&place_and_wait(&anna, "k", &good).is(201)), first);
    place(&anna, "k", &body("BOOK-DUNE", 2, "tok_ok")).problem(422, "IDEMPOTENCY_KEY_REUSED");
    assert_ne!(id_of(&place(&ben, "k", &good).is(202)), first);
    let mut named = good.clone();
    named["order_id"] = json!(new_id());
    let by_id = id_of(&anna.post("/orders", &named).is(202));
    assert_eq!(named["order_id"], by_id.as_str());
    anna.post("/orders", &named).is(202);
    status(&anna, &by_id, "fulfilled");
    ben.post("/orders", &named).problem(422, "ORDER_ID_REUSED");
    place(&ben, "another", &named).problem(422, "ORDER_ID_REUSED");
    place(&anna, "mine", &named).is(202);
    assert_eq!(anna.get("/orders").is(200).json()["items"].as_array().unwrap().len(), 2);
    gate.shop.close();
}

#[test]
fn a_key_that_has_a_time_lends_it_to_the_order() {
    let gate = GatewayTest::open();
    let (anna, ben) = (gate.customer("anna"), gate.customer("ben"));
    let (key, good) = ("01932b4a-1111-7222-8000-000000000001", body("BOOK-DUNE", 1, "tok_ok"));
    let first = id_of(&place(&anna, key, &good).is(202));
    assert!(first.starts_with("01932b4a-1111-"), "{first}");
    assert_eq!(id_of(&place_and_wait(&anna, key, &good).is(201)), first);
    place(&anna, key, &body("BOOK-DUNE", 2, "tok_ok")).problem(422, "IDEMPOTENCY_KEY_REUSED");
    assert_ne!(id_of(&place(&ben, key, &good).is(202)), first);
    let mut named = good;
    named["order_id"] = json!(first);
    place(&ben, "another", &named).problem(422, "ORDER_ID_REUSED");
    assert_eq!(anna.get("/orders").is(200).json()["items"].as_array().unwrap().len(), 1);
    gate.shop.close();
}

#[test]
fn the_same_request_sent_a_hundred_times_at_once_is_one_order() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    let ids: BTreeSet<String> = std::thread::scope(|scope| {
        let sent: Vec<_> = (0..100)
            .map(|_| scope.spawn(|| id_of(&place(&anna, "k", &body("BOOK-DUNE", 1, "tok_ok")).is(202))))
            .collect();
        sent.into_iter().map(|sent| sent.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 1);
    status(&anna, ids.first().unwrap(), "fulfilled");
    assert_eq!(anna.get("/orders").json()["items"].as_array().unwrap().len(), 1);
    gate.shop.close();
}

#[test]
fn an_order_of_another_customer_is_one_that_there_is_not() {
    let gate = GatewayTest::open();
    let (anna, ben) = (gate.customer("anna"), gate.customer("ben"));
    let id = id_of(&place_and_wait(&anna, "k", &on_delivery("BOOK-DUNE")).is(201));
    let nobodys = new_id();
    for id in [id.as_str(), &nobodys, "no-id"] {
        let answers = [
            ben.get(&format!("/orders/{id}")),
            ben.get(&format!("/orders/{id}/events")),
            ben.post(&format!("/orders/{id}/cancel"), &json!({})),
            ben.post(&format!("/orders/{id}/pay"), &json!({})),
        ];
        for answer in answers {
            answer.problem(404, "ORDER_NOT_FOUND");
        }
    }
    assert_eq!(ben.get("/orders?failed=true").json(), json!({"items": [], "next": null}));
    assert_eq!(gate.admin().get(&format!("/orders/{id}")).is(200).json()["customer_id"], "anna");
    gate.shop.close();
}

#[test]
fn a_history_is_read_page_by_page_newest_first_and_a_cursor_carries_no_rights() {
    let gate = GatewayTest::open();
    let (anna, ben) = (gate.customer("anna"), gate.customer("ben"));
    assert_eq!(anna.get("/orders").is(200).json(), json!({"items": [], "next": null}));
    let mut ids: Vec<String> = (0..5)
        .map(|n| id_of(&place_and_wait(&anna, &format!("k{n}"), &body("BOOK-DUNE", 1, "tok_ok")).is(201)))
        .collect();
    ids.reverse();
    let declined = place_and_wait(&anna, "d", &body("BOOK-DUNE", 1, "tok_declined"));
    let declined = declined.problem(402, "ORDER_PAYMENT_FAILED")["order_id"].as_str().unwrap().to_string();
    let (mut seen, mut path, mut cursor) = (Vec::new(), "/orders?limit=2".to_string(), None);
    loop {
        let page = anna.get(&path).is(200).json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|order| order["order_id"].clone()));
        assert!(page["items"].as_array().unwrap().iter().all(|order| order["items"][0]["title"] == "Dune"));
        let Some(next) = page["next"].as_str() else { break };
        cursor.get_or_insert(next.to_string());
        path = format!("/orders?limit=2&cursor={next}");
    }
    assert_eq!(seen, ids);
    let stolen = ben.get(&format!("/orders?cursor={}", cursor.unwrap())).is(200).json();
    assert_eq!(stolen, json!({"items": [], "next": null}));
    let list = |query: &str| anna.get(&format!("/orders?{query}")).is(200).json()["items"].clone();
    assert_eq!(list("status=cancelled")[0]["order_id"], declined.as_str());
    assert_eq!(list("failed=true&limit=1")[0]["order_id"], declined.as_str());
    assert_eq!(list("q=dUne").as_array().unwrap().len(), 5);
    assert_eq!(list("q=%25").as_array().unwrap().len(), 0);
    assert_eq!(list("from=2999-01-01T00:00:00Z").as_array().unwrap().len(), 0);
    assert_eq!(list("to=2999-01-01T00:00:00Z").as_array().unwrap().len(), 5);
    for odd in ["limit=0", "limit=101", "limit=x", "status=lost", "from=yesterday", "q=%00"] {
        anna.get(&format!("/orders?{odd}")).problem(400, "QUERY_INVALID");
    }
    for odd in ["x", "ü", "00000000000gffffffffffffffffffffffffffffffff"] {
        anna.get(&format!("/orders?cursor={}", odd.replace('ü', "%C3%BC"))).problem(400, "CURSOR_INVALID");
    }
    gate.shop.close();
}

#[test]
fn a_customer_cancels_until_it_is_shipped_and_no_order_is_paid_twice() {
    let gate = GatewayTest::open();
    let (anna, admin) = (gate.customer("anna"), gate.admin());
    let waits = id_of(&place(&anna, "k1", &body("BOOK-DUNE", 1, "tok_never_answers")).is(202));
    status(&anna, &waits, "created");
    let pay = anna.post(&format!("/orders/{waits}/pay"), &json!({})).problem(409, "ORDER_NOT_PAYABLE");
    assert_eq!((pay["order_status"].as_str(), &pay["allowed"]), (Some("created"), &json!(["cancel"])));
    let cancelled =
        anna.post(&format!("/orders/{waits}/cancel"), &json!({"reason": "changed my mind"})).is(200);
    assert_eq!(cancelled.json()["reason"], "cancelled_by_customer");
    anna.send("POST", &format!("/orders/{waits}/cancel"), &[], b"").problem(409, "ORDER_NOT_CANCELLABLE");
    anna.post(&format!("/orders/{waits}/pay"), &json!({})).problem(409, "ORDER_NOT_PAYABLE");

    let shipped = id_of(&place_and_wait(&anna, "k2", &body("BOOK-DUNE", 1, "tok_ok")).is(201));
    status(&anna, &shipped, "fulfilled");
    let late = anna.post(&format!("/orders/{shipped}/cancel"), &json!({}));
    let late = late.problem(409, "ORDER_NOT_CANCELLABLE");
    assert_eq!((late["order_status"].as_str(), &late["allowed"]), (Some("fulfilled"), &json!([])));

    let cash = id_of(&place_and_wait(&anna, "k3", &on_delivery("BOOK-DUNE")).is(201));
    let refused =
        anna.post(&format!("/orders/{cash}/cancel"), &json!({})).problem(409, "ORDER_NOT_CANCELLABLE");
    assert_eq!(refused["reason"], "already_shipping", "the parcel is on the road");
    anna.post(&format!("/orders/{cash}/pay"), &json!({})).problem(403, "FORBIDDEN");
    let receipt = json!({"transaction_id": "receipt 7"});
    let key = [("idempotency-key", "paid")];
    let paid = admin.send("POST", &format!("/orders/{cash}/pay"), &key, receipt.to_string().as_bytes());
    assert_eq!(paid.is(201).json()["payment"]["receipt"], "receipt 7");
    admin.post(&format!("/orders/{cash}/pay"), &receipt).problem(409, "ORDER_NOT_PAYABLE");
    gate.shop.close();
}

/// The events of a stream: their number, name and data.
fn events(web: &HttpClient, path: &str, last: Option<&str>) -> Vec<(String, String, Value)> {
    let last: Vec<_> = last.map(|last| ("last-event-id", last)).into_iter().collect();
    let stream = BufReader::new(web.begin("GET", path, &last, b"").unwrap());
    let (mut seen, mut id, mut name) = (Vec::new(), String::new(), String::new());
    for line in stream.lines().map_while(Result::ok) {
        match line.split_once(": ") {
            Some(("id", text)) => id = text.into(),
            Some(("event", text)) => name = text.into(),
            Some(("data", text)) => {
                seen.push((id.clone(), name.clone(), serde_json::from_str(text).unwrap()));
            }
            _ => {}
        }
    }
    seen
}

#[test]
fn an_order_is_watched_until_it_is_final_and_a_reader_who_was_cut_off_goes_on() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    let id = id_of(&place(&anna, "k", &body("BOOK-DUNE", 1, "tok_ok")).is(202));
    let path = format!("/orders/{id}/events");
    let seen = events(&anna, &path, None);
    let told: Vec<_> =
        seen.iter().map(|(id, name, data)| (id.as_str(), name.as_str(), data["to"].as_str())).collect();
    assert_eq!(
        told,
        [
            ("1", "status", Some("created")),
            ("2", "status", Some("paid")),
            ("3", "status", Some("fulfilled")),
            ("3", "end", None),
        ]
    );
    assert!(seen.iter().all(|(_, _, data)| data["order_id"] == id.as_str()));
    let rest = events(&anna, &path, Some("2"));
    assert_eq!(rest.len(), 2, "{rest:?}");
    anna.send("GET", &path, &[("last-event-id", "3")], b"").is(204);
    gate.shop.close();
}
