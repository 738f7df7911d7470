//! The kinds of work that a process does in the database: its login needs the rights for these and no others.

use contract::Role;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// Handles the messages of this role, or, as the gateway, journals messages from outside.
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

    /// The role of the journal rows that it writes. The timers journal their messages as a gateway does.
    pub fn journals_as(self) -> Role {
        match self {
            Work::Of(role) => role,
            Work::Timers => Role::Gateway,
        }
    }
}
