//! The world's books are kept in a storage, and no other process changes them between a read and the write that
//! follows from it.
//!
//! `MockStorage` is the seam between what the world does and where it is kept. Its promise, which the tests of this
//! folder check on every implementation:
//!
//! * `change` is one transaction: what it loads does not change until what was decided is written, all of it or
//!   nothing, and on disk when it returns. If another process was faster, it loads and decides anew.
//! * A key is booked once, however many processes ask under it at the same time.
//! * An event that was taken and never reported delivered comes again, [`TAKEN_MS`] later at the latest.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use contract::Time;
use store::Error;

use super::books::Books;
use super::lines::{ChargePageLine, DueLine, NoticeLine, RefusedLine, SentPageLine};
use super::rules::DueEvent;

#[async_trait]
pub(super) trait MockStorage: Send + Sync + 'static {
    /// What is wanted, as it is now.
    async fn look(&self, wanted: &Wanted<'_>) -> Result<Books, Error>;

    /// Lets `decide` change what is wanted, and saves that and the events that it leaves to the courier.
    async fn change(&self, wanted: &Wanted<'_>, decide: &mut Decide<'_>) -> Result<(), Error>;

    /// Puts each notice into its mailbox, unless one with its key is there. Returns the keys that were new.
    async fn put(
        &self,
        channel: &str,
        notices: &[NoticeLine<'_>],
        now: Time,
    ) -> Result<HashSet<String>, Error>;

    /// Up to `limit` events that are due and that no other courier has taken, earliest first.
    async fn take_due(&self, now: Time, limit: usize) -> Result<Vec<DueLine>, Error>;

    async fn delivered(&self, ids: &[&str]) -> Result<(), Error>;

    /// The endpoint answered `answer`; the event is due again at `again`, or never.
    async fn refused(&self, id: &str, answer: &str, now: Time, again: Option<Time>) -> Result<(), Error>;

    /// Events whose posting failed and that are not delivered yet, by id.
    async fn refused_page(&self, after: &str, limit: i64) -> Result<Vec<RefusedLine>, Error>;

    /// From when on there is something to take. It may be in the past.
    async fn next_due(&self) -> Result<Option<i64>, Error>;

    /// How often a waiting courier has to poll, because another process may have booked an event.
    fn look_again_after(&self) -> Duration;

    async fn charges_page(&self, after: &str, limit: i64, now: Time) -> Result<Vec<ChargePageLine>, Error>;

    async fn sent_page(&self, after: i64, limit: i64) -> Result<Vec<SentPageLine>, Error>;

    async fn close(&self);
}

/// How long a courier has for an event before another one may take it.
pub(super) const TAKEN_MS: i64 = 5_000;

/// The due time of an event that is never delivered.
pub(super) const NEVER_MS: i64 = i64::MAX;

/// The charges and refunds that a batch is about.
#[derive(Default)]
pub(super) struct Wanted<'a> {
    pub(super) charges: Vec<&'a str>,
    /// Charges by transaction id: the caller is about to refund these.
    pub(super) transactions: Vec<&'a str>,
    pub(super) refunds: Vec<&'a str>,
}

/// It may be called more than once, each time with freshly loaded books.
pub(super) type Decide<'a> = dyn FnMut(&mut Books) -> Vec<DueEvent> + Send + 'a;
