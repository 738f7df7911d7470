//! What a process does with the database: its login needs rights for that and for nothing else.

use contract::Role;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// Handles messages, or lets them in.
    Of(Role),
    Timers,
}

impl Work {
    pub fn name(self) -> &'static str {
        match self {
            Work::Of(role) => role.name(),
            Work::Timers => "timers",
        }
    }

    /// In whose name it writes to the journal: what the timers let in, they let in as a gateway would.
    pub fn journals_as(self) -> Role {
        match self {
            Work::Of(role) => role,
            Work::Timers => Role::Gateway,
        }
    }
}
