//! What workers remember: one versioned JSON document per record, in a table that one worker owns.

use std::collections::HashMap;
use std::sync::Arc;

use crate::{Need, Role};

/// Every table that holds records. Only its owner writes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Table {
    Orders,
    Submissions,
    Audit,
    Products,
    Discounts,
    Methods,
    Carts,
    Stock,
    Holds,
    Payments,
    Wallets,
    Notices,
    Sagas,
}

impl Table {
    pub const ALL: [Table; 13] = [
        Table::Orders,
        Table::Submissions,
        Table::Audit,
        Table::Products,
        Table::Discounts,
        Table::Methods,
        Table::Carts,
        Table::Stock,
        Table::Holds,
        Table::Payments,
        Table::Wallets,
        Table::Notices,
        Table::Sagas,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Table::Orders => "orders",
            Table::Submissions => "submissions",
            Table::Audit => "audit",
            Table::Products => "products",
            Table::Discounts => "discounts",
            Table::Methods => "methods",
            Table::Carts => "carts",
            Table::Stock => "stock",
            Table::Holds => "holds",
            Table::Payments => "payments",
            Table::Wallets => "wallets",
            Table::Notices => "notices",
            Table::Sagas => "sagas",
        }
    }

    /// Rows are added and never changed; the database refuses anything else.
    pub fn append_only(self) -> bool {
        self == Table::Audit
    }

    pub fn contention(self) -> Contention {
        match self {
            Table::Products | Table::Discounts | Table::Methods => Contention::MostlyRead,
            Table::Orders
            | Table::Submissions
            | Table::Audit
            | Table::Carts
            | Table::Holds
            | Table::Payments
            | Table::Wallets
            | Table::Notices
            | Table::Sagas => Contention::Seldom,
            Table::Stock => Contention::Hot,
        }
    }

    pub fn owner(self) -> Role {
        match self {
            Table::Orders
            | Table::Submissions
            | Table::Audit
            | Table::Products
            | Table::Discounts
            | Table::Methods
            | Table::Carts => Role::Order,
            Table::Stock | Table::Holds => Role::Stock,
            Table::Payments | Table::Wallets => Role::Payment,
            Table::Notices => Role::Notification,
            Table::Sagas => Role::Saga,
        }
    }
}

/// How likely two batches use the same record of a table, and so how a store should read it for deciding. If the
/// store neither locks the record nor adds changes up, a change in between is a conflict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contention {
    /// Read far more often than written: locking readers would make them wait for each other needlessly.
    MostlyRead,
    /// It belongs to one order or customer: only replicas that work on the same order conflict, so a lock pays only
    /// in large batches.
    Seldom,
    /// Many orders change it: with a lock, one process at a time could work; without more, the best-selling record
    /// would cause one conflict after the other. A store adds up what its processes change of it.
    Hot,
}

/// A struct that is stored as one record.
pub trait Stored: Clone {
    const TABLE: Table;
    /// Its key within the table.
    fn id(&self) -> String;
}

/// A worker's records, in whichever of its tables. Written by [`records!`](crate::records).
pub trait Record: Clone + Send + Sync + 'static {
    fn table(&self) -> Table;
    fn id(&self) -> String;
    /// Serialised once, and shared by all readers.
    fn to_json(&self) -> Arc<str>;
    /// Fails on a document that this version cannot read.
    fn from_json(table: Table, json: &str) -> Result<Self, String>;
}

/// `R` may hold a `T`.
pub trait Holds<T> {
    fn held(&self) -> Option<&T>;
}

/// Makes one enum of all record types of a worker.
#[macro_export]
macro_rules! records {
    ($(#[$doc:meta])* pub enum $name:ident { $($kind:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub enum $name { $($kind($kind)),* }

        impl $crate::Record for $name {
            fn table(&self) -> $crate::Table {
                match self { $($name::$kind(_) => <$kind as $crate::Stored>::TABLE),* }
            }
            fn id(&self) -> String {
                match self { $($name::$kind(record) => $crate::Stored::id(record)),* }
            }
            fn to_json(&self) -> ::std::sync::Arc<str> {
                match self { $($name::$kind(record) => $crate::json_of(record)),* }
            }
            fn from_json(table: $crate::Table, json: &str) -> Result<Self, String> {
                $(if table == <$kind as $crate::Stored>::TABLE {
                    return ::serde_json::from_str(json).map($name::$kind).map_err(|e| e.to_string());
                })*
                Err(format!("{} is no table of this worker", table.name()))
            }
        }

        $(
            impl $crate::Holds<$kind> for $name {
                #[allow(unreachable_patterns, clippy::wildcard_enum_match_arm)]
                fn held(&self) -> Option<&$kind> {
                    match self { $name::$kind(record) => Some(record), _ => None }
                }
            }
            impl From<$kind> for $name {
                fn from(record: $kind) -> Self { $name::$kind(record) }
            }
        )*
    };
}

/// The records that a batch needs, as they are after the decisions so far.
#[derive(Clone, Debug)]
pub struct Records<R> {
    slots: HashMap<Need, Slot<R>>,
}

#[derive(Clone, Debug)]
struct Slot<R> {
    /// The version in the database; 0: it does not exist.
    version: i64,
    record: Option<R>,
    changed: bool,
}

impl<R> Default for Records<R> {
    fn default() -> Self {
        Self { slots: HashMap::new() }
    }
}

impl<R: Record> Records<R> {
    pub fn reserve(&mut self, more: usize) {
        self.slots.reserve(more);
    }

    /// Takes in what was found (`None`: read and absent).
    pub fn put(&mut self, need: Need, found: Option<(i64, R)>) {
        let (version, record) = found.map_or((0, None), |(version, record)| (version, Some(record)));
        self.slots.insert(need, Slot { version, record, changed: false });
    }

    /// # Panics
    /// When the record was not named in `needs`: a worker that guesses is a defect, and its message goes
    /// to the dead letters with this text.
    pub fn get<T: Stored>(&self, id: &str) -> Option<&T>
    where
        R: Holds<T>,
    {
        let need = Need { table: T::TABLE, id: id.to_string() };
        let slot = self.slots.get(&need);
        let slot = slot.unwrap_or_else(|| panic!("{} {id} was not named in needs()", T::TABLE.name()));
        slot.record.as_ref().and_then(Holds::held)
    }

    /// # Panics
    /// When the record was not named in `needs` (entries of an append-only table need not be named: no decision reads
    /// them).
    pub fn save(&mut self, record: R) {
        let need = Need { table: record.table(), id: record.id() };
        if need.table.append_only() {
            self.slots.entry(need.clone()).or_insert(Slot { version: 0, record: None, changed: false });
        }
        let slot = self.slots.get_mut(&need);
        let slot =
            slot.unwrap_or_else(|| panic!("{} {} was not named in needs()", need.table.name(), need.id));
        slot.record = Some(record);
        slot.changed = true;
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub fn contains(&self, need: &Need) -> bool {
        self.slots.contains_key(need)
    }

    /// What has to be written, in no particular order.
    pub fn changed(&self) -> impl Iterator<Item = (&Need, i64, &R)> {
        self.slots
            .iter()
            .filter(|(_, slot)| slot.changed)
            .filter_map(|(need, slot)| slot.record.as_ref().map(|record| (need, slot.version, record)))
    }
}
