//! The recipe "add a saga step", followed: a fraud check between holding the stock and taking the money.

use crate::checkout::{CHECKOUT, Definition};
use crate::interpreter::{Declined, Input, Move, Overdue, Progress, Rule, Undo};

const HOLD_STOCK: usize = 0;
const CHECK_FRAUD: usize = 1;
const TAKE_PAYMENT: usize = 2;
const SHIP: usize = 4;

const FRAUD_CHECK: Rule = Rule {
    pivot: false,
    undo: Undo::ByCommand,
    overdue: Overdue::AskAgain,
    declined: Declined::TurnAround,
    by_hand: false,
};

fn plan() -> Vec<Rule> {
    let mut plan = Definition::newest(CHECKOUT).rules();
    plan.insert(CHECK_FRAUD, FRAUD_CHECK);
    plan
}

fn moves(inputs: &[Input]) -> Vec<Move> {
    let (mut progress, first) = Progress::start(&plan());
    let rest = inputs.iter().map(|input| progress.advance(&plan(), *input));
    std::iter::once(first).chain(rest).collect()
}

#[test]
fn an_added_step_is_asked_in_its_turn() {
    let forward = moves(&(0..plan().len()).map(Input::Done).collect::<Vec<_>>());
    assert_eq!(forward[..3], [Move::Ask(HOLD_STOCK), Move::Ask(CHECK_FRAUD), Move::Ask(TAKE_PAYMENT)]);
    assert_eq!(forward.last(), Some(&Move::Complete));
}

#[test]
fn an_added_step_that_is_refused_turns_the_saga_around() {
    let back = moves(&[Input::Done(HOLD_STOCK), Input::Declined(CHECK_FRAUD), Input::Undone(HOLD_STOCK)]);
    assert_eq!(back[2..], [Move::Undo(HOLD_STOCK), Move::Close]);
}

#[test]
fn an_added_step_is_undone_in_its_turn() {
    let forward = (0..SHIP).map(Input::Done);
    let back = [
        Input::Declined(SHIP),
        Input::Undone(TAKE_PAYMENT),
        Input::Undone(CHECK_FRAUD),
        Input::Undone(HOLD_STOCK),
        Input::Closed,
    ];
    let moves = moves(&forward.chain(back).collect::<Vec<_>>());
    assert_eq!(
        moves[SHIP + 1..],
        [Move::Undo(TAKE_PAYMENT), Move::Undo(CHECK_FRAUD), Move::Undo(HOLD_STOCK), Move::Close, Move::End]
    );
}

#[test]
fn an_added_step_that_does_not_answer_is_undone_all_the_same() {
    let unknown = moves(&[Input::Done(HOLD_STOCK), Input::Overdue, Input::Cancel]);
    assert_eq!(unknown[2..], [Move::Ask(CHECK_FRAUD), Move::Undo(CHECK_FRAUD)]);
}
