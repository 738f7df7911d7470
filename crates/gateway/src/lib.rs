//! The HTTP side: it checks requests, journals accepted messages through the ingress, and renders views. It makes no
//! business decision and writes no record.
//!
//! `table.rs` has all routes, `state.rs` the state that handlers share. A request passes the middleware in `front.rs`.
//! Then `handle` below checks the token, the rate limits of the address and of the customer, the path, the query and the
//! body, and only then calls the route's handler.

mod admin;
mod admission;
pub mod auth;
mod board;
mod body;
mod call;
mod cards;
mod cart;
mod dashboard;
mod deps;
mod front;
pub(crate) mod hub;
mod intents;
mod key;
mod letters;
mod limits;
pub mod listener;
mod openapi;
mod operator;
mod orders;
mod pages;
mod parked;
mod payments;
mod problem;
mod products;
mod query;
mod route;
mod run_file;
mod session;
mod state;
mod table;
mod wallet;
mod webhooks;
mod written;

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::extract::{RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderValue, Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::net::TcpListener;

use auth::{Caller, Role};
use call::Call;
pub use dashboard::overview::EVENTS as OVERVIEW_EVENTS;
use front::{MatchedRoute, Peer, RequestId};
use listener::Caps;
use route::{Route, Takes, Who};
use settings::{Listen, Settings};

pub use deps::Deps;
pub use operator::{Receipt, Submission};
pub use problem::Problem;
pub use run_file::RunFile;
pub use state::CUSTOMER;
pub use state::Gateway;

/// Fails when the settings name no key for tokens, or an unusable one.
pub async fn open(settings: &Settings, deps: Deps, run: Option<&RunFile>) -> Result<Gateway> {
    Gateway::new(settings, deps, run, || openapi_document().to_string()).await
}

pub fn openapi_document() -> serde_json::Value {
    openapi::document(table::table())
}

/// Runs until `gateway.stop` is cancelled, then lets running requests finish. Connections past the caps get only the
/// `vital` routes.
pub async fn serve(gateway: Gateway, listener: TcpListener, vital: Router, caps: Caps) {
    let stop = gateway.stop.clone();
    let gateway = Arc::new(gateway);
    let hub = gateway.hub.clone();
    let hub = hub.run(|| gateway.broker.facts(&hub::NEWS), gateway.store.clone(), stop.clone());
    tokio::join!(listener::serve(listener, router(gateway.clone()), vital, caps, stop), hub);
}

fn router(gateway: Arc<Gateway>) -> Router {
    let mut paths: Vec<(&'static str, Vec<Route>)> = Vec::new();
    let is_here = |route: &Route| match route.path {
        "/metrics" => gateway.ops_listen == Listen::Nowhere,
        _ => gateway.chaos.is_some() || !route.play,
    };
    for route in table::table().into_iter().filter(is_here) {
        match paths.iter_mut().find(|(path, _)| *path == route.path) {
            Some((_, routes)) => routes.push(route),
            None => paths.push((route.path, vec![route])),
        }
    }
    let mut router = Router::new();
    for (path, routes) in paths {
        let (gateway, routes) = (gateway.clone(), Arc::new(routes));
        let handle = move |params: Params, request: Request| {
            let (gateway, routes) = (gateway.clone(), routes.clone());
            async move { by_method(gateway, &routes, params, request).await }
        };
        router = router.route(path, any(handle));
    }
    let guarded = gateway.clone();
    let fallback = async move |request: Request| {
        let not_found = || Problem::not_found("NOT_FOUND", "there is no such page; /openapi.json lists them");
        check_address_limit(&guarded, request.extensions()).err().unwrap_or_else(not_found)
    };
    router.fallback(fallback).layer(from_fn_with_state(gateway, front::pass))
}

/// The path parameters; an error means that one of them is not UTF-8.
type Params = Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>;

async fn by_method(gateway: Arc<Gateway>, routes: &[Route], params: Params, request: Request) -> Response {
    let method = match request.method() {
        // hyper leaves out the body of a response to HEAD.
        &Method::HEAD => &Method::GET,
        method => method,
    };
    let Some(route) = routes.iter().find(|route| route.method == *method) else {
        return other_method(routes, method);
    };
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    let uri = request.uri().clone();
    let answered = handle(gateway, route, params, request).await;
    let mut response = answered.unwrap_or_else(|problem| {
        let (request_id, code) = (id.as_deref().unwrap_or_default(), problem.code.as_str());
        tracing::debug!(request_id, route = route.name, status = problem.status, code, "refused");
        if route.page { dashboard::refused(problem, &uri) } else { problem.into_response() }
    });
    response.extensions_mut().insert(MatchedRoute(route.name));
    response
}

fn other_method(routes: &[Route], method: &Method) -> Response {
    let mut names: Vec<_> = routes.iter().map(|route| route.method.as_str()).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    let names = names.join(", ");
    let mut response = match *method {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => {
            let why = format!("allowed here: {names}");
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", why).into_response()
        }
    };
    if let Ok(names) = HeaderValue::from_str(&names) {
        response.headers_mut().insert(header::ALLOW, names);
    }
    response
}

/// Runs all checks that come before the handler, and then the handler.
async fn handle(
    gateway: Arc<Gateway>,
    route: &Route,
    params: Params,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (caller, session) = match route.who {
        Who::Monitor => (None, None),
        Who::Open | Who::OwnProof => {
            check_address_limit(&gateway, &parts.extensions)?;
            (None, None)
        }
        Who::Customer | Who::Admin => {
            let authenticated = gateway.authenticator.caller(&parts.headers).await;
            let authenticated = authenticated.and_then(|caller| caller.ok_or_else(Problem::unauthorized));
            (Some(rate_limited(&gateway, &parts, authenticated)?), None)
        }
        Who::Browser => match session::authenticate(&gateway, &parts).await {
            Ok((caller, session)) => (Some(rate_limited(&gateway, &parts, Ok(caller))?), Some(session)),
            Err(problem) => (Some(rate_limited(&gateway, &parts, Err(problem))?), None),
        },
    };
    match (route.who, caller.as_ref().map(|caller| caller.role)) {
        (Who::Admin | Who::Browser, Some(Role::Customer)) => {
            return Err(Problem::forbidden("this is for admins"));
        }
        (Who::Open | Who::Monitor | Who::OwnProof | Who::Customer | Who::Admin | Who::Browser, _) => {}
    }
    let params = params.map_err(|_| Problem::bad_request("PATH_INVALID", "the path is not UTF-8"))?;
    let params: Vec<_> = params.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    cards::refuse_in(&parts, &params, caller.as_ref())?;
    if route.is_strict() {
        query::refuse_unknown(route.query_names(), &parts.uri)?;
    }
    params.iter().try_for_each(|(name, value)| must_be_an_id(name, value))?;
    let body = body::read(route.takes, &parts.headers, body).await?;
    let call = Call { gateway, caller, session, params, uri: parts.uri, headers: parts.headers, body };
    if let (Takes::Form { .. }, Some(session)) = (route.takes, &call.session) {
        session.check_form_token(&call.body)?;
    }
    (route.handler)(call).await
}

/// Longer than any id or name of ours. A limit is needed because path parameters are looked up, journalled and shown.
const ID_BYTES_MAX: usize = 128;

fn must_be_an_id(name: &str, value: &str) -> Result<(), Problem> {
    if value.len() <= ID_BYTES_MAX && !value.chars().any(char::is_control) {
        return Ok(());
    }
    let why = format!("{{{name}}} has at most {ID_BYTES_MAX} bytes and no control characters");
    Err(Problem::bad_request("PATH_INVALID", why))
}

fn rate_limited(
    gateway: &Gateway,
    parts: &Parts,
    authenticated: Result<Caller, Problem>,
) -> Result<Caller, Problem> {
    // A failed authentication counts against the address too, so that guessing tokens is rate limited.
    if !matches!(&authenticated, Ok(Caller { role: Role::Operator, .. })) {
        check_address_limit(gateway, &parts.extensions)?;
    }
    let caller = authenticated?;
    match caller.role {
        Role::Customer | Role::Admin => gateway.limits.customer(&caller.id)?,
        Role::Operator => {}
    }
    Ok(caller)
}

fn check_address_limit(gateway: &Gateway, of: &Extensions) -> Result<(), Problem> {
    of.get::<Peer>().map_or(Ok(()), |peer| gateway.limits.address(peer.0.ip()))
}
