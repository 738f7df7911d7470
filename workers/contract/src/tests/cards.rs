//! Which groups of digits are a card number, by issuer and length, and which text around one does not hide it.

use crate::*;

#[track_caller]
fn found(text: &str) {
    assert!(holds_card_number(text), "{text}");
    let masked = without_card_numbers(text);
    assert!(masked.contains('*') && !holds_card_number(&masked), "{text} became {masked}");
}

#[track_caller]
fn let_through(text: &str) {
    assert!(!holds_card_number(text), "{text}");
    assert_eq!(without_card_numbers(text), text);
}

#[test]
fn a_number_in_groups_is_a_card_if_some_issuers_numbers_begin_like_that_and_are_that_long() {
    for card in [
        "4222 2222 2222 2",
        "4111 1111 1111 1111",
        "5555 5555 5555 4444",
        "2223 0031 2200 3222",
        "2720 9999 9999 9996",
        "8171 9999 2766 0000",
        "9792 0303 9444 0739",
        "3782 822463 10005",
        "3456 789012 3456 4",
        "3056 930902 5904",
        "3852 000002 3237",
        "3095 0000 0000 00",
        "3530 1113 3330 0000",
        "2200 7700 0000 0002",
        "5018 0000 0000 7",
        "5600 0000 0000 2",
        "6011 1111 1111 1117",
        "6200 0000 0000 0000 000",
    ] {
        found(card);
    }
    for no_card in [
        "4222 2222 2222 26",
        "4222 2222 2222 226",
        "2221 0000 0000 000",
        "3000 0000 0000 7",
        "2204 0000 0000 006",
        "7000 0000 0000 0005",
        "1234 5678 9012 3452",
        "4111 1111 1111 1112",
    ] {
        let_through(no_card);
    }
    found("7000000000000005");
    let_through("1234567890123452");
}

#[test]
fn what_follows_a_plus_is_a_telephone_number_up_to_fifteen_digits() {
    let_through("+424242424242424");
    found("424242424242424");
    found("+4242424242424242");
    found("+49 and 4242 4242 4242 4242");
}

#[test]
fn a_date_or_a_time_stamp_among_groups_makes_them_no_card_and_what_is_none_does_not() {
    for moment in ["5555 2026 12 31 5556", "424242 1000000008", "4242424 200000000"] {
        let_through(moment);
    }
    for card in [
        "5555 2026 13 29 5559",
        "5555 2026 11 32 5556",
        "5555 2100 11 29 5550",
        "5555 1899 11 29 5557",
        "4242 42 42 4242 4242",
        "42424242 10000008",
        "42424242 20000006",
    ] {
        found(card);
    }
}

#[test]
fn a_card_number_after_an_id_is_found() {
    let digest = "9f86d081884c7d659a2feaa0c55ad0154242424242424242b822cd15d6c15b0f00a08";
    for id in ["01932b4a-1111-7000-8000-000000000001", digest] {
        for before in ["order ", "stripe/", ""] {
            found(&format!("{before}{id} 4242 4242 4242 4242"));
        }
    }
    // With one more letter it is not an id.
    found("42424242-4242-4242-8242-424242424242x 4242 4242 4242 4242");
}

#[test]
fn a_letter_of_any_script_ends_a_number_and_a_mark_that_only_looks_like_a_digit_parts_it() {
    let_through("4242ß4242ß4242ß4242");
    let_through("4242茶4242茶4242茶4242");
    for mark in ['٪', '€', '·', '、'] {
        found(&format!("4242{mark}4242{mark}4242{mark}4242"));
    }
}

#[test]
fn what_is_not_seen_parts_no_number_and_the_end_of_a_line_parts_two() {
    for mark in ['\u{200b}', '\u{ad}', '\u{301}', '\u{fe0f}'] {
        let marks = mark.to_string().repeat(5);
        found(&format!("4{marks}242 4242 4242 4242"));
    }
    let_through("70000000\n00000005");
}

#[test]
fn an_encoded_digit_is_a_digit() {
    for encoded in [
        r"\ud835\udfdc242 4242 4242 4242",
        r"\u{34}242 4242 4242 4242",
        r"\u{1d7dc}242 4242 4242 4242",
        r"\\u{1D7DC}242 4242 4242 4242",
        "%f0%9d%9f%9c242 4242 4242 4242",
        "%34242424242424242",
        "%252534242 4242 4242 4242",
        "4242 4242 4242 424%2532",
        // No group of its own.
        r"\u{37}000000000000005",
        // Three separators, not six.
        r#"4242\"\/\"4242\"\/\"4242 4242"#,
    ] {
        found(encoded);
    }
    // Half a surrogate pair, an escape that is not closed, and code points that do not exist.
    for broken in [
        r"\ud835242 4242 4242 4242",
        r"\ud835udfdc242 4242 4242 4242",
        r"\ud835\u0041242 4242 4242 4242",
        r"\u{34242 4242 4242 4242",
        r"\u{110000}242 4242 4242 4242",
        "%9f%9c242 4242 4242 4242",
    ] {
        let_through(broken);
    }
}

#[test]
fn a_number_beside_a_value_of_its_own_is_judged_alone() {
    let ids = r#""ids":[4242,4242,4242,4242]"#;
    for (beside, holds) in [
        (r#""at":1796593481000"#, false),
        (r#""at":1.5"#, false),
        (r#""at":999999999999.5"#, false),
        (r#""at":1000000000000.5"#, true),
        (r#""at":true"#, false),
        (r#""at":4242424242424242"#, true),
    ] {
        let json = format!("{{{ids},{beside}}}");
        assert_eq!(json_holds_card_number(&json), holds, "{json}");
    }
}
