//! A preview shows what really happens afterwards, up to the messages for the outside world, and it changes nothing.

use contract::{Role, Table};
use serde_json::{Value, json};
use store::{Journal, JournalRow, Records, readable};

use super::GatewayTest;
use super::orders::{body, id_of, on_delivery, place, place_and_wait, status};
use crate::support::http_client::HttpClient;
use crate::support::{at_rest, block_on, new_id, until};

/// The roles that ask the outside world.
const ADAPTERS: [Role; 3] = [Role::Provider, Role::Email, Role::Sms];

/// Role, message, outcome, and the messages emitted because of it.
type Step = (String, String, String, Vec<String>);

fn previewed(preview: &Value) -> Vec<Step> {
    let mut steps: Vec<Step> = serde_json::from_value::<Vec<engine::preview::Step>>(preview["steps"].clone())
        .unwrap()
        .into_iter()
        .map(|step| (step.role, step.message, step.outcome, step.says))
        .collect();
    steps.sort();
    steps
}

/// What followed from that message, up to the adapters.
fn happened(rows: &[JournalRow], id: &str) -> Vec<Step> {
    let mut caused = vec![id.to_string()];
    let mut steps = Vec::new();
    for row in rows.iter().filter(|row| row.role != Role::Gateway && !ADAPTERS.contains(&row.role)) {
        if !caused.contains(&row.id.to_string()) {
            continue;
        }
        let says = row.emitted.iter().map(|said| said.message.name().to_string()).collect();
        steps.push((row.role.to_string(), row.name.clone(), row.outcome.clone(), says));
        caused.extend(row.emitted.iter().map(|said| said.message.id.to_string()));
    }
    steps.sort();
    steps
}

fn journal(gate: &GatewayTest, id: &str) -> Vec<JournalRow> {
    readable(block_on(async {
        gate.shop.folder.store().await.journal_of(id.parse().unwrap()).await.unwrap()
    }))
}

fn record(gate: &GatewayTest, table: Table, id: &str) -> Option<String> {
    block_on(async { gate.shop.folder.store().await.get(table, id).await.unwrap() })
}

/// Previews an action, then performs it; returns the preview.
fn show_and_do(gate: &GatewayTest, admin: &HttpClient, order: &str, name: &str, body: &Value) -> Value {
    let act = json!({"type": name, "message_id": new_id(), "body": body});
    let all = |gate: &GatewayTest| {
        let tables = [Table::Orders, Table::Payments, Table::Holds, Table::Sagas];
        (tables.map(|table| record(gate, table, order)), journal(gate, order).len())
    };
    // Once the shop is at rest, any change is the preview's.
    until("rest", || block_on(async { at_rest(&gate.shop.folder.store().await).await }).then_some(()));
    let before = all(gate);
    let preview = admin.post("/admin/preview", &act).is(200).json();
    assert_eq!(all(gate), before, "a preview of {name} has changed something");
    admin.post("/admin/messages", &act).is(202);
    let id = act["message_id"].as_str().unwrap();
    let expected = previewed(&preview);
    until(&format!("what {name} causes"), || {
        let rows = journal(gate, order);
        (happened(&rows, id).len() >= expected.len()).then_some(())
    });
    assert_eq!(happened(&journal(gate, order), id), expected, "{name}: {preview:#}");
    preview
}

fn words(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_string)).collect()
}

