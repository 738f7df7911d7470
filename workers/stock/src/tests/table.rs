//! Every state, every message, and what comes of it, in lines that a shopkeeper can read.

use contract::{Body, Outcome, Time};
use expect_test::expect;

use super::{Shop, adjust, count, id, outcome, release, reserve, restock, says, ship};
use crate::HoldStatus;

/// Order 1 wants two of A. Every state it can have with stock, and the messages that lead there.
fn states() -> Vec<(&'static str, Vec<Body>)> {
    let two = || [("A", 2)];
    let (hold, shipped) = (reserve(1, &two()), ship(1, &two()));
    let refused_shipment = vec![hold.clone(), count("A", 1), shipped.clone()];
    vec![
        ("absent", vec![]),
        ("held", vec![hold.clone()]),
        ("held, not shippable", refused_shipment.clone()),
        ("refused", vec![count("A", 1), hold.clone()]),
        ("released", vec![hold.clone(), release(1, &two())]),
        ("refused, released", vec![count("A", 1), hold.clone(), release(1, &two())]),
        ("not shippable, released", [refused_shipment.clone(), vec![release(1, &two())]].concat()),
        ("shipped", vec![hold.clone(), shipped.clone()]),
        ("shipped, one back", vec![hold, shipped, restock(1, 1, &[("A", 1)])]),
    ]
}

fn state_of(shop: &Shop) -> String {
    let item = shop.item("A").map_or("–".into(), |item| format!("{}/{}", item.on_hand, item.reserved));
    let state = match shop.hold(1) {
        None => "absent",
        Some(hold) if hold.status == HoldStatus::Held && !hold.short.is_empty() => "held, not shippable",
        Some(hold) if !hold.restocked.is_empty() => "shipped, one back",
        Some(hold) => hold.status.name(),
    };
    format!("{state}, {item}")
}

fn row(shop: &Shop, state: &str, name: &str, body: Body) -> String {
    let mut after = shop.clone();
    let decision = after.tell(body);
    if !matches!(decision.outcome, Outcome::Done(_)) {
        assert!(decision.save.is_empty() && decision.send.is_empty(), "{state} × {name} changes nothing");
    }
    let change = state_of(&after);
    format!("{state} × {name} → {} | {change} | {}\n", outcome(&decision), says(&decision))
}

