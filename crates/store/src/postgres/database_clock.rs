//! All processes use the database's clock. A batch gets the time with its first answer; for a second after that, a
//! caller that only needs the time computes it from there, without a round trip.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use contract::Time;
use tuning::EXTRAPOLATED_FOR;

use super::Clock;

#[derive(Clone, Default)]
pub(super) struct DatabaseClock {
    /// Replaces the database's clock in tests.
    own: Option<Clock>,
    /// The last time that the database told, and when it did.
    told: Arc<Mutex<Option<(Instant, Time)>>>,
}

impl DatabaseClock {
    pub(super) fn of(clock: Clock) -> Self {
        Self { own: Some(clock), told: Arc::default() }
    }

    /// The time of the replacement clock, if there is one, for statements that otherwise read the database's clock.
    pub(super) fn own(&self) -> Option<Time> {
        self.own.as_ref().map(|clock| clock())
    }

    /// Notes the database's time as of now. Returns the time to use.
    pub(super) fn set(&self, time: Time) -> Time {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), time));
        self.own().unwrap_or(time)
    }

    pub(super) fn now(&self) -> Option<Time> {
        let told = *self.told.lock().unwrap_or_else(PoisonError::into_inner);
        self.own().or_else(|| {
            let (at, time) = told?;
            let since = at.elapsed();
            (since < EXTRAPOLATED_FOR).then(|| time.plus_ms(since.as_millis() as u64))
        })
    }
}
