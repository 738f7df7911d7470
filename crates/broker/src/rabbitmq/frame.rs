//! Finds what the AMQP client cannot parse in a frame, and removes only that.
//!
//! The client parses nested tables by recursion without a limit: 12 KB of headers overflow its stack and abort the
//! process. It gives up the whole connection for a short string that is not UTF-8. RabbitMQ redelivers both without
//! end, so both are removed here before the client sees them. What was found is written into the frame as the header
//! [`REMOVED`], by which `incoming.rs` makes the message a dead letter.

use contract::Unreadable;
use lapin::protocol::constants::{FRAME_END, FRAME_HEADER, FRAME_METHOD};

/// The header that says what was removed, as a [`Flaw::code`]. A sender that writes it itself gets the same dead
/// letter.
pub(super) const REMOVED: &str = "removed_headers";

/// What RabbitMQ itself writes nests 4 deep, and trace contexts are flat. The client's stack is enough for hundreds
/// of levels.
const NESTING_MAX: usize = 16;

/// None of our connections takes a larger frame (`Frames::Large`). A sender's headers fit, but the broker adds its
/// own when it moves a message to a dead-letter queue.
const FRAME_BYTES_MAX: usize = 128 * 1024;

/// How much of flawed headers is kept: enough for all that the broker writes, and it fits into the smallest frames we
/// use.
const KEPT_BYTES_MAX: usize = 4 * 1024;

/// Type, channel and payload size stand before the payload; one byte stands after it.
pub(super) const HEAD_BYTES: usize = 7;
pub(super) const TAIL_BYTES: usize = 1;

/// Class, weight and size of the body.
const BEFORE_PROPERTIES: usize = 12;
/// `basic.deliver`: class 60, method 60.
const DELIVER: [u8; 4] = [0, 60, 0, 60];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    TooDeep,
    NotUtf8,
    Malformed,
    TooLarge,
}

impl Flaw {
    const ALL: [Self; 4] = [Self::TooDeep, Self::NotUtf8, Self::Malformed, Self::TooLarge];

    pub(super) fn code(self) -> &'static str {
        match self {
            Self::TooDeep => "headers_too_deep",
            Self::NotUtf8 => "properties_not_utf8",
            Self::Malformed => "headers_malformed",
            Self::TooLarge => "headers_too_large",
        }
    }

    pub(super) fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flaw| flaw.code() == code)
    }

    pub(super) fn reason(self) -> Unreadable {
        let why = match self {
            Self::TooDeep => {
                format!("its headers nest tables more than {NESTING_MAX} deep; send flat headers")
            }
            Self::NotUtf8 => "a property, or the name of a header, is not UTF-8; send both as UTF-8".into(),
            Self::Malformed => {
                "a header has a type or a length that AMQP 0-9-1 does not have; send strings".into()
            }
            Self::TooLarge => format!(
                "its headers, with those that the broker added, fill more than a frame of {} KiB; send what is \
                 large in the body",
                FRAME_BYTES_MAX / 1024
            ),
        };
        Unreadable::new(self.code(), why)
    }
}

/// `None`: the client can parse this frame as it is. `Some`: the frame without what the client cannot parse.
pub(super) fn mended(frame: &[u8]) -> Option<Vec<u8>> {
    let payload = frame.get(HEAD_BYTES..frame.len().checked_sub(TAIL_BYTES)?)?;
    match frame[0] {
        FRAME_HEADER => {
            let flaw = match header(payload) {
                Ok(()) if frame.len() <= FRAME_BYTES_MAX => return None,
                Ok(()) => Flaw::TooLarge,
                Err(flaw) => flaw,
            };
            Some(framed(frame, &without(payload, flaw)?))
        }
        FRAME_METHOD => Some(framed(frame, &deliver(payload)?)),
        _ => None,
    }
}

