//! The page that pauses and resumes workers (with the provider's adapter) and payment methods.

use std::time::Duration;

use axum::response::Response;
use contract::{Body, Message, MessageId, Method, MethodSwitch, Role, Table};
use engine::operator::Operator;
use engine::part::WORKERS;
use engine::pause::{self, Waits};
use order::MethodState;
use serde::Deserialize;
use store::{Database, Pause};

use super::act::{id_of_form, preview};
use super::html::{Html, path, tag, text};
use super::page::{Page, see_other};
use super::parts::{badge, button, dim, field, form, hidden, number, section, table};
use crate::call::Call;
use crate::problem::Problem;

pub(super) const PATH: &str = "/dashboard/pauses";

/// The same limit as on the command line.
const WHY_CHARS_MAX: usize = 200;
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
const POLL_EVERY: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
struct Given {
    #[serde(default)]
    why: String,
    #[serde(default)]
    message_id: String,
}

pub(super) async fn list(call: Call) -> Result<Response, Problem> {
    let store = &*call.gateway.store;
    let pauses = store.pauses().await?;
    let roles = WORKERS.iter().map(|(role, _)| {
        let pause = pauses.iter().find(|pause| pause.role == *role);
        let since = pause.map(|pause| format!("since {} by {}: {}", pause.at, pause.by, pause.why));
        line(role.name(), "roles", role.name(), since)
    });
    let mut methods = Vec::new();
    for method in Method::ALL {
        let state = method_state(store, method).await?.filter(|state| state.paused);
        let since = state.map(|state| format!("since {} by {}: {}", state.at, state.by, state.why));
        methods.push(line(method.words(), "methods", method.code(), since));
    }
    let heads = ["Who", "State", "Because", "Act"];
    Ok(Page::new(&call, PATH, "Pauses")
        .with(
            section("roles", "Workers")
                .with(dim("One that rests finishes what it has in hand and takes nothing new; its messages wait in their queue."))
                .with(table("Workers", &heads, roles)),
        )
        .with(
            section("methods", "Payment methods")
                .with(dim("New checkouts by one that rests are refused; those under way go on."))
                .with(table("Payment methods", &heads, methods)),
        )
        .answer())
}

fn line(name: &str, kind: &str, id: &str, since: Option<String>) -> Vec<Html> {
    let (state, act) = if since.is_some() { ("paused", "Let it go on") } else { ("at work", "Pause it") };
    let link = tag("a").attr("href", at(kind, id)).text(act);
    let link = link.attr("aria-label", format_args!("{act}: {name}"));
    vec![text(name), badge(state).into(), text(since.unwrap_or_default()), link.into()]
}

pub(super) async fn role(call: Call) -> Result<Response, Problem> {
    let role = worker(&call)?;
    let resting = current_pause(&call, role).await?;
    let rows = steps(pause::waits(&*call.gateway.store, role).await?);
    let steps = match rows.is_empty() {
        true => dim("No saga waits for it; what comes for it meanwhile stays in its queue."),
        false => {
            table("Steps that it takes", &["Saga", "Step", "Asks it by", "Sagas there now"], rows).into()
        }
    };
    let (title, verb) = match &resting {
        Some(_) => (format!("Let {role} go on?"), "It goes on with what has gathered"),
        None => (format!("Pause {role}?"), "These steps would wait, and their deadlines would go on"),
    };
    let label = if resting.is_some() { "Let it go on" } else { "Pause it" };
    let form = form(&call, at("roles", role.name())).with(reason()).with(tag("p").with(button(label)));
    Ok(Page::new(&call, PATH, title)
        .with(
            resting.map(|pause| dim(&format!("It rests since {} by {}: {}", pause.at, pause.by, pause.why))),
        )
        .with(section("preview", "What it would cause").with(tag("p").text(verb)).with(steps))
        .with(section("do", "Do it").with(form))
        .answer())
}

pub(super) async fn toggle_role(call: Call) -> Result<Response, Problem> {
    let (role, given) = (worker(&call)?, call.form::<Given>()?);
    let who = Operator::new(&*call.caller()?.id, given.checked_reason()?);
    let store = &*call.gateway.store;
    let done = match current_pause(&call, role).await? {
        Some(_) => pause::resume(store, role, &who).await,
        None => pause::pause(store, role, &who).await,
    };
    done.map_err(|why| Problem::conflict("NOT_POSSIBLE", format!("{why:#}")))?;
    Ok(see_other(PATH))
}

