//! Every route, in every part of a request that has an effect; and the command line, which uses the operator's
//! routes.

use serde_json::{Value, json};
use webhook::standard::Secrets;

use super::{SPELLINGS, found_in, percent_encoded};
use crate::gateway::GatewayTest;
use crate::support::http_client::{Answer, HttpClient, now_s};
use crate::support::new_id;
use crate::support::shop::checkout;

/// 32 bytes, all of them 7.
const WEBHOOK_SECRET: &str = "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

const FORMS: [&str; 8] = [
    "/dashboard/orders/x/acts/cancel",
    "/dashboard/dead-letters/all/replay",
    "/dashboard/dead-letters/all/discard",
    "/dashboard/dead-letters/x/edited",
    "/dashboard/dead-letters/x/replay",
    "/dashboard/dead-letters/x/discard",
    "/dashboard/pauses/roles/payment",
    "/dashboard/sign-in",
];

fn gate() -> GatewayTest {
    let webhooks = format!("--webhook-secret={WEBHOOK_SECRET}");
    GatewayTest::open_with(&["--log=debug", "--rate-per-address=0", &webhooks])
}

/// With the command line's own token, which has no rate limit.
fn operator(gate: &GatewayTest) -> HttpClient {
    let run: Value = serde_json::from_str(&gate.shop.folder.read("checkout.run")).unwrap();
    gate.with_token(run["token"].as_str().unwrap())
}

/// All files of the shop: its database with the journal, the mock world's database, the logs, and its output.
#[track_caller]
fn nothing_is_kept(gate: &GatewayTest) {
    for entry in std::fs::read_dir(gate.shop.folder.path("")).unwrap() {
        let path = entry.unwrap().path();
        let kept = std::fs::read(&path).unwrap_or_default();
        assert_eq!(found_in(&kept), Vec::<&str>::new(), "{}", path.display());
    }
    let letters = gate.shop.run(&["dead", "list", "--all", "--json"]).ok();
    assert_eq!(found_in(letters.as_bytes()), Vec::<&str>::new());
}

#[track_caller]
fn refused(answer: &Answer, what: &str) {
    assert_eq!(
        (answer.status, answer.text.contains("CARD_NUMBER_REFUSED")),
        (422, true),
        "{what}: {answer:?}"
    );
}

