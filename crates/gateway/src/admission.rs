//! Under too much load new checkouts are refused at the door, so that what was accepted comes to its end; nothing else
//! is refused.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use settings::Settings;
use store::{Store, Vitals};

use super::problem::Problem;

/// However many checkouts come, the database is asked this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Nothing that is worth refusing for is over sooner.
const COME_AGAIN_S: u64 = 10;

pub(crate) struct Admission {
    /// 0: however old.
    oldest_s_max: u64,
    /// 0: however many.
    letters_max: u64,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    looked: Option<Instant>,
    refused: Option<String>,
}

impl Admission {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            oldest_s_max: settings.refuse_when_oldest_s,
            letters_max: settings.refuse_when_dead_letters,
            known: Mutex::default(),
        }
    }

    /// `Err` while new checkouts have to wait. A database that does not answer is noticed by whoever needs it.
    pub(crate) async fn open(&self, store: &dyn Store) -> Result<(), Problem> {
        if self.is_old()
            && let Ok(vitals) = store.vitals().await
        {
            let refused = self.why_not(vitals);
            let mut known = self.known();
            if known.refused.is_some() != refused.is_some() {
                match &refused {
                    Some(why) => tracing::warn!("new checkouts are refused: {why}"),
                    None => tracing::info!("new checkouts are taken again"),
                }
            }
            known.refused = refused;
        }
        let refused = self.known().refused.is_some();
        if !refused {
            return Ok(());
        }
        let why = "there is more to do than can be done at the moment; send the same again later";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", why);
        Err(problem.retry_after(COME_AGAIN_S))
    }

    /// True for one caller at a time: the others go by what is known.
    fn is_old(&self) -> bool {
        let mut known = self.known();
        let old = known.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY);
        if old {
            known.looked = Some(Instant::now());
        }
        old
    }

    fn why_not(&self, vitals: Vitals) -> Option<String> {
        let Vitals { now, oldest_in_flight, .. } = vitals;
        // Letters of strangers are as many as strangers like.
        let own_letters = vitals.own_dead_letters();
        let oldest_ms = oldest_in_flight.map_or(0, |at| now.unix_ms().saturating_sub(at.unix_ms()));
        let oldest_s = u64::try_from(oldest_ms).unwrap_or(0) / 1000;
        match () {
            () if self.oldest_s_max > 0 && oldest_s > self.oldest_s_max => {
                Some(format!("a message has waited for {oldest_s} s; see `checkout doctor`"))
            }
            () if self.letters_max > 0 && own_letters > self.letters_max => {
                Some(format!("{own_letters} dead letters of our own are open; see `checkout dead list`"))
            }
            () => None,
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
