//! Actions on an order: first a preview of what the workers would decide, then a form that sends the message.

mod ask;
pub(super) mod preview;

use std::time::Duration;

use axum::response::Response;
use contract::{Message, MessageId, OrderId, Role, Time};
use engine::ingress::Refused;
use serde_json::Value;
use store::readable;
use view::dossier::Dossier;
use view::story::Verdict;

use super::html::{Html, Tag, all, path, tag};
use super::page::{Page, see_other};
use super::parts::{button, field, form, hidden, section};
use super::search::{ORDERS, order_at};
use crate::call::Call;
use crate::problem::Problem;
use ask::{Act, ActionParams};

/// The limit of reasons and evidence, which stay in the audit trail.
const WORDS_CHARS_MAX: usize = 500;
/// How long to wait for the worker before redirecting to the order's page, which shows the result or can be reloaded.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
const POLL_EVERY: Duration = Duration::from_millis(50);

/// Links to all actions that the order's status and its sagas allow now.
pub(super) fn available_actions(dossier: &Dossier) -> Tag {
    let order_id = dossier.order["order_id"].as_str().unwrap_or_default();
    let words = |list: &Value| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(Into::into)).collect()
    };
    let mut offered: Vec<(Act, u64)> = words(&dossier.order["actions"])
        .iter()
        .filter_map(|word| Act::of_order(word))
        .map(|act| (act, 0))
        .collect();
    for saga in &dossier.sagas {
        let return_no = saga["return_no"].as_u64().unwrap_or_default();
        let by_hand = words(&saga["attention"]["actions"]);
        offered.extend(by_hand.iter().filter_map(|word| Act::of_saga(word)).map(|act| (act, return_no)));
        if matches!(saga["status"].as_str(), Some("running" | "unwinding")) {
            offered.extend([Act::Fire, Act::Move, Act::Wait].map(|act| (act, return_no)));
        }
    }
    let link = |(act, return_no): (Act, u64)| {
        let of = if return_no > 0 { format!(" (return {return_no})") } else { String::new() };
        let to = format!("{}?return={return_no}", at(order_id, act));
        tag("li").with(tag("a").attr("href", to).text(format_args!("{}{of}", act.label())))
    };
    let section = section("acts", "What may be done");
    match offered.is_empty() {
        true => section.with(tag("p").class("dim").text("Nothing: it has come to its end.")),
        false => section.with(tag("ul").class("acts").all(offered.into_iter().map(link))),
    }
}

/// The page of an action: the preview, and the form that sends the message.
pub(super) async fn show(call: Call) -> Result<Response, Problem> {
    let (order_id, act) = (call.order_id()?, act_of(&call)?);
    let params: ActionParams = call.query()?;
    let store = &*call.gateway.store;
    let doc = store.get(contract::Table::Orders, &order_id.to_string()).await?;
    let record: Option<::order::Order> =
        doc.as_deref().map(serde_json::from_str).transpose().map_err(Problem::internal)?;
    let now = store.now().await?;
    let id = MessageId::from(uuid::Uuid::now_v7());
    let body = params.body(act, order_id, &call.caller()?.id, "(your reason)", now)?;
    let preview = call.gateway.dry_run.preview(store, Message::new(id.clone(), now, body)).await;
    let preview = preview.map_err(|why| Problem::conflict("NOT_POSSIBLE", format!("{why:#}")))?;
    let refused = preview.refused.is_some();
    let page = Page::new(&call, ORDERS, format!("{}?", act.label()))
        .with(tag("p").with(tag("a").attr("href", order_at(&order_id.to_string())).text(order_id)))
        .with(parameter_form(act, &params, record.as_ref(), &at(&order_id.to_string(), act), now))
        .with(preview::shown(&preview));
    if refused {
        return Ok(page.answer());
    }
    let words = tag("textarea").attr("maxlength", WORDS_CHARS_MAX).flag("required", true);
    let do_it = form(&call, at(&order_id.to_string(), act))
        .with(hidden("message_id", &id))
        .all(params.fields().into_iter().map(|(name, value)| hidden(name, value)))
        .with(field("words", act.asks_for(), words))
        .with(tag("p").with(button(act.label())));
    Ok(page.with(section("do", "Do it").with(do_it)).answer())
}

