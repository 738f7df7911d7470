//! What the courier carries, and what was posted in vain.

use contract::{ProviderEvent, Time};

/// An event that is to be brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    pub event: ProviderEvent,
    /// How often: one is scripted to come three times.
    pub copies: u32,
    /// How often it was posted in vain.
    pub tries: u32,
}

/// An event that was posted in vain so far, or for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub event_id: String,
    pub tries: u32,
    /// The last one.
    pub answer: String,
    pub at: Time,
    pub given_up: bool,
}
