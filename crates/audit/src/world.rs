//! What is known beside an order's records: its open messages and deadlines, and what outside parties have booked.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use contract::speakers_of;
use store::{DeadStatus, DeadlineRow, Evidence};
use uuid::Uuid;

use super::pace::paced;
use super::{Books, Claim, Findings, PAGE};

pub(super) struct World {
    pub(super) at_rest: bool,
    /// Deadlines, by key.
    pub(super) waiting: HashSet<String>,
    /// Orders for which the provider reported a charge before it was asked for: the audit looks at them again.
    held: HashSet<Uuid>,
    moving: HashSet<Uuid>,
    dead_lettered: HashSet<Uuid>,
    charges: HashMap<Uuid, Charged>,
    /// Charges that events from outside reported.
    pub(super) told_outside: u64,
    sent: HashSet<Uuid>,
    pub(super) open_dead_letters: u64,
    pub(super) cut_off: bool,
}

/// What the provider has booked for one order.
#[derive(Clone, Debug, Default)]
pub(super) struct Charged {
    pub(super) captures: u32,
    pub(super) captured_minor: i64,
    pub(super) refunded_minor: i64,
    /// Of the captures. Several are joined, and then match no order.
    pub(super) currency: String,
    /// The provider's books know it from an event that came from outside.
    pub(super) told_outside: bool,
    /// Captures that only events from outside reported; they are in no sum yet.
    told: Vec<Told>,
}

/// One capture that an event from outside reported.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) captured_minor: i64,
    pub(super) refunded_minor: i64,
    currency: String,
}

impl Charged {
    /// Adds reported captures to the sums, except for those beside the one with the id `ours`, which are refunded.
    /// Only that one paid for the order.
    pub(super) fn beside(&mut self, ours: Option<&str>) -> Vec<Told> {
        let told = std::mem::take(&mut self.told);
        let known = self.captures > 0 || told.iter().any(|one| Some(one.name.as_str()) == ours);
        let (beside, own): (Vec<_>, Vec<_>) =
            told.into_iter().partition(|one| known && Some(one.name.as_str()) != ours);
        for one in own {
            self.add(one.captured_minor, one.refunded_minor, &one.currency);
        }
        beside
    }

    fn add(&mut self, captured_minor: i64, refunded_minor: i64, currency: &str) {
        self.captures += 1;
        self.captured_minor += captured_minor;
        self.refunded_minor += refunded_minor;
        self.currency.push_str(currency);
    }

    /// The source, for the text of a violation.
    pub(super) fn source(&self) -> &'static str {
        if self.told_outside { " (told from outside)" } else { "" }
    }
}

/// Deadlines are kept with the records, and no row emits them: they first appear in the journal when they are
/// handled. The last of these is also sent at once; its speaker has the cause in the journal, like a role that sets a
/// deadline.
pub(super) const DEADLINES: &[&str] = &["saga.overdue", "payment.held", "order.held", "provider.query"];

/// More than this needs no auditor to be seen; the report says that it was cut off.
const DEADLINES_MAX: usize = 5_000_000;
pub(super) const DEAD_MAX: usize = 100_000;

impl World {
    pub(super) async fn look(
        store: &dyn Evidence,
        books: &dyn Books,
        at_rest: bool,
        findings: &mut Findings,
    ) -> Result<Self> {
        let deadlines = store.deadlines(DEADLINES_MAX).await?;
        let dead = store.dead_letters(Some(DeadStatus::Open), DEAD_MAX).await?;
        let flying = store.in_flight().await?;
        let (charges, told_outside) = charges(books, findings).await?;
        for deadline in &deadlines {
            judge_deadline(deadline, findings);
        }
        let held = |key: &str| Uuid::parse_str(key.strip_prefix("held/")?.split('/').next()?).ok();
        Ok(Self {
            at_rest,
            held: deadlines.iter().filter_map(|deadline| held(&deadline.key)).collect(),
            cut_off: deadlines.len() == DEADLINES_MAX || dead.len() == DEAD_MAX,
            open_dead_letters: dead.len() as u64,
            waiting: deadlines.into_iter().map(|deadline| deadline.key).collect(),
            moving: flying
                .iter()
                .flatten()
                .filter_map(|one| one.message.order_id)
                .map(|id| id.uuid())
                .collect(),
            dead_lettered: dead.iter().filter_map(|letter| letter.order_id).map(|id| id.uuid()).collect(),
            charges,
            told_outside,
            sent: sent(books, findings).await?,
        })
    }

