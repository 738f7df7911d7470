//! A refusal says in plain words where the fault is and what would be right, and unknown fields are not ignored.

use serde_json::{Value, json};

use super::GatewayTest;
use super::orders::{body, id_of, place, place_and_wait};
use crate::support::http_client::HttpClient;
use crate::support::until;

#[test]
fn what_does_not_fit_is_named_by_its_field_and_in_plain_words() {
    let gate = GatewayTest::open();
    let (anna, admin) = (gate.customer("anna"), gate.admin());
    let id = id_of(&place(&anna, "k", &body("BOOK-DUNE", 1, "tok_ok")).is(202));
    let status = format!("/admin/orders/{id}/status");
    let put = |web: &HttpClient, path: &str, text: &str| {
        let answer = web.send("PUT", path, &[], text.as_bytes());
        let problem: Value = answer.json();
        format!("{} {}", problem["code"].as_str().unwrap(), problem["detail"].as_str().unwrap())
    };
    for (path, text, says) in [
        (
            "/cart/items/BOOK-DUNE",
            r#"{"quantity":"x"}"#,
            "BODY_INVALID quantity must be a whole number, 0 or more",
        ),
        ("/cart/items/BOOK-DUNE", "{}", "BODY_INVALID quantity is missing"),
        (
            "/cart/items/BOOK-DUNE",
            r#"{"quantity":"#,
            "BODY_MALFORMED the body is not JSON: it ends before it is whole",
        ),
        (
            "/cart/items/BOOK-DUNE",
            "{quantity:1}",
            "BODY_MALFORMED the body is not JSON: look at line 1, column 2",
        ),
        (
            "/cart",
            r#"{"items":[{"sku":"PEN-BLUE","quantity":1},{"sku":"PEN-BLUE","quantity":1.5}]}"#,
            "BODY_INVALID items[1].quantity must be a whole number, 0 or more",
        ),
        ("/cart", r#"{"items":{}}"#, "BODY_INVALID items must be a list"),
    ] {
        assert_eq!(put(&anna, path, text), says, "{path} {text}");
    }
    assert_eq!(put(&admin, &status, r#"{"status":null}"#), "BODY_INVALID status must be a string");
    let unknown = put(&admin, &status, r#"{"status":"lost"}"#);
    assert!(unknown.starts_with("BODY_INVALID status must be one of created, paid,"), "{unknown}");
    let message = |text: &str| admin.send("POST", "/admin/messages", &[], text.as_bytes());
    let fits_not =
        message(r#"{"type":"stock.adjust","message_id":"m","body":{"sku":"A","delta":"x","reason":"y"}}"#);
    let fits_not = fits_not.problem(422, "body_invalid")["detail"].as_str().unwrap().to_string();
    assert_eq!(fits_not, "the body of stock.adjust does not fit: must be a whole number");
    let no_message = message(r#"{"type":7}"#).problem(400, "ENVELOPE_INVALID");
    assert_eq!(no_message["detail"], "type must be a string");
    let limit = anna.get("/orders?limit=x").problem(400, "QUERY_INVALID");
    assert_eq!(limit["detail"], "limit must be a whole number");
    gate.shop.close();
}

#[test]
fn a_list_is_no_body_of_any_route() {
    let gate = GatewayTest::open();
    let (anna, admin) = (gate.customer("anna"), gate.admin());
    let id = id_of(&place(&anna, "k", &waits_to_be_paid()).is(202));
    super::orders::status(&anna, &id, "created");
    let stored =
        admin.post("/payment-methods", &json!({"method": "paypal", "token": "tok_ok"})).is(201).json();
    let stored = stored["id"].as_str().unwrap();
    let document = gateway::openapi_document();
    let mut tried = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, route) in methods.as_object().unwrap() {
            if route["requestBody"]["content"].get("application/json").is_none() || path.contains("webhooks")
            {
                continue;
            }
            let id = if path.starts_with("/payment-methods/") { stored } else { &id };
            let path = path.replace("{id}", id).replace("{sku}", "BOOK-DUNE").replace("{role}", "email");
            let path = path.replace("{code}", "X");
            let refused = admin.send(&method.to_uppercase(), &path, &[("idempotency-key", "k2")], b" []");
            assert!([400, 422].contains(&refused.status), "{method} {path}: {refused:?}");
            let detail = refused.json()["detail"].as_str().unwrap().to_string();
            assert!(detail.contains("must be a") && detail.contains("object"), "{method} {path}: {detail}");
            tried += 1;
        }
    }
    assert!(tried >= 20, "{tried}");
    // Every field of this body is optional, so an empty list could be read as all of it.
    anna.send("POST", &format!("/orders/{id}/cancel"), &[], b"[]").problem(422, "BODY_INVALID");
    anna.send("POST", &format!("/orders/{id}/cancel"), &[], br#"["too dear"]"#).problem(422, "BODY_INVALID");
    let nested =
        anna.send("PUT", "/cart", &[], br#"{"items":[["BOOK-DUNE",2]]}"#).problem(422, "BODY_INVALID");
    assert_eq!(nested["detail"], "items[0] must be an object");
    assert_eq!(anna.get(&format!("/orders/{id}")).is(200).json()["status"], "created");
    assert_eq!(anna.get("/cart").is(200).json()["items"], json!([]));
    gate.shop.close();
}

/// An order that waits for its customer, whatever else happens.
fn waits_to_be_paid() -> Value {
    let mut order = body("BOOK-DUNE", 1, "tok_ok");
    order["payment"]["confirm"] = json!("manual");
    order
}

#[test]
fn a_query_parameter_that_is_not_known_is_refused() {
    let gate = GatewayTest::open();
    let admin = gate.admin();
    let document = gateway::openapi_document();
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let open = methods["get"]["security"].as_array().is_none_or(Vec::is_empty);
        if methods.get("get").is_some() && !open {
            let path = path.replace("{id}", "x").replace("{sku}", "X").replace("{code}", "X");
            let refused = admin.get(&format!("{path}?limits=1")).problem(400, "QUERY_INVALID");
            assert!(refused["detail"].as_str().unwrap().contains("\"limits\""), "{refused}");
            asked += 1;
        }
    }
    assert!(asked >= 15, "{asked}");
    let known = admin.get("/orders?limits=1").problem(400, "QUERY_INVALID");
    assert!(known["detail"].as_str().unwrap().contains("limit"), "{known}");
    admin.get("/orders?limit=1&limit=2").problem(400, "QUERY_INVALID");
    admin.get("/health?now=1").is(200);
    gate.shop.close();
}

#[test]
fn a_filter_that_nothing_can_fit_is_refused_with_the_values_there_are() {
    let gate = GatewayTest::open();
    let admin = gate.admin();
    for (path, there_are) in [
        ("/admin/orders?step=nosuch", "take_payment"),
        ("/admin/orders?status=nosuch", "fulfilled"),
        ("/admin/sagas?step=nosuch", "hold_stock"),
        ("/admin/sagas?status=nosuch", "needs_attention"),
        ("/admin/dead-letters?code=nosuch", "body_malformed"),
        ("/admin/dead-letters?queue=nosuch", "unrouted"),
        ("/admin/dead-letters?status=nosuch", "replayed"),
        ("/admin/dead-letters?origin=nosuch", "stranger"),
    ] {
        let refused = admin.get(path).problem(400, "QUERY_INVALID");
        assert!(refused["detail"].as_str().unwrap().contains(there_are), "{path}: {refused}");
        let fits = path.replace("nosuch", there_are);
        assert_eq!(admin.get(&fits).is(200).json()["items"], json!([]), "{fits}");
    }
    for (deed, field) in [("replay", "code"), ("discard", "queue")] {
        let group = json!({field: "nosuch", "why": "a test"});
        let refused = admin.post(&format!("/admin/dead-letters/{deed}"), &group).problem(422, "BODY_INVALID");
        assert!(refused["detail"].as_str().unwrap().starts_with(field), "{refused}");
    }
    gate.shop.close();
}

#[test]
fn an_admins_words_that_cannot_be_shown_are_refused_wherever_they_would_stay() {
    let gate = GatewayTest::open();
    let admin = gate.admin();
    let id = crate::support::new_id();
    let escape = "red \u{1b}[31m";
    for (method, path, body) in [
        ("PUT", format!("/admin/orders/{id}/status"), json!({"status": "cancelled", "reason": escape})),
        ("POST", format!("/admin/dead-letters/{id}/replay"), json!({"why": escape})),
        ("POST", format!("/admin/dead-letters/{id}/discard"), json!({"by": escape})),
        ("POST", "/admin/roles/email/pause".to_string(), json!({"why": escape})),
    ] {
        let refused =
            admin.send(method, &path, &[], body.to_string().as_bytes()).problem(422, "BODY_INVALID");
        assert!(
            refused["detail"].as_str().unwrap().contains("control character U+001B"),
            "{path}: {refused}"
        );
    }
    gate.shop.close();
}

#[test]
fn orders_are_found_by_what_they_cost() {
    let gate = GatewayTest::open();
    let (anna, admin) = (gate.customer("anna"), gate.admin());
    let one = id_of(&place_and_wait(&anna, "k1", &body("BOOK-DUNE", 1, "tok_ok")).is(201));
    let two = id_of(&place_and_wait(&anna, "k2", &body("BOOK-DUNE", 2, "tok_ok")).is(201));
    let found = |web: &HttpClient, path: &str| -> Vec<String> {
        let page = web.get(path).is(200).json();
        let items = page["items"].as_array().unwrap().iter();
        items.map(|order| order["order_id"].as_str().unwrap().to_string()).collect()
    };
    for (web, path) in [(&anna, "/orders"), (&admin, "/admin/orders")] {
        let total = |query: &str| found(web, &format!("{path}?currency=EUR{query}"));
        assert_eq!(total(""), [two.clone(), one.clone()]);
        assert_eq!(total("&min_total=12.99&max_total=12.99"), std::slice::from_ref(&one));
        assert_eq!(total("&min_total=13"), std::slice::from_ref(&two));
        assert_eq!(total("&max_total=12.98"), [""; 0]);
        assert_eq!(found(web, &format!("{path}?currency=USD")), [""; 0]);
        for odd in
            ["min_total=1", "currency=EURO", "currency=EUR&max_total=x", "currency=EUR&min_total=1.999"]
        {
            web.get(&format!("{path}?{odd}")).problem(400, "QUERY_INVALID");
        }
    }
    let under_way = found(&admin, "/admin/orders?status=created&currency=EUR&min_total=1000");
    assert_eq!(under_way, [""; 0]);
    gate.shop.close();
}

#[test]
fn an_unknown_and_a_retired_product_are_named_by_their_places() {
    let gate = GatewayTest::open();
    let (anna, admin) = (gate.customer("anna"), gate.admin());
    let product = json!({"title": "Emma", "price": {"amount": "7.50", "currency": "EUR"}, "on_hand": 9});
    admin.send("PUT", "/admin/products/EMMA", &[], product.to_string().as_bytes()).is(200);
    // The order worker knows it as a product that is sold.
    place_and_wait(&anna, "k1", &body("EMMA", 1, "tok_ok")).is(201);
    admin.send("DELETE", "/admin/products/EMMA", &[], b"").is(200);
    let mut wanted = body("BOOK-DUNE", 1, "tok_ok");
    wanted["items"] = json!([
        {"sku": "BOOK-DUNE", "quantity": 1}, {"sku": "NO-SUCH", "quantity": 1}, {"sku": "EMMA", "quantity": 1},
    ]);
    let fields = |problem: &Value| -> Vec<String> {
        let errors = problem["errors"].as_array().unwrap().iter();
        errors.map(|fault| fault["field"].as_str().unwrap().to_string()).collect()
    };
    let unknown = place_and_wait(&anna, "k2", &wanted).problem(422, "PRODUCT_UNKNOWN");
    assert_eq!(fields(&unknown), ["items[1].sku"]);
    wanted["items"].as_array_mut().unwrap().remove(1);
    let retired = place_and_wait(&anna, "k3", &wanted).problem(422, "PRODUCT_UNKNOWN");
    assert_eq!(fields(&retired), ["items[1].sku"]);
    let rejected = anna.get(&format!("/orders/{}", retired["order_id"].as_str().unwrap())).is(200).json();
    assert_eq!((&rejected["errors"], &rejected["code"]), (&retired["errors"], &json!("product_unknown")));
    gate.shop.close();
}

#[test]
fn a_list_shows_each_payments_status_and_that_its_money_went_back() {
    let gate = GatewayTest::open();
    let (anna, admin) = (gate.customer("anna"), gate.admin());
    let id = id_of(&place_and_wait(&anna, "k", &body("BOOK-DUNE", 1, "tok_ok")).is(201));
    super::orders::status(&anna, &id, "fulfilled");
    let listed =
        |web: &HttpClient, path: &str| web.get(path).is(200).json()["items"][0]["payment"]["status"].clone();
    assert_eq!(listed(&anna, "/orders"), "captured");
    assert_eq!(listed(&admin, "/admin/orders"), "captured");
    admin.post(&format!("/admin/orders/{id}/refund"), &json!({"reason": "torn"})).is(200);
    until("the money to be back", || (listed(&anna, "/orders") == "refunded").then_some(()));
    assert_eq!(listed(&admin, "/admin/orders"), "refunded");
    assert_eq!(anna.get(&format!("/orders/{id}")).json()["payment"]["status"], "refunded");
    assert_eq!(anna.get("/payments").is(200).json()["items"][0]["status"], "refunded");
    gate.shop.close();
}