/// A frame with this payload. It cannot be too long: what is kept is never more than what came, except for one
/// header.
fn framed(frame: &[u8], payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).expect("no longer than what came");
    let mut out = frame[..HEAD_BYTES - 4].to_vec();
    out.extend(size.to_be_bytes());
    out.extend(payload);
    out.push(FRAME_END);
    out
}

/// The properties of a message, in wire order; the highest flag stands for the first of them.
const PROPERTIES: [Property; 14] = {
    use Property::{Fixed, Headers, Short};
    [
        Short, // content_type
        Short, // content_encoding
        Headers,
        Fixed(1), // delivery_mode
        Fixed(1), // priority
        Short,    // correlation_id
        Short,    // reply_to
        Short,    // expiration
        Short,    // message_id
        Fixed(8), // timestamp
        Short,    // type
        Short,    // user_id
        Short,    // app_id
        Short,    // cluster_id
    ]
};

#[derive(Clone, Copy)]
enum Property {
    Short,
    Headers,
    Fixed(usize),
}

/// The properties that a message has, and the flag of each.
fn flagged(flags: u16) -> impl Iterator<Item = (u16, Property)> {
    let all = (0..).zip(PROPERTIES).map(|(n, property)| (0x8000 >> n, property));
    all.filter(move |(flag, _)| flags & flag != 0)
}

/// Whether the client can parse the payload of a content header.
fn header(payload: &[u8]) -> Result<(), Flaw> {
    let mut rest = Bytes(payload);
    rest.take(BEFORE_PROPERTIES)?;
    for (_, property) in flagged(rest.flags()?) {
        match property {
            Property::Short => drop(rest.text()?),
            Property::Headers => table(rest.long()?, 1)?,
            Property::Fixed(bytes) => drop(rest.take(bytes)?),
        }
    }
    if rest.0.is_empty() { Ok(()) } else { Err(Flaw::Malformed) }
}

fn table(bytes: &[u8], depth: usize) -> Result<(), Flaw> {
    let mut rest = Bytes(bytes);
    while !rest.0.is_empty() {
        rest.text()?;
        value(rest.value()?, depth)?;
    }
    Ok(())
}

