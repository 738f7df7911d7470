//! What the courier delivers, and what it failed to deliver.

use contract::{ProviderEvent, Time};

/// An event to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    pub event: ProviderEvent,
    /// How often: one script delivers an event three times.
    pub copies: u32,
    /// How often posting failed.
    pub tries: u32,
}

/// An event whose posting failed, so far or for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub event_id: String,
    pub tries: u32,
    /// The last answer.
    pub answer: String,
    pub at: Time,
    pub given_up: bool,
}
