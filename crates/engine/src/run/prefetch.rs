//! Loads in one round trip what a batch will need step by step, as far as that can be foreseen.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use contract::{MessageId, Need, Role, Time};
use store::{Changes, Committing, Error, Handled, Loaded, Transaction};

pub(super) struct PrefetchingTransaction {
    transaction: Box<dyn Transaction>,
    /// Not loaded yet; loaded together with what is needed first.
    foreseen: Vec<Need>,
    /// Loaded before it was needed. `None` while the load runs; afterwards it means that there is no such record.
    prefetched: HashMap<Need, Option<Loaded>>,
}

impl PrefetchingTransaction {
    pub(super) fn of(transaction: Box<dyn Transaction>, foreseen: Vec<Need>) -> Self {
        Self { transaction, foreseen, prefetched: HashMap::new() }
    }

    fn with_foreseen(&mut self, needs: &[Need]) -> Vec<Need> {
        let mut known: HashSet<&Need> = needs.iter().collect();
        let mut all = needs.to_vec();
        for need in &self.foreseen {
            if known.insert(need) {
                all.push(need.clone());
                self.prefetched.insert(need.clone(), None);
            }
        }
        self.foreseen = Vec::new();
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
            match self.prefetched.remove(need) {
                Some(found) => loaded.extend(found),
                None => rest.push(need.clone()),
            }
        }
        if rest.is_empty() {
            return Ok(loaded);
        }
        let asked = self.with_foreseen(&rest);
        for found in self.transaction.load(&asked).await? {
            match self.prefetched.get_mut(&found.need) {
                Some(place) => *place = Some(found),
                None => loaded.push(found),
            }
        }
        Ok(loaded)
    }

    fn commit(self: Box<Self>, changes: Changes) -> Committing {
        self.transaction.commit(changes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use contract::Table;

    use super::*;

    /// Has every order but those called "no…".
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

        fn commit(self: Box<Self>, _: Changes) -> Committing {
            Box::pin(std::future::ready(Ok(())))
        }
    }

    #[tokio::test]
    async fn each_load_gets_what_it_asked_for_and_no_record_is_loaded_twice() {
        let orders = |ids: &[&str]| ids.iter().map(|id| Need::of(Table::Orders, id)).collect::<Vec<_>>();
        let asked = Arc::<Mutex<Vec<Vec<String>>>>::default();
        let foreseen = orders(&["a", "b", "none", "b"]);
        let mut ahead = PrefetchingTransaction::of(Box::new(Orders(asked.clone())), foreseen);
        let mut found = Vec::new();
        for needs in [&["a", "nothing"][..], &["b", "none"], &["c", "no"]] {
            let loaded = ahead.load(&orders(needs)).await.unwrap();
            found.push(loaded.into_iter().map(|one| one.need.id).collect::<Vec<_>>());
        }
        assert_eq!(found, [["a"], ["b"], ["c"]]);
        assert_eq!(*asked.lock().unwrap(), [&["a", "nothing", "b", "none"][..], &["c", "no"]]);
    }
}
