//! The overview shows the figures of the database, and text on it cannot become markup.

use contract::Time;
use serde_json::json;
use store::Reports;
use store::Store;

use super::Browser;
use crate::gateway::GatewayTest;
use crate::support::{block_on, until};

#[test]
fn orders_are_counted_by_state_and_drawn_along_the_sagas_own_table() {
    let gate = GatewayTest::open();
    let browser = Browser { web: gate.stranger(), cookie: String::new() };
    let good = gate.shop.submit("BOOK-DUNE", "card", "tok_ok");
    let bad = gate.shop.submit("BOOK-DUNE", "card", "tok_declined");
    gate.shop.wait_for(&good, |order| order["status"] == "fulfilled");
    gate.shop.wait_for(&bad, |order| order["status"] == "cancelled");
    let page = until("both are counted", || {
        let page = browser.get("/").is(200).text;
        page.contains("status=fulfilled\">1</a>").then_some(page)
    });
    assert!(page.contains("status=cancelled\">1</a>") && page.contains("status=created\">0</a>"), "{page}");
    for says in ["checkout, version 1", "take payment", "1 declined", "stock.release", "completed"] {
        assert!(page.contains(says), "{says}");
    }
    let queues = ["intake", "order", "payment", "stock", "notification", "saga", "provider", "email", "sms"];
    assert!(queues.iter().all(|queue| page.contains(&format!("<td>{queue}</td>"))), "{page}");
    gate.shop.close();
}

#[test]
fn text_that_was_entered_stays_text() {
    let gate = GatewayTest::open();
    let hostile = "<img src=x onerror=alert(1)>\"'&";
    gate.admin().post("/admin/roles/email/pause", &json!({"why": hostile})).is(204);
    let page = gate.stranger().get("/").is(200).text;
    assert!(
        page.contains("&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;") && !page.contains("<img"),
        "{page}"
    );
    gate.admin().post("/admin/roles/email/resume", &json!({"why": ""})).is(204);
    gate.shop.close();
}

#[test]
fn a_page_is_told_of_what_is_new_and_each_part_comes_whole() {
    use std::io::{BufRead, BufReader};
    let gate = GatewayTest::open();
    let stream = gate.stranger().begin("GET", "/dashboard/events/overview", &[], b"").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "content-type: text/event-stream"));
    assert!(lines.any(|line| line == "event: parts"));
    let data = lines.find(|line| line.starts_with("data: ")).unwrap();
    for part in ["now", "orders", "charts", "flow", "queues"] {
        assert!(data.contains(&format!("id=\"{part}\"")), "{part}: {data}");
    }
    gate.shop.close();
}

#[test]
fn a_census_finds_every_order_and_saga_once() {
    let gate = GatewayTest::open();
    let good = gate.shop.submit("BOOK-DUNE", "card", "tok_ok");
    let waits = gate.shop.submit("BOOK-DUNE", "card", "tok_never_answers");
    gate.shop
        .wait_for(&good, |order| order["status"] == "fulfilled" && order["saga"]["status"] == "completed");
    gate.shop.wait_for(&waits, |order| order["saga"]["step"] == "take_payment");
    let store = block_on(gate.shop.folder.store());
    let (from, to) = (Time::from_unix_ms(0), block_on(store.now()).unwrap().plus_s(1));
    let mut all = block_on(store.census(from, to)).unwrap().orders;
    all.sort();
    assert_eq!(all, [("created".to_string(), 1), ("fulfilled".to_string(), 1)]);
    let open = block_on(store.census_under_way()).unwrap();
    assert_eq!(open.orders, [("created".to_string(), 1)]);
    let [saga] = &open.sagas[..] else { panic!("{open:?}") };
    assert_eq!((saga.definition.as_str(), saga.status.as_str(), saga.count), ("checkout", "running", 1));
    assert!(block_on(store.census(to, to.plus_s(9))).unwrap().orders.is_empty());
    gate.shop.close();
}
