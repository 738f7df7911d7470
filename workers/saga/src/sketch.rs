//! The tables of steps for drawing them, and which way sagas went, counted from their records.

use crate::checkout::{self, DEFINITIONS, Way};
use crate::interpreter::{Phase, Standing};

/// A list of steps, in the order in which they are asked.
#[derive(Clone, Debug)]
pub struct Sketch {
    pub name: &'static str,
    pub version: u32,
    pub steps: Vec<SketchStep>,
}

#[derive(Clone, Debug)]
pub struct SketchStep {
    pub name: &'static str,
    /// The command that asks for it.
    pub ask: &'static str,
    /// The command that undoes it, or why there is none.
    pub undo: Result<&'static str, &'static str>,
    /// Once this is asked, the order cannot be cancelled any more.
    pub pivot: bool,
}

/// How many sagas went which way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    pub steps: Vec<Traffic>,
    pub completed: u64,
    pub undone: u64,
}

/// At one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// It was ever asked for.
    pub asked: u64,
    /// Waiting for it now, …
    pub waits: u64,
    /// … or undoing it, …
    pub undoes: u64,
    /// … or waiting for a person.
    pub stuck: u64,
    pub declined: u64,
    pub undone: u64,
}

/// Every definition there is, the newest version of each name first.
pub fn sketches() -> Vec<Sketch> {
    let subject = checkout::example();
    let each = DEFINITIONS.iter().map(|definition| {
        let steps = definition.steps.iter().map(|step| SketchStep {
            name: step.name,
            ask: (step.ask)(&subject).name(),
            undo: match &step.undo {
                Way::By(undo) => Ok(undo(&subject).name()),
                Way::Needless(why) | Way::Impossible(why) => Err(why),
            },
            pivot: step.pivot,
        });
        Sketch { name: definition.name, version: definition.version, steps: steps.collect() }
    });
    each.collect()
}

impl Flow {
    pub fn of(sketch: &Sketch) -> Self {
        Self { steps: vec![Traffic::default(); sketch.steps.len()], completed: 0, undone: 0 }
    }

    /// Adds `count` sagas with this phase and these steps, as in their records' JSON. What cannot be parsed, or is of
    /// another definition, is left out.
    pub fn add(&mut self, phase: &str, steps: &str, stuck: bool, count: u64) {
        let (Ok(phase), Ok(steps)) =
            (serde_json::from_str::<Phase>(phase), serde_json::from_str::<Vec<Standing>>(steps))
        else {
            return;
        };
        if steps.len() != self.steps.len() {
            return;
        }
        for (traffic, standing) in self.steps.iter_mut().zip(steps) {
            match standing {
                Standing::Idle => continue,
                Standing::Asked | Standing::Done => {}
                Standing::Declined => traffic.declined += count,
                Standing::Undone => traffic.undone += count,
            }
            traffic.asked += count;
        }
        let here = match phase {
            Phase::Completed => return self.completed += count,
            Phase::Undone => return self.undone += count,
            // The order is being informed: no step is waited for any more.
            Phase::Closing => (0, false),
            Phase::Forward(at) => (at, true),
            Phase::Backward(at) => (at, false),
        };
        let Some(traffic) = self.steps.get_mut(here.0) else { return };
        match (stuck, here.1) {
            (true, _) => traffic.stuck += count,
            (false, true) => traffic.waits += count,
            (false, false) => traffic.undoes += count,
        }
    }
}
