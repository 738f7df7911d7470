//! A batch writes what it changed and nothing else; ids, hashes and times are the same on every machine.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::*;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Parcel {
    no: u32,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    seq: u32,
}

impl Stored for Parcel {
    const TABLE: Table = Table::Orders;
    fn id(&self) -> String {
        self.no.to_string()
    }
}

impl Stored for Entry {
    const TABLE: Table = Table::Audit;
    fn id(&self) -> String {
        self.seq.to_string()
    }
}

crate::records! {
    #[allow(unreachable_pub)]
    pub enum TestRecord { Parcel, Entry }
}

fn parcel(no: u32) -> Need {
    Need::of(Table::Orders, no)
}

#[test]
fn a_batch_writes_what_was_changed_under_the_version_that_it_was_read_at() {
    let mut records = Records::<TestRecord>::default();
    assert!(records.is_empty());
    records.put(parcel(1), Some((4, Parcel { no: 1 }.into())));
    records.put(parcel(2), None);
    assert!(!records.is_empty() && records.contains(&parcel(2)) && !records.contains(&parcel(3)));
    assert_eq!(records.get::<Parcel>("1"), Some(&Parcel { no: 1 }));
    assert_eq!(records.get::<Parcel>("2"), None);
    assert_eq!(records.changed().count(), 0, "what was only read is not written");

    records.save(Parcel { no: 2 }.into());
    assert_eq!(records.get::<Parcel>("2"), Some(&Parcel { no: 2 }));
    records.save(Parcel { no: 1 }.into());
    // An audit entry is written without having been read.
    records.save(Entry { seq: 7 }.into());
    let mut changed: Vec<_> = records.changed().map(|(need, version, _)| (need.clone(), version)).collect();
    changed.sort();
    assert_eq!(changed, [(parcel(1), 4), (parcel(2), 0), (Need::of(Table::Audit, 7), 0)]);
}

#[test]
#[should_panic(expected = "orders 3 was not named in needs()")]
fn what_was_not_named_is_not_read() {
    Records::<TestRecord>::default().get::<Parcel>("3");
}

#[test]
#[should_panic(expected = "orders 3 was not named in needs()")]
fn what_was_not_named_is_not_written() {
    Records::<TestRecord>::default().save(Parcel { no: 3 }.into());
}

#[test]
fn a_record_is_read_from_its_own_table_alone() {
    let json = TestRecord::from(Parcel { no: 1 }).to_json();
    assert_eq!(TestRecord::from_json(Table::Orders, &json).unwrap().id(), "1");
    assert_eq!(TestRecord::from_json(Table::Carts, &json).unwrap_err(), "carts is no table of this worker");
}

#[test]
fn the_last_sixteen_writes_are_remembered() {
    let id = |no: usize| MessageId::new(&format!("m{no}")).unwrap();
    let mut answers = Answers::default();
    for no in 0..17 {
        let refused = (no == 16).then(|| Fault::new("items", "cart_changed", "look at it again"));
        answers.push(&id(no), refused);
    }
    assert_eq!(answers.to(&id(0)), None, "its sender has given up waiting");
    assert_eq!(answers.to(&id(1)).unwrap().refused, None);
    let refused = answers.to(&id(16)).unwrap().refused.clone();
    assert_eq!(refused.map(|fault| fault.code).as_deref(), Some("cart_changed"));
}

#[test]
fn a_body_has_the_same_hash_on_every_machine_and_in_every_version() {
    let hash = BodyHash::of("order.paid", r#"{"a":1}"#);
    let known = "90b08fdae0dc80ed3f90f152d674dbce";
    assert_eq!((hash.to_string().as_str(), format!("{hash:?}").as_str()), (known, known));
    assert_eq!(Uuid::from_bytes(hash.to_bytes()).simple().to_string(), known);
    let json = serde_json::to_string(&hash).unwrap();
    assert_eq!(
        (json.as_str(), serde_json::from_str(&json).unwrap()),
        (format!("\"{known}\"").as_str(), hash)
    );
    // The hash includes where the name ends and the body begins.
    assert_ne!(BodyHash::of("ab", "c"), BodyHash::of("a", "bc"));
}

#[test]
fn a_submission_without_an_order_id_makes_the_same_order_each_time() {
    let order = |id: &str| OrderId::of_submission(&MessageId::new(id).unwrap());
    let uuid = "01932b4a-1111-7000-8000-000000000001";
    assert_eq!(order(uuid).to_string(), uuid, "an id that can be an order's is the order's");
    assert_eq!(order("cart-1001").to_string(), "2e61ab32-f87d-5efc-81bb-2ae9bba8b255");
    assert_eq!(format!("{:?} {}", order(uuid), order(uuid).uuid()), format!("{uuid} {uuid}"));
    assert!("cart-1001".parse::<OrderId>().is_err());
}

#[test]
fn a_message_id_is_a_short_text_that_a_log_can_show() {
    let longest = "m".repeat(255);
    for good in ["m1", "any text: ü", longest.as_str()] {
        let id: MessageId = serde_json::from_value(good.into()).unwrap();
        assert_eq!((id.as_str(), &*id.text()), (good, good));
        assert_eq!(format!("{id} {id:?}"), format!("{good} {good}"));
    }
    for bad in ["", "a\nb", &"m".repeat(256)] {
        assert!(serde_json::from_value::<MessageId>(bad.into()).is_err(), "{bad:?}");
    }
}

#[test]
fn a_moment_has_a_year_and_a_month_in_utc() {
    let time: Time = "2026-12-31T23:30:00-01:00".parse().unwrap();
    assert_eq!(time.year_and_month(), (2027, 1));
    assert_eq!((format!("{time:?}"), time.unix_ms()), ("2027-01-01T00:30:00.000Z".into(), 1_798_763_400_000));
    let json = serde_json::to_string(&time).unwrap();
    assert_eq!(serde_json::from_str::<Time>(&json).unwrap(), time);
    assert_eq!(time.plus_s(u64::MAX), time.plus_ms(u64::MAX), "the last moment there is");
}

#[test]
fn only_a_checkout_and_what_the_provider_hears_or_says_show_what_comes_next() {
    let order_id: OrderId = "01932b4a-1111-7000-8000-000000000001".parse().unwrap();
    let message = |body| Message::new(MessageId::new("m1").unwrap(), Time::default(), body);
    let query = message(Body::ProviderQuery(ProviderQuery { key: "charge/1".into(), order_id }));
    assert!(matches!(PrefetchHint::of(&query), Some(PrefetchHint::Payment(of)) if of == order_id));
    let json = r#"{"customer_id":"c1","items":[],"order_id":"01932b4a-1111-7000-8000-000000000001"}"#;
    let id = MessageId::new("m2").unwrap();
    let submit = Message::restore(id, None, Time::default(), "checkout.submit", json).unwrap();
    assert!(matches!(PrefetchHint::of(&submit), Some(PrefetchHint::Checkout(of)) if of.order_id == order_id));
    let check = message(Body::PaymentCheck(PaymentCheck { order_id }));
    assert!(PrefetchHint::of(&check).is_none());
}
