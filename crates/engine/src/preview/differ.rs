//! What is different between two versions of a record, field by field.

use serde_json::{Map, Value};
use store::SavedRecord;
use view::mask::{Sight, for_people};

use super::Change;
use super::looking::Looking;

/// Bookkeeping: every change of a record changes these.
const SILENT: [&str; 4] = ["updated_at", "asked", "entries", "answers"];
/// A record that changes in more ways is better read whole.
const FIELDS_MAX: usize = 100;

pub(super) fn changes(looking: &Looking<'_>, record: &SavedRecord) -> Vec<Change> {
    let read = |json: &str| for_people(serde_json::from_str(json).unwrap_or_default(), Sight::Masked);
    let (was, is) = (looking.was(&record.need).map(read), read(&record.json));
    let mut found = Vec::new();
    match was {
        None => found.push((String::new(), Value::Null, is)),
        Some(was) => differ("", &was, &is, &mut found),
    }
    found.truncate(FIELDS_MAX);
    let change = |(field, from, to)| Change {
        table: record.need.table.name().to_string(),
        id: record.need.id.clone(),
        field,
        from,
        to,
    };
    found.into_iter().map(change).collect()
}

/// Two JSON texts of people's: what an edit of a dead letter changes.
pub fn edits(was: &Value, is: &Value) -> Vec<(String, Value, Value)> {
    let mut found = Vec::new();
    differ("", was, is, &mut found);
    found.truncate(FIELDS_MAX);
    found
}

fn differ(path: &str, was: &Value, is: &Value, found: &mut Vec<(String, Value, Value)>) {
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => objects(path, was, is, found),
        // A list that only grew is read by what was added.
        (Value::Array(was), Value::Array(is)) if is.len() >= was.len() => {
            for (at, new) in is.iter().enumerate() {
                let old = was.get(at).unwrap_or(&Value::Null);
                differ(&format!("{path}[{at}]"), old, new, found);
            }
        }
        (was, is) if was != is => found.push((path.to_string(), was.clone(), is.clone())),
        _ => {}
    }
}

fn objects(
    path: &str,
    was: &Map<String, Value>,
    is: &Map<String, Value>,
    found: &mut Vec<(String, Value, Value)>,
) {
    let gone = was.keys().filter(|name| !is.contains_key(*name));
    for name in is.keys().chain(gone).filter(|name| !SILENT.contains(&name.as_str())) {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let nothing = Value::Null;
        differ(&below, was.get(name).unwrap_or(&nothing), is.get(name).unwrap_or(&nothing), found);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_changed_is_named_by_its_path_and_bookkeeping_is_not() {
        let was = json!({"status": "paid", "updated_at": 1, "lines": [{"sku": "A"}], "note": "x"});
        let is = json!({"status": "refunded", "updated_at": 2, "lines": [{"sku": "A"}, {"sku": "B"}]});
        assert_eq!(
            edits(&was, &is),
            [
                ("lines[1]".to_string(), Value::Null, json!({"sku": "B"})),
                ("status".to_string(), json!("paid"), json!("refunded")),
                ("note".to_string(), json!("x"), Value::Null),
            ]
        );
        assert_eq!(edits(&was, &was), []);
    }
}
