//! A paused payment method takes no new checkouts: they are refused at once, so that the customer can choose another.
//! Orders under way with it go on.

use contract::{Cart, Decision, Fault, MethodSwitch, Need, Records, Table, clean_text};

use crate::{Cause, MethodState, Record};

const WORDS_MAX: usize = 200;

pub(crate) fn need(switch: &MethodSwitch) -> Need {
    Need::of(Table::Methods, switch.method.code())
}

pub(crate) fn pause(records: &Records<Record>, switch: &MethodSwitch, cause: Cause<'_>) -> Decision<Record> {
    turn(records, switch, cause, State::Paused)
}

pub(crate) fn resume(records: &Records<Record>, switch: &MethodSwitch, cause: Cause<'_>) -> Decision<Record> {
    turn(records, switch, cause, State::Open)
}

/// Why a cart cannot be paid by its method now.
pub(crate) fn fault(records: &Records<Record>, cart: &Cart) -> Option<Fault> {
    let method = cart.payment.method;
    let paused = records.get::<MethodState>(method.code()).is_some_and(|state| state.paused);
    paused.then(|| {
        let message = format!("{} is not taken at the moment; choose another method", method.words());
        Fault::new("payment.method", "payment_method_paused", message)
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Paused,
}

fn turn(records: &Records<Record>, switch: &MethodSwitch, cause: Cause<'_>, to: State) -> Decision<Record> {
    for (name, text) in [("why", &switch.why), ("by", &switch.by)] {
        if let Err(why) = clean_text(text, WORDS_MAX) {
            return Decision::parked("reason_invalid", format!("{name} {why}"));
        }
    }
    let known = records.get::<MethodState>(switch.method.code());
    let is = if known.is_some_and(|state| state.paused) { State::Paused } else { State::Open };
    let outcome = match (is, to) {
        (State::Paused, State::Paused) => return Decision::ignored("it is paused already"),
        (State::Open, State::Open) => return Decision::ignored("it is not paused"),
        (State::Open, State::Paused) => Decision::done("method paused"),
        (State::Paused, State::Open) => Decision::done("method resumed"),
    };
    outcome.save(MethodState {
        method: switch.method,
        paused: to == State::Paused,
        why: switch.why.clone(),
        by: switch.by.clone(),
        at: cause.now,
    })
}
