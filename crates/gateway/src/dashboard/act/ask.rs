//! The actions on an order by name, and the message that each sends.

use contract::{
    Body, By, DeadlineChange, Line, OrderArchive, OrderCancel, OrderId, OrderRefund, Resolution, Role,
    SagaDeadline, SagaResolve, SagaRetry, Sku, Time,
};
use serde::Deserialize;

use crate::problem::Problem;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Act {
    Cancel,
    Refund,
    Archive,
    Retry,
    Done,
    GiveUp,
    Fire,
    Move,
    Wait,
}

/// The fields of an action's query or form; those that an action does not need are empty.
#[derive(Default, Deserialize)]
pub(super) struct ActionParams {
    #[serde(default, rename = "return")]
    pub(super) return_no: Option<u32>,
    /// `SKU=QUANTITY`, separated by spaces.
    #[serde(default)]
    pub(super) items: String,
    #[serde(default)]
    pub(super) due: String,
    #[serde(default)]
    pub(super) message_id: String,
    #[serde(default)]
    pub(super) words: String,
}

const ACTS: [Act; 9] = [
    Act::Cancel,
    Act::Refund,
    Act::Archive,
    Act::Retry,
    Act::Done,
    Act::GiveUp,
    Act::Fire,
    Act::Move,
    Act::Wait,
];

impl Act {
    pub(super) fn named(name: &str) -> Option<Self> {
        ACTS.into_iter().find(|act| act.name() == name)
    }

    /// From the name in the order's list of actions. Booking cash is not offered here; the command line does it.
    pub(super) fn of_order(action: &str) -> Option<Self> {
        match action {
            "cancel" => Some(Act::Cancel),
            "refund" => Some(Act::Refund),
            "archive" => Some(Act::Archive),
            _ => None,
        }
    }

    /// From the name in the list of a saga that waits for an operator.
    pub(super) fn of_saga(action: &str) -> Option<Self> {
        match action {
            "retry" => Some(Act::Retry),
            "resolve done" => Some(Act::Done),
            "resolve give_up" => Some(Act::GiveUp),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Act::Cancel => "cancel",
            Act::Refund => "refund",
            Act::Archive => "archive",
            Act::Retry => "retry",
            Act::Done => "done",
            Act::GiveUp => "give-up",
            Act::Fire => "fire",
            Act::Move => "move",
            Act::Wait => "wait",
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Act::Cancel => "Cancel the order",
            Act::Refund => "Take goods back and refund",
            Act::Archive => "Put it in the archive",
            Act::Retry => "Ask for the step again",
            Act::Done => "Mark the step as done outside",
            Act::GiveUp => "Give up and undo what was done",
            Act::Fire => "Let its deadline come now",
            Act::Move => "Move its deadline",
            Act::Wait => "Cancel its deadline, and wait",
        }
    }

    pub(super) fn asks_for(self) -> &'static str {
        match self {
            Act::Done | Act::GiveUp => "What proves it",
            Act::Cancel | Act::Refund | Act::Archive | Act::Retry | Act::Fire | Act::Move | Act::Wait => {
                "Reason"
            }
        }
    }

    /// The worker that decides on it.
    pub(super) fn answers(self) -> Role {
        match self {
            Act::Cancel | Act::Refund | Act::Archive => Role::Order,
            Act::Retry | Act::Done | Act::GiveUp | Act::Fire | Act::Move | Act::Wait => Role::Saga,
        }
    }
}

impl ActionParams {
    /// The fields that the form copies from the query.
    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("return", self.return_no.unwrap_or(0).to_string()),
            ("items", self.items.clone()),
            ("due", self.due.clone()),
        ]
    }

    pub(super) fn body(
        &self,
        act: Act,
        order_id: OrderId,
        who: &str,
        words: &str,
        now: Time,
    ) -> Result<Body, Problem> {
        let return_no = self.return_no.unwrap_or(0);
        let (by, why) = (who.to_string(), words.to_string());
        let (reason, name) = (Some(why.clone()), Some(by.clone()));
        let deadline =
            |change, by, why| Body::SagaDeadline(SagaDeadline { order_id, return_no, change, by, why });
        let resolve = |outcome, by, evidence| {
            Body::SagaResolve(SagaResolve { order_id, return_no, outcome, evidence, by })
        };
        Ok(match act {
            Act::Cancel => {
                let (by, who, customer_id) = (By::Admin, name, None);
                Body::OrderCancel(OrderCancel { order_id, reason, by, who, customer_id })
            }
            Act::Refund => {
                Body::OrderRefund(OrderRefund { order_id, items: self.lines()?, reason, who: name })
            }
            Act::Archive => Body::OrderArchive(OrderArchive { order_id, reason, who: name }),
            Act::Retry => Body::SagaRetry(SagaRetry { order_id, return_no, by, why: reason }),
            Act::Done => resolve(Resolution::Done, by, why),
            Act::GiveUp => resolve(Resolution::GiveUp, by, why),
            Act::Fire => deadline(DeadlineChange::Fire, by, why),
            Act::Move => deadline(DeadlineChange::Move { due: self.due_at(now) }, by, why),
            Act::Wait => deadline(DeadlineChange::Cancel, by, why),
        })
    }

    /// Parses a browser's time, which has no zone and counts as UTC here; by default, one hour from now.
    pub(super) fn due_at(&self, now: Time) -> Time {
        let seconds = if self.due.len() == "2026-12-24T18:00".len() { ":00Z" } else { "Z" };
        let given = format!("{}{seconds}", self.due).parse().ok().or_else(|| self.due.parse().ok());
        // Whole seconds, which is the precision of the input.
        given.unwrap_or(Time::from_unix_ms(now.plus_s(3600).unix_ms() / 1000 * 1000))
    }

    fn lines(&self) -> Result<Option<Vec<Line>>, Problem> {
        let line = |text: &str| {
            let (sku, quantity) = text.rsplit_once('=')?;
            Some(Line { sku: Sku::new(sku)?, quantity: quantity.parse().ok()? })
        };
        let lines: Option<Vec<Line>> = self.items.split_whitespace().map(line).collect();
        let why = "items are written like BOOK-DUNE=1, apart by spaces";
        let lines = lines.ok_or_else(|| Problem::unprocessable("FORM_INVALID", why))?;
        Ok((!lines.is_empty()).then_some(lines))
    }
}
