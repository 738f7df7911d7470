//! Secrets are nowhere to be found: not in a log, not in the journal, not in a database.

use serde_json::{Value, json};

use super::GatewayTest;
use super::orders::{body, place, place_and_wait};
use crate::support::served::SECRET;

/// A valid card number by the Luhn check, which belongs to no customer.
const CARD: &str = "4242424242424242";

/// The files below the folder that hold this text, in any case.
fn holding(gate: &GatewayTest, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(gate.shop.folder.path("")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        if bytes.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes())) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn a_card_number_is_refused_wherever_it_stands_and_is_kept_nowhere() {
    let gate = GatewayTest::open_with(&["--log=debug"]);
    let (anna, admin) = (gate.customer("anna"), gate.admin());
    let with = |pointer: &str, value: Value| {
        let mut order = body("BOOK-DUNE", 1, "tok_ok");
        order["contact"] = json!({"email": "anna@example.org", "phone": "+4917012345678"});
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        order.pointer_mut(parent).unwrap()[name] = value;
        order
    };
    for (pointer, value) in [
        ("/payment/token", json!(CARD)),
        ("/payment/token", json!(format!("tok_{CARD}"))),
        ("/payment/number", json!("4242 4242 4242 4242")),
        ("/payment/number", json!(CARD.parse::<u64>().unwrap())),
        ("/contact/email", json!(format!("{CARD}@example.org"))),
        ("/note", json!([{"deep": {"inside": format!("my card is {CARD} 12/30 123")}}])),
        (&format!("/{CARD}"), json!(1)),
        ("/discount_code", json!("4242-4242-4242-4242")),
    ] {
        place(&anna, "k", &with(pointer, value)).problem(422, "CARD_NUMBER_REFUSED");
    }
    let escaped = r#"{"note": "\u0034242424242424242"}"#;
    anna.send("POST", "/orders", &[("idempotency-key", "k")], escaped.as_bytes())
        .problem(422, "CARD_NUMBER_REFUSED");
    let product = json!({"title": CARD, "price": {"amount": "1", "currency": "EUR"}});
    admin
        .send("PUT", "/admin/products/X", &[], product.to_string().as_bytes())
        .problem(422, "CARD_NUMBER_REFUSED");
    let message = json!({"type": "checkout.submit", "message_id": "m", "body": with("/note", json!(CARD))});
    admin.post("/admin/messages", &message).problem(422, "CARD_NUMBER_REFUSED");
    // Requests without a body are checked as well, and not logged either.
    anna.get(&format!("/orders/{CARD}")).problem(422, "CARD_NUMBER_REFUSED");
    anna.get(&format!("/orders?q={CARD}")).problem(422, "CARD_NUMBER_REFUSED");
    gate.stranger().send("GET", "/health", &[("x-request-id", CARD)], b"").is(200);
    gate.stranger().get(&format!("/{CARD}")).problem(404, "NOT_FOUND");
    place_and_wait(&anna, "k", &with("/note", json!("the card's last four are 4242"))).is(201);
    assert_eq!(holding(&gate, CARD), Vec::<String>::new());
    gate.shop.close();
}

#[test]
fn a_log_holds_no_secret_and_nothing_personal() {
    let gate = GatewayTest::open_with(&["--log=debug"]);
    let anna = gate.customer("a-customer-by-name");
    let mut order = body("BOOK-DUNE", 1, "tok_marked_declined");
    order["contact"] = json!({"email": "marked@example.org", "phone": "+4917099999999"});
    place(&anna, "k", &order);
    place(&anna, "k", &body("BOOK-DUNE", 2, "tok_marked_declined")).problem(422, "IDEMPOTENCY_KEY_REUSED");
    gate.with_token("eyJ.marked.token").get("/orders").problem(401, "UNAUTHORIZED");
    let run: Value = serde_json::from_str(&gate.shop.folder.read("checkout.run")).unwrap();
    let log = gate.shop.log();
    assert!(log.contains("answered") && log.contains("place_order"), "requests are logged at debug");
    for secret in [
        SECRET,
        run["token"].as_str().unwrap(),
        "tok_marked",
        "marked@example.org",
        "4917099999999",
        "marked.token",
        "authorization",
    ] {
        assert!(!log.to_lowercase().contains(&secret.to_lowercase()), "the log holds {secret}");
    }
    let config = gate.shop.folder.command(&["config"]);
    let mut config = config;
    config.env("CHECKOUT_JWT_SECRET", SECRET);
    let shown = gate.shop.folder.run(config, b"").ok();
    assert!(shown.contains("jwt_secret") && !shown.contains(SECRET), "{shown}");
    gate.shop.close();
}
