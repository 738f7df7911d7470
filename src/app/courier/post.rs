//! An event has arrived when the shop's webhook answers 2xx. Everything else is retried with growing delays, and what
//! was tried often enough stays in the provider's books as given up.

use std::time::Duration;

use adapters::mock::{MockWorld, Parcel};
use anyhow::Result;
use contract::ProviderEvent;
use futures_util::future::join_all;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, Response, StatusCode, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use metrics::{METRICS, Post};
use settings::{Ladder, Settings};
use webhook::standard::{self, Secrets};

pub(crate) struct Poster {
    url: Uri,
    secrets: Secrets,
    ladder: Ladder,
    client: Client<HttpConnector, Full<Bytes>>,
    /// The endpoint answered 410. Only a new start tries again.
    gone: bool,
}

/// The result of one try.
enum Answer {
    Arrived,
    Gone,
    Refused { why: String, wait_s: Option<u64> },
}

/// Taken together, and posted concurrently.
const POSTS_AT_ONCE: usize = 64;
/// Shorter than a courier's claim on an event, so that no other courier posts it meanwhile.
const WITHIN: Duration = Duration::from_secs(4);
/// Answers are ignored; this much is read so that the connection can be reused.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The longest wait that an endpoint can ask for.
const WAIT_S_MAX: u64 = 24 * 3600;

impl Poster {
    pub(super) fn new(url: Uri, settings: &Settings) -> Self {
        Self {
            url,
            secrets: settings.webhook_secret.clone(),
            ladder: settings.provider_webhook_retries_s.clone(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            gone: false,
        }
    }

    /// Posts each due event once; the results are in the books before the next ones are taken.
    pub(super) async fn post_due(&mut self, world: &MockWorld) -> Result<()> {
        if self.gone {
            // The events stay due; without this pause they would be polled in a busy loop.
            tokio::time::sleep(super::EVERY).await;
            return Ok(());
        }
        let parcels = world.due_parcels(world.now(), POSTS_AT_ONCE).await?;
        let answers = join_all(parcels.iter().map(|parcel| self.post(world, parcel))).await;
        let arrived = parcels.iter().zip(&answers).filter(|(_, answer)| matches!(answer, Answer::Arrived));
        let arrived: Vec<_> = arrived.map(|(parcel, _)| parcel.event.id.as_str()).collect();
        if !arrived.is_empty() {
            world.delivered(&arrived).await?;
        }
        for (parcel, answer) in parcels.iter().zip(answers) {
            match answer {
                Answer::Arrived => METRICS.posted(Post::Arrived),
                Answer::Gone => self.give_up_endpoint(world, parcel).await?,
                Answer::Refused { why, wait_s } => self.refused(world, parcel, &why, wait_s).await?,
            }
        }
        Ok(())
    }

    async fn post(&self, world: &MockWorld, parcel: &Parcel) -> Answer {
        for _ in 0..parcel.copies {
            let posted = async { self.once(world.now().unix_ms() / 1000, &parcel.event).await };
            let answer = match tokio::time::timeout(WITHIN / parcel.copies.max(1), posted).await {
                Ok(Ok(response)) => answer(&response),
                // The end of the chain of causes says what matters: refused, reset, no such host.
                Ok(Err(why)) => Answer::Refused { why: format!("{why:#}"), wait_s: None },
                Err(_) => Answer::Refused { why: "no answer in time".into(), wait_s: None },
            };
            match answer {
                Answer::Arrived => {}
                Answer::Gone | Answer::Refused { .. } => return answer,
            }
        }
        Answer::Arrived
    }

    async fn once(&self, now_s: i64, event: &ProviderEvent) -> Result<Response<()>> {
        let body = serde_json::to_vec(event)?;
        let signature = self.secrets.sign(&event.id, now_s, &body);
        let request = Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("checkout-mock-provider/", env!("CARGO_PKG_VERSION")))
            .header(standard::ID, &event.id)
            .header(standard::TIMESTAMP, now_s)
            .header(standard::SIGNATURE, signature)
            .body(Full::new(Bytes::from(body)))?;
        let (head, body) = self.client.request(request).await?.into_parts();
        // If the body cannot be read, the connection closes; the status counts all the same.
        Limited::new(body, ANSWER_BYTES_MAX).collect().await.ok();
        Ok(Response::from_parts(head, ()))
    }

    async fn refused(
        &self,
        world: &MockWorld,
        parcel: &Parcel,
        why: &str,
        asked_s: Option<u64>,
    ) -> Result<()> {
        let wait_s = self.ladder.wait_s(parcel.tries).map(|wait_s| wait_s.max(asked_s.unwrap_or(0)));
        let (event, tries) = (&parcel.event.id, parcel.tries.saturating_add(1));
        match world.refused(parcel, why, wait_s).await? {
            Some(again) => {
                METRICS.posted(Post::Refused);
                tracing::warn!(event, tries, %again, "the webhook did not take an event: {why}");
            }
            None => {
                METRICS.posted(Post::GivenUp);
                tracing::error!(event, tries, "an event is given up; the webhook's last word was: {why}");
            }
        }
        Ok(())
    }

    async fn give_up_endpoint(&mut self, world: &MockWorld, parcel: &Parcel) -> Result<()> {
        METRICS.posted(Post::Gone);
        // Due again right after the next start: a restart suggests that the endpoint is there again.
        world.refused(parcel, "410 Gone", Some(0)).await?;
        if !std::mem::replace(&mut self.gone, true) {
            tracing::error!(
                "{} says that it is gone (410): nothing is posted there until this process starts anew",
                self.url
            );
        }
        Ok(())
    }
}

fn answer(response: &Response<()>) -> Answer {
    let status = response.status();
    match status {
        _ if status.is_success() => Answer::Arrived,
        StatusCode::GONE => Answer::Gone,
        // Redirections too: the shop must give the provider its new URL.
        _ => {
            let slow = matches!(status.as_u16(), 429 | 502 | 503 | 504);
            let asked = response.headers().get(header::RETRY_AFTER).filter(|_| slow);
            let asked = asked.and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
            Answer::Refused { why: status.to_string(), wait_s: asked.map(|s| s.min(WAIT_S_MAX)) }
        }
    }
}
