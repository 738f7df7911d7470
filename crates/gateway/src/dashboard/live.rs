//! Parts of a page as they become new, as server-sent events; whoever reads them is handed each whole, as markup.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::html::Html;
use crate::board::sampler::Picture;
use crate::call::Call;
use crate::problem::Problem;
use crate::state::Gateway;

/// So often something is said, or whatever stands between us and the reader would hang up.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What is new on a page: made after every look at the whole.
pub(super) type Parts = fn(&Call, &Picture) -> Html;

struct Watching {
    call: Call,
    parts: Parts,
    news: watch::Receiver<Option<Arc<Picture>>>,
    until: Instant,
    begun: bool,
    _place: OwnedSemaphorePermit,
}

pub(super) async fn stream(call: Call, parts: Parts) -> Result<Response, Problem> {
    let gateway: &Arc<Gateway> = &call.gateway;
    let place = gateway.board.watchers.clone().try_acquire_owned().map_err(|_| {
        let why = "as many pages are watched as may be; close one of them";
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_WAITING", why).retry_after(5)
    })?;
    let news = gateway.board.sampler.watch().await;
    let until = Instant::from_std(call.caller()?.until);
    let watching = Watching { call, parts, news, until, begun: false, _place: place };
    let events = futures_util::stream::unfold(watching, |mut watching| async move {
        let next = watching.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(next)), watching))
    });
    Ok(([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response())
}

impl Watching {
    /// `None` when there is nothing more to come, or the reader should come again.
    async fn next(&mut self) -> Option<String> {
        if !std::mem::replace(&mut self.begun, true) {
            // Who is cut off comes again after a second.
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
        let picture = self.news.borrow_and_update().clone()?;
        Some(event(&(self.parts)(&self.call, &picture)))
    }
}

/// Every line of it is a line of the event.
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
