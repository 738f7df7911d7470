//! Who may say a message belongs to its type (`message.rs`); who did say it travels with the message and never changes.

use std::fmt;

use crate::Role;

/// The origin of a message: one of our own roles, or an outside party that may speak.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Speaker {
    /// A customer, by HTTP and with their own token.
    Customer,
    /// A shop that publishes its customers' commands.
    Shop,
    /// The payment provider: an event with a valid signature, or from a login that may speak for it.
    PaymentProvider,
    /// A person with an admin's token, or a login that may speak for one.
    Admin,
    /// A person at our own command line.
    Operator,
    /// The timers' own housekeeping, and the mock provider's courier.
    Timers,
    Order,
    Payment,
    Stock,
    Notification,
    Saga,
    /// The adapter that asks the payment provider.
    Provider,
    Email,
    Sms,
    /// Its origin is not proven, so it may say nothing.
    Outsider,
}

impl Speaker {
    pub const ALL: [Speaker; 15] = [
        Speaker::Customer,
        Speaker::Shop,
        Speaker::PaymentProvider,
        Speaker::Admin,
        Speaker::Operator,
        Speaker::Timers,
        Speaker::Order,
        Speaker::Payment,
        Speaker::Stock,
        Speaker::Notification,
        Speaker::Saga,
        Speaker::Provider,
        Speaker::Email,
        Speaker::Sms,
        Speaker::Outsider,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Speaker::Customer => "customer",
            Speaker::Shop => "shop",
            Speaker::PaymentProvider => "payment_provider",
            Speaker::Admin => "admin",
            Speaker::Operator => "operator",
            Speaker::Timers => "timers",
            Speaker::Order => "order",
            Speaker::Payment => "payment",
            Speaker::Stock => "stock",
            Speaker::Notification => "notification",
            Speaker::Saga => "saga",
            Speaker::Provider => "provider",
            Speaker::Email => "email",
            Speaker::Sms => "sms",
            Speaker::Outsider => "outsider",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|speaker| speaker.name() == name)
    }

    /// The role of ours that this speaker is, if it is one.
    pub fn role(self) -> Option<Role> {
        match self {
            Speaker::Order => Some(Role::Order),
            Speaker::Payment => Some(Role::Payment),
            Speaker::Stock => Some(Role::Stock),
            Speaker::Notification => Some(Role::Notification),
            Speaker::Saga => Some(Role::Saga),
            Speaker::Provider => Some(Role::Provider),
            Speaker::Email => Some(Role::Email),
            Speaker::Sms => Some(Role::Sms),
            Speaker::Customer
            | Speaker::Shop
            | Speaker::PaymentProvider
            | Speaker::Admin
            | Speaker::Operator
            | Speaker::Timers
            | Speaker::Outsider => None,
        }
    }
}

/// What a role says while it handles a message is its own. The gateway says nothing of its own: it passes on what
/// others say, and names them.
impl From<Role> for Speaker {
    fn from(role: Role) -> Self {
        match role {
            Role::Order => Speaker::Order,
            Role::Payment => Speaker::Payment,
            Role::Stock => Speaker::Stock,
            Role::Notification => Speaker::Notification,
            Role::Saga => Speaker::Saga,
            Role::Provider => Speaker::Provider,
            Role::Email => Speaker::Email,
            Role::Sms => Speaker::Sms,
            Role::Operator => Speaker::Operator,
            Role::Gateway => Speaker::Outsider,
        }
    }
}

impl fmt::Display for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for Speaker {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> serde::Deserialize<'de> for Speaker {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Speaker::named(&name).ok_or_else(|| serde::de::Error::custom(format!("{name:?} is no speaker")))
    }
}
