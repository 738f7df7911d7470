//! Health, readiness and metrics of this process. None of it shows an order.
//!
//! Readiness is checked when it is asked for, so that it turns red while a dependency is away and green again by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use broker::{self, Broker};
use contract::Role;
use metrics::{METRICS, head, line};
use serde::{Deserialize, Serialize};
use store::{Database, Vitals};
use tokio::sync::Mutex;

use crate::part::{Part, Parts, queues};

/// A dependency that takes longer is as good as away.
const WITHIN: Duration = Duration::from_secs(2);
/// The database is asked at most this often, however often a probe comes.
const KEPT: Duration = Duration::from_millis(500);

pub struct Probe {
    store: Arc<dyn Database>,
    broker: Arc<dyn Broker>,
    parts: Parts,
    last: Mutex<Option<(Instant, Readiness)>>,
    last_looked_up: Mutex<Option<(Instant, String)>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Readiness {
    pub ready: bool,
    pub database: Dependency,
    pub broker: Dependency,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Dependency {
    pub ready: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Probe {
    pub fn new(store: Arc<dyn Database>, broker: Arc<dyn Broker>, parts: Parts) -> Arc<Self> {
        Arc::new(Self { store, broker, parts, last: Mutex::default(), last_looked_up: Mutex::default() })
    }

    pub async fn readiness(&self) -> Readiness {
        // Requests that come meanwhile wait for the same answer.
        let mut last = self.last.lock().await;
        if let Some((at, known)) = last.as_ref()
            && at.elapsed() < KEPT
        {
            return known.clone();
        }
        let works: Vec<_> = self.parts.iter().map(|part| part.work()).collect();
        let can_work = async {
            // A process without parts has no rights to ask for, and wants to know whether there is a database.
            self.store.pauses().await?;
            self.store.check_rights(&works).await
        };
        let database = match within(can_work).await {
            Ok(()) => Dependency::ready(),
            Err(why) => Dependency::away(why),
        };
        let broker = match self.broker.state() {
            broker::State::Up => Dependency::ready(),
            broker::State::Down(why) => Dependency::away(why),
            broker::State::Blocked(why) => Dependency::away(format!("blocked by an alarm of its own: {why}")),
        };
        let now = Readiness { ready: database.ready && broker.ready, database, broker };
        *last = Some((Instant::now(), now.clone()));
        now
    }

    /// The whole page for Prometheus.
    pub async fn metrics(&self) -> String {
        let mut page = METRICS.text();
        head(&mut page, "checkout_info", "gauge", "the version of this program");
        line(&mut page, "checkout_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        let readiness = self.readiness().await;
        head(&mut page, "checkout_dependency_ready", "gauge", "1 while it can be used");
        for (name, dependency) in [("database", &readiness.database), ("broker", &readiness.broker)] {
            line(&mut page, "checkout_dependency_ready", &[("name", name)], u8::from(dependency.ready));
        }
        page + &self.looked_up().await
    }

    /// The part of the page that needs the database and the broker: asked at intervals, however often the page is requested.
    async fn looked_up(&self) -> String {
        let mut last = self.last_looked_up.lock().await;
        if let Some((at, known)) = last.as_ref()
            && at.elapsed() < KEPT
        {
            return known.clone();
        }
        let mut page = String::new();
        self.queues(&mut page).await;
        // They are the same in every process, and cost the database a query.
        if self.parts.contains(&Part::Timers) {
            if let Ok(vitals) = within(self.store.vitals()).await {
                write_vitals(&mut page, vitals);
            }
            if let Ok(pauses) = within(self.store.pauses()).await {
                head(&mut page, "checkout_role_paused", "gauge", "1 while an operator has paused the role");
                for role in Role::ALL {
                    let paused = pauses.iter().any(|pause| pause.role == role);
                    line(&mut page, "checkout_role_paused", &[("role", role.name())], u8::from(paused));
                }
            }
        }
        *last = Some((Instant::now(), page.clone()));
        page
    }

    async fn queues(&self, page: &mut String) {
        let mut depths = Vec::new();
        for queue in queues(&self.parts) {
            // A figure that cannot be determined is left out: a zero would be a lie.
            if let Ok(depth) = within(self.broker.depth(queue)).await {
                depths.push((queue, depth));
            }
        }
        head(page, "checkout_queue_messages", "gauge", "messages in the queue, ready or taken");
        for (queue, depth) in &depths {
            line(page, "checkout_queue_messages", &[("queue", queue.name())], depth.messages);
        }
    }
}

impl Dependency {
    fn ready() -> Self {
        Self { ready: true, why: None }
    }

    fn away(why: String) -> Self {
        Self { ready: false, why: Some(why) }
    }
}

/// The pages that need no token.
pub fn routes(probe: Arc<Probe>) -> Router {
    let metrics = Router::new().route("/metrics", get(show_metrics)).with_state(probe.clone());
    health_routes(probe).merge(metrics)
}

/// The same without the metrics, for where these are shown elsewhere.
pub fn health_routes(probe: Arc<Probe>) -> Router {
    Router::new()
        .route("/health", get(async || "ok\n"))
        .route("/health/ready", get(show_readiness))
        .with_state(probe)
}

async fn show_readiness(State(probe): State<Arc<Probe>>) -> Response {
    let readiness = probe.readiness().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

async fn show_metrics(State(probe): State<Arc<Probe>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], probe.metrics().await)
        .into_response()
}

fn write_vitals(page: &mut String, vitals: Vitals) {
    let Vitals { now, strangers_dead_letters, evicted_dead_letters, deadlines_due, oldest_in_flight, .. } =
        vitals;
    let oldest_ms = oldest_in_flight.map_or(0, |at| now.unix_ms().saturating_sub(at.unix_ms()).max(0));
    head(page, "checkout_dead_letters_open", "gauge", "dead letters that wait for a person: our own trouble");
    line(page, "checkout_dead_letters_open", &[], vitals.own_dead_letters());
    let what = "open dead letters that strangers caused";
    head(page, "checkout_strangers_dead_letters_open", "gauge", what);
    line(page, "checkout_strangers_dead_letters_open", &[], strangers_dead_letters);
    let what = "dead letters of strangers that went to make room for newer ones";
    head(page, "checkout_strangers_dead_letters_evicted_total", "counter", what);
    line(page, "checkout_strangers_dead_letters_evicted_total", &[], evicted_dead_letters);
    head(page, "checkout_deadlines_due", "gauge", "deadlines that have come due and are not published yet");
    line(page, "checkout_deadlines_due", &[], deadlines_due);
    head(page, "checkout_oldest_unhandled_seconds", "gauge", "age of the oldest message nobody has handled");
    line(page, "checkout_oldest_unhandled_seconds", &[], oldest_ms as f64 / 1000.0);
}

/// `Err` says in words why there is no answer.
async fn within<T, E: std::fmt::Display>(work: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match tokio::time::timeout(WITHIN, work).await {
        Ok(done) => done.map_err(|why| why.to_string()),
        Err(_) => Err(format!("no answer within {} s", WITHIN.as_secs())),
    }
}