/// The recursion ends at [`NESTING_MAX`].
fn value((kind, bytes): (u8, &[u8]), depth: usize) -> Result<(), Flaw> {
    match kind {
        b'F' | b'A' if depth == NESTING_MAX => Err(Flaw::TooDeep),
        b'F' => table(bytes, depth + 1),
        b'A' => {
            let mut rest = Bytes(bytes);
            while !rest.0.is_empty() {
                value(rest.value()?, depth + 1)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The payload of a content header without what the client cannot parse, and with [`REMOVED`] among its headers.
/// `None`: it is too short or malformed to be a content header.
fn without(payload: &[u8], flaw: Flaw) -> Option<Vec<u8>> {
    const HEADERS: u16 = 0x2000;
    let mut rest = Bytes(payload);
    let before = rest.take(BEFORE_PROPERTIES).ok()?;
    let had = rest.flags().ok()?;
    let (mut has, mut properties) = (0, Vec::new());
    for (flag, property) in flagged(had | HEADERS) {
        let kept = match property {
            Property::Headers if had & HEADERS == 0 => Some(headers(&[], flaw)),
            Property::Headers => Some(headers(rest.long().unwrap_or_default(), flaw)),
            Property::Short => {
                rest.short().ok().filter(|text| std::str::from_utf8(&text[1..]).is_ok()).map(<[u8]>::to_vec)
            }
            Property::Fixed(bytes) => rest.take(bytes).ok().map(<[u8]>::to_vec),
        };
        if let Some(kept) = kept {
            has |= flag;
            properties.extend(kept);
        }
    }
    Some([before, &u16::to_be_bytes(has), &properties].concat())
}

/// The headers that can be parsed, the broker's own first, and [`REMOVED`].
fn headers(bytes: &[u8], flaw: Flaw) -> Vec<u8> {
    let mut kept = vec![u8::try_from(REMOVED.len()).expect("a short name")];
    kept.extend(REMOVED.as_bytes());
    kept.push(b'S');
    kept.extend(sized(flaw.code().as_bytes()));
    for of_the_broker in [true, false] {
        let mut rest = Bytes(bytes);
        while let (before, Ok(name)) = (rest.0, rest.short())
            && let Ok(value_of_it) = rest.value()
        {
            let entry = &before[..before.len() - rest.0.len()];
            let name = std::str::from_utf8(&name[1..]);
            if name.is_ok_and(|name| name.starts_with("x-") == of_the_broker)
                && value(value_of_it, 1).is_ok()
                && kept.len() + entry.len() <= KEPT_BYTES_MAX
            {
                kept.extend(entry);
            }
        }
    }
    sized(&kept)
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    let size = u32::try_from(bytes.len()).expect("no more is kept than fits a small frame");
    [&size.to_be_bytes(), bytes].concat()
}

/// A delivery whose routing key is not UTF-8, with question marks in it: none of our names contains one, so the
/// delivery is refused or unroutable under the new key as well.
fn deliver(payload: &[u8]) -> Option<Vec<u8>> {
    let mut rest = Bytes(payload.strip_prefix(&DELIVER)?);
    let (mut mended, mut flawed) = (DELIVER.to_vec(), false);
    // First the consumer tag; after 9 bytes (delivery tag and redelivered flag) the exchange; then the routing key.
    for between in [9, 0, 0] {
        let text = rest.short().ok()?;
        let utf8 = std::str::from_utf8(&text[1..]).is_ok();
        flawed |= !utf8;
        mended.extend(
            text.iter()
                .enumerate()
                .map(|(n, byte)| if n == 0 || utf8 || byte.is_ascii() { *byte } else { b'?' }),
        );
        mended.extend(rest.take(between).ok()?);
    }
    (flawed && rest.0.is_empty()).then_some(mended)
}

/// The bytes that are still to be read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// If bytes are missing, nothing after them can be located any more.
    fn take(&mut self, count: usize) -> Result<&'a [u8], Flaw> {
        let split = self.0.split_at_checked(count);
        let (taken, rest) = split.unwrap_or_default();
        self.0 = rest;
        split.map(|_| taken).ok_or(Flaw::Malformed)
    }

    fn byte(&mut self) -> Result<u8, Flaw> {
        Ok(self.take(1)?[0])
    }

    fn flags(&mut self) -> Result<u16, Flaw> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A short string: its length in one byte, then the bytes.
    fn short(&mut self) -> Result<&'a [u8], Flaw> {
        let length = *self.0.first().ok_or(Flaw::Malformed)?;
        self.take(1 + usize::from(length))
    }

    fn text(&mut self) -> Result<&'a str, Flaw> {
        std::str::from_utf8(&self.short()?[1..]).map_err(|_| Flaw::NotUtf8)
    }

    /// A long string, a table or an array: its length in four bytes, then the bytes.
    fn long(&mut self) -> Result<&'a [u8], Flaw> {
        let bytes = self.take(4)?;
        let length = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        self.take(usize::try_from(length).map_err(|_| Flaw::Malformed)?)
    }

    /// The type of a value and its bytes, not parsed further. The types are those that the client knows.
    fn value(&mut self) -> Result<(u8, &'a [u8]), Flaw> {
        let kind = self.byte()?;
        let bytes = match kind {
            b'V' => &[],
            b't' | b'b' | b'B' => self.take(1)?,
            b's' | b'U' | b'u' => self.take(2)?,
            b'I' | b'i' | b'f' => self.take(4)?,
            b'D' => self.take(5)?,
            b'l' | b'L' | b'd' | b'T' => self.take(8)?,
            b'S' | b'x' | b'A' | b'F' => self.long()?,
            _ => return Err(Flaw::Malformed),
        };
        Ok((kind, bytes))
    }
}

#[cfg(test)]
mod tests;
