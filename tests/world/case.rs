//! All that is known about one order at the end: every document as plain JSON, and the provider's own books.
//!
//! No worker's types are used here. The fields are what a person would find in the database.

use std::collections::BTreeMap;

use adapters::mock::rules::Ends;
use contract::{Body, Role, Table};
use serde_json::Value;
use store::JournalRow;

use super::World;

#[derive(Default)]
pub(crate) struct Case {
    pub(crate) order: Option<Value>,
    pub(crate) rejected: Option<Value>,
    /// The audit entries in the order of their numbers.
    pub(crate) trail: Vec<Value>,
    pub(crate) payment: Option<Value>,
    pub(crate) hold: Option<Value>,
    /// By number: 0 is the checkout's saga, n that of the n-th return.
    pub(crate) sagas: BTreeMap<u32, Value>,
    /// The provider's charges, in the order of their keys.
    pub(crate) charges: Vec<Charge>,
    /// Second charges, each of which has to be refunded in full.
    pub(crate) beside: Vec<Charge>,
    pub(crate) refunds: Vec<Refund>,
    /// The names of all messages of its sagas, in order.
    pub(crate) saga_said: Vec<&'static str>,
    /// What each client that asked for a reply was told, by message id.
    pub(crate) replies: BTreeMap<String, BTreeMap<String, &'static str>>,
}

pub(crate) struct Charge {
    pub(crate) key: String,
    pub(crate) amount: i64,
    pub(crate) captured: bool,
    pub(crate) refunded: i64,
}

pub(crate) struct Refund {
    pub(crate) key: String,
    pub(crate) amount: i64,
    pub(crate) succeeded: bool,
}

/// The length of a UUID as text: every key of a record about an order begins with one.
const ID_CHARS: usize = 36;

pub(crate) fn cases(world: &World) -> BTreeMap<String, Case> {
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    let tables = world.memory.tables();
    for (need, (_, json)) in &tables.records {
        if matches!(
            need.table,
            Table::Products
                | Table::Discounts
                | Table::Methods
                | Table::Carts
                | Table::Wallets
                | Table::Stock
                | Table::Notices
        ) {
            continue;
        }
        let doc: Value = serde_json::from_str(json).expect("a document is JSON");
        let case = cases.entry(need.id[..ID_CHARS].to_string()).or_default();
        match need.table {
            Table::Orders => case.order = Some(doc),
            // A command that was held before its submission says nothing about how that ended.
            Table::Submissions => case.rejected = Some(doc).filter(|doc| doc.get("held").is_none()),
            Table::Audit => case.trail.push(doc),
            Table::Holds => case.hold = Some(doc),
            Table::Payments => case.payment = Some(doc),
            Table::Sagas => {
                let no = need.id.rsplit_once("/return/").map_or(0, |(_, no)| no.parse().expect("a number"));
                case.sagas.insert(no, doc);
            }
            Table::Products
            | Table::Discounts
            | Table::Methods
            | Table::Carts
            | Table::Wallets
            | Table::Stock
            | Table::Notices => {}
        }
    }
    for row in &tables.journal {
        tell_said(&mut cases, row);
    }
    drop(tables);
    read_books(world, &mut cases);
    cases
}

fn tell_said(cases: &mut BTreeMap<String, Case>, row: &JournalRow) {
    for said in &row.emitted {
        let Some(case) = said.message.order_id.and_then(|id| cases.get_mut(&id.to_string())) else {
            continue;
        };
        if row.role == Role::Saga {
            case.saga_said.push(said.message.name());
        }
        if let Body::Reply(reply) = &said.message.body {
            let told = Body::from(reply.ending.clone()).name();
            let asker = reply.reply_to.correlation_id().unwrap_or_default().to_string();
            case.replies.entry(asker).or_default().insert(said.message.id.to_string(), told);
        }
    }
}

fn read_books(world: &World, cases: &mut BTreeMap<String, Case>) {
    let now = world.clock.provider_now();
    let books = world.outside.books();
    for charge in books.charges() {
        let case = cases.entry(charge.reference.to_string()).or_default();
        let captured = matches!(charge.ends, Ends::Succeeds { at } if at <= now);
        let (amount, refunded) = (charge.amount.minor(), charge.refunded_minor);
        let charges = if is_beside(&charge.key) { &mut case.beside } else { &mut case.charges };
        charges.push(Charge { key: charge.key.clone(), amount, captured, refunded });
    }
    for refund in books.refunds().filter(|refund| !is_beside(&refund.key)) {
        let case = cases.entry(refund.reference.to_string()).or_default();
        let succeeded = refund.failure_code.is_none();
        case.refunds.push(Refund { key: refund.key.clone(), amount: refund.amount.minor(), succeeded });
    }
    for case in cases.values_mut() {
        case.charges.sort_by(|a, b| a.key.cmp(&b.key));
        case.refunds.sort_by(|a, b| a.key.cmp(&b.key));
    }
}

/// Whether it belongs to a second charge for one order, which an event from outside reported.
fn is_beside(key: &str) -> bool {
    key.starts_with("stray/")
}

impl Case {
    /// Every status it has been in, in order; an archived order had ended before.
    pub(crate) fn path(&self) -> Vec<&str> {
        self.trail.iter().map(|entry| text(entry, "to")).collect()
    }

    /// Its last status before it was archived.
    pub(crate) fn end(&self) -> &str {
        self.path().into_iter().rfind(|status| *status != "archived").unwrap_or("none")
    }

    /// Whether it is paid on delivery and its goods have been on their way.
    pub(crate) fn was_accepted(&self) -> bool {
        self.order.as_ref().is_some_and(|order| order["accepted_at"].is_string())
    }

    pub(crate) fn has_been(&self, status: &str) -> bool {
        self.path().contains(&status)
    }

    pub(crate) fn reason(&self) -> Option<&str> {
        self.order.as_ref().and_then(|order| order["reason"].as_str())
    }

    pub(crate) fn captured(&self) -> i64 {
        self.charges.iter().filter(|charge| charge.captured).map(|charge| charge.amount).sum()
    }

    pub(crate) fn refunded(&self) -> i64 {
        self.refunds.iter().filter(|refund| refund.succeeded).map(|refund| refund.amount).sum()
    }

    pub(crate) fn total(&self) -> i64 {
        self.order.as_ref().map_or(0, |order| minor(&order["total"]))
    }

    pub(crate) fn returns(&self) -> &[Value] {
        self.order.as_ref().and_then(|order| order["returns"].as_array()).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn done_returns(&self) -> impl Iterator<Item = &Value> {
        self.returns().iter().filter(|returned| returned["done"] == true)
    }
}

pub(crate) fn text<'a>(doc: &'a Value, field: &str) -> &'a str {
    doc[field].as_str().unwrap_or_default()
}

/// `{"amount":"12.34",…}` in hundredths: every amount is written with all its digits.
pub(crate) fn minor(money: &Value) -> i64 {
    let digits = text(money, "amount").replace('.', "");
    digits.parse().unwrap_or_else(|_| panic!("{money} is no money"))
}

/// By sku, from a list of lines.
pub(crate) fn quantities<'a>(lines: impl IntoIterator<Item = &'a Value>) -> BTreeMap<String, i64> {
    let mut sum = BTreeMap::new();
    for line in lines {
        *sum.entry(text(line, "sku").to_string()).or_default() += line["quantity"].as_i64().unwrap_or(0);
    }
    sum
}
