//! The page of one dead letter: its content, a preview of its replay, and an edit form.

use axum::response::Response;
use engine::dead;
use engine::operator::{Edited, Operator};
use engine::preview::edits;
use serde::Deserialize;
use serde_json::Value;
use store::{DeadLetter, DeadStatus};
use view::mask::{Sight, as_meant, for_people, text_for_people};

use super::super::act::preview;
use super::super::html::{Html, Tag, path, tag, text};
use super::super::page::{Page, see_other};
use super::super::parts::{Personal, button, dim, facts, form, hidden, section, table};
use super::super::search::link;
use super::{PATH, area, checked_reason, status, why};
use crate::call::Call;
use crate::problem::Problem;

/// A form's fields; `name` and `body` are there only for an edit.
#[derive(Deserialize)]
struct Given {
    #[serde(default, rename = "type")]
    name: Option<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    why: String,
}

pub(in crate::dashboard) async fn show(call: Call) -> Result<Response, Problem> {
    let letter = letter(&call).await?;
    let personal = Personal::of(&call);
    let sight = if personal == Personal::Shown { Sight::Personal } else { Sight::Masked };
    let shown = text_for_people(&letter.body, sight);
    let shown = serde_json::to_string_pretty(&shown).unwrap_or_default();
    let page = Page::new(&call, PATH, format!("Dead letter {}", letter.name))
        .with(tag("p").with(personal.switch(&call)))
        .with(about(&letter))
        .with(section("body", "What it says").with(tag("pre").attr("tabindex", "0").text(&shown)));
    if letter.status != DeadStatus::Open {
        return Ok(page.answer());
    }
    let sent = |action: &str, label: &str, class: &str| {
        form(&call, at(&letter.id, action))
            .with(why(action))
            .with(tag("p").with(tag("button").class(class).text(label)))
    };
    let again = match would_cause(&call, &letter, None).await {
        Ok(preview) => {
            let form = sent("replay", "Send it again", "main");
            vec![preview::shown(&preview), section("replay", "Send it again, as it is").with(form)]
        }
        Err(why) => vec![section("replay", "Send it again").with(tag("p").class("note bad").text(why))],
    };
    let editable = if serde_json::from_str::<Value>(&letter.body).is_ok() { shown } else { String::new() };
    let lines = editable.lines().count().clamp(4, 24);
    let kind = tag("input").attr("value", &letter.name);
    let edit = form(&call, at(&letter.id, "edited"))
        .with(dim("What is masked and left so is sent as it was. It goes under an id of its own."))
        .with(super::field("type", "Message", kind))
        .with(area("body", "Body", lines, &editable))
        .with(tag("p").with(tag("button").text("Show what that changes")));
    Ok(page
        .with(again)
        .with(section("edit", "Mend it").with(edit))
        .with(section("discard", "Give it up").with(sent("discard", "Give it up", "danger")))
        .answer())
}

/// Shows what an edit changes and would cause, before the letter is sent.
pub(in crate::dashboard) async fn edited(call: Call) -> Result<Response, Problem> {
    let (letter, given) = (letter(&call).await?, call.form::<Given>()?);
    let edited = given.edited(&letter)?;
    let preview = would_cause(&call, &letter, Some(&edited)).await;
    let preview = preview.map_err(|why| Problem::conflict("NOT_POSSIBLE", why))?;
    let was = serde_json::from_str(&letter.body).unwrap_or_default();
    let is = serde_json::from_str(edited.body.as_deref().unwrap_or_default()).unwrap_or_default();
    let (was, is) = (for_people(was, Sight::Masked), for_people(is, Sight::Masked));
    let rows = edits(&was, &is).into_iter();
    let rows: Vec<_> = rows.map(|(field, from, to)| vec![text(field), text(from), text(to)]).collect();
    let differs = match rows.is_empty() {
        true => dim("Nothing that is shown."),
        false => table("What the edit changes", &["Field", "Was", "Is"], rows).into(),
    };
    let name = given.name.unwrap_or_default();
    let send = form(&call, at(&letter.id, "replay"))
        .with(hidden("type", &name))
        .with(hidden("body", given.body.unwrap_or_default()))
        .with(why("replay"))
        .with(tag("p").with(button("Send it like this")));
    Ok(Page::new(&call, PATH, format!("Mended: {}", letter.name))
        .with(tag("p").with(tag("a").attr("href", at(&letter.id, "")).text("Back to the letter")))
        .with(section("changes", "What the edit changes").with(differs))
        .with(preview::shown(&preview))
        .with(section("replay", "Send it").with(send))
        .answer())
}

