//! An action that an order offers to a caller is accepted from that caller, and a refusal names no other action.

use std::cell::Cell;

use serde_json::{Value, json};

use super::GatewayTest;
use super::intents::waiting;
use super::orders::{body, id_of, place, place_and_wait, status};
use crate::support::http_client::{Answer, HttpClient};
use crate::support::until;

const SKU: &str = "PLENTY";
const ACTIONS: [&str; 4] = ["cancel", "pay", "refund", "archive"];

struct Fixture {
    gate: GatewayTest,
    anna: HttpClient,
    admin: HttpClient,
    placed: Cell<usize>,
}

impl Fixture {
    fn open() -> Self {
        let gate = GatewayTest::open();
        let (anna, admin) = (gate.customer("anna"), gate.admin());
        let product =
            json!({"title": "Plenty", "price": {"amount": "5.00", "currency": "EUR"}, "on_hand": 10_000});
        admin.send("PUT", &format!("/admin/products/{SKU}"), &[], product.to_string().as_bytes()).is(200);
        Self { gate, anna, admin, placed: Cell::new(0) }
    }

    fn key(&self) -> String {
        self.placed.set(self.placed.get() + 1);
        format!("k{}", self.placed.get())
    }

    fn show(&self, web: &HttpClient, id: &str) -> Value {
        web.get(&format!("/orders/{id}")).is(200).json()
    }

    fn offered(&self, web: &HttpClient, id: &str) -> Vec<String> {
        serde_json::from_value(self.show(web, id)["actions"].clone()).unwrap()
    }

    fn ask(&self, web: &HttpClient, id: &str, action: &str) -> Answer {
        let post = |path: String| web.post(&path, &json!({}));
        match action {
            "refund" => post(format!("/admin/orders/{id}/refund")),
            "archive" => {
                let to = json!({"status": "archived"}).to_string();
                web.send("PUT", &format!("/admin/orders/{id}/status"), &[], to.as_bytes())
            }
            other => post(format!("/orders/{id}/{other}")),
        }
    }

    fn placed(&self, body: &Value) -> String {
        id_of(&place(&self.anna, &self.key(), body).is(202))
    }

    fn fulfilled(&self) -> String {
        let id = id_of(&place_and_wait(&self.anna, &self.key(), &body(SKU, 2, "tok_ok")).is(201));
        status(&self.anna, &id, "fulfilled");
        id
    }

    fn asked(&self) -> String {
        let id = self.placed(&body(SKU, 1, "tok_never_answers"));
        until("the charge to be asked for", || {
            (self.show(&self.anna, &id)["payment"]["status"] == "asked").then_some(())
        });
        id
    }

    fn on_its_way(&self) -> String {
        let cash = json!({"items": [{"sku": SKU, "quantity": 1}], "payment": {"method": "cod"}});
        let id = id_of(&place_and_wait(&self.anna, &self.key(), &cash).is(201));
        until("the cash to be waited for", || {
            (self.show(&self.anna, &id)["payment"]["status"] == "awaiting_cash").then_some(())
        });
        id
    }

    fn a_try_is_out(&self) -> String {
        let id = waiting(&self.anna, SKU, 1, Some("tok_never_answers"));
        self.anna.send("POST", &format!("/orders/{id}/pay"), &[("prefer", "wait=0")], b"{}").is(202);
        until("the try", || (self.show(&self.anna, &id)["payment"]["status"] == "asked").then_some(()));
        id
    }

    fn a_part_came_back(&self) -> String {
        let id = self.fulfilled();
        let one = json!({"items": [{"sku": SKU, "quantity": 1}]});
        self.admin.post(&format!("/admin/orders/{id}/refund"), &one).is(200);
        id
    }

    fn after(&self, id: String, web: &HttpClient, action: &str) -> String {
        self.ask(web, &id, action).is(200);
        id
    }
}

