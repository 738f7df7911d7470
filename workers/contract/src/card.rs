//! Card numbers are recognised in every spelling that a person or a program uses, so that none is stored.
//!
//! The same search has two uses. A request that can be refused is refused if it holds a card number. A message that
//! has arrived on a queue cannot be refused; there, the digits are masked before anything is stored.

mod chain;
mod chars;

use std::borrow::Cow;
use std::ops::ControlFlow;

use serde_json::Value;

use chain::{Chain, Digit};
use chars::{Kind, Reading};

/// From the shortest Visa to the longest Maestro.
const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// Text that is nothing but hex digits, this many or more, is an id or a digest.
const DIGEST_CHARS_MIN: usize = 32;
const UUID_CHARS: usize = 36;
const MASK: char = '*';

/// Digits that pass the Luhn check, perhaps in groups, perhaps in another script or encoded, and that are no
/// telephone number, id or time. Text with fewer than 13 digits costs one pass over its bytes.
pub fn holds_card_number(text: &str) -> bool {
    search(text, |_| ControlFlow::Break(())).is_break()
}

/// The same for a JSON document: numbers in different values are different numbers. Text that is not JSON is searched
/// as text.
pub fn json_holds_card_number(json: &str) -> bool {
    // Searching the text finds what any value holds, and costs no parsing.
    holds_card_number(json) && serde_json::from_str(json).map_or(true, |value: Value| value_holds(&value))
}

fn value_holds(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        // A float that long is not parsed exactly: its digits are not those that were sent.
        Value::Number(number) if number.is_f64() => number.as_f64().is_some_and(|number| number >= 1e12),
        Value::Number(number) => holds_card_number(&number.to_string()),
        Value::String(text) => holds_card_number(text),
        Value::Array(items) => items.iter().any(value_holds),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| holds_card_number(name) || value_holds(value))
        }
    }
}

/// The text with every digit of every card number replaced by `*`.
pub fn without_card_numbers(text: &str) -> Cow<'_, str> {
    let mut spans = Vec::new();
    let all = search(text, |digits| {
        spans.extend(digits.iter().map(|digit| (digit.from, digit.to)));
        ControlFlow::Continue(())
    });
    debug_assert!(all.is_continue());
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    spans.sort_unstable();
    let mut masked = String::with_capacity(text.len());
    let mut kept_to = 0;
    // A digit may be part of several matches: of two candidates, and of both readings.
    for (from, to) in spans {
        if from < kept_to {
            continue;
        }
        masked.push_str(&text[kept_to..from]);
        masked.push(MASK);
        kept_to = to;
    }
    masked.push_str(&text[kept_to..]);
    Cow::Owned(masked)
}

/// Calls `found` with the digits of each card number, until `found` breaks.
fn search(text: &str, mut found: impl FnMut(&[Digit]) -> ControlFlow<()>) -> ControlFlow<()> {
    if !has_enough_digits(text.as_bytes()) || is_id(text) {
        return ControlFlow::Continue(());
    }
    scan(text, Reading::AsWritten, &mut found)?;
    // A percent sign or a backslash may also be a separator, so the decoded reading is tried in addition.
    match text.bytes().any(|byte| matches!(byte, b'%' | b'\\')) {
        true => scan(text, Reading::Decoded, &mut found),
        false => ControlFlow::Continue(()),
    }
}

/// A non-ASCII character may be a digit: its first byte counts as one.
fn has_enough_digits(bytes: &[u8]) -> bool {
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit() || **byte >= 0xC0).count();
    digits >= *DIGITS.start()
}

fn scan(
    text: &str,
    reading: Reading,
    found: &mut impl FnMut(&[Digit]) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let bytes = text.as_bytes();
    let mut chain = Chain::default();
    let (mut at, mut before) = (0, ' ');
    while let Some(byte) = bytes.get(at) {
        if byte.is_ascii_hexdigit()
            && !before.is_ascii_alphanumeric()
            && let Some(end) = end_of_id(bytes, at)
        {
            chain.end(found)?;
            (at, before) = (end, 'x');
            continue;
        }
        // Fast path: most of most texts is ASCII, with no digit nearby.
        if chain.is_empty() && byte.is_ascii() && !byte.is_ascii_digit() && !reading.decodes(*byte) {
            (at, before) = (at + 1, char::from(*byte));
            continue;
        }
        let (c, end) = chars::next(text, at, reading);
        match chars::kind(c) {
            Kind::Digit(value) => chain.push(Digit { value, from: at, to: end }, before == '+'),
            Kind::Separator => chain.separate(c, found)?,
            Kind::Letter => chain.end(found)?,
            Kind::Unseen => {
                at = end;
                continue;
            }
        }
        (at, before) = (end, c);
    }
    chain.end(found)
}

fn is_id(text: &str) -> bool {
    end_of_id(text.as_bytes(), 0) == Some(text.len()) || uuid::Uuid::parse_str(text).is_ok()
}

/// The end of the UUID or digest that begins here, at the start of a word.
fn end_of_id(bytes: &[u8], at: usize) -> Option<usize> {
    let hex = bytes[at..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let ends = |end: usize| bytes.get(end).is_none_or(|byte| !byte.is_ascii_alphanumeric()).then_some(end);
    if hex >= DIGEST_CHARS_MIN {
        return ends(at + hex);
    }
    let uuid = bytes.get(at..at + UUID_CHARS).filter(|text| hex == 8 && text[hex] == b'-')?;
    uuid::Uuid::try_parse_ascii(uuid).ok()?;
    ends(at + UUID_CHARS)
}

#[cfg(test)]
mod tests;
