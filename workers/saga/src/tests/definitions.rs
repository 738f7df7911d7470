//! The table of steps as people read it, and what must hold of every line that is added to it.

use std::collections::BTreeSet;

use expect_test::expect;

use crate::checkout::example;
use crate::checkout::{DEFINITIONS, Definition, Way};
use crate::interpreter::{Declined, Overdue};
use crate::table;

#[test]
fn every_step_stands_beside_its_undo() {
    let lines: Vec<_> = table().iter().map(|columns| columns.join(" | ") + "\n").collect();
    expect![[r#"
        checkout v1 | hold_stock | stock.reserve | stock.release |  | AskAgain, TurnAround
        checkout v1 | take_payment | payment.charge | payment.refund |  | Check, TurnAround
        checkout v1 | mark_paid | order.mark_paid | needless: the order ends as refunded instead of cancelled |  | AskAgain, TurnAround
        checkout v1 | ship | stock.ship | none: the goods are on their way (a refused shipment left them where they were) | pivot | AskAgain, TurnAround
        checkout v1 | mark_fulfilled | order.mark_fulfilled | none: the goods are gone and paid for; a return is a saga of its own |  | AskAgain, CallOperator
        pay_later v1 | hold_stock | stock.reserve | stock.release |  | AskAgain, TurnAround
        pay_later v1 | await_payment | payment.charge | payment.refund |  | Check, TurnAround
        pay_later v1 | mark_paid | order.mark_paid | needless: the order ends as refunded instead of cancelled |  | AskAgain, TurnAround
        pay_later v1 | ship | stock.ship | none: the goods are on their way (a refused shipment left them where they were) | pivot | AskAgain, TurnAround
        pay_later v1 | mark_fulfilled | order.mark_fulfilled | none: the goods are gone and paid for; a return is a saga of its own |  | AskAgain, CallOperator
        cash_on_delivery v2 | hold_stock | stock.reserve | stock.release |  | AskAgain, TurnAround
        cash_on_delivery v2 | ship | stock.ship | stock.restock | pivot | AskAgain, TurnAround
        cash_on_delivery v2 | mark_accepted | order.mark_accepted | needless: the order ends as cancelled all the same |  | AskAgain, TurnAround
        cash_on_delivery v2 | collect_cash | payment.charge | payment.refund |  | CallOperator, CallOperator
        cash_on_delivery v2 | mark_paid | order.mark_paid | needless: the order ends as refunded instead of cancelled |  | AskAgain, TurnAround
        cash_on_delivery v2 | mark_fulfilled | order.mark_fulfilled | none: the goods are gone and paid for; a return is a saga of its own |  | AskAgain, CallOperator
        cash_on_delivery v1 | hold_stock | stock.reserve | stock.release |  | AskAgain, TurnAround
        cash_on_delivery v1 | ship | stock.ship | stock.restock | pivot | AskAgain, TurnAround
        cash_on_delivery v1 | collect_cash | payment.charge | payment.refund |  | CallOperator, CallOperator
        cash_on_delivery v1 | mark_paid | order.mark_paid | needless: the order ends as refunded instead of cancelled |  | AskAgain, TurnAround
        cash_on_delivery v1 | mark_fulfilled | order.mark_fulfilled | none: the goods are gone and paid for; a return is a saga of its own |  | AskAgain, CallOperator
        return v1 | refund | payment.refund | none: money that went back is not taken again |  | AskAgain, CallOperator
        return v1 | take_back | stock.restock | none: the goods are back |  | AskAgain, CallOperator
        return v1 | mark_returned | order.mark_returned | none: a return is not returned |  | AskAgain, CallOperator
    "#]].assert_eq(&lines.concat());
}

#[test]
fn every_step_can_be_undone_or_is_the_pivot_or_says_why_not() {
    let subject = example();
    for (definition, step) in steps() {
        let who = format!("{} of {}", step.name, definition.name);
        match &step.undo {
            Way::By(undo) => assert_ne!(undo(&subject).name(), (step.ask)(&subject).name(), "{who}"),
            Way::Needless(why) | Way::Impossible(why) => assert!(step.pivot || !why.is_empty(), "{who}"),
        }
    }
}

#[test]
fn no_two_steps_of_a_saga_are_called_the_same_or_ask_the_same() {
    let subject = example();
    let mut names = BTreeSet::new();
    for (definition, step) in steps() {
        let saga = (definition.name, definition.version);
        assert!(!step.name.is_empty() && names.insert((saga, step.name)), "{saga:?}: {}", step.name);
        let ask = (step.ask)(&subject).name();
        assert!(names.insert((saga, ask)), "{saga:?}: {ask} is asked twice");
    }
}

#[test]
fn a_saga_has_at_most_one_pivot_and_what_cannot_be_undone_comes_after_it() {
    for definition in DEFINITIONS {
        let pivots = definition.steps.iter().filter(|step| step.pivot).count();
        assert!(pivots <= 1, "{}", definition.name);
        let before_pivot = definition.steps.iter().take_while(|step| pivots == 1 && !step.pivot);
        for step in before_pivot {
            assert!(!matches!(step.undo, Way::Impossible(_)), "{} of {}", step.name, definition.name);
        }
    }
}

#[test]
fn a_refusal_turns_no_saga_around_that_has_no_way_back() {
    for definition in DEFINITIONS {
        let done_for_good =
            definition.steps.iter().skip_while(|step| !matches!(step.undo, Way::Impossible(_)));
        for step in done_for_good.skip_while(|step| step.pivot) {
            let who = format!("{} of {}", step.name, definition.name);
            assert_eq!(step.declined, Declined::CallOperator, "{who}");
        }
    }
}

#[test]
fn who_is_asked_what_became_of_it_is_named() {
    for (definition, step) in steps() {
        let who = format!("{} of {}", step.name, definition.name);
        assert_eq!(step.overdue == Overdue::Check, step.check.is_some(), "{who}");
    }
}

#[test]
fn new_sagas_take_the_newest_definition() {
    for definition in DEFINITIONS {
        assert!(definition.version <= Definition::newest(definition.name).version);
        let same =
            DEFINITIONS.iter().filter(|d| (d.name, d.version) == (definition.name, definition.version));
        assert_eq!(same.count(), 1, "{} v{}", definition.name, definition.version);
    }
}

fn steps() -> impl Iterator<Item = (&'static Definition, &'static crate::checkout::Step)> {
    DEFINITIONS.iter().flat_map(|definition| definition.steps.iter().map(move |step| (definition, step)))
}
