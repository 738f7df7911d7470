//! A clean system, made by the real workers, passes the audit; changing any one thing in it makes a check fail.

mod shop;

use serde_json::{Value, json};

use super::{Report, audit};
use contract::Table;
use shop::Shop;

/// Ends in every way there is: fulfilled, partly returned, fully returned, declined, cancelled, cash on the way.
fn clean() -> Shop {
    let mut shop = Shop::open();
    for order in ["fulfilled", "part", "whole"] {
        shop.submit(order, "card", json!([{"sku": "A", "quantity": 2}, {"sku": "B", "quantity": 1}]));
    }
    shop.submit("declined", "card", json!([{"sku": "A", "quantity": 1}]));
    shop.submit("short", "card", json!([{"sku": "B", "quantity": 900}]));
    shop.submit("cash", "cod", json!([{"sku": "A", "quantity": 3}]));
    shop.run();
    shop.command(
        "order.refund",
        json!({"order_id": shop::id("part"), "items": [{"sku": "A", "quantity": 1}]}),
    );
    shop.command("order.refund", json!({"order_id": shop::id("whole")}));
    shop.run();
    shop
}

async fn look(shop: &Shop) -> Report {
    audit(shop, shop, true).await.unwrap()
}

fn red(report: &Report) -> Vec<&str> {
    report.checks.iter().filter(|check| check.violated > 0).map(|check| check.id).collect()
}

#[tokio::test]
async fn a_clean_system_is_found_clean_and_everything_was_examined() {
    let report = look(&clean()).await;
    let told: Vec<_> = report.checks.iter().flat_map(|check| &check.violations).collect();
    assert!(report.clean(), "{told:#?}");
    assert_eq!(report.orders, 6);
    let idle: Vec<_> = report.checks.iter().filter(|check| check.examined == 0).map(|c| c.id).collect();
    assert!(idle.is_empty(), "{idle:?} examined nothing");
}

/// One change, and the check that must see it (others may see it too).
type Breakage = (&'static str, &'static str, fn(&mut Shop));

