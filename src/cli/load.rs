//! Load on a system of its own, measured from the moment an order was meant to be sent.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use contract::{Body, Message, OrderId, Raw, Status};
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use serde_json::json;
use tokio::sync::{Semaphore, broadcast, mpsc};

use super::stage::Stage;
use super::{audit, progress, shop};
use crate::app::{Part, System};
use crate::config::Settings;

#[derive(clap::Args)]
pub(super) struct Args {
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    orders: u64,
    /// Orders each second, whatever the system does (open loop); without it, as fast as it goes
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: Option<u64>,
    /// Without --rate: this many orders are under way at any time (closed loop)
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    in_flight: u32,
    /// Different products that the orders are for; 1 makes one product hot
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    products: u32,
    /// Customers leave an e-mail address: three notices for each order
    #[arg(long)]
    notices: bool,
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Check every promise afterwards
    #[arg(long)]
    audit: bool,
}

pub(super) async fn run(args: Args, settings: Settings) -> Result<ExitCode> {
    let stage = Stage::set(settings, "load").await?;
    let result = measure(&args, &stage.settings).await;
    stage.strike().await?;
    result
}

async fn measure(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let system = System::start(settings, &Part::all()).await?;
    for sku in 0..args.products {
        let product = json!({"sku": format!("SKU-{sku}"), "title": format!("Product {sku}"),
            "price": {"amount": "9.99", "currency": "EUR"}, "on_hand": 1_000_000_000u32});
        shop::send(&system, "product.upsert", &format!("load-{sku}"), &product.to_string()).await?;
    }
    while !system.store.in_flight().await?.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let progress = progress::bar(args.orders, "orders");
    let started = Instant::now();
    let cpu_before = cpu_ms();
    let outcome = drive(args, &system, &progress).await?;
    let seconds = started.elapsed().as_secs_f64();
    let cpu = cpu_ms() - cpu_before;
    progress.finish_and_clear();
    let ms = |quantile: f64| outcome.latency_us.value_at_quantile(quantile) as f64 / 1000.0;
    let report = json!({
        "orders": args.orders, "fulfilled": outcome.fulfilled, "other": outcome.other,
        "seconds": round(seconds), "orders_per_second": round(args.orders as f64 / seconds),
        "latency_ms": {"p50": ms(0.5), "p90": ms(0.9), "p99": ms(0.99), "max": outcome.latency_us.max() as f64 / 1000.0},
        "cpu_ms_per_order": round(cpu as f64 / args.orders as f64),
        "memory_mib": memory_mib(),
        "durability": format!("{:?}", settings.durability), "batch_max": settings.batch_max,
        "in_flight": args.rate.is_none().then_some(args.in_flight), "rate": args.rate,
        "products": args.products, "notices": args.notices,
    });
    say!("{}", serde_json::to_string_pretty(&report)?);
    if let Some(file) = &args.report {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    let clean = !args.audit || checked(&system).await?;
    system.stop().await?;
    Ok(if clean && outcome.other == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn checked(system: &System) -> Result<bool> {
    while !system.store.in_flight().await?.is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let report = crate::audit::audit(&*system.store, system.world()?, true).await?;
    audit::print(&report);
    Ok(report.clean())
}

struct Outcome {
    fulfilled: u64,
    other: u64,
    latency_us: Histogram<u64>,
}

/// What an order comes to.
const ENDS: [&str; 4] = ["order.fulfilled", "order.cancelled", "order.refunded", "order.rejected"];

/// Sends all orders and waits for the last to come to its end.
async fn drive(args: &Args, system: &System, progress: &ProgressBar) -> Result<Outcome> {
    let facts = system.broker.facts(&ENDS).await;
    let (sent, sending) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(args.in_flight as usize));
    let listener = tokio::spawn(listen(facts, sending, args.orders, room.clone(), progress.clone()));
    let started = Instant::now();
    for number in 0..args.orders {
        // In an open loop the clock starts when an order was due, however late it gets sent.
        let due = match args.rate {
            Some(rate) => {
                let due = started + Duration::from_secs_f64(number as f64 / rate as f64);
                tokio::time::sleep_until(due.into()).await;
                due
            }
            None => {
                room.acquire().await?.forget();
                Instant::now()
            }
        };
        let message = order(number, args, system.store.now().await?)?;
        let id = message.order_id.context("a checkout has an order id")?;
        sent.send((id, due)).context("the listener has given up")?;
        let door = system.door.clone();
        tokio::spawn(async move {
            if let Err(why) = door.accept(message).await {
                tracing::error!("an order was not let in: {why}");
            }
        });
    }
    drop(sent);
    listener.await?
}

fn order(number: u64, args: &Args, now: contract::Time) -> Result<Message> {
    let id = uuid::Uuid::now_v7();
    let products = u64::from(args.products);
    let (first, second) = (number % products, (number * 7 + 1) % products);
    let mut body = json!({
        "order_id": id, "customer_id": format!("customer-{}", number % 10_000),
        "items": [{"sku": format!("SKU-{first}"), "quantity": 1}, {"sku": format!("SKU-{second}"), "quantity": 2}],
        "payment": {"method": "card", "token": "tok_ok"},
    });
    if args.notices {
        body["contact"] = json!({"email": "load@example.org"});
    }
    let raw = Raw {
        message_id: None,
        name: "checkout.submit".into(),
        body: body.to_string().into(),
        ..Raw::default()
    };
    Message::accept(&raw, now).map_err(|why| anyhow::anyhow!("{why}"))
}

async fn listen(
    mut facts: broadcast::Receiver<Arc<Message>>,
    mut sending: mpsc::UnboundedReceiver<(OrderId, Instant)>,
    orders: u64,
    room: Arc<Semaphore>,
    progress: ProgressBar,
) -> Result<Outcome> {
    const QUIET_TOO_LONG: Duration = Duration::from_secs(30);
    let mut under_way: HashMap<OrderId, Instant> = HashMap::new();
    let mut outcome = Outcome { fulfilled: 0, other: 0, latency_us: Histogram::new(3)? };
    while outcome.fulfilled + outcome.other < orders {
        let fact = match tokio::time::timeout(QUIET_TOO_LONG, facts.recv()).await {
            Err(_) => {
                bail!("nothing has happened for {QUIET_TOO_LONG:?}; {} orders are under way", under_way.len())
            }
            Ok(Err(broadcast::error::RecvError::Lagged(missed))) => {
                bail!("{missed} facts were missed; use less --in-flight")
            }
            Ok(Err(broadcast::error::RecvError::Closed)) => bail!("the system has stopped"),
            Ok(Ok(fact)) => fact,
        };
        let (id, status) = match &fact.body {
            Body::OrderFulfilled(f) => (f.order_id, Status::Fulfilled),
            Body::OrderCancelled(f) => (f.order_id, Status::Cancelled),
            Body::OrderRefunded(f) => (f.order_id, Status::Refunded),
            Body::OrderRejected(f) => (f.order_id, Status::Cancelled),
            _ => continue,
        };
        while let Ok((sent, at)) = sending.try_recv() {
            under_way.insert(sent, at);
        }
        if let Some(since) = under_way.remove(&id) {
            outcome.latency_us.record(since.elapsed().as_micros() as u64).ok();
            match status == Status::Fulfilled {
                true => outcome.fulfilled += 1,
                false => outcome.other += 1,
            }
            room.add_permits(1);
            progress.inc(1);
        }
    }
    Ok(outcome)
}

fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// This process's CPU time so far, from the kernel's clock ticks (100 a second everywhere Linux runs).
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |field: usize| {
        after_name.split_whitespace().nth(field).and_then(|t| t.parse::<u64>().ok()).unwrap_or(0)
    };
    (ticks(11) + ticks(12)) * 10
}

fn memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}
