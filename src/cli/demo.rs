//! Plays every scene on a system of its own: each order has to end as its scene says, and afterwards every promise is
//! checked.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use contract::Message;
use engine::part::Part;
use playground::scenes::{SCENES, Scene};
use serde::Serialize;
use serde_json::Value;
use settings::{DelayMs, Rate, Settings};
use tokio::sync::broadcast;

use super::order::money;
use super::stage::Stage;
use super::{audit, paint, shop, story};
use crate::app::System;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Only the result, as JSON
    #[arg(long)]
    json: bool,
}

/// A scene that takes longer has failed.
const SCENE_WITHIN: Duration = Duration::from_secs(15);

pub(super) async fn run(args: Args, settings: Settings) -> Result<ExitCode> {
    let stage = Stage::set(demo_settings(settings), "demo").await?;
    let result = tell(&args, &stage.settings).await;
    stage.strike().await?;
    result
}

/// A provider that takes its time, and a shop with little patience: so that all of it fits into 20 seconds.
fn demo_settings(settings: Settings) -> Settings {
    Settings {
        provider_success_rate: Rate(1.0),
        provider_delay_ms: DelayMs { from: 250, to: 250 },
        provider_late_ms: 3500,
        payment_patience_s: 2,
        ..settings
    }
}

async fn tell(args: &Args, settings: &Settings) -> Result<ExitCode> {
    let started = Instant::now();
    let system = System::start(settings, &Part::all()).await?;
    shop::stock_up(&system).await?;
    if !args.json {
        say!(
            "A shop opens, in this process. Its provider takes a quarter of a second; its patience is two.\n"
        );
    }
    let mut scenery = Scenery { system: &system, facts: system.broker.facts(&[]).await, quiet: args.json };
    let mut told = Vec::new();
    for scene in SCENES {
        told.push(scenery.play(scene).await?);
    }
    settled(&system).await?;
    let report = ::audit::audit(&*system.store, system.world()?, true).await?;
    let seconds = started.elapsed().as_secs_f64();
    system.stop().await?;
    let as_told = told.iter().all(|scene| scene.as_told);
    match args.json {
        true => {
            let result = serde_json::json!({"scenes": told, "audit": report, "seconds": seconds});
            say!("{}", serde_json::to_string_pretty(&result)?);
        }
        false => {
            print_table(&told);
            say!();
            audit::print(&report);
            let verdict = match as_told && report.clean() {
                true => paint::good("Every order ended as told, and every promise held."),
                false => paint::bad("This did not go as told."),
            };
            say!("\n{verdict} {}", paint::dim(&format!("({seconds:.1} s)")));
        }
    }
    Ok(if as_told && report.clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How a scene ended.
#[derive(Serialize)]
struct Told {
    order_id: String,
    scene: &'static str,
    status: String,
    charged: String,
    refunded: String,
    as_told: bool,
}

struct Scenery<'a> {
    system: &'a System,
    facts: broadcast::Receiver<std::sync::Arc<Message>>,
    quiet: bool,
}

impl Scenery<'_> {
    async fn play(&mut self, scene: &Scene) -> Result<Told> {
        let order_id = shop::new_id().to_string();
        if !self.quiet {
            say!("{}", paint::good(scene.title));
            say!("{}", paint::dim(scene.plot));
        }
        for _ in 0..scene.sent_times {
            self.send("checkout.submit", &order_id, &scene.checkout(&order_id)).await?;
        }
        let until = Instant::now() + SCENE_WITHIN;
        let mut cues = scene.cues.to_vec();
        while Instant::now() < until {
            if let Some(fact) = self.next_fact(&order_id).await {
                if let Some(line) = story::line(&fact).filter(|_| !self.quiet) {
                    say!("  {line}");
                }
                if let Some(at) = cues.iter().position(|cue| cue.after == fact.name()) {
                    let cue = cues.remove(at);
                    self.send(cue.kind, shop::new_id().as_str(), &(cue.body)(&order_id)).await?;
                }
                continue;
            }
            // No fact came for a moment: perhaps the order has ended.
            let told = self.outcome(scene, &order_id).await?;
            if told.as_told && cues.is_empty() {
                self.pause();
                return Ok(told);
            }
        }
        self.pause();
        self.outcome(scene, &order_id).await
    }

    fn pause(&self) {
        if !self.quiet {
            say!();
        }
    }

    /// The order's next fact, if one comes soon.
    async fn next_fact(&mut self, order_id: &str) -> Option<std::sync::Arc<Message>> {
        let soon = tokio::time::Instant::now() + Duration::from_millis(60);
        loop {
            let fact = tokio::time::timeout_at(soon, self.facts.recv()).await.ok()?.ok()?;
            if fact.order_id.is_some_and(|id| id.to_string() == order_id) {
                return Some(fact);
            }
        }
    }

    async fn send(&self, kind: &str, id: &str, body: &Value) -> Result<()> {
        shop::send(self.system, kind, id, &body.to_string()).await
    }

    async fn outcome(&self, scene: &Scene, order_id: &str) -> Result<Told> {
        let order = view::order(&*self.system.store, order_id).await?.unwrap_or_default();
        let amount = |value: &Value| value["amount"].as_str().unwrap_or("0.00").to_string();
        let payment = &order["payment"];
        let status = order["status"].as_str().unwrap_or("unknown").to_string();
        let end = (status.as_str(), amount(&payment["charged"]), amount(&payment["refunded"]));
        let as_told = end == (scene.ends, scene.charged.to_string(), scene.refunded.to_string())
            && view::is_final(&order);
        Ok(Told {
            order_id: order_id.to_string(),
            scene: scene.title,
            charged: money(&payment["charged"]),
            refunded: money(&payment["refunded"]),
            status,
            as_told,
        })
    }
}

fn print_table(told: &[Told]) {
    let rows = told.iter().map(|one| {
        let verdict = if one.as_told { paint::good("as told") } else { paint::bad("NOT as told") };
        vec![
            one.order_id[24..].to_string(),
            one.scene.to_string(),
            paint::status(&one.status),
            one.charged.clone(),
            one.refunded.clone(),
            verdict,
        ]
    });
    let head = ["order", "what happened", "final status", "charged", "refunded", ""];
    say!("{}", paint::table(&head, rows.collect()));
}

/// Waits until nothing is in flight any more.
async fn settled(system: &System) -> Result<()> {
    let until = Instant::now() + SCENE_WITHIN;
    while Instant::now() < until {
        if system.store.in_flight().await?.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("the system did not come to rest")
}
