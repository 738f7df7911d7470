//! A signed event is believed, once; no other event is, whatever is wrong with its signature.

use std::time::SystemTime;

use contract::Role;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use store::Journal;
use webhook::standard::Secrets;

use super::{SECRET, STRIPE_SECRET};
use crate::support::endpoint::Relay;
use crate::support::http_client::HttpClient;
use crate::support::shop::{Shop, checkout};
use crate::support::{block_on, new_id, until};

fn shop() -> Shop {
    shop_with(&[])
}

pub(super) fn shop_with(also: &[&str]) -> Shop {
    let (standard, stripe) =
        (format!("--webhook-secret={SECRET}"), format!("--stripe-webhook-secret={STRIPE_SECRET}"));
    Shop::open_with(&[&[standard.as_str(), &stripe], also].concat())
}

pub(super) fn now_s() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs() as i64
}

/// An event about that order, created just now.
pub(super) fn event(id: &str, kind: &str, order: &str, amount: &str) -> Value {
    let created = contract::Time::from_unix_ms(now_s() * 1000);
    json!({"id": id, "type": kind, "created": created, "data": {"reference": order, "transaction_id": "ch_hook",
        "amount": {"amount": amount, "currency": "EUR"}}})
}

/// Posts it as the provider does. Status and answer.
#[track_caller]
fn post(shop: &Shop, event: &Value) -> (u16, Value) {
    let (body, at) = (event.to_string(), now_s());
    let id = event["id"].as_str().unwrap();
    let signature = Secrets::try_from(SECRET.to_string()).unwrap().sign(id, at, body.as_bytes());
    let at = at.to_string();
    let headers = [("webhook-id", id), ("webhook-timestamp", &at), ("webhook-signature", &signature)];
    send(shop, "/webhooks/payments", &headers, &body)
}

#[track_caller]
pub(super) fn post_as_stripe(shop: &Shop, event: &Value) -> (u16, Value) {
    let (body, at) = (event.to_string(), now_s());
    let signature = format!("t={at},v1={}", stripe_signature(at, &body));
    send(shop, "/webhooks/stripe", &[("stripe-signature", &signature)], &body)
}

