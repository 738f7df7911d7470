//! Stored text that may be secret, or was written to deceive, is shown to people in a harmless form.

use lapin::BasicProperties;
use serde_json::{Value, json};

use crate::gateway::GatewayTest;
use crate::support::served::Served;
use crate::support::{block_on, new_id, until};

#[test]
fn a_letter_is_shown_without_token_and_address_and_an_edit_sends_what_was_left_as_it_was() {
    let gate = GatewayTest::open();
    let order = json!({
        "order_id": new_id(), "customer_id": "anna", "items": [{"sku": "BOOK-DUNE", "quantity": 1}],
        "payment": {"method": "card", "token": "tok_ok"}, "contact": {"email": "anna.reader@example.org"},
    });
    gate.shop.send("checkout.submit", &new_id(), &order);
    gate.shop.wait_for(order["order_id"].as_str().unwrap(), |view| view["status"] == "fulfilled");
    // The same order id for another customer: a dead letter that an operator edits.
    let mut other = order.clone();
    other["customer_id"] = json!("ben");
    let message_id = new_id();
    gate.shop.send("checkout.submit", &message_id, &other);
    let id = until("its letter", || {
        let letters = gate.shop.run(&["dead", "list", "--json"]).json();
        Some(letters.as_array()?.first()?["id"].as_str()?.to_string())
    });
    let shown = [
        gate.shop.run(&["dead", "show", &id]).ok(),
        gate.shop.run(&["dead", "show", &id, "--json"]).ok(),
        gate.shop.run(&["dead", "list", "--json"]).ok(),
        gate.admin().get(&format!("/admin/dead-letters/{id}")).is(200).text,
        gate.admin().get("/admin/dead-letters").is(200).text,
    ];
    for text in &shown {
        assert!(
            text.contains("BOOK-DUNE") && !text.contains("tok_ok") && !text.contains("anna.reader"),
            "{text}"
        );
    }
    let letter: Value = serde_json::from_str(&shown[1]).unwrap();
    let mut body: Value = serde_json::from_str(letter["body"].as_str().unwrap()).unwrap();
    let mended = new_id();
    body["order_id"] = json!(mended);
    let file = gate.shop.folder.write("mended.json", body.to_string());
    let preview = gate.shop.run(&["dead", "replay", &id, "--edit", &file, "--preview"]).ok();
    assert!(preview.contains(&mended) && !preview.contains("tok_ok"), "{preview}");
    gate.shop.run(&["dead", "replay", &id, "--edit", &file]).ok();
    gate.shop.wait_for(&mended, |view| view["status"] == "fulfilled");
    let story = gate.shop.run(&["order", "story", &mended, "--json", "--personal"]).ok();
    assert!(story.contains("anna.reader@example.org"), "{story}");
    gate.shop.close();
}

#[test]
fn what_an_outsider_sent_moves_no_cursor_and_reverses_no_line_of_an_operators_terminal() {
    const HOSTILE: &str =
        "order.cancel\u{1b}[2J\u{1b}]0;all is well\u{7}\u{9b}31m\u{202e}live\u{200b}\nletter";
    let served = Served::new();
    let mut all = served.spawn(&["all"]);
    served.ready(&mut all);
    block_on(async {
        let outsider = served.namespace.outsider().await;
        let named = BasicProperties::default().with_type(HOSTILE.into()).with_message_id(HOSTILE.into());
        outsider.sends("order.cancel", named, HOSTILE.as_bytes()).await;
    });
    let id = until("its letter", || {
        let letters = served.run(&["dead", "list", "--json"]).json();
        Some(letters.as_array()?.first()?["id"].as_str()?.to_string())
    });
    let json = served.run(&["dead", "show", &id, "--json"]).ok();
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["name"], HOSTILE, "JSON is what it was");
    for shown in [
        served.run(&["dead", "list"]).ok(),
        served.run(&["dead", "list", "--each"]).ok(),
        served.run(&["dead", "show", &id]).ok(),
        json,
        served.log(&all),
    ] {
        let unseen = |c: char| c != '\n' && contract::is_unseen(c);
        assert!(!shown.contains(unseen), "{shown:?}");
    }
    let shown = served.run(&["dead", "show", &id]).ok();
    assert!(
        shown.contains(r"order.cancel\u001b[2J") && shown.contains(r"\u202elive\u200b\u000aletter"),
        "{shown}"
    );
    assert_eq!(all.terminate(), 0);
}
