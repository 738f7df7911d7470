//! What customers see of their payments, and payments that do not go as planned.

use serde_json::{Value, json};
use store::readable;
use store::{Journal, Records};

use super::GatewayTest;
use crate::support::http_client::{Answer, HttpClient};
use crate::support::until;

fn order(web: &HttpClient, key: &str, payment: &Value, contact: &Value) -> Answer {
    let body =
        json!({"items": [{"sku": "BOOK-DUNE", "quantity": 1}], "payment": payment, "contact": contact});
    until("the catalogue", || {
        let answer = web.send("POST", "/orders", &[("idempotency-key", key)], body.to_string().as_bytes());
        (answer.status != 422).then_some(answer)
    })
}

fn by_card(web: &HttpClient, key: &str, token: &str) -> String {
    let placed = order(web, key, &json!({"method": "card", "token": token}), &json!({})).is(202).json();
    placed["order_id"].as_str().unwrap().to_string()
}

#[track_caller]
fn becomes(web: &HttpClient, order_id: &str, status: &str) -> Value {
    until(&format!("{order_id} to be {status}"), || {
        let order = web.get(&format!("/orders/{order_id}")).json();
        (order["status"] == status).then_some(order)
    })
}

#[track_caller]
fn payment(web: &HttpClient, order_id: &str, is: impl Fn(&Value) -> bool) -> Value {
    until("the payment", || {
        let payment = web.get(&format!("/payments?order_id={order_id}")).is(200).json()["items"][0].clone();
        is(&payment).then_some(payment)
    })
}

