//! Examines a system from outside, as a new operator would, and says what each finding means and what to do.

mod journal;
mod letters;

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use broker::rabbitmq;
use contract::Role;
use lapin::uri::{AMQPScheme, AMQPUri};
use retry::hosts::each_host;
use serde::Serialize;
use settings::{AmqpUrl, DatabaseUrl, Settings, Usage, WebhookUrl, exposed_secret_files};
use store::postgres::PostgresStore;
use store::sqlite::SqliteStore;
use store::{Database, Filter};

use crate::app;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Good,
    /// Worth knowing.
    Note,
    /// It works, and a person should look at it.
    Warning,
    /// It does not work.
    Error,
}

#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub about: &'static str,
    pub level: Level,
    pub what: String,
    /// What to do; empty when there is nothing to do.
    pub fix: String,
}

/// All findings, in the order in which one would ask.
#[derive(Debug, Default, Serialize)]
pub struct Findings(pub Vec<Finding>);

/// A larger difference between clocks makes deadlines and tokens puzzling.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(2);
const SAGAS_MAX: usize = 1000;
const POSTS_MAX: usize = 1000;
/// Before it, quorum queues could not dead-letter at least once.
const OLDEST_BROKER: (u32, u32) = (3, 10);

impl Findings {
    pub fn worst(&self) -> Level {
        self.0.iter().map(|finding| finding.level).max().unwrap_or(Level::Good)
    }

    fn add(&mut self, about: &'static str, level: Level, what: impl fmt::Display, fix: impl fmt::Display) {
        self.0.push(Finding { about, level, what: what.to_string(), fix: fix.to_string() });
    }

    fn good(&mut self, about: &'static str, what: impl fmt::Display) {
        self.add(about, Level::Good, what, "");
    }
}

/// Changes nothing. `warnings` come from reading the settings.
pub async fn examine(settings: &Settings, warnings: &[String]) -> Findings {
    let mut found = Findings::default();
    look_at_settings(settings, warnings, &mut found);
    let mut paused = Vec::new();
    if look_at_migrations(settings, &mut found).await {
        match app::look(settings).await {
            Ok(store) => paused = look_into(&*store, &mut found).await,
            Err(why) => found.add("database", Level::Error, format!("{why:#}"), "mend what it says"),
        }
    }
    match app::rabbit_options(settings, "doctor") {
        Some(options) => look_at_broker(&options, &paused, &mut found).await,
        None => found.good("broker", "the queues are in the process of the system; no broker is needed"),
    }
    look_at_posts(settings, &mut found).await;
    found
}

/// Whether the webhook receives what the mock provider posts.
async fn look_at_posts(settings: &Settings, found: &mut Findings) {
    let books = settings.database_url.file().map(app::world_path);
    let WebhookUrl::At(url) = &settings.provider_webhook_url else { return };
    if books.is_some_and(|books| !books.exists()) {
        return;
    }
    let refused = async { anyhow::Ok(app::open_world(settings).await?.refused_page("", POSTS_MAX).await?) };
    let refused = match refused.await {
        Ok(refused) => refused,
        Err(why) => return found.add("webhook", Level::Error, format!("{why:#}"), "mend what it says"),
    };
    let Some(last) = refused.iter().max_by_key(|one| one.at) else {
        return found.good("webhook", format!("{url} has taken every event"));
    };
    let given_up = refused.iter().filter(|one| one.given_up).count();
    let what = format!(
        "{url} has not taken {} events, {given_up} of them were given up; the last answer was: {}",
        refused.len(),
        last.answer
    );
    let fix = "correct the endpoint; the provider is queried about a payment without an event after payment_patience_s";
    found.add("webhook", Level::Warning, what, fix);
}

