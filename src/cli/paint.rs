//! Colour and tables, on a terminal; plain text for everything else.

use std::borrow::Cow;
use std::io::IsTerminal;

use comfy_table::presets;
use comfy_table::{Cell, Color, ContentArrangement, Table};
use owo_colors::{AnsiColors, OwoColorize};

use view::{visible_but_colours, visible_lines};

pub(super) fn on_terminal() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

pub(super) fn paint(text: &str, colour: AnsiColors) -> String {
    if on_terminal() { text.color(colour).to_string() } else { text.to_string() }
}

/// All output passes here. Text from outside was escaped before, one by one and with its line breaks; this is a
/// second line of defence, and can only tell other escape sequences from colours.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    if on_terminal() { visible_but_colours(text) } else { visible_lines(text) }
}

pub(super) fn good(text: &str) -> String {
    paint(text, AnsiColors::Green)
}

pub(super) fn bad(text: &str) -> String {
    paint(text, AnsiColors::Red)
}

pub(super) fn dim(text: &str) -> String {
    paint(text, AnsiColors::BrightBlack)
}

pub(super) fn status(text: &str) -> String {
    match text {
        "fulfilled" | "completed" | "paid" | "running" => good(text),
        "needs_attention" | "rejected" => bad(text),
        "cancelled" | "refunded" | "undone" | "unwinding" => paint(text, AnsiColors::Yellow),
        _ => text.to_string(),
    }
}

pub(super) fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head.to_vec());
    if std::io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    for row in rows {
        table.add_row(row.into_iter().map(cell));
    }
    table.to_string()
}

/// A cell of one colour. The table has to know the colour: if it breaks a line, it would break escape sequences in it
/// too.
fn cell(text: String) -> Cell {
    const COLOURS: [(&str, Color); 4] = [
        ("\u{1b}[31m", Color::DarkRed),
        ("\u{1b}[32m", Color::DarkGreen),
        ("\u{1b}[33m", Color::DarkYellow),
        ("\u{1b}[90m", Color::DarkGrey),
    ];
    let painted = COLOURS.into_iter().find_map(|(begin, colour)| {
        let inside = text.strip_prefix(begin)?.strip_suffix("\u{1b}[39m")?;
        (!inside.contains('\u{1b}')).then(|| Cell::new(inside).fg(colour))
    });
    painted.unwrap_or_else(|| Cell::new(text))
}
