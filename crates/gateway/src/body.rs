//! Reads a request body whole, within a size limit and a timeout, before anything parses it.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::cards;
use super::problem::Problem;
use super::route::Takes;

/// Enough for 64 KiB over a very slow line; a slower client keeps a connection busy for nothing.
const WITHIN: Duration = Duration::from_secs(10);

pub(crate) async fn read(takes: Takes, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    match takes {
        // A body that was sent anyway stays unread; hyper closes the connection if it is more than a little.
        Takes::Nothing => Ok(Bytes::new()),
        Takes::Signed { bytes_max, .. } => whole(bytes_max, headers, body).await,
        Takes::Json { bytes_max, required, .. } => {
            let bytes = whole(bytes_max, headers, body).await?;
            if bytes.is_empty() && !required {
                return Ok(bytes);
            }
            must_be_json(headers)?;
            cards::refuse_in_json(&bytes)?;
            Ok(bytes)
        }
        Takes::Form { bytes_max } => {
            let bytes = whole(bytes_max, headers, body).await?;
            must_be_form(headers)?;
            cards::refuse_in_form(&bytes)?;
            Ok(bytes)
        }
    }
}

async fn whole(bytes_max: usize, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let too_large = || {
        let why = format!("a body has at most {bytes_max} bytes here");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", why)
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > bytes_max) {
        return Err(too_large());
    }
    match tokio::time::timeout(WITHIN, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(why)) if why.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::bad_request("BODY_INCOMPLETE", "the body ended before it was whole")),
        Err(_) => {
            let why = format!("the body was not whole within {} s", WITHIN.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "BODY_TOO_SLOW", why)
                .header(header::CONNECTION, header::HeaderValue::from_static("close")))
        }
    }
}

/// A missing Content-Type counts as JSON; any other type is a caller's mistake that should be reported.
fn must_be_json(headers: &HeaderMap) -> Result<(), Problem> {
    let why = "send JSON, with Content-Type: application/json";
    must_be(headers, why, |kind| kind == "application/json" || kind.ends_with("+json"))
}

fn must_be_form(headers: &HeaderMap) -> Result<(), Problem> {
    must_be(headers, "send a form", |kind| kind == "application/x-www-form-urlencoded")
}

fn must_be(headers: &HeaderMap, why: &str, right: fn(&str) -> bool) -> Result<(), Problem> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match right(&kind.to_ascii_lowercase()) {
        true => Ok(()),
        false => Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "CONTENT_TYPE_UNSUPPORTED", why)),
    }
}