fn look_at_settings(settings: &Settings, warnings: &[String], found: &mut Findings) {
    for warning in warnings {
        found.add("settings", Level::Warning, warning, "correct the name, or take it away");
    }
    let usage = match settings.database_url {
        DatabaseUrl::Sqlite(_) => Usage::Whole,
        DatabaseUrl::Postgres(_) => Usage::Part,
    };
    for (variable, path) in exposed_secret_files(std::env::vars()) {
        let what = format!("every user of this machine may read {}, which {variable} names", path.display());
        found.add("secrets", Level::Warning, what, format!("chmod o-rwx {}", path.display()));
    }
    match settings.must_fit(usage) {
        Ok(()) => {
            found.good("settings", format!("database {}, prefix {}", settings.database_url, settings.prefix))
        }
        Err(why) => {
            found.add("settings", Level::Error, why, "`checkout config` shows where each value comes from")
        }
    }
    let AmqpUrl::At(url) = &settings.amqp_url else { return };
    let nodes = each_host(url.reveal()).into_iter().filter_map(|node| node.parse::<AMQPUri>().ok());
    let nodes: Vec<_> = nodes.collect();
    for uri in &nodes {
        let here = ["localhost", "127.0.0.1", "::1"].contains(&uri.authority.host.as_str());
        if uri.scheme == AMQPScheme::AMQP && !here {
            found.add(
                "settings",
                Level::Note,
                format!("what is said to {} goes over the network in the clear", uri.authority.host),
                "use amqps:// unless that network is yours alone",
            );
        }
    }
    if nodes.first().is_some_and(|uri| uri.authority.userinfo.username == "guest") {
        found.add(
            "settings",
            Level::Note,
            "the broker's user is guest, who may do everything",
            "give each role a user of its own; docs/operations.md has the permissions",
        );
    }
}

/// Returns whether it makes sense to look further.
async fn look_at_migrations(settings: &Settings, found: &mut Findings) -> bool {
    if let Some(path) = settings.database_url.file()
        && !path.exists()
    {
        let what = format!("there is no database at {}", path.display());
        found.add("database", Level::Error, what, "start a system there, or correct --database-url");
        return false;
    }
    match pending(settings).await {
        Ok(pending) if pending.is_empty() => {
            found.good("database", "it answers, and its tables are up to date")
        }
        Ok(pending) => {
            let what = format!("its tables are older than this program; missing: {}", pending.join(", "));
            found.add("database", Level::Error, what, "checkout migrate up");
            return false;
        }
        Err(why) => {
            let fix = "see that it runs, and that host, user and password of --database-url are right";
            found.add("database", Level::Error, why, fix);
            return false;
        }
    }
    true
}

/// Returns the roles that are paused: their queues have no consumers, as intended.
async fn look_into(store: &dyn Database, found: &mut Findings) -> Vec<Role> {
    look_at_work(store, found).await.unwrap_or_else(|why| {
        found.add("database", Level::Error, why, "mend what it says; the log of the database may know more");
        Vec::new()
    })
}

async fn look_at_work(store: &dyn Database, found: &mut Findings) -> Result<Vec<Role>, store::Error> {
    let before = Instant::now();
    let theirs = store.now().await?.unix_ms();
    // The clock was read about half a round trip ago.
    let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() - before.elapsed() / 2;
    let apart =
        Duration::from_millis((i64::try_from(here.as_millis()).unwrap_or(i64::MAX) - theirs).unsigned_abs());
    match apart <= CLOCKS_APART_MAX {
        true => {
            found.good("clock", format!("this machine and the database differ by {} ms", apart.as_millis()))
        }
        false => found.add(
            "clock",
            Level::Warning,
            format!("this machine and the database differ by {} s", apart.as_secs()),
            "let both take their time from the same source (NTP)",
        ),
    }
    let vitals = store.vitals().await?;
    let pauses = store.pauses().await?;
    for pause in &pauses {
        let what = format!("role {} was paused by {} at {}: {}", pause.role, pause.by, pause.at, pause.why);
        found.add("pauses", Level::Note, what, format!("checkout resume role {} --why …", pause.role));
    }
    journal::look(store, vitals, found).await?;
    if vitals.deadlines_due > 0 && deadline_is_late(store).await? {
        let what = format!("{} deadlines have come due and no process publishes them", vitals.deadlines_due);
        found.add("work", Level::Warning, what, "run `checkout timers`");
    }
    letters::look_at(store, vitals, found).await?;
    let filter = Filter { status: Some("needs_attention".into()), limit: SAGAS_MAX, ..Filter::default() };
    match store.list(contract::Table::Sagas, &filter).await?.len() {
        0 => found.good("sagas", "none waits for an operator"),
        count => found.add(
            "sagas",
            Level::Warning,
            format!("{count} wait for an operator"),
            "checkout saga list --status needs_attention",
        ),
    }
    Ok(pauses.into_iter().map(|pause| pause.role).collect())
}

