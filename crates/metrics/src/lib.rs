//! What this process has done, as counters. Counting costs an atomic addition, and no label names an order.
//!
//! There is one set of them for a process, as there is one page that shows them; `probe` adds what has to be queried.
//! Prometheus' text format is a few lines, so they are written by hand here.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use contract::Role;

/// The outcome of one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    Done,
    Ignored,
    Alarm,
    Parked,
}

/// Where the time of a batch goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Beginning the transaction, and looking up in the journal what was handled before.
    Look,
    /// Calling an outside party.
    ReachOut,
    /// Waiting for other workers of this process to decide.
    Wait,
    /// Loading the records and deciding.
    Decide,
    /// Writing and committing.
    Keep,
    /// Publishing, until it is confirmed.
    Tell,
    Acknowledge,
}

/// The result of one try to post an event to the shop's webhook.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Post {
    Arrived,
    Refused,
    GivenUp,
    /// The endpoint is not called again until the next start.
    Gone,
}

/// Why a connection was not served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cap {
    /// Its address has as many connections as one may have.
    Address,
    All,
}

pub static METRICS: Metrics = Metrics::new();

/// All counters.
pub struct Metrics {
    roles: [OfRole; Role::ALL.len()],
    deadlines: AtomicU64,
    round_trips: AtomicU64,
    posts: [AtomicU64; POSTS.len()],
    over_cap: [AtomicU64; CAPS.len()],
}

struct OfRole {
    runs: AtomicBool,
    endings: [AtomicU64; ENDINGS.len()],
    duplicates: AtomicU64,
    retries: AtomicU64,
    dead_letters: AtomicU64,
    batches: Histogram<{ BATCH_BOUNDS.len() }>,
    stages: [Histogram<{ SECONDS_BOUNDS.len() }>; STAGES.len()],
}

struct Histogram<const N: usize> {
    /// For each bucket: observations up to its bound, and above the bound before.
    within: [AtomicU64; N],
    count: AtomicU64,
    /// In millionths.
    sum: AtomicU64,
}

const ENDINGS: [(Ending, &str); 4] = [
    (Ending::Done, "done"),
    (Ending::Ignored, "ignored"),
    (Ending::Alarm, "alarm"),
    (Ending::Parked, "parked"),
];

const POSTS: [(Post, &str); 4] = [
    (Post::Arrived, "arrived"),
    (Post::Refused, "refused"),
    (Post::GivenUp, "given_up"),
    (Post::Gone, "gone"),
];

const CAPS: [(Cap, &str); 2] = [(Cap::Address, "address"), (Cap::All, "all")];

type Counter = fn(&OfRole) -> &AtomicU64;

const COUNTERS: [(&str, &str, Counter); 3] = [
    ("checkout_duplicates_total", "messages that were known and had no effect again", |of| &of.duplicates),
    ("checkout_retries_total", "tries of messages that failed by themselves", |of| &of.retries),
    ("checkout_dead_letters_total", "messages kept as dead letters", |of| &of.dead_letters),
];

const STAGES: [(Stage, &str); 7] = [
    (Stage::Look, "look"),
    (Stage::ReachOut, "reach_out"),
    (Stage::Wait, "wait"),
    (Stage::Decide, "decide"),
    (Stage::Keep, "keep"),
    (Stage::Tell, "tell"),
    (Stage::Acknowledge, "acknowledge"),
];

const BATCH_BOUNDS: [f64; 7] = [1.0, 4.0, 16.0, 64.0, 128.0, 256.0, 512.0];
const SECONDS_BOUNDS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
const MILLION: f64 = 1e6;

impl Metrics {
    const fn new() -> Self {
        Self {
            roles: [const { OfRole::new() }; Role::ALL.len()],
            deadlines: AtomicU64::new(0),
            round_trips: AtomicU64::new(0),
            posts: [const { AtomicU64::new(0) }; POSTS.len()],
            over_cap: [const { AtomicU64::new(0) }; CAPS.len()],
        }
    }

    /// From now on this process shows the role's counters, also those at zero.
    pub fn runs(&self, role: Role) {
        self.of(role).runs.store(true, Relaxed);
    }

    pub fn batch(&self, role: Role, messages: usize) {
        self.of(role).batches.observe(&BATCH_BOUNDS, messages as f64);
    }

    pub fn ended(&self, role: Role, ending: Ending) {
        self.of(role).endings[ending as usize].fetch_add(1, Relaxed);
    }

    /// Messages that had been handled before, and had no effect again.
    pub fn duplicates(&self, role: Role, count: usize) {
        self.of(role).duplicates.fetch_add(count as u64, Relaxed);
    }

    pub fn retried(&self, role: Role) {
        self.of(role).retries.fetch_add(1, Relaxed);
    }