const BREAKAGES: &[Breakage] = &[
    ("M1", "our books claim a smaller capture", |shop| {
        shop.edit(Table::Payments, "fulfilled", |payment| payment["captured_minor"] = json!(1));
    }),
    ("M1", "the provider has a charge we know nothing of", |shop| shop.charge("stranger", 100, true, 0)),
    ("M2", "the provider gave back a fulfilled order", |shop| shop.charges[0].refunded_minor = 3000),
    ("M2", "a declined order was charged all the same", |shop| shop.charge("declined", 1000, true, 0)),
    ("M3", "the provider captured twice", |shop| shop.charge("fulfilled", 3000, true, 3000)),
    ("M4", "the provider gave back more than it took", |shop| shop.charges[0].refunded_minor = 3001),
    ("M4", "our refund is more than our capture", |shop| {
        shop.edit(Table::Payments, "part", |payment| payment["refunded_minor"] = json!(9_999_999));
    }),
    ("M5", "a line is not its price times its quantity", |shop| {
        shop.edit(Table::Orders, "fulfilled", |order| order["items"][0]["quantity"] = json!(3));
    }),
    ("M5", "a price is in another currency", |shop| {
        shop.edit(Table::Orders, "fulfilled", |order| {
            order["items"][0]["unit_price"]["currency"] = json!("USD");
        });
    }),
    ("M5", "the total is a cent off", |shop| {
        shop.edit(Table::Orders, "fulfilled", |order| order["total"]["amount"] = json!("29.99"));
    }),
    ("S1", "less than nothing is on hand", |shop| {
        shop.edit_row(Table::Stock, "A", |item| item["on_hand"] = json!(-1));
    }),
    ("S2", "something is reserved that nobody holds", |shop| {
        shop.edit_row(Table::Stock, "A", |item| item["reserved"] = json!(1));
    }),
    ("S2", "a hold holds something else than was ordered", |shop| {
        shop.edit(Table::Holds, "fulfilled", |hold| hold["lines"][0]["quantity"] = json!(7));
    }),
    ("S3", "a unit has vanished from the shelf", |shop| {
        shop.edit_row(Table::Stock, "A", |item| item["on_hand"] = json!(90));
    }),
    ("S3", "a return came back that never was asked for", |shop| {
        shop.edit(Table::Holds, "part", |hold| hold["restocked"] = json!([1, 2]));
        shop.edit(Table::Orders, "part", |order| order["returns"] = json!([]));
    }),
    ("S4", "a saga ended and left its hold behind", |shop| {
        shop.edit(Table::Holds, "declined", |hold| hold["status"] = json!("held"));
    }),
    ("S4", "goods went out for an order that was undone", |shop| {
        shop.edit(Table::Holds, "short", |hold| hold["status"] = json!("shipped"));
    }),
    ("O1", "a saga has no deadline and nothing on its way", |shop| shop.deadlines.clear()),
    ("O1", "an order has no saga", |shop| shop.remove(Table::Sagas, "fulfilled")),
    ("O1", "a saga needs attention and says nothing", |shop| {
        shop.edit(Table::Sagas, "cash", |saga| saga["status"] = json!("needs_attention"));
    }),
    ("O2", "a saga completed and its order does not know", |shop| {
        shop.edit(Table::Sagas, "declined", |saga| saga["status"] = json!("completed"));
    }),
    ("O2", "an order is gone", |shop| shop.remove(Table::Orders, "fulfilled")),
    ("A1", "an audit entry is missing", |shop| shop.remove_row(Table::Audit, &entry("fulfilled", 2))),
    ("A1", "the last audit entry is missing", |shop| shop.remove_row(Table::Audit, &entry("fulfilled", 3))),
    ("A1", "an audit entry was rewritten to a change that nothing allows", |shop| {
        shop.edit_row(Table::Audit, &entry("fulfilled", 2), |entry| entry["to"] = json!("archived"));
        shop.edit_row(Table::Audit, &entry("fulfilled", 3), |entry| entry["from"] = json!("archived"));
    }),
    ("A1", "a status was changed by hand", |shop| {
        shop.edit(Table::Orders, "fulfilled", |order| order["status"] = json!("archived"));
    }),
    ("A1", "two changes by one message", |shop| {
        let first = shop.row(Table::Audit, &entry("fulfilled", 1))["message_id"].clone();
        shop.edit_row(Table::Audit, &entry("fulfilled", 2), |entry| entry["message_id"] = first);
    }),
    ("R1", "a journal row cannot be read", |shop| shop.unreadable.push("journal row 99".into())),
    ("R1", "a record is no JSON", |shop| shop.spoil(Table::Payments, "fulfilled")),
    ("R1", "an item of stock is no JSON", |shop| shop.spoil_row(Table::Stock, "A")),
    ("T1", "a deadline will say what no worker sets as one", |shop| {
        shop.deadlines.insert("forged/1".into(), contract::Time::default());
    }),
    ("B1", "a message was said and never handled", |shop| shop.forget("order.mark_fulfilled")),
    ("B2", "a message was handled twice", |shop| {
        let row = shop.journal[5].clone();
        shop.journal.push(row);
    }),
    ("B3", "a message was handled that nobody said", |shop| {
        let row = shop.journal.iter_mut().find(|row| row.name == "saga.start").unwrap();
        row.id = contract::MessageId::new("from nowhere").unwrap();
    }),
    ("T1", "a role said what another may say", |shop| {
        let row = shop.journal.iter_mut().find(|row| row.name == "order.mark_fulfilled").unwrap();
        row.role = contract::Role::Email;
    }),
    ("T1", "a row that an operator superseded says what another may say", |shop| {
        let row = shop.journal.iter_mut().find(|row| row.name == "order.mark_fulfilled").unwrap();
        (row.role, row.outcome) = (contract::Role::Email, "superseded by x, edited by anna".into());
    }),
    ("T1", "an internal message came from nowhere", |shop| {
        let row = shop.journal.iter_mut().find(|row| row.name == "order.mark_paid").unwrap();
        row.cause = None;
    }),
    ("T1", "a deadline names a cause that its setter never handled", |shop| {
        let mut row = shop.journal.iter().find(|row| row.name == "order.mark_paid").unwrap().clone();
        row.name = "saga.overdue".into();
        row.role = contract::Role::Saga;
        row.id = contract::MessageId::new("overdue").unwrap();
        row.cause = contract::MessageId::new("from nowhere");
        row.emitted.clear();
        shop.journal.push(row);
    }),
    ("N1", "a notice never reached its channel", |shop| {
        shop.sent.remove(0);
    }),
    ("N1", "a notice was sent twice", |shop| {
        let again = shop.sent[0].clone();
        shop.sent.push(again);
    }),
    ("N1", "a notice was sent that we have no record of", |shop| {
        shop.sent[0].1 = "somebody/created/email".into();
    }),
];

