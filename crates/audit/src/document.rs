//! Reads fields of stored JSON documents. A missing field reads as nothing, which then violates a claim.

use std::collections::BTreeMap;

use serde_json::Value;

pub(super) fn text<'a>(document: &'a Value, field: &str) -> &'a str {
    document[field].as_str().unwrap_or_default()
}

pub(super) fn number(document: &Value, field: &str) -> Option<i64> {
    document[field].as_i64()
}

pub(super) fn list<'a>(document: &'a Value, field: &str) -> &'a [Value] {
    document[field].as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn has(document: &Value, field: &str, key: &str) -> bool {
    document[field].get(key).is_some()
}

/// The quantity of each SKU in these lines. A line without a quantity counts as one that matches nothing.
pub(super) fn by_sku(lines: &[Value]) -> BTreeMap<&str, i64> {
    let mut sums = BTreeMap::new();
    for line in lines {
        *sums.entry(text(line, "sku")).or_default() +=
            number(line, "quantity").unwrap_or(i64::from(i32::MIN));
    }
    sums
}
