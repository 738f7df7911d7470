//! The HTTP side: it checks, journals what it accepts by the door, and shows views. It decides nothing and writes no
//! record.
//!
//! `route.rs` is the table of all routes. A request passes the front (`front.rs`), then here: its address, its token,
//! its customer's limit, its body; and only then its handler, in the room that the route belongs to.

mod admin;
mod admission;
pub mod auth;
mod body;
mod call;
mod cards;
mod cart;
mod dashboard;
mod front;
pub(crate) mod hub;
mod intents;
mod key;
mod letters;
mod limits;
pub(crate) mod listener;
mod openapi;
mod operator;
mod orders;
mod pages;
mod parked;
mod payments;
mod problem;
mod query;
mod route;
mod run_file;
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
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::adapter::mock::MockWorld;
use crate::broker::Broker;
use crate::chaos::Chaos;
use crate::config::{Listen, Origins, Settings};
use crate::door::Door;
use crate::preview::Company;
use crate::probe::Probe;
use crate::store::{Keys as IdempotencyKeys, Store};
use admission::Admission;
use auth::keys::Keys;
use auth::{Caller, Porter, Role};
use call::Call;
pub(crate) use dashboard::overview::EVENTS as OVERVIEW_EVENTS;
pub(crate) use dashboard::shop::CUSTOMER;
use dashboard::{Board, session};
use front::{Peer, RequestId, Taken};
use hub::Hub;
use limits::Limits;
use listener::Caps;
use route::{Route, Takes, Who};

pub use openapi::document as openapi_document;
pub use operator::{Receipt, Submission};
pub use problem::Problem;
pub use run_file::RunFile;

/// What every route may use.
pub struct Gateway {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) door: Door,
    pub(crate) probe: Arc<Probe>,
    pub(crate) hub: Hub,
    pub(crate) shelf: orders::Shelf,
    pub(crate) admission: Admission,
    /// The workers that would decide, for previews.
    pub(crate) company: Company,
    /// What goes on and on ends with the process.
    pub(crate) stop: CancellationToken,
    porter: Porter,
    limits: Limits,
    /// Where metrics are shown, if not here.
    ops_listen: Listen,
    cors_origins: Origins,
    webhooks: webhooks::Secrets,
    pub(crate) board: Board,
    pub(crate) world: Arc<MockWorld>,
    /// In a shop to play with: there, whoever sits at this machine is its admin.
    pub(crate) chaos: Option<Arc<Chaos>>,
    /// There, a customer has one as well.
    pub(crate) shop_token: Option<String>,
    /// Of this run: a page that needed no token gives one to its forms.
    pub(crate) page_secret: String,
    /// Looked up with the first key that comes.
    keys: OnceCell<IdempotencyKeys>,
}

/// The parts of a system that the gateway stands before.
pub struct Behind {
    pub store: Arc<dyn Store>,
    pub broker: Arc<dyn Broker>,
    pub door: Door,
    pub probe: Arc<Probe>,
    /// The workers that would decide, for previews.
    pub company: Company,
    /// Everybody outside, whose books are compared with ours.
    pub world: Arc<MockWorld>,
    pub(crate) chaos: Option<Arc<Chaos>>,
    pub stop: CancellationToken,
}

impl Gateway {
    /// Fails when the settings name no key, or one that cannot be used.
    pub async fn new(settings: &Settings, behind: Behind, run: Option<&RunFile>) -> Result<Self> {
        let board = Board::new(&behind);
        let Behind { store, broker, door, probe, company, world, chaos, stop } = behind;
        let keys = Keys::of(settings).await?;
        let shop_token =
            chaos.as_ref().and_then(|_| auth::tokens(settings, CUSTOMER)).map(|(customer, _)| customer);
        let run_token = run.map(|run| run.token.as_str().into());
        let porter = Porter { keys, run_token, store: store.clone() };
        Ok(Self {
            store,
            broker,
            door,
            probe,
            hub: Hub::default(),
            shelf: orders::Shelf::default(),
            admission: Admission::of(settings),
            company,
            stop,
            porter,
            limits: Limits::new(settings.rate_per_customer, settings.rate_per_address),
            ops_listen: settings.ops_listen,
            cors_origins: settings.cors_origins.clone(),
            webhooks: webhooks::Secrets::of(settings),
            board,
            world,
            chaos,
            shop_token,
            page_secret: uuid::Uuid::new_v4().to_string(),
            keys: OnceCell::new(),
        })
    }
}

