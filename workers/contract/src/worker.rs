//! A worker is a queue, its records, and one total function from (records, message) to what should happen.

use crate::{Body, Message, OrderId, Record, Records, Role, Submit, Table, Time};

pub trait Worker: Send + Sync + 'static {
    const ROLE: Role;
    type Record: Record;

    /// Names every record that deciding on this message will read or write.
    fn needs(&self, message: &Message) -> Vec<Need>;

    /// Names what this worker will likely need next, when other workers of this process begin with an order: read
    /// together with their records, it costs no extra query. Too much or too little is no error.
    fn prefetch(&self, _course: PrefetchHint<'_>) -> Vec<Need> {
        Vec::new()
    }

    /// What should happen. The same records, message and time always give the same decision.
    fn decide(&self, records: &Records<Self::Record>, message: &Message, now: Time)
    -> Decision<Self::Record>;
}

/// The point that an order has reached in a process where several workers will handle it in turn.
#[derive(Clone, Copy, Debug)]
pub enum PrefetchHint<'a> {
    /// It is checked out: next it is created, its goods are held, and its payment is asked for.
    Checkout(&'a Submit),
    /// Its provider is asked or has spoken: next it is paid and its goods are shipped, or both are undone.
    Payment(OrderId),
}

impl<'a> PrefetchHint<'a> {
    #[allow(clippy::wildcard_enum_match_arm)]
    pub fn of(message: &'a Message) -> Option<Self> {
        match &message.body {
            Body::Submit(submit) => Some(Self::Checkout(submit)),
            Body::ProviderCharge(_)
            | Body::ProviderRefund(_)
            | Body::ProviderQuery(_)
            | Body::ProviderAnswer(_)
            | Body::ProviderEvent(_) => message.order_id.map(Self::Payment),
            _ => None,
        }
    }
}

/// A record by its address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Need {
    pub table: Table,
    pub id: String,
}

impl Need {
    pub fn of(table: Table, id: impl ToString) -> Self {
        Self { table, id: id.to_string() }
    }
}

/// Everything a worker wants done about one message. All of it happens, or none.
#[derive(Clone, Debug)]
pub struct Decision<R> {
    pub outcome: Outcome,
    pub save: Vec<R>,
    pub send: Vec<Body>,
    pub deadlines: Vec<Deadline>,
}

/// What a message came to, in words that stay in the journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Something changed, or an earlier answer was given again.
    Done(&'static str),
    /// Nothing to do, and why that is right.
    Ignored(&'static str),
    /// Handled, but a person should know.
    Alarm(String),
    /// Not handled: kept as a dead letter, with a code and what its sender should change.
    Parked { code: &'static str, why: String },
}

/// At most one deadline exists under a key; a new one replaces it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Deadline {
    Set { key: String, due: Time, body: Box<Body> },
    Clear { key: String },
}

impl<R> Decision<R> {
    pub fn done(what: &'static str) -> Self {
        Self::with(Outcome::Done(what))
    }

    pub fn ignored(why: &'static str) -> Self {
        Self::with(Outcome::Ignored(why))
    }

    pub fn alarm(why: impl Into<String>) -> Self {
        Self::with(Outcome::Alarm(why.into()))
    }

    pub fn parked(code: &'static str, why: impl Into<String>) -> Self {
        Self::with(Outcome::Parked { code, why: why.into() })
    }

    /// For a message that the routing table should never have sent here.
    pub fn misrouted(role: Role, message: &Message) -> Self {
        Self::parked("misrouted", format!("{} is not for the {role} worker", message.name()))
    }

    pub fn save(mut self, record: impl Into<R>) -> Self {
        self.save.push(record.into());
        self
    }

    pub fn say(mut self, body: Body) -> Self {
        self.send.push(body);
        self
    }

    pub fn deadline(mut self, deadline: Deadline) -> Self {
        self.deadlines.push(deadline);
        self
    }

    fn with(outcome: Outcome) -> Self {
        Self { outcome, save: Vec::new(), send: Vec::new(), deadlines: Vec::new() }
    }
}

/// Makes the enum of the messages that one worker reads, so that its `match` can be checked for completeness.
#[macro_export]
macro_rules! inbox {
    ($(#[$doc:meta])* enum $name:ident { $($variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        enum $name<'a> { $($variant(&'a $crate::bodies::$variant)),* }

        impl<'a> $name<'a> {
            #[allow(clippy::wildcard_enum_match_arm)]
            fn read(body: &'a $crate::Body) -> Option<Self> {
                match body { $($crate::Body::$variant(payload) => Some(Self::$variant(payload)),)* _ => None }
            }
        }
    };
}
