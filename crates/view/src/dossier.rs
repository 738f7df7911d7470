//! All that is known of one order, for the operators who look after it.

use anyhow::Result;
use contract::{Money, OrderId, Table};
use serde::Serialize;
use serde_json::Value;
use store::Database;

use super::mask::{Sight, for_people};
use super::notices::{self, Told};
use super::search::public;
use super::story::{self, Story};

#[derive(Debug, Serialize)]
pub struct Dossier {
    /// As `view::order` shows it.
    pub order: Value,
    pub books: Books,
    /// The customer's e-mail address and phone number.
    pub contact: Value,
    /// The checkout's, and those of its returns.
    pub sagas: Vec<Value>,
    pub notices: Vec<Value>,
    /// The texts of the notices, as long as the journal has them.
    pub told: Vec<Told>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub story: Option<Story>,
}

/// What was captured and refunded, and what either side still owes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Books {
    pub charged: Option<Money>,
    pub refunded: Option<Money>,
    /// Owed by the customer.
    pub to_pay: Option<Money>,
    /// Owed to the customer.
    pub to_give_back: Option<Money>,
}

/// Of one order.
const RETURNS_MAX: usize = 100;
const NOTICES_MAX: usize = 200;

/// `None` when the order is unknown.
pub async fn dossier(store: &dyn Database, order_id: OrderId, sight: Sight) -> Result<Option<Dossier>> {
    let id = order_id.to_string();
    let story = story::story(store, order_id, sight).await?;
    let order = match (super::order(store, &id).await?, &story) {
        (Some(order), _) => order,
        // Its submission was journalled, and no worker has made an order of it so far.
        (None, Some(_)) => serde_json::json!({"order_id": order_id, "status": "submitted"}),
        (None, None) => return Ok(None),
    };
    let doc = store.get(Table::Orders, &id).await?;
    let record: Option<order::Order> = doc.as_deref().map(serde_json::from_str).transpose()?;
    let contact = record.as_ref().map(|record| serde_json::to_value(&record.contact)).transpose()?;
    let sagas = of_order(store, Table::Sagas, &id, RETURNS_MAX).await?.into_iter();
    Ok(Some(Dossier {
        books: books(record.as_ref(), &order),
        contact: for_people(contact.unwrap_or_default(), sight),
        sagas: sagas.map(|saga| for_people(public(saga), sight)).collect(),
        told: notices::told(store, order_id, sight).await?,
        notices: of_order(store, Table::Notices, &id, NOTICES_MAX).await?,
        order,
        story,
    }))
}

/// Records whose ids are the order's, or begin with it.
async fn of_order(store: &dyn Database, table: Table, id: &str, limit: usize) -> Result<Vec<Value>> {
    let mut docs: Vec<String> = store.get(table, id).await?.into_iter().collect();
    let page = store.page(table, id, limit).await?;
    docs.extend(page.into_iter().take_while(|(key, _)| key.starts_with(id)).map(|(_, doc)| doc));
    Ok(docs.iter().map(|doc| serde_json::from_str(doc)).collect::<Result<_, _>>()?)
}

fn books(record: Option<&order::Order>, order: &Value) -> Books {
    let money = |name: &str| serde_json::from_value::<Money>(order["payment"][name].clone()).ok();
    let (charged, refunded) = (money("charged"), money("refunded"));
    let Some(record) = record else { return Books { charged, refunded, ..Books::default() } };
    let minor = |money: Option<Money>| money.map_or(0, Money::minor);
    let (taken, back) = (minor(charged), minor(refunded));
    let returning: i64 = record.returns.iter().map(|one| one.amount.minor()).sum();
    let given_up = record.reached.contains_key(&contract::Status::Cancelled)
        || (record.reached.contains_key(&contract::Status::Refunded) && record.refunded_by.is_none());
    let (to_pay, to_give_back) = match (record.status, given_up) {
        (_, true) => (0, taken - back),
        (contract::Status::Created, false) => (record.total.minor() - taken, 0),
        (_, false) => (0, returning - back),
    };
    let amount = |minor: i64| Money::from_minor(minor.max(0), record.total.currency()).ok();
    Books {
        charged: charged.or(amount(0)),
        refunded: refunded.or(amount(0)),
        to_pay: amount(to_pay),
        to_give_back: amount(to_give_back),
    }
}