fn stripe_signature(at: i64, body: &str) -> String {
    let mac = Hmac::<sha2::Sha256>::new_from_slice(STRIPE_SECRET.as_bytes()).unwrap();
    let bytes = mac.chain_update(format!("{at}.{body}")).finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[track_caller]
fn send(shop: &Shop, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let answer =
        HttpClient::stranger(shop.system.ingress().address()).send("POST", path, headers, body.as_bytes());
    (answer.status, answer.json())
}

/// An order that waits for its provider, which will never send an event.
pub(super) fn waiting(shop: &Shop) -> String {
    let id = shop.submit("BOOK-DUNE", "card", "tok_never_answers");
    shop.wait_for(&id, |view| view["payment"]["status"] == "asked");
    id
}

/// What the payment worker made of the webhooks about an order.
pub(super) fn outcomes(shop: &Shop, order: &str) -> Vec<String> {
    use store::readable;
    block_on(async {
        let rows = readable(shop.folder.store().await.journal_of(order.parse().unwrap()).await.unwrap());
        let heard = rows.into_iter().filter(|row| row.role == Role::Payment && row.name == "payment.webhook");
        heard.map(|row| row.outcome).collect()
    })
}

#[test]
fn an_order_is_paid_by_an_event_that_comes_twice_and_then_is_told_otherwise() {
    let shop = shop();
    let order = waiting(&shop);
    let paid = event("evt_paid", "payment.succeeded", &order, "12.99");
    assert_eq!(post(&shop, &paid), (200, json!({"event_id": "evt_paid", "what": "accepted"})));
    assert_eq!(post(&shop, &paid), (200, json!({"event_id": "evt_paid", "what": "repeat"})));
    let view = shop.wait_for(&order, |view| view["status"] == "fulfilled");
    assert_eq!(view["payment"]["transaction_id"], "ch_hook");
    // A payment's status never goes backwards.
    assert_eq!(post(&shop, &event("evt_failed", "payment.failed", &order, "12.99")).0, 200);
    until("both were heard", || (outcomes(&shop, &order).len() == 2).then_some(()));
    assert_eq!(
        outcomes(&shop, &order),
        ["captured", "ignored: it was captured; an older failure changes nothing"]
    );
    assert_eq!(shop.show(&order)["payment"]["charged"]["amount"], "12.99");
    assert_eq!(shop.show(&order)["status"], "fulfilled");
}

#[test]
fn every_way_in_which_a_signature_can_be_wrong_gets_the_same_answer_and_changes_nothing() {
    let shop = shop();
    let order = waiting(&shop);
    let body = event("evt_1", "payment.succeeded", &order, "12.99").to_string();
    let (now, secrets) = (now_s(), Secrets::try_from(SECRET.to_string()).unwrap());
    let strangers = Secrets::made_up();
    let signed = |at: i64| secrets.sign("evt_1", at, body.as_bytes());
    let text = |number: i64| number.to_string();
    let standard = |id: &str, at: &str, signature: &str| {
        let headers = [("webhook-id", id), ("webhook-timestamp", at), ("webhook-signature", signature)];
        let given: Vec<_> = headers.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        send(&shop, "/webhooks/payments", &given, &body)
    };
    let stripe = |signature: &str| {
        let given: Vec<_> =
            [("stripe-signature", signature)].into_iter().filter(|(_, v)| !v.is_empty()).collect();
        send(&shop, "/webhooks/stripe", &given, &body)
    };
    let v1 = |at: i64| stripe_signature(at, &body);
    let answers = [
        ("no headers", standard("", "", "")),
        ("no id", standard("", &text(now), &signed(now))),
        ("another id", standard("evt_2", &text(now), &signed(now))),
        ("no time", standard("evt_1", "", &signed(now))),
        ("another time", standard("evt_1", &text(now - 1), &signed(now))),
        ("too old", standard("evt_1", &text(now - 400), &signed(now - 400))),
        ("too new", standard("evt_1", &text(now + 400), &signed(now + 400))),
        ("no signature", standard("evt_1", &text(now), "")),
        ("another scheme", standard("evt_1", &text(now), &signed(now).replace("v1", "v2"))),
        (
            "a stranger's secret",
            standard("evt_1", &text(now), &strangers.sign("evt_1", now, body.as_bytes())),
        ),
        ("of another body", standard("evt_1", &text(now), &secrets.sign("evt_1", now, b"{}"))),
        ("Stripe: none", stripe("")),
        ("Stripe: no time", stripe(&format!("v1={}", v1(now)))),
        ("Stripe: too old", stripe(&format!("t={},v1={}", now - 400, v1(now - 400)))),
        ("Stripe: another time", stripe(&format!("t={now},v1={}", v1(now - 1)))),
        ("Stripe: another scheme", stripe(&format!("t={now},v0={}", v1(now)))),
        ("Stripe: Standard Webhooks'", stripe(&signed(now))),
    ];
    for (why, (status, answer)) in &answers {
        assert_eq!((*status, &answer["code"]), (401, &json!("SIGNATURE_INVALID")), "{why}");
        assert_eq!(*answer, answers[0].1.1, "{why}: an attacker who tries keys learns nothing");
    }
    assert_eq!(outcomes(&shop, &order), [""; 0]);
    assert_eq!(shop.show(&order)["payment"]["status"], "asked");
    assert!(!shop.log().contains("ch_hook"), "bodies are not logged");
}

#[test]
fn an_event_before_its_order_is_held_and_matched_when_the_order_comes() {
    let shop = shop();
    let order = new_id();
    assert_eq!(post(&shop, &event("evt_early", "payment.succeeded", &order, "12.99")).0, 200);
    until("it is held", || (outcomes(&shop, &order).len() == 1).then_some(()));
    assert_eq!(outcomes(&shop, &order), ["no payment was asked for this order so far; it is held"]);
    let body = checkout(&order, "BOOK-DUNE", "card", "tok_never_answers");
    shop.send("checkout.submit", &order, &body);
    let view = shop.wait_for(&order, |view| view["status"] == "fulfilled");
    assert_eq!(view["payment"]["transaction_id"], "ch_hook");
}

#[test]
fn an_event_of_no_order_ends_as_a_dead_letter() {
    let shop = shop();
    let mut old = event("evt_old", "payment.succeeded", &new_id(), "12.99");
    old["created"] = json!("2020-01-01T00:00:00Z");
    assert_eq!(post(&shop, &old).0, 200, "it is stored, and its sender need not know more");
    shop.dead_letter("payment_unknown");
    shop.close();
}

#[test]
fn another_amount_than_was_asked_for_pays_nothing_and_the_provider_is_asked() {
    let shop = shop();
    let order = waiting(&shop);
    assert_eq!(post(&shop, &event("evt_less", "payment.succeeded", &order, "12.98")).0, 200);
    let mut dollars = event("evt_dollars", "payment.succeeded", &order, "12.99");
    dollars["data"]["amount"]["currency"] = json!("USD");
    assert_eq!(post(&shop, &dollars).0, 200);
    until("both were heard", || (outcomes(&shop, &order).len() == 2).then_some(()));
    let alarm = "alarm: an event does not fit what was asked for; the provider is asked";
    assert_eq!(outcomes(&shop, &order), [alarm, alarm]);
    let view = shop.show(&order);
    assert_eq!((&view["status"], &view["payment"]["charged"]["amount"]), (&json!("created"), &json!("0.00")));
    assert_eq!(post(&shop, &event("evt_right", "payment.succeeded", &order, "12.99")).0, 200);
    shop.wait_for(&order, |view| view["status"] == "fulfilled");
}

#[test]
fn a_capture_after_the_order_was_given_up_goes_back() {
    // The provider itself reports it by webhook: too late for a patience of one second.
    let relay = Relay::open();
    let shop = shop_with(&[
        &format!("--provider-webhook-url={}", relay.url("/webhooks/payments")),
        "--payment-patience-s=1",
        "--provider-late-ms=2500",
    ]);
    relay.to(shop.system.ingress().address());
    let order = shop.submit("BOOK-DUNE", "card", "tok_late");
    shop.wait_for(&order, |view| view["status"] == "cancelled" && view["reason"] == "payment_timeout");
    let view = shop.wait_for(&order, |view| view["payment"]["refunded"]["amount"] == "12.99");
    assert_eq!(
        (&view["status"], &view["payment"]["charged"]["amount"]),
        (&json!("cancelled"), &json!("12.99"))
    );
    shop.close();
}

#[test]
fn what_is_none_of_our_concern_is_set_aside_and_what_cannot_be_used_is_kept() {
    let shop = shop();
    let other =
        json!({"id": "evt_other", "type": "dispute.opened", "created": "2026-01-01T00:00:00Z", "data": {}});
    assert_eq!(post(&shop, &other), (200, json!({"event_id": "evt_other", "what": "set_aside"})));
    assert_eq!(post(&shop, &other), (200, json!({"event_id": "evt_other", "what": "repeat"})));
    assert!(shop.log().contains("a webhook is set aside"));
    assert_eq!(shop.run(&["dead", "list", "--json"]).json(), json!([]));

    let order = waiting(&shop);
    let mut broken = event("evt_broken", "payment.succeeded", &order, "12.99");
    broken["data"]["amount"] = json!("secret-12.99");
    let (status, problem) = post(&shop, &broken);
    assert_eq!((status, &problem["code"]), (422, &json!("WEBHOOK_UNREADABLE")));
    assert!(!problem.to_string().contains("secret"), "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert_eq!(detail, "data.amount must be an object");
    let letter = shop.dead_letter("body_invalid");
    // An operator edits it, and it counts.
    let mended = event("evt_broken", "payment.succeeded", &order, "12.99").to_string();
    let edit = json!({"by": "anna", "edited": {"body": mended}}).to_string();
    let replay = format!("/admin/dead-letters/{letter}/replay");
    assert_eq!(shop.system.ingress().post(&replay, edit.as_bytes()).unwrap().0, 204);
    shop.wait_for(&order, |view| view["status"] == "fulfilled");

    // The same id with other content.
    let order = waiting(&shop);
    assert_eq!(post(&shop, &event("evt_twice", "payment.succeeded", &order, "12.99")).0, 200);
    let (status, problem) = post(&shop, &event("evt_twice", "payment.failed", &order, "12.99"));
    assert_eq!((status, &problem["code"]), (409, &json!("WEBHOOK_ID_REUSED")));
    shop.dead_letter("message_id_reused");
    shop.wait_for(&order, |view| view["status"] == "fulfilled");

    // A list of the right values is no event, and no part of one.
    let mut listed = event("evt_listed", "payment.succeeded", &order, "12.99");
    listed["data"]["amount"] = json!(["12.99", "EUR"]);
    let (status, problem) = post(&shop, &listed);
    assert_eq!((status, &problem["detail"]), (422, &json!("data.amount must be an object")));
    let mut listed = intent("evt_listed", "payment_intent.succeeded", &order, 1299);
    listed["data"] = json!([listed["data"]["object"]]);
    let (status, problem) = post_as_stripe(&shop, &listed);
    assert_eq!((status, &problem["detail"]), (422, &json!("data must be an object")));

    let (status, problem) = send(&shop, "/webhooks/payments", &[], &"x".repeat(20 * 1024 + 1));
    assert_eq!(status, 413, "{problem}");
}

#[test]
fn an_event_whose_id_has_our_own_form_counts_and_takes_no_id_of_ours() {
    let shop = shop();
    let order = waiting(&shop);
    let ours = "0195d2a4-0000-8000-8000-000000000001";
    assert_eq!(post(&shop, &event(ours, "payment.succeeded", &order, "12.99")).0, 200);
    let again = post(&shop, &event(ours, "payment.succeeded", &order, "12.99"));
    assert_eq!(again, (200, json!({"event_id": ours, "what": "repeat"})));
    shop.wait_for(&order, |view| view["status"] == "fulfilled");
    let rows = crate::support::block_on(async { shop.folder.store().await.journal_page(0, 10_000).await });
    let rows = rows.unwrap().into_iter().filter_map(|(_, row)| row.ok());
    let events: Vec<_> =
        rows.filter(|row| row.name == "payment.webhook").map(|row| row.id.to_string()).collect();
    assert!(!events.is_empty() && events.iter().all(|id| *id == format!("event/{ours}")), "{events:?}");
}

/// An event from Stripe about a payment intent for that order.
pub(super) fn intent(id: &str, kind: &str, order: &str, amount: u64) -> Value {
    json!({"id": id, "object": "event", "type": kind, "created": now_s(), "data": {"object": {
        "id": "pi_1", "object": "payment_intent", "amount": amount, "amount_received": amount, "currency": "eur",
        "latest_charge": "ch_1", "metadata": {"order_id": order}}}})
}

#[test]
fn stripe_pays_and_gives_back_what_our_own_provider_never_heard_of() {
    let shop = shop();
    let order = waiting(&shop);
    let intent = |id: &str, kind: &str, amount: u64| intent(id, kind, &order, amount);
    assert_eq!(
        post_as_stripe(&shop, &intent("evt_s1", "payment_intent.processing", 1299)).1["what"],
        "set_aside"
    );
    assert_eq!(
        post_as_stripe(&shop, &intent("evt_s2", "payment_intent.succeeded", 1299)).1["what"],
        "accepted"
    );
    let mut again = intent("evt_s2", "payment_intent.succeeded", 1299);
    again["pending_webhooks"] = json!(0);
    assert_eq!(post_as_stripe(&shop, &again).1["what"], "repeat", "fields that we do not read may differ");
    let view = shop.wait_for(&order, |view| view["status"] == "fulfilled");
    assert_eq!(view["payment"]["transaction_id"], "ch_1");
    let failed = waiting(&shop);
    let mut event = intent("evt_s3", "payment_intent.payment_failed", 1299);
    event["data"]["object"]["metadata"]["order_id"] = json!(failed);
    event["data"]["object"]["last_payment_error"] = json!({"code": "card_declined"});
    assert_eq!(post_as_stripe(&shop, &event).0, 200);
    shop.wait_for(&failed, |view| view["status"] == "cancelled" && view["reason"] == "payment_declined");
}

#[test]
fn without_a_secret_a_page_is_off() {
    // `dev` generates a secret for its own provider; Stripe's it cannot know.
    let shop = Shop::open();
    let (status, problem) = send(&shop, "/webhooks/stripe", &[("stripe-signature", "t=1,v1=00")], "{}");
    assert_eq!((status, &problem["code"]), (404, &json!("WEBHOOKS_OFF")));
    assert!(problem["detail"].as_str().unwrap().contains("stripe_webhook_secret"));
    assert_eq!(send(&shop, "/webhooks/payments", &[], "{}").0, 401);
    shop.close();
}

#[test]
fn the_whole_saga_runs_with_a_provider_that_posts_to_the_shop_s_own_gateway() {
    let relay = Relay::open();
    let shop = shop_with(&[&format!("--provider-webhook-url={}", relay.url("/webhooks/payments"))]);
    relay.to(shop.system.ingress().address());
    let orders = [
        ("tok_ok", "fulfilled"),
        ("tok_declined", "cancelled"),
        ("tok_duplicate_event", "fulfilled"),
        ("tok_refund_fails_once", "fulfilled"),
    ];
    let orders = orders.map(|(token, end)| (shop.submit("BOOK-EMMA", "card", token), end));
    for (id, end) in &orders {
        shop.wait_for(id, |view| view["status"] == *end);
    }
    shop.run(&["order", "refund", &orders[3].0]).ok();
    shop.wait_for(&orders[3].0, |view| view["status"] == "refunded");
    shop.close();
}
