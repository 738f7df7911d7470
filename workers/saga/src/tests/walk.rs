//! Any messages, in any order: no saga is silently stuck, what is undone was asked for, and steps are undone in
//! reverse order. Once every worker answers again, every saga ends.

use contract::Body;

use super::*;
use crate::checkout::{Definition, Way};
use crate::interpreter::Phase;

const WALKS: u64 = 500;
const STEPS: usize = 30;
/// More than there are steps, forward and back, with an operator at each.
const STEPS_TO_END: usize = 40;

const MESSAGES: &[&str] = &[
    "cancel",
    "overdue",
    "overdue",
    "overdue",
    "stale overdue",
    "retry",
    "retry",
    "resolve done",
    "give up",
    "fire",
    "move",
    "move back",
    "wait",
    "stock.reserved",
    "stock.refused",
    "stock.released",
    "stock.shipped",
    "stock.ship_refused",
    "stock.restocked",
    "payment.captured",
    "payment.declined",
    "payment.declined (timeout)",
    "payment.refunded",
    "payment.refund_failed",
    "payment.refund_failed (late)",
    "payment.voided",
    "order.accepted",
    "order.paid",
    "order.fulfilled",
    "order.cancelled",
    "order.refunded",
    "order.returned",
];

/// Numbers that look random and are the same each time (Knuth's MMIX).
struct Rng(u64);

impl Rng {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// Which steps were asked for, and the last that was undone.
#[derive(Default)]
struct Path {
    asked: Vec<usize>,
    undone: Option<usize>,
}

#[test]
fn whatever_comes_every_saga_moves_or_calls_an_operator_and_ends_once_all_answer() {
    for seed in 0..WALKS {
        for (first, prefix) in [("start", ""), ("start later", ""), ("start cod", ""), ("#1 return", "#1 ")] {
            let mut rng = Rng(seed);
            let (mut store, mut path, mut story) = (SagaStore::default(), Path::default(), Vec::new());
            for at in 0..STEPS + STEPS_TO_END {
                let honest = at >= STEPS || rng.below(2) == 0;
                let message = match at {
                    0 => first.to_string(),
                    _ if honest => match expected(&store, return_no(prefix)) {
                        Some(message) => format!("{prefix}{message}"),
                        None if at >= STEPS => break,
                        None => continue,
                    },
                    _ => format!("{prefix}{}", MESSAGES[rng.below(MESSAGES.len())]),
                };
                story.push(message.clone());
                let decision = store.hear(&message);
                if let Some(broken) = path.broken(&store, &decision.send, return_no(prefix)) {
                    panic!("seed {seed}: {broken}\n{story:#?}\n{}", store.standing(return_no(prefix)));
                }
            }
            let ended = store.saga(return_no(prefix)).unwrap().status;
            assert!(
                matches!(ended, Status::Completed | Status::Undone),
                "seed {seed}: {ended:?}\n{story:#?}"
            );
        }
    }
}

impl Path {
    fn broken(&mut self, store: &SagaStore, send: &[Body], return_no: u32) -> Option<&'static str> {
        let saga = store.saga(return_no)?;
        let definition = Definition::of(&saga.definition, saga.version)?;
        let reopened = saga.attention.as_ref().is_some_and(|a| a.why.contains("late"));
        if reopened {
            self.undone = None;
        }
        for body in send {
            let subject = saga.subject.as_ref()?;
            for (at, step) in definition.steps.iter().enumerate() {
                if (step.ask)(subject).name() == body.name() {
                    self.asked.push(at);
                }
                if !matches!(&step.undo, Way::By(undo) if undo(subject).name() == body.name()) {
                    continue;
                }
                if !self.asked.contains(&at) {
                    return Some("a step was undone that was never asked for");
                }
                if self.undone.is_some_and(|undone| at > undone) {
                    return Some("a step was undone before a later one");
                }
                self.undone = Some(at);
            }
        }
        let waits = store.deadlines.contains_key(&saga_id(order_id(), return_no));
        match saga.status {
            Status::Running | Status::Unwinding => (!waits).then_some("nobody will ever wake it"),
            Status::NeedsAttention => {
                let untold = saga.attention.as_ref().is_none_or(|a| a.why.is_empty() || a.actions.is_empty());
                untold.then_some("an operator is called and not told what can be done")
            }
            Status::Completed | Status::Undone => waits.then_some("it has ended and is still waited for"),
            Status::Awaited => Some("it was started"),
        }
    }
}

/// The next answer of a world without faults; `None` once the saga has ended.
fn expected(store: &SagaStore, return_no: u32) -> Option<&'static str> {
    let saga = store.saga(return_no)?;
    if saga.status == Status::NeedsAttention {
        return Some("retry");
    }
    match saga.progress?.phase {
        Phase::Forward(_) => Some(match saga.step.as_str() {
            "hold_stock" => "stock.reserved",
            "take_payment" | "await_payment" | "collect_cash" => "payment.captured",
            "mark_accepted" => "order.accepted",
            "mark_paid" => "order.paid",
            "ship" => "stock.shipped",
            "mark_fulfilled" => "order.fulfilled",
            "refund" => "payment.refunded",
            "take_back" => "stock.restocked",
            "mark_returned" => "order.returned",
            other => panic!("who answers {other}?"),
        }),
        Phase::Backward(_) => Some(match saga.step.as_str() {
            "hold_stock" => "stock.released",
            "take_payment" | "await_payment" | "collect_cash" => "payment.refunded",
            "ship" => "stock.restocked",
            other => panic!("who undoes {other}?"),
        }),
        Phase::Closing => Some("order.cancelled"),
        Phase::Completed | Phase::Undone => None,
    }
}
