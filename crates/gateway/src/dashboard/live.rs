//! Streams updated parts of a page as server-sent events; each part is complete HTML.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::html::Html;
use crate::board::sampler::Snapshot;
use crate::call::Call;
use crate::problem::Problem;
use crate::state::Gateway;

/// An idle stream gets a comment this often; otherwise proxies would close it.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Renders the parts of a page that a new sample changes.
pub(super) type Parts = fn(&Call, &Snapshot) -> Html;

struct LiveStream {
    call: Call,
    parts: Parts,
    news: watch::Receiver<Option<Arc<Snapshot>>>,
    until: Instant,
    begun: bool,
    _permit: OwnedSemaphorePermit,
}

pub(super) async fn stream(call: Call, parts: Parts) -> Result<Response, Problem> {
    let gateway: &Arc<Gateway> = &call.gateway;
    let permit = gateway.board.watchers.clone().try_acquire_owned().map_err(|_| {
        let why = "as many pages are watched as may be; close one of them";
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_WAITING", why).retry_after(5)
    })?;
    let news = gateway.board.sampler.watch().await;
    let until = Instant::from_std(call.caller()?.until);
    let watching = LiveStream { call, parts, news, until, begun: false, _permit: permit };
    let events = futures_util::stream::unfold(watching, |mut watching| async move {
        let next = watching.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(next)), watching))
    });
    Ok(([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response())
}

impl LiveStream {
    /// The next text to send; `None` when the client should reconnect or sign in again.
    async fn next(&mut self) -> Option<String> {
        if !std::mem::replace(&mut self.begun, true) {
            // The client reconnects one second after it loses the connection.
            return Some("retry: 1000\n\n".to_string());
        }
        let stop = self.call.gateway.stop.clone();
        tokio::select! {
            news = self.news.changed() => news.ok()?,
            () = tokio::time::sleep_until(self.until.min(Instant::now() + HEARTBEAT)) => {
                return (Instant::now() < self.until).then(|| ":\n\n".to_string());
            }
            () = stop.cancelled() => return None,
        }
        let snapshot = self.news.borrow_and_update().clone()?;
        Some(event(&(self.parts)(&self.call, &snapshot)))
    }
}

/// Each line of the HTML becomes a `data:` line of one event.
fn event(parts: &Html) -> String {
    let mut event = "event: parts\n".to_string();
    for line in parts.as_str().split('\n') {
        event.push_str("data: ");
        event.push_str(line);
        event.push('\n');
    }
    event.push('\n');
    event
}
