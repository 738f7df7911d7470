//! The database's clock is everybody's. A batch is told the time with its first answer; who only wants to know the time
//! reads it from there for a moment, and does not ask for it alone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use contract::Time;

use super::Clock;

/// No two machines' clocks part by a millisecond within that, and one that is set is followed soon.
const GOES_FOR: Duration = Duration::from_secs(1);

#[derive(Clone, Default)]
pub(super) struct Watch {
    /// The tests' clock; the database's, when there is none.
    own: Option<Clock>,
    told: Arc<Mutex<Option<(Instant, Time)>>>,
}

impl Watch {
    pub(super) fn of(clock: Clock) -> Self {
        Self { own: Some(clock), told: Arc::default() }
    }

    /// What stands in for the database's clock, for statements that look at it themselves.
    pub(super) fn own(&self) -> Option<Time> {
        self.own.as_ref().map(|clock| clock())
    }

    /// The database has just said that it is `time`. Says what it is for us.
    pub(super) fn set(&self, time: Time) -> Time {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), time));
        self.own().unwrap_or(time)
    }

    pub(super) fn now(&self) -> Option<Time> {
        let told = *self.told.lock().unwrap_or_else(PoisonError::into_inner);
        self.own().or_else(|| {
            let (at, time) = told?;
            let since = at.elapsed();
            (since < GOES_FOR).then(|| time.plus_ms(since.as_millis() as u64))
        })
    }
}
