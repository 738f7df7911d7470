//! Every input has a defined answer: never a panic, never silence, never a blocked queue.

mod lists;

use contract::{Message, Raw, Time};
use serde_json::{Value, json};
use store::{DeadLetters, Journal};

use crate::support::shop::{Shop, checkout};
use crate::support::usual;
use crate::support::{Folder, block_on, new_id, until};

/// Input for `checkout submit`, and what the command must say about it; none of it may be accepted.
fn unreadable() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let order = |body: Value| body.to_string().into_bytes();
    let long = "a".repeat(1 << 20);
    let lines: Vec<_> = (0..10_000).map(|n| json!({"sku": format!("S{n}"), "quantity": 1})).collect();
    vec![
        ("nothing at all", b"".to_vec(), "is empty"),
        ("half an object", b"{\"customer_id\":".to_vec(), "is not JSON"),
        ("words", b"please send books".to_vec(), "is not JSON"),
        (
            "one good and one bad line",
            format!("{}\n{{", checkout(&new_id(), "BOOK-DUNE", "card", "tok_ok")).into_bytes(),
            "nothing was sent",
        ),
        ("not UTF-8", b"{\"customer_id\":\"\xff\xfe\"}".to_vec(), "valid UTF-8"),
        ("nested without end", b"[".repeat(100_000), "look at line 1, column 128"),
        ("a list", b"[1,2]".to_vec(), "body_invalid"),
        ("a number", b"17".to_vec(), "body_invalid"),
        ("a text", b"\"checkout\"".to_vec(), "body_invalid"),
        ("a MiB of name", order(json!({"customer_id": long})), "body_too_large"),
        (
            "10,000 lines",
            order(json!({"customer_id": "c", "items": lines, "payment": {"method": "paypal"}})),
            "body_too_large",
        ),
        ("an empty message id", order(json!({"message_id": "", "customer_id": "c"})), "message_id_invalid"),
        (
            "a message id with a bell in it",
            order(json!({"message_id": "a\u{7}", "customer_id": "c"})),
            "message_id_invalid",
        ),
        (
            "a message id of 256 bytes",
            order(json!({"message_id": "m".repeat(256), "customer_id": "c"})),
            "message_id_invalid",
        ),
    ]
}

#[test]
fn what_cannot_be_read_is_refused_at_once_with_the_reason() {
    let shop = Shop::open();
    for (what, input, says) in unreadable() {
        let run = shop.folder.checkout_reading(&input, &["submit", "-"]);
        assert!(run.code == 2 && run.err.contains(says), "{what}: {} {}", run.code, run.err);
        assert!(run.err.starts_with("error: ") && run.err.len() < 500, "{what}: {}", run.err);
        let file = shop.folder.write("input.json", &input);
        let run = shop.run(&["submit", &file]);
        assert!(run.code == 2 && run.err.contains(says), "{what}, from a file: {} {}", run.code, run.err);
    }
    for (kind, body, says) in [
        ("order.cancle", json!({"order_id": new_id()}), "type_unknown"),
        ("cancel", json!({"order_id": new_id()}), "did you mean \"order.cancel\"?"),
        ("nonsense", json!({}), "type_unknown"),
        ("", json!({}), "type_unknown"),
        ("order.cancel", json!({}), "order_id is missing"),
        ("order.cancel", json!({"order_id": 17}), "body_invalid"),
        ("stock.adjust", json!({"sku": "BOOK-DUNE", "delta": 1.5, "reason": "x"}), "body_invalid"),
        ("stock.adjust", json!({"sku": "BOOK-DUNE", "delta": 1e300, "reason": "x"}), "body_invalid"),
        ("stock.adjust", json!({"sku": "two words", "delta": 1, "reason": "x"}), "visible ASCII"),
        ("product.upsert", product("12.999", "EUR"), "body_invalid"),
        ("product.upsert", product("1", "DOGE"), "body_invalid"),
        (
            "product.upsert",
            json!({"sku": "X", "title": "X", "price": {"amount": 1.5, "currency": "EUR"}}),
            "body_invalid",
        ),
        ("payment.webhook", json!({"id": "evt_1", "type": "payment.maybe"}), "body_invalid"),
    ] {
        let run = shop.folder.checkout_reading(body.to_string(), &["submit", "--type", kind, "-"]);
        assert!(run.code == 2 && run.err.contains(says), "{kind} {body}: {} {}", run.code, run.err);
    }
    assert_eq!(shop.run(&["order", "list", "--json"]).ok(), "", "something was accepted");
    shop.close();
}

