//! An order's trail records each change of its status, and each change is an allowed one.

use std::collections::BTreeSet;

use serde_json::Value;

use super::case::Case;
use super::document::{number, text};
use super::{Claim, Findings};

/// The auditor's own copy, on purpose: a worker's table that grows a wrong line is caught here.
const ALLOWED: &[(&str, &str)] = &[
    ("created", "paid"),
    ("created", "cancelled"),
    ("paid", "fulfilled"),
    ("paid", "refunded"),
    ("fulfilled", "refunded"),
    ("fulfilled", "archived"),
    ("cancelled", "archived"),
    ("refunded", "archived"),
];

pub(super) fn judge(case: &Case, findings: &mut Findings) {
    match &case.order {
        Some(order) => findings.result(
            Claim::A1,
            follow(order, &case.entries).map_err(|why| format!("order {}: {why}", case.id)),
        ),
        None => findings.check(Claim::A1, case.entries.is_empty(), || {
            format!("there is an audit trail of order {}, and no such order", case.id)
        }),
    }
}

fn follow(order: &Value, entries: &[(String, Value)]) -> Result<(), String> {
    let mut status: Option<&str> = None;
    let mut passed = BTreeSet::new();
    let mut causes = BTreeSet::new();
    for (at, (key, entry)) in (1..).zip(entries) {
        if number(entry, "seq") != Some(at) || *key != format!("{}/{at:06}", text(order, "order_id")) {
            return Err(format!("entry {at} of its trail is missing or misnumbered (found {key})"));
        }
        let (from, to) = (entry["from"].as_str(), text(entry, "to"));
        if text(entry, "order_id") != text(order, "order_id") {
            return Err(format!("entry {at} is another order's"));
        }
        if from != status {
            return Err(format!("entry {at} begins at {from:?}, the one before it ends at {status:?}"));
        }
        let allowed = match from {
            None => to == "created",
            Some(from) => ALLOWED.contains(&(from, to)),
        };
        if !allowed {
            return Err(format!("entry {at} goes from {from:?} to {to}, which nothing may"));
        }
        if !causes.insert(text(entry, "message_id")) {
            return Err(format!("entry {at} is the second for one message"));
        }
        passed.insert(to);
        status = Some(to);
    }
    if number(order, "entries") != Some(entries.len() as i64) {
        return Err(format!("it counts {} changes, its trail has {}", order["entries"], entries.len()));
    }
    if status != Some(text(order, "status")) {
        return Err(format!("it is {}, its trail ends at {status:?}", text(order, "status")));
    }
    let reached = order["reached"].as_object().into_iter().flat_map(|map| map.keys().map(String::as_str));
    if reached.collect::<BTreeSet<_>>() != passed {
        return Err(format!("it says it has been {}, its trail says {passed:?}", order["reached"]));
    }
    Ok(())
}
