//! What must hold whatever stock is told, in whatever order.

use std::collections::{BTreeSet, HashMap};

use contract::{Body, Decision, Outcome, Record, StockLine};
use expect_test::expect;

use super::{Shop, adjust, count, outcome, release, reserve, restock, says, ship, sku};
use crate::{HoldStatus, StockRecord};

#[test]
fn all_lines_or_none() {
    let mut shop = Shop::default().told([count("A", 5), count("B", 1), count("C", 5)]);
    let refused = shop.tell(reserve(1, &[("A", 1), ("B", 2), ("C", 1)]));
    assert_eq!(outcome(&refused), "refused");
    assert!(shop.items().iter().all(|item| item.reserved == 0));
    shop.tell(reserve(2, &[("A", 1), ("B", 1), ("C", 1)]));
    assert!(shop.items().iter().all(|item| item.reserved == 1));
    shop.tell(count("B", 0));
    assert_eq!(
        says(&shop.tell(ship(2, &[("A", 1), ("B", 1), ("C", 1)]))),
        "says stock.ship_refused (B “Book B” 0 of 1)"
    );
    assert_eq!(shop.item("A").unwrap().on_hand, 5);
}

#[test]
fn every_short_line_is_reported() {
    let mut shop = Shop::default().told([count("A", 1), count("B", 9)]);
    let wanted = [("A", 2), ("B", 9), ("UNKNOWN", 1)];
    let told = "says stock.refused (A “Book A” 1 of 2)(UNKNOWN “Book UNKNOWN” 0 of 1)";
    assert_eq!(says(&shop.tell(reserve(1, &wanted))), told);
    assert_eq!(says(&shop.tell(reserve(1, &wanted))), told, "and again when asked again");
}

#[test]
fn two_lines_of_the_same_thing_are_counted_together() {
    let mut shop = Shop::default().told([count("A", 3)]);
    assert_eq!(outcome(&shop.tell(reserve(1, &[("A", 2), ("A", 2)]))), "refused");
    assert_eq!(outcome(&shop.tell(reserve(2, &[("A", u32::MAX), ("A", u32::MAX)]))), "refused");
    assert_eq!(outcome(&shop.tell(reserve(3, &[("A", 2), ("A", 0), ("A", 1)]))), "reserved");
    assert_eq!(outcome(&shop.tell(ship(3, &[("A", 3)]))), "shipped");
}

#[test]
fn a_reserve_that_comes_after_its_release_holds_nothing() {
    let mut shop = Shop::default().told([count("A", 5)]);
    assert_eq!(says(&shop.tell(release(1, &[("A", 2)]))), "says stock.released");
    let late = shop.tell(reserve(1, &[("A", 2)]));
    assert!(matches!(late.outcome, Outcome::Ignored(_)) && late.send.is_empty());
    assert_eq!(shop.item("A").unwrap().reserved, 0);
}

/// The saga has turned around on the first answer; if the second one were `shipped`, goods and money would be gone.
#[test]
fn a_refused_shipment_stays_refused_when_goods_come_in() {
    let two = [("A", 2)];
    let mut shop = Shop::default().told([count("A", 2), reserve(1, &two), count("A", 1)]);
    assert_eq!(says(&shop.tell(ship(1, &two))), "says stock.ship_refused (A “Book A” 1 of 2)");
    shop.tell(count("A", 50));
    assert_eq!(says(&shop.tell(ship(1, &two))), "says stock.ship_refused (A “Book A” 1 of 2)");
    assert_eq!(says(&shop.tell(release(1, &two))), "says stock.released");
    assert_eq!(shop.item("A").unwrap().free(), 50);
}

#[test]
fn a_return_comes_back_once_and_never_more_than_was_shipped() {
    let two = [("A", 2)];
    let mut shop = Shop::default().told([count("A", 2), reserve(1, &two), ship(1, &two)]);
    let tell =
        |shop: &mut Shop, return_no, quantity| outcome(&shop.tell(restock(1, return_no, &[("A", quantity)])));
    assert_eq!(tell(&mut shop, 1, 1), "restocked");
    assert_eq!(tell(&mut shop, 1, 1), "restocked before");
    assert_eq!(tell(&mut shop, 2, 2), "PARKED more_than_shipped");
    assert_eq!(tell(&mut shop, 2, 1), "restocked");
    assert_eq!(shop.item("A").unwrap().on_hand, 2);
}

#[test]
fn the_last_unit_goes_to_one_buyer() {
    let mut shop = Shop::default().told([count("A", 1)]);
    let got: Vec<_> =
        (1..=50).filter(|buyer| outcome(&shop.tell(reserve(*buyer, &[("A", 1)]))) == "reserved").collect();
    assert_eq!(got, [1]);
    shop.tell(release(1, &[("A", 1)]));
    let next: Vec<_> =
        (51..=99).filter(|buyer| outcome(&shop.tell(reserve(*buyer, &[("A", 1)]))) == "reserved").collect();
    assert_eq!(next, [51]);
}

