use lapin::BasicProperties;
use lapin::protocol::basic::parse_properties;
use lapin::types::{AMQPValue, FieldTable};

use super::*;

const FLAGS_OF_HEADERS: u16 = 0x2000;
const FLAGS_OF_ID: u16 = 0x0080;

fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text].concat()
}

fn entry(name: &[u8], kind: u8, value: &[u8]) -> Vec<u8> {
    [&short(name)[..], &[kind], value].concat()
}

/// A header with this many tables, one in the other.
fn nested(depth: usize) -> Vec<u8> {
    let inside = (1..depth).fold(Vec::new(), |inside, _| entry(b"t", b'F', &sized(&inside)));
    entry(b"deep", b'F', &sized(&inside))
}

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[kind, 0, 1], &sized(payload)[..], &[FRAME_END]].concat()
}

fn content_header(flags: u16, properties: &[u8]) -> Vec<u8> {
    frame(
        FRAME_HEADER,
        &[&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5], &flags.to_be_bytes()[..], properties].concat(),
    )
}

fn with_headers(entries: &[u8]) -> Vec<u8> {
    content_header(FLAGS_OF_HEADERS | FLAGS_OF_ID, &[sized(entries), short(b"m1")].concat())
}

/// What the client parses of it.
fn parsed(frame: &[u8]) -> BasicProperties {
    let properties = &frame[HEAD_BYTES + BEFORE_PROPERTIES..frame.len() - TAIL_BYTES];
    let (rest, parsed) = parse_properties(properties).unwrap();
    assert!(rest.is_empty(), "{rest:?}");
    parsed
}

fn emitted(frame: &[u8]) -> (Flaw, FieldTable) {
    let mut headers = parsed(frame).headers().clone().unwrap().inner().clone();
    let Some(AMQPValue::LongString(code)) = headers.remove(REMOVED) else { panic!("{headers:?}") };
    let mut others = FieldTable::default();
    for (name, value) in headers {
        others.insert(name, value);
    }
    (Flaw::of_code(&code.to_string()).unwrap(), others)
}

#[test]
fn tables_nest_up_to_a_limit_and_past_it_only_the_deep_one_goes() {
    assert_eq!(mended(&with_headers(&nested(NESTING_MAX - 1))), None);
    for depth in [NESTING_MAX, 20_000] {
        let flat = entry(b"flat", b'S', &sized(b"a text"));
        let found = mended(&with_headers(&[&flat[..], &nested(depth), &flat].concat())).unwrap();
        let (flaw, kept) = emitted(&found);
        assert_eq!((flaw, kept.inner().len(), kept.contains_key("flat")), (Flaw::TooDeep, 1, true));
        assert_eq!(parsed(&found).message_id().as_ref().unwrap().as_str(), "m1");
    }
}

#[test]
fn a_property_that_is_not_utf8_goes_and_the_others_stay() {
    // The content type, the id and the type.
    let properties = [short(b"caf\xe9"), short(b"m1"), short(b"order.cancel")].concat();
    let found = mended(&content_header(0x8000 | FLAGS_OF_ID | 0x0020, &properties)).unwrap();
    assert_eq!(emitted(&found), (Flaw::NotUtf8, FieldTable::default()));
    let properties = parsed(&found);
    assert!(properties.content_type().is_none());
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "m1");
    assert_eq!(properties.kind().as_ref().unwrap().as_str(), "order.cancel");
}

#[test]
fn what_the_broker_wrote_is_kept_before_all_that_fills_a_frame() {
    let large = entry(b"baggage", b'S', &sized(&vec![b'x'; FRAME_BYTES_MAX]));
    let small: Vec<_> = (0..1000).flat_map(|n| entry(format!("n{n}").as_bytes(), b'I', &[0; 4])).collect();
    let death = entry(
        b"x-death",
        b'A',
        &sized(&[&b"F"[..], &sized(&entry(b"reason", b'S', &sized(b"expired")))].concat()),
    );
    let found = mended(&with_headers(&[large, small, death].concat())).unwrap();
    let (flaw, kept) = emitted(&found);
    assert_eq!(flaw, Flaw::TooLarge);
    assert!(kept.contains_key("x-death") && kept.contains_key("n0") && !kept.contains_key("baggage"));
    assert!(found.len() < 8 * 1024, "{}", found.len());
    let just = |bytes: usize| with_headers(&entry(b"b", b'S', &sized(&vec![b'x'; bytes])));
    let around = just(0).len();
    assert_eq!(mended(&just(FRAME_BYTES_MAX - around)), None);
    assert!(mended(&just(FRAME_BYTES_MAX - around + 1)).is_some());
}

#[test]
fn a_routing_key_that_is_not_utf8_becomes_one_that_is_no_name_of_ours() {
    let delivery = |exchange: &[u8], key: &[u8]| {
        frame(
            FRAME_METHOD,
            &[&DELIVER[..], &short(b"ctag"), &[0, 0, 0, 0, 0, 0, 0, 7, 1], &short(exchange), &short(key)]
                .concat(),
        )
    };
    assert_eq!(mended(&delivery(b"p.commands", "käse".as_bytes())), None);
    assert_eq!(mended(&delivery(b"p.commands", b"caf\xe9")), Some(delivery(b"p.commands", b"caf?")));
    assert_eq!(mended(&delivery(b"\xff", b"\xffa\xff")), Some(delivery(b"?", b"?a?")));
    // Another method, or half of one, passes unchecked.
    assert_eq!(mended(&frame(FRAME_METHOD, &[0, 60, 0, 80, 0xff])), None);
    assert_eq!(mended(&frame(FRAME_METHOD, &[&DELIVER[..], &short(b"ctag"), &[0, 0]].concat())), None);
}

#[test]
fn every_flaw_has_a_code_of_its_own_and_a_reason() {
    for flaw in Flaw::ALL {
        assert_eq!(Flaw::of_code(flaw.code()), Some(flaw));
        assert!(flaw.reason().why.contains("; send "), "{flaw:?}");
    }
}

mod fuzzed {
    use super::*;
    use fuzz::Target;

    /// The input is a content header, the payload of its frame.
    #[test]
    fn whatever_passes_can_be_parsed_by_the_client_and_whatever_does_not_says_why() {
        const WORDS: &[&str] = &[
            "F\0\0\0\u{7}\u{1}tF\0\0\0\0",
            "A\0\0\0\u{5}A\0\0\0\0",
            "S\0\0\0\u{1}x",
            "x-death",
            "\u{1}aV",
            "\u{1}bI\0\0\0\u{1}",
            "t",
            "l",
            "U",
            "D",
            "\u{1}",
            "\u{7f}",
            "\u{80}",
            "removed_headers",
            "headers_too_deep",
            "\0\0\0\u{10}",
        ];
        Target { name: "header", words: WORDS }.run(|payload| {
            let frame = frame(FRAME_HEADER, payload);
            let Some(found) = mended(&frame) else {
                // Too short to be a content header at all; the client reports it and gives the connection up.
                if payload.len() >= BEFORE_PROPERTIES + 2 {
                    parsed(&frame);
                }
                return "passes".into();
            };
            assert_eq!(mended(&found), None, "it passes now");
            let (flaw, kept) = emitted(&found);
            format!("{flaw:?} {}", kept.inner().len().min(8))
        });
    }
}
