//! HTML components that several pages share.

use std::fmt::Display;

use super::html::{Html, Tag, tag, text};
use crate::call::Call;

/// A form that changes something. It contains the form token, without which the request is refused.
pub(crate) fn form(call: &Call, action: impl Display) -> Tag {
    let token = call.session.as_ref().map_or("", |session| &session.form_token);
    let hidden = tag("input").attr("type", "hidden").attr("name", "form_token").attr("value", token);
    tag("form").attr("method", "post").attr("action", action).with(hidden)
}

/// A part of a page with a heading. Live updates replace the part with the same id.
pub(crate) fn section(id: &str, title: &str) -> Tag {
    let heading = format!("{id}-title");
    tag("section")
        .class("card")
        .attr("id", id)
        .attr("aria-labelledby", &heading)
        .with(tag("h2").attr("id", &heading).text(title))
}

/// A table in a frame that scrolls on its own, also by keyboard, so that a wide table does not scroll the page.
pub(crate) fn table(caption: &str, heads: &[&str], rows: impl IntoIterator<Item = Vec<Html>>) -> Tag {
    let head = tag("tr").all(heads.iter().map(|head| tag("th").attr("scope", "col").text(head)));
    let row = |cells: Vec<Html>| tag("tr").all(cells.into_iter().map(|cell| tag("td").with(cell)));
    let table = tag("table")
        .with(tag("caption").class("unseen").text(caption))
        .with(tag("thead").with(head))
        .with(tag("tbody").all(rows.into_iter().map(row)));
    frame(caption, table)
}

/// A scrolling frame for tables and drawings that may be wider than the screen.
pub(crate) fn frame(label: &str, inside: impl Into<Html>) -> Tag {
    tag("div")
        .class("frame")
        .attr("tabindex", "0")
        .attr("role", "group")
        .attr("aria-label", label)
        .with(inside)
}

/// A list of names and values.
pub(crate) fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, Html)>) -> Tag {
    let each = facts
        .into_iter()
        .map(|(name, value)| tag("div").with(tag("dt").text(name)).with(tag("dd").with(value)));
    tag("dl").class("facts").all(each)
}

/// A status as a coloured word. The colour adds no information.
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

/// An input with its label.
pub(crate) fn field(name: &str, label: &str, input: Tag) -> Html {
    let id = format!("field-{name}");
    let input = input.attr("id", &id).attr("name", name);
    tag("p").class("field").with(tag("label").attr("for", &id).text(label)).with(input).into()
}

pub(crate) fn button(label: &str) -> Tag {
    tag("button").class("main").text(label)
}

/// A number with grouped digits: 1 234 567.
pub(crate) fn number(number: u64) -> Html {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            // A narrow no-break space.
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    text(grouped)
}

/// Personal data is masked unless the page is requested with `?personal=shown`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Personal {
    Masked,
    Shown,
}

impl Personal {
    /// Reads the page's query.
    pub(crate) fn of(call: &Call) -> Self {
        let shown = call.uri.query().is_some_and(|query| query.split('&').any(|one| one == "personal=shown"));
        if shown { Self::Shown } else { Self::Masked }
    }

    /// A link that switches between masked and shown.
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
