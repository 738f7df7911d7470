//! Explains to people why JSON is not what was expected: which field, and what would be right. The wrong value is not
//! repeated: it may be personal.

use serde::de::IgnoredAny;

/// Rewords the parser's error about a text that is JSON. A path before it, `items[0].quantity: …`, says where.
pub fn in_plain_words(said: &str) -> String {
    let said = without_position(said);
    let (path, said) = match said.split_once(": ") {
        Some((path, rest)) if is_path(path) => (path, rest),
        _ => ("", said),
    };
    if let Some(name) = named(said, "missing field ") {
        return format!("{} is missing", joined(path, name));
    }
    if let Some(name) = named(said, "duplicate field ") {
        return format!("{} stands there twice", joined(path, name));
    }
    let wrong = said.starts_with("invalid ") || said.starts_with("unknown ");
    let expected = said.rsplit_once("expected ").map(|(_, expected)| expected).filter(|_| wrong);
    let must = match (expected, said) {
        (Some(expected), _) => format!("must be {}", what(expected)),
        // A word out of a list is expected, and the value is no string.
        (None, "expected value") => "must be a string".to_string(),
        (None, said) => match said.strip_prefix("expected ") {
            Some(expected) => format!("must be {}", what(expected)),
            None => own_words(said),
        },
    };
    match path {
        "" => must,
        path if must.starts_with("must be ") => format!("{path} {must}"),
        path => format!("{path}: {must}"),
    }
}

/// The place at which a text stops being JSON; `None` if it is JSON.
pub fn not_json(text: &[u8]) -> Option<String> {
    let why = serde_json::from_slice::<IgnoredAny>(text).err()?;
    Some(match why.is_eof() {
        true => "it ends before it is whole".to_string(),
        false => format!("look at line {}, column {}", why.line(), why.column()),
    })
}

fn without_position(said: &str) -> &str {
    let place = |at: &usize| {
        said[*at..].split(' ').all(|word| {
            ["", "at", "line", "column"].contains(&word) || word.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    said.rfind(" at line ").filter(place).map_or(said, |at| &said[..at])
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.[]-".contains(&byte))
}

fn named<'a>(said: &'a str, begins: &str) -> Option<&'a str> {
    Some(said.strip_prefix(begins)?.trim_matches('`'))
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

/// What a parser expected, in JSON's terms.
fn what(expected: &str) -> String {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more".to_string(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_string(),
        "f32" | "f64" => "a number".to_string(),
        "a boolean" => "true or false".to_string(),
        "a sequence" => "a list".to_string(),
        "a map" | "a JSON object" => "an object".to_string(),
        "string or map" | "a string" | "str" | "a borrowed string" => "a string".to_string(),
        _ if expected.starts_with("struct ") => "an object".to_string(),
        _ if expected.starts_with("enum ") => "a string".to_string(),
        _ => expected.replace('`', ""),
    }
}

/// Errors that are not the JSON parser's: about numbers and ids in text, or our own types' words, which stay as they
/// are.
fn own_words(said: &str) -> String {
    let must = match said {
        "invalid digit found in string" | "cannot parse integer from empty string" => "a whole number",
        "number too large to fit in target type" | "number out of range" => "a smaller number",
        "number too small to fit in target type" => "a larger number",
        "provided string was not `true` or `false`" => "true or false",
        "recursion limit exceeded" => "nested less deeply",
        _ if said.starts_with("UUID parsing failed") => "a UUID",
        _ => return said.to_string(),
    };
    format!("must be {must}")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::{Method, OrderId};

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Wanted {
        quantity: u32,
        method: Method,
        order_id: Option<OrderId>,
        note: Option<String>,
    }

    #[track_caller]
    fn check(json: &str, says: &str) {
        let why = serde_json::from_str::<Wanted>(json).unwrap_err();
        assert_eq!(in_plain_words(&why.to_string()), says, "{why}");
        assert_eq!(not_json(json.as_bytes()), None, "{json}");
    }

    #[test]
    fn what_does_not_fit_is_said_in_plain_words_and_without_what_stood_there() {
        check(r#"{"quantity":"x"}"#, "must be a whole number, 0 or more");
        check(r#"{"quantity":-1}"#, "must be a whole number, 0 or more");
        check(r#"{"method":"card"}"#, "quantity is missing");
        check(r#"{"quantity":1,"quantity":1}"#, "quantity stands there twice");
        check(r#"{"quantity":1,"method":"gold"}"#, "must be one of card, debit_card, paypal, cod");
        check(r#"{"quantity":1,"method":null}"#, "must be a string");
        check(r#"{"quantity":1,"method":"cod","order_id":"x"}"#, "must be a UUID");
        check(r#"{"quantity":1,"method":"cod","note":7}"#, "must be a string");
        check("[]", "must be an object");
        check("7", "must be an object");
    }

    #[test]
    fn the_field_is_named_where_it_is_known() {
        let says = |said: &str| in_plain_words(said);
        assert_eq!(
            says(
                "items[0].quantity: invalid type: string \"a: b at line 7\", expected u32 at line 1 column 15"
            ),
            "items[0].quantity must be a whole number, 0 or more"
        );
        assert_eq!(says("items[0]: missing field `sku` at line 1 column 2"), "items[0].sku is missing");
        assert_eq!(says("limit: invalid digit found in string"), "limit must be a whole number");
        assert_eq!(
            says("price: 1.234 has too many decimals at line 1 column 3"),
            "price: 1.234 has too many decimals"
        );
    }

    #[test]
    fn where_a_text_ceases_to_be_json_is_said_without_the_text() {
        assert_eq!(not_json(b"{\"secret\": nope}").as_deref(), Some("look at line 1, column 13"));
        assert_eq!(not_json(b"{\"secret\": ").as_deref(), Some("it ends before it is whole"));
        assert_eq!(not_json(b"{} {}").as_deref(), Some("look at line 1, column 4"));
    }
}
