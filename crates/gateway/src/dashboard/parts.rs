//! Pieces that several pages are made of.

use std::fmt::Display;

use super::html::{Html, Tag, tag, text};
use crate::call::Call;

/// A form that changes something: it brings the token without which it is not heard.
pub(crate) fn form(call: &Call, action: impl Display) -> Tag {
    let token = call.session.as_ref().map_or("", |session| &session.form_token);
    let hidden = tag("input").attr("type", "hidden").attr("name", "form_token").attr("value", token);
    tag("form").attr("method", "post").attr("action", action).with(hidden)
}

/// A part of a page, under a heading of its own. The id is also that of what takes its place when it is live.
pub(crate) fn section(id: &str, title: &str) -> Tag {
    let heading = format!("{id}-title");
    tag("section")
        .class("card")
        .attr("id", id)
        .attr("aria-labelledby", &heading)
        .with(tag("h2").attr("id", &heading).text(title))
}

/// What is wide is moved within its own frame, also by the keyboard, and never moves the page.
pub(crate) fn table(caption: &str, heads: &[&str], rows: impl IntoIterator<Item = Vec<Html>>) -> Tag {
    let head = tag("tr").all(heads.iter().map(|head| tag("th").attr("scope", "col").text(head)));
    let row = |cells: Vec<Html>| tag("tr").all(cells.into_iter().map(|cell| tag("td").with(cell)));
    let table = tag("table")
        .with(tag("caption").class("unseen").text(caption))
        .with(tag("thead").with(head))
        .with(tag("tbody").all(rows.into_iter().map(row)));
    frame(caption, table)
}

/// For tables and drawings that may be wider than a phone.
pub(crate) fn frame(label: &str, inside: impl Into<Html>) -> Tag {
    tag("div")
        .class("frame")
        .attr("tabindex", "0")
        .attr("role", "group")
        .attr("aria-label", label)
        .with(inside)
}

/// Name and value, one under the other.
pub(crate) fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, Html)>) -> Tag {
    let each = facts
        .into_iter()
        .map(|(name, value)| tag("div").with(tag("dt").text(name)).with(tag("dd").with(value)));
    tag("dl").class("facts").all(each)
}

/// A state as a word on a colour; the word alone says it too.
pub(crate) fn badge(status: &str) -> Tag {
    let kind = match status {
        "fulfilled" | "completed" | "holds" | "up" => "good",
        "cancelled" | "rejected" | "undone" | "refunded" | "discarded" => "dim",
        "needs_attention" | "open" | "violated" | "away" => "bad",
        "created" | "paid" | "running" | "unwinding" | "awaited" | "paused" => "busy",
        _ => "plain",
    };
    tag("span").class(format_args!("badge {kind}")).text(status.replace('_', " "))
}

/// A labelled field; the label is read out with it.
pub(crate) fn field(name: &str, label: &str, input: Tag) -> Html {
    let id = format!("field-{name}");
    let input = input.attr("id", &id).attr("name", name);
    tag("p").class("field").with(tag("label").attr("for", &id).text(label)).with(input).into()
}

pub(crate) fn button(label: &str) -> Tag {
    tag("button").class("main").text(label)
}

/// 1234567 as people write it.
pub(crate) fn number(number: u64) -> Html {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            // Thin, and it does not break.
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    text(grouped)
}

/// Personal data is behind a click: masked on the page, and shown only by asking for the page with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Personal {
    Masked,
    Shown,
}

impl Personal {
    /// As the page was asked for: `?personal=shown`.
    pub(crate) fn of(call: &Call) -> Self {
        let shown = call.uri.query().is_some_and(|query| query.split('&').any(|one| one == "personal=shown"));
        if shown { Self::Shown } else { Self::Masked }
    }

    /// To the same page, the other way round.
    pub(crate) fn switch(self, call: &Call) -> Tag {
        let (to, label) = match self {
            Self::Masked => ("?personal=shown", "Show personal data"),
            Self::Shown => ("?", "Mask personal data"),
        };
        tag("a").attr("href", format_args!("{}{to}", call.uri.path())).text(label)
    }
}

pub(super) fn hidden(name: &'static str, value: impl std::fmt::Display) -> Tag {
    tag("input").attr("type", "hidden").attr("name", name).attr("value", value)
}

pub(super) fn dim(words: &str) -> Html {
    tag("p").class("dim").with(text(words)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_from_the_right() {
        for (plain, grouped) in
            [(0, "0"), (999, "999"), (1000, "1\u{202f}000"), (1234567, "1\u{202f}234\u{202f}567")]
        {
            assert_eq!(number(plain), text(grouped));
        }
    }
}
