//! Writes JSON as YAML that people read: plain where nothing can be misread, quoted as JSON where it could be.

use std::fmt::Write;

use serde_json::Value;

/// Keys that come first, in this order; the others follow alphabetically.
const FIRST: &[&str] = &[
    "asyncapi",
    "info",
    "name",
    "title",
    "version",
    "type",
    "summary",
    "description",
    "address",
    "action",
    "channel",
    "defaultContentType",
    "servers",
    "channels",
    "operations",
    "components",
    "messages",
    "payload",
    "examples",
];

/// Longer text is folded over several lines.
const WIDTH: usize = 110;

pub(super) fn written(value: &Value) -> String {
    let mut out = String::new();
    block(&mut out, value, 0);
    out
}

fn block(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<_> = fields.keys().collect();
            keys.sort_by_key(|key| {
                (FIRST.iter().position(|first| first == key).unwrap_or(FIRST.len()), *key)
            });
            for key in keys {
                write!(out, "{:1$}{2}:", "", depth * 2, plain_or_quoted(key)).unwrap();
                after_mark(out, &fields[key], depth);
            }
        }
        Value::Array(items) => {
            for item in items {
                let mut nested = String::new();
                block(&mut nested, item, depth + 1);
                // The first line of a nested value stands behind the dash.
                let first = nested.trim_start();
                match item {
                    Value::Object(fields) if !fields.is_empty() => {
                        write!(out, "{:1$}- {first}", "", depth * 2).unwrap();
                    }
                    _ => {
                        write!(out, "{:1$}-", "", depth * 2).unwrap();
                        after_mark(out, item, depth);
                    }
                }
            }
        }
        _ => writeln!(out, "{:1$}{value}", "", depth * 2).unwrap(),
    }
}

/// The value behind `key:` or `-`: on the same line if it is short, else below it.
fn after_mark(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            out.push('\n');
            block(out, value, depth + 1);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            block(out, value, depth + 1);
        }
        Value::String(text) => string(out, text, depth),
        _ => writeln!(out, " {value}").unwrap(),
    }
}

fn string(out: &mut String, text: &str, depth: usize) {
    let indent = (depth + 1) * 2;
    if text.contains('\n') {
        out.push_str(" |\n");
        for line in text.trim_end().lines() {
            writeln!(out, "{:1$}{line}", "", if line.is_empty() { 0 } else { indent }).unwrap();
        }
    } else if text.len() + indent > WIDTH && text.contains(' ') {
        out.push_str(" >-\n");
        let mut line = String::new();
        for word in text.split(' ') {
            if !line.is_empty() && indent + line.len() + 1 + word.len() > WIDTH {
                writeln!(out, "{:1$}{line}", "", indent).unwrap();
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        writeln!(out, "{:1$}{line}", "", indent).unwrap();
    } else {
        writeln!(out, " {}", plain_or_quoted(text)).unwrap();
    }
}

/// Words, and names like `order.cancel`: nothing that YAML could take for a number, a date, a list or a comment.
fn plain_or_quoted(text: &str) -> String {
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || " _.-/(),;'".contains(c));
    let word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let safe = first && rest && !text.ends_with(' ') && !word.contains(&text.to_lowercase().as_str());
    if safe { text.to_string() } else { serde_json::to_string(text).expect("a string is always JSON") }
}