pub(super) async fn method(call: Call) -> Result<Response, Problem> {
    let method = method_of(&call)?;
    let store = &*call.gateway.store;
    let paused = method_state(store, method).await?.is_some_and(|state| state.paused);
    let (id, now) = (MessageId::from(uuid::Uuid::now_v7()), store.now().await?);
    let body = switch_message(method, paused, "(your reason)".into(), call.caller()?.id.to_string());
    let would = call.gateway.dry_run.preview(store, Message::new(id.clone(), now, body)).await;
    let would = would.map_err(|why| Problem::conflict("NOT_POSSIBLE", format!("{why:#}")))?;
    let label = if paused { "Let it go on" } else { "Pause it" };
    let title = if paused { "Let {} go on?" } else { "Pause {}?" }.replace("{}", method.words());
    let form = form(&call, at("methods", method.code()))
        .with(hidden("message_id", id))
        .with(reason())
        .with(tag("p").with(button(label)));
    let page = Page::new(&call, PATH, title).with(preview::shown(&would));
    Ok(page.with(section("do", "Do it").with(form)).answer())
}

pub(super) async fn toggle_method(call: Call) -> Result<Response, Problem> {
    let (method, given) = (method_of(&call)?, call.form::<Given>()?);
    let (by, why) = (call.caller()?.id.to_string(), given.checked_reason()?);
    let store = &*call.gateway.store;
    let paused = method_state(store, method).await?.is_some_and(|state| state.paused);
    let id = id_of_form(&given.message_id)?;
    let message = Message::new(id, store.now().await?, switch_message(method, paused, why, by));
    call.send(message).await.map_err(Problem::unavailable)?;
    let until = tokio::time::Instant::now() + ANSWERED_WITHIN;
    while tokio::time::Instant::now() < until
        && method_state(store, method).await?.is_some_and(|state| state.paused) == paused
    {
        tokio::time::sleep(POLL_EVERY).await;
    }
    Ok(see_other(PATH))
}

impl Given {
    fn checked_reason(&self) -> Result<String, Problem> {
        let said = contract::clean_text(&self.why, WHY_CHARS_MAX);
        said.map(Into::into).map_err(|why| Problem::field_invalid("why", &why))
    }
}

fn steps(waits: Vec<Waits>) -> Vec<Vec<Html>> {
    let row = |one: Waits| {
        let step = text(one.step.replace('_', " "));
        vec![text(one.saga), step, tag("code").text(one.ask).into(), number(one.sagas as u64)]
    };
    waits.into_iter().map(row).collect()
}

fn switch_message(method: Method, paused: bool, why: String, by: String) -> Body {
    let switch = MethodSwitch { method, why, by };
    if paused { Body::MethodResume(switch) } else { Body::MethodPause(switch) }
}

async fn current_pause(call: &Call, role: Role) -> Result<Option<Pause>, Problem> {
    Ok(call.gateway.store.pauses().await?.into_iter().find(|pause| pause.role == role))
}

async fn method_state(store: &dyn Database, method: Method) -> Result<Option<MethodState>, Problem> {
    let doc = store.get(Table::Methods, method.code()).await?;
    doc.as_deref().map(serde_json::from_str).transpose().map_err(Problem::internal)
}

fn worker(call: &Call) -> Result<Role, Problem> {
    let found = WORKERS.iter().map(|(role, _)| *role).find(|role| role.name() == call.param("id"));
    found.ok_or_else(|| Problem::not_found("ROLE_UNKNOWN", "no worker is called like that"))
}

fn method_of(call: &Call) -> Result<Method, Problem> {
    let found = Method::ALL.into_iter().find(|method| method.code() == call.param("id"));
    found.ok_or_else(|| Problem::not_found("NOT_FOUND", "nobody pays by that"))
}

fn reason() -> Html {
    field("why", "Reason", tag("input").attr("maxlength", WHY_CHARS_MAX).flag("required", true))
}

fn at(kind: &str, id: &str) -> String {
    format!("{PATH}{}", path(&[kind, id]))
}
