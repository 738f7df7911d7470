//! Dead letters can be understood, edited, replayed and discarded, one by one and in groups.

use serde_json::json;

use super::orders::{hidden, placed};
use super::{Browser, Office};
use crate::support::http_client::HttpClient;
use crate::support::until;

/// A product that the catalogue cannot accept: it has no title.
fn odd(office: &Office, id: &str) {
    let product =
        json!({"sku": "EMMA", "title": "", "price": {"amount": "7.50", "currency": "EUR"}, "on_hand": 3});
    let message = json!({"type": "product.upsert", "message_id": id, "body": product});
    HttpClient::admin(office.address()).post("/admin/messages", &message).is(202);
}

fn open(office: &Office) -> Vec<serde_json::Value> {
    let letters = HttpClient::admin(office.address()).get("/admin/dead-letters?limit=100").is(200).json();
    letters["items"].as_array().unwrap().clone()
}

fn letters(office: &Office, count: usize) -> Vec<String> {
    until(&format!("{count} dead letters"), || {
        let open = open(office);
        let ids = open.iter().map(|letter| letter["id"].as_str().unwrap().to_string());
        (open.len() == count).then(|| ids.collect())
    })
}

fn send(
    admin: &Browser,
    page: &str,
    path: &str,
    fields: &[(&str, &str)],
) -> crate::support::http_client::Answer {
    let token = hidden(page, "form_token");
    let fields: Vec<_> = [("form_token", token.as_str())].into_iter().chain(fields.iter().copied()).collect();
    admin.post(path, &fields)
}

#[test]
fn a_letter_is_edited_after_its_change_and_what_it_would_cause_were_shown() {
    let office = Office::open();
    let admin = office.admin();
    odd(&office, "odd-1");
    let id = &letters(&office, 1)[0];
    let groups = admin.get("/dashboard/dead-letters").is(200).text;
    assert!(groups.contains("product_invalid") && groups.contains("code=product_invalid"), "{groups}");
    let path = format!("/dashboard/dead-letters/{id}");
    let page = admin.get(&path).is(200).text;
    assert!(
        page.contains("dead letter product_invalid"),
        "an unchanged replay would fail in the same way\n{page}"
    );
    let mended =
        json!({"sku": "EMMA", "title": "Emma", "price": {"amount": "7.50", "currency": "EUR"}, "on_hand": 3});
    let mended = mended.to_string();
    let fields = [("type", "product.upsert"), ("body", mended.as_str())];
    let shown = send(&admin, &page, &format!("{path}/edited"), &fields).is(200).text;
    for expected in ["title", "Emma", "Would come to", "stock.count"] {
        assert!(shown.contains(expected), "{expected} is not on the page\n{shown}");
    }
    let fields = [("type", "product.upsert"), ("body", mended.as_str()), ("why", "it had no title")];
    send(&admin, &shown, &format!("{path}/replay"), &fields).is(303);
    // The product can be ordered only because the dead letter was replayed.
    until("the product", || (placed(&office, "EMMA", "tok_ok").1 == 201).then_some(()));
    assert!(open(&office).is_empty());
    let closed = admin.get(&path).is(200).text;
    assert!(closed.contains("replayed") && !closed.contains("Send it again"), "{closed}");
    send(&admin, &shown, &format!("{path}/replay"), &fields).is(409);
}

#[test]
fn what_is_masked_and_left_so_is_sent_as_it_was_and_no_page_shows_a_token() {
    let office = Office::open();
    let admin = office.admin();
    let order = json!({
        "order_id": crate::support::new_id(), "customer_id": "anna", "items": [{"sku": "BOOK-DUNE", "quantity": 1}],
        "payment": {"method": "card", "token": "tok_ok"}, "contact": {"email": "anna.reader@example.org"},
    });
    let send_order = |customer: &str| {
        let mut order = order.clone();
        order["customer_id"] = json!(customer);
        let message =
            json!({"type": "checkout.submit", "message_id": crate::support::new_id(), "body": order});
        HttpClient::admin(office.address()).post("/admin/messages", &message).is(202);
    };
    super::orders::stocked(&office);
    send_order("anna");
    super::orders::status(&office, order["order_id"].as_str().unwrap(), "fulfilled");
    send_order("ben");
    let id = &letters(&office, 1)[0];
    let path = format!("/dashboard/dead-letters/{id}");
    let page = admin.get(&path).is(200).text;
    assert!(!page.contains("tok_ok") && !page.contains("anna.reader"), "{page}");
    assert!(!admin.get(&format!("{path}?personal=shown")).text.contains("tok_ok"));
    let area = page
        .split("<textarea")
        .nth(1)
        .unwrap()
        .split_once('>')
        .unwrap()
        .1
        .split("</textarea>")
        .next()
        .unwrap();
    let text = area.replace("&quot;", "\"");
    let mut edited: serde_json::Value = serde_json::from_str(&text).unwrap();
    let new_id = crate::support::new_id();
    edited["order_id"] = json!(new_id);
    let edited = edited.to_string();
    let fields = [("type", "checkout.submit"), ("body", edited.as_str()), ("why", "another order")];
    send(&admin, &page, &format!("{path}/replay"), &fields).is(303);
    super::orders::status(&office, &new_id, "fulfilled");
    let shown = admin.get(&format!("/dashboard/orders/{new_id}?personal=shown")).is(200).text;
    assert!(shown.contains("anna.reader@example.org"), "{shown}");
}

#[test]
fn a_group_is_given_up_together_and_shows_how_far_it_has_come() {
    let office = Office::open();
    let admin = office.admin();
    (0..12).for_each(|n| odd(&office, &format!("odd-{n}")));
    letters(&office, 12);
    let group = "/dashboard/dead-letters?code=product_invalid&queue=order&type=product.upsert";
    let page = admin.get(group).is(200).text;
    let fields = [("code", "product_invalid"), ("queue", "order"), ("type", "product.upsert"), ("why", "")];
    send(&admin, &page, "/dashboard/dead-letters/all/discard", &fields).is(422);
    let fields =
        [("code", "product_invalid"), ("queue", "order"), ("type", "product.upsert"), ("why", "a test")];
    send(&admin, &page, "/dashboard/dead-letters/all/discard", &fields).is(303);
    letters(&office, 0);
    until("the end of the work", || {
        admin.get("/dashboard/dead-letters").text.contains("12 of 12 done, 0 could not").then_some(())
    });
}
