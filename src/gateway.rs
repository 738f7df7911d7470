//! The HTTP door for our own command line: what it lets in is journalled before it is answered.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path as UrlPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use contract::{BodyHash, Message, Raw, Role, Unreadable};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::WORKERS;
use crate::broker::Broker;
use crate::door::{Accepted, Door, Refused};
use crate::probe::{self, Probe};
use crate::store::Store;
use crate::{dead, pause};

/// A message of 64 KiB and its envelope.
const BODY_BYTES_MAX: usize = 96 * 1024;

#[derive(Clone)]
pub struct Gateway {
    pub store: Arc<dyn Store>,
    pub broker: Arc<dyn Broker>,
    pub door: Door,
    pub token: Arc<str>,
}

/// Where a running system listens and what opens it; only its user may read this file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunFile {
    pub address: std::net::SocketAddr,
    pub token: String,
    pub pid: u32,
}

#[derive(Serialize, Deserialize)]
pub struct Submission {
    #[serde(rename = "type")]
    pub name: String,
    #[serde(default)]
    pub message_id: Option<String>,
    pub body: Box<RawValue>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Receipt {
    pub message_id: String,
    pub order_id: Option<String>,
    /// It was let in before, and nothing happens twice.
    pub repeat: bool,
}

/// Who does something by hand, and why: it stays in the journal.
#[derive(Serialize, Deserialize)]
pub struct Operator {
    pub by: String,
    #[serde(default)]
    pub why: String,
    /// With a replay: what to send instead of what failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Edited>,
}

#[derive(Serialize, Deserialize)]
pub struct Edited {
    #[serde(default, rename = "type")]
    pub name: Option<String>,
    #[serde(default)]
    pub body: Option<String>,
}

impl Operator {
    pub fn new(by: impl Into<String>, why: impl Into<String>) -> Self {
        Self { by: by.into(), why: why.into(), edited: None }
    }
}

/// RFC 9457.
#[derive(Debug, Serialize, Deserialize)]
pub struct Problem {
    pub status: u16,
    pub code: String,
    pub title: String,
    pub detail: String,
}

pub async fn serve(
    gateway: Gateway,
    probe: Arc<Probe>,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<()> {
    let admin = Router::new()
        .route("/admin/messages", post(submit))
        .route("/admin/dead-letters/{id}/replay", post(replay))
        .route("/admin/dead-letters/{id}/discard", post(discard))
        .route("/admin/roles/{role}/pause", post(pause_role))
        .route("/admin/roles/{role}/resume", post(resume_role))
        .layer(from_fn_with_state(gateway.clone(), only_with_token))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    let routes = admin.with_state(gateway).merge(probe::routes(probe));
    let stopping = async move { stop.cancelled().await };
    axum::serve(listener, routes).with_graceful_shutdown(stopping).await.context("the HTTP listener failed")
}

async fn only_with_token(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    // Hashes are compared: how long that takes says nothing about the token.
    if BodyHash::of("token", given) != BodyHash::of("token", &gateway.token) {
        return problem(
            StatusCode::UNAUTHORIZED,
            "UNAUTHORIZED",
            "give the token from the run file as a bearer token",
        );
    }
    next.run(request).await
}

async fn submit(State(gateway): State<Gateway>, body: Result<Bytes, BytesRejection>) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(why) if why.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let why = format!("a message and its envelope have at most {BODY_BYTES_MAX} bytes");
            return problem(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", &why);
        }
        Err(why) => return problem(why.status(), "ENVELOPE_INVALID", &why.body_text()),
    };
    let submission: Submission = match serde_json::from_slice(&body) {
        Ok(submission) => submission,
        Err(why) => return problem(StatusCode::BAD_REQUEST, "ENVELOPE_INVALID", &why.to_string()),
    };
    let raw = Raw {
        message_id: submission.message_id,
        name: submission.name,

        body: submission.body.get().as_bytes().to_vec(),
        ..Raw::default()
    };
    let now = match gateway.store.now().await {
        Ok(now) => now,
        Err(why) => return unavailable(&why.to_string()),
    };
    match Message::accept(&raw, now) {
        Ok(message) => let_in(&gateway.door, message).await,
        Err(Unreadable { code: "body_too_large", why }) => {
            problem(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", &why)
        }
        Err(Unreadable { code, why }) => problem(StatusCode::UNPROCESSABLE_ENTITY, code, &why),
    }
}

async fn let_in(door: &Door, message: Message) -> Response {
    let receipt = |repeat| Receipt {
        message_id: message.id.to_string(),
        order_id: message.order_id.map(|id| id.to_string()),
        repeat,
    };
    let (new, repeat) = (receipt(false), receipt(true));
    match door.accept(message).await {
        Ok(Accepted::New) => (StatusCode::ACCEPTED, Json(new)).into_response(),
        Ok(Accepted::Repeat) => (StatusCode::ACCEPTED, Json(repeat)).into_response(),
        Err(refused @ Refused::IdReused) => {
            problem(StatusCode::UNPROCESSABLE_ENTITY, "message_id_reused", &refused.to_string())
        }
        Err(refused @ Refused::Unavailable(_)) => unavailable(&refused.to_string()),
    }
}

async fn replay(
    State(gateway): State<Gateway>,
    UrlPath(id): UrlPath<String>,
    Json(who): Json<Operator>,
) -> Response {
    answer(dead::replay(&*gateway.store, &*gateway.broker, &id, &who).await)
}

async fn discard(
    State(gateway): State<Gateway>,
    UrlPath(id): UrlPath<String>,
    Json(who): Json<Operator>,
) -> Response {
    answer(dead::discard(&*gateway.store, &id, &who).await)
}

async fn pause_role(
    State(gateway): State<Gateway>,
    UrlPath(role): UrlPath<String>,
    Json(who): Json<Operator>,
) -> Response {
    match worker(&role) {
        Ok(role) => answer(pause::pause(&*gateway.store, role, &who).await),
        Err(unknown) => unknown,
    }
}

async fn resume_role(
    State(gateway): State<Gateway>,
    UrlPath(role): UrlPath<String>,
    Json(who): Json<Operator>,
) -> Response {
    match worker(&role) {
        Ok(role) => answer(pause::resume(&*gateway.store, role, &who).await),
        Err(unknown) => unknown,
    }
}

#[allow(clippy::result_large_err)] // the answer is given at once
fn worker(name: &str) -> Result<Role, Response> {
    let found = WORKERS.iter().map(|(role, _)| *role).find(|role| role.name() == name);
    found.ok_or_else(|| {
        let why = format!("no role that works at a queue is called {name:?}");
        problem(StatusCode::NOT_FOUND, "ROLE_UNKNOWN", &why)
    })
}

fn answer(done: Result<()>) -> Response {
    match done {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(why) => problem(StatusCode::CONFLICT, "NOT_POSSIBLE", &format!("{why:#}")),
    }
}

fn unavailable(why: &str) -> Response {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", why);
    response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    response
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("error").to_string();
    let body = Problem { status: status.as_u16(), code: code.to_string(), title, detail: detail.to_string() };
    let kind = header::HeaderValue::from_static("application/problem+json");
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

impl RunFile {
    /// With a token that nobody can guess.
    pub fn new(address: std::net::SocketAddr) -> Self {
        let token = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        Self { address, token, pid: std::process::id() }
    }

    pub fn path(database: &Path) -> PathBuf {
        database.with_extension("run")
    }

    pub fn write(&self, database: &Path) -> Result<()> {
        use std::io::Write;
        let path = Self::path(database);
        let fresh = path.with_extension("run.new");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // What an earlier run left may be readable by others.
        std::fs::remove_file(&fresh).ok();
        let written = || format!("cannot write {}", path.display());
        let mut file = options.open(&fresh).with_context(written)?;
        file.write_all(&serde_json::to_vec(self)?).with_context(written)?;
        // Whoever looks for it finds all of it or nothing.
        std::fs::rename(&fresh, &path).with_context(written)
    }

    pub fn read(database: &Path) -> Result<Self> {
        let path = Self::path(database);
        let text = std::fs::read(&path).with_context(|| {
            format!("no running system was found for {}; start one with `checkout dev`", database.display())
        })?;
        Ok(serde_json::from_slice(&text)?)
    }
}
