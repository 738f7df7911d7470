//! Events signed with the official packages, about charges that the mock provider never made: its books take them
//! over, the money is refunded like any other, and the audit finds nothing.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::into::{event, intent, now_s, shop_with, waiting};
use super::{SECRET, STRIPE_SECRET};
use crate::support::shop::Shop;
use crate::support::{block_on, clients, root, until};

/// Reports that both orders are paid, one by each signature scheme: their money is 12.99 EUR.
fn pay(shop: &Shop, standard: &str, stripe: &str) {
    static PYTHON: OnceLock<std::path::PathBuf> = OnceLock::new();
    let here = root().join("tests/webhooks");
    let python = PYTHON
        .get_or_init(|| clients::python(&shop.folder, "webhooks-python", &here.join("requirements.txt")));
    let url = |way: &str| format!("http://{}/webhooks/{way}", shop.system.ingress().address());
    let mut by_standard = event("evt_standard", "payment.succeeded", standard, "12.99");
    // As most providers write it.
    by_standard["created"] = json!(now_s());
    let told = [
        json!({"way": "standard", "secret": SECRET, "url": url("payments"), "event": by_standard}),
        json!({"way": "stripe", "secret": STRIPE_SECRET, "url": url("stripe"),
            "event": intent("evt_stripe", "payment_intent.succeeded", stripe, 1299)}),
    ];
    let answers = tell(shop, python, &here.join("provider.py"), &told);
    assert_eq!(answers, "200\n200\n");
}

fn tell(shop: &Shop, python: &Path, script: &Path, told: &[Value]) -> String {
    let mut command = Command::new(python);
    command.arg(script);
    let lines: String = told.iter().map(|line| format!("{line}\n")).collect();
    clients::run(&shop.folder, command, lines.as_bytes(), "posting events").out
}

/// `order: refunded of captured`, by the provider's books, for charges that were reported from outside.
fn told(shop: &Shop) -> Vec<String> {
    block_on(shop.folder.world(
        "select reference || ': ' || refunded_minor || ' of ' || amount_minor || ' in ' ||
                (select count(*) from refunds r where r.reference = charges.reference)
         from charges join told using (key) order by reference",
    ))
}

/// Each was refunded in full, at once.
fn given_back(shop: &Shop, orders: &[&String]) {
    let mut expected: Vec<_> = orders.iter().map(|order| format!("{order}: 1299 of 1299 in 1")).collect();
    expected.sort();
    until("the money is back", || (told(shop) == expected).then_some(()));
}

#[test]
fn what_the_official_packages_tell_pays_and_goes_back_once_and_the_books_fit() {
    let shop = shop_with(&[]);
    let orders = [waiting(&shop), waiting(&shop)];
    pay(&shop, &orders[0], &orders[1]);
    for order in &orders {
        shop.wait_for(order, |view| view["status"] == "fulfilled");
        shop.run(&["order", "refund", order]).ok();
        shop.wait_for(order, |view| view["status"] == "refunded");
    }
    given_back(&shop, &[&orders[0], &orders[1]]);
    let audit = shop.run(&["audit"]).ok();
    assert!(audit.contains("2 charges are in the provider's books because events from outside told of them"));
    assert!(audit.contains("comparable at rest only"), "{audit}");
    shop.close();
}

#[test]
fn what_the_official_packages_tell_too_late_goes_back_once_and_the_books_fit() {
    let shop = shop_with(&["--payment-patience-s=1"]);
    let orders = [waiting(&shop), waiting(&shop)];
    for order in &orders {
        shop.wait_for(order, |view| view["status"] == "cancelled" && view["reason"] == "payment_timeout");
    }
    pay(&shop, &orders[0], &orders[1]);
    for order in &orders {
        let view = shop.wait_for(order, |view| view["payment"]["refunded"]["amount"] == "12.99");
        assert_eq!(view["status"], "cancelled");
    }
    given_back(&shop, &[&orders[0], &orders[1]]);
    shop.close();
}
