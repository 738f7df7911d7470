//! Load on a system of its own; latency is measured from the moment an order was due to be sent.

mod drive;
mod entry;
mod machine;
mod orders;
mod others;
mod plot;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use engine::part::Part;
use metrics::METRICS;
use serde_json::{Value, json};
use settings::{DatabaseUrl, Settings};
use store::postgres::PostgresStore;

use super::stage::Stage;
use super::{WrongUsage, audit, progress};
use crate::app::System;
use drive::{LoadProfile, Outcome, drive};
use entry::{Entry, Way};
use machine::{Usage, between, usage};
use orders::Mix;
use others::Others;

#[derive(clap::Args)]
pub(super) struct Args {
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    orders: u64,
    /// Orders before those, which are not measured
    #[arg(long, default_value_t = 0, value_name = "ORDERS", value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    warm_up: u64,
    /// Orders each second, however slow the system is (open loop); without it, as fast as it goes
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: Option<u64>,
    /// Without --rate: this many orders are in flight at any time (closed loop)
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    in_flight: u32,
    /// How orders come in
    #[arg(long, value_enum, default_value_t)]
    entry: Entry,
    /// This many of each worker, on a database server and a broker
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(1..=16))]
    replicas: u8,
    /// Keep the dashboard open meanwhile
    #[arg(long)]
    watched: bool,
    #[command(flatten)]
    mix: Mix,
    /// The report as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Throughput over time and the distribution of latency as a picture
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Check every promise afterwards
    #[arg(long)]
    audit: bool,
}

pub(super) async fn run(args: Args, settings: Settings) -> Result<ExitCode> {
    args.mix.must_fit().map_err(WrongUsage)?;
    entry::must_fit(args.entry, &settings).map_err(WrongUsage)?;
    if args.replicas > 1 && settings.database_url.file().is_some() {
        let why =
            "--replicas needs a database server: a file belongs to one system; name one with --database-url";
        return Err(WrongUsage(why.into()).into());
    }
    let mut stage = Stage::set(settings, "load").await?;
    if args.watched || args.entry == Entry::Http {
        stage.opens_for_one();
    }
    let result = measure(&args, &stage.settings).await;
    stage.strike().await?;
    result
}

async fn measure(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let system = System::start(settings, &Part::all()).await?;
    let others = Others::start(args.replicas, settings).await?;
    args.mix.stock_up(&system).await?;
    let way = Arc::new(Way::open(args.entry, &system, settings).await?);
    let watcher = match args.watched {
        true => Some(watch::watch(&system, settings).await?),
        false => None,
    };
    let profile = LoadProfile { orders: args.orders, rate: args.rate, in_flight: args.in_flight };
    if args.warm_up > 0 {
        let progress = progress::bar(args.warm_up, "orders to warm up");
        drive(&args.mix, LoadProfile { orders: args.warm_up, ..profile }, &way, &system, &progress).await?;
        progress.finish_and_clear();
    }
    let progress = progress::bar(args.orders, "orders");
    let before = Cost::now(settings).await?;
    let outcome = drive(&args.mix, profile, &way, &system, &progress).await?;
    let cost = Cost::now(settings).await?.since(&before);
    progress.finish_and_clear();
    drop(watcher);
    way.close().await;
    let report = report(args, settings, &outcome, &cost);
    let text = serde_json::to_string_pretty(&report)?;
    say!("{text}");
    if let Some(file) = &args.report {
        write(file, &text)?;
    }
    if let Some(file) = &args.svg {
        write(file, &plot::svg(&outcome))?;
    }
    let clean = !args.audit || checked(&system).await?;
    others.stop().await?;
    system.stop().await?;
    Ok(if clean && outcome.otherwise == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// What all of it has cost so far.
struct Cost {
    usage: Usage,
    messages: u64,
    batches: u64,
    round_trips: u64,
    /// Of the whole Postgres server, including other users' writes.
    wal_bytes: Option<u64>,
}

impl Cost {
    async fn now(settings: &Settings) -> Result<Self> {
        let (wal_bytes, servers) = match &settings.database_url {
            DatabaseUrl::Postgres(url) => (Some(PostgresStore::wal_bytes(url.reveal()).await?), true),
            DatabaseUrl::Sqlite(_) => (None, false),
        };
        let (batches, messages) = METRICS.handled();
        let round_trips = METRICS.round_trips();
        Ok(Self { usage: usage(servers), messages, batches, round_trips, wal_bytes })
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            usage: between(&before.usage, &self.usage),
            messages: self.messages - before.messages,
            batches: self.batches - before.batches,
            round_trips: self.round_trips - before.round_trips,
            wal_bytes: self
                .wal_bytes
                .zip(before.wal_bytes)
                .map(|(after, before)| after.saturating_sub(before)),
        }
    }
}

fn report(args: &Args, settings: &Settings, outcome: &Outcome, cost: &Cost) -> Value {
    let ms = |quantile: f64| outcome.latency_us.value_at_quantile(quantile) as f64 / 1000.0;
    let done = (args.orders - outcome.refused).max(1);
    let each = |all: u64| round(all as f64 / done as f64);
    let (seconds, cpu) = (outcome.took.as_secs_f64(), cost.usage.values().map(|used| used.cpu_ms).sum());
    let written = cost.usage.get("checkout").and_then(|own| own.written_bytes);
    json!({
        "orders": args.orders, "fulfilled": outcome.fulfilled, "cancelled": outcome.cancelled,
        "rejected": outcome.rejected, "refused": outcome.refused, "otherwise": outcome.otherwise,
        "seconds": round(seconds), "orders_per_second": round(done as f64 / seconds),
        "latency_ms": {"p50": ms(0.5), "p90": ms(0.9), "p99": ms(0.99), "p999": ms(0.999),
            "max": outcome.latency_us.max() as f64 / 1000.0},
        "per_order": {"cpu_ms": each(cpu), "messages": each(cost.messages), "batches": each(cost.batches),
            "database_round_trips": each(cost.round_trips),
            "written_bytes": written.map(each), "wal_bytes": cost.wal_bytes.map(each)},
        "processes": cost.usage, "seconds_spent": METRICS.time_spent(),
        "durability": format!("{:?}", settings.durability), "batch_max": settings.batch_max,
        "in_flight": args.rate.is_none().then_some(args.in_flight), "rate": args.rate, "mix": args.mix,
        "warm_up": args.warm_up, "entry": args.entry, "replicas": args.replicas, "watched": args.watched,
    })
}

async fn checked(system: &System) -> Result<bool> {
    while !system.store.in_flight().await?.is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let report = ::audit::audit(&*system.store, system.world()?, true).await?;
    audit::print(&report);
    Ok(report.clean())
}

fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
