//! The chaos page: places orders and injects faults of every kind, and shows whether all audit claims still hold.

use std::sync::Arc;

use axum::response::Response;
use contract::Role;
use engine::part::WORKERS;
use playground::chaos::{Chaos, Fault};
use playground::scenes::{MORE, SCENES, Scene};
use serde::Deserialize;

use super::charts::time;
use super::html::{Html, Tag, tag};
use super::live;
use super::page::{self, Page};
use super::parts::{self, section};
use super::promises;
use super::stage;
use crate::board::sampler::Snapshot;
use crate::call::Call;
use crate::problem::Problem;

pub(super) const PATH: &str = "/dashboard/chaos";
pub(super) const EVENTS: &str = "/dashboard/events/chaos";
pub(super) const ORDER: &str = "/dashboard/chaos/order";
pub(super) const FAULT: &str = "/dashboard/chaos/fault";
pub(super) const CRASH: &str = "/dashboard/chaos/crash";
pub(super) const HEAL: &str = "/dashboard/chaos/heal";

pub(super) async fn show(call: Call) -> Result<Response, Problem> {
    call.gateway.board.auditor.keep_fresh();
    let chaos = chaos(&call)?;
    let page = Page::new(&call, PATH, "Chaos shop").live(EVENTS);
    let page = page.with(state(chaos)).with(tag("div").class("grid").with(orders(&call)).with(faults(&call)));
    Ok(page.with(promises::panel(&call.gateway)).answer())
}

pub(super) async fn watch(call: Call) -> Result<Response, Problem> {
    live::stream(call, live_parts).await
}

fn live_parts(call: &Call, _: &Snapshot) -> Html {
    call.gateway.board.auditor.keep_fresh();
    let state = call.gateway.chaos.as_ref().map(|chaos| state(chaos));
    Html::from(vec![state, Some(promises::panel(&call.gateway))])
}

/// All scenes except the one with the late provider event, which takes too long to watch.
fn scenes() -> impl Iterator<Item = &'static Scene> {
    SCENES.iter().chain(&MORE).filter(|scene| scene.token != "tok_late")
}

/// The number of orders of a round, and the round's name in the form.
const ROUND: (usize, &str) = (100, "round");

/// Always `Some` here, because these routes exist only in a demo shop.
fn chaos(call: &Call) -> Result<&Arc<Chaos>, Problem> {
    let nothing = || Problem::not_found("NOT_FOUND", "faults can be ordered in a shop to play with alone");
    call.gateway.chaos.as_ref().ok_or_else(nothing)
}

/// The current faults and recent events.
fn state(chaos: &Chaos) -> Tag {
    let raging = chaos.raging();
    let wrong = match raging.is_empty() {
        true => tag("p").class("note good").text("Nothing is wrong at the moment."),
        false => tag("ul").class("note bad bare").all(raging.iter().map(|(fault, left)| {
            tag("li").text(format_args!("{}: {} s left", fault.name(), left.as_secs() + 1))
        })),
    };
    let told = chaos.told();
    let happened = told.iter().map(|(ago, what)| {
        let ago = time(ago.as_secs() * 1000);
        tag("li").with(tag("span").class("dim").text(format_args!("{ago} ago  "))).text(what)
    });
    let list = (!told.is_empty()).then(|| tag("ol").class("bare").attr("id", "happened").all(happened));
    section("state", "What is happening").with(wrong.attr("id", "raging")).with(list)
}

fn orders(call: &Call) -> Tag {
    let one = scenes().enumerate().map(|(at, scene)| {
        let button =
            tag("button").attr("name", "scene").attr("value", at).attr("title", scene.plot).text(scene.title);
        tag("li").with(parts::form(call, ORDER).with(button))
    });
    let many = parts::form(call, ORDER).with(
        tag("button")
            .class("main")
            .attr("name", "scene")
            .attr("value", ROUND.1)
            .text("A hundred of all kinds at once"),
    );
    let about = "Each places one order, through the same ingress as every other. What a customer or an operator has to do in it \
                 happens by itself; the shop's patience is six seconds here.";
    section("orders", "Place an order")
        .with(tag("p").text(about))
        .with(tag("ul").class("buttons").all(one))
        .with(many)
}

fn faults(call: &Call) -> Tag {
    let fault = Fault::ALL.into_iter().map(|(fault, value, name)| {
        let label = format!("{name} ({} s)", fault.lasts().as_secs());
        let button = tag("button").class("danger").attr("name", "fault").attr("value", value).text(label);
        tag("li").with(parts::form(call, FAULT).with(button))
    });
    let crash = WORKERS.into_iter().map(|(role, _)| {
        let button = tag("button").class("danger").attr("name", "role").attr("value", role).text(role);
        tag("li").with(parts::form(call, CRASH).with(button))
    });
    let heal = parts::form(call, HEAL).with(parts::button("Heal everything"));
    section("faults", "Break something")
        .with(tag("ul").class("buttons").all(fault))
        .with(tag("h3").text("Let a worker die in the middle of its work"))
        .with(tag("ul").class("buttons").all(crash))
        .with(heal)
}

pub(super) async fn order(call: Call) -> Result<Response, Problem> {
    #[derive(Deserialize)]
    struct Wanted {
        scene: String,
    }
    let Wanted { scene } = call.form()?;
    let chaos = chaos(&call)?;
    let scenes: Vec<_> = scenes().collect();
    if scene == ROUND.1 {
        chaos.tell("a hundred orders at once".into());
        for at in 0..ROUND.0 {
            stage::place(&call.gateway, scenes[at % scenes.len()]);
        }
        return Ok(page::see_other(PATH));
    }
    let chosen = scene.parse().ok().and_then(|at: usize| scenes.get(at));
    let chosen =
        chosen.ok_or_else(|| Problem::not_found("SCENE_UNKNOWN", "there is no such kind of order"))?;
    let id = stage::place(&call.gateway, chosen);
    chaos.tell(format!("order {id}: {}", chosen.title));
    Ok(page::see_other(PATH))
}

pub(super) async fn rage(call: Call) -> Result<Response, Problem> {
    #[derive(Deserialize)]
    struct Wanted {
        fault: String,
    }
    let Wanted { fault } = call.form()?;
    let known = Fault::ALL.into_iter().find(|(_, value, _)| *value == fault);
    let (fault, ..) = known.ok_or_else(|| Problem::not_found("FAULT_UNKNOWN", "there is no such fault"))?;
    chaos(&call)?.rage(fault);
    Ok(page::see_other(PATH))
}

pub(super) async fn crash(call: Call) -> Result<Response, Problem> {
    #[derive(Deserialize)]
    struct Wanted {
        role: String,
    }
    let Wanted { role } = call.form()?;
    let known = Role::named(&role).filter(|role| WORKERS.iter().any(|(worker, _)| worker == role));
    let role = known.ok_or_else(|| Problem::not_found("ROLE_UNKNOWN", "nobody works under that name"))?;
    chaos(&call)?.doom(role);
    Ok(page::see_other(PATH))
}

pub(super) async fn heal(call: Call) -> Result<Response, Problem> {
    chaos(&call)?.heal();
    Ok(page::see_other(PATH))
}