/// Until it is stopped; requests under way are finished. Past the caps only the `vital` routes are answered.
pub(crate) async fn serve(gateway: Gateway, listener: TcpListener, vital: Router, caps: Caps) {
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
    for route in route::table().into_iter().filter(is_here) {
        match paths.iter_mut().find(|(path, _)| *path == route.path) {
            Some((_, routes)) => routes.push(route),
            None => paths.push((route.path, vec![route])),
        }
    }
    let mut router = Router::new();
    for (path, routes) in paths {
        let (gateway, routes) = (gateway.clone(), Arc::new(routes));
        let meet = move |params: Params, request: Request| {
            let (gateway, routes) = (gateway.clone(), routes.clone());
            async move { by_method(gateway, &routes, params, request).await }
        };
        router = router.route(path, any(meet));
    }
    let guarded = gateway.clone();
    let nowhere = async move |request: Request| {
        let nothing = || Problem::not_found("NOT_FOUND", "there is no such page; /openapi.json lists them");
        address_may(&guarded, request.extensions()).err().unwrap_or_else(nothing)
    };
    router.fallback(nowhere).layer(from_fn_with_state(gateway, front::pass))
}

/// A path's parts; an error is one that is no text.
type Params = Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>;

async fn by_method(gateway: Arc<Gateway>, routes: &[Route], params: Params, request: Request) -> Response {
    let method = match request.method() {
        // The body of the answer is left out on the way.
        &Method::HEAD => &Method::GET,
        method => method,
    };
    let Some(route) = routes.iter().find(|route| route.method == *method) else {
        return other_method(routes, method);
    };
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    let asked = request.uri().clone();
    let answered = meet(gateway, route, params, request).await;
    let mut response = answered.unwrap_or_else(|problem| {
        let (request_id, code) = (id.as_deref().unwrap_or_default(), problem.code.as_str());
        tracing::debug!(request_id, route = route.name, status = problem.status, code, "refused");
        if route.page { dashboard::refused(problem, &asked) } else { problem.into_response() }
    });
    response.extensions_mut().insert(Taken(route.name));
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

/// Everything that comes before a handler, cheapest first.
async fn meet(
    gateway: Arc<Gateway>,
    route: &Route,
    params: Params,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (caller, session) = match route.who {
        Who::Monitor => (None, None),
        Who::Open | Who::OwnProof => {
            address_may(&gateway, &parts.extensions)?;
            (None, None)
        }
        Who::Customer | Who::Admin => {
            let asked = gateway.porter.caller(&parts.headers).await;
            let asked = asked.and_then(|caller| caller.ok_or_else(Problem::unauthorized));
            (Some(known(&gateway, &parts, asked)?), None)
        }
        Who::Browser => match session::seated(&gateway, &parts).await {
            Ok((caller, session)) => (Some(known(&gateway, &parts, Ok(caller))?), Some(session)),
            Err(problem) => (Some(known(&gateway, &parts, Err(problem))?), None),
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
        query::refuse_unknown(route, &parts.uri)?;
    }
    params.iter().try_for_each(|(name, value)| must_be_an_id(name, value))?;
    let body = body::read(route.takes, &parts.headers, body).await?;
    let call = Call { gateway, caller, session, params, uri: parts.uri, headers: parts.headers, body };
    if let (Takes::Form { .. }, Some(session)) = (route.takes, &call.session) {
        session.must_have_sent(&call)?;
    }
    (route.handler)(call).await
}

/// Longer than any id or name of ours. What stands in a path is looked up, journalled or shown again.
const ID_BYTES_MAX: usize = 128;

fn must_be_an_id(name: &str, value: &str) -> Result<(), Problem> {
    if value.len() <= ID_BYTES_MAX && !value.chars().any(char::is_control) {
        return Ok(());
    }
    let why = format!("{{{name}}} has at most {ID_BYTES_MAX} bytes and no control characters");
    Err(Problem::bad_request("PATH_INVALID", why))
}

fn known(gateway: &Gateway, parts: &Parts, asked: Result<Caller, Problem>) -> Result<Caller, Problem> {
    // Guessing costs as much of the address's share as asking.
    if !matches!(&asked, Ok(Caller { role: Role::Operator, .. })) {
        address_may(gateway, &parts.extensions)?;
    }
    let caller = asked?;
    match caller.role {
        Role::Customer | Role::Admin => gateway.limits.customer(&caller.id)?,
        Role::Operator => {}
    }
    Ok(caller)
}

fn address_may(gateway: &Gateway, of: &Extensions) -> Result<(), Problem> {
    of.get::<Peer>().map_or(Ok(()), |peer| gateway.limits.address(peer.0.ip()))
}
