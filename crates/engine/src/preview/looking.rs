//! A transaction that reads records one by one, remembers what they were, and cannot keep anything.

use std::collections::BTreeMap;

use async_trait::async_trait;
use contract::{MessageId, Need, Role, Time};
use store::{Changes, Committing, Database, Error, Handled, Loaded, Transaction};

pub(super) struct Looking<'a> {
    store: &'a dyn Database,
    now: Time,
    seen: BTreeMap<Need, String>,
}

impl<'a> Looking<'a> {
    pub(super) async fn at(store: &'a dyn Database) -> Result<Self, Error> {
        Ok(Self { store, now: store.now().await?, seen: BTreeMap::new() })
    }

    pub(super) fn now(&self) -> Time {
        self.now
    }

    /// As it was when it was looked at; `None` if there was none.
    pub(super) fn was(&self, need: &Need) -> Option<&str> {
        self.seen.get(need).map(String::as_str)
    }
}

#[async_trait]
impl Transaction for Looking<'_> {
    async fn handled(&mut self, _: Role, _: &[MessageId]) -> Result<(Time, Vec<Handled>), Error> {
        Ok((self.now, Vec::new()))
    }

    async fn load(&mut self, needs: &[Need]) -> Result<Vec<Loaded>, Error> {
        let mut loaded = Vec::new();
        for need in needs {
            if let Some(json) = self.store.get(need.table, &need.id).await? {
                loaded.push(Loaded { need: need.clone(), version: 1, json: json.as_str().into() });
                self.seen.insert(need.clone(), json);
            }
        }
        Ok(loaded)
    }

    fn commit(self: Box<Self>, _: Changes) -> Committing {
        Box::pin(async { Err(Error::Refused("a preview keeps nothing".into())) })
    }
}