    pub fn dead_lettered(&self, role: Role, count: usize) {
        self.of(role).dead_letters.fetch_add(count as u64, Relaxed);
    }

    pub fn deadlines(&self, count: usize) {
        self.deadlines.fetch_add(count as u64, Relaxed);
    }

    /// A database server was asked, and its answer awaited.
    pub fn round_trip(&self) {
        self.round_trips.fetch_add(1, Relaxed);
    }

    pub fn round_trips(&self) -> u64 {
        self.round_trips.load(Relaxed)
    }

    /// The result of posting an event of the mock provider to the shop's webhook.
    pub fn posted(&self, post: Post) {
        self.posts[post as usize].fetch_add(1, Relaxed);
    }

    /// A connection was refused because of this cap.
    pub fn over_cap(&self, cap: Cap) {
        self.over_cap[cap as usize].fetch_add(1, Relaxed);
    }

    /// The metrics page, without what `probe` adds.
    pub fn text(&self) -> String {
        let mut page = String::new();
        let roles = || Role::ALL.into_iter().filter(|role| self.of(*role).runs.load(Relaxed));
        head(&mut page, "checkout_messages_total", "counter", "messages handled, by what they came to");
        for role in roles() {
            for (ending, name) in ENDINGS {
                let count = self.of(role).endings[ending as usize].load(Relaxed);
                line(
                    &mut page,
                    "checkout_messages_total",
                    &[("role", role.name()), ("outcome", name)],
                    count,
                );
            }
        }
        for (name, help, of) in COUNTERS {
            head(&mut page, name, "counter", help);
            for role in roles() {
                line(&mut page, name, &[("role", role.name())], of(self.of(role)).load(Relaxed));
            }
        }
        head(&mut page, "checkout_batch_messages", "histogram", "messages in a batch");
        for role in roles() {
            let labels = [("role", role.name())];
            self.of(role).batches.write(&mut page, "checkout_batch_messages", &labels, &BATCH_BOUNDS);
        }
        head(&mut page, "checkout_stage_seconds", "histogram", "how long each stage of a batch took");
        for role in roles() {
            for (stage, name) in STAGES {
                let labels = [("role", role.name()), ("stage", name)];
                let histogram = &self.of(role).stages[stage as usize];
                histogram.write(&mut page, "checkout_stage_seconds", &labels, &SECONDS_BOUNDS);
            }
        }
        head(&mut page, "checkout_deadlines_total", "counter", "deadlines that came due and were published");
        line(&mut page, "checkout_deadlines_total", &[], self.deadlines.load(Relaxed));
        let help = "questions to the database server whose answer was waited for";
        head(&mut page, "checkout_database_round_trips_total", "counter", help);
        line(&mut page, "checkout_database_round_trips_total", &[], self.round_trips());
        let help = "tries of the mock provider to post an event to the shop's webhook";
        head(&mut page, "checkout_webhook_posts_total", "counter", help);
        for (post, name) in POSTS {
            let count = self.posts[post as usize].load(Relaxed);
            line(&mut page, "checkout_webhook_posts_total", &[("outcome", name)], count);
        }
        let help = "connections past a cap, to which at most health and metrics were shown";
        head(&mut page, "checkout_connections_over_cap_total", "counter", help);
        for (cap, name) in CAPS {
            let count = self.over_cap[cap as usize].load(Relaxed);
            line(&mut page, "checkout_connections_over_cap_total", &[("cap", name)], count);
        }
        page
    }

    /// By all roles so far: batches, and the messages in them.
    pub fn handled(&self) -> (u64, u64) {
        let counts = self.roles.iter().map(|of| (of.batches.count.load(Relaxed), of.batches.sum() as u64));
        counts.fold((0, 0), |(batches, messages), (b, m)| (batches + b, messages + m))
    }

    /// For each role: its batches so far, and the seconds spent in each stage.
    pub fn time_spent(&self) -> BTreeMap<&'static str, BTreeMap<&'static str, f64>> {
        let roles = Role::ALL.into_iter().filter(|role| self.of(*role).runs.load(Relaxed));
        roles
            .map(|role| {
                let stages = &self.of(role).stages;
                let seconds = STAGES.map(|(stage, name)| (name, stages[stage as usize].sum()));
                let batches = stages[Stage::Look as usize].count.load(Relaxed) as f64;
                (role.name(), seconds.into_iter().chain([("batches", batches)]).collect())
            })
            .collect()
    }

    fn took(&self, role: Role, stage: Stage, time: Duration) {
        self.of(role).stages[stage as usize].observe(&SECONDS_BOUNDS, time.as_secs_f64());
    }

    fn of(&self, role: Role) -> &OfRole {
        &self.roles[role as usize]
    }
}

/// Measures one stage after the other.
pub struct Watch {
    role: Role,
    since: Instant,
}

