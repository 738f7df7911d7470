//! Middleware for all routes: security headers on every response, a request id that the log also has, and CORS for the
//! origins that a setting names.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::state::Gateway;

/// The address that a request came from.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The request's id, for our log and the caller's.
#[derive(Clone)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

/// The name of the matched route, for the log: the path would contain ids.
#[derive(Clone, Copy)]
pub(crate) struct MatchedRoute(pub(crate) &'static str);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_MAX: usize = 100;

/// Defaults for JSON: no scripts, no framing, no content sniffing, no caching. Pages set headers of their own.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
];

const CORS_HEADERS: &str =
    "authorization, content-type, idempotency-key, last-event-id, prefer, x-request-id";
const CORS_METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
const CORS_SHOWN: &str = "location, retry-after, x-request-id";
/// How long a browser may cache a preflight response.
const CORS_KEPT_S: &str = "3600";

pub(crate) async fn pass(State(gateway): State<Arc<Gateway>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let (method, id) = (request.method().clone(), request_id(request.headers()));
    let origin = request.headers().get(header::ORIGIN).cloned();
    let origin = origin.filter(|origin| origin.to_str().is_ok_and(|origin| gateway.cors_origins.has(origin)));
    request.extensions_mut().insert(RequestId(id.clone()));
    let asks_first =
        method == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match (&origin, asks_first) {
        _ if !names_one_host(&request) => {
            Problem::bad_request("HOST_INVALID", "send exactly one Host header").into_response()
        }
        (Some(_), true) => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let shown = [
            (header::ACCESS_CONTROL_EXPOSE_HEADERS, CORS_SHOWN),
            (header::ACCESS_CONTROL_ALLOW_METHODS, CORS_METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, CORS_HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, CORS_KEPT_S),
        ];
        let count = if asks_first { shown.len() } else { 1 };
        for (name, value) in shown.into_iter().take(count) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    let route = response.extensions().get::<MatchedRoute>().map_or("none", |taken| taken.0);
    let (status, ms) = (response.status().as_u16(), started.elapsed().as_millis() as u64);
    match response.status().is_server_error() {
        true => tracing::warn!(request_id = &*id, %method, route, status, ms, "answered"),
        false => tracing::debug!(request_id = &*id, %method, route, status, ms, "answered"),
    }
    response
}

/// With none or several `Host` headers, a proxy before us may have used another host than we would (RFC 9112, 3.2).
/// HTTP/1.0 requests may have none.
fn names_one_host(request: &Request) -> bool {
    match request.headers().get_all(header::HOST).iter().count() {
        0 => request.version() == Version::HTTP_10,
        count => count == 1,
    }
}

/// The caller's own request id if it is safe to log, so that both logs can be matched; otherwise a new one.
fn request_id(headers: &HeaderMap) -> Arc<str> {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let plain = |id: &&str| {
        (1..=REQUEST_ID_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            && !contract::holds_card_number(id)
    };
    match given.filter(plain) {
        Some(id) => id.into(),
        None => uuid::Uuid::now_v7().to_string().into(),
    }
}