#[test]
fn no_route_takes_a_card_number_in_any_part_of_a_request() {
    let gate = gate();
    let web = operator(&gate);
    let document = web.get("/openapi.json").json();
    let paths = document["paths"].as_object().unwrap();
    let mut tried = [0; 4];
    for (path, methods) in paths {
        let with = |value: &str| {
            let parts = path.split('/').map(|part| if part.starts_with('{') { value } else { part });
            parts.collect::<Vec<_>>().join("/")
        };
        for (method, operation) in
            methods.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters")
        {
            let method = method.to_uppercase();
            let signed = path.starts_with("/webhooks/");
            let query = operation["parameters"].as_array().into_iter().flatten();
            let query =
                query.filter(|parameter| parameter["in"] == "query").find_map(|one| one["name"].as_str());
            for spelling in SPELLINGS {
                let what = format!("{method} {path} with {spelling:?}");
                let encoded = percent_encoded(spelling);
                if path.contains('{') {
                    refused(&web.send(&method, &with(&encoded), &[], b""), &what);
                    tried[0] += 1;
                }
                if let Some(name) = query {
                    let path = format!("{}?{name}={encoded}", with("x"));
                    refused(&web.send(&method, &path, &[], b""), &what);
                    tried[1] += 1;
                }
                if operation.get("requestBody").is_some() && !signed {
                    for body in [json!({"note": [{"deep": spelling}]}), json!({spelling: 1})] {
                        refused(&web.send(&method, &with("x"), &[], body.to_string().as_bytes()), &what);
                    }
                    tried[2] += 1;
                }
                if method != "GET" && !signed && !spelling.contains(char::is_control) {
                    refused(&web.send(&method, &with("x"), &[("idempotency-key", spelling)], b""), &what);
                    tried[3] += 1;
                }
            }
        }
    }
    let number = gate.customer(SPELLINGS[0]).get("/orders");
    refused(&number, "a customer who is called by a card number");
    assert!(tried.iter().all(|count| *count >= 5 * SPELLINGS.len()), "{tried:?}");
    for spelling in SPELLINGS {
        let form = format!("why={}", percent_encoded(spelling));
        for path in FORMS {
            let page =
                [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
            let answer = web.send("POST", path, &page, form.as_bytes());
            assert_eq!(
                (answer.status, answer.text.contains("card number")),
                (422, true),
                "{path}: {answer:?}"
            );
        }
        if !spelling.contains(char::is_control) {
            web.send("GET", "/health", &[("x-request-id", spelling)], b"").is(200);
        }
        web.get(&format!("/nowhere/{}", percent_encoded(spelling))).problem(404, "NOT_FOUND");
    }
    nothing_is_kept(&gate);
    gate.shop.close();
}

#[test]
fn an_event_that_a_provider_has_signed_is_refused_and_its_letter_is_masked() {
    let gate = gate();
    let order = new_id();
    for spelling in SPELLINGS {
        let event = |id: &str, kind: &str, transaction: &str| {
            json!({"id": id, "type": kind, "created": "2026-11-20T18:53:00Z", "data": {"reference": order,
                "transaction_id": transaction, "amount": {"amount": "12.99", "currency": "EUR"}}})
        };
        for (number, event) in [
            event(&format!("evt_{spelling}"), "payment.succeeded", "ch_1"),
            event("evt_1", &format!("customer.{spelling}"), "ch_1"),
            event("evt_2", "payment.succeeded", spelling),
            event("evt_3", spelling, spelling),
            json!({"id": "evt_4", "type": "payment.succeeded", "data": spelling}),
        ]
        .into_iter()
        .enumerate()
        {
            let (body, at) = (event.to_string(), i64::try_from(now_s()).unwrap());
            let id = format!("evt_{number}");
            let signature =
                Secrets::try_from(WEBHOOK_SECRET.to_string()).unwrap().sign(&id, at, body.as_bytes());
            let at = at.to_string();
            let headers =
                [("webhook-id", id.as_str()), ("webhook-timestamp", &at), ("webhook-signature", &signature)];
            let answer = gate.stranger().send("POST", "/webhooks/payments", &headers, body.as_bytes());
            assert_eq!(answer.status, 422, "{event}: {answer:?}");
        }
    }
    let letters = gate.shop.run(&["dead", "list", "--json"]).json();
    assert!(
        letters.as_array().unwrap().iter().any(|letter| letter["code"] == "card_number_refused"),
        "{letters}"
    );
    nothing_is_kept(&gate);
    gate.shop.run(&["dead", "discard", "--all", "--why", "a test"]).ok();
    gate.shop.close();
}

#[test]
fn no_command_takes_a_card_number_as_a_reason_or_in_an_edit() {
    let gate = gate();
    let order = gate.shop.submit("BOOK-DUNE", "cod", "");
    gate.shop.wait_for(&order, |view| view["status"] == "created");
    for spelling in SPELLINGS {
        let why = format!("my card is {spelling}");
        gate.shop.run(&["order", "cancel", &order, "--reason", &why]).fails(2, &["CARD_NUMBER_REFUSED"]);
    }
    let why = "4242–4242–4242–4242";
    for command in [
        &["order", "cancel", &order, "--admin", "--by", why][..],
        &["order", "refund", &order, "--reason", why],
        &["order", "pay", &order, "--transaction", why],
        &["order", "archive", &order, "--reason", why],
        &["saga", "retry", &order, "--why", why],
        &["saga", "resolve", &order, "done", "--evidence", why],
        &["saga", "deadline", &order, "fire", "--why", why],
        &["pause", "role", "payment", "--why", why],
        &["pause", "method", "card", "--why", why],
        &["dead", "discard", "no-such-letter", "--why", why],
        &["dead", "replay", "no-such-letter", "--why", why],
        &["dead", "replay", "no-such-letter", "--as", why],
    ] {
        gate.shop.run(command).fails(2, &["CARD_NUMBER_REFUSED"]);
    }
    let mut sent = checkout(&new_id(), "BOOK-DUNE", "card", "tok_ok");
    sent["note"] = json!(why);
    gate.shop.folder.checkout_reading(sent.to_string(), &["submit", "-"]).fails(2, &["CARD_NUMBER_REFUSED"]);
    nothing_is_kept(&gate);
    gate.shop.run(&["order", "pay", &order, "--transaction", "receipt-7"]).ok();
    gate.shop.close();
}
