//! Only what can be shown and charged gets into the catalogue.

use super::*;

#[test]
fn a_retired_product_cannot_be_ordered_until_it_is_offered_again() {
    let retire = || Body::ProductRetire(contract::ProductRetire { sku: sku("TEA"), reason: None, who: None });
    let tea = || submit(json!({"items": [{"sku": "TEA", "quantity": 1}]}));
    let mut shop = Shop::with_catalogue();
    assert_eq!(outcome(&shop.hear(retire())), "done: product retired");
    assert_eq!(outcome(&shop.hear(retire())), "ignored: it was retired before");
    let refused = said(&shop.clone().hear(tea()));
    assert!(refused.contains("order.rejected") && refused.contains("product_unknown"), "{refused}");
    shop.hear(product("TEA", "Tea", eur("2.00")));
    let sold = said(&shop.hear(tea()));
    assert!(sold.contains("order.created"), "{sold}");
    assert!(outcome(&Shop::default().hear(retire())).starts_with("PARKED product_unknown"));
}

#[test]
fn what_the_catalogue_cannot_show_or_charge_is_parked() {
    let title = |title: &str| product("TEA", title, eur("1.00"));
    let bodies = [
        title("Tea\u{1b}[2J"),
        title("\u{202e}aet"),
        title(" "),
        title(&"t".repeat(201)),
        product("TEA", "Tea", eur("-0.01")),
        percent("", "10"),
        percent("TWO WORDS", "10"),
        percent(&"C".repeat(41), "10"),
        percent("NUL\0", "10"),
        percent("P", "0"),
        percent("P", "100.0001"),
        percent("P", "12.34567"),
        percent("P", "1_0"),
        percent("P", "-1"),
        percent("P", "1e1"),
        percent("P", "ten"),
        amount("A", eur("0")),
        amount("A", eur("-1.00")),
        Body::DiscountUpsert(off("BOTH", Some("10"), Some(eur("1.00")))),
        Body::DiscountUpsert(off("NEITHER", None, None)),
    ];
    let mut shop = Shop::default();
    let parked: Vec<_> = bodies.into_iter().map(|body| outcome(&shop.hear(body))).collect();
    assert!(shop.rows.is_empty());
    expect![[r#"
        PARKED product_invalid: product TEA: title holds the control character U+001B
        PARKED product_invalid: product TEA: title holds the control character U+202E
        PARKED product_invalid: product TEA: title is empty
        PARKED product_invalid: product TEA: title is longer than 200 characters
        PARKED product_invalid: product TEA: price is negative; 0 or more
        PARKED discount_invalid: code must have 1 to 40 visible ASCII characters
        PARKED discount_invalid: code must have 1 to 40 visible ASCII characters
        PARKED discount_invalid: code must have 1 to 40 visible ASCII characters
        PARKED discount_invalid: code must have 1 to 40 visible ASCII characters
        PARKED discount_invalid: percent must be a decimal string like "12.5": over 0, at most 100, at most 4 decimals
        PARKED discount_invalid: percent must be a decimal string like "12.5": over 0, at most 100, at most 4 decimals
        PARKED discount_invalid: percent must be a decimal string like "12.5": over 0, at most 100, at most 4 decimals
        PARKED discount_invalid: percent must be a decimal string like "12.5": over 0, at most 100, at most 4 decimals
        PARKED discount_invalid: percent must be a decimal string like "12.5": over 0, at most 100, at most 4 decimals
        PARKED discount_invalid: percent must be a decimal string like "12.5": over 0, at most 100, at most 4 decimals
        PARKED discount_invalid: percent must be a decimal string like "12.5": over 0, at most 100, at most 4 decimals
        PARKED discount_invalid: amount must be more than 0
        PARKED discount_invalid: amount must be more than 0
        PARKED discount_invalid: give either percent or amount
        PARKED discount_invalid: give either percent or amount"#]].assert_eq(&parked.join("\n"));
}

#[test]
fn a_counted_product_tells_stock_and_an_uncounted_one_does_not() {
    let mut shop = Shop::default();
    let counted = ProductUpsert {
        sku: sku("TEA"),
        title: "Tea".into(),
        author: Some("Camellia".into()),
        price: eur("0"),
        on_hand: Some(7),
        reason: None,
        who: None,
    };
    let decision = shop.hear(Body::ProductUpsert(counted));
    assert!(matches!(&decision.send[..], [Body::StockCount(count)] if count.on_hand == 7));
    assert!(shop.hear(product("TEA", "Tea", eur("1.00"))).send.is_empty());
}
