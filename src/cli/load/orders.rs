//! Which orders a load consists of: for which products, and how each of them is planned to end.

use anyhow::Result;
use contract::OrderId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::entry::{Command, SUBMIT};
use crate::app::System;
use crate::cli::shop;

/// Shares are in per cent of all orders.
#[derive(clap::Args, serde::Serialize)]
pub(super) struct Mix {
    /// Different products that the orders are for; 1 makes one product hot
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    products: u32,
    /// Per cent of orders that are for one and the same product, the others for any
    #[arg(long, default_value_t = 0, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    hot: u8,
    /// Per cent of orders whose payment is declined
    #[arg(long, default_value_t = 0, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    declined: u8,
    /// Per cent of orders that want more than there is in stock
    #[arg(long, default_value_t = 0, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    short: u8,
    /// Per cent of orders that are cancelled as soon as they are placed
    #[arg(long, default_value_t = 0, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    cancelled: u8,
    /// Customers leave an e-mail address: three notices for each order
    #[arg(long)]
    notices: bool,
}

/// How an order is planned to end, as far as the load decides that.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Fulfilled,
    Declined,
    Short,
    Cancelled,
}

const ON_HAND: u32 = 1_000_000_000;
/// Of this product there is nothing, and of all others enough.
const SOLD_OUT: &str = "SOLD-OUT";

impl Mix {
    pub(super) fn must_fit(&self) -> Result<(), String> {
        match u32::from(self.declined) + u32::from(self.short) + u32::from(self.cancelled) {
            0..=100 => Ok(()),
            all => Err(format!("--declined, --short and --cancelled come to {all} of 100 orders")),
        }
    }

    /// In turn, so that every run of the same length has the same orders.
    pub(super) fn fate(&self, number: u64) -> Fate {
        // 37 and 100 have no common divisor: every hundred orders has each remainder once, well mixed.
        let at = (number * 37 % 100) as u8;
        let (declined, short) = (self.declined, self.declined + self.short);
        match at {
            _ if at < declined => Fate::Declined,
            _ if at < short => Fate::Short,
            _ if at < short + self.cancelled => Fate::Cancelled,
            _ => Fate::Fulfilled,
        }
    }

    pub(super) async fn stock_up(&self, system: &System) -> Result<()> {
        let products = (0..self.products).map(|number| (sku(number.into()), ON_HAND));
        for (at, (sku, on_hand)) in products.chain([(SOLD_OUT.to_string(), 0)]).enumerate() {
            let product = json!({"sku": sku, "title": format!("Product {sku}"),
                "price": {"amount": "9.99", "currency": "EUR"}, "on_hand": on_hand});
            shop::send(system, "product.upsert", &format!("load-{at}"), &product.to_string()).await?;
        }
        while !system.store.in_flight().await?.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        Ok(())
    }

    pub(super) fn order(&self, number: u64, order_id: OrderId, key: Uuid) -> Command {
        let fate = self.fate(number);
        let token = if fate == Fate::Declined { "tok_declined" } else { "tok_ok" };
        let mut body = json!({
            "customer_id": format!("customer-{}", number % 10_000),
            "items": self.items(number, fate), "payment": {"method": "card", "token": token},
        });
        if self.notices {
            body["contact"] = json!({"email": "load@example.org"});
        }
        Command { name: SUBMIT, order_id, key, body }
    }

    fn items(&self, number: u64, fate: Fate) -> Value {
        if fate == Fate::Short {
            return json!([{"sku": SOLD_OUT, "quantity": 1}]);
        }
        if number * 61 % 100 < u64::from(self.hot) {
            return json!([{"sku": sku(0), "quantity": 1}]);
        }
        let products = u64::from(self.products);
        let (first, second) = (number % products, (number * 7 + 1) % products);
        json!([{"sku": sku(first), "quantity": 1}, {"sku": sku(second), "quantity": 2}])
    }
}

pub(super) fn cancel(order_id: OrderId, key: Uuid) -> Command {
    Command { name: "order.cancel", order_id, key, body: json!({}) }
}

fn sku(number: u64) -> String {
    format!("SKU-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hundred_orders_has_its_share_of_each_fate() {
        let mix = Mix { products: 10, hot: 30, declined: 5, short: 3, cancelled: 2, notices: false };
        for hundred in [0, 100, 70] {
            let count = |fate| (hundred..hundred + 100).filter(|number| mix.fate(*number) == fate).count();
            let all = [Fate::Declined, Fate::Short, Fate::Cancelled, Fate::Fulfilled].map(count);
            assert_eq!(all, [5, 3, 2, 90]);
        }
        let hot =
            (0..100).filter(|n| mix.items(*n, Fate::Fulfilled) == json!([{"sku": "SKU-0", "quantity": 1}]));
        assert_eq!(hot.count(), 30);
    }

    #[test]
    fn shares_of_more_than_all_orders_are_refused() {
        let mix = Mix { products: 10, hot: 0, declined: 60, short: 30, cancelled: 11, notices: false };
        assert_eq!(
            mix.must_fit().unwrap_err(),
            "--declined, --short and --cancelled come to 101 of 100 orders"
        );
    }
}
