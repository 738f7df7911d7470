//! Everything outside the system: the provider with its own books and its own clock, and the customers' mailboxes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use adapters::Failure;
use adapters::channel::{Channel, Notice};
use adapters::mock::Settings;
use adapters::mock::books::Books;
use adapters::mock::rules::{DueEvent, Refusal};
use adapters::provider::{Answer, PaymentProvider};
use async_trait::async_trait;
use contract::{ChargeStanding, ProviderCharge, ProviderQuery, ProviderRefund, ProviderTold, Time};

use super::faults::{Fault, FaultInjector, Place};

/// The database's clock, and how far ahead of it the provider's is.
pub(crate) struct Clock {
    now_ms: AtomicI64,
    provider_ahead_ms: AtomicI64,
}

/// 2026-11-20T18:53:20Z
const START_MS: i64 = 1_795_200_800_000;

impl Default for Clock {
    fn default() -> Self {
        Self { now_ms: AtomicI64::new(START_MS), provider_ahead_ms: AtomicI64::new(0) }
    }
}

impl Clock {
    pub(crate) fn now(&self) -> Time {
        Time::from_unix_ms(self.now_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn provider_now(&self) -> Time {
        let ahead = self.provider_ahead_ms.load(Ordering::Relaxed);
        Time::from_unix_ms(self.now_ms.load(Ordering::Relaxed) + ahead)
    }

    /// Time passes for the system and the provider alike.
    pub(crate) fn pass_ms(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) fn set_provider_ahead_ms(&self, ms: i64) {
        self.provider_ahead_ms.store(ms, Ordering::Relaxed);
    }

    pub(crate) fn provider_jumps_ms(&self, ms: i64) {
        self.provider_ahead_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

pub(crate) struct Outside {
    settings: Settings,
    clock: Arc<Clock>,
    faults: Arc<FaultInjector>,
    books: Mutex<Books>,
    /// Events that are still to be delivered.
    due: Mutex<Vec<DueEvent>>,
    /// By key: what was delivered, and how often.
    mail: Mutex<BTreeMap<String, (String, u32)>>,
    /// Delivered twice under one key, with different content.
    muddled: Mutex<Vec<String>>,
    provider_away: AtomicBool,
    mail_away: AtomicBool,
}

impl Outside {
    pub(crate) fn new(settings: Settings, clock: Arc<Clock>, faults: Arc<FaultInjector>) -> Self {
        Self {
            settings,
            clock,
            faults,
            books: Mutex::default(),
            due: Mutex::default(),
            mail: Mutex::default(),
            muddled: Mutex::default(),
            provider_away: AtomicBool::new(false),
            mail_away: AtomicBool::new(false),
        }
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("no holder of this lock panics")
    }

    pub(crate) fn due(&self) -> MutexGuard<'_, Vec<DueEvent>> {
        self.due.lock().expect("no holder of this lock panics")
    }

    pub(crate) fn mail(&self) -> MutexGuard<'_, BTreeMap<String, (String, u32)>> {
        self.mail.lock().expect("no holder of this lock panics")
    }

    pub(crate) fn muddled(&self) -> Vec<String> {
        self.muddled.lock().expect("no holder of this lock panics").clone()
    }

    pub(crate) fn provider_is_away(&self, away: bool) {
        self.provider_away.store(away, Ordering::Relaxed);
    }

    pub(crate) fn mail_is_away(&self, away: bool) {
        self.mail_away.store(away, Ordering::Relaxed);
    }

    /// As the ledger does: what is due by now is the answer, and the rest comes later by the courier.
    fn answer(&self, told: Result<Vec<DueEvent>, Refusal>) -> Result<Answer, Failure> {
        let now = self.clock.provider_now();
        let told = told.map_err(|why| Failure::Refused("the provider", why.to_string()))?;
        let (at_once, later): (Vec<_>, Vec<_>) = told.into_iter().partition(|told| told.due <= now);
        self.due().extend(later);
        Ok(match at_once.is_empty() {
            true => Answer::Accepted,
            false => Answer::Told(at_once.into_iter().map(|told| told.event).collect()),
        })
    }

    /// Charged by another client than payment, and only the provider knows.
    pub(crate) fn charge_now(&self, ask: &ProviderCharge) -> Vec<DueEvent> {
        let told = self.books().charge(&self.settings, ask, self.clock.provider_now());
        told.expect("the provider accepts what payment would ask")
    }

    async fn reach<T>(
        &self,
        count: usize,
        act: impl FnOnce() -> Vec<Result<T, Failure>> + Send,
    ) -> Vec<Result<T, Failure>>
    where
        T: Send,
    {
        if count == 0 {
            return Vec::new();
        }
        let away = self.provider_away.load(Ordering::Relaxed);
        if away || self.faults.pass(Place::Reach).await == Some(Fault::Unavailable) {
            return unheard(count);
        }
        let done = act();
        if self.faults.pass(Place::Reached).await == Some(Fault::Unavailable) {
            return unheard(count);
        }
        done
    }
}

fn unheard<T>(count: usize) -> Vec<Result<T, Failure>> {
    (0..count).map(|_| Err(Failure::Unavailable("the world outside", "nobody answers".into()))).collect()
}

#[async_trait]
impl PaymentProvider for Outside {
    async fn charge(&self, asks: &[&ProviderCharge]) -> Vec<Result<Answer, Failure>> {
        let now = self.clock.provider_now();
        let book = |ask: &&ProviderCharge| {
            let told = self.books().charge(&self.settings, ask, now);
            self.answer(told)
        };
        self.reach(asks.len(), || asks.iter().map(book).collect()).await
    }

    async fn refund(&self, asks: &[&ProviderRefund]) -> Vec<Result<Answer, Failure>> {
        let now = self.clock.provider_now();
        let book = |ask: &&ProviderRefund| {
            let told = self.books().refund(&self.settings, ask, now);
            self.answer(told)
        };
        self.reach(asks.len(), || asks.iter().map(book).collect()).await
    }

    async fn told(&self, news: &[&ProviderTold]) -> Vec<Result<(), Failure>> {
        let now = self.clock.provider_now();
        let learn = |told: &&ProviderTold| {
            self.books().learn(told, now);
            Ok(())
        };
        self.reach(news.len(), || news.iter().map(learn).collect()).await
    }

    async fn query(&self, asks: &[&ProviderQuery]) -> Vec<Result<ChargeStanding, Failure>> {
        let now = self.clock.provider_now();
        let look = |ask: &&ProviderQuery| Ok(self.books().query(ask, now));
        self.reach(asks.len(), || asks.iter().map(look).collect()).await
    }
}

#[async_trait]
impl Channel for Outside {
    async fn hand_over(&self, notices: &[Notice<'_>]) -> Vec<Result<(), Failure>> {
        let away = self.mail_away.load(Ordering::Relaxed);
        if away || self.faults.pass(Place::Reach).await == Some(Fault::Unavailable) {
            return unheard(notices.len());
        }
        for notice in notices {
            let text = format!("{} {:?} {}", notice.to, notice.subject, notice.text);
            let mut mail = self.mail();
            let (known, times) = mail.entry(notice.key.to_string()).or_insert_with(|| (text.clone(), 0));
            *times += 1;
            if *known != text {
                let mut muddled = self.muddled.lock().expect("no holder of this lock panics");
                muddled.push(format!("{}: {known:?} and {text:?}", notice.key));
            }
        }
        if self.faults.pass(Place::Reached).await == Some(Fault::Unavailable) {
            return unheard(notices.len());
        }
        notices.iter().map(|_| Ok(())).collect()
    }
}
