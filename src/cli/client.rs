//! Sends a message to a running system: over its listener when it runs on a file, otherwise through its database and
//! broker, from any machine.

mod direct;
pub(super) mod http;

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use contract::{BODY_BYTES_MAX, Raw, Role};
use engine::dead;
use engine::operator::Operator;
use engine::pause;
use gateway::{Problem, Receipt, RunFile, Submission};
use hyper::StatusCode;
use hyper::body::Bytes;
use serde::Serialize;
use settings::{DatabaseUrl, Settings};
use store::Database;

use super::WrongUsage;
use direct::Direct;

pub(super) enum Client {
    Beside(RunFile),
    Direct(Box<Direct>),
}

impl Client {
    pub(super) async fn open(settings: &Settings, store: &Arc<dyn Database>) -> Result<Self> {
        match &settings.database_url {
            DatabaseUrl::Sqlite(path) => Ok(Self::Beside(RunFile::read(path)?)),
            DatabaseUrl::Postgres(_) => {
                Ok(Self::Direct(Box::new(Direct::open(settings, store.clone()).await?)))
            }
        }
    }

    /// Sends one message; returns once it is journalled.
    pub(super) async fn send(
        &self,
        name: &str,
        message_id: Option<String>,
        body: &impl Serialize,
    ) -> Result<Receipt> {
        let body = serde_json::value::to_raw_value(body)?;
        let bytes = body.get().len();
        if bytes > BODY_BYTES_MAX {
            // The listener would close the connection in the middle of it.
            let why = format!("the body has {bytes} bytes; at most {BODY_BYTES_MAX} (body_too_large)");
            return Err(WrongUsage(why).into());
        }
        let id = message_id.as_deref().unwrap_or_default();
        if contract::json_holds_card_number(body.get()) || contract::holds_card_number(id) {
            return Err(card_number_refused());
        }
        match self {
            Client::Direct(direct) => {
                let body = body.get().as_bytes().to_vec();
                direct.send(&Raw { message_id, name: name.to_string(), body, ..Raw::default() }).await
            }
            Client::Beside(run) => {
                let submission = Submission { name: name.to_string(), message_id, body };
                match post(run, "/admin/messages", &submission).await? {
                    (StatusCode::ACCEPTED, answer) => Ok(serde_json::from_slice(&answer)?),
                    (_, answer) => Err(refusal(&answer)),
                }
            }
        }
    }

    pub(super) async fn replay(&self, letter: &str, who: &Operator) -> Result<()> {
        must_hold_no_card_number(who)?;
        match self {
            Client::Direct(direct) => dead::replay(&*direct.store, &*direct.broker, letter, who).await,
            Client::Beside(run) => command(run, &format!("/admin/dead-letters/{letter}/replay"), who).await,
        }
    }

    pub(super) async fn discard(&self, letter: &str, who: &Operator) -> Result<()> {
        must_hold_no_card_number(who)?;
        match self {
            Client::Direct(direct) => dead::discard(&*direct.store, letter, who).await,
            Client::Beside(run) => command(run, &format!("/admin/dead-letters/{letter}/discard"), who).await,
        }
    }

    pub(super) async fn pause(&self, role: Role, who: &Operator) -> Result<()> {
        must_hold_no_card_number(who)?;
        match self {
            Client::Direct(direct) => pause::pause(&*direct.store, role, who).await,
            Client::Beside(run) => command(run, &format!("/admin/roles/{role}/pause"), who).await,
        }
    }

    pub(super) async fn resume(&self, role: Role, who: &Operator) -> Result<()> {
        must_hold_no_card_number(who)?;
        match self {
            Client::Direct(direct) => pause::resume(&*direct.store, role, who).await,
            Client::Beside(run) => command(run, &format!("/admin/roles/{role}/resume"), who).await,
        }
    }
}

/// A reason stays in the journal. Without a gateway on the way, only this check refuses it.
fn must_hold_no_card_number(who: &Operator) -> Result<()> {
    let edited = who.edited.as_ref().map(|edited| [&edited.name, &edited.body]);
    let mut texts = edited.into_iter().flatten().flatten().chain([&who.by, &who.why]);
    if texts.any(|text| contract::holds_card_number(text)) { Err(card_number_refused()) } else { Ok(()) }
}

fn card_number_refused() -> anyhow::Error {
    let why =
        "it holds what looks like a card number, which is kept nowhere; say it without (CARD_NUMBER_REFUSED)";
    WrongUsage(why.into()).into()
}

async fn command(run: &RunFile, path: &str, body: &impl Serialize) -> Result<()> {
    match post(run, path, body).await? {
        (StatusCode::NO_CONTENT, _) => Ok(()),
        (_, answer) => Err(refusal(&answer)),
    }
}

async fn post(run: &RunFile, path: &str, body: &impl Serialize) -> Result<(StatusCode, Bytes)> {
    let RunFile { address, token, pid } = run;
    http::post(*address, token, path, serde_json::to_vec(body)?).await.with_context(|| {
        format!("the system at {address} (process {pid}) does not answer; start it again with `checkout dev`")
    })
}

fn refusal(answer: &[u8]) -> anyhow::Error {
    match serde_json::from_slice::<Problem>(answer) {
        // A conflict is no usage error: another operator was faster, or it was done before.
        Ok(problem) if problem.status < 500 && problem.status != 409 => {
            WrongUsage(format!("{} ({})", problem.detail, problem.code)).into()
        }
        Ok(problem) => anyhow::anyhow!("{} ({})", problem.detail, problem.code),
        Err(_) => anyhow::anyhow!("the system answered with something that is no problem document"),
    }
}

/// Polls until `look` finds something or time is up.
pub(super) async fn wait_for<T>(
    seconds: u64,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(seconds);
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if tokio::time::Instant::now() > until {
            bail!("{what} did not happen within {seconds} s; look again with `checkout order show`");
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
