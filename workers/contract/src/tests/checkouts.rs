//! The limits of each field of a checkout, and how a fault names its field.

use serde_json::{Value, json};

use crate::*;

const ORDER: &str = "01932b4a-1111-7000-8000-000000000001";

/// A checkout of one tea by PayPal, with these fields instead.
fn read(fields: Value) -> Submit {
    let mut body = json!({
        "order_id": ORDER,
        "customer_id": "ann",
        "items": [{"sku": "TEA", "quantity": 1}],
        "payment": {"method": "paypal"},
    });
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    Submit::read(body, None).unwrap()
}

fn cart(fields: Value) -> Cart {
    read(fields).cart.unwrap()
}

/// `field code` of each fault.
fn faults(fields: Value) -> Vec<String> {
    let faults = read(fields).cart.err().unwrap_or_default();
    faults.iter().map(|fault| format!("{} {}", fault.field, fault.code)).collect()
}

fn items(count: usize) -> Value {
    (0..count).map(|no| json!({"sku": format!("S{no}"), "quantity": 1})).collect()
}

#[test]
fn a_checkout_has_up_to_a_hundred_lines_and_a_thousand_of_each() {
    assert_eq!(cart(json!({"items": items(100)})).lines.len(), 100);
    assert_eq!(faults(json!({"items": items(101)})), ["items too_many_lines"]);
    let tea = |quantities: &[u64]| -> Value {
        quantities.iter().map(|quantity| json!({"sku": "TEA", "quantity": quantity})).collect()
    };
    for all in [&[1000][..], &[400, 600]] {
        assert_eq!(cart(json!({"items": tea(all)})).lines[0].quantity, 1000, "{all:?}");
    }
    assert_eq!(faults(json!({"items": tea(&[1001])})), ["items[0].quantity quantity_too_large"]);
    assert_eq!(faults(json!({"items": tea(&[400, 601])})), ["items[0].quantity quantity_too_large"]);
}

#[test]
fn what_is_no_list_of_goods_is_refused_as_that() {
    for nothing in [Value::Null, json!([])] {
        assert_eq!(faults(json!({"items": nothing})), ["items cart_empty"]);
    }
    assert_eq!(faults(json!({"items": "tea"})), ["items invalid"]);
}

#[test]
fn twenty_faults_are_told_and_of_more_how_many() {
    let wrong = |count: usize| vec![Fault::new("items", "invalid", "no"); count];
    assert_eq!(Fault::first(wrong(20)).len(), 20);
    let told = Fault::first(wrong(23));
    assert_eq!((told.len(), told[20].code.as_str()), (21, "more"));
    assert!(told[20].message.contains(" 3 "), "{}", told[20].message);
    assert_eq!(Fault::in_words(&[]), None);
    assert_eq!(Fault::in_words(&wrong(1)).unwrap(), "items: no");
    assert_eq!(Fault::in_words(&wrong(3)).unwrap(), "items: no (and 2 more)");
}

#[test]
fn a_stored_cart_is_ordered_alone_and_perhaps_at_the_version_that_was_seen() {
    let stored = |version| cart(json!({"items": null, "cart": true, "cart_version": version}));
    assert_eq!(stored(json!(7)).stored, Some(CartSeen { version: Some(7) }));
    assert_eq!(stored(Value::Null).stored, Some(CartSeen { version: None }));
    assert_eq!(stored(Value::Null).lines, []);
    assert_eq!(cart(json!({"cart": false})).stored, None);
    for (fields, fault) in [
        (json!({"cart": true}), "items invalid"),
        (json!({"cart_version": 7}), "cart_version invalid"),
        (json!({"items": null, "cart": true, "cart_version": "7"}), "cart_version invalid"),
    ] {
        assert_eq!(faults(fields), [fault]);
    }
}

#[test]
fn each_method_is_paid_by_what_belongs_to_it() {
    let choice = |payment: Value| cart(json!({ "payment": payment })).payment;
    assert_eq!(
        choice(json!({"method": "card", "token": "tok_ok"})),
        PaymentChoice::by(Method::Card, Some(Token("tok_ok".into())))
    );
    let stored = choice(json!({"method": "debit_card", "payment_method_id": "pm_1"}));
    assert_eq!((stored.token, stored.payment_method_id.as_deref()), (None, Some("pm_1")));
    assert_eq!(choice(json!({"method": "card", "confirm": "manual"})).confirm, Confirm::Manual);
    assert_eq!(choice(json!({"method": "cod"})), PaymentChoice::by(Method::Cod, None));
    for (payment, fault) in [
        (json!(null), "payment required"),
        (json!({}), "payment.method method_unknown"),
        (json!({"method": "card"}), "payment.token required"),
        (
            json!({"method": "card", "token": "t", "payment_method_id": "pm_1"}),
            "payment.payment_method_id invalid",
        ),
        (json!({"method": "cod", "payment_method_id": "pm_1"}), "payment.payment_method_id invalid"),
        (json!({"method": "cod", "confirm": "manual"}), "payment.confirm invalid"),
        (json!({"method": "paypal", "confirm": "later"}), "payment.confirm invalid"),
        (json!({"method": "card", "token": 7}), "payment.token invalid"),
    ] {
        assert_eq!(faults(json!({ "payment": payment })), [fault]);
    }
}

