//! Roles that handle nothing until an operator resumes them.

use async_trait::async_trait;
use contract::{Role, Time};
use serde::Serialize;

use super::{Error, Store};

#[async_trait]
pub trait Pauses: Store {
    /// The paused roles.
    async fn pauses(&self) -> Result<Vec<Pause>, Error>;
}

/// A role that handles nothing, in any process, until an operator resumes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pause {
    #[serde(serialize_with = "as_text")]
    pub role: Role,
    pub by: String,
    pub why: String,
    pub at: Time,
}

#[derive(Clone, Debug)]
pub enum PauseChange {
    /// Answers [`Error::Conflict`] if it is paused already.
    Pause(Pause),
    /// Answers [`Error::Conflict`] if it is not paused.
    Resume(Role),
}

fn as_text<S: serde::Serializer>(role: &Role, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(role)
}
