//! Whether a card number stands anywhere in a body: then it is refused unread, and nobody logs or keeps it.

use serde_json::Value;

/// Also in names and numbers. What is no JSON holds none that anybody would read.
pub(crate) fn stand_in(body: &[u8]) -> bool {
    serde_json::from_slice(body).is_ok_and(|value: Value| holds(&value))
}

fn holds(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::Number(number) => contract::holds_card_number(&number.to_string()),
        Value::String(text) => contract::holds_card_number(text),
        Value::Array(items) => items.iter().any(holds),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| contract::holds_card_number(name) || holds(value))
        }
    }
}
