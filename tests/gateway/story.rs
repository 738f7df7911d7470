//! A story also tells what the journal does not: repeats, and failures before a success.

use serde_json::{Value, json};

use super::GatewayTest;
use super::orders::{body, id_of, place_and_wait, status};
use crate::support::shop::checkout;
use crate::support::system::{QUICK, System};
use crate::support::{Folder, new_id, until};

fn step(story: &Value, is: impl Fn(&Value) -> bool) -> Option<Value> {
    story["steps"].as_array()?.iter().find(|step| is(step)).cloned()
}

#[test]
fn what_came_again_without_effect_is_counted_where_it_was_let_in() {
    let gate = GatewayTest::open();
    let admin = gate.admin();
    let id = id_of(&place_and_wait(&gate.customer("anna"), "k", &body("BOOK-DUNE", 1, "tok_ok")).is(201));
    status(&gate.customer("anna"), &id, "fulfilled");
    let cancel = json!({"type": "order.cancel", "message_id": new_id(), "body": {"order_id": id}});
    for _ in 0..4 {
        admin.post("/admin/messages", &cancel).is(202);
    }
    until("three repeats in the story", || {
        let story = admin.get(&format!("/admin/orders/{id}/story")).is(200).json();
        let let_in = step(&story, |step| step["to"] == "gateway" && step["name"] == "order.cancel")?;
        (let_in["absorbed"] == 3).then_some(())
    });
    let story = admin.get(&format!("/admin/orders/{id}/story")).json();
    let handled = step(&story, |step| step["to"] == "order" && step["name"] == "order.cancel").unwrap();
    assert_eq!(handled["words"], "refused", "{handled}");
    gate.shop.close();
}

#[test]
fn what_failed_and_is_tried_again_is_told_with_its_reason() {
    let folder = Folder::new();
    let id = new_id();
    let system = System::start_with(&folder, QUICK, &[("CHECKOUT_POISON", &id)]);
    let order = checkout(&id, "BOOK-DUNE", "card", "tok_ok");
    assert_eq!(system.ingress().send("checkout.submit", &id, &order).unwrap().0, 202);
    let failed = until("a failure in the story", || {
        let story = folder.checkout(&["order", "story", &id, "--json"]);
        let story: Value = serde_json::from_str(&story.out).ok()?;
        step(&story, |step| step["failures"].as_u64() >= Some(1))
    });
    assert_eq!((failed["to"].as_str(), failed["verdict"].as_str()), (Some("order"), Some("under_way")));
    assert!(failed["failed_because"].as_str().unwrap().contains("poisoned"), "{failed}");
    assert!(folder.checkout(&["order", "story", &id]).ok().contains("times before: it panicked: poisoned"));
    // Its next retry is a minute away.
    system.kill_9();
}
