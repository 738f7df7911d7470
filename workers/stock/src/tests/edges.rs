//! What is exactly on a limit, what a manual change in the database left behind, and when a hold changed.

use contract::{Message, MessageId, Need, PrefetchHint, Stored, Table, Time, Worker};

use super::{Shop, adjust, count, id, outcome, release, reserve, restock, says, ship, sku};
use crate::{Item, ON_HAND_MAX, StockRecord, StockWorker};

impl Shop {
    /// As a person with access to the database can.
    fn corrected(mut self, change: fn(&mut Item)) -> Self {
        let mut item = self.item("a").unwrap();
        change(&mut item);
        self.kept.insert(Need::of(Table::Stock, item.id()), StockRecord::from(item));
        self
    }
}

#[test]
fn a_hold_tells_when_it_last_changed() {
    let mut shop = Shop::default().told([count("a", 5), count("b", 0)]);
    let steps = [
        reserve(1, &[("a", 2)]),
        ship(1, &[("a", 2)]),
        restock(1, 1, &[("a", 1)]),
        reserve(2, &[("a", 1)]),
        release(2, &[("a", 1)]),
        reserve(3, &[("b", 1)]),
        release(3, &[("b", 1)]),
        reserve(4, &[("a", 1)]),
    ];
    for step in steps {
        let what = step.name();
        shop.tell(step);
        let latest = shop.holds().into_iter().map(|hold| hold.at).max();
        assert_eq!(latest, Some(Time::from_unix_ms(shop.told)), "{what}");
    }
    let mut shop = shop.corrected(|item| item.on_hand = 0);
    assert_eq!(outcome(&shop.tell(ship(4, &[("a", 1)]))), "shipment refused");
    assert_eq!(shop.hold(4).unwrap().at, Time::from_unix_ms(shop.told));
}

#[test]
fn a_line_of_none_is_no_line() {
    let shop = Shop::default().told([count("a", 1), reserve(1, &[("a", 1), ("b", 0)])]);
    let held = shop.hold(1).unwrap().lines;
    assert_eq!(held.iter().map(|line| line.sku.clone()).collect::<Vec<_>>(), [sku("a")]);
    assert_eq!(shop.item("b"), None);
}

#[test]
fn goods_that_all_came_back_unpaid_leave_nothing_to_release() {
    let all = [("a", 2)];
    let mut shop =
        Shop::default().told([count("a", 2), reserve(1, &all), ship(1, &all), restock(1, 0, &all)]);
    let decision = shop.tell(release(1, &all));
    assert_eq!(
        (outcome(&decision), says(&decision)),
        ("released before".into(), "says stock.released".into())
    );
}

#[test]
fn books_that_reserve_less_than_a_shipment_ship_nothing() {
    let shop = Shop::default().told([count("a", 5), reserve(1, &[("a", 2)])]);
    let mut shop = shop.corrected(|item| item.reserved = 1);
    assert_eq!(outcome(&shop.tell(ship(1, &[("a", 2)]))), "PARKED stock_books_differ");
    assert_eq!(shop.item("a").unwrap().on_hand, 5);
}

#[test]
fn a_return_fills_the_shelf_to_its_limit_and_no_further() {
    let all = [("a", 2)];
    let shipped = Shop::default().told([count("a", 2), reserve(1, &all), ship(1, &all)]);
    let mut shop = shipped.clone().corrected(|item| item.on_hand = ON_HAND_MAX - 2);
    assert_eq!(outcome(&shop.tell(restock(1, 1, &all))), "restocked");
    assert_eq!(shop.item("a").unwrap().on_hand, ON_HAND_MAX);
    assert_eq!(outcome(&shop.tell(adjust("a", 1, "found one"))), "PARKED stock_too_large");
    let mut fuller = shipped.corrected(|item| item.on_hand = ON_HAND_MAX - 1);
    assert_eq!(outcome(&fuller.tell(restock(1, 1, &all))), "PARKED stock_too_large");
}

#[test]
fn what_a_checkout_and_a_payment_will_need_is_foreseen() {
    let json = format!(
        r#"{{"order_id":"{}","customer_id":"c1","items":[{{"sku":"a","quantity":1}},{{"sku":"b","quantity":2}}],
            "payment":{{"method":"paypal"}},"contact":{{}}}}"#,
        id(1)
    );
    let m1 = MessageId::new("m1").unwrap();
    let submit = Message::restore(m1, None, Time::default(), "checkout.submit", &json).unwrap();
    let hold = Need::of(Table::Holds, id(1));
    let goods = ["a", "b"].map(|name| Need::of(Table::Stock, name));
    let prefetched = StockWorker.prefetch(PrefetchHint::of(&submit).unwrap());
    assert_eq!(prefetched, [goods[0].clone(), goods[1].clone(), hold.clone()]);
    assert_eq!(StockWorker.prefetch(PrefetchHint::Payment(id(1))), [hold]);
}
