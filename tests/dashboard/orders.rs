//! An operator finds an order, reads its story, previews an action, and performs it.

use serde_json::json;

use super::{Browser, Office};
use crate::support::http_client::{Answer, HttpClient};
use crate::support::until;

const HOSTILE: &str = "<script>alert('x')</script>";

/// Places an order. Its id, and the answer.
pub(super) fn placed(office: &Office, sku: &str, token: &str) -> (String, u16) {
    let anna = HttpClient::customer(office.address(), "anna");
    let id = crate::support::new_id();
    let order = json!({
        "order_id": id, "items": [{"sku": sku, "quantity": 2}],
        "payment": {"method": "card", "token": token},
        "contact": {"email": "anna.reader@example.org", "phone": "+49301234567"},
    });
    let wait = if token == "tok_ok" { "wait=10" } else { "wait=0" };
    let placed = anna.send("POST", "/orders", &[("prefer", wait)], order.to_string().as_bytes());
    (id, placed.status)
}

/// A shop with something to sell.
pub(super) fn stocked(office: &Office) {
    let product = json!({"title": "Dune", "price": {"amount": "12.99", "currency": "EUR"}, "on_hand": 100});
    let admin = HttpClient::admin(office.address());
    admin.send("PUT", "/admin/products/BOOK-DUNE", &[], product.to_string().as_bytes()).is(200);
}

/// Orders two books.
pub(super) fn ordered(office: &Office, token: &str, wanted: &str) -> String {
    stocked(office);
    let (id, _) = placed(office, "BOOK-DUNE", token);
    status(office, &id, wanted);
    id
}

pub(super) fn status(office: &Office, id: &str, wanted: &str) {
    let admin = HttpClient::admin(office.address());
    until(&format!("{id} {wanted}"), || {
        (admin.get(&format!("/orders/{id}")).json()["status"] == wanted).then_some(())
    });
}

/// The hidden field of a page's form.
#[track_caller]
pub(super) fn hidden(page: &str, name: &str) -> String {
    let (_, rest) =
        page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name}: {page}"));
    rest.split('"').next().unwrap().to_string()
}

/// Sends the form on that page with these fields.
#[track_caller]
fn act(admin: &Browser, path: &str, words: &str) -> Answer {
    let page = admin.get(path).is(200).text;
    let names = ["form_token", "message_id", "return", "items", "due"];
    let fields = names.map(|name| {
        (
            name,
            hidden(
                page.split("<h2 id=\"do-title\"")
                    .nth(1)
                    .unwrap_or_else(|| panic!("{path} is refused: {page}")),
                name,
            ),
        )
    });
    let mut fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.push(("words", words));
    let done = admin.post(path.split('?').next().unwrap(), &fields).is(303);
    admin.get(&done.headers["location"]).is(200)
}

#[test]
fn orders_and_sagas_are_found_and_an_order_shows_all_that_is_known_of_it() {
    let office = Office::open();
    let admin = office.admin();
    let done = ordered(&office, "tok_ok", "fulfilled");
    let waits = ordered(&office, "tok_never_answers", "created");
    let found = |path: &str| admin.get(path).is(200).text;
    let all = found("/dashboard/orders");
    assert!(all.contains(&done) && all.contains(&waits), "{all}");
    for path in [
        format!("/dashboard/orders?q={}", &waits[..30]),
        "/dashboard/orders?status=created".into(),
        "/dashboard/orders?step=take_payment&idle_s=&q=".into(),
        "/dashboard/orders?idle_s=0".into(),
        "/dashboard/sagas?status=running".into(),
        "/dashboard/sagas?step=take_payment".into(),
    ] {
        let page = found(&path);
        assert!(page.contains(&waits) && !page.contains(&done), "{path}: {page}");
    }
    assert!(found("/dashboard/sagas?q=anna").contains(&done));
    assert!(found("/dashboard/orders?q=nobody").contains("None is like that"));
    admin.get("/dashboard/orders?idle_s=long").is(400);
    let hostile =
        admin.get(&format!("/dashboard/orders?q={}", HOSTILE.replace('<', "%3C").replace('>', "%3E")));
    assert!(!hostile.is(200).text.contains("<script>alert"), "the query stays text");

    let page = found(&format!("/dashboard/orders/{done}"));
    for expected in [
        "Dune",
        "25.98 EUR",
        "customer → gateway",
        "payment → provider",
        "<svg",
        "stock.ship",
        "completed",
        "Take goods back",
        "a***@example.org",
    ] {
        assert!(page.contains(expected), "{expected} is not on the page\n{page}");
    }
    assert!(!page.contains("anna.reader") && !page.contains("tok_ok"), "masked unless asked for");
    let personal = found(&format!("/dashboard/orders/{done}?personal=shown"));
    assert!(personal.contains("anna.reader@example.org") && !personal.contains("tok_ok"), "{personal}");
    assert!(
        found(&format!("/dashboard/orders/{waits}")).contains("Its deadline") || page.contains("Deadlines")
    );
    admin.get(&format!("/dashboard/orders/{}", crate::support::new_id())).is(404);
    office.browser().get(&format!("/dashboard/orders/{done}")).is(401);
}

