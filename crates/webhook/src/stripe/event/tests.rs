//! One line for each thing that Stripe may report: its event, and what it means here.

use expect_test::expect;
use serde_json::{Value, json};

use super::*;

const ORDER: &str = "01932b4a-1111-7000-8000-000000000001";

/// With these fields added to or changed in what an object always has.
fn event(kind: &str, fields: Value) -> Value {
    let mut object = json!({"id": "pi_1", "object": "x", "amount": 1999, "currency": "eur", "livemode": false,
        "metadata": {"order_id": ORDER, "other": "1"}});
    for (name, value) in fields.as_object().unwrap() {
        object[name] = value.clone();
    }
    json!({"id": "evt_1", "object": "event", "api_version": "2024-06-20", "type": kind, "created": 1_700_000_000,
        "data": {"object": object, "previous_attributes": {"amount_refunded": 500}}})
}

fn means(event: &Value) -> String {
    match read(event.to_string().as_bytes()) {
        Ok(Said::Heard(Heard::Event(event))) => {
            assert_eq!(event.data.reference.to_string(), ORDER);
            told(*event)
        }
        Ok(Said::OfCharge { event, kind }) => format!("{kind} of its charge's order: {}", told(*event)),
        Ok(Said::Heard(Heard::SetAside { event_id, kind, why })) => format!("{event_id} {kind}: {why}"),
        Err(Unreadable { event_id, why }) => {
            format!("{} cannot be read: {why}", event_id.unwrap_or_default())
        }
    }
}

fn told(event: ProviderEvent) -> String {
    let ProviderEvent { id, kind, created, data } = event;
    assert_eq!((id.as_str(), created.to_string().as_str()), ("evt_1", "2023-11-14T22:13:20.000Z"));
    let in_all = data.refunded_in_all.map(|in_all| format!("{in_all} in all"));
    let more = [data.failure_code, data.key, in_all].into_iter().flatten().chain(data.charged_as);
    let more = more.collect::<Vec<_>>().join(" ");
    format!("{kind:?} {} {} {more}", data.transaction_id, data.amount).trim_end().to_string()
}

#[test]
fn every_event_about_payments_and_refunds_has_a_meaning() {
    let refund = |status: &str| json!({"id": "re_1", "charge": "ch_1", "status": status});
    let of = |currency: &str, amount: i64| json!({"currency": currency, "amount": amount, "amount_received": amount});
    let succeeded = "payment_intent.succeeded";
    let lines = [
        event(succeeded, json!({"amount_received": 1999, "latest_charge": "ch_1"})),
        event(succeeded, json!({"amount_received": 1500})),
        event(succeeded, json!({"metadata": {}, "client_reference_id": ORDER})),
        event(succeeded, json!({"metadata": {}})),
        event(succeeded, json!({"metadata": {"order_id": "17"}})),
        event(
            "payment_intent.payment_failed",
            json!({"amount_received": 0,
            "last_payment_error": {"code": "card_declined", "decline_code": "insufficient_funds"}}),
        ),
        event("payment_intent.payment_failed", json!({"last_payment_error": {"code": "expired_card"}})),
        event("payment_intent.payment_failed", json!({"last_payment_error": null})),
        event("payment_intent.canceled", json!({"cancellation_reason": "abandoned"})),
        event("charge.refunded", json!({"id": "ch_1", "amount_refunded": 1999})),
        event("charge.refunded", json!({"id": "ch_1", "amount_refunded": 1999, "payment_intent": "pi_1"})),
        event("charge.refunded", json!({"id": "ch_1", "amount_refunded": 300, "metadata": {}})),
        event("charge.refunded", json!({"id": "ch_1"})),
        event("refund.created", refund("pending")),
        event("refund.updated", refund("succeeded")),
        event(
            "refund.created",
            json!({"id": "re_1", "charge": "ch_1", "payment_intent": {"id": "pi_1"}, "status": "succeeded", "metadata": {}}),
        ),
        event("refund.created", json!({"id": "re_1", "status": "succeeded", "metadata": null})),
        event(
            "charge.refund.updated",
            json!({"id": "re_1", "status": "succeeded",
            "metadata": {"order_id": ORDER, "key": "refund/1"}}),
        ),
        event(
            "refund.failed",
            json!({"id": "re_1", "status": "failed", "failure_reason": "lost_or_stolen_card"}),
        ),
        event("customer.created", json!({})),
        event(succeeded, of("jpy", 1999)),
        event(succeeded, of("bhd", 1990)),
        event(succeeded, of("isk", 1900)),
        event(succeeded, of("isk", 1999)),
        event(succeeded, of("mga", 1999)),
        event(succeeded, of("zzz", 1999)),
        event(succeeded, json!({"amount": "4242"})),
        json!({"id": "evt_1", "type": succeeded}),
        json!({"id": "", "type": succeeded}),
        json!([]),
    ];
    let table = lines.iter().map(|event| format!("{}\n", means(event))).collect::<String>();
    expect![[r#"
        PaymentSucceeded ch_1 19.99 EUR
        PaymentSucceeded pi_1 15.00 EUR
        PaymentSucceeded pi_1 19.99 EUR
        evt_1 payment_intent.succeeded: it names no order of ours in metadata.order_id
        evt_1 payment_intent.succeeded: it names no order of ours in metadata.order_id
        PaymentFailed pi_1 19.99 EUR insufficient_funds
        PaymentFailed pi_1 19.99 EUR expired_card
        PaymentFailed pi_1 19.99 EUR declined
        PaymentFailed pi_1 19.99 EUR abandoned
        RefundSucceeded ch_1 14.99 EUR 19.99 EUR in all ch_1
        RefundSucceeded ch_1 14.99 EUR 19.99 EUR in all ch_1 pi_1
        charge.refunded of its charge's order: RefundSucceeded ch_1 0.00 EUR 3.00 EUR in all ch_1
        evt_1 charge.refunded: nothing has come of it so far
        evt_1 refund.created: nothing has come of it so far
        RefundSucceeded re_1 19.99 EUR ch_1
        refund.created of its charge's order: RefundSucceeded re_1 19.99 EUR ch_1 pi_1
        evt_1 refund.created: it names no order of ours in metadata.order_id
        RefundSucceeded re_1 19.99 EUR refund/1
        RefundFailed re_1 19.99 EUR lost_or_stolen_card
        evt_1 customer.created: events of this type are not about payments or refunds
        PaymentSucceeded pi_1 1999 JPY
        PaymentSucceeded pi_1 1.990 BHD
        PaymentSucceeded pi_1 19 ISK
        evt_1 cannot be read: its amount cannot be: 19.99 has more digits after the point than ISK
        PaymentSucceeded pi_1 1999.00 MGA
        evt_1 cannot be read: its currency is not known here
        evt_1 cannot be read: data.object.amount must be a whole number
        evt_1 cannot be read: created is missing
         cannot be read: its id is empty
         cannot be read: must be an object
    "#]]
    .assert_eq(&table);
}