#[test]
fn a_token_has_a_hundred_visible_characters_at_most_and_is_no_card_number() {
    for good in ["t", &"t".repeat(100)] {
        assert_eq!(token_fault(good), None, "{good}");
    }
    for bad in ["", "tok ok", "tök", &"t".repeat(101)] {
        assert_eq!(token_fault(bad).unwrap().0, "invalid", "{bad}");
    }
    assert_eq!(token_fault("4242424242424242").unwrap().0, "card_number_refused");
}

#[test]
fn a_customer_is_reached_where_mail_and_calls_can_go() {
    let reached = |contact: Value| cart(json!({ "contact": contact })).contact;
    let (longest, longer) = (format!("a@{}.de", "b".repeat(249)), format!("a@{}.de", "b".repeat(250)));
    for email in ["ann@example.org", &longest] {
        assert_eq!(reached(json!({ "email": email })).email.as_deref(), Some(email));
    }
    for phone in ["+49301234567", "12345", "123456789012345"] {
        assert_eq!(reached(json!({ "phone": phone })).phone.as_deref(), Some(phone));
    }
    for nothing in [json!(null), json!({}), json!({"email": null, "phone": null})] {
        assert!(reached(nothing).is_empty());
    }
    for email in ["", "ann", "@example.org", "ann@example", "ann@b@example.org", "a nn@example.org", &longer]
    {
        assert_eq!(faults(json!({"contact": {"email": email}})), ["contact.email invalid"], "{email}");
    }
    for phone in ["", "1234", "1234567890123456", "+49 30 1234567", "++4930123", "phone"] {
        assert_eq!(faults(json!({"contact": {"phone": phone}})), ["contact.phone invalid"], "{phone}");
    }
    assert_eq!(faults(json!({"contact": "ann@example.org"})), ["contact invalid"]);
}

#[test]
fn a_discount_code_has_forty_visible_characters_at_most() {
    let code = |code: &str| cart(json!({ "discount_code": code })).discount_code;
    for good in ["T", &"T".repeat(40)] {
        assert_eq!(code(good).as_deref(), Some(good));
    }
    for bad in [json!(""), json!("TWO WORDS"), json!("T".repeat(41)), json!(7)] {
        assert_eq!(faults(json!({ "discount_code": bad })), ["discount_code invalid"]);
    }
    assert_eq!(cart(json!({"discount_code": null})).discount_code, None);
}

#[test]
fn a_customer_is_named_in_a_checkout() {
    assert_eq!(read(json!({})).customer_id.as_deref(), Some("ann"));
    assert_eq!(faults(json!({"customer_id": null})), ["customer_id required"]);
    for wrong in [json!(7), json!(""), json!("a".repeat(101))] {
        assert_eq!(faults(json!({ "customer_id": wrong })), ["customer_id invalid"]);
    }
}

#[test]
fn what_is_said_of_a_product_names_the_place_where_it_was_written_first() {
    let written =
        json!([{"sku": "TEA", "quantity": 1}, {"sku": "CUP", "quantity": 1}, {"sku": "TEA", "quantity": 1}]);
    let submit = read(json!({ "items": written }));
    let sku = |name| Sku::new(name).unwrap();
    assert_eq!(submit.field_of(&sku("TEA"), &[]), "items[0].sku");
    assert_eq!(submit.field_of(&sku("CUP"), &[]), "items[1].sku");
    // In the stored cart, by its place there.
    let lines = ["BOOK", "TEA"].map(|name| Line { sku: sku(name), quantity: 1 });
    let stored = read(json!({"items": null, "cart": true}));
    assert_eq!(stored.field_of(&sku("TEA"), &lines), "items[1].sku");
    assert_eq!(stored.field_of(&sku("GEM"), &lines), "items");
}

#[test]
fn a_checkout_inside_another_message_is_read_again_as_it_was() {
    let mut submit = read(json!({}));
    submit.reply_to = Some(ReplyTo::new("answers.7", Some("my-1")).unwrap());
    submit.placed_by = Some("anna".into());
    let again: Submit = serde_json::from_str(&json_of::<String>(&submit)).unwrap();
    assert_eq!(again, submit);
    assert_eq!(submit.raw()["order_id"], ORDER);
    assert!(serde_json::from_str::<Submit>("[]").is_err());
}
