use serde::Deserialize;
use serde_json::value::RawValue;

use super::read;

#[derive(Deserialize, PartialEq, Debug, Default)]
#[serde(default)]
struct Order {
    who: Option<Person>,
    lines: Vec<Line>,
    change: Option<Change>,
    note: String,
}

#[derive(Deserialize, PartialEq, Debug)]
struct Person {
    name: String,
}

#[derive(Deserialize, PartialEq, Debug)]
struct Line(Inner);

#[derive(Deserialize, PartialEq, Debug, Default)]
#[serde(default)]
struct Inner {
    sku: String,
    gift: Option<Box<Person>>,
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(rename_all = "snake_case")]
enum Change {
    Now,
    Move { to: u8 },
    Name(Person),
}

#[derive(Deserialize)]
struct Held {
    raw: Box<RawValue>,
}

#[test]
fn a_list_stands_for_an_object_nowhere() {
    for (json, says) in [
        ("[]", "invalid type: sequence, expected struct Order"),
        (r#"[null,[],null,"x"]"#, "invalid type: sequence, expected struct Order"),
        (r#"{"who":["anna"]}"#, "who: invalid type: sequence, expected struct Person"),
        (r#"{"lines":[{"sku":"A"},[]]}"#, "lines[1]: invalid type: sequence, expected struct Inner"),
        (r#"{"lines":[{"gift":["anna"]}]}"#, "lines[0].gift: invalid type: sequence, expected struct Person"),
        (r#"{"change":{"move":[7]}}"#, "change.move: invalid type: sequence, expected struct variant"),
        (r#"{"change":{"name":["anna"]}}"#, "change.name: invalid type: sequence, expected struct Person"),
    ] {
        let why = read::<Order>(json.as_bytes()).unwrap_err();
        assert!(why.starts_with(says), "{json}: {why}");
    }
}

#[test]
fn what_is_an_object_where_it_should_be_is_read_as_ever() {
    for (json, expected) in [
        ("{}", Order::default()),
        (
            r#"{"change":"now","note":"\u00fc"}"#,
            Order { change: Some(Change::Now), note: "ü".into(), ..Order::default() },
        ),
        (
            r#"{"change":{"move":{"to":7}}}"#,
            Order { change: Some(Change::Move { to: 7 }), ..Order::default() },
        ),
        (
            r#"{"lines":[{"sku":"A","gift":{"name":"anna"}}],"unknown":[[1,2],{}]}"#,
            Order {
                lines: vec![Line(Inner {
                    sku: "A".into(),
                    gift: Some(Box::new(Person { name: "anna".into() })),
                })],
                ..Order::default()
            },
        ),
    ] {
        assert_eq!(read::<Order>(json.as_bytes()).unwrap(), expected, "{json}");
    }
    let held: Held = read(br#"{"raw": [1, {"a": [] }]}"#).unwrap();
    assert_eq!(held.raw.get(), r#"[1, {"a": [] }]"#);
    assert!(read::<Order>(b"{} {}").unwrap_err().contains("trailing characters"));
}