impl Watch {
    pub fn start(role: Role) -> Self {
        Self { role, since: Instant::now() }
    }

    /// The stage ends here, and the next one begins.
    pub fn lap(&mut self, stage: Stage) {
        let now = Instant::now();
        METRICS.took(self.role, stage, now - self.since);
        self.since = now;
    }
}

impl OfRole {
    const fn new() -> Self {
        Self {
            runs: AtomicBool::new(false),
            endings: [const { AtomicU64::new(0) }; ENDINGS.len()],
            duplicates: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            dead_letters: AtomicU64::new(0),
            batches: Histogram::new(),
            stages: [const { Histogram::new() }; STAGES.len()],
        }
    }
}

impl<const N: usize> Histogram<N> {
    const fn new() -> Self {
        Self { within: [const { AtomicU64::new(0) }; N], count: AtomicU64::new(0), sum: AtomicU64::new(0) }
    }

    fn observe(&self, bounds: &[f64; N], value: f64) {
        if let Some(at) = bounds.iter().position(|bound| value <= *bound) {
            self.within[at].fetch_add(1, Relaxed);
        }
        self.count.fetch_add(1, Relaxed);
        self.sum.fetch_add((value * MILLION) as u64, Relaxed);
    }

    fn sum(&self) -> f64 {
        self.sum.load(Relaxed) as f64 / MILLION
    }

    fn write(&self, page: &mut String, name: &str, labels: &[(&str, &str)], bounds: &[f64; N]) {
        // Buckets are read first: a bucket must never hold more than the total.
        let within = self.within.each_ref().map(|bucket| bucket.load(Relaxed));
        let count = self.count.load(Relaxed).max(within.iter().sum());
        let mut sum = 0;
        for (bound, here) in bounds.iter().zip(within) {
            sum += here;
            let bound = bound.to_string();
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            line(page, &format!("{name}_bucket"), &labels, sum);
        }
        let labels_inf: Vec<_> = labels.iter().copied().chain([("le", "+Inf")]).collect();
        line(page, &format!("{name}_bucket"), &labels_inf, count);
        line(page, &format!("{name}_sum"), labels, self.sum());
        line(page, &format!("{name}_count"), labels, count);
    }
}

/// The header above the lines of one metric.
pub fn head(page: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string cannot fail.
    writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}").ok();
}

/// One sample. Labels come from tables of ours and hold nothing that would have to be escaped.
pub fn line(page: &mut String, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
    let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    writeln!(page, "{name}{labels} {value}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_and_stage_has_its_own_place() {
        for (at, (ending, _)) in ENDINGS.iter().enumerate() {
            assert_eq!(*ending as usize, at);
        }
        for (at, (stage, _)) in STAGES.iter().enumerate() {
            assert_eq!(*stage as usize, at);
        }
        for (at, (post, _)) in POSTS.iter().enumerate() {
            assert_eq!(*post as usize, at);
        }
        for (at, (cap, _)) in CAPS.iter().enumerate() {
            assert_eq!(*cap as usize, at);
        }
        for (at, role) in Role::ALL.iter().enumerate() {
            assert_eq!(*role as usize, at);
        }
    }

    #[test]
    fn the_page_shows_the_roles_that_run_here_and_counts_upwards() {
        let metrics = Metrics::new();
        metrics.runs(Role::Stock);
        metrics.batch(Role::Stock, 3);
        metrics.batch(Role::Stock, 5000);
        metrics.ended(Role::Stock, Ending::Alarm);
        metrics.took(Role::Stock, Stage::Keep, Duration::from_millis(2));
        metrics.round_trip();
        let page = metrics.text();
        for line in [
            "checkout_messages_total{role=\"stock\",outcome=\"alarm\"} 1",
            "checkout_messages_total{role=\"stock\",outcome=\"done\"} 0",
            "checkout_batch_messages_bucket{role=\"stock\",le=\"4\"} 1",
            "checkout_batch_messages_bucket{role=\"stock\",le=\"512\"} 1",
            "checkout_batch_messages_bucket{role=\"stock\",le=\"+Inf\"} 2",
            "checkout_batch_messages_sum{role=\"stock\"} 5003",
            "checkout_stage_seconds_bucket{role=\"stock\",stage=\"keep\",le=\"0.001\"} 0",
            "checkout_stage_seconds_bucket{role=\"stock\",stage=\"keep\",le=\"0.0025\"} 1",
            "checkout_stage_seconds_sum{role=\"stock\",stage=\"keep\"} 0.002",
            "checkout_deadlines_total 0",
            "checkout_database_round_trips_total 1",
        ] {
            assert!(page.lines().any(|is| is == line), "{line}\n{page}");
        }
        assert!(!page.contains("payment"), "only what runs here is shown");
    }
}