fn product(amount: &str, currency: &str) -> Value {
    json!({"sku": "X", "title": "X", "price": {"amount": amount, "currency": currency}})
}

/// A valid checkout, spoiled in one way, and the faults for which it is rejected.
type Spoilt = (&'static str, fn(&mut Value), &'static [&'static str]);

const REJECTED: &[Spoilt] = &[
    (
        "an unknown product",
        |order| order["items"][0]["sku"] = json!("BOOK-NONE"),
        &["items[0].sku product_unknown"],
    ),
    ("an empty cart", |order| order["items"] = json!([]), &["items cart_empty"]),
    ("no cart", |order| order["items"] = Value::Null, &["items cart_empty"]),
    (
        "a stored cart that is not there",
        |order| {
            order["items"] = Value::Null;
            order["cart"] = json!(true)
        },
        &["cart cart_empty"],
    ),
    ("items that are no list", |order| order["items"] = json!("BOOK-DUNE"), &["items invalid"]),
    ("quantity 0", |order| order["items"][0]["quantity"] = json!(0), &["items[0].quantity quantity_invalid"]),
    (
        "quantity -1",
        |order| order["items"][0]["quantity"] = json!(-1),
        &["items[0].quantity quantity_invalid"],
    ),
    (
        "quantity 1.5",
        |order| order["items"][0]["quantity"] = json!(1.5),
        &["items[0].quantity quantity_invalid"],
    ),
    (
        "quantity 1e30",
        |order| order["items"][0]["quantity"] = json!(1e30),
        &["items[0].quantity quantity_invalid"],
    ),
    (
        "quantity as a text",
        |order| order["items"][0]["quantity"] = json!("2"),
        &["items[0].quantity quantity_invalid"],
    ),
    (
        "a huge quantity",
        |order| order["items"][0]["quantity"] = json!(u64::MAX),
        &["items[0].quantity quantity_too_large"],
    ),
    (
        "a huge sum of quantities",
        |order| order["items"] = json!(vec![json!({"sku": "BOOK-DUNE", "quantity": 900}); 9]),
        &["items[0].quantity quantity_too_large"],
    ),
    (
        "two thousand lines",
        |order| order["items"] = json!(vec![json!({"sku": "X", "quantity": 1}); 2000]),
        &["items too_many_lines"],
    ),
    ("no customer", |order| order["customer_id"] = Value::Null, &["customer_id required"]),
    ("a blank customer", |order| order["customer_id"] = json!("  "), &["customer_id invalid"]),
    ("a customer that is a number", |order| order["customer_id"] = json!(7), &["customer_id invalid"]),
    (
        "a customer with an escape",
        |order| order["customer_id"] = json!("a\u{1b}[31m"),
        &["customer_id invalid"],
    ),
    ("a customer with a NUL", |order| order["customer_id"] = json!("a\u{0}b"), &["customer_id invalid"]),
    (
        "a customer written from right to left",
        |order| order["customer_id"] = json!("\u{202e}nimda"),
        &["customer_id invalid"],
    ),
    ("no payment", |order| order["payment"] = Value::Null, &["payment required"]),
    (
        "an unknown method",
        |order| order["payment"]["method"] = json!("shells"),
        &["payment.method method_unknown"],
    ),
    (
        "a card without a token",
        |order| order["payment"] = json!({"method": "card"}),
        &["payment.token required"],
    ),
    (
        "a token with a line end",
        |order| order["payment"]["token"] = json!("tok\n_ok"),
        &["payment.token invalid"],
    ),
    (
        "an address that is none",
        |order| order["contact"] = json!({"email": "a@b@c.d", "phone": true}),
        &["contact.email invalid", "contact.phone invalid"],
    ),
    ("contact as a list", |order| order["contact"] = json!([]), &["contact invalid"]),
    (
        "an unknown discount",
        |order| order["discount_code"] = json!("FREE"),
        &["discount_code discount_invalid"],
    ),
    (
        "several faults",
        |order| {
            order["customer_id"] = json!("");
            order["items"] = json!([7, {"sku": "BOOK-DUNE"}]);
            order["payment"] = json!("cash")
        },
        &[
            "customer_id invalid",
            "items[0] invalid",
            "items[1].quantity quantity_invalid",
            "payment required",
        ],
    ),
];

#[test]
fn a_checkout_that_makes_no_order_is_rejected_with_a_code_for_each_field() {
    let shop = Shop::open();
    let mut ids = Vec::new();
    for (_, spoil, _) in REJECTED {
        let id = new_id();
        let mut body = checkout(&id, "BOOK-DUNE", "card", "tok_ok");
        spoil(&mut body);
        shop.send("checkout.submit", &id, &body);
        ids.push(id);
    }
    for (id, (what, _, expected)) in ids.iter().zip(REJECTED) {
        let view = shop.wait_for(id, |view| !view.is_null());
        assert_eq!(view["status"], "rejected", "{what}: {view}");
        let fault = |fault: &Value| {
            format!("{} {}", fault["field"].as_str().unwrap(), fault["code"].as_str().unwrap())
        };
        let faults: Vec<_> = view["errors"].as_array().unwrap().iter().map(fault).collect();
        assert_eq!(faults, *expected, "{what}");
        assert_eq!(view["code"], expected[0].split_once(' ').unwrap().1, "{what}");
    }
    let last = ids.last().unwrap();
    let shown = shop.run(&["order", "show", last]).ok();
    for part in ["rejected", "customer_id", "items[1].quantity", "(quantity_invalid)", "payment: "] {
        assert!(shown.contains(part), "{part} is missing:\n{shown}");
    }
    // A caller that waits gets a failure with a reason.
    let mut body = checkout(&new_id(), "BOOK-NONE", "card", "tok_ok");
    body.as_object_mut().unwrap().remove("order_id");
    let run = shop.folder.checkout_reading(body.to_string(), &["submit", "-", "--wait"]);
    assert!(
        run.code == 1 && run.out.contains("  rejected\n") && run.out.contains("(product_unknown)"),
        "{}{}",
        run.out,
        run.err
    );
    shop.close();
}

#[test]
fn what_is_odd_and_harmless_goes_through() {
    let shop = Shop::open();
    let mut merged = checkout(&new_id(), "BOOK-EMMA", "card", "tok_ok");
    merged["items"] = json!([{"sku": "BOOK-EMMA", "quantity": 1}, {"sku": "BOOK-DUNE", "quantity": 1},
        {"sku": "BOOK-EMMA", "quantity": 2, "price": {"amount": "0.01", "currency": "EUR"}}]);
    merged["customer_id"] = json!("Łucja Ångström 日本 🙂");
    merged["total"] = json!({"amount": "0.01", "currency": "EUR"});
    merged["unheard_of"] = json!({"deep": [[[[[[[[1]]]]]]]]});
    let id = merged["order_id"].as_str().unwrap().to_string();
    shop.send("checkout.submit", &id, &merged);
    let view = shop.wait_for(&id, |view| view["status"] == "fulfilled");
    let lines: Vec<_> = view["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["sku"].as_str().unwrap(), item["quantity"].as_u64().unwrap()))
        .collect();
    assert_eq!(lines, [("BOOK-DUNE", 1), ("BOOK-EMMA", 3)], "the same product twice is one line");
    assert_eq!(view["total"]["amount"], "38.49", "prices are looked up, whatever the sender says");
    shop.close();
}

#[test]
fn an_outsiders_nonsense_is_kept_as_a_dead_letter_and_holds_up_no_other() {
    let shop = Shop::open();
    let id = new_id();
    let event = |amount: &str| {
        json!({"id": "evt", "type": "payment.succeeded", "created": "2026-11-20T18:53:00Z",
            "data": {"reference": id, "transaction_id": "ch_1", "amount": {"amount": amount, "currency": "EUR"}}})
    };
    shop.wait_for_stock("BOOK-DUNE");
    shop.send("payment.webhook", "odd_evt_of_nobody", &event("5.00"));
    shop.send("payment.webhook", "odd_evt_negative", &event("-5.00"));
    shop.send(
        "stock.adjust",
        "odd_adjust_too_far",
        &json!({"sku": "BOOK-DUNE", "delta": -1_000_000, "reason": "typo"}),
    );
    shop.send(
        "stock.adjust",
        "odd_adjust_up_too_far",
        &json!({"sku": "BOOK-DUNE", "delta": i64::MAX, "reason": "typo"}),
    );
    shop.send("order.cancel", "odd_cancel_of_nobody", &json!({"order_id": new_id()}));
    shop.send("saga.retry", "odd_retry_of_nobody", &json!({"order_id": new_id(), "by": "me"}));
    let all =
        until("an outcome for each", || Some(block_on(outcomes(&shop.folder))).filter(|all| all.len() == 6));
    assert_eq!(
        all,
        [
            "odd_adjust_too_far: dead letter: stock_below_zero",
            "odd_adjust_up_too_far: dead letter: stock_too_large",
            "odd_cancel_of_nobody: there is no such order so far; it is held",
            "odd_evt_negative: dead letter: amount_negative",
            "odd_evt_of_nobody: dead letter: payment_unknown",
            "odd_retry_of_nobody: dead letter: saga_unknown",
        ]
    );
    shop.close();
}

/// What became of each message from outside: its outcome in the journal, or the code of its dead letter.
async fn outcomes(folder: &Folder) -> Vec<String> {
    let store = folder.store().await;
    let rows = store.journal_page(0, 1000).await.unwrap().into_iter().map(|(_, row)| row.unwrap());
    let handled =
        rows.filter(|row| row.role != contract::Role::Gateway).map(|row| (row.id.to_string(), row.outcome));
    let letters = store.dead_letters(None, 100).await.unwrap().into_iter();
    let kept = letters
        .map(|letter| (letter.message_id.unwrap_or_default(), format!("dead letter: {}", letter.code)));
    let mut all: Vec<_> = handled
        .chain(kept)
        .filter(|(id, _)| id.starts_with("odd_"))
        .map(|(id, what)| format!("{id}: {what}"))
        .collect();
    all.sort();
    all
}

#[test]
fn over_http_every_refusal_is_a_problem_with_a_code() {
    let shop = Shop::open();
    let ingress = shop.system.ingress();
    let message = |id: &str, body: &str| {
        format!(r#"{{"type":"order.cancel","message_id":"{id}","body":{body}}}"#).into_bytes()
    };
    let mut not_utf8 = message("m", r#"{"order_id":"X"}"#);
    let at = not_utf8.iter().position(|byte| *byte == b'X').unwrap();
    not_utf8[at] = 0xff;
    for (what, body, status, code) in [
        ("nothing", Vec::new(), 400, "ENVELOPE_INVALID"),
        ("no JSON", b"order.cancel".to_vec(), 400, "ENVELOPE_INVALID"),
        ("no body", br#"{"type":"order.cancel","message_id":"m"}"#.to_vec(), 400, "ENVELOPE_INVALID"),
        ("not UTF-8", not_utf8, 400, "ENVELOPE_INVALID"),
        (
            "no id",
            format!(r#"{{"type":"order.cancel","body":{{"order_id":"{}"}}}}"#, new_id()).into_bytes(),
            422,
            "message_id_missing",
        ),
        ("nested without end", message("m", &"[".repeat(40_000)), 400, "ENVELOPE_INVALID"),
        (
            "nested deeply",
            message("m", &format!("{}{}", "[".repeat(1000), "]".repeat(1000))),
            422,
            "body_invalid",
        ),
        ("70 KiB", message("m", &format!("\"{}\"", "x".repeat(70 << 10))), 413, "body_too_large"),
        ("a MiB", message("m", &format!("\"{}\"", "x".repeat(1 << 20))), 413, "BODY_TOO_LARGE"),
    ] {
        let (was, problem) = ingress.post("/admin/messages", &body).unwrap();
        assert_eq!((was, problem["code"].as_str()), (status, Some(code)), "{what}: {problem}");
        assert!(!problem["detail"].as_str().unwrap().is_empty() && problem["status"] == status, "{problem}");
    }
    let stranger =
        crate::support::http::post(ingress.address(), "guessed", "/admin/messages", b"{}").unwrap();
    assert_eq!((stranger.0, stranger.1["code"].as_str()), (401, Some("UNAUTHORIZED")));
    shop.close();
}

#[test]
fn another_schema_version_is_refused_by_name() {
    let body = checkout(&new_id(), "BOOK-DUNE", "card", "tok_ok").to_string().into_bytes();
    for (schema, fits) in
        [(None, true), (Some(1), true), (Some(0), false), (Some(2), false), (Some(i64::MIN), false)]
    {
        let raw = Raw {
            message_id: None,
            name: "checkout.submit".into(),
            schema,
            body: body.clone(),
            ..Raw::default()
        };
        match Message::accept(usual(&raw.name), &raw, Time::default()) {
            Ok(_) => assert!(fits, "{schema:?}"),
            Err(why) => {
                assert!(!fits && why.code == "schema_unknown" && why.why.contains("reads schema 1"), "{why}")
            }
        }
    }
}
