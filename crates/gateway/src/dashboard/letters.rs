//! The page of dead letters: groups by error, the letters of a group, and bulk actions.

mod many;
mod one;

use axum::response::Response;
use contract::Time;
use serde::Deserialize;
use store::{DeadGroup, DeadLetter, DeadStatus, Letters, Origin};

use super::html::{Html, Tag, all, path, tag, text};
use super::live;
use super::page::Page;
use super::parts::{badge, dim, field, form, hidden, number, section, table};
use crate::board::sampler::Snapshot;
use crate::call::Call;
use crate::problem::Problem;

pub(super) use many::{discard_all, replay_all};
pub(super) use one::{discard, edited, replay, show};

pub(super) const PATH: &str = "/dashboard/dead-letters";
pub(super) const EVENTS: &str = "/dashboard/events/dead-letters";

const LIMIT: usize = 50;
const GROUPS_MAX: usize = 100;
const ORIGINS: [Origin; 2] = [Origin::Own, Origin::Stranger];
pub(super) const WHY_CHARS_MAX: usize = 500;

/// Selects letters; an empty field does not filter.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
pub(super) struct Group {
    /// `own` or `stranger`.
    #[serde(default)]
    origin: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    queue: String,
    #[serde(default, rename = "type")]
    name: String,
}

#[derive(Default, Deserialize)]
struct PageCursor {
    #[serde(default)]
    before: Option<Time>,
    #[serde(default)]
    id: String,
}

pub(super) async fn list(call: Call) -> Result<Response, Problem> {
    let (mut group, cursor): (Group, PageCursor) = (call.query()?, call.query()?);
    let store = &*call.gateway.store;
    // By default, only letters of our own trouble, so that outside senders' letters do not crowd them out.
    if group == Group::default() {
        group.origin = Origin::Own.name().to_string();
    }
    let groups = store.dead_groups(GROUPS_MAX).await?;
    let before = cursor.before.map(|at| (at, cursor.id));
    let mut letters = store.letters(&Letters { before, limit: LIMIT + 1, ..group.wanted() }).await?;
    let more = letters.len() > LIMIT;
    letters.truncate(LIMIT);
    let next = letters.last().filter(|_| more).map(|last| {
        let query = [("before", last.at.to_string()), ("id", last.id.clone())];
        let query = serde_urlencoded::to_string(query).unwrap_or_default();
        tag("p").with(tag("a").attr("href", format_args!("{}&{query}", group.at())).text("Older ones"))
    });
    let listed = section("letters", &group.title()).with(each(&letters)).with(next);
    let together = (!letters.is_empty()).then(|| together(&call, &group));
    Ok(Page::new(&call, PATH, "Dead letters")
        .live(EVENTS)
        .with(many::progress(&call.gateway.board.bulk))
        .with(all_groups(&groups, store.vitals().await?.evicted_dead_letters))
        .with(together)
        .with(listed)
        .answer())
}

/// Streams the progress of a bulk action.
pub(super) async fn watch(call: Call) -> Result<Response, Problem> {
    fn live_parts(call: &Call, _: &Snapshot) -> Html {
        many::progress(&call.gateway.board.bulk).into()
    }
    live::stream(call, live_parts).await
}

impl Group {
    fn wanted(&self) -> Letters {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_string());
        Letters {
            status: Some(DeadStatus::Open),
            origin: ORIGINS.into_iter().find(|origin| origin.name() == self.origin),
            code: given(&self.code),
            queue: given(&self.queue),
            name: given(&self.name),
            ..Letters::default()
        }
    }

    fn of(group: &DeadGroup) -> Self {
        let origin = group.origin.name().to_string();
        Self { origin, code: group.code.clone(), queue: group.queue.clone(), name: group.name.clone() }
    }

    fn at(&self) -> String {
        let query =
            [("origin", &self.origin), ("code", &self.code), ("queue", &self.queue), ("type", &self.name)];
        format!("{PATH}?{}", serde_urlencoded::to_string(query).unwrap_or_default())
    }

    fn title(&self) -> String {
        let origin = match self.wanted().origin {
            Some(Origin::Stranger) => "Strangers",
            Some(Origin::Own) => "Our own",
            None => "",
        };
        let parts = [origin, &self.code, &self.queue, &self.name];
        let given: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        if given.is_empty() { "All that are open".to_string() } else { given.join(" · ") }
    }
}

