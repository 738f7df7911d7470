//! A record can remember the results of its last writes, so that a write's sender finds its own by reading the
//! record.

use serde::{Deserialize, Serialize};

use crate::{Fault, MessageId};

/// A sender that has not read its answer after this many later writes has stopped waiting.
const ANSWERS_MAX: usize = 16;

/// The results of the last writes, oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Answers(Vec<Answer>);

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Answer {
    pub message_id: MessageId,
    /// Why nothing was changed; absent when it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Fault>,
}

impl Answers {
    pub fn push(&mut self, message_id: &MessageId, refused: Option<Fault>) {
        self.0.push(Answer { message_id: message_id.clone(), refused });
        let too_many = self.0.len().saturating_sub(ANSWERS_MAX);
        self.0.drain(..too_many);
    }

    pub fn to(&self, message_id: &MessageId) -> Option<&Answer> {
        self.0.iter().find(|answer| answer.message_id == *message_id)
    }
}
