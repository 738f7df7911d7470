//! Shows the progress of a long command, on standard error.

use indicatif::{ProgressBar, ProgressStyle};

pub(super) fn bar(length: u64, of: &str) -> ProgressBar {
    let style = format!("{{bar:40}} {{pos}}/{{len}} {of}  {{per_sec}}  {{eta}} left");
    let style = ProgressStyle::with_template(&style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}