#[tokio::test]
async fn each_check_can_fail() {
    for (id, what, break_it) in BREAKAGES {
        let mut shop = clean();
        break_it(&mut shop);
        let report = look(&shop).await;
        assert!(red(&report).contains(id), "{what}: expected {id}, red are {:?}", red(&report));
        let check = report.checks.iter().find(|check| check.id == *id).unwrap();
        assert!(!check.violations.is_empty() && !check.violations[0].is_empty(), "{what}: {id} must say why");
    }
    for check in look(&clean()).await.checks {
        assert!(BREAKAGES.iter().any(|(id, ..)| *id == check.id), "nothing shows that {} can fail", check.id);
    }
}

#[tokio::test]
async fn in_a_running_system_only_what_stays_wrong_is_wrong() {
    let mut shop = clean();
    shop.submit("underway", "card", json!([{"sku": "A", "quantity": 1}]));
    for steps in 1.. {
        let report = audit(&shop, &shop, false).await.unwrap();
        assert!(report.clean(), "after {steps} steps: {:?}", report.checks);
        if !shop.step() {
            break;
        }
    }
    shop.edit(Table::Orders, "underway", |order| order["status"] = json!("cancelled"));
    assert!(red(&audit(&shop, &shop, false).await.unwrap()).contains(&"A1"));
}

#[tokio::test]
async fn what_is_still_in_flight_is_told_at_rest() {
    let mut shop = clean();
    shop.submit("underway", "card", json!([{"sku": "A", "quantity": 1}]));
    shop.step();
    assert!(red(&look(&shop).await).contains(&"B1"));
}

/// The payment's later query to the provider is a deadline: no row emits it, and what set it is in the journal.
#[tokio::test]
async fn a_query_to_the_provider_that_came_due_needs_no_journal_row() {
    let mut shop = clean();
    let set_by = shop.journal.iter().find(|row| row.role == contract::Role::Payment).unwrap().clone();
    let mut due = shop.journal.iter().find(|row| row.name == "provider.charge").unwrap().clone();
    (due.name, due.cause) = ("provider.query".into(), Some(set_by.id));
    due.id = contract::MessageId::new("came due").unwrap();
    due.emitted.clear();
    shop.journal.push(due);
    assert_eq!(red(&look(&shop).await), [""; 0]);
    shop.journal.last_mut().unwrap().cause = contract::MessageId::new("from nowhere");
    assert_eq!(red(&look(&shop).await), ["T1"]);
}

#[tokio::test]
async fn what_can_be_compared_at_rest_only_says_so_beside_a_running_system() {
    let shop = clean();
    for (at_rest, verdict) in [(false, "comparable at rest only"), (true, "holds")] {
        let report = audit(&shop, &shop, at_rest).await.unwrap();
        let check = report.checks.iter().find(|check| check.id == "B3").unwrap();
        assert_eq!(check.verdict(), verdict);
        assert!(report.checks.iter().all(|check| check.id == "B3" || check.verdict() == "holds"));
    }
}

/// Charges that the books learned from an event are compared like any other, and are marked.
#[tokio::test]
async fn what_was_told_from_outside_is_compared_too_and_marked() {
    let mut shop = clean();
    let at = shop.charges.iter().position(|c| c.reference == shop::id("fulfilled").to_string()).unwrap();
    shop.charges[at].told_outside = true;
    let report = look(&shop).await;
    assert_eq!((red(&report), report.told_outside), (vec![], 1));
    shop.charges[at].refunded_minor = 1;
    shop.edit(Table::Payments, "fulfilled", |payment| payment["told_outside"] = json!(true));
    let report = look(&shop).await;
    assert_eq!(red(&report), ["M1", "M2"]);
    for id in ["M1", "M2"] {
        let check = report.checks.iter().find(|check| check.id == id).unwrap();
        assert!(check.violations[0].contains("(told from outside)"), "{:?}", check.violations);
    }
    // While a message of the order is in flight, it may be the one that the books have to learn from.
    shop.forget("order.mark_fulfilled");
    assert_eq!(red(&audit(&shop, &shop, false).await.unwrap()), [""; 0]);
}

