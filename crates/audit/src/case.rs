//! Gathers all that our tables hold about one order before anything is judged.
//!
//! Every key begins with the order's id, so that reading the tables in key order brings them together.

use std::collections::VecDeque;

use anyhow::{Result, ensure};
use contract::Table;
use serde_json::Value;
use store::Evidence;

use super::pace::paced;
use super::{Claim, Findings, PAGE};

#[derive(Debug, Default)]
pub(super) struct Case {
    pub(super) id: String,
    pub(super) order: Option<Value>,
    pub(super) payment: Option<Value>,
    pub(super) hold: Option<Value>,
    /// By key: the checkout's, and one for each return.
    pub(super) sagas: Vec<(String, Value)>,
    /// By key, which is the order of their numbers.
    pub(super) entries: Vec<(String, Value)>,
    pub(super) notices: Vec<(String, Value)>,
}

/// A UUID as text.
const ID_CHARS: usize = 36;

impl Case {
    pub(super) fn nothing_about(id: uuid::Uuid) -> Self {
        Self { id: id.to_string(), ..Self::default() }
    }

    /// The checkout's saga, if it exists.
    pub(super) fn checkout(&self) -> Option<&Value> {
        self.sagas.iter().find(|(key, _)| *key == self.id).map(|(_, saga)| saga)
    }

    /// Reads one order again. A record is read after those it follows from; unreadable ones were reported before.
    pub(super) async fn load(store: &dyn Evidence, id: &str) -> Result<Self> {
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

async fn one(store: &dyn Evidence, table: Table, id: &str) -> Result<Option<Value>> {
    Ok(store.get(table, id).await?.and_then(|json| read(table, id, &json).ok()))
}

/// The records whose keys begin with the id. An order has fewer of them than a page.
async fn beginning_with(store: &dyn Evidence, table: Table, id: &str) -> Result<Vec<(String, Value)>> {
    let rows = store.page(table, id, PAGE).await?;
    let its = rows.into_iter().take_while(|(key, _)| key.starts_with(id));
    let read = |(key, json): (String, String)| {
        let value = read(table, &key, &json).ok()?;
        Some((key, value))
    };
    Ok(its.filter_map(read).collect())
}

/// `Err` says which record cannot be read.
pub(super) fn read(table: Table, key: &str, json: &str) -> Result<Value, String> {
    let shown: String = key.chars().take(KEY_CHARS_MAX).collect();
    match serde_json::from_str(json) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(format!("the record {shown:?} of {} is no JSON object", table.name())),
        Err(why) => Err(format!("the record {shown:?} of {} is not JSON: {why}", table.name())),
    }
}

/// Our own keys have fewer than a hundred.
const KEY_CHARS_MAX: usize = 200;

/// One order after the other, by id.
pub(super) struct Cases<'a> {
    cursors: [Cursor<'a>; 6],
    last: String,
}

const TABLES: [Table; 6] =
    [Table::Orders, Table::Payments, Table::Holds, Table::Sagas, Table::Audit, Table::Notices];

impl<'a> Cases<'a> {
    pub(super) fn of(store: &'a dyn Evidence) -> Self {
        Self { cursors: TABLES.map(|table| Cursor::of(store, table)), last: String::new() }
    }

    /// Reports how much was read, and what could not be.
    pub(super) fn tell(self, findings: &mut Findings) {
        for mut cursor in self.cursors {
            for _ in 0..cursor.records {
                findings.check(Claim::R1, true, String::new);
            }
            cursor.unreadable.drain(..).for_each(|why| findings.check(Claim::R1, false, || why));
        }
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
    store: &'a dyn Evidence,
    table: Table,
    after: String,
    ready: VecDeque<(String, Value)>,
    done: bool,
    records: u64,
    unreadable: Vec<String>,
}

impl<'a> Cursor<'a> {
    fn of(store: &'a dyn Evidence, table: Table) -> Self {
        Self {
            store,
            table,
            after: String::new(),
            ready: VecDeque::new(),
            done: false,
            records: 0,
            unreadable: Vec::new(),
        }
    }

    /// The order that the next record belongs to.
    async fn id(&mut self) -> Result<Option<&str>> {
        while self.ready.is_empty() && !self.done {
            let rows = paced(self.store.page(self.table, &self.after, PAGE)).await?;
            self.done = rows.len() < PAGE;
            for (key, json) in rows {
                self.after.clone_from(&key);
                match read(self.table, &key, &json) {
                    Ok(value) => {
                        self.records += 1;
                        self.ready.push_back((key, value));
                    }
                    Err(why) => self.unreadable.push(why),
                }
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