/// Our own trouble comes first. Outside senders' letters need no action, and past a limit the oldest are evicted.
fn all_groups(groups: &[DeadGroup], evicted: u64) -> Tag {
    let rows = groups.iter().map(|group| {
        let link = tag("a").attr("href", Group::of(group).at()).text(&group.code);
        vec![
            number(group.letters),
            text(group.origin.name()),
            link.into(),
            text(&group.queue),
            text(&group.name),
            text(group.oldest),
            text(group.newest),
        ]
    });
    let gone = format!("{evicted} older letters of strangers were evicted to make room for newer ones.");
    let section = section("groups", "What they died of").with((evicted > 0).then(|| dim(&gone)));
    match groups.is_empty() {
        true => section.with(dim("There is none: everything that came could be handled.")),
        false => section.with(table(
            "Open dead letters by what they died of",
            &["Letters", "Origin", "Code", "Queue", "Message", "Oldest", "Newest"],
            rows,
        )),
    }
}

fn each(letters: &[DeadLetter]) -> Tag {
    let rows = letters.iter().map(|letter| {
        let to = format!("{PATH}{}", path(&[&letter.id]));
        let order: Html = letter.order_id.map(|id| super::search::link(&id.to_string())).into();
        vec![
            tag("a").attr("href", to).text(&letter.name).into(),
            order,
            text(&letter.queue),
            text(format_args!("{}: {}", letter.code, letter.why)),
            text(letter.attempts),
            text(letter.at),
        ]
    });
    table("Dead letters, newest first", &["Message", "Order", "Queue", "Because", "Tries", "At"], rows)
}

/// The bulk actions on the group.
fn together(call: &Call, group: &Group) -> Tag {
    let act = |deed: &str, label: &str, class: &str| {
        form(call, format_args!("{PATH}/all/{deed}"))
            .with(hidden("origin", &group.origin))
            .with(hidden("code", &group.code))
            .with(hidden("queue", &group.queue))
            .with(hidden("type", &group.name))
            .with(why(deed))
            .with(tag("p").with(tag("button").class(class).text(label)))
    };
    section("together", "All of these")
        .with(dim("Oldest first, one by one; customers are not told twice. It goes on here while you look elsewhere."))
        .with(
            tag("div")
                .class("grid")
                .with(act("replay", "Send all of them again", "main"))
                .with(act("discard", "Give all of them up", "danger")),
        )
}

/// The field for the reason, which stays in the journal. Its id depends on `deed`, because a page may have two of them.
fn why(deed: &str) -> Html {
    let input = tag("input").attr("maxlength", WHY_CHARS_MAX).flag("required", true).attr("name", "why");
    let id = format!("why-{deed}");
    let label = if deed == "discard" { "Why they are given up" } else { "Why they are sent again" };
    all([tag("p").class("field").with(tag("label").attr("for", &id).text(label)).with(input.attr("id", &id))])
}

fn status(letter: &DeadLetter) -> Tag {
    badge(match letter.status {
        DeadStatus::Open => "open",
        DeadStatus::Replayed => "replayed",
        DeadStatus::Discarded => "discarded",
    })
}

fn checked_reason(why: &str) -> Result<String, Problem> {
    let said = contract::clean_text(why, WHY_CHARS_MAX);
    said.map(Into::into).map_err(|why| Problem::field_invalid("why", &why))
}

/// A labelled text area.
fn area(name: &str, label: &str, lines: usize, value: &str) -> Html {
    field(name, label, tag("textarea").attr("rows", lines).attr("spellcheck", "false").text(value))
}
