//! The provider's books in memory: a simulation uses them alone, and a storage loads, changes and saves them.

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
    /// The key of each charge, by its order and its transaction id: an id that an event from outside gave may be
    /// another order's, too.
    keys: HashMap<(OrderId, String), String>,
    /// By key.
    refunds: HashMap<String, Refund>,
}

/// The differences to be written to a storage. A refund never changes; a charge is changed only by refunds and by
/// events from outside.
#[derive(Default)]
pub(super) struct Entries<'a> {
    pub(super) charges: Vec<&'a Charge>,
    pub(super) changed: Vec<&'a Charge>,
    /// The charges of both lists that have an id from outside now: the events that they would have sent are
    /// cancelled.
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

    /// Books the charge if it is new, and returns what is told when. The same ask again books nothing.
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
        let charge = self.charge_to_refund(ask);
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
                if let Some((refund, charge)) =
                    told::refund(known, self.charge_to_refund(refund), refund, now)
                {
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

    fn charge_to_refund(&self, ask: &ProviderRefund) -> Option<&Charge> {
        let key = self.keys.get(&(ask.order_id, ask.transaction_id.clone()))?;
        self.charges.get(key)
    }

    /// A key that was used for another order is answered like an unused one.
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

    /// What is new or different here, in the order of keys: transactions that lock rows in one order cannot deadlock.
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
        // If two charges have the same id from events, the one that took the money is meant.
        if other.is_none_or(|other| took(&charge) || !took(other)) {
            self.keys.insert(called, charge.key.clone());
        }
        self.charges.insert(charge.key.clone(), charge);
    }

    pub(super) fn put_refund(&mut self, refund: Refund) {
        self.refunds.insert(refund.key.clone(), refund);
    }
}
