//! Cases that are easily forgotten when goods are sold over HTTP.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::GatewayTest;
use crate::support::http_client::{Answer, HttpClient};
use crate::support::shop::Shop;
use crate::support::system::{QUICK, System};
use crate::support::{new_id, until};

impl GatewayTest {
    /// Sends a message of the back office as an admin.
    #[track_caller]
    fn says(&self, name: &str, body: &Value) {
        let envelope = json!({"type": name, "message_id": new_id(), "body": body});
        self.admin().post("/admin/messages", &envelope).is(202);
    }

    /// Puts a product on sale: `None` leaves the stock as it was.
    #[track_caller]
    fn sells(&self, sku: &str, amount: &str, currency: &str, on_hand: impl Into<Option<u32>>) {
        let mut product = json!({"sku": sku, "title": format!("All about {sku}"), "price": {"amount": amount, "currency": currency}});
        if let Some(on_hand) = on_hand.into() {
            product["on_hand"] = json!(on_hand);
        }
        self.says("product.upsert", &product);
    }

    /// Orders again and again until the catalogue has taken in the last message.
    #[track_caller]
    fn buys(&self, web: &HttpClient, body: &Value, wanted: u16) -> Value {
        let headers = [("prefer", "wait=30")];
        let answer = until("the catalogue to know", || {
            let mut body = body.clone();
            body["order_id"] = json!(new_id());
            let answer = web.send("POST", "/orders", &headers, body.to_string().as_bytes());
            (answer.status == wanted).then_some(answer)
        });
        answer.json()
    }
}

fn of(lines: &[(&str, u32)]) -> Value {
    let items: Vec<_> =
        lines.iter().map(|(sku, quantity)| json!({"sku": sku, "quantity": quantity})).collect();
    json!({"items": items, "payment": {"method": "card", "token": "tok_ok"}})
}

#[track_caller]
fn status(web: &HttpClient, id: &Value, wanted: &str) -> Value {
    let path = format!("/orders/{}", id.as_str().unwrap());
    until(&format!("{path} to be {wanted}"), || {
        let order = web.get(&path).is(200).json();
        (order["status"] == wanted).then_some(order)
    })
}

fn trail(order: &Value) -> Vec<&str> {
    order["audit"].as_array().unwrap().iter().map(|entry| entry["to"].as_str().unwrap()).collect()
}

#[test]
fn a_price_is_that_of_the_day_also_when_it_changed_since_and_when_the_product_is_gone() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    gate.sells("SNAP", "5.00", "EUR", 10);
    let id = gate.buys(&anna, &of(&[("SNAP", 2)]), 201)["order_id"].clone();
    gate.sells("SNAP", "9.00", "EUR", None);
    until("the new price", || {
        let dearer = gate.buys(&anna, &of(&[("SNAP", 1)]), 201);
        (dearer["total"]["amount"] == "9.00").then_some(())
    });
    let retired = gate.admin().send("DELETE", "/admin/products/SNAP", &[], b"").is(200);
    assert_eq!(retired.json()["retired"], true);
    gate.admin().send("DELETE", "/admin/products/NEVER-SOLD", &[], b"").problem(422, "PRODUCT_UNKNOWN");
    let gone = gate.buys(&anna, &of(&[("SNAP", 1)]), 422);
    assert_eq!(gone["code"], "PRODUCT_UNKNOWN");

    let order = status(&anna, &id, "fulfilled");
    let line = &order["items"][0];
    assert_eq!((&line["title"], &line["unit_price"]["amount"]), (&json!("All about SNAP"), &json!("5.00")));
    assert_eq!(
        (&line["line_total"]["amount"], &order["total"]["amount"]),
        (&json!("10.00"), &json!("10.00"))
    );
    let listed = anna.get("/orders?limit=100").json();
    let listed =
        listed["items"].as_array().unwrap().iter().find(|one| one["order_id"] == id).cloned().unwrap();
    assert_eq!(listed["items"], order["items"]);
    // A product that is offered again sells again.
    gate.sells("SNAP", "7.00", "EUR", None);
    assert_eq!(gate.buys(&anna, &of(&[("SNAP", 1)]), 201)["total"]["amount"], "7.00");
    gate.shop.close();
}

