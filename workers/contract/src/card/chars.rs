//! What a character means in a search for digits, in whatever script and however it is encoded.

use crate::text::is_unseen;

pub(super) enum Kind {
    Digit(u8),
    Letter,
    /// It is invisible, so the digits around it are read as one number.
    Unseen,
    Separator,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    AsWritten,
    /// With `%34` and `\u0034` as the characters they stand for, encoded once or several times.
    Decoded,
}

impl Reading {
    /// Whether a character that begins with this byte may be an encoding of several bytes.
    pub(super) fn decodes(self, byte: u8) -> bool {
        self == Self::Decoded && matches!(byte, b'%' | b'\\')
    }
}

pub(super) fn kind(c: char) -> Kind {
    match c {
        '0'..='9' => Kind::Digit(c as u8 - b'0'),
        c if c.is_ascii_alphabetic() => Kind::Letter,
        c if c.is_ascii() => Kind::Separator,
        c => match digit(c) {
            Some(value) => Kind::Digit(value),
            None if is_unseen(c) || combines(c) => Kind::Unseen,
            None if c.is_alphanumeric() => Kind::Letter,
            None => Kind::Separator,
        },
    }
}

/// Its value as a decimal digit, if it is one.
fn digit(c: char) -> Option<u8> {
    let code = u32::from(c);
    let after = RUNS.partition_point(|(first, ..)| *first <= code);
    let (first, count, value) = RUNS[after.checked_sub(1)?];
    let at = code - first;
    (at < count).then_some(((value + at) % 10) as u8)
}

/// Marks that are drawn on the character before them: a digit in a box is that digit.
fn combines(c: char) -> bool {
    matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' | '\u{300}'..='\u{36F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}'
        | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}')
}

/// The character at a place, and where the next one begins.
pub(super) fn next(text: &str, at: usize, reading: Reading) -> (char, usize) {
    let byte = text.as_bytes()[at];
    let decoded = match (reading, byte) {
        (Reading::Decoded, b'%') => percent(text.as_bytes(), at),
        (Reading::Decoded, b'\\') => backslash(text.as_bytes(), at),
        (Reading::AsWritten | Reading::Decoded, _) => None,
    };
    let plain = || match byte.is_ascii() {
        true => (char::from(byte), at + 1),
        false => text[at..].chars().next().map_or((' ', at + 1), |c| (c, at + c.len_utf8())),
    };
    decoded.unwrap_or_else(plain)
}

/// `%EF%BC%94`: the bytes of one character in UTF-8.
fn percent(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    let mut character = [0; 4];
    let mut end = at;
    for length in 1..=character.len() {
        let (byte, next) = percent_byte(bytes, end)?;
        (character[length - 1], end) = (byte, next);
        if let Ok(text) = std::str::from_utf8(&character[..length]) {
            return text.chars().next().map(|c| (c, end));
        }
    }
    None
}

/// `%34`, or `%2534` if that was encoded once more.
fn percent_byte(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let mut at = at + 1;
    if bytes.get(at - 1) != Some(&b'%') {
        return None;
    }
    while bytes.get(at..at + 2) == Some(b"25") && hex(bytes, at + 2, 2).is_some() {
        at += 2;
    }
    let byte = hex(bytes, at, 2)?;
    Some((u8::try_from(byte).ok()?, at + 2))
}

/// `\u0034`, `
/// ` and `\"`; if there are several backslashes, it was encoded several times.
fn backslash(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    let (c, end) = escaped(bytes, at)?;
    match c {
        0xD800..=0xDBFF => {
            let (low, end) = escaped(bytes, end).filter(|(low, _)| (0xDC00..=0xDFFF).contains(low))?;
            Some((char::from_u32(0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00))?, end))
        }
        c => Some((char::from_u32(c)?, end)),
    }
}

fn escaped(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let slashes = bytes[at..].iter().take_while(|byte| **byte == b'\\').count();
    let at = at + slashes;
    match bytes.get(at).filter(|_| slashes > 0)? {
        b'u' if bytes.get(at + 1) == Some(&b'{') => {
            // As our own messages quote text: `\u{a0}`.
            let digits = bytes[at + 2..].iter().take(7).take_while(|byte| byte.is_ascii_hexdigit()).count();
            let end = at + 2 + digits;
            bytes.get(end).filter(|byte| **byte == b'}')?;
            Some((hex(bytes, at + 2, digits)?, end + 1))
        }
        b'u' => Some((hex(bytes, at + 1, 4)?, at + 5)),
        b'n' | b't' | b'r' | b'b' | b'f' => Some((' '.into(), at + 1)),
        b'"' | b'/' => Some((bytes[at].into(), at + 1)),
        _ => Some(('\\'.into(), at)),
    }
}