#[test]
fn what_a_preview_shows_is_what_then_happens() {
    let gate = GatewayTest::open();
    let (admin, anna) = (gate.admin(), gate.customer("anna"));
    let waits = id_of(&place(&anna, "k1", &body("BOOK-DUNE", 1, "tok_never_answers")).is(202));
    status(&anna, &waits, "created");
    let show = |id: &str, name: &str, fields: Value| {
        let mut body = fields;
        body["order_id"] = json!(id);
        show_and_do(&gate, &admin, id, name, &body)
    };
    // Nothing was captured so far, so the provider has to be asked first.
    let preview = show(&waits, "order.cancel", json!({"by": "admin", "reason": "a test", "who": "anna"}));
    assert!(preview["refused"].is_null() && preview["waits_for"][0]["role"] == "provider", "{preview:#}");
    status(&anna, &waits, "cancelled");
    let preview = show(&waits, "order.cancel", json!({}));
    assert!(preview["refused"].as_str().unwrap().contains("already cancelled"), "{preview:#}");

    let done = id_of(&place_and_wait(&anna, "k2", &body("BOOK-DUNE", 2, "tok_ok")).is(201));
    status(&anna, &done, "fulfilled");
    let preview = show(&done, "order.refund", json!({"items": [{"sku": "BOOK-DUNE", "quantity": 1}]}));
    let money = &preview["money"][0];
    assert_eq!((money["ask"].as_str(), money["amount"]["amount"].as_str()), (Some("refund"), Some("12.99")));
    assert!(words(&preview["for_good"])[0].contains("12.99 EUR go back"), "{preview:#}");
    until("the return", || {
        (anna.get(&format!("/orders/{done}")).json()["returns"][0]["done"] == true).then_some(())
    });
    let preview = show(&done, "order.archive", json!({"reason": "a test", "who": "anna"}));
    assert!(words(&preview["for_good"])[0].contains("archived and never changes again"), "{preview:#}");
    assert_eq!(admin.get(&format!("/orders/{done}")).json()["audit"][3]["who"], "anna");
    assert!(
        anna.get(&format!("/orders/{done}")).json()["audit"][3]["who"].is_null(),
        "a customer is told which admin"
    );

    let cash = id_of(&place_and_wait(&anna, "k3", &on_delivery("BOOK-DUNE")).is(201));
    let moved = json!({"change": "move", "due": "2026-12-24T18:00:00Z", "by": "anna", "why": "holidays"});
    let preview = show(&cash, "saga.deadline", moved);
    assert_eq!(preview["deadlines"][0]["due"], "2026-12-24T18:00:00.000Z", "{preview:#}");
    let preview =
        show(&cash, "saga.deadline", json!({"change": "cancel", "by": "anna", "why": "they called"}));
    assert!(preview["refused"].is_null(), "it calls an operator, which is no refusal: {preview:#}");
    show(&cash, "saga.retry", json!({"by": "anna", "why": "they called again"}));
    let preview = show(&cash, "order.pay", json!({"transaction_id": "r7"}));
    let changes = preview["changes"].as_array().unwrap();
    let asked = |c: &Value| c["table"] == "payments" && c["field"] == "status" && c["to"] == "asked";
    assert!(changes.iter().any(asked) && preview["money"][0]["ask"] == "charge", "{preview:#}");
    status(&anna, &cash, "fulfilled");
    gate.shop.close();
}

#[test]
fn what_a_person_would_do_for_a_saga_that_waits_is_shown_as_it_then_happens() {
    let gate = GatewayTest::open();
    let (admin, anna) = (gate.admin(), gate.customer("anna"));
    for (token, name, fields) in [
        ("tok_refund_fails", "saga.retry", json!({"by": "anna", "why": "they take refunds again"})),
        (
            "tok_refund_fails",
            "saga.resolve",
            json!({"by": "anna", "outcome": "done", "evidence": "transfer 77"}),
        ),
        ("tok_refund_fails", "saga.resolve", json!({"by": "anna", "outcome": "give_up", "evidence": "none"})),
    ] {
        let id = id_of(&place_and_wait(&anna, &new_id(), &body("BOOK-DUNE", 1, token)).is(201));
        status(&anna, &id, "fulfilled");
        let wait = [("prefer", "wait=0")];
        admin.send("POST", &format!("/admin/orders/{id}/refund"), &wait, b"{}").is(202);
        until("a saga that waits", || {
            let saga = admin.get(&format!("/admin/sagas/{id}?return=1"));
            (saga.status == 200 && saga.json()["status"] == "needs_attention").then_some(())
        });
        let mut fields = fields;
        fields["order_id"] = json!(id);
        fields["return_no"] = json!(1);
        let preview = show_and_do(&gate, &admin, &id, name, &fields);
        let refused = fields["outcome"] == "give_up";
        assert_eq!(preview["refused"].is_string(), refused, "{preview:#}");
        // Resolves the return by hand, so that it ends.
        until("its end", || {
            let done = json!({"return": 1, "outcome": "done", "evidence": "transfer 78"});
            admin.post(&format!("/admin/sagas/{id}/resolve"), &done);
            (anna.get(&format!("/orders/{id}")).json()["status"] == "refunded").then_some(())
        });
    }
    gate.shop.close();
}

