//! Which role reads which queue, and keeps a journal under which name.

use std::fmt;

/// A queue of ours. On RabbitMQ its name is the prefix, a dot, and this name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Queue {
    Intake,
    Order,
    Payment,
    Stock,
    Notification,
    Saga,
    Provider,
    Email,
    Sms,
}

impl Queue {
    pub const ALL: [Queue; 9] = [
        Queue::Intake,
        Queue::Order,
        Queue::Payment,
        Queue::Stock,
        Queue::Notification,
        Queue::Saga,
        Queue::Provider,
        Queue::Email,
        Queue::Sms,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Queue::Intake => "intake",
            Queue::Order => "order",
            Queue::Payment => "payment",
            Queue::Stock => "stock",
            Queue::Notification => "notification",
            Queue::Saga => "saga",
            Queue::Provider => "provider",
            Queue::Email => "email",
            Queue::Sms => "sms",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.name() == name)
    }

    /// The one role that handles the messages of this queue.
    pub fn reader(self) -> Role {
        match self {
            Queue::Intake | Queue::Order => Role::Order,
            Queue::Payment => Role::Payment,
            Queue::Stock => Role::Stock,
            Queue::Notification => Role::Notification,
            Queue::Saga => Role::Saga,
            Queue::Provider => Role::Provider,
            Queue::Email => Role::Email,
            Queue::Sms => Role::Sms,
        }
    }
}

/// The roles that handle messages or bring them in. Each has its own rows in the journal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    Order,
    Payment,
    Stock,
    Notification,
    Saga,
    Provider,
    Email,
    Sms,
    /// Brings in what comes from outside by HTTP or from the provider.
    Gateway,
    /// A person who replays or discards a dead letter.
    Operator,
}

impl Role {
    pub const ALL: [Role; 10] = [
        Role::Order,
        Role::Payment,
        Role::Stock,
        Role::Notification,
        Role::Saga,
        Role::Provider,
        Role::Email,
        Role::Sms,
        Role::Gateway,
        Role::Operator,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Role::Order => "order",
            Role::Payment => "payment",
            Role::Stock => "stock",
            Role::Notification => "notification",
            Role::Saga => "saga",
            Role::Provider => "provider",
            Role::Email => "email",
            Role::Sms => "sms",
            Role::Gateway => "gateway",
            Role::Operator => "operator",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