/// Handles the form: sends the message and redirects to the order.
pub(super) async fn ask(call: Call) -> Result<Response, Problem> {
    let (order_id, act, params) = (call.order_id()?, act_of(&call)?, call.form::<ActionParams>()?);
    let who = call.caller()?.id.to_string();
    let words = contract::clean_text(&params.words, WORDS_CHARS_MAX);
    let words = words.map_err(|why| Problem::field_invalid(act.asks_for(), &why))?.to_string();
    let id = id_of_form(&params.message_id)?;
    let now = call.gateway.store.now().await?;
    let body = params.body(act, order_id, &who, &words, now)?;
    let accepted = call.send(Message::new(id.clone(), now, body)).await;
    accepted.map_err(|refused| match refused {
        Refused::IdReused => Problem::key_reused(),
        Refused::Unavailable(_) => Problem::unavailable(refused),
    })?;
    wait_until_handled(&call, order_id, act.answers(), &id).await?;
    Ok(see_other(&format!("{}?asked={id}", order_at(&order_id.to_string()))))
}

/// The message id in the form, so that sending the form twice has one effect. The browser can send any id, so ids in
/// the format of our own messages are refused.
pub(super) fn id_of_form(text: &str) -> Result<MessageId, Problem> {
    let id = uuid::Uuid::parse_str(text).map(MessageId::from).ok().filter(|id| !id.is_reserved());
    id.ok_or_else(|| {
        Problem::bad_request("FORM_INVALID", "the form has no message id of its own; load it again")
    })
}

/// Waits until the worker has handled the message, or until the timeout.
async fn wait_until_handled(
    call: &Call,
    order_id: OrderId,
    role: Role,
    id: &MessageId,
) -> Result<(), Problem> {
    let until = tokio::time::Instant::now() + ANSWERED_WITHIN;
    while tokio::time::Instant::now() < until {
        let rows = readable(call.gateway.store.journal_of(order_id).await?);
        if rows.iter().any(|row| row.role == role && row.id == *id) {
            break;
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
    Ok(())
}

/// The result of the message that the page's form has just sent.
pub(super) fn result_note(dossier: &Dossier, id: &str) -> Option<Tag> {
    let steps = &dossier.story.as_ref()?.steps;
    let at = steps.iter().position(|step| step.message_id == id && step.to != "gateway");
    let Some(at) = at else {
        return Some(
            tag("p").class("note").text("It is safe, and nobody has handled it so far; load the page again."),
        );
    };
    let step = &steps[at];
    let refusal = steps[at..].iter().find(|told| {
        step.words == "refused" && matches!(told.name.as_str(), "order.refused" | "order.cancel_refused")
    });
    let refusal = refusal.and_then(|told| told.payload.as_ref()?["message"].as_str());
    let bad = refusal.is_some() || matches!(step.verdict, Verdict::Absorbed | Verdict::Dead);
    let words = refusal.map_or_else(|| format!("{}: {}", step.name, step.words), Into::into);
    Some(tag("p").class(if bad { "note bad" } else { "note good" }).attr("role", "status").text(words))
}

/// The form for an action's parameters (the items, the new time), which reloads the preview.
fn parameter_form(
    act: Act,
    params: &ActionParams,
    record: Option<&::order::Order>,
    at: &str,
    now: Time,
) -> Html {
    let form = tag("form").attr("method", "get").attr("action", at).class("row");
    let form = form.with(hidden("return", params.return_no.unwrap_or(0)));
    let again = tag("p").class("field").with(tag("button").text("Show what that would cause"));
    match (act, record) {
        (Act::Refund, Some(order)) => {
            let lines = order.items.iter().map(|item| format!("{}={}", item.sku, item.quantity));
            let hint = format!(
                "For instance {}; nothing: all that has not come back",
                lines.collect::<Vec<_>>().join(" ")
            );
            let input = tag("input").attr("value", &params.items);
            let form = form.with(field("items", "Items", input)).with(again);
            section("which", "Which items").with(tag("p").class("dim").text(hint)).with(form).into()
        }
        (Act::Move, _) => {
            let input = tag("input").attr("type", "datetime-local").attr("step", 1);
            let input = input.attr("value", params.due_at(now).to_string().trim_end_matches(".000Z"));
            section("when", "Its new time, in UTC")
                .with(form.with(field("due", "Due", input)).with(again))
                .into()
        }
        _ => all::<Html>([]),
    }
}

fn act_of(call: &Call) -> Result<Act, Problem> {
    Act::named(call.param("act"))
        .ok_or_else(|| Problem::not_found("NOT_FOUND", "nothing of that name can be done"))
}

fn at(order_id: &str, act: Act) -> String {
    format!("{ORDERS}{}", path(&[order_id, "acts", act.name()]))
}
