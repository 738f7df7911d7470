//! How each order must end, where the plan leaves only one way; and which alarms are expected.

use contract::{Need, Role, Table};
use serde_json::Value;
use store::DeadStatus;

use super::plan::Plan;
use super::shop::Shop;
use crate::world::case::{Case, minor, text};
use crate::world::claims::Tally;

pub(crate) fn check(shop: &Shop, plan: &Plan, case: &Case, tally: &mut Tally) {
    let id = plan.id;
    if plan.from_cart {
        cart(shop, plan, case, tally);
    }
    if let Some(code) = plan.refusal(&shop.goods) {
        let told = case.rejected.as_ref().map_or("accepted", |rejected| text(rejected, "code"));
        tally.claim("E1", told == code, || format!("{id} should be rejected as {code} and is {told}"));
        return;
    }
    let Some(order) = &case.order else {
        return tally.claim("E1", false, || format!("{id} should be accepted: {:?}", case.rejected));
    };
    let (total, told) = (plan.total(&shop.goods), minor(&order["total"]));
    tally.claim("E2", total == told, || format!("{id} costs {total} and not {told}"));
    let (end, reason) = (case.end(), case.reason());
    let shown = || format!("{id} ({plan}) is {end}, {reason:?}, {:?}", case.path());
    if total > 0 && (plan.declined_by_token() || plan.token == Some("tok_never_answers")) {
        tally.claim("E3", !case.has_been("paid"), shown);
    }
    if let Some(reason) = reason {
        tally.claim("E4", is_explained(shop, plan, case, reason), shown);
    }
    if let Some((path, reason)) = determined(shop, plan, case) {
        let right = case.has_been(path) && (reason.is_none() || case.reason() == reason);
        tally.claim("E5", right, || format!("{} and should have been {path}, {reason:?}", shown()));
    }
}

/// Lines that were bought, or are out for delivery, have left the cart; otherwise all are in it. No order holds the
/// cart any more.
fn cart(shop: &Shop, plan: &Plan, case: &Case, tally: &mut Tally) {
    let need = Need::of(Table::Carts, plan.customer_id());
    let json =
        shop.world.memory.tables().records.get(&need).map(|(_, json)| json.clone()).unwrap_or_default();
    let cart: Value = serde_json::from_str(&json).unwrap_or_default();
    let accepted = case.order.as_ref().is_some_and(|order| order["accepted_at"].is_string());
    let bought = case.has_been("paid") || accepted;
    let lines = cart["lines"].as_array().map_or(0, Vec::len);
    let right = cart["ordered"].is_null() && lines == if bought { 0 } else { plan.lines.len() };
    tally.claim("K1", right, || format!("{} ({plan}) is {}, its cart is {cart}", plan.id, case.end()));
}

fn is_explained(shop: &Shop, plan: &Plan, case: &Case, reason: &str) -> bool {
    let free = case.total() == 0;
    match reason {
        "cancelled_by_customer" => plan.cancelled_by.contains(&"customer"),
        "cancelled_by_admin" => plan.cancelled_by.contains(&"admin") || plan.gave_up,
        "insufficient_stock" | "stock_unavailable" => plan.wants_scarce(),
        "payment_declined" => {
            let by_chance = matches!(plan.token, None | Some("tok_left_to_chance")) && plan.method != "cod";
            !free && (plan.declined_by_token() || by_chance)
        }
        // Where clocks jump, patience may run out before payment has even heard of the order.
        "payment_timeout" => plan.method != "cod" && !(free && shop.weather.punctual),
        "returned" => !case.returns().is_empty(),
        _ => false,
    }
}

