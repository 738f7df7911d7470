//! Stock on hand is what came in, less what went out; reserved stock is the sum of the open holds.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use contract::Table;
use serde_json::Value;
use store::Evidence;

use super::case::{Case, read};
use super::document::{by_sku, list, number, text};
use super::pace::paced;
use super::{Claim, Findings, PAGE};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Item {
    on_hand: i64,
    reserved: i64,
    received: i64,
}

/// The sum of the holds, for one SKU.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    held: i64,
    shipped: i64,
    back: i64,
}

pub(super) type Sums = HashMap<String, Sum>;

pub(super) async fn items(store: &dyn Evidence, findings: &mut Findings) -> Result<BTreeMap<String, Item>> {
    let mut items = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page = paced(store.page(Table::Stock, &after, PAGE)).await?;
        let more = page.len() == PAGE;
        for (sku, json) in page {
            after.clone_from(&sku);
            let read = read(Table::Stock, &sku, &json);
            findings.check(Claim::R1, read.is_ok(), || read.as_ref().err().cloned().unwrap_or_default());
            let Ok(item) = read else { continue };
            // A missing field becomes an absurd amount, which violates the claim.
            let amount = |field| number(&item, field).unwrap_or(i64::from(i32::MIN));
            let item = Item {
                on_hand: amount("on_hand"),
                reserved: amount("reserved"),
                received: amount("received"),
            };
            items.insert(sku, item);
        }
        if !more {
            return Ok(items);
        }
    }
}

/// What came back is counted by the order's returns: the hold names their numbers only for comparison.
pub(super) fn add(case: &Case, sums: &mut Sums) {
    let Some(hold) = &case.hold else { return };
    let status = text(hold, "status");
    for (sku, quantity) in by_sku(list(hold, "lines")) {
        let sum = sums.entry(sku.to_string()).or_default();
        match status {
            "held" => sum.held += quantity,
            "shipped" => sum.shipped += quantity,
            _ => {}
        }
    }
    for (sku, quantity) in came_back(case) {
        sums.entry(sku.to_string()).or_default().back += quantity;
    }
}

fn came_back(case: &Case) -> BTreeMap<&str, i64> {
    let mut back = BTreeMap::new();
    let hold = case.hold.as_ref().unwrap_or(&Value::Null);
    let returns = case.order.as_ref().map_or(&[][..], |order| list(order, "returns"));
    for no in list(hold, "restocked") {
        let lines = match no.as_i64() {
            Some(0) => list(hold, "lines"),
            _ => returns.iter().find(|one| one["no"] == *no).map_or(&[][..], |one| list(one, "lines")),
        };
        for (sku, quantity) in by_sku(lines) {
            *back.entry(sku).or_default() += quantity;
        }
    }
    back
}

pub(super) fn judge(case: &Case, findings: &mut Findings) {
    let Some(hold) = &case.hold else { return };
    let ordered = case.order.as_ref().map_or(&[][..], |order| list(order, "items"));
    let (held, ordered) = (by_sku(list(hold, "lines")), by_sku(ordered));
    findings.check(Claim::S2, held == ordered, || {
        format!("order {} is for {ordered:?}, its hold for {held:?}", case.id)
    });
    let (told, proved) = (by_sku(list(hold, "returned")), came_back(case));
    let sent = |sku: &str| held.get(sku).copied().unwrap_or(0);
    let possible = proved.iter().all(|(sku, back)| *back <= sent(sku));
    findings.check(Claim::S3, told == proved && possible, || {
        format!("of order {} came back {told:?} by its hold, {proved:?} by its returns", case.id)
    });
}

/// Items that changed between the two readings were in use: they cannot be judged.
pub(super) fn compare(
    before: &BTreeMap<String, Item>,
    after: &BTreeMap<String, Item>,
    sums: &Sums,
    findings: &mut Findings,
) {
    for (sku, item) in after {
        let Item { on_hand, reserved, received } = *item;
        findings.check(Claim::S1, on_hand >= 0 && reserved >= 0, || {
            format!("{sku}: {on_hand} on hand, {reserved} reserved")
        });
        if before.get(sku) != Some(item) {
            continue;
        }
        let Sum { held, shipped, back } = sums.get(sku).copied().unwrap_or_default();
        findings.check(Claim::S2, reserved == held, || {
            format!("{sku}: {reserved} reserved, open holds hold {held}")
        });
        findings.check(Claim::S3, on_hand == received - shipped + back, || {
            format!("{sku}: {on_hand} on hand; {received} received, {shipped} shipped, {back} taken back")
        });
    }
    for (sku, Sum { held, shipped, .. }) in sums {
        let known = after.contains_key(sku) || (*held == 0 && *shipped == 0);
        findings
            .check(Claim::S3, known, || format!("{sku}: {held} held, {shipped} shipped, and no such item"));
    }
}
