//! What must be true of every order at rest, whatever happened to it. The ids are those of the invariants' list.
//!
//! The sums and the table of allowed transitions are written here once more, on purpose: a rule that is wrong in a
//! worker must not be right in its checker by the same mistake.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Queue, Table};
use serde_json::Value;

use super::World;
use super::case::{Case, minor, quantities, text};

/// How often each claim was checked, and every case in which it was false.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) checked: BTreeMap<&'static str, u64>,
    pub(crate) broken: Vec<String>,
}

impl Tally {
    pub(crate) fn claim(&mut self, id: &'static str, holds: bool, otherwise: impl FnOnce() -> String) {
        *self.checked.entry(id).or_default() += 1;
        if !holds {
            self.broken.push(format!("{id}: {}", otherwise()));
        }
    }
}

/// What only the world outside knows.
#[derive(Default)]
pub(crate) struct Known {
    /// By sku: what a stock-take added or took out.
    pub(crate) received: BTreeMap<String, i64>,
    /// By order: what an operator refunded by hand, in minor units.
    pub(crate) by_hand: BTreeMap<String, i64>,
}

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

pub(crate) fn check(world: &World, cases: &BTreeMap<String, Case>, known: &Known, tally: &mut Tally) {
    at_rest(world, tally);
    for (id, case) in cases {
        ended(id, case, tally);
        money(id, case, known.by_hand.get(id).copied().unwrap_or(0), tally);
        our_books(id, case, tally);
        trail(id, case, tally);
        goods(id, case, tally);
        returns(id, case, tally);
        undone_in_order(id, case, tally);
        answered(id, case, tally);
    }
    stock(world, cases, known, tally);
    notices(world, cases, tally);
}

fn at_rest(world: &World, tally: &mut Tally) {
    let tables = world.memory.tables();
    tally.claim("B3", world.memory_broker.is_empty(), || {
        format!("left in the queues: {:?}", Queue::ALL.map(|queue| world.memory_broker.len(queue)))
    });
    let in_flight = tables.in_flight();
    tally.claim("B1", in_flight.is_empty(), || {
        let lost =
            in_flight.iter().map(|one| format!("{}: {} {}", one.queue, one.message.name(), one.message.id));
        format!("said, and never handled: {:?}", lost.collect::<Vec<_>>())
    });
    tally.claim("O1", tables.deadlines.is_empty(), || {
        format!("deadlines are left: {:?}", tables.deadlines.keys().collect::<Vec<_>>())
    });
    let muddled = world.outside.muddled();
    tally.claim("N1", muddled.is_empty(), || format!("two notices under one key: {muddled:?}"));
}

fn ended(id: &str, case: &Case, tally: &mut Tally) {
    tally.claim("O1", case.order.is_some() != case.rejected.is_some(), || {
        format!("{id} is both an order and rejected, or neither")
    });
    let statuses: Vec<_> = case.sagas.iter().map(|(no, saga)| (*no, text(saga, "status"))).collect();
    if case.rejected.is_some() {
        let nothing = case.charges.is_empty() && case.hold.is_none() && case.trail.is_empty();
        tally.claim("O1", statuses.is_empty() && nothing, || format!("{id} was rejected and has effects"));
        return;
    }
    let end = case.end();
    let checkout = case.sagas.get(&0).map_or("none", |saga| text(saga, "status"));
    let right = match (checkout, end) {
        ("completed", "fulfilled") | ("undone", "cancelled") => true,
        // Refunded by its own saga before it shipped, or by its returns afterwards.
        ("undone", "refunded") => !case.has_been("fulfilled"),
        ("completed", "refunded") => case.has_been("fulfilled"),
        _ => false,
    };
    tally.claim("O1", right, || format!("{id} is {end} and its saga {checkout}"));
    let returned = statuses.iter().filter(|(no, _)| *no > 0).all(|(_, status)| *status == "completed");
    tally.claim("O1", returned, || format!("{id}: a return has not ended: {statuses:?}"));
    let count = statuses.iter().filter(|(no, _)| *no > 0).count();
    tally.claim("O1", count == case.returns().len(), || format!("{id}: {count} sagas of returns"));
}