#[test]
fn prices_are_exact_with_no_two_and_three_digits_after_the_point() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    gate.says("discount.upsert", &json!({"code": "TENTH", "percent": "10"}));
    for (sku, currency, unit, line, discount, total) in [
        ("IN-YEN", "JPY", "333", "999", "100", "899"),
        ("IN-EURO", "EUR", "0.10", "0.30", "0.03", "0.27"),
        ("IN-DINAR", "BHD", "1.005", "3.015", "0.302", "2.713"),
    ] {
        gate.sells(sku, unit, currency, 10);
        let mut body = of(&[(sku, 3)]);
        body["discount_code"] = json!("TENTH");
        let order = gate.buys(&anna, &body, 201);
        let money = |amount: &str| json!({"amount": amount, "currency": currency});
        let of_line = (&order["items"][0]["unit_price"], &order["items"][0]["line_total"]);
        assert_eq!(of_line, (&money(unit), &money(line)), "{sku}");
        let of_all = (&order["subtotal"], &order["discount"], &order["total"]);
        assert_eq!(of_all, (&money(line), &money(discount), &money(total)), "{sku}");
        let order = status(&anna, &order["order_id"], "fulfilled");
        assert_eq!(order["payment"]["charged"], money(total), "{sku}");
    }
    gate.shop.close();
}

#[test]
fn a_discount_takes_no_total_below_nothing() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    gate.says("discount.upsert", &json!({"code": "GIFT", "amount": {"amount": "100.00", "currency": "EUR"}}));
    let mut body = of(&[("BOOK-DUNE", 1)]);
    body["discount_code"] = json!("GIFT");
    let order = gate.buys(&anna, &body, 201);
    let order = status(&anna, &order["order_id"], "fulfilled");
    let amount = |name: &str| order[name]["amount"].clone();
    assert_eq!([amount("subtotal"), amount("discount"), amount("total")], ["12.99", "12.99", "0.00"]);
    assert_eq!(order["payment"]["charged"]["amount"], "0.00");
    gate.shop.close();
}

/// Each in a thread of its own, all at the same time.
fn at_once(count: u32, ask: impl Fn(u32) -> Answer + Sync) -> Vec<Answer> {
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..count)
            .map(|no| {
                scope.spawn({
                    let ask = &ask;
                    move || ask(no)
                })
            })
            .collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    })
}

#[test]
fn of_a_hundred_buyers_of_the_last_one_one_gets_it_and_the_others_hear_why_not() {
    let gate = GatewayTest::open();
    gate.sells("LAST", "5.00", "EUR", 1);
    // An order for two shows whether the stock has arrived, and takes nothing.
    assert_eq!(gate.buys(&gate.customer("scout"), &of(&[("LAST", 2)]), 409)["items"][0]["available"], 1);
    let answers = at_once(100, |no| {
        let headers = [("idempotency-key", "k"), ("prefer", "wait=30")];
        gate.customer(&format!("buyer-{no}")).send(
            "POST",
            "/orders",
            &headers,
            of(&[("LAST", 1)]).to_string().as_bytes(),
        )
    });
    let mut counted = BTreeMap::<u16, u32>::new();
    for answer in &answers {
        *counted.entry(answer.status).or_default() += 1;
        if answer.status == 409 {
            let short = json!([{"sku": "LAST", "title": "All about LAST", "requested": 1, "available": 0}]);
            assert_eq!(
                (&answer.json()["code"], &answer.json()["items"]),
                (&json!("ORDER_INSUFFICIENT_STOCK"), &short)
            );
        }
    }
    assert_eq!(counted, [(201, 1), (409, 99)].into());
    gate.shop.close();
}

#[test]
fn an_order_that_is_cancelled_once_it_is_paid_is_refunded() {
    let gate = GatewayTest::open_with(&["--log-format=text"]);
    let (anna, admin) = (gate.customer("anna"), gate.admin());
    let mut body = of(&[("BOOK-DUNE", 1)]);
    body["order_id"] = json!(new_id());
    let id = body["order_id"].clone();
    // The provider is paused until the saga is, and the saga until the customer has cancelled.
    admin.post("/admin/roles/provider/pause", &json!({"by": "anna", "why": "a test"})).is(204);
    until("the provider to pause", || gate.shop.log().contains("paused role=provider").then_some(()));
    anna.post("/orders", &body).is(202);
    until("it is asked for", || {
        let order = anna.get(&format!("/orders/{}", id.as_str().unwrap())).json();
        (order["payment"]["status"] == "asked").then_some(())
    });
    admin.post("/admin/roles/saga/pause", &json!({"by": "anna", "why": "a test"})).is(204);
    until("the saga to pause", || gate.shop.log().contains("paused role=saga").then_some(()));
    admin.post("/admin/roles/provider/resume", &json!({"by": "anna"})).is(204);
    until("it is paid for", || {
        let order = anna.get(&format!("/orders/{}", id.as_str().unwrap())).json();
        (order["payment"]["status"] == "captured").then_some(())
    });
    let cancel = format!("/orders/{}/cancel", id.as_str().unwrap());
    anna.send("POST", &cancel, &[("prefer", "wait=1")], b"{}").is(202);
    admin.post("/admin/roles/saga/resume", &json!({"by": "anna"})).is(204);
    let order = status(&anna, &id, "refunded");
    assert_eq!(order["reason"], "cancelled_by_customer");
    assert_eq!(trail(&order), ["created", "paid", "refunded"]);
    assert_eq!(
        (&order["payment"]["charged"], &order["payment"]["refunded"]),
        (&order["total"], &order["total"])
    );
    gate.shop.close();
}

