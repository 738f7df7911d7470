//! The page of one order: its items, its money, the state of its saga, the possible actions, and its story.

mod diagram;
mod story;

use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use view::dossier::{self, Dossier};
use view::mask::Sight;

use super::act;
use super::html::{Html, Tag, all, tag, text};
use super::page::Page;
use super::parts::{Personal, badge, facts, section, table};
use super::search::{ORDERS, money, word};
use crate::call::Call;
use crate::problem::Problem;

#[derive(Deserialize)]
struct PageQuery {
    /// The id of the message that a form of this page has just sent.
    #[serde(default)]
    asked: Option<String>,
}

pub(super) async fn show(call: Call) -> Result<Response, Problem> {
    let (order_id, PageQuery { asked }) = (call.order_id()?, call.query()?);
    let personal = Personal::of(&call);
    let sight = if personal == Personal::Shown { Sight::Personal } else { Sight::Masked };
    let dossier = dossier::dossier(&*call.gateway.store, order_id, sight).await?;
    let dossier = dossier.ok_or_else(Problem::order_not_found)?;
    let title = format!("Order {order_id}");
    let switch = tag("p").with(personal.switch(&call));
    Ok(Page::new(&call, ORDERS, title)
        .with(asked.and_then(|id| act::result_note(&dossier, &id)))
        .with(switch)
        .with(tag("div").class("grid").with(status_section(&dossier)).with(books(&dossier)))
        .with(attention(&dossier))
        .with(act::available_actions(&dossier))
        .with(items(&dossier))
        .with(tag("div").class("grid").with(deadlines(&dossier)).with(notices(&dossier)))
        .with(trail(&dossier))
        .with(dossier.story.as_ref().map(story::shown))
        .answer())
}

fn status_section(dossier: &Dossier) -> Tag {
    let order = &dossier.order;
    let saga = &order["saga"];
    let contact = &dossier.contact;
    let stands = match word(saga, "step").replace('_', " ") {
        step if step.is_empty() => all([Html::from(badge(&word(saga, "status")))]),
        step => all([Html::from(badge(&word(saga, "status"))), text(format_args!(" at {step}"))]),
    };
    section("standing", "Where it stands").with(facts([
        ("State", badge(&word(order, "status")).into()),
        ("Because", text(or_dash(word(order, "reason").replace('_', " ")))),
        ("Saga", stands),
        ("Customer", text(word(order, "customer_id"))),
        ("E-mail", text(or_dash(word(contact, "email")))),
        ("Telephone", text(or_dash(word(contact, "phone")))),
        ("Created", text(word(order, "created_at"))),
        ("Last changed", text(word(order, "updated_at"))),
    ]))
}

fn books(dossier: &Dossier) -> Tag {
    let (order, books) = (&dossier.order, &dossier.books);
    let amount = |money: Option<contract::Money>| text(money.map_or("–".into(), |money| money.to_string()));
    let payment = &order["payment"];
    section("books", "Money").with(facts([
        ("Total", text(money(&order["total"]))),
        ("Charged", amount(books.charged)),
        ("Refunded", amount(books.refunded)),
        ("Still to be paid", amount(books.to_pay)),
        ("Still to be given back", amount(books.to_give_back)),
        ("By", text(word(payment, "method").replace('_', " "))),
        ("Payment", badge(&word(payment, "status")).into()),
        ("Transaction", text(or_dash(word(payment, "transaction_id")))),
    ]))
}

/// For each saga that waits for an operator: why.
fn attention(dossier: &Dossier) -> Vec<Tag> {
    let waiting = dossier.sagas.iter().filter(|saga| saga["status"] == "needs_attention");
    let note = |saga: &Value| {
        let (step, why) = (word(saga, "step").replace('_', " "), word(&saga["attention"], "why"));
        let since = word(&saga["attention"], "since");
        let what = match saga["return_no"].as_u64() {
            Some(0) | None => "The order".to_string(),
            Some(number) => format!("Return {number}"),
        };
        tag("p")
            .class("note bad")
            .text(format_args!("{what} waits for a person at {step} since {since}: {why}"))
    };
    waiting.map(note).collect()
}