/// The status that it must have passed through, and the reason for it.
fn determined(shop: &Shop, plan: &Plan, case: &Case) -> Option<(&'static str, Option<&'static str>)> {
    if !shop.weather.punctual || !plan.cancelled_by.is_empty() || plan.wants_scarce() {
        return None;
    }
    // Chance decides whether the customer confirmed in time, and how often.
    if plan.later && case.total() > 0 {
        return None;
    }
    if plan.method == "cod" && case.total() > 0 {
        let paid = plan.pays || plan.paid;
        return match (paid, plan.gave_up) {
            (true, false) => Some(("fulfilled", None)),
            (false, true) => Some(("cancelled", Some("cancelled_by_admin"))),
            _ => None,
        };
    }
    if case.total() == 0 {
        return Some(("fulfilled", None));
    }
    match plan.token {
        _ if plan.declined_by_token() => Some(("cancelled", Some("payment_declined"))),
        Some("tok_never_answers" | "tok_late") => Some(("cancelled", Some("payment_timeout"))),
        None | Some("tok_left_to_chance") => match case.captured() {
            0 => Some(("cancelled", Some("payment_declined"))),
            _ => Some(("fulfilled", None)),
        },
        Some(_) => Some(("fulfilled", None)),
    }
}

/// Every alarm and every open dead letter has a cause that the plan gave this shop.
pub(crate) fn alarms(shop: &Shop, tally: &mut Tally) {
    let plan_of = |id: Option<contract::OrderId>| shop.plans.iter().find(|plan| Some(plan.id) == id);
    let tables = shop.world.memory.tables();
    for row in tables.journal.iter().filter(|row| row.role != Role::Gateway) {
        let Some(alarm) = row.outcome.strip_prefix("alarm: ") else { continue };
        let right = plan_of(row.order_id).is_some_and(|plan| alarm_is_explained(shop, plan, alarm));
        tally.claim("W1", right, || format!("{} on {} {}: {alarm}", row.role, row.name, row.id));
    }
    for letter in tables.dead.values().filter(|letter| letter.status == DeadStatus::Open) {
        let right = letter_is_explained(&letter.code, &letter.name, &letter.body, plan_of(letter.order_id));
        tally.claim("W2", right, || {
            format!("{} {}: {} ({})", letter.name, letter.code, letter.why, letter.body)
        });
    }
}

fn alarm_is_explained(shop: &Shop, plan: &Plan, alarm: &str) -> bool {
    let refund_fails = plan.token == Some("tok_refund_fails");
    if alarm.contains("needs an operator") {
        // Patience runs out where clocks jump; cash may never come; a refund may fail for good.
        return !shop.weather.punctual || plan.method == "cod" || refund_fails;
    }
    match alarm {
        "cash came for an order that was given up: it has to go back by hand" => {
            plan.method == "cod" && plan.paid
        }
        "the provider keeps refusing a refund" => refund_fails,
        "an event does not fit what was asked for; the provider is asked"
        | "the provider captured a second time for one order; the second goes back"
        | "what was captured a second time was not given back: return it by hand"
        | "the provider captured cash that nobody reported; it is asked"
        | "the provider gave back what was not asked for; look at its books"
        | "the provider refused a refund that was not asked for; look at its books" => plan.forged,
        _ => false,
    }
}

fn letter_is_explained(code: &str, name: &str, body: &str, plan: Option<&Plan>) -> bool {
    match (code, name) {
        ("order_id_reused" | "message_id_reused", "checkout.submit") => plan.is_some(),
        ("payment_unknown" | "amount_negative", "payment.webhook" | "payment.held") => {
            body.contains("forged")
        }
        ("payment_unknown", "payment.confirm") => plan.is_some_and(|plan| plan.later && plan.paid),
        ("payment_unknown", "payment.settle") => plan.is_some_and(|plan| plan.method == "cod" && plan.paid),
        ("saga_unknown", "saga.retry") => plan.is_some(),
        ("stock_below_zero", "stock.adjust") => true,
        // It came before the catalogue.
        ("product_unknown", "stock.adjust") => true,
        _ => false,
    }
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Plan { method, token, lines, discount, pays, cancelled_by, .. } = self;
        write!(f, "{method} {token:?} {lines:?} {discount:?} pays {pays} cancelled by {cancelled_by:?}")
    }
}
