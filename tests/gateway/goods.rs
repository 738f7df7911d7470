//! What the back office sees of its products, and orders that it places for a customer.

use serde_json::{Value, json};

use super::GatewayTest;
use super::orders::{body, id_of, place_and_wait, status};
use crate::support::http_client::HttpClient;
use crate::support::until;

#[test]
fn goods_are_shown_one_by_one_and_page_by_page() {
    let gate = GatewayTest::open();
    let admin = gate.admin();
    let put = |path: &str, body: &Value| admin.send("PUT", path, &[], body.to_string().as_bytes()).is(200);
    let emma =
        json!({"title": "Emma", "author": "Jane Austen", "price": {"amount": "7.50", "currency": "EUR"}});
    put("/admin/products/EMMA", &emma);
    admin.get("/admin/stock/EMMA").problem(404, "STOCK_NOT_FOUND");
    put("/admin/products/EMMA", &json!({"title": "Emma", "price": emma["price"], "on_hand": 3}));
    put("/admin/discounts/HALF", &json!({"percent": "50"}));
    let shown = admin.get("/admin/products/EMMA").is(200).json();
    assert_eq!(
        shown,
        json!({"sku": "EMMA", "title": "Emma", "price": {"amount": "7.50", "currency": "EUR"}, "retired": false})
    );
    let stock = admin.get("/admin/stock/EMMA").is(200).json();
    assert_eq!(stock, json!({"sku": "EMMA", "on_hand": 3, "reserved": 0, "free": 3, "received": 3}));
    let half = admin.get("/admin/discounts/HALF").is(200).json();
    assert_eq!(half, json!({"code": "HALF", "percent": "50", "active": true}));
    admin.send("DELETE", "/admin/products/EMMA", &[], b"").is(200);
    assert_eq!(admin.get("/admin/products/EMMA").json()["retired"], true);
    admin.get("/admin/products/NO-SUCH").problem(404, "PRODUCT_NOT_FOUND");
    admin.get("/admin/discounts/NO-SUCH").problem(404, "DISCOUNT_NOT_FOUND");
    for (path, name, one) in [
        ("/admin/products", "sku", "EMMA"),
        ("/admin/stock", "sku", "EMMA"),
        ("/admin/discounts", "code", "HALF"),
    ] {
        let ids = pages(&admin, path, name);
        let mut sorted = ids.clone();
        sorted.sort();
        sorted.dedup();
        assert!(ids.contains(&one.to_string()) && ids == sorted, "{path}: {ids:?}");
        for odd in ["x", "0", "00", "%C3%BC"] {
            admin.get(&format!("{path}?cursor={odd}")).problem(400, "CURSOR_INVALID");
        }
    }
    gate.shop.close();
}

/// All ids, from pages of two.
fn pages(web: &HttpClient, path: &str, name: &str) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = web.get(&format!("{path}?limit=2{cursor}")).is(200).json();
        let items = page["items"].as_array().unwrap().iter();
        ids.extend(items.map(|item| item[name].as_str().unwrap().to_string()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

#[test]
fn the_stock_of_what_was_never_counted_is_not_adjusted() {
    let gate = GatewayTest::open();
    let admin = gate.admin();
    let found = json!({"delta": 2, "reason": "behind the shelf"});
    admin.post("/admin/stock/NO-SUCH/adjust", &found).problem(422, "PRODUCT_UNKNOWN");
    admin.get("/admin/stock/NO-SUCH").problem(404, "STOCK_NOT_FOUND");
    until("the catalogue", || (admin.get("/admin/stock/BOOK-DUNE").status == 200).then_some(()));
    let many = json!({"delta": 2_000_000_000, "reason": "a typing error"});
    admin.post("/admin/stock/BOOK-DUNE/adjust", &many).problem(422, "STOCK_TOO_LARGE");
    let few = json!({"delta": -2_000_000, "reason": "a typing error"});
    admin.post("/admin/stock/BOOK-DUNE/adjust", &few).problem(422, "STOCK_BELOW_ZERO");
    gate.shop.close();
}

#[test]
fn an_order_is_placed_for_a_customer_and_the_trail_says_by_whom() {
    let gate = GatewayTest::open();
    let (admin, berta, carla) = (gate.admin(), gate.customer("berta"), gate.customer("carla"));
    let mut wanted = body("BOOK-DUNE", 1, "tok_ok");
    wanted["customer_id"] = json!("berta");
    let placed = place_and_wait(&admin, "k", &wanted).is(201);
    assert_eq!(placed.json()["customer_id"], "berta");
    let id = id_of(&placed);
    assert_eq!(id_of(&place_and_wait(&admin, "k", &wanted).is(201)), id, "sent again it is the same order");
    let trail = |web: &HttpClient| status(web, &id, "fulfilled")["audit"][0].clone();
    let (for_admins, for_berta) = (trail(&admin), trail(&berta));
    assert_eq!((&for_admins["by"], &for_admins["who"]), (&json!("admin"), &json!("anna")));
    assert_eq!(
        (&for_berta["by"], &for_berta["who"]),
        (&json!("admin"), &Value::Null),
        "the admin's name is internal to the shop"
    );
    carla.get(&format!("/orders/{id}")).problem(404, "ORDER_NOT_FOUND");

    // A customer's token decides whose order it is, whatever the body says.
    wanted["placed_by"] = json!("mallory");
    let own = place_and_wait(&carla, "k", &wanted).is(201).json();
    assert_eq!((&own["customer_id"], &own["audit"][0]["by"]), (&json!("carla"), &json!("customer")));
    let cart = json!({"quantity": 1}).to_string();
    berta.send("PUT", "/cart/items/PEN-BLUE", &[], cart.as_bytes()).is(200);
    let theirs =
        json!({"customer_id": "berta", "payment": {"method": "card", "token": "tok_ok"}}).to_string();
    let headers = [("idempotency-key", "cart"), ("prefer", "wait=30")];
    let from_cart = admin.send("POST", "/orders/checkout", &headers, theirs.as_bytes()).is(201).json();
    assert_eq!(
        (&from_cart["customer_id"], &from_cart["items"][0]["sku"]),
        (&json!("berta"), &json!("PEN-BLUE"))
    );
    gate.shop.close();
}

#[test]
fn what_a_customer_was_told_can_be_read_word_for_word() {
    let gate = GatewayTest::open();
    let (admin, anna) = (gate.admin(), gate.customer("anna"));
    let mut wanted = body("BOOK-DUNE", 1, "tok_ok");
    wanted["contact"] = json!({"email": "anna.reader@example.org", "phone": "+49301234567"});
    let id = id_of(&place_and_wait(&anna, "k", &wanted).is(201));
    status(&anna, &id, "fulfilled");
    let page = || admin.get(&format!("/dashboard/orders/{id}")).is(200).text;
    until("the last notice", || page().contains("has been handed over for delivery").then_some(()));
    let by_command = gate.shop.run(&["order", "show", &id, "--notices"]).ok();
    for shown in [page(), by_command] {
        for words in [
            "email to a***@example.org",
            "Your payment has arrived",
            "Your order over 12.99 EUR has been handed over for delivery. We hope you enjoy it.",
            "over 12.99 EUR has left our warehouse.",
        ] {
            assert!(shown.contains(words), "{words} is missing\n{shown}");
        }
        assert!(!shown.contains("anna.reader") && !shown.contains("1234567"), "{shown}");
    }
    assert!(!gate.shop.run(&["order", "show", &id]).ok().contains("Your payment has arrived"));
    gate.shop.close();
}
