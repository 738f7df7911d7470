//! Runs the audit in the background, one run at a time: slowly while a page is open, and at full speed on request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use audit::{self, Books, Report};
use contract::Time;
use store::Database;

use crate::deps::Deps;

pub(crate) struct Auditor {
    store: Arc<dyn Database>,
    books: Arc<dyn Books>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: Option<Arc<Checked>>,
    began: Option<Instant>,
}

/// The result of the last run.
pub(crate) struct Checked {
    /// `Err` has the reason why the audit could not run.
    pub(crate) report: Result<Report, String>,
    /// When the run ended, by the database's clock.
    pub(crate) at: Option<Time>,
    pub(crate) took: Duration,
    ended: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hurry {
    /// At full speed: a person waits for the result.
    Now,
    /// It reads the database only a twentieth of the time.
    Gently,
}

/// Between two background runs lies the duration of the last one, plus this.
const REST: Duration = Duration::from_secs(3);

impl Auditor {
    pub(crate) fn new(deps: &Deps) -> Arc<Self> {
        let (store, books) = (deps.store.clone(), deps.world.clone());
        Arc::new(Self { store, books, state: Mutex::default() })
    }

    pub(crate) fn last(&self) -> Option<Arc<Checked>> {
        self.state().last.clone()
    }

    /// For how long the current run has been going on.
    pub(crate) fn runs_for(&self) -> Option<Duration> {
        self.state().began.map(|began| began.elapsed())
    }

    /// Called while a page is open: starts a run if the last result is old.
    pub(crate) fn keep_fresh(self: &Arc<Self>) {
        let due = self.last().is_none_or(|last| last.ended.elapsed() >= last.took + REST);
        if due {
            self.begin(Hurry::Gently);
        }
    }

    /// Starts a run, unless one is going on.
    pub(crate) fn begin(self: &Arc<Self>, hurry: Hurry) {
        if self.state().began.is_some() {
            return;
        }
        self.state().began = Some(Instant::now());
        tokio::spawn(self.clone().check(hurry));
    }

    async fn check(self: Arc<Self>, hurry: Hurry) {
        let started = Instant::now();
        let report = match hurry {
            Hurry::Now => audit::audit(&*self.store, &*self.books, false).await,
            Hurry::Gently => audit::audit_gently(&*self.store, &*self.books).await,
        };
        let report = report.map_err(|why| format!("{why:#}"));
        let at = self.store.now().await.ok();
        let checked = Checked { report, at, took: started.elapsed(), ended: Instant::now() };
        let mut state = self.state();
        state.last = Some(Arc::new(checked));
        state.began = None;
    }

    /// Nothing that could panic runs under this lock, so what it guards is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
