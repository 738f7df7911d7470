//! Every phase × every input: `state × input → move | state after it`.

use std::fmt::Write as _;

use expect_test::{ExpectFile, expect_file};

use crate::checkout::{CASH_ON_DELIVERY, CHECKOUT, Definition};
use crate::interpreter::{Input, Move, Phase, Progress, Rule};

#[test]
fn a_checkout_moves_like_this() {
    check(CHECKOUT, 1, &expect_file!["checkout.txt"]);
}

#[test]
fn cash_on_delivery_moves_like_this() {
    check(CASH_ON_DELIVERY, 2, &expect_file!["cash_on_delivery.txt"]);
}

/// `payment` is the step whose answers come late; it stands for the step where there is none.
fn check(name: &str, payment: usize, expected: &ExpectFile) {
    let definition = Definition::newest(name);
    let rules = definition.rules();
    let mut table = String::new();
    for (state, progress) in states(&rules, definition) {
        for (input, of) in inputs(&progress, payment) {
            let mut after = progress.clone();
            let next = after.advance(&rules, of);
            let line = format!("{state} × {input} → {}", moved(definition, &next));
            writeln!(table, "{line} | {}", standing(definition, &after)).unwrap();
        }
        table.push('\n');
    }
    expected.assert_eq(&table);
}

fn states(rules: &[Rule], definition: &Definition) -> Vec<(String, Progress)> {
    let mut states = Vec::new();
    let mut forward = Progress::start(rules).0;
    for at in 0..rules.len() {
        states.push(forward.clone());
        if rules[at].pivot {
            let mut waiting = forward.clone();
            waiting.advance(rules, Input::Cancel);
            states.push(waiting);
        }
        states.push(stuck(rules, &forward));
        forward.advance(rules, Input::Done(at));
    }
    states.push(forward);
    // The last step from which an operator can turn around shows every undo there is.
    let last = states.iter().rev().find_map(|state| {
        let mut back = state.clone();
        matches!(back.advance(rules, Input::GiveUp), Move::Undo(_)).then_some(back)
    });
    let mut back = last.expect("something can be undone");
    while let Phase::Backward(at) = back.phase {
        states.push(back.clone());
        states.push(stuck(rules, &back));
        back.advance(rules, Input::Undone(at));
    }
    states.push(back.clone());
    states.push(stuck(rules, &back));
    back.advance(rules, Input::Closed);
    states.push(back);
    states.into_iter().map(|state| (standing(definition, &state), state)).collect()
}

/// No answer came until an operator was called.
fn stuck(rules: &[Rule], progress: &Progress) -> Progress {
    let mut progress = progress.clone();
    for _ in 0..9 {
        if progress.stuck.is_none() {
            progress.advance(rules, Input::Overdue);
        }
    }
    assert!(progress.stuck.is_some(), "{progress:?}");
    progress
}

fn inputs(progress: &Progress, payment: usize) -> Vec<(&'static str, Input)> {
    let this = match progress.phase {
        Phase::Forward(at) | Phase::Backward(at) => at,
        Phase::Closing | Phase::Completed | Phase::Undone => payment,
    };
    let other = if this == payment { 0 } else { payment };
    vec![
        ("done", Input::Done(this)),
        ("done, another step", Input::Done(other)),
        ("declined", Input::Declined(this)),
        ("declined, another step", Input::Declined(other)),
        ("undone", Input::Undone(this)),
        ("undone, another step", Input::Undone(other)),
        ("undo failed", Input::UndoFailed(this)),
        ("undo failed, another step", Input::UndoFailed(other)),
        ("closed", Input::Closed),
        ("overdue", Input::Overdue),
        ("cancel", Input::Cancel),
        ("retry", Input::Retry),
        ("resolve done", Input::ResolveDone),
        ("give up", Input::GiveUp),
        ("wait", Input::Wait),
    ]
}

fn standing(definition: &Definition, progress: &Progress) -> String {
    let step = |at: usize| definition.steps[at].name;
    let phase = match progress.phase {
        Phase::Forward(at) => step(at).to_string(),
        Phase::Backward(at) => format!("undo {}", step(at)),
        Phase::Closing => "close".to_string(),
        Phase::Completed => "completed".to_string(),
        Phase::Undone => "undone".to_string(),
    };
    let waits = if progress.cancel { ", cancel waits" } else { "" };
    let stuck = if progress.stuck.is_some() { ", STUCK" } else { "" };
    format!("{phase}{waits}{stuck}")
}

fn moved(definition: &Definition, next: &Move) -> String {
    let step = |at: &usize| definition.steps[*at].name;
    match next {
        Move::Ask(at) => format!("ask {}", step(at)),
        Move::Check(at) => format!("check {}", step(at)),
        Move::Undo(at) => format!("undo {}", step(at)),
        Move::Close => "close".into(),
        Move::Complete => "complete".into(),
        Move::End => "end".into(),
        Move::Stop => "CALL AN OPERATOR".into(),
        Move::RefuseCancel => "refuse to cancel".into(),
        Move::RefuseCancelAndAsk(at) => format!("refuse to cancel, ask {}", step(at)),
        Move::RefuseCancelAndComplete => "refuse to cancel, complete".into(),
        Move::ByHand(at) => format!("{} by hand", step(at)),
        Move::Nothing(why) => format!("nothing: {why}"),
        Move::Refuse(why) => format!("refuse: {why}"),
    }
}