#[test]
fn what_an_order_is_answered() {
    let two = [("A", 2)];
    let shelves = [
        ("enough: five are counted", vec![]),
        ("short: then one is counted", vec![count("A", 1)]),
        (
            "less on hand than reserved: another order holds three, then two are counted",
            vec![reserve(2, &[("A", 3)]), count("A", 2)],
        ),
    ];
    let mut table = String::new();
    for (shelf, stocked) in shelves {
        table += &format!("\n== {shelf}\n");
        for (state, story) in states() {
            let shop = Shop::default().told([count("A", 5)]).told(story);
            // The messages of a story count and ship stock on the way; at its end the stock is what the headline
            // says.
            let shop = shop.told([count("A", 5)]).told(stocked.clone());
            table += &format!("-- {}\n", state_of(&shop));
            table += &row(&shop, state, "reserve", reserve(1, &two));
            table += &row(&shop, state, "release", release(1, &two));
            table += &row(&shop, state, "ship", ship(1, &two));
            table += &row(&shop, state, "restock one", restock(1, 1, &[("A", 1)]));
        }
    }
    expect![[r#"

        == enough: five are counted
        -- absent, 5/0
        absent × reserve → reserved | held, 5/2 | says stock.reserved
        absent × release → released before it was reserved | released, 5/0 | says stock.released
        absent × ship → ALARM: asked to ship an order that is unknown to stock: nothing was changed; look at its saga | absent, 5/0 | says nothing
        absent × restock one → ALARM: asked to restock an order that is unknown to stock: nothing was changed; look at its saga | absent, 5/0 | says nothing
        -- held, 5/2
        held × reserve → reserved before | held, 5/2 | says stock.reserved
        held × release → released | released, 5/0 | says stock.released
        held × ship → shipped | shipped, 3/0 | says stock.shipped
        held × restock one → ALARM: asked to restock an order that is held: nothing was changed; look at its saga | held, 5/2 | says nothing
        -- held, not shippable, 5/2
        held, not shippable × reserve → reserved before | held, not shippable, 5/2 | says stock.reserved
        held, not shippable × release → released | released, 5/0 | says stock.released
        held, not shippable × ship → shipment refused before | held, not shippable, 5/2 | says stock.ship_refused (A “Book A” 1 of 2)
        held, not shippable × restock one → ALARM: asked to restock an order that is held: nothing was changed; look at its saga | held, not shippable, 5/2 | says nothing
        -- refused, 5/0
        refused × reserve → refused before | refused, 5/0 | says stock.refused (A “Book A” 1 of 2)
        refused × release → released | released, 5/0 | says stock.released
        refused × ship → ALARM: asked to ship an order that is refused: nothing was changed; look at its saga | refused, 5/0 | says nothing
        refused × restock one → ALARM: asked to restock an order that is refused: nothing was changed; look at its saga | refused, 5/0 | says nothing
        -- released, 5/0
        released × reserve → ignored: released before, so nothing is reserved any more | released, 5/0 | says nothing
        released × release → released before | released, 5/0 | says stock.released
        released × ship → ALARM: asked to ship an order that is released: nothing was changed; look at its saga | released, 5/0 | says nothing
        released × restock one → ALARM: asked to restock an order that is released: nothing was changed; look at its saga | released, 5/0 | says nothing
        -- released, 5/0
        refused, released × reserve → ignored: released before, so nothing is reserved any more | released, 5/0 | says nothing
        refused, released × release → released before | released, 5/0 | says stock.released
        refused, released × ship → ALARM: asked to ship an order that is released: nothing was changed; look at its saga | released, 5/0 | says nothing
        refused, released × restock one → ALARM: asked to restock an order that is released: nothing was changed; look at its saga | released, 5/0 | says nothing
        -- released, 5/0
        not shippable, released × reserve → ignored: released before, so nothing is reserved any more | released, 5/0 | says nothing
        not shippable, released × release → released before | released, 5/0 | says stock.released
        not shippable, released × ship → ignored: its shipment was refused, and its goods were released since | released, 5/0 | says nothing
        not shippable, released × restock one → ALARM: asked to restock an order that is released: nothing was changed; look at its saga | released, 5/0 | says nothing
        -- shipped, 5/0
        shipped × reserve → reserved before | shipped, 5/0 | says stock.reserved
        shipped × release → ALARM: asked to release an order that is shipped: nothing was changed; look at its saga | shipped, 5/0 | says nothing
        shipped × ship → shipped before | shipped, 5/0 | says stock.shipped
        shipped × restock one → restocked | shipped, one back, 6/0 | says stock.restocked
        -- shipped, one back, 5/0
        shipped, one back × reserve → reserved before | shipped, one back, 5/0 | says stock.reserved
        shipped, one back × release → ALARM: asked to release an order that is shipped: nothing was changed; look at its saga | shipped, one back, 5/0 | says nothing
        shipped, one back × ship → shipped before | shipped, one back, 5/0 | says stock.shipped
        shipped, one back × restock one → restocked before | shipped, one back, 5/0 | says stock.restocked

        == short: then one is counted
        -- absent, 1/0
        absent × reserve → refused | refused, 1/0 | says stock.refused (A “Book A” 1 of 2)
        absent × release → released before it was reserved | released, 1/0 | says stock.released
        absent × ship → ALARM: asked to ship an order that is unknown to stock: nothing was changed; look at its saga | absent, 1/0 | says nothing
        absent × restock one → ALARM: asked to restock an order that is unknown to stock: nothing was changed; look at its saga | absent, 1/0 | says nothing
        -- held, 1/2
        held × reserve → reserved before | held, 1/2 | says stock.reserved
        held × release → released | released, 1/0 | says stock.released
        held × ship → shipment refused | held, not shippable, 1/2 | says stock.ship_refused (A “Book A” 1 of 2)
        held × restock one → ALARM: asked to restock an order that is held: nothing was changed; look at its saga | held, 1/2 | says nothing
        -- held, not shippable, 1/2
        held, not shippable × reserve → reserved before | held, not shippable, 1/2 | says stock.reserved
        held, not shippable × release → released | released, 1/0 | says stock.released
        held, not shippable × ship → shipment refused before | held, not shippable, 1/2 | says stock.ship_refused (A “Book A” 1 of 2)
        held, not shippable × restock one → ALARM: asked to restock an order that is held: nothing was changed; look at its saga | held, not shippable, 1/2 | says nothing
        -- refused, 1/0
        refused × reserve → refused before | refused, 1/0 | says stock.refused (A “Book A” 1 of 2)
        refused × release → released | released, 1/0 | says stock.released
        refused × ship → ALARM: asked to ship an order that is refused: nothing was changed; look at its saga | refused, 1/0 | says nothing
        refused × restock one → ALARM: asked to restock an order that is refused: nothing was changed; look at its saga | refused, 1/0 | says nothing
        -- released, 1/0
        released × reserve → ignored: released before, so nothing is reserved any more | released, 1/0 | says nothing
        released × release → released before | released, 1/0 | says stock.released
        released × ship → ALARM: asked to ship an order that is released: nothing was changed; look at its saga | released, 1/0 | says nothing
        released × restock one → ALARM: asked to restock an order that is released: nothing was changed; look at its saga | released, 1/0 | says nothing
        -- released, 1/0
        refused, released × reserve → ignored: released before, so nothing is reserved any more | released, 1/0 | says nothing
        refused, released × release → released before | released, 1/0 | says stock.released
        refused, released × ship → ALARM: asked to ship an order that is released: nothing was changed; look at its saga | released, 1/0 | says nothing
        refused, released × restock one → ALARM: asked to restock an order that is released: nothing was changed; look at its saga | released, 1/0 | says nothing
        -- released, 1/0
        not shippable, released × reserve → ignored: released before, so nothing is reserved any more | released, 1/0 | says nothing
        not shippable, released × release → released before | released, 1/0 | says stock.released
        not shippable, released × ship → ignored: its shipment was refused, and its goods were released since | released, 1/0 | says nothing
        not shippable, released × restock one → ALARM: asked to restock an order that is released: nothing was changed; look at its saga | released, 1/0 | says nothing
        -- shipped, 1/0
        shipped × reserve → reserved before | shipped, 1/0 | says stock.reserved
        shipped × release → ALARM: asked to release an order that is shipped: nothing was changed; look at its saga | shipped, 1/0 | says nothing
        shipped × ship → shipped before | shipped, 1/0 | says stock.shipped
        shipped × restock one → restocked | shipped, one back, 2/0 | says stock.restocked
        -- shipped, one back, 1/0
        shipped, one back × reserve → reserved before | shipped, one back, 1/0 | says stock.reserved
        shipped, one back × release → ALARM: asked to release an order that is shipped: nothing was changed; look at its saga | shipped, one back, 1/0 | says nothing
        shipped, one back × ship → shipped before | shipped, one back, 1/0 | says stock.shipped
        shipped, one back × restock one → restocked before | shipped, one back, 1/0 | says stock.restocked

        == less on hand than reserved: another order holds three, then two are counted
        -- absent, 2/3
        absent × reserve → refused | refused, 2/3 | says stock.refused (A “Book A” 0 of 2)
        absent × release → released before it was reserved | released, 2/3 | says stock.released
        absent × ship → ALARM: asked to ship an order that is unknown to stock: nothing was changed; look at its saga | absent, 2/3 | says nothing
        absent × restock one → ALARM: asked to restock an order that is unknown to stock: nothing was changed; look at its saga | absent, 2/3 | says nothing
        -- held, 2/5
        held × reserve → reserved before | held, 2/5 | says stock.reserved
        held × release → released | released, 2/3 | says stock.released
        held × ship → shipped | shipped, 0/3 | says stock.shipped
        held × restock one → ALARM: asked to restock an order that is held: nothing was changed; look at its saga | held, 2/5 | says nothing
        -- held, not shippable, 2/5
        held, not shippable × reserve → reserved before | held, not shippable, 2/5 | says stock.reserved
        held, not shippable × release → released | released, 2/3 | says stock.released
        held, not shippable × ship → shipment refused before | held, not shippable, 2/5 | says stock.ship_refused (A “Book A” 1 of 2)
        held, not shippable × restock one → ALARM: asked to restock an order that is held: nothing was changed; look at its saga | held, not shippable, 2/5 | says nothing
        -- refused, 2/3
        refused × reserve → refused before | refused, 2/3 | says stock.refused (A “Book A” 1 of 2)
        refused × release → released | released, 2/3 | says stock.released
        refused × ship → ALARM: asked to ship an order that is refused: nothing was changed; look at its saga | refused, 2/3 | says nothing
        refused × restock one → ALARM: asked to restock an order that is refused: nothing was changed; look at its saga | refused, 2/3 | says nothing
        -- released, 2/3
        released × reserve → ignored: released before, so nothing is reserved any more | released, 2/3 | says nothing
        released × release → released before | released, 2/3 | says stock.released
        released × ship → ALARM: asked to ship an order that is released: nothing was changed; look at its saga | released, 2/3 | says nothing
        released × restock one → ALARM: asked to restock an order that is released: nothing was changed; look at its saga | released, 2/3 | says nothing
        -- released, 2/3
        refused, released × reserve → ignored: released before, so nothing is reserved any more | released, 2/3 | says nothing
        refused, released × release → released before | released, 2/3 | says stock.released
        refused, released × ship → ALARM: asked to ship an order that is released: nothing was changed; look at its saga | released, 2/3 | says nothing
        refused, released × restock one → ALARM: asked to restock an order that is released: nothing was changed; look at its saga | released, 2/3 | says nothing
        -- released, 2/3
        not shippable, released × reserve → ignored: released before, so nothing is reserved any more | released, 2/3 | says nothing
        not shippable, released × release → released before | released, 2/3 | says stock.released
        not shippable, released × ship → ignored: its shipment was refused, and its goods were released since | released, 2/3 | says nothing
        not shippable, released × restock one → ALARM: asked to restock an order that is released: nothing was changed; look at its saga | released, 2/3 | says nothing
        -- shipped, 2/3
        shipped × reserve → reserved before | shipped, 2/3 | says stock.reserved
        shipped × release → ALARM: asked to release an order that is shipped: nothing was changed; look at its saga | shipped, 2/3 | says nothing
        shipped × ship → shipped before | shipped, 2/3 | says stock.shipped
        shipped × restock one → restocked | shipped, one back, 3/3 | says stock.restocked
        -- shipped, one back, 2/3
        shipped, one back × reserve → reserved before | shipped, one back, 2/3 | says stock.reserved
        shipped, one back × release → ALARM: asked to release an order that is shipped: nothing was changed; look at its saga | shipped, one back, 2/3 | says nothing
        shipped, one back × ship → shipped before | shipped, one back, 2/3 | says stock.shipped
        shipped, one back × restock one → restocked before | shipped, one back, 2/3 | says stock.restocked
    "#]].assert_eq(&table);
}

#[test]
fn what_the_shelf_is_told() {
    let shelves = [
        ("unknown", vec![]),
        ("five", vec![count("A", 5)]),
        ("five, two held", vec![count("A", 5), reserve(1, &[("A", 2)])]),
        ("one, two held", vec![count("A", 5), reserve(1, &[("A", 2)]), count("A", 1)]),
    ];
    let mut table = String::new();
    for (state, story) in shelves {
        let shop = Shop::default().told(story);
        table += &row(&shop, state, "count 7", count("A", 7));
        table += &row(&shop, state, "count 0", count("A", 0));
        table += &row(&shop, state, "count 4294967295", count("A", u32::MAX));
        table += &row(&shop, state, "adjust +3", adjust("A", 3, "found behind the shelf"));
        table += &row(&shop, state, "adjust -1", adjust("A", -1, "broken"));
        table += &row(&shop, state, "adjust -6", adjust("A", -6, "stolen"));
        table += &row(&shop, state, "adjust by the largest number", adjust("A", i64::MAX, "typing error"));
        table += &row(&shop, state, "adjust by the smallest number", adjust("A", i64::MIN, "typing error"));
        table += &row(&shop, state, "adjust without a reason", adjust("A", 1, " "));
    }
    expect![[r#"
        unknown × count 7 → counted | absent, 7/0 | says nothing
        unknown × count 0 → counted | absent, 0/0 | says nothing
        unknown × count 4294967295 → PARKED stock_too_large | absent, – | says nothing
        unknown × adjust +3 → PARKED product_unknown | absent, – | says nothing
        unknown × adjust -1 → PARKED product_unknown | absent, – | says nothing
        unknown × adjust -6 → PARKED product_unknown | absent, – | says nothing
        unknown × adjust by the largest number → PARKED product_unknown | absent, – | says nothing
        unknown × adjust by the smallest number → PARKED product_unknown | absent, – | says nothing
        unknown × adjust without a reason → PARKED reason_invalid | absent, – | says nothing
        five × count 7 → counted | absent, 7/0 | says nothing
        five × count 0 → counted | absent, 0/0 | says nothing
        five × count 4294967295 → PARKED stock_too_large | absent, 5/0 | says nothing
        five × adjust +3 → adjusted | absent, 8/0 | says nothing
        five × adjust -1 → adjusted | absent, 4/0 | says nothing
        five × adjust -6 → PARKED stock_below_zero | absent, 5/0 | says nothing
        five × adjust by the largest number → PARKED stock_too_large | absent, 5/0 | says nothing
        five × adjust by the smallest number → PARKED stock_below_zero | absent, 5/0 | says nothing
        five × adjust without a reason → PARKED reason_invalid | absent, 5/0 | says nothing
        five, two held × count 7 → counted | held, 7/2 | says nothing
        five, two held × count 0 → counted | held, 0/2 | says nothing
        five, two held × count 4294967295 → PARKED stock_too_large | held, 5/2 | says nothing
        five, two held × adjust +3 → adjusted | held, 8/2 | says nothing
        five, two held × adjust -1 → adjusted | held, 4/2 | says nothing
        five, two held × adjust -6 → PARKED stock_below_zero | held, 5/2 | says nothing
        five, two held × adjust by the largest number → PARKED stock_too_large | held, 5/2 | says nothing
        five, two held × adjust by the smallest number → PARKED stock_below_zero | held, 5/2 | says nothing
        five, two held × adjust without a reason → PARKED reason_invalid | held, 5/2 | says nothing
        one, two held × count 7 → counted | held, 7/2 | says nothing
        one, two held × count 0 → counted | held, 0/2 | says nothing
        one, two held × count 4294967295 → PARKED stock_too_large | held, 1/2 | says nothing
        one, two held × adjust +3 → adjusted | held, 4/2 | says nothing
        one, two held × adjust -1 → adjusted | held, 0/2 | says nothing
        one, two held × adjust -6 → PARKED stock_below_zero | held, 1/2 | says nothing
        one, two held × adjust by the largest number → PARKED stock_too_large | held, 1/2 | says nothing
        one, two held × adjust by the smallest number → PARKED stock_below_zero | held, 1/2 | says nothing
        one, two held × adjust without a reason → PARKED reason_invalid | held, 1/2 | says nothing
    "#]]
    .assert_eq(&table);
}

#[test]
fn what_is_parked_says_what_to_do() {
    let shop = Shop::default().told([count("A", 5), reserve(1, &[("A", 2)]), ship(1, &[("A", 2)])]);
    let mut whys = String::new();
    for body in [
        adjust("A", -9, "stolen"),
        adjust("A", 1_000_000_000, "typing error"),
        adjust("A", 1, "\u{202e}evil"),
        adjust("B", 1, "found"),
        reserve(1, &[("A", 3)]),
        restock(1, 1, &[("A", 3)]),
        restock(1, 1, &[("B", 1)]),
        Body::StockRestocked(contract::StockRestocked { order_id: id(1), at: Time::default(), return_no: 1 }),
    ] {
        if let Outcome::Parked { code, why } = shop.clone().tell(body).outcome {
            whys += &format!("{code}: {why}\n");
        }
    }
    expect![[r#"
        stock_below_zero: there are 3 of A: this would leave less than none; count them, then say how many are missing
        stock_too_large: there are 3 of A: this would make more than 1000000000; send the number that is really there
        reason_invalid: the reason holds the control character U+202E; say why the stock of A changes and send it again
        product_unknown: there is no stock of B so far: send product.upsert with on_hand
        lines_differ: order 01932b4a-1111-7000-8000-000000000001 is shipped with other lines than this message names; send the lines it was reserved with
        more_than_shipped: 2 of A were shipped and 0 are back: 3 more cannot come back; correct the return
        more_than_shipped: 0 of B were shipped and 0 are back: 1 more cannot come back; correct the return
        misrouted: stock.restocked is not for the stock worker
    "#]].assert_eq(&whys);
}
