//! Text from outside moves no cursor, changes no colour and reverses no line: invisible characters are escaped.
//!
//! They are escaped as in JSON, `\u202e`, so that an escaped JSON document means the same.

use std::borrow::Cow;
use std::fmt::Write;

use contract::is_unseen;

/// For one line: line breaks are escaped as well.
pub fn visible(text: &str) -> Cow<'_, str> {
    written_out(text, is_unseen)
}

/// For text of several lines that we have laid out.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    written_out(text, |c| is_unseen(c) && !matches!(c, '\n' | '\t'))
}

/// The same for lines that may hold colours of ours.
pub fn visible_but_colours(text: &str) -> Cow<'_, str> {
    let Some(mut at) = text.find(ESCAPE) else { return visible_lines(text) };
    let mut shown = visible_lines(&text[..at]).into_owned();
    while at < text.len() {
        let colour = colour_at(text, at);
        shown.push_str(&text[at..at + colour]);
        let rest = &text[at + colour..];
        // An escape sequence that is no colour of ours is text, and so is its escape character.
        let skip = usize::from(colour == 0);
        let end = rest.get(skip..).and_then(|rest| rest.find(ESCAPE)).map_or(rest.len(), |end| end + skip);
        shown.push_str(&visible_lines(&rest[..end]));
        at += colour + end;
    }
    Cow::Owned(shown)
}

const ESCAPE: char = '\u{1b}';
/// `ESC [ 38;5;208 m`: none of ours is longer.
const COLOUR_BYTES_MAX: usize = 16;

/// How many bytes the colour sequence at this place has, or 0.
fn colour_at(text: &str, at: usize) -> usize {
    let Some(parameters) = text[at..].strip_prefix("\u{1b}[") else { return 0 };
    let digits = parameters.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
    let whole = digits <= COLOUR_BYTES_MAX && parameters.as_bytes().get(digits) == Some(&b'm');
    if whole { "\u{1b}[".len() + digits + 1 } else { 0 }
}

fn written_out(text: &str, hides: impl Fn(char) -> bool) -> Cow<'_, str> {
    // Nearly all text is plain ASCII.
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) || !text.chars().any(&hides) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match hides(c) {
            true => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                write!(shown, "\\u{unit:04x}").unwrap_or_default();
            }),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_reorders_or_hides_is_written_out_and_the_rest_is_left() {
        for (text, shown) in [
            ("Bücher, 本, 50 €\u{a0}", "Bücher, 本, 50 €\u{a0}"),
            ("\u{1b}[2J\u{1b}]0;title\u{7}", r"\u001b[2J\u001b]0;title\u0007"),
            ("\u{9b}31m", r"\u009b31m"),
            ("invoice\u{202e}fdp.exe", r"invoice\u202efdp.exe"),
            ("a\u{200b}b\u{2066}c\u{feff}", r"a\u200bb\u2066c\ufeff"),
            ("\u{e0041}", r"\udb40\udc41"),
            ("one\nletter  two", r"one\u000aletter  two"),
        ] {
            assert_eq!(visible(text), shown);
        }
        assert_eq!(visible_lines("one\n\ttwo\r\u{1b}"), "one\n\ttwo\\u000d\\u001b");
    }

    #[test]
    fn colours_stay_and_other_sequences_do_not() {
        let text = "\u{1b}[31mbad\u{1b}[0m \u{1b}[2J\u{1b}\u{1b}[1;32mgood\u{1b}[39m\u{1b}";
        let shown = "\u{1b}[31mbad\u{1b}[0m \\u001b[2J\\u001b\u{1b}[1;32mgood\u{1b}[39m\\u001b";
        assert_eq!(visible_but_colours(text), shown);
    }

    #[test]
    fn a_json_document_stays_the_same_document() {
        let value = serde_json::json!({"why": "a\u{202e}b\u{9b}\u{e0041}\u{1b}\n"});
        let shown = serde_json::to_string_pretty(&value).unwrap();
        let shown = visible_lines(&shown);
        assert!(shown.is_ascii(), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