/// Each state by name, how an order gets there, and what it offers to its customer and to an admin.
type State = (&'static str, fn(&Fixture) -> String, &'static str, &'static str);

const STATES: [State; 9] = [
    ("a charge is out", Fixture::asked, "cancel", "cancel"),
    (
        "it waits for its customer",
        |fixture| waiting(&fixture.anna, SKU, 1, Some("tok_ok")),
        "cancel pay",
        "cancel pay",
    ),
    ("a try is out", Fixture::a_try_is_out, "cancel", "cancel"),
    ("on its way, to be paid at the door", Fixture::on_its_way, "", "pay"),
    ("fulfilled", Fixture::fulfilled, "", "refund archive"),
    ("a part came back", Fixture::a_part_came_back, "", "refund archive"),
    ("cancelled", |fixture| fixture.after(fixture.asked(), &fixture.anna, "cancel"), "", "archive"),
    ("refunded", |fixture| fixture.after(fixture.fulfilled(), &fixture.admin, "refund"), "", "archive"),
    ("archived", |fixture| fixture.after(fixture.fulfilled(), &fixture.admin, "archive"), "", ""),
];

#[test]
fn every_action_that_an_order_offers_is_taken_and_no_other() {
    let fixture = Fixture::open();
    for (name, make, customers, admins) in STATES {
        for (who, web, expected) in
            [("customer", &fixture.anna, customers), ("admin", &fixture.admin, admins)]
        {
            let id = make(&fixture);
            let offered = fixture.offered(web, &id);
            assert_eq!(offered.join(" "), expected, "{name}, {who}");
            for action in ACTIONS.into_iter().filter(|action| !offered.iter().any(|known| known == action)) {
                let refused = fixture.ask(web, &id, action);
                assert!([403, 404, 409].contains(&refused.status), "{name}, {who}, {action}: {refused:?}");
            }
            // The refused actions have changed nothing.
            assert_eq!(fixture.offered(web, &id), offered, "{name}, {who}");
            for action in &offered {
                let taken = fixture.ask(web, &make(&fixture), action);
                assert!([200, 201].contains(&taken.status), "{name}, {who}, {action}: {taken:?}");
            }
            // Ends the orders that would never end by themselves.
            fixture.ask(&fixture.admin, &id, "cancel");
        }
    }
    fixture.gate.shop.close();
}

#[test]
fn what_is_being_shipped_is_not_offered_to_be_cancelled() {
    let gate = GatewayTest::open_with(&["--provider-delay-ms=1500-1600", "--log-format=text"]);
    let (anna, admin) = (gate.customer("anna"), gate.admin());
    let stock = |what: &str| {
        let why = json!({"by": "anna", "why": "a test"});
        admin.post(&format!("/admin/roles/stock/{what}"), &why).is(204);
    };
    let id = id_of(&place(&anna, "k", &body("BOOK-DUNE", 1, "tok_ok")).is(202));
    until("the charge to be asked for", || {
        (anna.get(&format!("/orders/{id}")).json()["payment"]["status"] == "asked").then_some(())
    });
    stock("pause");
    until("the stock role to pause", || gate.shop.log().contains("paused role=stock").then_some(()));
    let paid = status(&anna, &id, "paid");
    let shipping = |order: &Value| order["saga"]["step"] == "ship";
    until("the parcel to be asked for", || {
        shipping(&admin.get(&format!("/orders/{id}")).json()).then_some(())
    });
    assert_eq!(anna.get(&format!("/orders/{id}")).json()["actions"], json!([]), "{paid}");
    assert_eq!(anna.get("/orders").json()["items"][0]["actions"], json!([]));
    stock("resume");
    status(&anna, &id, "fulfilled");
    gate.shop.close();
}

#[test]
fn what_an_order_offers_in_a_list_it_offers_by_itself() {
    let fixture = Fixture::open();
    let orders = STATES.map(|(_, make, ..)| make(&fixture));
    for web in [&fixture.anna, &fixture.admin] {
        let path = if std::ptr::eq(web, &fixture.admin) { "/admin/orders" } else { "/orders?failed=true" };
        let list = web.get(path).is(200).json();
        for id in &orders {
            let listed =
                list["items"].as_array().unwrap().iter().find(|order| order["order_id"] == id.as_str());
            assert_eq!(listed.unwrap()["actions"], json!(fixture.offered(web, id)), "{path}, {id}");
        }
    }
    for id in &orders {
        fixture.ask(&fixture.admin, id, "cancel");
    }
    fixture.gate.shop.close();
}

#[test]
fn a_refusal_names_only_what_the_one_who_asked_may_do() {
    let fixture = Fixture::open();
    let id = fixture.on_its_way();
    for (web, may) in [(&fixture.anna, ""), (&fixture.admin, "pay")] {
        let refused = fixture.ask(web, &id, "cancel").problem(409, "ORDER_NOT_CANCELLABLE");
        let expected: Vec<&str> = may.split_whitespace().collect();
        assert_eq!(refused["allowed"], json!(expected));
        let detail = refused["detail"].as_str().unwrap();
        assert_eq!(detail.contains("possible now: pay"), may == "pay", "{detail}");
        assert_eq!(detail.contains("nothing is possible now"), may.is_empty(), "{detail}");
    }
    let wanted = json!({"status": "paid"}).to_string();
    let card = fixture.asked();
    let refused = fixture.admin.send("PUT", &format!("/admin/orders/{card}/status"), &[], wanted.as_bytes());
    assert_eq!(refused.problem(409, "ORDER_INVALID_TRANSITION")["allowed"], json!(["cancelled"]));
    fixture.ask(&fixture.anna, &card, "cancel").is(200);
    fixture.gate.shop.close();
}
