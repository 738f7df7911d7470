//! What outsiders are shown of an order: composed of its workers' records, without anything secret.

pub mod dossier;
pub mod mask;
mod money;
pub mod notices;
pub mod search;
pub mod story;
mod visible;

use anyhow::Result;
use contract::{OrderId, Speaker, Status, Table};
use serde_json::{Map, Value, json};
use store::Database;

pub use money::{IntentStatus, PaymentStanding, PaymentView, payment_view};
pub use visible::visible_but_colours;
pub use visible::{visible, visible_lines};

/// The order as JSON; a refused submission as `rejected`. `None` when the order is unknown.
pub async fn order(store: &dyn Database, id: &str) -> Result<Option<Value>> {
    // In this order: what is read later is at least as recent, so the order is at least as far as its saga, and the
    // payment as far as the order.
    let saga = store.get(Table::Sagas, id).await?;
    let Some(doc) = store.get(Table::Orders, id).await? else {
        let doc = store.get(Table::Submissions, id).await?;
        let known: Option<order::Submission> = doc.map(|doc| serde_json::from_str(&doc)).transpose()?;
        return Ok(known.as_ref().and_then(rejected));
    };
    let record: order::Order = serde_json::from_str(&doc)?;
    let mut view = outline(&record);
    let paid_by = payment(store, id).await?;
    show_payment(paid_by.as_ref(), &mut view["payment"]);
    let saga: Option<saga::Saga> = saga.map(|doc| serde_json::from_str(&doc)).transpose()?;
    keep_possible(&mut view["actions"], saga.as_ref(), paid_by.as_ref());
    if let Some(saga) = saga {
        view.insert(
            "saga".into(),
            json!({"status": saga.status, "step": saga.step, "attention": saga.attention}),
        );
    }
    view.insert("audit".into(), Value::Array(audit_trail(store, id).await?));
    Ok(Some(Value::Object(view)))
}

/// Orders in a list: from their own records, their payments' and their sagas', with one read of each table for a
/// page.
pub async fn in_list(store: &dyn Database, records: &[order::Order]) -> Result<Vec<Value>> {
    let ids: Vec<String> = records.iter().map(|record| record.order_id.to_string()).collect();
    let payments = store.get_many(Table::Payments, &ids).await?;
    let under_way = records
        .iter()
        .zip(&ids)
        .filter(|(record, _)| matches!(record.status, Status::Created | Status::Paid));
    let under_way: Vec<String> = under_way.map(|(_, id)| id.clone()).collect();
    let sagas = store.get_many(Table::Sagas, &under_way).await?;
    let shown = |(record, id): (&order::Order, &String)| -> Result<Value> {
        let mut view = outline(record);
        let payment = payments.get(id).map(|doc| serde_json::from_str(doc)).transpose()?;
        let saga = sagas.get(id).map(|doc| serde_json::from_str(doc)).transpose()?;
        show_payment(payment.as_ref(), &mut view["payment"]);
        keep_possible(&mut view["actions"], saga.as_ref(), payment.as_ref());
        Ok(Value::Object(view))
    };
    records.iter().zip(&ids).map(shown).collect()
}

/// Removes actions that the order's own state would allow and that are too late by now.
fn keep_possible(actions: &mut Value, saga: Option<&saga::Saga>, payment: Option<&payment::Payment>) {
    let possible = |action: &str| match action {
        "cancel" => saga.is_none_or(saga::Saga::can_be_cancelled),
        "pay" => {
            saga.is_none_or(saga::Saga::goes_forward)
                && payment.is_none_or(payment::Payment::waits_to_be_paid)
        }
        // All of it may have been refunded at the provider's side. An order that cost nothing can be returned all the
        // same.
        "refund" => payment.is_none_or(|payment| payment.captured_minor == 0 || payment.left() > 0),
        _ => true,
    };
    if let Some(actions) = actions.as_array_mut() {
        actions.retain(|action| action.as_str().is_some_and(possible));
    }
}

fn outline(record: &order::Order) -> Map<String, Value> {
    let view = json!({
        "order_id": record.order_id,
        "customer_id": record.customer_id,
        "status": record.status,
        "reason": record.reason,
        "decline_code": record.decline_code,
        "short": record.short,
        "items": record.items,
        "subtotal": record.subtotal,
        "discount": record.discount,
        "total": record.total,
        "payment": {"method": record.method},
        "returns": record.returns,
        "actions": order::actions(record, Speaker::Operator),
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    });
    let Value::Object(mut view) = view else { return Map::new() };
    view.retain(|name, value| name == "actions" || !(value.is_null() || *value == json!([])));
    if let Some(id) = &record.transaction_id {
        view["payment"]["transaction_id"] = json!(id);
    }
    view
}

/// As its sender may see it. A record of what was asked ahead of the submission is no rejection.
fn rejected(known: &order::Submission) -> Option<Value> {
    let order::Submission::Rejected(rejected) = known else { return None };
    let mut doc = json!(rejected);
    if let Some(fields) = doc.as_object_mut() {
        fields.insert("status".into(), json!("rejected"));
        fields.remove("content");
        fields.remove("told_at");
    }
    Some(doc)
}

async fn payment(store: &dyn Database, id: &str) -> Result<Option<payment::Payment>> {
    let doc = store.get(Table::Payments, id).await?;
    Ok(doc.map(|doc| serde_json::from_str(&doc)).transpose()?)
}

/// Adds what the payment's own record knows.
fn show_payment(record: Option<&payment::Payment>, view: &mut Value) {
    view["status"] = json!("none");
    if let Some(record) = record {
        let money = |minor| record.currency.and_then(|c| contract::Money::from_minor(minor, c).ok());
        view["status"] = json!(PaymentStanding::of(record));
        view["charged"] = json!(money(record.captured_minor));
        view["refunded"] = json!(money(record.refunded_minor));
        if let Some(id) = record.transaction_id() {
            view["transaction_id"] = json!(id);
        }
        if let Some(receipt) = record.charge.as_ref().and_then(|charge| charge.receipt.as_ref()) {
            view["receipt"] = json!(receipt);
        }
    }
}

/// One entry for each change of the order's state, oldest first.
pub async fn audit_trail(store: &dyn Database, id: &str) -> Result<Vec<Value>> {
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

/// Whether nothing more will happen by itself.
pub fn is_final(order: &Value) -> bool {
    let saga = order["saga"]["status"].as_str().unwrap_or_default();
    match order["status"].as_str().unwrap_or_default() {
        "rejected" | "archived" => true,
        _ => matches!(saga, "completed" | "undone" | "needs_attention"),
    }
}

/// Parses an order id; the error tells the user what one looks like.
pub fn order_id(text: &str) -> Result<OrderId, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no order id; they look like 01932b4a-1111-7000-8000-000000000001"))
}
