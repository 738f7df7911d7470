//! What outsiders are shown of an order: put together from what its workers keep, and nothing that is secret.

use anyhow::Result;
use contract::{OrderId, Table};
use serde_json::{Map, Value, json};

use crate::store::Store;

/// The order as JSON; a refused submission as `rejected`. `None` when nobody has heard of it.
pub async fn order(store: &dyn Store, id: &str) -> Result<Option<Value>> {
    // In this order: the order is at least as far as its saga, and the payment as far as the order.
    let saga = store.get(Table::Sagas, id).await?;
    let Some(doc) = store.get(Table::Orders, id).await? else {
        return rejected(store, id).await;
    };
    let record: order::Order = serde_json::from_str(&doc)?;
    let doc: Value = serde_json::from_str(&doc)?;
    let mut view = Map::new();
    for name in
        ["order_id", "customer_id", "status", "reason", "short", "items", "subtotal", "discount", "total"]
    {
        if let Some(value) = doc.get(name).filter(|value| !value.is_null() && **value != json!([])) {
            view.insert(name.into(), value.clone());
        }
    }
    view.insert("payment".into(), payment(store, id, &doc).await?);
    view.insert("actions".into(), json!(order::actions(&record)));
    if let Some(saga) = saga {
        let saga: Value = serde_json::from_str(&saga)?;
        view.insert(
            "saga".into(),
            json!({"status": saga["status"], "step": saga["step"], "attention": saga["attention"]}),
        );
    }
    view.insert("audit".into(), Value::Array(audit_trail(store, id).await?));
    view.insert("created_at".into(), doc["created_at"].clone());
    view.insert("updated_at".into(), doc["updated_at"].clone());
    Ok(Some(Value::Object(view)))
}

async fn rejected(store: &dyn Store, id: &str) -> Result<Option<Value>> {
    let Some(doc) = store.get(Table::Submissions, id).await? else { return Ok(None) };
    let mut doc: Value = serde_json::from_str(&doc)?;
    if let Some(fields) = doc.as_object_mut() {
        fields.insert("status".into(), json!("rejected"));
        fields.remove("content");
    }
    Ok(Some(doc))
}

async fn payment(store: &dyn Store, id: &str, order: &Value) -> Result<Value> {
    let mut view = json!({"method": order["method"], "status": "none"});
    if let Some(doc) = store.get(Table::Payments, id).await? {
        let record: payment::Payment = serde_json::from_str(&doc)?;
        let money = |minor| record.currency.and_then(|c| contract::Money::from_minor(minor, c).ok());
        view["status"] = json!(record.status);
        view["charged"] = json!(money(record.captured_minor));
        view["refunded"] = json!(money(record.refunded_minor));
        if let Some(id) = record.charge.and_then(|charge| charge.transaction_id) {
            view["transaction_id"] = json!(id);
        }
    }
    Ok(view)
}

/// One entry for each change of the order's state, oldest first.
pub async fn audit_trail(store: &dyn Store, id: &str) -> Result<Vec<Value>> {
    const ENTRIES_MAX: usize = 100;
    let prefix = format!("{id}/");
    let page = store.page(Table::Audit, &prefix, ENTRIES_MAX).await?;
    let mut entries = Vec::new();
    for (_, doc) in page.into_iter().take_while(|(key, _)| key.starts_with(&prefix)) {
        let mut entry: Value = serde_json::from_str(&doc)?;
        if let Some(fields) = entry.as_object_mut() {
            fields.remove("order_id");
            fields.remove("seq");
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// Nothing more will happen by itself.
pub fn is_final(order: &Value) -> bool {
    let saga = order["saga"]["status"].as_str().unwrap_or_default();
    match order["status"].as_str().unwrap_or_default() {
        "rejected" | "archived" => true,
        _ => matches!(saga, "completed" | "undone" | "needs_attention"),
    }
}

/// A parse that tells the user what an order id looks like.
pub fn order_id(text: &str) -> Result<OrderId, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no order id; they look like 01932b4a-1111-7000-8000-000000000001"))
}