/// By the provider's books, not by ours.
fn money(id: &str, case: &Case, by_hand: i64, tally: &mut Tally) {
    let (captured, refunded) = (case.captured(), case.refunded());
    let owed = match case.end() {
        "fulfilled" | "paid" => case.total() - shares(case).iter().sum::<i64>(),
        _ => 0,
    };
    tally.claim("M2", captured - refunded - by_hand == owed, || {
        let end = case.end();
        format!("{id} is {end} and owes {owed}: {captured} captured, {refunded} refunded, {by_hand} by hand")
    });
    // A payment by confirmation may be tried again once it was declined.
    let tries = case.payment.as_ref().and_then(|payment| payment["tries"].as_array()).map_or(1, Vec::len);
    let captures = case.charges.iter().filter(|charge| charge.captured).count();
    tally.claim("M3", captures <= 1 && case.charges.len() <= tries, || {
        format!("{id} was charged under {:?}", case.charges.iter().map(|c| &c.key).collect::<Vec<_>>())
    });
    for second in &case.beside {
        tally.claim("M3", second.captured && second.refunded == second.amount, || {
            format!("{id}: of {} {} went back, as {}", second.amount, second.refunded, second.key)
        });
    }
    tally.claim("M4", refunded + by_hand <= captured, || format!("{id}: {refunded} back of {captured}"));
    let by_charge: i64 = case.charges.iter().map(|charge| charge.refunded).sum();
    tally.claim("M4", by_charge == refunded, || format!("{id}: the provider's books differ in themselves"));
    let positive = case.charges.iter().all(|c| c.amount > 0) && case.refunds.iter().all(|r| r.amount > 0);
    tally.claim("M5", positive, || format!("{id}: the provider was asked for nothing or less"));
}

/// The payment worker's records agree with the provider's.
fn our_books(id: &str, case: &Case, tally: &mut Tally) {
    let Some(payment) = &case.payment else { return };
    let ours = |field: &str| payment[field].as_i64().unwrap_or(-1);
    let captured = ours("captured_minor");
    tally.claim("M2", captured == case.captured(), || {
        format!("{id}: our books have {captured} captured, the provider's {}", case.captured())
    });
    let by_hand = |refund: &&Value| refund["by_hand"].is_string();
    let refunds = payment["refunds"].as_array().map_or(&[][..], Vec::as_slice);
    let by_hand: i64 = refunds.iter().filter(by_hand).map(|refund| minor(&refund["amount"])).sum();
    let refunded = ours("refunded_minor");
    tally.claim("M2", refunded == case.refunded() + by_hand, || {
        format!(
            "{id}: our books have {refunded} refunded, {by_hand} by hand; the provider's {}",
            case.refunded()
        )
    });
}

/// The value of each completed return, to the cent: all of them together are worth the total.
fn shares(case: &Case) -> Vec<i64> {
    let Some(order) = &case.order else { return Vec::new() };
    let (total, subtotal) = (minor(&order["total"]), minor(&order["subtotal"]));
    let items = order["items"].as_array().map_or(&[][..], Vec::as_slice);
    let price: BTreeMap<_, _> =
        items.iter().map(|item| (text(item, "sku"), minor(&item["unit_price"]))).collect();
    let (mut value, mut given) = (0, 0);
    let mut shares = Vec::new();
    for returned in case.returns() {
        let lines = returned["lines"].as_array().map_or(&[][..], Vec::as_slice);
        value +=
            lines.iter().map(|l| price[text(l, "sku")] * l["quantity"].as_i64().unwrap_or(0)).sum::<i64>();
        let so_far =
            if subtotal == 0 { 0 } else { half_even(i128::from(total) * i128::from(value), subtotal.into()) };
        if returned["done"] == true {
            shares.push(so_far - given);
        }
        given = so_far;
    }
    shares
}