/// Its documents are read by SQL: these names are columns.
#[test]
fn the_records_keep_their_names() {
    let shop = Shop::default().told([count("A", 5), reserve(1, &[("A", 2)])]);
    let json = |record: StockRecord| format!("{}\n", record.to_json());
    let both = json(shop.item("A").unwrap().into()) + &json(shop.hold(1).unwrap().into());
    expect![[r#"
        {"sku":"A","on_hand":5,"reserved":2,"received":5}
        {"order_id":"01932b4a-1111-7000-8000-000000000001","status":"held","lines":[{"sku":"A","title":"Book A","quantity":2}],"short":[],"restocked":[],"returned":[],"at":"1970-01-01T00:00:00.002Z"}
    "#]].assert_eq(&both);
}

#[test]
fn what_was_never_counted_is_not_adjusted() {
    let mut shop = Shop::default();
    assert_eq!(outcome(&shop.tell(adjust("A", 3, "found"))), "PARKED product_unknown");
    assert_eq!(shop.item("A"), None);
    shop.tell(count("A", 0));
    assert_eq!(outcome(&shop.tell(adjust("A", 3, "found"))), "adjusted");
}

/// Knuth's MMIX generator: the same numbers for the same seed, on every machine.
struct Rng(u64);

impl Rng {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(sides)) as u32
    }
}

const SKUS: [&str; 3] = ["A", "B", "C"];

fn anything(rng: &mut Rng) -> Body {
    let order = rng.roll(12);
    // An order's lines are its own, except for a few messages that confuse them.
    let of = if rng.roll(20) == 0 { rng.roll(12) } else { order };
    let all: Vec<_> = SKUS.iter().enumerate().map(|(at, name)| (*name, (of >> at) % 4)).collect();
    let name = SKUS[rng.roll(3) as usize];
    match rng.roll(12) {
        0..=2 => reserve(order, &all),
        3 => release(order, &all),
        4..=6 => ship(order, &all),
        7 | 8 => restock(order, rng.roll(3), &[(name, rng.roll(3))]),
        9 => count(name, [0, 3, 12, 40, u32::MAX][rng.roll(5) as usize]),
        _ => adjust(name, [-7, -1, 2, 9, i64::MIN, i64::MAX][rng.roll(6) as usize], "stock-take"),
    }
}

/// What has left and what has come back, summed from the answers, apart from what was recorded.
fn moved(body: &Body, decision: &Decision<StockRecord>, name: &str) -> i64 {
    let sum = |lines: &[StockLine]| -> i64 {
        lines.iter().filter(|line| line.sku == sku(name)).map(|line| i64::from(line.quantity)).sum()
    };
    match (&decision.outcome, body) {
        (Outcome::Done("shipped"), Body::StockShip(ask)) => -sum(&ask.lines),
        (Outcome::Done("restocked"), Body::StockRestock(ask)) => sum(&ask.lines),
        _ => 0,
    }
}

#[test]
fn whatever_is_told_the_books_add_up() {
    let mut reached = BTreeSet::new();
    for seed in 0..60 {
        let (mut rng, mut shop) = (Rng(seed), Shop::default());
        let mut left = HashMap::<&str, i64>::new();
        for step in 0..100 {
            let body = anything(&mut rng);
            let first = shop.tell(body.clone());
            reached.insert(outcome(&first));
            for name in SKUS {
                *left.entry(name).or_default() += moved(&body, &first, name);
            }
            let at = format!("SEED={seed} step {step}: {body:?}");
            books_add_up(&shop, &left, &at);
            if !first.send.is_empty() {
                let again = shop.tell(body);
                assert_eq!(says(&again), says(&first), "asked again: {at}");
                assert!(again.save.is_empty(), "asked again: {at}");
            }
        }
    }
    let reached: Vec<_> = reached.iter().map(|outcome| outcome.as_str()).collect();
    expect![[r#"
        ALARM: asked to release an order that is shipped: nothing was changed; look at its saga
        ALARM: asked to restock an order that is held: nothing was changed; look at its saga
        ALARM: asked to restock an order that is refused: nothing was changed; look at its saga
        ALARM: asked to restock an order that is released: nothing was changed; look at its saga
        ALARM: asked to restock an order that is unknown to stock: nothing was changed; look at its saga
        ALARM: asked to ship an order that is refused: nothing was changed; look at its saga
        ALARM: asked to ship an order that is released: nothing was changed; look at its saga
        ALARM: asked to ship an order that is unknown to stock: nothing was changed; look at its saga
        PARKED lines_differ
        PARKED more_than_shipped
        PARKED product_unknown
        PARKED stock_below_zero
        PARKED stock_too_large
        adjusted
        counted
        ignored: released before, so nothing is reserved any more
        refused
        refused before
        released
        released before
        released before it was reserved
        reserved
        reserved before
        restocked
        restocked before
        shipment refused
        shipment refused before
        shipped
        shipped before"#]]
    .assert_eq(&reached.join("\n"));
}

fn books_add_up(shop: &Shop, left: &HashMap<&str, i64>, at: &str) {
    for item in shop.items() {
        let of = |lines: &[StockLine]| -> i64 {
            lines.iter().filter(|line| line.sku == item.sku).map(|line| i64::from(line.quantity)).sum()
        };
        let sum = |status| -> i64 {
            shop.holds().iter().filter(|hold| hold.status == status).map(|hold| of(&hold.lines)).sum()
        };
        let back: i64 = shop
            .holds()
            .iter()
            .flat_map(|hold| &hold.returned)
            .filter(|line| line.sku == item.sku)
            .map(|line| i64::from(line.quantity))
            .sum();
        assert!(item.on_hand >= 0 && item.reserved >= 0, "{at}: {item:?}");
        assert_eq!(item.reserved, sum(HoldStatus::Held), "reserved is what is held: {at}");
        let shipped = sum(HoldStatus::Shipped);
        assert_eq!(item.on_hand, item.received - shipped + back, "by the records: {at}");
        assert_eq!(item.on_hand, item.received + left[item.sku.as_str()], "by what was said: {at}");
    }
}