fn items(dossier: &Dossier) -> Tag {
    let items = dossier.order["items"].as_array().into_iter().flatten();
    let rows = items.map(|item| {
        vec![
            text(word(item, "sku")),
            text(word(item, "title")),
            text(&item["quantity"]),
            text(money(&item["unit_price"])),
            text(money(&item["line_total"])),
        ]
    });
    let returns = dossier.order["returns"].as_array().into_iter().flatten().map(|one| {
        let lines = one["lines"].as_array().into_iter().flatten();
        let lines: Vec<_> =
            lines.map(|line| format!("{} × {}", line["quantity"], word(line, "sku"))).collect();
        let state = if one["done"] == true { "came back" } else { "is on its way back" };
        let (note, who) = (word(one, "note"), word(one, "who"));
        let share = money(&one["amount"]);
        let share = match one["went_back"].is_null() {
            true => share,
            false => format!("{} of {share} (the rest had gone back before)", money(&one["went_back"])),
        };
        let words = format!("Return {}: {} {state}, {share} {note} {who}", one["no"], lines.join(", "));
        tag("p").text(words.trim_end())
    });
    let faults = dossier.order["errors"].as_array().into_iter().flatten();
    let faults = faults.map(|fault| tag("p").class("note bad").text(word(fault, "message")));
    section("items", "Items")
        .with(table("Items", &["SKU", "Title", "Quantity", "Each", "Together"], rows))
        .all(returns)
        .all(faults)
}

fn deadlines(dossier: &Dossier) -> Tag {
    let open = dossier.story.iter().flat_map(|story| &story.deadlines);
    let rows: Vec<_> =
        open.map(|one| vec![text(one.due), text(&one.name), text(one.set_at), text(&one.key)]).collect();
    let section = section("deadlines", "Deadlines");
    match rows.is_empty() {
        true => section.with(tag("p").class("dim").text("Nothing is waited for.")),
        false => section.with(table("Deadlines", &["Due", "Then it hears", "Set at", "Key"], rows)),
    }
}

fn notices(dossier: &Dossier) -> Tag {
    let rows = dossier.notices.iter().map(|notice| {
        let channels = notice["channels"].as_array().into_iter().flatten().filter_map(Value::as_str);
        vec![
            text(word(notice, "at")),
            text(word(notice, "event").replace('_', " ")),
            text(channels.collect::<Vec<_>>().join(", ")),
        ]
    });
    let in_full = dossier.told.iter().map(|told| {
        let head = format!("{} to {} at {}", told.channel, told.to, told.at);
        let subject = told.subject.as_ref().map(|subject| tag("p").text(subject));
        tag("details")
            .with(tag("summary").text(head))
            .with(subject)
            .with(tag("pre").attr("tabindex", "0").text(&told.text))
    });
    let section = section("notices", "Notices sent");
    match dossier.notices.is_empty() {
        true => {
            section.with(tag("p").class("dim").text("The customer was told nothing, or left no address."))
        }
        false => section.with(table("Notices", &["At", "Event", "By"], rows)).all(in_full),
    }
}

/// All changes of the order's status and all operator actions on its sagas: when, what, who and why.
fn trail(dossier: &Dossier) -> Tag {
    let entries = dossier.order["audit"].as_array().into_iter().flatten().map(|entry| {
        let from = word(entry, "from");
        let from = if from.is_empty() { String::new() } else { format!("{from} → ") };
        let who = match word(entry, "who") {
            who if who.is_empty() => word(entry, "by"),
            who => format!("{who} ({})", word(entry, "by")),
        };
        let why = [word(entry, "reason").replace('_', " "), word(entry, "note")];
        (word(entry, "at"), format!("{from}{}", word(entry, "to")), who, join(&why))
    });
    let by_hand =
        dossier.sagas.iter().flat_map(|saga| saga["interventions"].as_array().into_iter().flatten());
    let by_hand = by_hand.map(|one| {
        (word(one, "at"), word(one, "what"), format!("{} (admin)", word(one, "by")), word(one, "evidence"))
    });
    let mut lines: Vec<_> = entries.chain(by_hand).collect();
    lines.sort_by(|one, other| one.0.cmp(&other.0));
    let rows = lines.into_iter().map(|(at, what, who, why)| vec![text(at), text(what), text(who), text(why)]);
    section("trail", "Audit trail").with(table("Audit trail", &["At", "What", "Who", "Why"], rows))
}

/// The words that are not empty, separated by colons.
fn join(words: &[String]) -> String {
    words.iter().filter(|word| !word.is_empty()).cloned().collect::<Vec<_>>().join(": ")
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "–".to_string() } else { text }
}
