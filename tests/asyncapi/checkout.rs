//! The one body with a parser of its own (`workers/contract/src/submission.rs`): its schema is written here and
//! tested against that parser.

use contract::{Body, Contact, Line, Message, OrderId, PaymentChoice, Raw, Time};
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::document;

/// Give `items`, or say that the stored cart is meant.
#[derive(JsonSchema)]
#[allow(dead_code)]
pub(super) struct Checkout {
    /// Without it, the message's id makes one: itself if it is a UUID, else always the same one made from its text.
    #[serde(default)]
    order_id: Option<OrderId>,
    /// 1 to 100 characters, none of them a control character.
    customer_id: String,
    /// 1 to 100 lines, at most 1000 of one thing.
    #[serde(default)]
    items: Option<Vec<Line>>,
    /// Card payments need the provider's token. A card number is refused.
    payment: PaymentChoice,
    /// Where the customer wants to hear. Not passed on to listeners.
    #[serde(default)]
    contact: Option<Contact>,
    /// 1 to 40 visible ASCII characters.
    #[serde(default)]
    discount_code: Option<String>,
    /// True: the customer's stored cart instead of `items`.
    #[serde(default)]
    cart: Option<bool>,
    /// The version of the stored cart that was seen: another one is refused.
    #[serde(default)]
    cart_version: Option<u64>,
}

/// The faults of this body when it is submitted, by field.
fn faults(body: &Value) -> Vec<String> {
    let raw = Raw {
        message_id: Some("m".into()),
        name: "checkout.submit".into(),
        body: body.to_string().into(),
        ..Raw::default()
    };
    let Body::Submit(submit) =
        Message::accept(crate::support::usual(&raw.name), &raw, Time::default()).unwrap().body
    else {
        unreachable!()
    };
    submit.cart.err().into_iter().flatten().map(|fault| fault.field).collect()
}

#[test]
fn what_is_described_of_a_checkout_is_what_is_read() {
    let document = document::whole();
    let schema = &document["components"]["schemas"]["Checkout"];
    let whole = super::messages::commands().remove(0).examples.remove(0).1;
    assert_eq!(faults(&whole), Vec::<String>::new());
    for name in schema["properties"].as_object().unwrap().keys().filter(|name| *name != "cart") {
        let mut wrong = whole.clone();
        wrong[name] = json!(7);
        let found = faults(&wrong);
        assert!(found.iter().any(|field| field.starts_with(name)), "{name} = 7: {found:?}");
        let mut without = whole.clone();
        without.as_object_mut().unwrap().remove(name);
        let required = schema["required"].as_array().unwrap().contains(&json!(name));
        // A body without items is valid only if it asks for the stored cart.
        assert_eq!(!faults(&without).is_empty(), required || name == "items", "without {name}");
    }
    let cart = json!({"customer_id": "c", "cart": true, "payment": {"method": "cod"}});
    assert_eq!(faults(&cart), Vec::<String>::new(), "what is in the stored cart is looked for later");
    for method in ["card", "debit_card", "paypal", "cod"] {
        let mut by = whole.clone();
        by["payment"]["method"] = method.into();
        assert_eq!(faults(&by), Vec::<String>::new(), "{method}");
    }
}