/// It is a violation until all of the second capture is refunded, or while something of the order is in flight.
#[tokio::test]
async fn a_second_capture_that_was_told_is_a_breach_until_it_has_gone_back_whole() {
    let mut shop = clean();
    shop.charge("fulfilled", 3000, true, 0);
    shop.charges.last_mut().unwrap().told_outside = true;
    for (back, verdict) in [(0, vec!["M3"]), (2999, vec!["M3"]), (3000, vec![])] {
        shop.charges.last_mut().unwrap().refunded_minor = back;
        assert_eq!(red(&look(&shop).await), verdict, "{back} of 3000 went back");
    }
    shop.charges.last_mut().unwrap().refunded_minor = 0;
    shop.forget("order.mark_fulfilled");
    assert_eq!(red(&audit(&shop, &shop, false).await.unwrap()), [""; 0]);
}

/// Payment queries the provider once more long after it gave up. Until then the provider may have taken money that we
/// do not know of.
#[tokio::test]
async fn what_was_given_up_may_differ_as_long_as_the_provider_will_be_asked_again() {
    let mut shop = clean();
    shop.charge("declined", 1000, true, 0);
    shop.edit(Table::Payments, "declined", |payment| payment["status"] = json!("given_up"));
    let again = format!("payment/{}", shop::id("declined"));
    shop.deadlines.insert(again.clone(), contract::Time::from_unix_ms(0));
    assert_eq!(red(&look(&shop).await), [""; 0]);
    shop.deadlines.remove(&again);
    assert_eq!(red(&look(&shop).await), ["M1", "M2"]);
}

/// The provider reported the money before a charge was asked for: the audit looks at that again.
#[tokio::test]
async fn what_was_told_early_may_differ_as_long_as_it_is_held() {
    let mut shop = clean();
    shop.charge("declined", 1000, true, 0);
    shop.edit(Table::Payments, "declined", |payment| payment["status"] = json!("given_up"));
    let held = format!("held/{}/evt_1", shop::id("declined"));
    shop.deadlines.insert(held.clone(), contract::Time::from_unix_ms(0));
    assert_eq!(red(&look(&shop).await), [""; 0]);
    shop.deadlines.remove(&held);
    assert_eq!(red(&look(&shop).await), ["M1", "M2"]);
}

#[tokio::test]
async fn a_forged_message_that_an_operator_discarded_breaks_no_promise() {
    let mut shop = clean();
    let mut row = shop.journal.iter().find(|row| row.name == "order.mark_paid").unwrap().clone();
    row.id = contract::MessageId::new("forged").unwrap();
    (row.cause, row.emitted) = (None, Vec::new());
    shop.journal.push(row.clone());
    assert!(!look(&shop).await.clean(), "and one that was handled does");
    row.outcome = "discarded by anna: forged".into();
    *shop.journal.last_mut().unwrap() = row;
    let report = look(&shop).await;
    assert!(report.clean(), "{:#?}", report.checks);
}

#[tokio::test]
async fn many_orders_are_read_page_by_page() {
    let mut shop = Shop::open();
    for order in 0..super::PAGE + 7 {
        shop.submit(&format!("order{order}"), "card", json!([{"sku": "A", "quantity": 1}]));
    }
    shop.run();
    let report = look(&shop).await;
    assert!(report.clean(), "{:?}", report.checks);
    assert_eq!(report.orders as usize, super::PAGE + 7);
}

fn entry(order: &str, no: u32) -> String {
    format!("{}/{no:06}", shop::id(order))
}

#[test]
fn a_report_says_what_was_examined_and_what_is_wrong() {
    let mut findings = super::Findings::default();
    for no in 0..30 {
        findings.check(super::Claim::S1, no < 5, || format!("sku {no}"));
    }
    let check = findings.into_checks(true).into_iter().find(|check| check.id == "S1").unwrap();
    assert_eq!((check.examined, check.violated, check.violations.len()), (30, 25, 20));
    assert_eq!(serde_json::to_value(&check).unwrap()["violations"][0], Value::from("sku 5"));
}
