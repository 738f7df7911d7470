//! Card numbers are recognised wherever they turn up, so that they are kept nowhere.

/// From the shortest Visa to the longest Maestro.
const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// E.164: what follows a `+` is a telephone number up to here.
const PHONE_DIGITS_MAX: usize = 15;
/// Cards print so many digits together, and hasty people eight. Dates, addresses and amounts have shorter groups, and a
/// longer one beside another is a counter or a moment in seconds, as in `web-4821-1796500000`.
const GROUP_DIGITS: std::ops::RangeInclusive<usize> = 3..=8;
/// More groups than this in a row are looked at in parts: a page of numbers is still read in no time.
const GROUPS_MAX: usize = 16;
/// Text that is nothing but hex digits, this many or more, is an id or a digest.
const DIGEST_CHARS_MIN: usize = 32;

/// Digits, perhaps in groups, that pass the Luhn check, and are no telephone number, id or moment.
pub fn holds_card_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < *DIGITS.start() || is_id(text) {
        return false;
    }
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let (groups, end) = groups(bytes, at);
        let digits: usize = groups.iter().map(|group| group.len()).sum();
        let phone = at > 0 && bytes[at - 1] == b'+' && digits <= PHONE_DIGITS_MAX;
        // What stands before or behind it, a year or a house number, does not hide it.
        let mut pieces = (0..groups.len()).flat_map(|from| (from..groups.len()).map(move |to| from..=to));
        if !phone && pieces.any(|piece| is_card_number(&groups[piece].concat())) {
            return true;
        }
        at = end;
    }
    false
}

/// The groups of digits from `at` on, with a space, a dash or a point between them, and where they end.
fn groups(bytes: &[u8], at: usize) -> (Vec<&[u8]>, usize) {
    let group = |from: usize| {
        let length = bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        &bytes[from..from + length]
    };
    let mut groups = vec![group(at)];
    let mut end = at + groups[0].len();
    while GROUP_DIGITS.contains(&groups[groups.len() - 1].len())
        && groups.len() < GROUPS_MAX
        && bytes.get(end).is_some_and(|byte| b" -.".contains(byte))
        && GROUP_DIGITS.contains(&group(end + 1).len())
    {
        groups.push(group(end + 1));
        end += 1 + groups[groups.len() - 1].len();
    }
    (groups, end)
}

/// No issuer's numbers begin with 0 or 20, and those with 1 are an airline's own; while today's time in milliseconds
/// begins with 1, and today's date with 20.
fn is_card_number(digits: &[u8]) -> bool {
    let nobodys = matches!(digits, [b'0' | b'1', ..] | [b'2', b'0', ..]);
    DIGITS.contains(&digits.len()) && !nobodys && passes_luhn(digits)
}

fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, u32::from(digit - b'0')) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

fn is_id(text: &str) -> bool {
    let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hex && text.len() >= DIGEST_CHARS_MIN) || uuid::Uuid::parse_str(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_number_is_found_however_it_is_written() {
        for text in [
            "4242424242424242",
            "4242 4242-4242.4242",
            "378282246310005",
            "3782 822463 10005",
            "tok_4111111111111111",
            "42424242 42424242",
            "pay 2026 with 5555 5555 5555 4444 123 please",
            "1796500000-4242424242424242-1796500000",
            "6304000000000000000",
        ] {
            assert!(holds_card_number(text), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_one_is_let_through() {
        for text in [
            "4242424242424241",
            "+4917012345678",
            "1732201234567",
            "curl-852-1796593488",
            "web-48213-1796593481",
            "ORD-20261129-215509",
            "20261129215503128-7",
            "01932b4a-1111-7000-8000-000000000001",
            "2026-11-21 2026-11-22",
            "192.168.100.200 192.168.100.200",
            "0049170123456789",
            "9f86d081884c7d659a2feaa0c55ad0154242424242424242b822cd15d6c15b0f00a08",
            "12.34",
            "",
        ] {
            assert!(!holds_card_number(text), "{text}");
        }
    }
}
