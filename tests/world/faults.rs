//! Every await of the loop is a place where a fault may be injected; a test says which fault, and where.

use std::future::{pending, poll_fn};
use std::sync::Mutex;
use std::task::Poll;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Begin,
    Look,
    Load,
    /// Everything is decided, nothing is committed.
    Keep,
    /// It is committed, and no message has been sent yet.
    Kept,
    /// Before the outside world is asked.
    Reach,
    /// It was done outside, and the answer has not arrived.
    Reached,
    /// Before each message to each queue, and once more after the last.
    Publish,
    /// Before each delivery that is acknowledged, and once more after the last.
    Ack,
    /// The timer process has moved the due times on.
    Due,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// The process dies.
    Die,
    /// Another replica is faster.
    Pause,
    Unavailable,
    Conflict,
    /// The commit's answer is lost: it may have been committed or not.
    AnswerLost,
    /// The broker did not confirm, so that it is published again.
    Twice,
}

/// The fault strikes when the place is passed for the `nth` time (from 0); at any place when there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Aim {
    pub(crate) place: Option<Place>,
    pub(crate) nth: usize,
    pub(crate) fault: Fault,
}

impl Aim {
    pub(crate) fn at(place: Place, nth: usize, fault: Fault) -> Self {
        Self { place: Some(place), nth, fault }
    }
}

#[derive(Default)]
pub(crate) struct FaultInjector(Mutex<Inside>);

#[derive(Default)]
struct Inside {
    aim: Option<Aim>,
    passed: usize,
    struck: Option<Place>,
    paused: bool,
}

impl FaultInjector {
    pub(crate) fn expect(&self, aim: Option<Aim>) {
        *self.lock() = Inside { aim, ..Inside::default() };
    }

    /// Where the fault has struck, if it has.
    pub(crate) fn struck(&self) -> Option<Place> {
        self.lock().struck
    }

    /// Whether it is paused by a fault; asking lets it go on.
    pub(crate) fn paused(&self) -> bool {
        std::mem::take(&mut self.lock().paused)
    }

    pub(crate) async fn pass(&self, place: Place) -> Option<Fault> {
        let fault = self.feel(place);
        match fault {
            Some(Fault::Die) => pending().await,
            Some(Fault::Pause) => {
                let mut first = true;
                poll_fn(|_| if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }).await;
                None
            }
            Some(Fault::Unavailable | Fault::Conflict | Fault::AnswerLost | Fault::Twice) | None => fault,
        }
    }

    fn feel(&self, place: Place) -> Option<Fault> {
        let mut inside = self.lock();
        let aim = inside.aim.filter(|aim| aim.place.is_none_or(|wanted| wanted == place))?;
        let here = inside.passed == aim.nth;
        inside.passed += 1;
        if !here {
            return None;
        }
        inside.aim = None;
        inside.struck = Some(place);
        inside.paused = aim.fault == Fault::Pause;
        Some(aim.fault)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.0.lock().expect("no holder of this lock panics")
    }
}