fn hex(bytes: &[u8], at: usize, digits: usize) -> Option<u32> {
    bytes
        .get(at..at + digits)?
        .iter()
        .try_fold(0, |number, byte| Some(number * 16 + char::from(*byte).to_digit(16)?))
}

/// For each run of digits: its first character, how many there are, and the value of the first. All decimal digits of
/// Unicode 16, and raised, lowered and encircled ones.
const RUNS: &[(u32, u32, u32)] = &[
    (0x00B2, 2, 2),
    (0x00B9, 1, 1),
    (0x0660, 10, 0),
    (0x06F0, 10, 0),
    (0x07C0, 10, 0),
    (0x0966, 10, 0),
    (0x09E6, 10, 0),
    (0x0A66, 10, 0),
    (0x0AE6, 10, 0),
    (0x0B66, 10, 0),
    (0x0BE6, 10, 0),
    (0x0C66, 10, 0),
    (0x0CE6, 10, 0),
    (0x0D66, 10, 0),
    (0x0DE6, 10, 0),
    (0x0E50, 10, 0),
    (0x0ED0, 10, 0),
    (0x0F20, 10, 0),
    (0x1040, 10, 0),
    (0x1090, 10, 0),
    (0x1369, 9, 1),
    (0x17E0, 10, 0),
    (0x1810, 10, 0),
    (0x1946, 10, 0),
    (0x19D0, 10, 0),
    (0x19DA, 1, 1),
    (0x1A80, 10, 0),
    (0x1A90, 10, 0),
    (0x1B50, 10, 0),
    (0x1BB0, 10, 0),
    (0x1C40, 10, 0),
    (0x1C50, 10, 0),
    (0x2070, 1, 0),
    (0x2074, 6, 4),
    (0x2080, 10, 0),
    (0x2460, 9, 1),
    (0x2474, 9, 1),
    (0x2488, 9, 1),
    (0x24EA, 1, 0),
    (0x24F5, 9, 1),
    (0x24FF, 1, 0),
    (0x2776, 9, 1),
    (0x2780, 9, 1),
    (0x278A, 9, 1),
    (0xA620, 10, 0),
    (0xA8D0, 10, 0),
    (0xA900, 10, 0),
    (0xA9D0, 10, 0),
    (0xA9F0, 10, 0),
    (0xAA50, 10, 0),
    (0xABF0, 10, 0),
    (0xFF10, 10, 0),
    (0x104A0, 10, 0),
    (0x10A40, 4, 1),
    (0x10D30, 10, 0),
    (0x10D40, 10, 0),
    (0x10E60, 9, 1),
    (0x11052, 9, 1),
    (0x11066, 10, 0),
    (0x110F0, 10, 0),
    (0x11136, 10, 0),
    (0x111D0, 10, 0),
    (0x112F0, 10, 0),
    (0x11450, 10, 0),
    (0x114D0, 10, 0),
    (0x11650, 10, 0),
    (0x116C0, 10, 0),
    (0x116D0, 20, 0),
    (0x11730, 10, 0),
    (0x118E0, 10, 0),
    (0x11950, 10, 0),
    (0x11BF0, 10, 0),
    (0x11C50, 10, 0),
    (0x11D50, 10, 0),
    (0x11DA0, 10, 0),
    (0x11F50, 10, 0),
    (0x16A60, 10, 0),
    (0x16AC0, 10, 0),
    (0x16B50, 10, 0),
    (0x16D70, 10, 0),
    (0x1CCF0, 10, 0),
    (0x1D7CE, 50, 0),
    (0x1E140, 10, 0),
    (0x1E2F0, 10, 0),
    (0x1E4F0, 10, 0),
    (0x1E5F1, 10, 0),
    (0x1E950, 10, 0),
    (0x1F100, 1, 0),
    (0x1F101, 10, 0),
    (0x1FBF0, 10, 0),
];
