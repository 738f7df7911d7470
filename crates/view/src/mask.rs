//! What people see of a message or a record: never tokens and secrets, and personal data only with
//! [`Sight::Personal`].

use adapters::channel::masked;
use serde_json::Value;
use store::DeadLetter;

/// How much the reader may see.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sight {
    #[default]
    Masked,
    /// Addresses and telephone numbers in full.
    Personal,
}

/// Only for the provider, or for one front end.
const SECRET: [&str; 3] = ["token", "secret", "intent"];
const PERSONAL: [&str; 4] = ["email", "phone", "to", "number"];

/// Deeper than any JSON of ours.
const DEPTH_MAX: usize = 32;

pub fn for_people(value: Value, sight: Sight) -> Value {
    masked_at(value, sight, DEPTH_MAX)
}

/// The same for text that should be JSON. What cannot be parsed may hold anything, and is not shown.
pub fn text_for_people(text: &str, sight: Sight) -> Value {
    match serde_json::from_str(text) {
        Ok(value) => for_people(value, sight),
        Err(_) => Value::String(format!("({} bytes that are no JSON)", text.len())),
    }
}

/// The same for a whole dead letter.
pub fn letter_for_people(letter: DeadLetter, sight: Sight) -> DeadLetter {
    let body = match text_for_people(&letter.body, sight) {
        Value::String(text) => text,
        value => value.to_string(),
    };
    DeadLetter { body, ..letter }
}

/// Undoes the masking in a text that was shown as `letter_for_people` shows it and then edited. Text that is not JSON
/// is taken as typed.
pub fn text_as_meant(edited: &str, was: &str) -> String {
    match (serde_json::from_str(edited), serde_json::from_str(was)) {
        (Ok(edited), Ok(was)) => as_meant(edited, &was).to_string(),
        (Ok(_) | Err(_), _) => edited.to_string(),
    }
}

/// Undoes the masking in an edited value: what was left as it was shown becomes what it was before.
pub fn as_meant(edited: Value, was: &Value) -> Value {
    let shown = [Sight::Masked, Sight::Personal].map(|sight| for_people(was.clone(), sight));
    meant(edited, was, &[&shown[0], &shown[1]], DEPTH_MAX)
}

fn meant(edited: Value, was: &Value, shown: &[&Value], depth: usize) -> Value {
    if shown.iter().any(|shown| edited == **shown) {
        return was.clone();
    }
    let (Some(depth), nothing) = (depth.checked_sub(1), Value::Null) else { return edited };
    match (edited, was) {
        (Value::Object(fields), Value::Object(were)) => {
            let one = |(name, value): (String, Value)| {
                let below: Vec<_> = shown.iter().map(|shown| shown.get(&name).unwrap_or(&nothing)).collect();
                let value = match were.get(&name) {
                    Some(was) => meant(value, was, &below, depth),
                    None => value,
                };
                (name, value)
            };
            Value::Object(fields.into_iter().map(one).collect())
        }
        (Value::Array(all), Value::Array(were)) => {
            let one = |(at, value): (usize, Value)| {
                let below: Vec<_> = shown.iter().map(|shown| shown.get(at).unwrap_or(&nothing)).collect();
                match were.get(at) {
                    Some(was) => meant(value, was, &below, depth),
                    None => value,
                }
            };
            Value::Array(all.into_iter().enumerate().map(one).collect())
        }
        (other, _) => other,
    }
}

fn masked_at(value: Value, sight: Sight, depth: usize) -> Value {
    match value {
        Value::Object(fields) => {
            let one = |(name, value): (String, Value)| {
                let value = match value {
                    Value::String(_) if SECRET.contains(&name.as_str()) => Value::String("***".into()),
                    Value::String(text) if sight == Sight::Masked && PERSONAL.contains(&name.as_str()) => {
                        Value::String(masked(&text))
                    }
                    deeper => below(deeper, sight, depth),
                };
                (name, value)
            };
            Value::Object(fields.into_iter().map(one).collect())
        }
        Value::Array(all) => Value::Array(all.into_iter().map(|one| below(one, sight, depth)).collect()),
        plain => plain,
    }
}

fn below(value: Value, sight: Sight, depth: usize) -> Value {
    match depth {
        0 => Value::String("…".into()),
        more => masked_at(value, sight, more - 1),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_never_shown_and_an_address_only_to_those_who_may_see_it() {
        let sent = json!({
            "payment": {"method": "card", "token": "tok_ok"},
            "contact": {"email": "reader@example.org", "phone": "+49301234567"},
            "items": [{"sku": "TEA", "to": "reader@example.org"}],
        });
        let shown = for_people(sent.clone(), Sight::Masked).to_string();
        assert!(
            !shown.contains("tok_ok") && !shown.contains("reader@") && !shown.contains("1234567"),
            "{shown}"
        );
        assert!(shown.contains("TEA") && shown.contains("r***@example.org"), "{shown}");
        let shown = for_people(sent, Sight::Personal).to_string();
        assert!(!shown.contains("tok_ok") && shown.contains("reader@example.org"), "{shown}");
    }

    #[test]
    fn what_was_masked_and_left_so_is_what_it_was() {
        let was = json!({
            "payment": {"token": "tok_ok"}, "contact": {"email": "reader@example.org"},
            "items": [{"sku": "TAE", "quantity": 1}],
        });
        for sight in [Sight::Masked, Sight::Personal] {
            let mut edited = for_people(was.clone(), sight);
            edited["items"][0]["sku"] = json!("TEA");
            let mut expected = was.clone();
            expected["items"][0]["sku"] = json!("TEA");
            assert_eq!(as_meant(edited, &was), expected);
        }
        let other = json!({"contact": {"email": "another@example.org"}, "payment": {"token": "tok_2"}});
        assert_eq!(as_meant(other.clone(), &was), other);
    }

    #[test]
    fn what_is_no_json_is_not_shown_at_all() {
        let shown = text_for_people("{\"token\": \"tok_ok\"", Sight::Personal).to_string();
        assert!(!shown.contains("tok_ok"), "{shown}");
    }
}
