//! Keeps the dashboard's overview open during a load.

use anyhow::{Context, Result, ensure};
use gateway::{OVERVIEW_EVENTS, auth};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use settings::Settings;
use tokio::task::AbortHandle;

use crate::app::System;

/// Reads the overview until it is dropped.
pub(super) struct Watcher(AbortHandle);

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) async fn watch(system: &System, settings: &Settings) -> Result<Watcher> {
    let address = system.address().context("nothing listens")?;
    let (_, token) = auth::tokens(settings, "load").context("no secret of ours signs tokens")?;
    let request = Request::get(format!("http://{address}{OVERVIEW_EVENTS}"))
        .header("authorization", format!("Bearer {token}"))
        .body(Empty::<Bytes>::new())?;
    let response = Client::builder(TokioExecutor::new()).build_http().request(request).await?;
    ensure!(response.status().is_success(), "the dashboard answers {}", response.status());
    let mut events = response.into_body();
    let reading = tokio::spawn(async move { while let Some(Ok(_)) = events.frame().await {} });
    Ok(Watcher(reading.abort_handle()))
}