/// Divides, and rounds half to even.
pub(crate) fn half_even(dividend: i128, divisor: i128) -> i64 {
    let (whole, rest) = (dividend.div_euclid(divisor), dividend.rem_euclid(divisor));
    let up = match (rest * 2).cmp(&divisor) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => whole.rem_euclid(2),
        std::cmp::Ordering::Greater => 1,
    };
    i64::try_from(whole + up).expect("no order is worth that much")
}

fn returns(id: &str, case: &Case, tally: &mut Tally) {
    let told: Vec<_> = case.done_returns().map(|returned| minor(&returned["amount"])).collect();
    tally.claim("M2", told == shares(case), || {
        format!("{id}: returns of {told:?} should be {:?}", shares(case))
    });
}

fn trail(id: &str, case: &Case, tally: &mut Tally) {
    let Some(order) = &case.order else { return };
    let mut before: Option<&str> = None;
    for (at, entry) in case.trail.iter().enumerate() {
        let (from, to) = (entry["from"].as_str(), text(entry, "to"));
        tally.claim("A1", entry["seq"] == at + 1, || {
            format!("{id}: entry {} stands at {}", entry["seq"], at + 1)
        });
        tally.claim("A1", from == before, || format!("{id}: {from:?} follows {before:?}"));
        let legal = match from {
            None => to == "created",
            Some(from) => ALLOWED.contains(&(from, to)),
        };
        tally.claim("O2", legal, || format!("{id}: from {from:?} to {to}"));
        before = Some(to);
    }
    let status = text(order, "status");
    tally.claim("A1", before == Some(status), || format!("{id} is {status}, its trail ends with {before:?}"));
    let told = order["entries"].as_u64();
    tally.claim("A1", told == Some(case.trail.len() as u64), || format!("{id} counts {told:?} entries"));
}

/// The goods are with the customer or they are not: stock and order agree.
fn goods(id: &str, case: &Case, tally: &mut Tally) {
    let Some(order) = &case.order else { return };
    let status = case.hold.as_ref().map_or("none", |hold| text(hold, "status"));
    let list =
        |field: &str| case.hold.as_ref().and_then(|hold| hold[field].as_array()).cloned().unwrap_or_default();
    let back = quantities(&list("returned"));
    let ordered = quantities(order["items"].as_array().into_iter().flatten());
    if case.has_been("fulfilled") {
        let lines: Vec<_> = case.done_returns().flat_map(|r| r["lines"].as_array()).flatten().collect();
        let expected = quantities(lines);
        tally.claim("S1", status == "shipped" && back == expected, || {
            format!("{id} was fulfilled, its hold is {status}, {back:?} came back and not {expected:?}")
        });
    } else {
        let here =
            matches!(status, "none" | "refused" | "released") || (status == "shipped" && back == ordered);
        tally.claim("S1", here, || format!("{id} was given up, its hold is {status} and {back:?} came back"));
    }
    tally.claim("S2", status != "held", || format!("{id} still holds stock"));
}

/// The last step is undone first. Only an operator may have it otherwise: a late result is undone late.
fn undone_in_order(id: &str, case: &Case, tally: &mut Tally) {
    const LAST_FIRST: [&str; 3] = ["payment.refund", "stock.restock", "stock.release"];
    let helped = case.sagas.get(&0).is_some_and(|saga| saga["interventions"].is_array());
    if helped || case.end() == "fulfilled" || case.has_been("fulfilled") {
        return;
    }
    let first = |name: &&str| case.saga_said.iter().position(|said| said == name);
    let places: Vec<_> = LAST_FIRST.iter().filter_map(first).collect();
    tally.claim("O3", places.is_sorted(), || format!("{id} was undone out of order: {:?}", case.saga_said));
    let held = case.hold.as_ref().is_some_and(|hold| text(hold, "status") == "released");
    tally.claim("O3", held == case.saga_said.contains(&"stock.release"), || {
        format!("{id}: a release was asked for and not done, or done and not asked for")
    });
}

