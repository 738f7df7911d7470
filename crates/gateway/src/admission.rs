//! Load shedding: under too much load new checkouts are refused, so that accepted orders can be finished. Nothing else
//! is refused.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use settings::Settings;
use store::{Database, Vitals};

use super::problem::Problem;

/// The database is asked at most this often, however many checkouts come.
const QUERY_EVERY: Duration = Duration::from_secs(1);
/// The `Retry-After` of a refusal: an overload is not over sooner.
const RETRY_AFTER_S: u64 = 10;

pub(crate) struct Admission {
    /// 0 means no limit.
    oldest_s_max: u64,
    /// 0 means no limit.
    letters_max: u64,
    last_check: Mutex<LastCheck>,
}

#[derive(Default)]
struct LastCheck {
    looked: Option<Instant>,
    refused: Option<String>,
}

impl Admission {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            oldest_s_max: settings.refuse_when_oldest_s,
            letters_max: settings.refuse_when_dead_letters,
            last_check: Mutex::default(),
        }
    }

    /// `Err` while new checkouts are refused. A failed query changes nothing here: the checkout itself will report it.
    pub(crate) async fn admit(&self, store: &dyn Database) -> Result<(), Problem> {
        if self.claim_query()
            && let Ok(vitals) = store.vitals().await
        {
            let refused = self.overload_reason(vitals);
            let mut last_check = self.last_check();
            if last_check.refused.is_some() != refused.is_some() {
                match &refused {
                    Some(why) => tracing::warn!("new checkouts are refused: {why}"),
                    None => tracing::info!("new checkouts are taken again"),
                }
            }
            last_check.refused = refused;
        }
        let refused = self.last_check().refused.is_some();
        if !refused {
            return Ok(());
        }
        let why = "there is more to do than can be done at the moment; send the same again later";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", why);
        Err(problem.retry_after(RETRY_AFTER_S))
    }

    /// True for only one of several concurrent requests; the others use the last result.
    fn claim_query(&self) -> bool {
        let mut last_check = self.last_check();
        let old = last_check.looked.is_none_or(|at| at.elapsed() >= QUERY_EVERY);
        if old {
            last_check.looked = Some(Instant::now());
        }
        old
    }

    fn overload_reason(&self, vitals: Vitals) -> Option<String> {
        let Vitals { now, oldest_in_flight, .. } = vitals;
        // Dead letters of outside senders do not count: otherwise a sender of bad messages could stop the shop.
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

    fn last_check(&self) -> std::sync::MutexGuard<'_, LastCheck> {
        self.last_check.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