pub(in crate::dashboard) async fn replay(call: Call) -> Result<Response, Problem> {
    let (letter, given) = (letter(&call).await?, call.form::<Given>()?);
    let edited = given.body.is_some().then(|| given.edited(&letter)).transpose()?;
    let who = Operator { edited, ..Operator::new(&*call.caller()?.id, checked_reason(&given.why)?) };
    let done = dead::replay(&*call.gateway.store, &*call.gateway.broker, &letter.id, &who).await;
    after(&letter, done)
}

pub(in crate::dashboard) async fn discard(call: Call) -> Result<Response, Problem> {
    let (letter, given) = (letter(&call).await?, call.form::<Given>()?);
    let who = Operator::new(&*call.caller()?.id, checked_reason(&given.why)?);
    after(&letter, dead::discard(&*call.gateway.store, &letter.id, &who).await)
}

impl Given {
    fn edited(&self, letter: &DeadLetter) -> Result<Edited, Problem> {
        let body = self.body.as_deref().unwrap_or_default();
        let body: Value = serde_json::from_str(body)
            .map_err(|why| Problem::body_invalid(body.as_bytes(), &why.to_string()))?;
        let was = serde_json::from_str(&letter.body).unwrap_or_default();
        let name = self.name.clone().filter(|name| !name.is_empty());
        Ok(Edited { name, body: Some(as_meant(body, &was).to_string()) })
    }
}

/// After an action, goes back to the letter.
fn after(letter: &DeadLetter, done: anyhow::Result<()>) -> Result<Response, Problem> {
    done.map_err(|why| Problem::conflict("NOT_POSSIBLE", format!("{why:#}")))?;
    Ok(see_other(&at(&letter.id, "")))
}

async fn would_cause(
    call: &Call,
    letter: &DeadLetter,
    edited: Option<&Edited>,
) -> Result<engine::preview::Preview, String> {
    let (message, queues) = dead::as_it_would_be(letter, edited).map_err(|why| format!("{why:#}"))?;
    let preview = call.gateway.dry_run.preview_at(&*call.gateway.store, queues, message).await;
    preview.map_err(|why| format!("{why:#}"))
}

async fn letter(call: &Call) -> Result<DeadLetter, Problem> {
    let letter = call.gateway.store.dead_letter(call.param("id")).await?;
    letter.ok_or_else(|| Problem::not_found("DEAD_LETTER_NOT_FOUND", "there is no such dead letter"))
}

fn about(letter: &DeadLetter) -> Tag {
    let order: Html = letter.order_id.map(|id| link(&id.to_string())).into();
    section("about", "What happened").with(facts([
        ("State", status(letter).into()),
        ("Code", text(&letter.code)),
        ("Origin", text(letter.origin().name())),
        ("Because", text(&letter.why)),
        ("Queue", text(&letter.queue)),
        ("Tries", text(letter.attempts)),
        ("At", text(letter.at)),
        ("Order", order),
        ("Message id", text(letter.message_id.as_deref().unwrap_or("it came without one"))),
    ]))
}

fn at(id: &str, action: &str) -> String {
    match action {
        "" => format!("{PATH}{}", path(&[id])),
        action => format!("{PATH}{}", path(&[id, action])),
    }
}
