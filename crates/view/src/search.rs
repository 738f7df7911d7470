//! Finds an order or a saga among millions: by the beginning of its id, its customer, its status or step, and its
//! idle time.

use anyhow::Result;
use contract::{OrderId, Table, Time};
use order::Submission;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Database, Filter, Totals};

use super::{in_list, rejected};

/// Every condition that is given must match.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct Wanted {
    /// The beginning of the id, or the customer's id.
    #[serde(default)]
    pub q: Option<String>,
    /// Of the order, or of the saga.
    #[serde(default)]
    pub status: Option<String>,
    /// The step that the saga is at.
    #[serde(default)]
    pub step: Option<String>,
    /// Nothing has happened for this many seconds.
    #[serde(default)]
    pub idle_s: Option<u64>,
    /// Of this customer only.
    #[serde(default)]
    pub customer_id: Option<String>,
    /// Created at this time or later, …
    #[serde(default)]
    pub from: Option<Time>,
    /// … and before this one.
    #[serde(default)]
    pub to: Option<Time>,
    /// Only for orders.
    #[serde(skip)]
    pub totals: Totals,
    #[serde(skip)]
    pub before: Option<(Time, String)>,
    #[serde(skip)]
    pub limit: usize,
}

#[derive(Debug, Serialize)]
pub struct Found {
    /// Newest first; if found by the beginning of their id, by id.
    pub items: Vec<Value>,
    /// Where the page after this one begins.
    #[serde(skip)]
    pub next: Option<(Time, String)>,
}

/// Too many ids share a shorter beginning.
const BEGINNING_MIN: usize = 4;
/// The limit for a customer's id in a message.
const CUSTOMER_CHARS_MAX: usize = 100;
/// How many returns of one order are shown with it.
const RETURNS_MAX: usize = 100;

/// An error for a step that no definition has: it would find nothing.
pub fn known_step(step: &str) -> Result<String, String> {
    let steps = steps();
    match steps.contains(&step) {
        true => Ok(step.to_string()),
        false => Err(format!("no step is called {step:?}; there are {}", steps.join(", "))),
    }
}

/// Of all definitions, the old ones too.
pub fn steps() -> Vec<&'static str> {
    let all = saga::sketches().into_iter().flat_map(|sketch| sketch.steps).map(|step| step.name);
    let mut steps: Vec<_> = all.collect();
    steps.sort_unstable();
    steps.dedup();
    steps
}

pub async fn orders(store: &dyn Database, wanted: &Wanted) -> Result<Found> {
    let text = wanted.text();
    if let Some(beginning) = text.filter(|text| is_beginning(text)) {
        let mut docs = begins(store, Table::Orders, beginning, wanted.limit).await?;
        if docs.is_empty() {
            docs = begins(store, Table::Submissions, beginning, wanted.limit).await?;
            if !docs.is_empty() {
                let known: Vec<Submission> =
                    docs.iter().map(|doc| serde_json::from_str(doc)).collect::<Result<_, _>>()?;
                return Ok(Found { items: known.iter().filter_map(rejected).collect(), next: None });
            }
        }
        if !docs.is_empty() {
            let records: Vec<order::Order> =
                docs.iter().map(|doc| serde_json::from_str(doc)).collect::<Result<_, _>>()?;
            let items = in_list(store, &records).await?;
            return Ok(Found {
                items: items.into_iter().filter(|one| wanted.fits(one)).collect(),
                next: None,
            });
        }
    }
    let filter = wanted.filter(store, text).await?;
    let docs = store.list(Table::Orders, &filter).await?;
    let Found { items, next } = page(docs, wanted.limit, |doc| Ok(serde_json::from_str(doc)?), "order_id")?;
    let records: Vec<order::Order> =
        items.into_iter().map(serde_json::from_value).collect::<Result<_, _>>()?;
    Ok(Found { items: in_list(store, &records).await?, next })
}

