//! Knows how a saga moves and nothing about what it is for: steps are numbers, and an input gives one move.

use serde::{Deserialize, Serialize};

/// What the interpreter has to know about a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// Once this is asked, the order cannot be cancelled any more.
    pub(crate) pivot: bool,
    pub(crate) undo: Undo,
    pub(crate) overdue: Overdue,
    pub(crate) declined: Declined,
    /// An operator may book its refund as made by hand.
    pub(crate) by_hand: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Undo {
    ByCommand,
    /// Undoing skips it, for this reason.
    Needless(&'static str),
    /// It cannot be taken back, for this reason: a saga that has done it cannot turn around.
    Impossible(&'static str),
}

/// What to do when a step's answer does not come in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Overdue {
    /// It is one of our workers: it answers from its record.
    AskAgain,
    /// Ask the worker that can find out what became of it.
    Check,
    /// Only an operator can find out.
    CallOperator,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Declined {
    TurnAround,
    CallOperator,
}

/// The state of a saga. Everything it will do next follows from this and the next input.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) phase: Phase,
    pub(crate) steps: Vec<Standing>,
    /// How often the current asking was repeated.
    pub(crate) repeats: u32,
    /// A cancellation is wanted, and the pivot's answer is still out.
    pub(crate) cancel: bool,
    /// Why nothing goes on without an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stuck: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "step")]
pub(crate) enum Phase {
    Forward(usize),
    Backward(usize),
    /// Everything is undone; the order is being informed.
    Closing,
    Completed,
    Undone,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    Idle,
    /// Asked and not answered: it may have happened.
    Asked,
    Done,
    Declined,
    Undone,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Input {
    Done(usize),
    Declined(usize),
    Undone(usize),
    UndoFailed(usize),
    Closed,
    Overdue,
    Cancel,
    Retry,
    ResolveDone,
    GiveUp,
    /// Wait for the answer without a deadline.
    Wait,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Move {
    Ask(usize),
    Check(usize),
    Undo(usize),
    Close,
    Complete,
    End,
    /// Ask for nothing more; an operator has to look.
    Stop,
    RefuseCancel,
    /// The pivot came through although a cancellation was wanted: go on, and refuse the cancellation.
    RefuseCancelAndAsk(usize),
    RefuseCancelAndComplete,
    /// Book the refund of this step as made by hand.
    ByHand(usize),
    Nothing(&'static str),
    /// What the operator wants is impossible.
    Refuse(&'static str),
}

/// Asked six times in all before an operator is called.
const REPEATS_MAX: u32 = 5;

impl Progress {
    pub(crate) fn start(plan: &[Rule]) -> (Self, Move) {
        let mut steps = vec![Standing::Idle; plan.len()];
        steps[0] = Standing::Asked;
        (Self { phase: Phase::Forward(0), steps, repeats: 0, cancel: false, stuck: None }, Move::Ask(0))
    }

    pub(crate) fn advance(&mut self, plan: &[Rule], input: Input) -> Move {
        match input {
            Input::Retry => return self.retry(),
            Input::ResolveDone => return self.resolve_done(plan),
            Input::GiveUp => return self.give_up(plan),
            Input::Wait => return self.wait(),
            Input::Cancel => return self.cancel(plan),
            Input::Done(_)
            | Input::Declined(_)
            | Input::Undone(_)
            | Input::UndoFailed(_)
            | Input::Closed
            | Input::Overdue => {}
        }
        match self.phase {
            Phase::Forward(at) => self.forward(plan, at, input),
            Phase::Backward(at) => self.backward(plan, at, input),
            Phase::Closing => self.closing(plan, input),
            Phase::Undone => self.undone(plan, input),
            Phase::Completed => Move::Nothing("the saga has ended"),
        }
    }

    fn forward(&mut self, plan: &[Rule], at: usize, input: Input) -> Move {
        match input {
            Input::Done(step) if step == at => self.step_done(plan, at),
            Input::Declined(step) if step == at => match plan[at].declined {
                Declined::TurnAround => {
                    self.steps[at] = Standing::Declined;
                    self.turn_around(plan)
                }
                Declined::CallOperator => self.stop("it was refused; only a person can tell what to do"),
            },
            // Money came and could not be refunded before its refusal was heard: the saga is turning around already.
            Input::UndoFailed(step) if step == at && plan[at].undo == Undo::ByCommand => {
                self.reopen(plan, step)
            }
            Input::UndoFailed(step) if step == at => self.stop("it failed for good"),
            Input::Done(_) => Move::Nothing("answered before"),
            Input::Declined(_) => Move::Nothing("declined before, and asked again since"),
            Input::Undone(_) | Input::UndoFailed(_) | Input::Closed => Move::Nothing("no undo was asked for"),
            Input::Overdue => match (self.stuck.is_some(), plan[at].overdue, self.repeat()) {
                (true, ..) => Move::Nothing("an operator was called already"),
                (false, Overdue::CallOperator, _) => self.stop("no answer came in time"),
                (false, _, false) => self.stop("asked again and again, and no answer came"),
                (false, Overdue::AskAgain, true) => Move::Ask(at),
                (false, Overdue::Check, true) => Move::Check(at),
            },
            Input::Cancel | Input::Retry | Input::ResolveDone | Input::GiveUp | Input::Wait => {
                Move::Nothing("an operator's inputs are handled before")
            }
        }
    }

    fn step_done(&mut self, plan: &[Rule], at: usize) -> Move {
        self.steps[at] = Standing::Done;
        let refused = std::mem::take(&mut self.cancel);
        self.fresh();
        let next = at + 1;
        if next == plan.len() {
            self.phase = Phase::Completed;
            return if refused { Move::RefuseCancelAndComplete } else { Move::Complete };
        }
        self.phase = Phase::Forward(next);
        self.steps[next] = Standing::Asked;
        if refused { Move::RefuseCancelAndAsk(next) } else { Move::Ask(next) }
    }

    /// Undo all steps, the last first, also those whose result is unknown.
    fn turn_around(&mut self, plan: &[Rule]) -> Move {
        self.fresh();
        self.cancel = false;
        let may_have_run = |standing: &Standing| matches!(standing, Standing::Asked | Standing::Done);
        let last = (0..plan.len())
            .rev()
            .find(|at| may_have_run(&self.steps[*at]) && plan[*at].undo == Undo::ByCommand);
        match last {
            Some(at) => {
                self.phase = Phase::Backward(at);
                Move::Undo(at)
            }
            None => {
                self.phase = Phase::Closing;
                Move::Close
            }
        }
    }

    fn backward(&mut self, plan: &[Rule], at: usize, input: Input) -> Move {
        match input {
            Input::Undone(step) if step == at => {
                self.steps[at] = Standing::Undone;
                self.turn_around(plan)
            }
            Input::UndoFailed(step) if step == at => self.stop("its undo failed for good"),
            Input::UndoFailed(step) if step > at => self.reopen(plan, step),
            Input::Undone(_) | Input::UndoFailed(_) => Move::Nothing("undone before"),
            Input::Done(_) | Input::Declined(_) => Move::Nothing("it comes after its undo was asked for"),
            Input::Closed => Move::Nothing("not everything is undone yet"),
            Input::Overdue => match (self.stuck.is_some(), self.repeat()) {
                (true, _) => Move::Nothing("an operator was called already"),
                (false, true) => Move::Undo(at),
                (false, false) => self.stop("its undo was asked for again and again, and no answer came"),
            },
            Input::Cancel | Input::Retry | Input::ResolveDone | Input::GiveUp | Input::Wait => {
                Move::Nothing("an operator's inputs are handled before")
            }
        }
    }

    fn closing(&mut self, plan: &[Rule], input: Input) -> Move {
        match input {
            Input::Closed => {
                self.fresh();
                self.phase = Phase::Undone;
                Move::End
            }
            Input::Overdue => match (self.stuck.is_some(), self.repeat()) {
                (true, _) => Move::Nothing("an operator was called already"),
                (false, true) => Move::Close,
                (false, false) => self.stop("the order was told again and again, and did not answer"),
            },
            Input::UndoFailed(step) => self.reopen(plan, step),
            Input::Done(_) | Input::Declined(_) | Input::Undone(_) => Move::Nothing("everything is undone"),
            Input::Cancel | Input::Retry | Input::ResolveDone | Input::GiveUp | Input::Wait => {
                Move::Nothing("an operator's inputs are handled before")
            }
        }
    }

    fn undone(&mut self, plan: &[Rule], input: Input) -> Move {
        match input {
            Input::UndoFailed(step) => self.reopen(plan, step),
            Input::Done(_) | Input::Declined(_) | Input::Undone(_) | Input::Closed | Input::Overdue => {
                Move::Nothing("the saga has ended")
            }
            Input::Cancel | Input::Retry | Input::ResolveDone | Input::GiveUp | Input::Wait => {
                Move::Nothing("an operator's inputs are handled before")
            }
        }
    }

    /// A payment came late and could not be refunded: the saga is not over after all. Once that step is undone, the
    /// undoing goes on from there; workers that have undone their step already answer from their records.
    fn reopen(&mut self, plan: &[Rule], step: usize) -> Move {
        if plan[step].undo != Undo::ByCommand || self.steps[step] == Standing::Idle {
            return Move::Nothing("no undo was asked for");
        }
        self.phase = Phase::Backward(step);
        self.steps[step] = Standing::Done;
        self.cancel = false;
        self.stop("what came late could not be given back")
    }

    fn cancel(&mut self, plan: &[Rule]) -> Move {
        match self.phase {
            Phase::Forward(_) if self.can_turn_around(plan) => self.turn_around(plan),
            Phase::Forward(at) if self.pivot_asked(plan) == Some(at) && self.steps[at] == Standing::Asked => {
                self.cancel = true;
                Move::Nothing("the answer to the last step that could not be taken back is awaited")
            }
            Phase::Forward(_) | Phase::Completed => Move::RefuseCancel,
            Phase::Backward(_) | Phase::Closing | Phase::Undone => {
                Move::Nothing("it is being undone already")
            }
        }
    }

    /// Nothing was asked so far that cannot be taken back.
    pub(crate) fn can_turn_around(&self, plan: &[Rule]) -> bool {
        matches!(self.phase, Phase::Forward(at) if self.pivot_asked(plan).is_none_or(|pivot| pivot > at))
    }

    fn pivot_asked(&self, plan: &[Rule]) -> Option<usize> {
        (0..plan.len()).find(|at| plan[*at].pivot && self.steps[*at] != Standing::Idle)
    }

    fn retry(&mut self) -> Move {
        if self.stuck.is_none() {
            return Move::Refuse("the saga is not waiting for an operator");
        }
        self.fresh();
        match self.phase {
            Phase::Forward(at) => Move::Ask(at),
            Phase::Backward(at) => Move::Undo(at),
            Phase::Closing => Move::Close,
            Phase::Completed | Phase::Undone => Move::Refuse("the saga has ended"),
        }
    }

    fn resolve_done(&mut self, plan: &[Rule]) -> Move {
        match (self.stuck.is_some(), self.phase) {
            (true, Phase::Forward(at) | Phase::Backward(at)) if self.waits_for_refund(plan) => {
                self.fresh();
                Move::ByHand(at)
            }
            (true, _) => Move::Refuse("only a refund can be made by hand"),
            (false, _) => Move::Refuse("the saga is not waiting for an operator"),
        }
    }

    /// A step that is undone by a refund is a charge, and no operator can make a charge by hand.
    pub(crate) fn waits_for_refund(&self, plan: &[Rule]) -> bool {
        match self.phase {
            Phase::Forward(at) => plan[at].by_hand && plan[at].undo != Undo::ByCommand,
            Phase::Backward(at) => plan[at].by_hand,
            Phase::Closing | Phase::Completed | Phase::Undone => false,
        }
    }

    fn give_up(&mut self, plan: &[Rule]) -> Move {
        let no_way_back = (0..plan.len()).any(|at| {
            let may_have_run = matches!(self.steps[at], Standing::Asked | Standing::Done);
            may_have_run && matches!(plan[at].undo, Undo::Impossible(_))
        });
        match (self.stuck.is_some(), self.phase, no_way_back) {
            (false, ..) => Move::Refuse("the saga is not waiting for an operator"),
            (true, Phase::Forward(_), false) => self.turn_around(plan),
            (true, Phase::Forward(_), true) => {
                Move::Refuse("a step that may have happened cannot be undone; retry it")
            }
            (true, Phase::Backward(_) | Phase::Closing | Phase::Completed | Phase::Undone, _) => {
                Move::Refuse("it is being undone already; retry, or make the refund by hand")
            }
        }
    }

    /// The answer still counts when it comes; until then an operator looks after it.
    fn wait(&mut self) -> Move {
        match (self.stuck.is_some(), self.phase) {
            (true, _) => Move::Refuse("no deadline stands: it waits for an operator already"),
            (false, Phase::Completed | Phase::Undone) => Move::Refuse("the saga has ended"),
            (false, Phase::Forward(_) | Phase::Backward(_) | Phase::Closing) => {
                self.stop("its deadline was cancelled: the answer is awaited, however long it takes")
            }
        }
    }

    fn stop(&mut self, why: &str) -> Move {
        self.stuck = Some(why.to_string());
        Move::Stop
    }

    /// `false` once it was repeated often enough.
    fn repeat(&mut self) -> bool {
        self.repeats += 1;
        self.repeats <= REPEATS_MAX
    }

    fn fresh(&mut self) {
        self.repeats = 0;
        self.stuck = None;
    }
}
