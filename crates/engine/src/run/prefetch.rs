//! What a sitting will look at step by step is asked for at once, as far as it can be foreseen: on a server each look is a
//! question and its way there and back.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use contract::{MessageId, Need, Role, Time};
use store::{Changes, Error, Handled, Keeping, Loaded, Transaction};

pub(super) struct PrefetchingTransaction {
    transaction: Box<dyn Transaction>,
    /// What was not looked at yet; asked for with whatever is needed first.
    prefetched: Vec<Need>,
    /// What was found, or is not there, before anybody needed it.
    looked: HashMap<Need, Option<Loaded>>,
}

impl PrefetchingTransaction {
    pub(super) fn of(transaction: Box<dyn Transaction>, prefetched: Vec<Need>) -> Self {
        Self { transaction, prefetched, looked: HashMap::new() }
    }

    fn needed_as_well(&mut self, needs: &[Need]) -> Vec<Need> {
        let mut known: HashSet<&Need> = needs.iter().collect();
        let mut all = needs.to_vec();
        for need in &self.prefetched {
            if known.insert(need) {
                all.push(need.clone());
                self.looked.insert(need.clone(), None);
            }
        }
        self.prefetched = Vec::new();
        all
    }
}

#[async_trait]
impl Transaction for PrefetchingTransaction {
    async fn handled(&mut self, role: Role, ids: &[MessageId]) -> Result<(Time, Vec<Handled>), Error> {
        self.transaction.handled(role, ids).await
    }

    async fn load(&mut self, needs: &[Need]) -> Result<Vec<Loaded>, Error> {
        let (mut loaded, mut rest) = (Vec::new(), Vec::new());
        for need in needs {
            match self.looked.remove(need) {
                Some(found) => loaded.extend(found),
                None => rest.push(need.clone()),
            }
        }
        if rest.is_empty() {
            return Ok(loaded);
        }
        let asked = self.needed_as_well(&rest);
        for found in self.transaction.load(&asked).await? {
            match self.looked.get_mut(&found.need) {
                Some(place) => *place = Some(found),
                None => loaded.push(found),
            }
        }
        Ok(loaded)
    }

    fn keep(self: Box<Self>, changes: Changes) -> Keeping {
        self.transaction.keep(changes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use contract::Table;

    use super::*;

    /// Where every order but those called "no…" is.
    struct Orders(Arc<Mutex<Vec<Vec<String>>>>);

    #[async_trait]
    impl Transaction for Orders {
        async fn handled(&mut self, _: Role, _: &[MessageId]) -> Result<(Time, Vec<Handled>), Error> {
            Ok((Time::default(), Vec::new()))
        }

        async fn load(&mut self, needs: &[Need]) -> Result<Vec<Loaded>, Error> {
            self.0.lock().unwrap().push(needs.iter().map(|need| need.id.clone()).collect());
            let there = needs.iter().filter(|need| !need.id.starts_with("no"));
            Ok(there.map(|need| Loaded { need: need.clone(), version: 1, json: "{}".into() }).collect())
        }

        fn keep(self: Box<Self>, _: Changes) -> Keeping {
            Box::pin(std::future::ready(Ok(())))
        }
    }

    #[tokio::test]
    async fn whoever_asks_gets_what_he_asked_for_and_nobody_is_asked_twice() {
        let orders = |ids: &[&str]| ids.iter().map(|id| Need::of(Table::Orders, id)).collect::<Vec<_>>();
        let asked = Arc::<Mutex<Vec<Vec<String>>>>::default();
        let prefetched = orders(&["a", "b", "none", "b"]);
        let mut ahead = PrefetchingTransaction::of(Box::new(Orders(asked.clone())), prefetched);
        let mut found = Vec::new();
        for needs in [&["a", "nobody"][..], &["b", "none"], &["c", "no"]] {
            let loaded = ahead.load(&orders(needs)).await.unwrap();
            found.push(loaded.into_iter().map(|one| one.need.id).collect::<Vec<_>>());
        }
        assert_eq!(found, [["a"], ["b"], ["c"]]);
        assert_eq!(*asked.lock().unwrap(), [&["a", "nobody", "b", "none"][..], &["c", "no"]]);
    }
}
