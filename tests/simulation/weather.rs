//! How bad conditions are in one shop: which faults occur and how often is drawn anew for each. A fault that never
//! happened proves nothing, so every fault is counted.

use std::collections::BTreeMap;

use contract::Queue;

use super::chance::Chance;
use crate::world::faults::{Aim, Fault, Place};

/// Per mille.
pub(crate) struct Weather {
    pub(crate) fault: u64,
    pub(crate) duplicated: u64,
    pub(crate) lost: u64,
    pub(crate) held_back: u64,
    pub(crate) event_again: u64,
    pub(crate) event_lost: u64,
    pub(crate) away: u64,
    pub(crate) broker_lost: u64,
    pub(crate) forged: u64,
    /// No clock jumps and nothing is held back for long: patience runs out only for answers that never come.
    pub(crate) punctual: bool,
    pub(crate) batch_max: usize,
    /// How often a batch is handled by workers that share a process.
    pub(crate) together: u64,
}

impl Weather {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        let mut up_to =
            |most: i64| if chance.happens(250) { 0 } else { chance.between(0, most).unsigned_abs() };
        Self {
            fault: up_to(400),
            duplicated: up_to(150),
            lost: up_to(100),
            held_back: up_to(60),
            event_again: up_to(400),
            event_lost: up_to(500),
            away: up_to(400),
            broker_lost: up_to(300),
            forged: up_to(200),
            punctual: chance.happens(400),
            batch_max: chance.one_of(&[1, 2, 5, 16]),
            together: chance.one_of(&[0, 500, 1000]),
        }
    }

    /// The fault of the next batch, and its place.
    pub(crate) fn aim(&self, chance: &mut Chance, queue: Queue) -> Option<Aim> {
        if !chance.happens(self.fault) {
            return None;
        }
        let nth = chance.below(6);
        let outside = matches!(queue, Queue::Provider | Queue::Email | Queue::Sms);
        if outside && chance.happens(400) {
            let fault = chance.one_of(&[Fault::Die, Fault::Unavailable]);
            return Some(Aim::at(chance.one_of(&[Place::Reach, Place::Reached]), 0, fault));
        }
        Some(match chance.below(16) {
            0 => Aim::at(Place::Begin, 0, chance.one_of(&[Fault::Die, Fault::Unavailable])),
            1 => Aim::at(Place::Look, 0, Fault::Die),
            2 => Aim::at(Place::Load, 0, Fault::Die),
            3 => Aim::at(Place::Keep, 0, Fault::Die),
            4 => Aim::at(Place::Keep, 0, chance.one_of(&[Fault::Unavailable, Fault::AnswerLost])),
            5 => Aim::at(Place::Keep, 0, Fault::Conflict),
            6 | 7 => Aim::at(Place::Keep, 0, Fault::Pause),
            8 => Aim::at(Place::Kept, 0, Fault::Die),
            9 => Aim::at(Place::Kept, 0, Fault::AnswerLost),
            10 | 11 => Aim::at(Place::Publish, nth, Fault::Die),
            12 => Aim::at(Place::Publish, nth, Fault::Twice),
            13 | 14 => Aim::at(Place::Ack, nth, Fault::Die),
            _ => Aim::at(Place::Ack, 0, Fault::Unavailable),
        })
    }
}

/// Every fault that `aim` can choose, and everything else that a shop may meet.
const FAULTS: &[&str] = &[
    "Die at Begin",
    "Die at Look",
    "Die at Load",
    "Die at Keep",
    "Die at Kept",
    "Die at Publish",
    "Die at Ack",
    "Die at Reach",
    "Die at Reached",
    "Die at Due",
    "Pause at Keep",
    "Conflict at Keep",
    "AnswerLost at Keep",
    "AnswerLost at Kept",
    "Unavailable at Begin",
    "Unavailable at Keep",
    "Unavailable at Reach",
    "Unavailable at Reached",
    "Unavailable at Ack",
    "Twice at Publish",
];
const TRIALS: &[&str] = &[
    "delivered twice",
    "delivered out of order",
    "held back",
    "lost and redelivered",
    "paid early",
    "provider away",
    "mail away",
    "event again",
    "event again under another id",
    "event lost",
    "event late",
    "event of another amount",
    "event of an unknown order",
    "event below zero",
    "broker lost everything",
    "clock jumped",
    "clock set back",
    "provider's clock jumped",
    "submitted again",
    "submitted again under another id",
    "submitted with another body",
    "message id reused",
    "cancelled by customer",
    "cancelled by admin",
    "paid in cash",
    "returned in part",
    "returned whole",
    "archived",
    "stock taken out",
    "stock brought in",
    "operator retried",
    "operator resolved by hand",
    "operator gave up",
    "letter replayed",
    "workers in one process",
];

#[derive(Default)]
pub(crate) struct Evidence(pub(crate) BTreeMap<String, u64>);

impl Evidence {
    pub(crate) fn saw(&mut self, what: &str) {
        match self.0.get_mut(what) {
            Some(times) => *times += 1,
            None => drop(self.0.insert(what.to_string(), 1)),
        }
    }

    pub(crate) fn struck(&mut self, place: Place, fault: Fault) {
        self.saw(&format!("{fault:?} at {place:?}"));
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (what, times) in other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }

    /// The faults that should have happened at least once and did not.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        FAULTS.iter().chain(TRIALS).copied().filter(|what| !self.0.contains_key(*what)).collect()
    }
}