/// The poller looks five times a second.
async fn deadline_is_late(store: &dyn Database) -> Result<bool, store::Error> {
    const LATE_MS: i64 = 10_000;
    let now = store.now().await?;
    let first = store.deadlines(1).await?;
    Ok(first.first().is_some_and(|first| now.unix_ms() - first.due.unix_ms() > LATE_MS))
}

async fn look_at_broker(options: &rabbitmq::Options, paused: &[Role], found: &mut Findings) {
    match rabbitmq::ping(options).await {
        Ok(()) => {}
        Err(rabbitmq::ConnectError::Away(why)) => {
            let fix = "see that it runs and that host and port of --amqp-url are right";
            return found.add("broker", Level::Error, why, fix);
        }
        Err(rabbitmq::ConnectError::Refused(why)) => {
            let fix = "correct user, password and virtual host of --amqp-url, or the user's permissions";
            return found.add("broker", Level::Error, why, fix);
        }
    }
    match rabbitmq::version(options).await {
        Ok(Some(version)) => look_at_version(&version, found),
        Ok(None) => found.good("broker", "it answers; its version cannot be heard from here"),
        Err(why) => found.add("broker", Level::Warning, why, ""),
    }
    match options.who_speaks() {
        Ok(logins) => look_at_logins(options, &logins, found),
        Err(why) => found.add("logins", Level::Error, why, "correct the setting logins"),
    }
    match rabbitmq::plan(options).await {
        Ok(differences) if differences.is_empty() => {
            let what = "every exchange and queue is there with the right arguments (AMQP does not tell who else has bound \
                        them: `rabbitmqctl list_bindings` does)";
            found.good("topology", what);
        }
        Ok(differences) => look_at_differences(&differences, found),
        Err(why) => found.add("topology", Level::Error, why, "checkout topology plan"),
    }
    match rabbitmq::queues(options).await {
        Ok(queues) => look_at_queues(options, &queues, paused, found),
        Err(why) => found.add("queues", Level::Warning, why, ""),
    }
}

/// Whether the broker can tell our roles from each other, and all of them from a shop.
fn look_at_logins(options: &rabbitmq::Options, logins: &rabbitmq::Logins, found: &mut Findings) {
    let (own, prefix) = (logins.own(), &options.prefix);
    if logins.are_separate() {
        let what = format!("each role speaks under its own login; this is {own:?}");
        return found.good("logins", what);
    }
    let what = format!(
        "one login, {own:?}, speaks for every role: a program that has it can say everything, even that an order was \
         paid, and {prefix}.commands takes provider events and admins' commands from anyone who may publish there"
    );
    let fix = "on a broker that others use as well: scripts/rabbitmq-users.sh, then separate_logins = true for every process";
    found.add("logins", Level::Note, what, fix);
}