pub async fn sagas(store: &dyn Database, wanted: &Wanted) -> Result<Found> {
    let saga = |doc: &String| -> Result<Value> { Ok(public(serde_json::from_str(doc)?)) };
    let Some(text) = wanted.text() else {
        let filter = wanted.filter(store, None).await?;
        return page(store.list(Table::Sagas, &filter).await?, wanted.limit, saga, "id");
    };
    let mut docs = match is_beginning(text) {
        true => begins(store, Table::Sagas, text, wanted.limit).await?,
        false => Vec::new(),
    };
    let mut next = None;
    if docs.is_empty() {
        // A customer's sagas are those of their orders, which are found without reading all sagas.
        let of = Filter {
            customer_id: Some(text.to_string()),
            before: wanted.before.clone(),
            limit: wanted.limit + 1,
            ..Filter::default()
        };
        let orders = store.list(Table::Orders, &of).await?;
        let orders = page(orders, wanted.limit, |doc| Ok(serde_json::from_str(doc)?), "order_id")?;
        for order in &orders.items {
            let id = order["order_id"].as_str().unwrap_or_default();
            docs.extend(begins(store, Table::Sagas, id, RETURNS_MAX).await?);
        }
        next = orders.next;
    }
    let items: Vec<Value> = docs.iter().map(saga).collect::<Result<_>>()?;
    Ok(Found { items: items.into_iter().filter(|one| wanted.fits(one)).collect(), next })
}

impl Wanted {
    fn text(&self) -> Option<&str> {
        let text = self.q.as_deref().map(str::trim).filter(|text| !text.is_empty());
        text.filter(|text| text.chars().count() <= CUSTOMER_CHARS_MAX && !text.contains('\0'))
    }

    async fn filter(&self, store: &dyn Database, customer_id: Option<&str>) -> Result<Filter> {
        let idle_since = match self.idle_s {
            Some(seconds) => Some(before(store.now().await?, seconds)),
            None => None,
        };
        Ok(Filter {
            status: self.status.clone(),
            step: self.step.clone(),
            customer_id: customer_id
                .map(Into::into)
                .or(self.customer_id.clone())
                .filter(|id| !id.contains('\0')),
            from: self.from,
            to: self.to,
            idle_since,
            totals: self.totals.clone(),
            before: self.before.clone(),
            limit: self.limit + 1,
        })
    }

    /// The conditions that a search by id does not apply in the database.
    fn fits(&self, item: &Value) -> bool {
        let fits = |wanted: &Option<String>, name: &str| {
            wanted.as_deref().is_none_or(|wanted| item[name].as_str() == Some(wanted))
        };
        fits(&self.status, "status") && (item.get("step").is_none() || fits(&self.step, "step"))
    }
}

/// One more was read than is wanted, to see whether there are more.
fn page(
    mut docs: Vec<String>,
    limit: usize,
    read: impl Fn(&String) -> Result<Value>,
    id: &str,
) -> Result<Found> {
    let more = docs.len() > limit;
    docs.truncate(limit);
    let items: Vec<Value> = docs.iter().map(read).collect::<Result<_>>()?;
    let place = |last: &Value| {
        let at = last["created_at"].as_str()?.parse().ok()?;
        Some((at, last[id].as_str()?.to_string()))
    };
    let next = items.last().filter(|_| more).and_then(place);
    Ok(Found { items, next })
}

async fn begins(store: &dyn Database, table: Table, beginning: &str, limit: usize) -> Result<Vec<String>> {
    let beginning = beginning.to_ascii_lowercase();
    let mut docs: Vec<String> = store.get(table, &beginning).await?.into_iter().collect();
    let page = store.page(table, &beginning, limit).await?;
    docs.extend(page.into_iter().take_while(|(id, _)| id.starts_with(&beginning)).map(|(_, doc)| doc));
    docs.truncate(limit.max(1));
    Ok(docs)
}

fn is_beginning(text: &str) -> bool {
    let like_an_id = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    like_an_id && (BEGINNING_MIN..=OrderId::default().to_string().len()).contains(&text.len())
}

/// The record with its id, and without the token, which is for the provider only.
pub fn public(mut saga: Value) -> Value {
    if let Some(payment) = saga.pointer_mut("/subject/payment").and_then(Value::as_object_mut) {
        payment.remove("token");
    }
    let id = saga["order_id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default();
    let return_no = saga["return_no"].as_u64().and_then(|no| u32::try_from(no).ok()).unwrap_or_default();
    saga["id"] = Value::from(::saga::saga_id(id, return_no));
    saga
}

fn before(now: Time, seconds: u64) -> Time {
    let ms = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
    Time::from_unix_ms(now.unix_ms().saturating_sub(ms))
}