#[test]
fn an_act_is_shown_before_it_is_done_and_stands_in_the_trail_with_who_and_why() {
    let office = Office::open();
    let admin = office.admin();
    let done = ordered(&office, "tok_ok", "fulfilled");
    let at = |id: &str, act: &str| format!("/dashboard/orders/{id}/acts/{act}");
    let shown = admin.get(&format!("{}?items=BOOK-DUNE%3D1", at(&done, "refund"))).is(200).text;
    assert!(
        shown.contains("12.99 EUR go back to the customer") && shown.contains("provider.refund"),
        "{shown}"
    );
    let after = act(&admin, &format!("{}?items=BOOK-DUNE%3D1", at(&done, "refund")), "torn");
    assert!(after.text.contains("return begun"), "{}", after.text);
    until("the return", || {
        admin.get(&format!("/dashboard/orders/{done}")).text.contains("came back").then_some(())
    });
    let after = act(&admin, &at(&done, "archive"), "the year is over").text;
    for expected in ["anna (admin)", "the year is over", "torn", "12.99"] {
        assert!(after.contains(expected), "{expected} is not on the page\n{after}");
    }
    let refused = admin.get(&at(&done, "cancel")).is(200).text;
    assert!(refused.contains("It would be refused") && !refused.contains("id=\"do\""), "{refused}");

    let waits = ordered(&office, "tok_never_answers", "created");
    let moved = format!("{}?due=2026-12-24T18%3A00", at(&waits, "move"));
    assert!(admin.get(&moved).is(200).text.contains("is due at 2026-12-24T18:00:00.000Z"));
    let after = act(&admin, &moved, "holidays").text;
    assert!(after.contains("2026-12-24T18:00:00.000Z") && after.contains("holidays"), "{after}");
    let after = act(&admin, &at(&waits, "wait"), "they called").text;
    assert!(after.contains("waits for a person at take payment"), "{after}");
    let after = act(&admin, &at(&waits, "give-up"), "they want it no more").text;
    assert!(after.contains("they want it no more"), "{after}");
    status(&office, &waits, "cancelled");
    admin.get(&at(&waits, "eat")).is(404);
}

#[test]
fn an_act_without_a_reason_or_from_another_page_is_not_heard() {
    let office = Office::open();
    let admin = office.admin();
    let id = ordered(&office, "tok_never_answers", "created");
    let path = format!("/dashboard/orders/{id}/acts/cancel");
    let page = admin.get(&path).is(200).text;
    let (token, message_id) = (hidden(&page, "form_token"), hidden(&page, "message_id"));
    let fields =
        |words| [("form_token", token.as_str()), ("message_id", message_id.as_str()), ("words", words)];
    admin.post(&path, &fields("")).is(422);
    admin.post(&path, &[("message_id", &message_id), ("words", "x")]).is(403);
    admin.post_as(&path, &fields("x"), &[("sec-fetch-site", "cross-site")]).is(403);
    assert_eq!(HttpClient::admin(office.address()).get(&format!("/orders/{id}")).json()["status"], "created");
    // Sent twice, it is done once.
    admin.post(&path, &fields("once")).is(303);
    admin.post(&path, &fields("once")).is(303);
    status(&office, &id, "cancelled");
    let page = admin.get(&format!("/dashboard/orders/{id}")).is(200).text;
    assert_eq!(
        page.matches("<code>order.cancel</code>").count(),
        2,
        "accepted once, and handled once\n{page}"
    );
}

#[test]
fn a_worker_and_a_payment_method_are_paused_and_go_on_each_with_a_reason() {
    let office = Office::open();
    let admin = office.admin();
    let turn = |path: &str, why: &str| {
        let page = admin.get(path).is(200).text;
        let token = hidden(&page, "form_token");
        let id = if page.contains("message_id") { hidden(&page, "message_id") } else { String::new() };
        admin.post(path, &[("form_token", &token), ("message_id", &id), ("why", why)])
    };
    let role = "/dashboard/pauses/roles/payment";
    assert!(admin.get(role).is(200).text.contains("take payment"), "its steps are named");
    turn(role, "").is(422);
    turn(role, "it is being moved").is(303);
    let page = admin.get("/dashboard/pauses").is(200).text;
    assert!(page.contains("by anna: it is being moved"), "{page}");
    turn(role, "it is back").is(303);
    let method = "/dashboard/pauses/methods/paypal";
    assert!(admin.get(method).is(200).text.contains("method paused"), "decided by the order worker");
    turn(method, "it is down").is(303);
    assert!(admin.get("/dashboard/pauses").is(200).text.contains("by anna: it is down"));
    turn(method, "it is up").is(303);
    assert!(!admin.get("/dashboard/pauses").is(200).text.contains("by anna"));
    admin.get("/dashboard/pauses/roles/nobody").is(404);
}