/// Missing things are one finding, and so are those that this login may not see: that is everything, or nothing.
fn look_at_differences(differences: &[rabbitmq::Difference], found: &mut Findings) {
    let (mut missing, mut unseen) = (Vec::new(), 0);
    for difference in differences {
        match difference {
            rabbitmq::Difference::MissingExchange(name) | rabbitmq::Difference::MissingQueue(name) => {
                missing.push(name.as_str());
            }
            rabbitmq::Difference::Differs { .. } => {
                found.add(
                    "topology",
                    Level::Error,
                    difference,
                    "delete it when it is empty, then: checkout topology apply",
                );
            }
            rabbitmq::Difference::Unseen(_) => unseen += 1,
        }
    }
    if unseen > 0 {
        let what = format!(
            "{unseen} exchanges and queues are there; this login may not configure them, so that their arguments cannot \
             be compared"
        );
        found.add("topology", Level::Note, what, "checkout topology plan, with an administrator's login");
    }
    if let Some(first) = missing.first() {
        let what = format!("{} exchanges and queues are missing, {first} is one", missing.len());
        found.add(
            "topology",
            Level::Error,
            what,
            "checkout topology apply, or start a role that may declare them",
        );
    }
}

/// What follows from a version, for a person who did not choose it.
fn look_at_version(version: &str, found: &mut Findings) {
    let number = version.split_whitespace().last().unwrap_or_default();
    let mut parts = number.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if !version.starts_with("RabbitMQ") || major == 0 {
        let what = format!("it greets as {version:?}");
        return found.add("broker", Level::Warning, what, "it was tried with RabbitMQ 3.10 only");
    }
    if (major, minor) < OLDEST_BROKER {
        let what = format!("{version} cannot dead-letter at least once: a crash may lose dead letters");
        return found.add("broker", Level::Error, what, "upgrade it to 3.10 or later");
    }
    if major < 4 {
        let what = format!("{version} is no longer maintained; all that we need of it is there");
        return found.add("broker", Level::Note, what, "plan an upgrade to 4.x; nothing has to change here");
    }
    found.good("broker", format!("{version}; its own delivery limit of 20 is overridden by ours"));
}

/// Messages in queues without a consumer.
fn look_at_queues(
    options: &rabbitmq::Options,
    queues: &[rabbitmq::QueueSeen],
    paused: &[Role],
    found: &mut Findings,
) {
    let before = found.0.len();
    for queue in queues {
        let name = queue.name.strip_prefix(&format!("{}.", options.prefix)).unwrap_or(&queue.name);
        let reader = contract::Queue::named(name).map(|queue| queue.reader());
        let rests = reader.is_some_and(|role| paused.contains(&role));
        if rests || name.starts_with("retry.") {
            continue;
        }
        let what = format!("{} holds {} messages", queue.name, queue.messages);
        match (name, queue.messages, queue.consumers) {
            (_, 0, 0) if reader.is_some() => {
                let role = reader.map_or("", Role::name);
                let what = format!("{} has no consumer", queue.name);
                found.add("queues", Level::Note, what, format!("run `checkout worker {role}`"));
            }
            (_, 0, _) => {}
            ("unreadable", _, _) => {
                let fix = "no AMQP client could read them, and none of ours sends such: look at them with the broker's own \
                           tools, and correct the client that sends them";
                found.add("queues", Level::Warning, what, fix);
            }
            (_, _, 0) if name == "unrouted" || name.ends_with(".dead") => {
                found.add(
                    "queues",
                    Level::Warning,
                    what,
                    "run `checkout timers`, which brings them in as dead letters",
                );
            }
            (_, _, 0) => {
                let role = reader.map_or("", Role::name);
                let what = format!("{what}, and has no consumer");
                found.add("queues", Level::Error, what, format!("run `checkout worker {role}`"));
            }
            (_, _, _) => {}
        }
    }
    if found.0.len() == before {
        found.good("queues", "no message is in a queue without a consumer");
    }
}

async fn pending(settings: &Settings) -> Result<Vec<String>, store::Error> {
    match &settings.database_url {
        DatabaseUrl::Sqlite(path) => SqliteStore::migrations_pending(Path::new(path)).await,
        DatabaseUrl::Postgres(url) => PostgresStore::migrations_pending(url.reveal()).await,
    }
}

#[cfg(test)]
mod tests;