/// Each client that asked hears the first end, once, and for goods on delivery that they are out for delivery, unless
/// it asked after that; a later return is not reported to it.
fn answered(id: &str, case: &Case, tally: &mut Tally) {
    let end = match case.end() {
        _ if case.rejected.is_some() => "rejected",
        _ if case.has_been("fulfilled") => "fulfilled",
        end => end,
    };
    let end = format!("order.{end}");
    let on_its_way = case.was_accepted().then_some("order.accepted");
    let whole: Vec<&str> = on_its_way.into_iter().chain([end.as_str()]).collect();
    let told = |asker: &BTreeMap<String, &'static str>| {
        let mut told: Vec<&str> = asker.values().copied().collect();
        told.sort_unstable();
        told
    };
    let some_heard_all = case.replies.values().any(|asker| told(asker) == whole);
    let late = case.replies.values().all(|asker| told(asker) == whole || told(asker) == [end.as_str()]);
    tally.claim("R1", some_heard_all && late, || format!("{id}: {end}, its askers heard {:?}", case.replies));
}

fn stock(world: &World, cases: &BTreeMap<String, Case>, known: &Known, tally: &mut Tally) {
    let (mut shipped, mut back, mut held) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let add = |sums: &mut BTreeMap<String, i64>, lines: &Value| {
        for (sku, quantity) in quantities(lines.as_array().into_iter().flatten()) {
            *sums.entry(sku).or_default() += quantity;
        }
    };
    for hold in cases.values().filter_map(|case| case.hold.as_ref()) {
        match text(hold, "status") {
            "shipped" => add(&mut shipped, &hold["lines"]),
            "held" => add(&mut held, &hold["lines"]),
            _ => {}
        }
        add(&mut back, &hold["returned"]);
    }
    for (sku, received) in &known.received {
        let need = contract::Need::of(Table::Stock, sku);
        let json = world.memory.tables().records.get(&need).map(|(_, json)| json.clone()).unwrap_or_default();
        let item: Value = serde_json::from_str(&json).unwrap_or_default();
        let of = |sums: &BTreeMap<String, i64>| sums.get(sku).copied().unwrap_or(0);
        let expected = received - of(&shipped) + of(&back);
        tally.claim("S1", item["on_hand"] == expected && expected >= 0, || {
            format!("{sku}: {} on hand, {expected} expected", item["on_hand"])
        });
        tally.claim("S2", item["reserved"] == of(&held), || {
            format!("{sku}: {} reserved, {} held", item["reserved"], of(&held))
        });
    }
}

/// One notice for each change that customers hear of, on each channel that they gave: no more, no less.
fn notices(world: &World, cases: &BTreeMap<String, Case>, tally: &mut Tally) {
    let (mut expected, mut possible) = (BTreeSet::new(), BTreeSet::new());
    for (id, case) in cases {
        let Some(order) = &case.order else { continue };
        let contact = &order["contact"];
        let given = [("email", "email"), ("phone", "sms")]
            .into_iter()
            .filter(|(field, _)| contact[*field].is_string());
        for (_, channel) in given {
            if case.was_accepted() {
                expected.insert(format!("{id}/accepted/{channel}"));
            }
            for status in case.path().into_iter().filter(|status| *status != "archived") {
                let event = match status {
                    // A refund by returns is reported return by return.
                    "refunded" if case.has_been("fulfilled") => continue,
                    "fulfilled" if case.was_accepted() => "delivered",
                    other => other,
                };
                expected.insert(format!("{id}/{event}/{channel}"));
            }
            for returned in case.done_returns() {
                expected.insert(format!("{id}/refunded/{}/{channel}", returned["no"]));
            }
            if case.end() == "cancelled" && case.captured() > 0 {
                possible.insert(format!("{id}/late_payment_refunded/{channel}"));
            }
        }
    }
    let mail = world.outside.mail();
    let sent: BTreeSet<_> = mail.keys().cloned().collect();
    let missing: Vec<_> = expected.difference(&sent).collect();
    tally.claim("N1", missing.is_empty(), || format!("never told: {missing:?}"));
    let extra: Vec<_> = sent.difference(&expected).filter(|key| !possible.contains(*key)).collect();
    tally.claim("N1", extra.is_empty(), || format!("told for no reason: {extra:?}"));
    *tally.checked.entry("N1").or_default() += sent.len() as u64;
}
