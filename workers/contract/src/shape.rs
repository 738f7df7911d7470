//! Where an object is expected, an array of its values in the right order is refused: serde's derived parser for a
//! struct accepts both.

use serde_json::Value;

/// Whether this is not an object but an array.
pub(crate) fn is_list(json: &str) -> bool {
    json.trim_start().starts_with('[')
}

/// The path at which an array was sent and parsed as an object; `kept` is what was parsed.
pub(crate) fn list_for_object(sent: &str, kept: &str) -> Option<String> {
    // Without a bracket there is no array.
    if !sent.contains('[') {
        return None;
    }
    let (sent, kept) = (serde_json::from_str(sent).ok()?, serde_json::from_str(kept).ok()?);
    differs(&sent, &kept, String::new())
}

fn differs(sent: &Value, kept: &Value, path: String) -> Option<String> {
    match (sent, kept) {
        (Value::Array(_), Value::Object(_)) => Some(path),
        (Value::Object(sent), Value::Object(kept)) => kept.iter().find_map(|(name, kept)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            differs(sent.get(name)?, kept, path)
        }),
        (Value::Array(sent), Value::Array(kept)) => {
            let each = sent.iter().zip(kept).enumerate();
            each.into_iter().find_map(|(at, (sent, kept))| differs(sent, kept, format!("{path}[{at}]")))
        }
        _ => None,
    }
}
