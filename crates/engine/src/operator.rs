//! An act by hand names who does it and why, and both stay in the journal.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who does something by hand, and why: it stays in the journal.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Operator {
    /// Of an admin, whatever the token says.
    #[serde(default)]
    pub by: String,
    #[serde(default)]
    pub why: String,
    /// With a replay: what to send instead of what failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Edited>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Edited {
    #[serde(default, rename = "type")]
    pub name: Option<String>,
    #[serde(default)]
    pub body: Option<String>,
}

impl Operator {
    pub fn new(by: impl Into<String>, why: impl Into<String>) -> Self {
        Self { by: by.into(), why: why.into(), edited: None }
    }
}
