//! What is stored of a saga; readable as JSON by a person who wants to know where an order is.

use contract::{MessageId, OrderId, Reason, Short, Stored, Table, Time, Wish, records};
use serde::{Deserialize, Serialize};

use crate::checkout::Definition;
use crate::interpreter::{Phase, Progress};
use crate::subject::Subject;

records! {
    pub enum Record { Saga }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Saga {
    pub order_id: OrderId,
    /// 0 for the checkout, n for the n-th return.
    pub return_no: u32,
    pub status: Status,
    /// The step that is being asked for or undone.
    pub step: String,
    pub definition: String,
    pub version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The code of the decline, if that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_code: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub short: Vec<Short>,
    /// Why it waits for an operator, and what the operator can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention: Option<Attention>,
    /// What operators did, with their evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interventions: Vec<Intervention>,
    /// How many askings there were; every asking has its own deadline.
    pub asked: u32,
    pub(crate) progress: Option<Progress>,
    pub(crate) subject: Option<Subject>,
    /// A cancellation that came before the saga's own start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cancel_early: Option<Reason>,
    /// The reason that came with the cancellation, and who gave it.
    #[serde(default, skip_serializing_if = "Wish::is_silent")]
    pub(crate) wish: Wish,
    pub created_at: Time,
    pub updated_at: Time,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A cancellation came first; the start is on its way.
    Awaited,
    Running,
    Unwinding,
    NeedsAttention,
    Completed,
    Undone,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attention {
    pub why: String,
    pub actions: Vec<String>,
    pub since: Time,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Intervention {
    pub at: Time,
    pub by: String,
    pub what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    pub message_id: MessageId,
}

impl Stored for Saga {
    const TABLE: Table = Table::Sagas;
    fn id(&self) -> String {
        saga_id(self.order_id, self.return_no)
    }
}

/// A checkout's saga is known by its order; a return's by order and number.
pub fn saga_id(order_id: OrderId, return_no: u32) -> String {
    match return_no {
        0 => order_id.to_string(),
        n => format!("{order_id}/return/{n}"),
    }
}

impl Status {
    pub(crate) fn of(progress: &Progress) -> Self {
        match (progress.stuck.is_some(), progress.phase) {
            (true, _) => Status::NeedsAttention,
            (false, Phase::Forward(_)) => Status::Running,
            (false, Phase::Backward(_) | Phase::Closing) => Status::Unwinding,
            (false, Phase::Completed) => Status::Completed,
            (false, Phase::Undone) => Status::Undone,
        }
    }
}

impl Saga {
    pub(crate) fn new(definition: &Definition, subject: Subject, now: Time) -> Self {
        Self {
            order_id: subject.order_id,
            return_no: subject.return_no,
            status: Status::Running,
            step: String::new(),
            definition: definition.name.to_string(),
            version: definition.version,
            reason: None,
            decline_code: None,
            short: Vec::new(),
            attention: None,
            interventions: Vec::new(),
            asked: 0,
            progress: None,
            subject: Some(subject),
            cancel_early: None,
            wish: Wish::default(),
            created_at: now,
            updated_at: now,
        }
    }

    pub(crate) fn awaited(order_id: OrderId, reason: Reason, wish: Wish, now: Time) -> Self {
        Self {
            order_id,
            return_no: 0,
            status: Status::Awaited,
            step: String::new(),
            definition: String::new(),
            version: 0,
            reason: None,
            decline_code: None,
            short: Vec::new(),
            attention: None,
            interventions: Vec::new(),
            asked: 0,
            progress: None,
            subject: None,
            cancel_early: Some(reason),
            wish,
            created_at: now,
            updated_at: now,
        }
    }

    /// A cancellation would be granted: nothing was asked so far that cannot be taken back.
    pub fn can_be_cancelled(&self) -> bool {
        let plan = Definition::of(&self.definition, self.version).map(Definition::rules);
        self.progress.as_ref().zip(plan).is_some_and(|(progress, plan)| progress.can_turn_around(&plan))
    }

    /// It has neither turned around nor ended.
    pub fn goes_forward(&self) -> bool {
        self.forward_at().is_some()
    }

    pub(crate) fn forward_at(&self) -> Option<usize> {
        match self.progress.as_ref().map(|progress| progress.phase) {
            Some(Phase::Forward(at)) => Some(at),
            Some(Phase::Backward(_) | Phase::Closing | Phase::Completed | Phase::Undone) | None => None,
        }
    }
}