    /// A message of this order is in flight.
    pub(super) fn moving(&self, id: &str) -> bool {
        Uuid::parse_str(id).is_ok_and(|id| self.moving.contains(&id))
    }

    /// A dead letter or a report shows people that something about this order went wrong.
    pub(super) fn dead_lettered(&self, id: &str) -> bool {
        Uuid::parse_str(id).is_ok_and(|id| self.dead_lettered.contains(&id))
    }

    /// The provider may yet report what it captured for an order that was given up: its event is in flight or held, a
    /// person sees it, or the provider will be queried once more.
    pub(super) fn may_be_told(&self, id: &str) -> bool {
        !self.at_rest
            || self.dead_lettered(id)
            || self.was_told_early(id)
            || self.waiting.contains(&format!("payment/{id}"))
    }

    pub(super) fn was_told_early(&self, id: &str) -> bool {
        Uuid::parse_str(id).is_ok_and(|id| self.held.contains(&id))
    }

    /// Removes them: what is left at the end belongs to no order.
    pub(super) fn take_charges(&mut self, id: &str) -> Charged {
        Uuid::parse_str(id).ok().and_then(|id| self.charges.remove(&id)).unwrap_or_default()
    }

    pub(super) fn strangers(&self) -> Vec<Uuid> {
        self.charges.keys().copied().collect()
    }

    /// Removes it, as above.
    pub(super) fn take_sent(&mut self, channel: &str, key: &str) -> bool {
        self.sent.remove(&envelope(channel, key))
    }

    pub(super) fn left_over(&self, channel: &str, key: &str) -> bool {
        self.sent.contains(&envelope(channel, key))
    }

    pub(super) fn anything_left_over(&self) -> bool {
        !self.sent.is_empty()
    }
}

/// The timers publish a deadline's message, and may say what any role may: so it must be a message that its speaker
/// sets as a deadline.
fn judge_deadline(deadline: &DeadlineRow, findings: &mut Findings) {
    let says = &deadline.says;
    findings
        .check(Claim::R1, says.is_ok(), || says.as_ref().err().map(ToString::to_string).unwrap_or_default());
    if let Ok((by, name)) = says {
        let fits = DEADLINES.contains(name) && speakers_of(name).contains(by);
        findings
            .check(Claim::T1, fits, || format!("the deadline {:?} will say {name} as {by}", deadline.key));
    }
}

/// The charges by order, and how many of them events from outside reported.
async fn charges(books: &dyn Books, findings: &mut Findings) -> Result<(HashMap<Uuid, Charged>, u64)> {
    let mut charges = HashMap::<Uuid, Charged>::new();
    let mut told_outside = 0;
    let mut after = String::new();
    loop {
        let page = paced(books.charges(&after, PAGE)).await?;
        for charge in &page {
            let (key, refunded) = (&charge.key, charge.refunded_minor);
            let captured = if charge.captured { charge.amount_minor } else { 0 };
            findings.check(Claim::M4, (0..=captured).contains(&refunded), || {
                format!("the provider gave back {refunded} of the {captured} (minor units) captured as {key}")
            });
            let Ok(order) = Uuid::parse_str(&charge.reference) else {
                findings.check(Claim::M1, false, || format!("the provider's charge {key} is for no order"));
                continue;
            };
            let sum = charges.entry(order).or_default();
            sum.told_outside |= charge.told_outside;
            told_outside += u64::from(charge.told_outside);
            match (charge.captured, charge.told_outside) {
                (true, false) => sum.add(captured, refunded, &charge.currency),
                (true, true) => sum.told.push(Told {
                    name: charge.transaction_id.clone(),
                    captured_minor: captured,
                    refunded_minor: refunded,
                    currency: charge.currency.clone(),
                }),
                (false, _) => sum.refunded_minor += refunded,
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after.clone_from(&last.key),
            _ => return Ok((charges, told_outside)),
        }
    }
}

async fn sent(books: &dyn Books, findings: &mut Findings) -> Result<HashSet<Uuid>> {
    let mut sent = HashSet::new();
    let mut after = 0;
    loop {
        let page = paced(books.sent(after, PAGE)).await?;
        for notice in &page {
            let new = sent.insert(envelope(&notice.channel, &notice.key));
            findings.check(Claim::N1, new, || format!("{} was sent {} twice", notice.channel, notice.key));
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = last.no,
            _ => return Ok(sent),
        }
    }
}

/// Sixteen bytes instead of a text.
fn envelope(channel: &str, key: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{channel} {key}").as_bytes())
}
