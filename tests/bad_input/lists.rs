//! In no message is a list of an object's values accepted in place of the object.

use contract::{Message, Raw, Speaker, Time, speakers_of};
use serde_json::{Value, json};

use crate::support::usual;

/// Copies of this document in which one object, at any depth, is replaced by the list of its values, in each order.
fn with_lists(document: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    let mut inside =
        |at: &dyn Fn(Value) -> Value, part: &Value| all.extend(with_lists(part).into_iter().map(at));
    match document {
        Value::Object(fields) => {
            for (name, part) in fields {
                let at = |part| {
                    let mut document = document.clone();
                    document[name] = part;
                    document
                };
                inside(&at, part);
            }
            // serde fills up fields that are missing at the end of a list.
            let values: Vec<_> = fields.values().take(5).cloned().collect();
            all.extend(orders_of(&values).into_iter().map(Value::Array));
        }
        Value::Array(items) => {
            for (place, part) in items.iter().enumerate() {
                let at = |part| {
                    let mut document = document.clone();
                    document[place] = part;
                    document
                };
                inside(&at, part);
            }
        }
        _ => {}
    }
    all
}

fn orders_of(values: &[Value]) -> Vec<Vec<Value>> {
    let Some((first, rest)) = values.split_first() else { return vec![Vec::new()] };
    let places = |order: Vec<Value>| {
        (0..=order.len())
            .map(move |place| [&order[..place], std::slice::from_ref(first), &order[place..]].concat())
    };
    orders_of(rest).into_iter().flat_map(places).collect()
}

#[test]
fn a_list_is_taken_for_an_object_in_no_message_of_an_outsider_at_any_depth() {
    let accept = |name: &str, body: &Value| {
        let message_id = Some("m".to_string());
        let raw = Raw { message_id, name: name.into(), body: body.to_string().into(), ..Raw::default() };
        Message::accept(usual(name), &raw, Time::default())
    };
    let mut tried = 0;
    for file in std::fs::read_dir(crate::support::root().join("tests/corpus/body")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let Some((name, body)) = text.split_once('\n') else { continue };
        let Ok(body) = serde_json::from_str::<Value>(body) else { continue };
        let outsiders = [Speaker::Customer, Speaker::Shop, Speaker::Admin, Speaker::PaymentProvider];
        let says_it = outsiders.iter().any(|outsider| speakers_of(name).contains(outsider));
        if !says_it || accept(name, &body).is_err() {
            continue;
        }
        for list in with_lists(&body).into_iter().chain([json!([])]) {
            tried += 1;
            match accept(name, &list) {
                Err(why) => assert_eq!(why.code, "body_invalid", "{name} {list}: {why}"),
                // The sender is told so as one of the faults.
                Ok(Message { body: contract::Body::Submit(submit), .. }) => {
                    assert!(submit.cart.is_err(), "{list}");
                }
                Ok(message) => panic!("{name} {list} was taken for {}", message.json()),
            }
        }
    }
    assert!(tried > 1000, "{tried}");
}
