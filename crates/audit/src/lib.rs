//! An independent audit of the books: it shares no rule with the workers, so it does not share their mistakes.
//!
//! It reads our tables and the outside world's books, and checks every promise of the design. Documents are read as
//! plain JSON, sums are calculated again, and the table of allowed changes is written down a second time.
//!
//! All tables are read side by side, by key, in pages of [`PAGE`]: an order is judged when all its rows are read, and
//! is forgotten then. What stays in memory until the end is small: about 100 bytes for each charge, 16 for each
//! notice, what is open (deadlines, messages in flight, dead letters), a few sums for each SKU, and at most
//! [`journal::KEYS_MAX`] ids of a journal (a longer one is read several times, a share of its ids each time).
//!
//! A running system changes while it is read. An order that looks wrong then is read again, and counts only if it
//! looks wrong every time; a claim that can be checked only at rest is left out, and reports that it examined
//! nothing.

mod case;
mod document;
mod journal;
mod money;
mod notice;
mod pace;
mod saga;
mod stock;
mod trail;
mod world;

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use serde::Serialize;

use case::{Case, Cases};
use stock::Sums;
use store::Evidence;
use world::World;

/// Rows read at once.
const PAGE: usize = 500;
/// Violations listed per claim; the rest are counted.
const TOLD_MAX: usize = 20;
/// In a running system an order must look wrong this often before it is a violation.
const LOOKS: u32 = 3;
const BETWEEN_LOOKS: Duration = Duration::from_millis(300);
/// A running system may make a few orders look wrong for a moment, but not more than this.
const SUSPECTS_MAX: usize = 1000;

/// The books of all outside parties, which none of our processes writes.
#[async_trait]
pub trait Books: Send + Sync {
    /// Charges by key, from just after the key `after`; begins with the empty one.
    async fn charges(&self, after: &str, limit: usize) -> Result<Vec<BookedCharge>>;

