//! Goods for a shop to play with.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use contract::{Message, MessageId, Raw, Speaker, Table};
use serde_json::Value;
use settings::Settings;

use super::client::Client;
use crate::app::{self, System};

const CATALOGUE: &str = include_str!("../../config/sample-catalogue.jsonl");
const DISCOUNT: &str = r#"{"code":"WELCOME10","percent":"10"}"#;

/// Adds the sample catalogue. Each product has a fixed message id, so that its stock is added only once, however
/// often the shop is started.
pub(super) async fn stock_up(system: &System) -> Result<()> {
    for (at, product) in CATALOGUE.lines().enumerate() {
        send(system, "product.upsert", &format!("sample-product-{at}"), product).await?;
    }
    send(system, "discount.upsert", "sample-discount", DISCOUNT).await?;
    until_in_stock(system).await
}

/// Waits until the goods can be ordered, before the shop announces itself.
async fn until_in_stock(system: &System) -> Result<()> {
    let until = Instant::now() + SHELVED_WITHIN;
    for product in CATALOGUE.lines() {
        let product: Value = serde_json::from_str(product)?;
        let sku = product["sku"].as_str().unwrap_or_default();
        while system.store.get(Table::Stock, sku).await?.is_none() {
            if Instant::now() > until {
                // A role may be paused, or have other work first.
                tracing::warn!("the sample catalogue is not on the shelf yet; it will be");
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(())
}

const SHELVED_WITHIN: Duration = Duration::from_secs(5);

/// The same, from another process.
pub(super) async fn sample(settings: &Settings) -> Result<ExitCode> {
    let store = app::look(settings).await?;
    let client = Client::open(settings, &store).await?;
    let products = CATALOGUE.lines().enumerate();
    let products = products.map(|(at, product)| ("product.upsert", format!("sample-product-{at}"), product));
    let discount = ("discount.upsert", "sample-discount".to_string(), DISCOUNT);
    let mut count = 0;
    for (name, id, body) in products.chain([discount]) {
        let body: Value = serde_json::from_str(body)?;
        let receipt = client.send(name, Some(id), &body).await?;
        count += usize::from(!receipt.repeat);
    }
    say!("{count} products and discounts of the sample are new; the others were there");
    Ok(ExitCode::SUCCESS)
}

/// Sends one message through the ingress.
pub(super) async fn send(system: &System, name: &str, id: &str, body: &str) -> Result<()> {
    let raw =
        Raw { message_id: Some(id.to_string()), name: name.to_string(), body: body.into(), ..Raw::default() };
    let message = Message::accept(Speaker::Operator, &raw, system.store.now().await?)
        .map_err(|why| anyhow::anyhow!("{why}"))?;
    system.ingress.accept(message).await?;
    Ok(())
}

/// A random id.
pub(super) fn new_id() -> MessageId {
    MessageId::from(uuid::Uuid::now_v7())
}
