//! Colour and tables, on a terminal; plain text for everything else.

use std::io::IsTerminal;

use comfy_table::presets;
use comfy_table::{ContentArrangement, Table};
use owo_colors::{AnsiColors, OwoColorize};

pub(super) fn on_terminal() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

pub(super) fn paint(text: &str, colour: AnsiColors) -> String {
    if on_terminal() { text.color(colour).to_string() } else { text.to_string() }
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
        table.add_row(row);
    }
    table.to_string()
}
