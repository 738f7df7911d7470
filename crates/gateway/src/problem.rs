//! Every error response is an RFC 9457 document with a stable `code` for programs and a `detail` for people.

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    pub status: u16,
    /// Programs branch on this. It never changes.
    pub code: String,
    pub title: String,
    /// What is wrong and what to do, for people.
    pub detail: String,
    /// Extra fields of some problems: `errors`, `items`, `order_status`, `allowed`, …
    #[serde(flatten)]
    #[schemars(skip)]
    pub more: Map<String, Value>,
    #[serde(skip)]
    #[schemars(skip)]
    headers: Option<Box<HeaderMap>>,
}

/// An unavailable dependency is usually back within a moment.
const AWAY_RETRY_S: u64 = 1;

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            status: status.as_u16(),
            code: code.to_string(),
            title: status.canonical_reason().unwrap_or("error").to_string(),
            detail: detail.into(),
            more: Map::new(),
            headers: None,
        }
    }

    pub(crate) fn bad_request(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// The request is well-formed but cannot be processed.
    pub(crate) fn unprocessable(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    pub(crate) fn not_found(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    pub(crate) fn conflict(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// The same answer for every kind of wrong token, so that guessing reveals nothing.
    pub(crate) fn unauthorized() -> Self {
        let detail = "send a valid token: Authorization: Bearer TOKEN";
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", detail)
            .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", detail)
    }

    /// The database or the broker is away. The cause is logged and not sent.
    pub(crate) fn unavailable(why: impl std::fmt::Display) -> Self {
        tracing::warn!("a request was refused: {why}");
        let detail = "something that is needed is away; send the same again in a moment, it is done once";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", detail).retry_after(AWAY_RETRY_S)
    }

    /// A bug of ours. The cause is logged and not sent.
    pub(crate) fn internal(why: impl std::fmt::Display) -> Self {
        tracing::error!("a request failed: {why}");
        let detail = "this should not happen; the log has more under the request's id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", detail)
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_string(), value.into());
        self
    }

    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.get_or_insert_default().insert(name, value);
        self
    }
}

/// A statement that the store refuses is a bug of ours; all other errors are temporary.
impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        use store::Error;
        match error {
            Error::Refused(_) => Self::internal(error),
            Error::Unavailable(_) | Error::Conflict(_) | Error::Unknown(_) => Self::unavailable(error),
        }
    }
}

/// Any other failure to read our own records is a bug of ours.
impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<store::Error>() {
            Ok(error) => error.into(),
            Err(error) => Self::internal(format!("{error:#}")),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        let headers = self.headers.take();
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.headers_mut().extend(headers.into_iter().flat_map(|headers| *headers));
        response
    }
}
