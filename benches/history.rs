//! A page of a customer's orders, from a cursor in their middle, among a million orders of all customers.

use contract::{Need, Table, Time};
use divan::Bencher;
use serde_json::json;
use store::{Changes, History, SavedRecord};

use crate::runtime;
use crate::stores::{Database, File};

const ORDERS: u64 = 1_000_000;
/// Every twentieth is of one customer.
const SHARE: u64 = 20;
const CUSTOMER: &str = "customer-0";
const AT_ONCE: u64 = 5_000;

#[divan::bench]
fn sqlite(bencher: Bencher) {
    let file = File::open();
    measure(bencher, &file.store);
    file.gone();
}

#[divan::bench]
fn postgres(bencher: Bencher) {
    let database = Database::open();
    measure(bencher, &database.store);
    database.gone();
}

fn measure(bencher: Bencher, store: &dyn store::Database) {
    runtime().block_on(fill(store));
    let before = Some((at(ORDERS / 2), String::new()));
    let wanted = History { failed_too: true, before, limit: 50, ..History::default() };
    bencher.bench_local(|| {
        let page = runtime().block_on(store.history(CUSTOMER, &wanted)).unwrap();
        assert_eq!(page.len(), 50);
    });
}

fn at(number: u64) -> Time {
    Time::from_unix_ms(1_700_000_000_000 + number as i64)
}

async fn fill(store: &dyn store::Database) {
    for first in (0..ORDERS).step_by(AT_ONCE as usize) {
        let records = (first..first + AT_ONCE).map(order).collect();
        let changes = Changes { records, ..Changes::default() };
        store.begin().await.unwrap().commit(changes).await.unwrap();
    }
}

fn order(number: u64) -> SavedRecord {
    let id = uuid::Uuid::from_u128(0x0193_2b4a_0000_7000_8000_0000_0000_0000 + u128::from(number));
    let customer = if number.is_multiple_of(SHARE) { 0 } else { number % 10_000 + 1 };
    let total = json!({"amount": "12.99", "currency": "EUR"});
    let order = json!({"order_id": id, "customer_id": format!("customer-{customer}"), "status": "fulfilled",
        "method": "card", "created_at": at(number), "updated_at": at(number), "total": total,
        "items": [{"sku": "BOOK-DUNE", "title": "Dune", "quantity": 1, "unit_price": total, "line_total": total}]});
    SavedRecord { need: Need::of(Table::Orders, id), version: 0, json: order.to_string().into() }
}
