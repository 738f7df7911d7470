//! No order is stuck unseen, and each ends as its saga did.

use serde_json::Value;

use super::case::Case;
use super::document::{has, list, text};
use super::world::World;
use super::{Claim, Findings};

pub(super) fn judge(case: &Case, world: &World, findings: &mut Findings) {
    for (key, saga) in &case.sagas {
        goes_on_or_ended(case, key, saga, world, findings);
    }
    let open = world.moving(&case.id) || world.dead_lettered(&case.id);
    if case.order.is_some() && case.checkout().is_none() {
        findings.check(Claim::O1, open, || format!("order {} has no saga, and none is on its way", case.id));
    }
    let returns = case.order.as_ref().map_or(&[][..], |order| list(order, "returns"));
    for one in returns {
        let key = format!("{}/return/{}", case.id, one["no"]);
        let saga = case.sagas.iter().find(|(known, _)| *known == key).map(|(_, saga)| text(saga, "status"));
        let begun = saga.is_some() || open;
        findings.check(Claim::O1, begun, || format!("return {key} has no saga, and none is on its way"));
        let fits = saga != Some("completed") || one["done"] == Value::Bool(true);
        findings.check(Claim::O2, fits, || format!("saga {key} has completed, its return is not done"));
    }
    if let Some(saga) = case.checkout() {
        ended_alike(case, saga, findings);
    }
    nothing_held(case, findings);
}

/// Sagas that wait for a person.
pub(super) fn waiting(case: &Case) -> u64 {
    case.sagas.iter().filter(|(_, saga)| text(saga, "status") == "needs_attention").count() as u64
}

fn goes_on_or_ended(case: &Case, key: &str, saga: &Value, world: &World, findings: &mut Findings) {
    let status = text(saga, "status");
    let well = match status {
        "completed" | "undone" => true,
        "needs_attention" => !list(&saga["attention"], "actions").is_empty(),
        "running" | "unwinding" => world.waiting.contains(key) || world.moving(&case.id),
        // The message that starts it is in flight, or is a dead letter.
        "awaited" => world.moving(&case.id) || world.dead_lettered(&case.id),
        _ => false,
    };
    findings.check(Claim::O1, well, || match status {
        "needs_attention" => format!("saga {key} needs attention, and does not say what can be done"),
        _ => format!("saga {key} is {status}, has no deadline, and nothing is on its way"),
    });
}

fn ended_alike(case: &Case, saga: &Value, findings: &mut Findings) {
    let Some(order) = &case.order else {
        let awaited = text(saga, "status") == "awaited";
        return findings.check(Claim::O2, awaited, || format!("saga {} has no order", case.id));
    };
    let (ended, status) = (text(saga, "status"), text(order, "status"));
    let shipped = has(order, "reached", "fulfilled");
    let fits = match (ended, status) {
        ("completed", "fulfilled") => true,
        ("completed", "refunded" | "archived") => shipped,
        ("undone", "cancelled" | "refunded" | "archived") => !shipped,
        ("completed" | "undone", _) => false,
        // The saga has not ended: only a change that it has not heard of yet can be wrong.
        (_, "archived") => ended == "needs_attention",
        (..) => true,
    };
    findings.check(Claim::O2, fits, || format!("order {} is {status}, its saga is {ended}", case.id));
}

fn nothing_held(case: &Case, findings: &mut Findings) {
    let Some(hold) = &case.hold else { return };
    let held = text(hold, "status");
    let all_back = list(hold, "restocked").contains(&Value::from(0));
    let fits = match (case.checkout().map(|saga| text(saga, "status")), held) {
        (None, _) => false,
        (Some("completed"), _) => held == "shipped" && !all_back,
        (Some("undone"), "refused" | "released") => true,
        (Some("undone"), _) => held == "shipped" && all_back,
        (Some(_), _) => true,
    };
    let saga = case.checkout().map_or("not there", |saga| text(saga, "status"));
    findings.check(Claim::S4, fits, || {
        format!("goods of order {} are {held} (all back: {all_back}), its saga is {saga}", case.id)
    });
}
