//! The provider's books in memory: what a simulation plays with, and what a shelf fills, lets change and keeps.

use std::collections::HashMap;

use contract::{ChargeStanding, ProviderCharge, ProviderQuery, ProviderRefund, Time};

use super::rules::{self, Charge, DueEvent, Refund, Refusal, Settings};

#[derive(Clone, Debug, Default)]
pub struct Books {
    /// By key.
    charges: HashMap<String, Charge>,
    /// The key of each transaction.
    keys: HashMap<String, String>,
    /// By key.
    refunds: HashMap<String, Refund>,
}

/// What is to be written into books that lie somewhere else. A refund never changes, and of a charge only
/// what refunds do to it.
#[derive(Default)]
pub(super) struct Entries<'a> {
    pub(super) charges: Vec<&'a Charge>,
    pub(super) changed: Vec<&'a Charge>,
    pub(super) refunds: Vec<&'a Refund>,
}

impl Entries<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.charges.is_empty() && self.changed.is_empty() && self.refunds.is_empty()
    }
}

impl Books {
    pub(super) fn is_empty(&self) -> bool {
        self.charges.is_empty() && self.refunds.is_empty()
    }

    /// Books what is new and answers what is told when. The same ask again books nothing.
    pub fn charge(
        &mut self,
        settings: &Settings,
        ask: &ProviderCharge,
        now: Time,
    ) -> Result<Vec<DueEvent>, Refusal> {
        let charged = rules::charge(settings, self.charges.get(&ask.key), ask, now)?;
        if let Some(charge) = charged.book {
            self.put_charge(charge);
        }
        Ok(charged.tell)
    }

    pub fn refund(
        &mut self,
        settings: &Settings,
        ask: &ProviderRefund,
        now: Time,
    ) -> Result<Vec<DueEvent>, Refusal> {
        let charge = self.keys.get(&ask.transaction_id).and_then(|key| self.charges.get(key));
        let refunded = rules::refund(settings, self.refunds.get(&ask.key), charge, ask, now)?;
        if let Some(charge) = refunded.charge {
            self.put_charge(charge);
        }
        if let Some(refund) = refunded.book {
            self.put_refund(refund);
        }
        Ok(refunded.tell)
    }

    /// A key that was used for another order is answered like one that was never used.
    pub fn query(&self, ask: &ProviderQuery, now: Time) -> ChargeStanding {
        let charge = self.charges.get(&ask.key).filter(|charge| charge.reference == ask.order_id);
        rules::standing(charge, now)
    }

    /// In no particular order.
    pub fn charges(&self) -> impl Iterator<Item = &Charge> {
        self.charges.values()
    }

    /// In no particular order.
    pub fn refunds(&self) -> impl Iterator<Item = &Refund> {
        self.refunds.values()
    }

    /// What is here and was not there, or was otherwise, in the order of keys: whoever locks line by line in
    /// one order never waits in a circle.
    pub(super) fn since(&self, before: &Books) -> Entries<'_> {
        let mut entries = Entries::default();
        for charge in self.charges() {
            match before.charges.get(&charge.key) {
                None => entries.charges.push(charge),
                Some(as_before) if as_before == charge => {}
                Some(_) => entries.changed.push(charge),
            }
        }
        entries.refunds.extend(self.refunds().filter(|refund| !before.refunds.contains_key(&refund.key)));
        entries.charges.sort_unstable_by_key(|charge| &charge.key);
        entries.changed.sort_unstable_by_key(|charge| &charge.key);
        entries.refunds.sort_unstable_by_key(|refund| &refund.key);
        entries
    }

    pub(super) fn put_charge(&mut self, charge: Charge) {
        self.keys.insert(charge.transaction_id.clone(), charge.key.clone());
        self.charges.insert(charge.key.clone(), charge);
    }

    pub(super) fn put_refund(&mut self, refund: Refund) {
        self.refunds.insert(refund.key.clone(), refund);
    }
}