#[test]
fn a_preview_shows_what_is_paused_and_refuses_what_is_no_message() {
    let gate = GatewayTest::open();
    let admin = gate.admin();
    let anna = gate.customer("anna");
    let cash = id_of(&place_and_wait(&anna, "k", &on_delivery("BOOK-DUNE")).is(201));
    admin.post("/admin/roles/payment/pause", &json!({"why": "it is being moved"})).is(204);
    let act = json!({"type": "order.pay", "body": {"order_id": cash}});
    let preview = admin.post("/admin/preview", &act).is(200).json();
    assert_eq!(preview["waits_for"][0]["role"], "payment");
    assert!(preview["waits_for"][0]["why"].as_str().unwrap().contains("it is being moved"), "{preview:#}");
    admin.post("/admin/roles/payment/resume", &json!({"why": "it is back"})).is(204);
    admin.post("/admin/preview", &json!({"type": "order.eat", "body": {}})).problem(422, "type_unknown");
    admin.post("/admin/preview", &json!({"type": "order.pay"})).problem(400, "ENVELOPE_INVALID");
    anna.post("/admin/preview", &act).problem(403, "FORBIDDEN");
    gate.shop.close();
}

#[test]
fn the_command_line_shows_a_story_and_what_a_command_would_cause() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    let id = id_of(&place_and_wait(&anna, "k", &body("BOOK-DUNE", 1, "tok_ok")).is(201));
    status(&anna, &id, "fulfilled");
    let run = |args: &[&str]| gate.shop.run(args);
    let told = run(&["order", "story", &id]).ok();
    for expected in
        ["customer → gateway", "payment → provider", "stock.ship", "order → listeners", "fulfilled"]
    {
        assert!(told.contains(expected), "{expected} is not in\n{told}");
    }
    let story = run(&["order", "story", &id, "--json"]).json();
    assert!(!story.to_string().contains("tok_ok"), "the token is for the provider alone");
    assert_eq!(
        gate.admin().get(&format!("/admin/orders/{id}/story")).is(200).json()["steps"],
        story["steps"]
    );
    let would = run(&["order", "archive", &id, "--by", "anna", "--preview"]).ok();
    assert!(would.contains("orders") && would.contains("never changes again"), "{would}");
    assert_eq!(gate.shop.show(&id)["status"], "fulfilled", "nothing was sent");
    let beginning = &id[..30];
    for found in [&["order", "list", "--find", beginning][..], &["order", "list", "--find", "anna"]] {
        assert!(run(found).ok().contains(&id), "{found:?}");
    }
    assert!(run(&["saga", "list", "--find", "anna"]).ok().contains(&id));
    assert!(!run(&["saga", "list", "--idle-s", "0"]).ok().contains(&id), "it has ended");
    run(&["order", "archive", &id, "--by", "anna", "--reason", "a test"]).ok();
    let last = &gate.shop.show(&id)["audit"][3];
    assert_eq!((last["who"].as_str(), last["note"].as_str()), (Some("anna"), Some("a test")));
    gate.shop.close();
}

#[test]
fn a_group_of_dead_letters_is_replayed_or_given_up_in_steps() {
    let gate = GatewayTest::open();
    let admin = gate.admin();
    for n in 0..5 {
        let product = json!({"sku": "X", "title": "", "price": {"amount": "1", "currency": "EUR"}});
        let message = json!({"type": "product.upsert", "message_id": format!("odd-{n}"), "body": product});
        admin.post("/admin/messages", &message).is(202);
    }
    until("five dead letters", || {
        let groups = admin.get("/admin/dead-letters/groups").is(200).json();
        (groups["items"][0]["letters"] == 5).then_some(())
    });
    let group = json!({"code": "product_invalid", "why": "tried again", "limit": 2});
    let dealt = admin.post("/admin/dead-letters/replay", &group).is(200).json();
    assert_eq!((&dealt["done"], &dealt["left"]), (&json!(2), &json!(true)));
    // The product is still invalid, so each comes back.
    until("five again", || {
        let groups = admin.get("/admin/dead-letters/groups").is(200).json();
        (groups["items"][0]["letters"] == 5).then_some(())
    });
    admin
        .post("/admin/dead-letters/discard", &json!({"code": "product_invalid", "why": ""}))
        .problem(422, "BODY_INVALID");
    let none = json!({"code": "failed", "why": "a test"});
    assert_eq!(admin.post("/admin/dead-letters/discard", &none).is(200).json()["done"], 0);
    let all = json!({"code": "product_invalid", "why": "a test"});
    assert_eq!(admin.post("/admin/dead-letters/discard", &all).is(200).json()["done"], 5);
    assert_eq!(admin.get("/admin/dead-letters/groups").is(200).json()["items"], json!([]));
    gate.shop.close();
}
