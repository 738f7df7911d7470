//! A disk that was full leaves nothing behind once there is room again.

use std::sync::Arc;

use contract::{Currency, Method, Money, OrderId, PaymentChoice, ProviderCharge, Token};
use uuid::Uuid;

use super::*;
use crate::mock::{MockWorld, Settings};
use crate::provider::PaymentProvider;

fn charge(no: u128) -> ProviderCharge {
    let order_id = OrderId::new(Uuid::from_u128(no));
    ProviderCharge {
        key: format!("{order_id}:charge"),
        order_id,
        amount: Money::from_minor(1000, Currency::from_code("EUR").unwrap()).unwrap(),
        payment: PaymentChoice::by(Method::Card, Some(Token("tok_ok".into()))),
        not_after: None,
    }
}

#[tokio::test]
async fn after_a_full_disk_the_provider_charges_again_as_soon_as_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.db");
    store::sqlite::file::create(&path).unwrap();
    let storage = SqliteStorage::open(&path).await.unwrap();
    // As if the disk were full, for the connection that is open now: SQLite takes no limit below the present size.
    sqlx::raw_sql("pragma max_page_count = 1").execute(&storage.writer).await.unwrap();
    let clock = Arc::new(|| Time::from_unix_ms(1_700_000_000_000));
    let world = MockWorld::with(Box::new(storage), Settings::default(), clock);
    let mut refused = None;
    for no in 0..500 {
        if world.charge(&[&charge(no)]).await.remove(0).is_err() {
            refused = Some(no);
            break;
        }
    }
    let refused = refused.expect("the disk was never full");
    world.charge(&[&charge(refused)]).await.remove(0).unwrap();
    let charges = world.charges_page("", 1000).await.unwrap();
    assert_eq!(charges.len() as u128, refused + 1);
}
