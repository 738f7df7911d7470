//! All that our tables hold about one order lies side by side before anything is said about it.
//!
//! Every key begins with the order's id, so that reading the tables in key order brings them together.

use std::collections::VecDeque;

use anyhow::{Context, Result, ensure};
use contract::Table;
use serde_json::Value;

use super::PAGE;
use super::pace::paced;
use crate::store::Store;

#[derive(Debug, Default)]
pub(super) struct Case {
    pub(super) id: String,
    pub(super) order: Option<Value>,
    pub(super) payment: Option<Value>,
    pub(super) hold: Option<Value>,
    /// By key: the checkout's, and one for each return.
    pub(super) sagas: Vec<(String, Value)>,
    /// In the order of their keys, which is that of their numbers.
    pub(super) entries: Vec<(String, Value)>,
    pub(super) notices: Vec<(String, Value)>,
}

/// A UUID as text.
const ID_CHARS: usize = 36;

impl Case {
    pub(super) fn nothing_about(id: uuid::Uuid) -> Self {
        Self { id: id.to_string(), ..Self::default() }
    }

    /// The checkout's saga, if it is there.
    pub(super) fn checkout(&self) -> Option<&Value> {
        self.sagas.iter().find(|(key, _)| *key == self.id).map(|(_, saga)| saga)
    }

    /// Reads one order anew. What follows from something else is read after it.
    pub(super) async fn load(store: &dyn Store, id: &str) -> Result<Self> {
        let notices = beginning_with(store, Table::Notices, id).await?;
        let mut sagas = beginning_with(store, Table::Sagas, id).await?;
        sagas.extend(one(store, Table::Sagas, id).await?.map(|saga| (id.to_string(), saga)));
        let payment = one(store, Table::Payments, id).await?;
        let hold = one(store, Table::Holds, id).await?;
        let order = one(store, Table::Orders, id).await?;
        let entries = beginning_with(store, Table::Audit, id).await?;
        Ok(Self { id: id.to_string(), order, payment, hold, sagas, entries, notices })
    }
}

async fn one(store: &dyn Store, table: Table, id: &str) -> Result<Option<Value>> {
    store.get(table, id).await?.map(|json| read(table, id, &json)).transpose()
}

/// The records under keys that go on after the id. An order has fewer of them than a page.
async fn beginning_with(store: &dyn Store, table: Table, id: &str) -> Result<Vec<(String, Value)>> {
    let rows = store.page(table, id, PAGE).await?;
    let its = rows.into_iter().take_while(|(key, _)| key.starts_with(id));
    its.map(|(key, json)| read(table, &key, &json).map(|value| (key, value))).collect()
}

fn read(table: Table, key: &str, json: &str) -> Result<Value> {
    serde_json::from_str(json).with_context(|| format!("{} {key} is not JSON", table.name()))
}

/// Order after order, in the order of their ids.
pub(super) struct Cases<'a> {
    cursors: [Cursor<'a>; 6],
    last: String,
}

const TABLES: [Table; 6] =
    [Table::Orders, Table::Payments, Table::Holds, Table::Sagas, Table::Audit, Table::Notices];

impl<'a> Cases<'a> {
    pub(super) fn of(store: &'a dyn Store) -> Self {
        Self { cursors: TABLES.map(|table| Cursor::of(store, table)), last: String::new() }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Case>> {
        let mut id: Option<String> = None;
        for cursor in &mut self.cursors {
            if let Some(next) = cursor.id().await?
                && id.as_deref().is_none_or(|id| next < id)
            {
                id = Some(next.to_string());
            }
        }
        let Some(id) = id else { return Ok(None) };
        ensure!(
            id > self.last,
            "the tables are not read in the order of their keys: {id} after {}",
            self.last
        );
        let mut found = Vec::with_capacity(TABLES.len());
        for cursor in &mut self.cursors {
            found.push(cursor.take(&id).await?);
        }
        self.last.clone_from(&id);
        let mut found = found.into_iter();
        let mut several = || found.next().unwrap_or_default();
        let mut single = || several().pop().map(|(_, value)| value);
        let (order, payment, hold) = (single(), single(), single());
        let (sagas, entries, notices) = (several(), several(), several());
        Ok(Some(Case { id, order, payment, hold, sagas, entries, notices }))
    }
}

struct Cursor<'a> {
    store: &'a dyn Store,
    table: Table,
    after: String,
    ready: VecDeque<(String, Value)>,
    done: bool,
}

impl<'a> Cursor<'a> {
    fn of(store: &'a dyn Store, table: Table) -> Self {
        Self { store, table, after: String::new(), ready: VecDeque::new(), done: false }
    }

    /// The order that the next record belongs to.
    async fn id(&mut self) -> Result<Option<&str>> {
        if self.ready.is_empty() && !self.done {
            let rows = paced(self.store.page(self.table, &self.after, PAGE)).await?;
            self.done = rows.len() < PAGE;
            for (key, json) in rows {
                let value = read(self.table, &key, &json)?;
                self.after.clone_from(&key);
                self.ready.push_back((key, value));
            }
        }
        Ok(self.ready.front().map(|(key, _)| key.get(..ID_CHARS).unwrap_or(key)))
    }

    async fn take(&mut self, id: &str) -> Result<Vec<(String, Value)>> {
        let mut taken = Vec::new();
        while self.id().await? == Some(id) {
            taken.extend(self.ready.pop_front());
        }
        Ok(taken)
    }
}