/// `asked, captured`
fn history(payment: &Value) -> String {
    let each = payment["history"].as_array().unwrap().iter().map(|since| since["status"].as_str().unwrap());
    each.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_payment_is_shown_with_its_transactions_and_every_status_it_had() {
    let gate = GatewayTest::open();
    let (anna, berta) = (gate.customer("anna"), gate.customer("berta"));
    let paid = by_card(&anna, "k1", "tok_ok");
    becomes(&anna, &paid, "fulfilled");
    let declined = by_card(&anna, "k2", "tok_declined");
    becomes(&anna, &declined, "cancelled");
    let (yes, no) = (payment(&anna, &paid, |_| true), payment(&anna, &declined, |_| true));
    assert_eq!((history(&yes), history(&no)), ("asked, captured".into(), "asked, declined".into()));
    assert!(yes["transaction_id"].as_str().unwrap().starts_with("ch_"), "{yes}");
    assert_eq!((&yes["captured"]["amount"], &no["failure_code"]), (&json!("12.99"), &json!("card_declined")));
    assert!(!yes.to_string().contains("tok_ok"), "{yes}");

    let path = format!("/payments/{}", yes["id"].as_str().unwrap());
    assert_eq!(anna.get(&path).is(200).json(), yes);
    assert_eq!(gate.admin().get(&path).is(200).json(), yes);
    berta.get(&path).problem(404, "PAYMENT_NOT_FOUND");
    berta.get(&format!("/payments?order_id={paid}")).problem(404, "ORDER_NOT_FOUND");
    anna.get("/payments/pay_unknown").problem(404, "PAYMENT_NOT_FOUND");
    assert_eq!(berta.get("/payments").is(200).json(), json!({"items": [], "next": null}));

    let first = anna.get("/payments?limit=1").is(200).json();
    assert_eq!(first["items"][0]["order_id"], declined.as_str(), "newest first");
    let next =
        anna.get(&format!("/payments?limit=1&cursor={}", first["next"].as_str().unwrap())).is(200).json();
    assert_eq!((&next["items"][0], &next["next"]), (&yes, &json!(null)));
    gate.shop.close();
}

#[test]
fn a_cancellation_while_the_charge_is_under_way_gives_back_whatever_it_takes() {
    let gate = GatewayTest::open_with(&["--provider-delay-ms=1500-1600"]);
    let anna = gate.customer("anna");
    let order = by_card(&anna, "k", "tok_ok");
    payment(&anna, &order, |payment| payment["status"] == "asked");
    anna.post(&format!("/orders/{order}/cancel"), &json!({})).is(200);
    assert_eq!(becomes(&anna, &order, "cancelled")["reason"], "cancelled_by_customer");
    // By then the charge is captured, and its refund under way.
    let settled = payment(&anna, &order, |payment| payment["refunds"][0]["state"] == "done");
    assert_eq!((&settled["captured"], &settled["refunds"][0]["late"]), (&settled["refunded"], &json!(true)));
    let name = settled["refunds"][0]["transaction_id"].as_str().unwrap();
    assert!(name.starts_with("re_"), "a refund has a name of its own, and not its charge's: {name}");
    gate.shop.close();
}

#[test]
fn a_late_payment_is_refunded_and_the_customer_told() {
    let gate = GatewayTest::open_with(&["--payment-patience-s=1", "--provider-late-ms=2500"]);
    let anna = gate.customer("anna");
    let contact = json!({"email": "anna@example.org"});
    let placed = order(&anna, "k", &json!({"method": "card", "token": "tok_late"}), &contact).is(202).json();
    let id = placed["order_id"].as_str().unwrap();
    assert_eq!(becomes(&anna, id, "cancelled")["reason"], "payment_timeout");
    let back = payment(&anna, id, |payment| payment["refunds"][0]["state"] == "done");
    assert_eq!((&back["refunds"][0]["late"], &back["refunded"]["amount"]), (&json!(true), &json!("12.99")));
    let told = format!("{id}/late_payment_refunded");
    until("the customer to be told", || {
        crate::support::block_on(async {
            let store = gate.shop.folder.store().await;
            let notices = store.page(contract::Table::Notices, id, 20).await.unwrap();
            notices.iter().any(|(key, _)| key.starts_with(&told)).then_some(())
        })
    });
    gate.shop.close();
}

#[test]
fn cash_on_delivery_is_paid_when_it_is_delivered() {
    let gate = GatewayTest::open();
    let (anna, admin) = (gate.customer("anna"), gate.admin());
    let placed = order(&anna, "k", &json!({"method": "cod"}), &json!({})).is(202).json();
    let id = placed["order_id"].as_str().unwrap();
    let awaited = payment(&anna, id, |payment| payment["status"] == "awaiting_cash");
    assert_eq!(awaited["captured"]["amount"], "0.00");
    admin.post(&format!("/orders/{id}/pay"), &json!({"transaction_id": "receipt 7"})).is(201);
    becomes(&anna, id, "fulfilled");
    let paid = payment(&anna, id, |payment| payment["status"] == "captured");
    assert_eq!(
        (history(&paid).as_str(), &paid["captured"]["amount"]),
        ("awaiting_cash, asked, captured", &json!("12.99"))
    );
    admin.post(&format!("/orders/{id}/pay"), &json!({})).problem(409, "ORDER_NOT_PAYABLE");
    gate.shop.close();
}

#[test]
fn a_refund_that_was_made_at_the_providers_side_is_booked() {
    let gate = GatewayTest::open();
    let anna = gate.customer("anna");
    let order = by_card(&anna, "k", "tok_ok");
    becomes(&anna, &order, "fulfilled");
    // Two events report the same refund.
    for id in ["evt_a", "evt_b"] {
        let event = json!({"id": id, "type": "refund.succeeded", "created": 1_795_200_800, "data": {
            "reference": order, "transaction_id": "re_by_hand", "amount": {"amount": "5.00", "currency": "EUR"}}});
        gate.shop.send("payment.webhook", id, &event);
    }
    let shown = payment(&anna, &order, |payment| payment["refunded"]["amount"] == "5.00");
    let [refund] = &shown["refunds"].as_array().unwrap()[..] else { panic!("{shown}") };
    assert_eq!(
        (&refund["outside"], &refund["transaction_id"], &refund["amount"]["amount"]),
        (&json!(true), &json!("re_by_hand"), &json!("5.00"))
    );
    becomes(&anna, &order, "fulfilled");
    // Refunds the rest: each refund is in the history with its amount, its name and its time.
    gate.admin().post(&format!("/admin/orders/{order}/refund"), &json!({})).is(200);
    let shown = payment(&anna, &order, |payment| payment["refunded"]["amount"] == "12.99");
    assert_eq!(history(&shown), "asked, captured, refunded, refunded");
    let refunds = shown["history"].as_array().unwrap()[2..].iter().zip(["5.00", "7.99"]);
    for (entry, amount) in refunds {
        assert_eq!(entry["amount"]["amount"], amount, "{shown}");
        let at = entry["at"].as_str().unwrap();
        let refund = shown["refunds"].as_array().unwrap().iter().find(|one| one["at"] == at).unwrap();
        assert_eq!(refund["transaction_id"], entry["transaction_id"]);
    }
    assert_eq!(shown["history"][2]["transaction_id"], "re_by_hand");
    gate.shop.close();
}

#[test]
fn cash_is_known_by_its_receipt_everywhere() {
    let gate = GatewayTest::open();
    let (anna, admin) = (gate.customer("anna"), gate.admin());
    for (key, receipt) in [("k1", Some("receipt 7")), ("k2", None)] {
        let placed = order(&anna, key, &json!({"method": "cod"}), &json!({})).is(202).json();
        let id = placed["order_id"].as_str().unwrap();
        payment(&anna, id, |payment| payment["status"] == "awaiting_cash");
        admin.post(&format!("/orders/{id}/pay"), &json!({"transaction_id": receipt})).is(201);
        let shown = becomes(&anna, id, "fulfilled");
        let told = said(&gate, id, "order.paid")["transaction_id"].clone();
        assert_eq!(told, said(&gate, id, "payment.captured")["transaction_id"]);
        let by_payment =
            payment(&anna, id, |payment| payment["status"] == "captured")["transaction_id"].clone();
        let list = anna.get("/orders").is(200).json();
        let in_list = list["items"].as_array().unwrap().iter().find(|order| order["order_id"] == id).unwrap();
        for known in [&shown["payment"]["transaction_id"], &by_payment, &in_list["payment"]["transaction_id"]]
        {
            assert_eq!(*known, told, "{shown}");
        }
        match receipt {
            Some(receipt) => assert_eq!(told, receipt),
            None => assert!(told.as_str().unwrap().starts_with("cod_"), "{told}"),
        }
    }
    gate.shop.close();
}

/// The only fact of this type about the order, as all listeners hear it.
#[track_caller]
pub(super) fn said(gate: &GatewayTest, order_id: &str, name: &str) -> Value {
    let of = order_id.parse().unwrap();
    until(&format!("{name} of {order_id}"), || {
        let rows = crate::support::block_on(async { gate.shop.folder.store().await.journal_of(of).await });
        let rows = readable(rows.unwrap());
        let said = rows.iter().flat_map(|row| &row.emitted).find(|said| said.message.name() == name)?;
        serde_json::from_str(said.message.json()).ok()
    })
}