#[test]
fn a_return_of_some_lines_puts_those_back_on_the_shelf_and_every_change_can_be_read() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    gate.sells("BACK", "10.00", "EUR", 2);
    gate.sells("STAYS", "1.00", "EUR", 1);
    let id = gate.buys(&anna, &of(&[("BACK", 2), ("STAYS", 1)]), 201)["order_id"].clone();
    status(&anna, &id, "fulfilled");
    let back = |lines: Value| json!({"order_id": id, "items": lines, "reason": "torn"});
    gate.says("order.refund", &back(json!([{"sku": "BACK", "quantity": 1}])));
    let refunded = |amount: &str| {
        until(&format!("{amount} to be back"), || {
            let order = anna.get(&format!("/orders/{}", id.as_str().unwrap())).json();
            (order["payment"]["refunded"]["amount"] == amount).then_some(order)
        })
    };
    assert_eq!(refunded("10.00")["status"], "fulfilled", "the rest is still theirs");
    // Goods that came back are for sale again, once. Goods that did not come back are not.
    assert_eq!(gate.buys(&anna, &of(&[("STAYS", 1)]), 409)["items"][0]["available"], 0);
    gate.buys(&gate.customer("ben"), &of(&[("BACK", 1)]), 201);
    assert_eq!(gate.buys(&anna, &of(&[("BACK", 1)]), 409)["items"][0]["available"], 0);

    gate.says("order.refund", &json!({"order_id": id, "reason": "all of it"}));
    let order = status(&anna, &id, "refunded");
    assert_eq!(order["payment"]["refunded"]["amount"], "21.00");
    gate.says("order.archive", &json!({"order_id": id}));
    let order = status(&anna, &id, "archived");
    assert_eq!(trail(&order), ["created", "paid", "fulfilled", "refunded", "archived"]);
    for entry in order["audit"].as_array().unwrap() {
        assert!(entry["at"].is_string() && entry["by"].is_string(), "{entry}");
    }
    gate.shop.close();
}

#[test]
fn an_order_is_put_away_once_its_time_has_come() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    let done = gate.buys(&anna, &of(&[("BOOK-DUNE", 1)]), 201)["order_id"].clone();
    status(&anna, &done, "fulfilled");
    let mut waits = of(&[("BOOK-DUNE", 1)]);
    waits["payment"] = json!({"method": "cod"});
    let waits = gate.buys(&anna, &waits, 201)["order_id"].clone();
    let GatewayTest { shop: Shop { folder, system } } = gate;
    assert_eq!(system.terminate(), 0);

    let secret = format!("--jwt-secret={}", crate::support::served::SECRET);
    let system = System::start(&folder, &[QUICK, &[secret.as_str(), "--archive-after-days=0"]].concat());
    let anna = HttpClient::customer(system.ingress().address(), "anna");
    let order = status(&anna, &done, "archived");
    assert_eq!(
        (trail(&order), &order["audit"][3]["by"]),
        (vec!["created", "paid", "fulfilled", "archived"], &json!("system"))
    );
    assert_eq!(status(&anna, &waits, "created")["payment"]["status"], "awaiting_cash", "it has not ended");
    Shop { folder, system }.close();
}

#[test]
fn a_hundred_orders_at_once_are_each_answered_within_half_a_second_however_slow_the_provider_is() {
    const WITHIN: Duration = Duration::from_millis(500);
    let gate = GatewayTest::open_with(&["--provider-delay-ms=1000-3000"]);
    let anna = gate.customer("anna");
    anna.get("/orders").is(200);
    // Other tests share the machine, so it may take several tries: it has to be possible, not certain.
    let slowest = (0..5).map(|round| {
        let times = std::sync::Mutex::new(Vec::new());
        at_once(100, |no| {
            let (key, begun) = (format!("{round}-{no}"), Instant::now());
            let headers = [("idempotency-key", key.as_str())];
            let answer =
                anna.send("POST", "/orders", &headers, of(&[("BOOK-DUNE", 1)]).to_string().as_bytes());
            times.lock().unwrap().push(begun.elapsed());
            answer.is(202)
        });
        times.into_inner().unwrap().into_iter().max().unwrap_or_default()
    });
    let slowest: Vec<_> =
        slowest.scan(false, |done, took| (!std::mem::replace(done, took < WITHIN)).then_some(took)).collect();
    assert!(slowest.iter().any(|took| *took < WITHIN), "{slowest:?}");
}
