//! What is accepted as a message: its size, its speaker and its order; and what a sender is told about a bad one.

use super::accept;
use crate::*;

const ORDER: &str = "01932b4a-1111-7000-8000-000000000001";

fn order_id() -> OrderId {
    ORDER.parse().unwrap()
}

fn cancel() -> String {
    format!(r#"{{"order_id":"{ORDER}"}}"#)
}

#[test]
fn a_body_has_sixty_four_kibibytes_at_most() {
    let padded = |bytes: usize| cancel() + &" ".repeat(bytes - cancel().len());
    assert!(accept("order.cancel", Some("m"), &padded(65_536)).is_ok());
    let refused = accept("order.cancel", Some("m"), &padded(65_537)).unwrap_err();
    assert_eq!(refused.to_string(), "the body has 65537 bytes; at most 65536 (body_too_large)");
}

#[test]
fn a_schema_may_be_named_if_it_is_ours() {
    let of = |schema| {
        let (message_id, name, body) = (Some("m".into()), "order.cancel".into(), cancel().into_bytes());
        let raw = Raw { message_id, name, body, schema, ..Raw::default() };
        Message::accept(Speaker::Shop, &raw, Time::default()).map(|message| message.order_id)
    };
    assert_eq!((of(None), of(Some(1))), (Ok(Some(order_id())), Ok(Some(order_id()))));
    assert_eq!(of(Some(2)).unwrap_err().code, "schema_unknown");
}

#[test]
fn a_card_number_is_refused_in_a_property_as_in_a_body() {
    let card = || Some("4242 4242 4242 4242".to_string());
    let plain = Raw { message_id: Some("m".into()), name: "order.cancel".into(), ..Raw::default() };
    for raw in [
        Raw { reply_to: card(), body: cancel().into(), ..plain.clone() },
        Raw { correlation_id: card(), body: cancel().into(), ..plain.clone() },
        Raw { body: format!(r#"{{"order_id":"{ORDER}","reason":"4242424242424242"}}"#).into(), ..plain },
    ] {
        let refused = Message::accept(Speaker::Shop, &raw, Time::default()).unwrap_err();
        assert_eq!(refused.code, "card_number_refused", "{raw:?}");
    }
}

#[test]
fn a_name_that_is_almost_right_is_answered_with_the_right_one() {
    let why = |name| accept(name, Some("m"), "{}").unwrap_err().why;
    assert_eq!(why("orders.cancel"), r#"no message is called "orders.cancel"; did you mean "order.cancel"?"#);
    assert_eq!(why("order.steal"), r#"no message is called "order.steal""#);
}

#[test]
fn a_body_that_does_not_fit_is_told_apart_from_one_that_is_no_json() {
    let why = |body| accept("order.cancel", Some("m"), body).unwrap_err().why;
    assert_eq!(why("{"), "the body of order.cancel is not JSON: it ends before it is whole");
    assert_eq!(why("{}"), "the body of order.cancel does not fit: order_id is missing");
}

#[test]
fn where_an_object_belongs_a_list_of_its_values_is_refused_and_the_place_is_named() {
    let event = |amount: &str| {
        let data = format!(
            r#"{{"reference":"{ORDER}","transaction_id":"ch_1","amount":{amount},"charged_as":["ch_1"]}}"#
        );
        (
            "payment.webhook",
            format!(r#"{{"id":"evt_1","type":"payment.succeeded","created":1,"data":{data}}}"#),
        )
    };
    let cart = |items: &str| ("cart.put", format!(r#"{{"customer_id":"c1","items":{items}}}"#));
    let item = r#"{"sku":"SKU-1","quantity":2}"#;
    for (name, body) in [event(r#"{"amount":"50.00","currency":"EUR"}"#), cart(&format!("[{item}]"))] {
        assert!(accept(name, Some("m"), &body).is_ok(), "{body}");
    }
    for ((name, body), place) in [
        (event(r#"["50.00","EUR"]"#), "data.amount"),
        (cart(r#"[["SKU-1",2]]"#), "items[0]"),
        (cart(&format!(r#"[{item},["SKU-2",2]]"#)), "items[1]"),
    ] {
        let refused = accept(name, Some("m"), &body).unwrap_err();
        let why = format!("the body of {name} does not fit: {place} must be an object");
        assert_eq!((refused.code, refused.why), ("body_invalid", why));
    }
}

#[test]
fn who_said_a_message_goes_along_with_it_and_is_named_where_it_is_not_the_usual_one() {
    let message = accept("order.cancel", Some("m"), &cancel()).unwrap();
    assert_eq!((message.by, message.unusual_speaker()), (Speaker::Shop, None));
    let by_admin = message.clone().said_by(Speaker::Admin);
    assert_eq!((by_admin.is_allowed(), by_admin.unusual_speaker()), (true, Some(Speaker::Admin)));
    assert!(!message.said_by(Speaker::Stock).is_allowed());
    assert_eq!(first_who_may("order.cancel"), Speaker::Shop);
    assert_eq!(first_who_may("no.such"), Speaker::Outsider);
}

#[test]
fn what_a_role_says_has_its_cause_its_order_and_its_speaker() {
    let cause = accept("order.cancel", Some("m1"), &cancel()).unwrap();
    let body = Body::SagaOverdue(SagaOverdue { order_id: order_id(), return_no: 0, asked: 1 });
    let said = Message::said(Role::Saga, &cause, 0, Time::default(), body);
    assert_eq!((said.cause.as_ref(), said.by), (Some(&cause.id), Speaker::Saga));
    assert_eq!(said.id, MessageId::derived(Some(order_id()), Role::Saga, &cause.id, 0));
}

#[test]
fn a_cancellation_that_was_held_and_a_charge_that_was_told_are_about_their_order() {
    let cancel = OrderCancel { order_id: order_id(), ..OrderCancel::default() };
    let pay = OrderPay { order_id: order_id(), ..OrderPay::default() };
    for command in [HeldCommand::Cancel(cancel), HeldCommand::Pay(pay)] {
        assert_eq!(command.order_id(), order_id());
    }
    let charge = ToldCharge {
        key: "charge/1".into(),
        order_id: order_id(),
        transaction_id: "ch_1".into(),
        amount: super::eur("1.00"),
        failure_code: None,
    };
    let told = Body::ProviderTold(ProviderTold::Charge(charge));
    assert_eq!(told.order_id(), Some(order_id()));
    let product = r#"{"sku":"TEA","title":"Tea","price":{"amount":"1.00","currency":"EUR"}}"#;
    assert_eq!(accept("product.upsert", Some("m"), product).unwrap().order_id, None);
}

#[test]
fn an_outcome_is_sent_to_a_queue_with_a_short_name() {
    let longest = "q".repeat(255);
    let there = ReplyTo::new(&longest, Some(&longest)).unwrap();
    assert_eq!((there.queue(), there.correlation_id()), (longest.as_str(), Some(longest.as_str())));
    let json = serde_json::to_string(&there).unwrap();
    assert_eq!(serde_json::from_str::<ReplyTo>(&json).unwrap(), there);
    for wrong in ["", "a\nb", &"q".repeat(256)] {
        assert!(ReplyTo::new(wrong, None).is_err() && ReplyTo::new("q", Some(wrong)).is_err(), "{wrong:?}");
        assert!(serde_json::from_value::<ReplyTo>(serde_json::json!({ "queue": wrong })).is_err());
    }
}

#[test]
fn every_outcome_of_a_checkout_is_the_event_of_its_order() {
    let (order_id, customer_id, at) = (order_id(), "c1".to_string(), Time::default());
    let accepted = OrderAccepted { order_id, customer_id: customer_id.clone(), at };
    let fulfilled = OrderFulfilled { order_id, customer_id, at };
    for (ending, name) in
        [(Ending::Accepted(accepted), "order.accepted"), (Ending::Fulfilled(fulfilled), "order.fulfilled")]
    {
        assert_eq!(ending.order_id(), order_id);
        assert_eq!(Body::from(ending).name(), name);
    }
}

#[test]
fn what_a_parser_expected_is_said_as_people_know_json() {
    for (expected, said) in [
        ("u64", "a whole number, 0 or more"),
        ("i64", "a whole number"),
        ("f64", "a number"),
        ("a boolean", "true or false"),
        ("a sequence", "a list"),
        ("a map", "an object"),
        ("struct OrderCancel", "an object"),
        ("enum By", "a string"),
        ("string or map", "a string"),
        ("str", "a string"),
        ("a borrowed string", "a string"),
        ("`card` or `cod`", "card or cod"),
    ] {
        let told = in_plain_words(&format!("invalid type: null, expected {expected} at line 1 column 2"));
        assert_eq!(told, format!("must be {said}"));
    }
    for (parser, said) in [
        ("invalid digit found in string", "must be a whole number"),
        ("number too large to fit in target type", "must be a smaller number"),
        ("number too small to fit in target type", "must be a larger number"),
        ("provided string was not `true` or `false`", "must be true or false"),
        ("recursion limit exceeded", "must be nested less deeply"),
        ("UUID parsing failed: invalid length", "must be a UUID"),
        ("a sku has no spaces", "a sku has no spaces"),
        ("expected value at line 1 column 1", "must be a string"),
        ("expected f32", "must be a number"),
        // What is not a path of fields is part of the error's text.
        ("what is this: missing field `a`", "what is this: missing field `a`"),
        (": missing field `a`", ": missing field `a`"),
    ] {
        assert_eq!(in_plain_words(parser), said, "{parser}");
    }
}