    /// Notices in the order in which they were sent, from just after number `after`; begins with 0.
    async fn sent(&self, after: i64, limit: usize) -> Result<Vec<SentNotice>>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookedCharge {
    /// The order it was made for.
    pub reference: String,
    pub key: String,
    pub transaction_id: String,
    pub amount_minor: i64,
    pub currency: String,
    /// The money was taken; `false` for pending and failed charges.
    pub captured: bool,
    pub refunded_minor: i64,
    /// An event from outside reported it before the provider's books did.
    pub told_outside: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentNotice {
    pub no: i64,
    /// `email` or `sms`.
    pub channel: String,
    pub key: String,
}

macro_rules! claims {
    ($($id:ident: $claim:literal,)*) => {
        /// What is checked. The ids appear in documents and on dashboards and do not change.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Claim { $($id),* }

        impl Claim {
            pub(crate) const ALL: &[(Claim, &str, &str)] = &[$((Claim::$id, stringify!($id), $claim)),*];
        }
    };
}

claims! {
    M1: "our books of each order's money equal the provider's",
    M2: "captured − refunded, by the provider's books, is what the order owes in its state",
    M3: "no order was captured twice",
    M4: "no refund exceeds its capture",
    M5: "items × price − discount = total, in one currency, nothing negative",
    S1: "nothing is on hand or reserved less than zero times",
    S2: "reserved = what open holds hold, and holds hold what was ordered",
    S3: "on hand = received − shipped + taken back",
    S4: "no goods are held for a saga that has ended",
    O1: "every saga has ended, waits for a person, or has a deadline or a message in flight",
    O2: "every order's status fits how its saga ended",
    A1: "every order's audit trail is gap-free, legal, and leads to its status",
    B1: "every message sent was handled, is a dead letter, or is in flight (at rest: none is)",
    B2: "no role handled a message twice",
    B3: "every handled message that has a cause is in an outbox",
    T1: "every internal message was said by a role that may say it, with its cause in that role's journal",
    N1: "every notice was handed over to each of its channels once",
    R1: "every journal row, record and deadline can be read",
}

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub checks: Vec<Check>,
    pub orders: u64,
    pub journal_rows: u64,
    /// Sagas that wait for a person: no violation, but worth reporting.
    pub needs_attention: u64,
    pub open_dead_letters: u64,
    /// Charges that the provider's books know from events that came from outside.
    pub told_outside: u64,
    /// There were more dead letters or deadlines than the audit reads: the others were not checked.
    pub cut_off: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct Check {
    pub id: &'static str,
    pub claim: &'static str,
    /// 0: there was nothing to check, or nothing that can be compared while the system runs.
    pub examined: u64,
    /// It was left out, because it can be compared at rest only.
    pub at_rest_only: bool,
    pub violated: u64,
    /// The first [`TOLD_MAX`] of them.
    pub violations: Vec<String>,
}

impl Check {
    pub fn verdict(&self) -> &'static str {
        match (self.violated, self.examined) {
            (0, 0) if self.at_rest_only => "comparable at rest only",
            (0, 0) => "nothing to check",
            (0, _) => "holds",
            _ => "violated",
        }
    }
}

impl Report {
    pub fn clean(&self) -> bool {
        self.checks.iter().all(|check| check.violated == 0)
    }
}

/// The same for a running system, at low load: between two pages it pauses several times as long as it has read.
pub async fn audit_gently(store: &dyn Evidence, books: &dyn Books) -> Result<Report> {
    pace::gently(audit(store, books, false)).await
}

/// `at_rest`: no worker is running, and no message is in flight.
pub async fn audit(store: &dyn Evidence, books: &dyn Books, at_rest: bool) -> Result<Report> {
    let mut findings = Findings::default();
    let mut world = World::look(store, books, at_rest, &mut findings).await?;
    let (open_dead_letters, cut_off) = (world.open_dead_letters, world.cut_off);
    let told_outside = world.told_outside;
    let before = stock::items(store, &mut findings).await?;
    let mut sums = Sums::default();
    let (mut orders, mut needs_attention) = (0, 0);
    let mut suspects = Vec::new();
    let mut cases = Cases::of(store);
    while let Some(case) = cases.next().await? {
        orders += u64::from(case.order.is_some());
        needs_attention += saga::waiting(&case);
        stock::add(&case, &mut sums);
        let found = judge(&case, &mut world);
        settle(found, &case.id, at_rest, &mut findings, &mut suspects);
    }
    cases.tell(&mut findings);
    // Orders that were charged and are in none of our tables.
    for id in world.strangers() {
        let case = Case::nothing_about(id);
        let found = judge(&case, &mut world);
        settle(found, &case.id, at_rest, &mut findings, &mut suspects);
    }
    notice::nobodys(&world, books, &mut findings).await?;
    let after = stock::items(store, &mut Findings::default()).await?;
    stock::compare(&before, &after, &sums, &mut findings);
    look_again(store, books, suspects, &mut findings).await?;
    let journal_rows = journal::check(store, at_rest, &mut findings).await?;
    let checks = findings.into_checks(at_rest);
    Ok(Report { checks, orders, journal_rows, needs_attention, open_dead_letters, told_outside, cut_off })
}

fn judge(case: &Case, world: &mut World) -> Findings {
    let mut findings = Findings::default();
    money::judge(case, world, &mut findings);
    stock::judge(case, &mut findings);
    saga::judge(case, world, &mut findings);
    trail::judge(case, &mut findings);
    notice::judge(case, world, &mut findings);
    findings
}

/// At rest every suspect is a violation. Otherwise it may only have changed while it was read.
fn settle(
    found: Findings,
    id: &str,
    at_rest: bool,
    findings: &mut Findings,
    suspects: &mut Vec<(String, Findings)>,
) {
    if at_rest || found.clean() || suspects.len() == SUSPECTS_MAX {
        findings.absorb(found);
    } else {
        suspects.push((id.to_string(), found));
    }
}

/// A suspect is a violation only if it looks wrong each time.
async fn look_again(
    store: &dyn Evidence,
    books: &dyn Books,
    mut suspects: Vec<(String, Findings)>,
    findings: &mut Findings,
) -> Result<()> {
    for _ in 1..LOOKS {
        if suspects.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let mut world = World::look(store, books, false, &mut Findings::default()).await?;
        let mut still = Vec::new();
        for (id, _) in suspects {
            let found = judge(&Case::load(store, &id).await?, &mut world);
            settle(found, &id, false, findings, &mut still);
        }
        suspects = still;
    }
    for (_, found) in suspects {
        findings.absorb(found);
    }
    Ok(())
}

#[derive(Default, Debug)]
struct Tally {
    examined: u64,
    violated: u64,
    told: Vec<String>,
}

/// For each claim, how much was examined and what violated it.
#[derive(Debug)]
pub(crate) struct Findings(Vec<Tally>);

impl Default for Findings {
    fn default() -> Self {
        Self(Claim::ALL.iter().map(|_| Tally::default()).collect())
    }
}

impl Findings {
    pub(crate) fn check(&mut self, claim: Claim, holds: bool, why: impl FnOnce() -> String) {
        let tally = &mut self.0[claim as usize];
        tally.examined += 1;
        if !holds {
            tally.violated += 1;
            if tally.told.len() < TOLD_MAX {
                tally.told.push(why());
            }
        }
    }

    /// Counts one examination; its `Err` is the violation.
    pub(crate) fn result(&mut self, claim: Claim, result: Result<(), String>) {
        self.check(claim, result.is_ok(), || result.err().unwrap_or_default());
    }

    fn clean(&self) -> bool {
        self.0.iter().all(|tally| tally.violated == 0)
    }

    fn absorb(&mut self, other: Self) {
        for (tally, mut more) in self.0.iter_mut().zip(other.0) {
            tally.examined += more.examined;
            tally.violated += more.violated;
            more.told.truncate(TOLD_MAX - tally.told.len());
            tally.told.append(&mut more.told);
        }
    }

    fn into_checks(self, at_rest: bool) -> Vec<Check> {
        let check = |(tally, (of, id, claim)): (Tally, &(Claim, &'static str, &'static str))| Check {
            id,
            claim,
            examined: tally.examined,
            at_rest_only: !at_rest && journal::AT_REST_ONLY.contains(of),
            violated: tally.violated,
            violations: tally.told,
        };
        self.0.into_iter().zip(Claim::ALL).map(check).collect()
    }
}

#[cfg(test)]
mod tests;
