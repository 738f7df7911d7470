//! A card number that a sender includes, in whatever spelling and by whatever way, is neither stored nor shown.

mod by_http;
mod by_queue;
mod shown;

/// `4242 4242 4242 4242` passes the Luhn check and belongs to no customer. These are the spellings of it.
const SPELLINGS: [&str; 17] = [
    "4242424242424242",
    "4242 4242-4242.4242",
    "4242/4242/4242/4242",
    "4242_4242_4242_4242",
    "4242\u{a0}4242\u{a0}4242\u{a0}4242",
    "4242\u{2009}4242\u{2009}4242\u{2009}4242",
    "４２４２４２４２４２４２４２４２",
    "٤٢٤٢ ٤٢٤٢ ٤٢٤٢ ٤٢٤٢",
    "4242,4242,4242,4242",
    "4242–4242–4242–4242",
    "4242\t4242\n4242\t4242",
    "4242 / 4242 - 4242, 4242",
    "4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2",
    "4242\u{200b}4242\u{200b}4242\u{200b}4242",
    r"\u0034242424242424242",
    "%34242424242424242",
    "4242%204242%204242%204242",
];

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// How a stored spelling would look in a file, a log or a column of bytes.
fn traces(spelling: &str) -> Vec<Vec<u8>> {
    let json = serde_json::to_string(spelling).unwrap();
    let debug = format!("{spelling:?}");
    let hex: String = spelling.bytes().map(|byte| format!("{byte:02x}")).collect();
    let inside = |quoted: &str| quoted[1..quoted.len() - 1].to_string();
    let texts = [spelling.to_string(), inside(&json), inside(&debug), percent_encoded(spelling), hex];
    texts.into_iter().map(String::into_bytes).collect()
}

/// The spellings that have left a trace there.
fn found_in(kept: &[u8]) -> Vec<&'static str> {
    let holds = |trace: &Vec<u8>| kept.windows(trace.len()).any(|window| window == trace);
    SPELLINGS.into_iter().filter(|spelling| traces(spelling).iter().any(holds)).collect()
}

#[test]
fn a_number_that_is_kept_would_be_found() {
    for spelling in SPELLINGS {
        assert!(contract::holds_card_number(spelling), "{spelling}");
        let kept = serde_json::json!({"why": format!("my card is {spelling} indeed")}).to_string();
        assert!(found_in(kept.as_bytes()).contains(&spelling), "{spelling}");
        assert_eq!(found_in(contract::without_card_numbers(&kept).as_bytes()), Vec::<&str>::new());
    }
}
