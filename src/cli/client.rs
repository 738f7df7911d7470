//! Talks to the running system beside the database, over its HTTP listener and with its token.

use anyhow::{Context, Result, bail};
use contract::BODY_BYTES_MAX;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;

use super::WrongUsage;
use crate::config::Settings;
use crate::gateway::{Problem, Receipt, RunFile, Submission};

pub(super) struct Client {
    run: RunFile,
}

impl Client {
    pub(super) fn find(settings: &Settings) -> Result<Self> {
        Ok(Self { run: RunFile::read(&settings.database_url.path)? })
    }

    /// Sends one message; the answer comes once it is safe.
    pub(super) async fn send(
        &self,
        name: &str,
        message_id: Option<String>,
        body: &impl Serialize,
    ) -> Result<Receipt> {
        let body = serde_json::value::to_raw_value(body)?;
        let bytes = body.get().len();
        if bytes > BODY_BYTES_MAX {
            // The listener would hang up in the middle of it.
            let why = format!("the body has {bytes} bytes; at most {BODY_BYTES_MAX} (body_too_large)");
            return Err(WrongUsage(why).into());
        }
        let submission = Submission { name: name.to_string(), message_id, body };
        let (status, answer) = self.post("/admin/messages", &submission).await?;
        match status {
            StatusCode::ACCEPTED => Ok(serde_json::from_slice(&answer)?),
            _ => Err(refusal(&answer)),
        }
    }

    pub(super) async fn command(&self, path: &str, body: &impl Serialize) -> Result<()> {
        match self.post(path, body).await? {
            (StatusCode::NO_CONTENT, _) => Ok(()),
            (_, answer) => Err(refusal(&answer)),
        }
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> Result<(StatusCode, Bytes)> {
        let gone = || {
            let RunFile { address, pid, .. } = &self.run;
            format!(
                "the system at {address} (process {pid}) does not answer; start it again with `checkout dev`"
            )
        };
        let stream = TcpStream::connect(self.run.address).await.with_context(gone)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let request = Request::post(path)
            .header("host", self.run.address.to_string())
            .header("authorization", format!("Bearer {}", self.run.token))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(serde_json::to_vec(body)?)))?;
        let response = sender.send_request(request).await.with_context(gone)?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        driver.abort();
        Ok((status, answer))
    }
}

fn refusal(answer: &[u8]) -> anyhow::Error {
    match serde_json::from_slice::<Problem>(answer) {
        // A conflict is no mistake in what was asked: somebody was faster, or it was done before.
        Ok(problem) if problem.status < 500 && problem.status != 409 => {
            WrongUsage(format!("{} ({})", problem.detail, problem.code)).into()
        }
        Ok(problem) => anyhow::anyhow!("{} ({})", problem.detail, problem.code),
        Err(_) => anyhow::anyhow!("the system answered with something that is no problem document"),
    }
}

/// Looks again and again until `look` finds something or time is up.
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
