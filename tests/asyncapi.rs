//! `docs/asyncapi.yaml` documents what outsiders send and hear, and it cannot disagree with the Rust types.
//!
//! It is generated from them: run `UPDATE_EXPECT=1 cargo test --test all asyncapi` after a change, and read the diff.

mod checkout;
mod document;
pub(crate) mod events;
pub(crate) mod messages;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use broker::rabbitmq::topology::OUTSIDE;
use contract::{Kind, MESSAGES, Message, MessageId, Raw, Time};
use expect_test::expect_file;
use serde_json::Value;

use events::{endings, events};
use messages::{Entry, commands};

#[test]
fn the_document_says_what_the_types_say() {
    expect_file!["../docs/asyncapi.yaml"].assert_eq(&yaml::written(&document::whole()));
}

#[test]
fn every_message_that_outsiders_send_or_hear_is_described() {
    let names = |kind| {
        let of_kind = MESSAGES.iter().filter(move |(_, known, _)| *known == kind);
        of_kind.map(|(name, ..)| *name).collect::<BTreeSet<_>>()
    };
    let described =
        |entries: Vec<Entry>| entries.into_iter().map(|entry| entry.name).collect::<BTreeSet<_>>();
    let let_in: BTreeSet<_> = OUTSIDE.into_iter().collect();
    assert_eq!(described(commands()), let_in, "commands: tests/asyncapi/messages.rs");
    assert_eq!(described(events()), names(Kind::Fact), "events: tests/asyncapi/events.rs");
    let document = document::whole();
    let replies: BTreeSet<_> =
        MESSAGES.iter().filter(|(_, kind, _)| *kind == Kind::Reply).map(|(name, ..)| *name).collect();
    assert_eq!(replies, BTreeSet::from([document["channels"]["reply"]["title"].as_str().unwrap()]));
}

#[test]
fn a_reply_is_one_of_the_endings() {
    for entry in endings() {
        for (example, body) in &entry.examples {
            let ending = serde_json::json!({"type": entry.name, "body": body});
            let ending: contract::Ending = serde_json::from_value(ending).unwrap();
            assert_eq!(contract::Body::from(ending).name(), entry.name, "{example}");
        }
    }
}

#[test]
fn every_example_is_read_by_the_types_it_is_for() {
    for entry in commands() {
        for (example, body) in &entry.examples {
            let raw = Raw {
                message_id: Some("an outsider's own".into()),
                name: entry.name.into(),
                body: body.to_string().into(),
                ..Raw::default()
            };
            let read = Message::accept(crate::support::usual(&raw.name), &raw, Time::default());
            assert!(read.is_ok(), "{}, {example}: {}", entry.name, read.unwrap_err());
        }
    }
    for entry in events() {
        for (example, body) in &entry.examples {
            let id = MessageId::new("m").unwrap();
            let heard = Message::restore(id, None, Time::default(), entry.name, &body.to_string()).unwrap();
            let said: Value = serde_json::from_str(heard.json()).unwrap();
            assert_eq!(said, *body, "{}, {example}: the Rust types write it differently", entry.name);
        }
    }
}

#[test]
fn every_field_is_in_an_example_and_no_example_has_another() {
    let document = document::whole();
    let mut shown: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in commands().into_iter().chain(events()) {
        let payload = &document["components"]["messages"][entry.name]["payload"];
        for (_, body) in &entry.examples {
            walk(&document, payload, body, &mut shown);
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let Some(properties) = schema["properties"].as_object().filter(|_| name != "Headers") else {
            continue;
        };
        let described: BTreeSet<_> = properties.keys().cloned().collect();
        assert_eq!(
            shown.get(name),
            Some(&described),
            "{name}: left the fields of the examples, right all fields"
        );
    }
}

/// Records which fields of which schema occur in `value`.
fn walk(document: &Value, schema: &Value, value: &Value, shown: &mut BTreeMap<String, BTreeSet<String>>) {
    let parts = ["allOf", "anyOf"].iter().filter_map(|of| schema[of].as_array()).flatten();
    for part in parts {
        walk(document, part, value, shown);
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.strip_prefix("#/components/schemas/").expect("all references go there");
        let schema = &document["components"]["schemas"][name];
        if let (Some(_), Some(fields)) = (schema["properties"].as_object(), value.as_object()) {
            shown.entry(name.into()).or_default().extend(fields.keys().cloned());
        }
        walk(document, schema, value, shown);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            walk(document, field, value, shown);
        }
    }
    for item in value.as_array().into_iter().flatten() {
        walk(document, &schema["items"], item, shown);
    }
}
