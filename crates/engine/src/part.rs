//! What a process runs is a set of parts, and every part may run any number of times.

use std::collections::BTreeSet;
use std::fmt;

use contract::{Queue, Role};
use store::Work;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    /// A role at its queues.
    Worker(Role),
    /// The HTTP side.
    Gateway,
    /// Deadlines, housekeeping, the import of dead letters, and the mock provider's courier.
    Timers,
}

pub type Parts = BTreeSet<Part>;

/// The roles that have queues, and which.
pub const WORKERS: [(Role, &[Queue]); 8] = [
    // New checkouts come last, so that under overload accepted orders finish first.
    (Role::Order, &[Queue::Order, Queue::Intake]),
    (Role::Payment, &[Queue::Payment]),
    (Role::Stock, &[Queue::Stock]),
    (Role::Notification, &[Queue::Notification]),
    (Role::Saga, &[Queue::Saga]),
    (Role::Provider, &[Queue::Provider]),
    (Role::Email, &[Queue::Email]),
    (Role::Sms, &[Queue::Sms]),
];

impl Part {
    /// A whole system.
    pub fn all() -> Parts {
        let workers = WORKERS.iter().map(|(role, _)| Part::Worker(*role));
        workers.chain([Part::Gateway, Part::Timers]).collect()
    }

    /// What it does with the database.
    pub fn work(self) -> Work {
        match self {
            Part::Worker(role) => Work::Of(role),
            Part::Gateway => Work::Of(Role::Gateway),
            Part::Timers => Work::Timers,
        }
    }

    /// It touches the mock world: it charges, sends notices, or brings the provider's events.
    pub fn is_outside(self) -> bool {
        match self {
            Part::Worker(role) => matches!(role, Role::Provider | Role::Email | Role::Sms),
            Part::Timers => true,
            Part::Gateway => false,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Worker(role) => role.fmt(f),
            Part::Gateway => f.write_str("gateway"),
            Part::Timers => f.write_str("timers"),
        }
    }
}

/// `payment+stock`, or `all`: for logs, and for the names of connections.
pub fn named(parts: &Parts) -> String {
    if *parts == Part::all() {
        return "all".to_string();
    }
    if parts.len() > NAMED_MAX {
        return format!("{} parts", parts.len());
    }
    parts.iter().map(Part::to_string).collect::<Vec<_>>().join("+")
}

/// Connections have room for 63 bytes.
const NAMED_MAX: usize = 4;

/// The queues that these parts read.
pub fn queues(parts: &Parts) -> Vec<Queue> {
    let here = WORKERS.iter().filter(|(role, _)| parts.contains(&Part::Worker(*role)));
    here.flat_map(|(_, queues)| queues.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_is_read_by_the_role_that_is_named_for_it() {
        assert_eq!(queues(&Part::all()).into_iter().collect::<BTreeSet<_>>(), Queue::ALL.into());
        for (role, queues) in WORKERS {
            assert!(queues.iter().all(|queue| queue.reader() == role));
        }
    }
}
