//! The provider's books in memory: what a simulation plays with, and what a shelf fills, lets change and keeps.

use std::collections::HashMap;

use contract::{
    ChargeStanding, OrderId, ProviderCharge, ProviderQuery, ProviderRefund, ProviderTold, Time, ToldCharge,
};

use super::rules::{self, Charge, DueEvent, Ends, Refund, Refusal, Settings};
use super::told;

#[derive(Clone, Debug, Default)]
pub struct Books {
    /// By key.
    charges: HashMap<String, Charge>,
    /// The key of each charge, by its order and its name: one that an event from outside gave may name another order's too.
    keys: HashMap<(OrderId, String), String>,
    /// By key.
    refunds: HashMap<String, Refund>,
}

/// What is to be written into books that lie somewhere else. A refund never changes, and of a charge only what refunds do
/// to it, and events from outside.
#[derive(Default)]
pub(super) struct Entries<'a> {
    pub(super) charges: Vec<&'a Charge>,
    pub(super) changed: Vec<&'a Charge>,
    /// Of both, those that have a name from outside now: what they would have told by themselves is over.
    pub(super) told: Vec<&'a Charge>,
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
        if let Some(charge) = &ask.charged {
            self.learn_charge(charge, now);
        }
        let charge = self.called(ask);
        let refunded = rules::refund(settings, self.refunds.get(&ask.key), charge, ask, now)?;
        if let Some(charge) = refunded.charge {
            self.put_charge(charge);
        }
        if let Some(refund) = refunded.book {
            self.put_refund(refund);
        }
        Ok(refunded.tell)
    }

    /// Books what an event from outside told of, unless it is known.
    pub fn learn(&mut self, told: &ProviderTold, now: Time) {
        match told {
            ProviderTold::Charge(charge) => self.learn_charge(charge, now),
            ProviderTold::Refund(refund) => {
                if let Some(charge) = &refund.charged {
                    self.learn_charge(charge, now);
                }
                let known = self.refunds.get(&refund.key);
                if let Some((refund, charge)) = told::refund(known, self.called(refund), refund, now) {
                    self.put_charge(charge);
                    self.put_refund(refund);
                }
            }
        }
    }

    fn learn_charge(&mut self, charge: &ToldCharge, now: Time) {
        if let Some(charge) = told::charge(self.charges.get(&charge.key), charge, now) {
            self.put_charge(charge);
        }
    }

    fn called(&self, ask: &ProviderRefund) -> Option<&Charge> {
        let key = self.keys.get(&(ask.order_id, ask.transaction_id.clone()))?;
        self.charges.get(key)
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
                Some(as_before) if as_before == charge => continue,
                Some(_) => entries.changed.push(charge),
            }
            let before = before.charges.get(&charge.key).and_then(|before| before.told.as_ref());
            if charge.told.as_ref() != before {
                entries.told.push(charge);
            }
        }
        entries.refunds.extend(self.refunds().filter(|refund| !before.refunds.contains_key(&refund.key)));
        entries.charges.sort_unstable_by_key(|charge| &charge.key);
        entries.changed.sort_unstable_by_key(|charge| &charge.key);
        entries.told.sort_unstable_by_key(|charge| &charge.key);
        entries.refunds.sort_unstable_by_key(|refund| &refund.key);
        entries
    }

    pub(super) fn put_charge(&mut self, charge: Charge) {
        if let Some(before) = self.charges.get(&charge.key).filter(|before| before.name() != charge.name()) {
            self.keys.remove(&(before.reference, before.name().to_string()));
        }
        let called = (charge.reference, charge.name().to_string());
        let took = |charge: &Charge| matches!(charge.ends, Ends::Succeeds { .. });
        let other = self.keys.get(&called).and_then(|key| self.charges.get(key));
        // Of two tries that events call the same, the one that took the money is meant.
        if other.is_none_or(|other| took(&charge) || !took(other)) {
            self.keys.insert(called, charge.key.clone());
        }
        self.charges.insert(charge.key.clone(), charge);
    }

    pub(super) fn put_refund(&mut self, refund: Refund) {
        self.refunds.insert(refund.key.clone(), refund);
    }
}
