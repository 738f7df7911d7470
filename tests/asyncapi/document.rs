//! Puts the document together: whatever is common to all messages is defined in this file only.

use schemars::generate::{Contract, SchemaSettings};
use serde_json::{Map, Value, json};

use super::events::{endings, events};
use super::messages::{Entry, commands};

const BINDING_VERSION: &str = "0.3.0";

const DESCRIPTION: &str = "\
Anyone who speaks AMQP 0-9-1 can take part: publish commands to the exchange `checkout.commands`, and bind a queue of your
own to the exchange `checkout.events`. The routing key is the message's type in both. (`checkout` is the default of the
setting `prefix`.) `examples/` has programs that do so.

The body is a JSON object in UTF-8, of at most 64 KiB. Fields that are not known here are ignored. The envelope is in the
AMQP properties:

| property | meaning |
|---|---|
| `message_id` | what a repeat is recognised by: any text of 1 to 255 bytes but a UUID of version 8, a form that is kept for our own messages (dead letter `message_id_invalid`). The same id with another type or body becomes the dead letter `message_id_reused` |
| `type` | the message's type; if it is missing, the routing key counts |
| `correlation_id` | in what we say: the order id. On a `checkout.submit` with `reply_to`: your own word, which comes back with the outcome |
| `reply_to` | on a `checkout.submit`: a queue of yours, for one message with the outcome |
| `content_type` | `application/json` |
| `delivery_mode` | 2, so that a restart of the broker loses nothing |

What cannot be read, or asks for what cannot be, is kept as a dead letter with a code and what its sender should change.
Delivery is at least once: a listener may hear an event twice, under the same `message_id`. Events of one order may overtake
each other; each has the time at which it was true.
";

pub(super) fn whole() -> Value {
    let (mut channels, mut operations, mut messages) = (Map::new(), Map::new(), Map::new());
    let mut schemas = Map::new();
    for (entries, side) in [(commands(), &COMMANDS), (events(), &EVENTS)] {
        let mut generator = SchemaSettings::draft07()
            .with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.contract = side.contract.clone();
            })
            .into_generator();
        for entry in &entries {
            channels.insert(entry.name.into(), channel(entry.name, side));
            operations.insert(format!("{}.{}", side.action, entry.name), operation(entry.name, side));
            messages
                .insert(entry.name.into(), message(entry, (entry.schema)(&mut generator).to_value(), side));
        }
        for (name, mut schema) in generator.take_definitions(true) {
            if side.contract == Contract::Serialize {
                never_null(&mut schema);
            }
            no_empty_default(&mut schema);
            let before = schemas.insert(name.clone(), schema.clone());
            assert!(
                before.is_none_or(|before| before == schema),
                "{name} is sent otherwise than it is heard"
            );
        }
    }
    channels.insert("reply".into(), reply_channel());
    schemas.insert("Headers".into(), headers());
    operations["receive.checkout.submit"]["reply"] = json!({
        "channel": {"$ref": "#/channels/reply"},
        "address": {
            "description": "The AMQP property `reply_to`: a queue, reached by the default exchange. If it is gone when \
                            the outcome is there, the outcome is not sent.",
            "location": "$message.header#/reply_to",
        },
    });
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "checkout-saga",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "localhost:5672",
                "protocol": "amqp",
                "protocolVersion": "0.9.1",
                "description": "The setting `amqp_url` says which broker it is; `amqps` works as well.",
            },
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    })
}

/// Commands come in, events go out.
struct Side {
    action: &'static str,
    exchange: &'static str,
    contract: Contract,
}

const COMMANDS: Side =
    Side { action: "receive", exchange: "checkout.commands", contract: Contract::Deserialize };
const EVENTS: Side = Side { action: "send", exchange: "checkout.events", contract: Contract::Serialize };

fn channel(name: &str, side: &Side) -> Value {
    json!({
        "address": name,
        "messages": {name: {"$ref": format!("#/components/messages/{name}")}},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {
                    "name": side.exchange, "type": "topic", "durable": true, "autoDelete": false, "vhost": "/",
                },
                "bindingVersion": BINDING_VERSION,
            },
        },
    })
}

fn reply_channel() -> Value {
    let names: Vec<_> = endings().into_iter().map(|entry| entry.name).collect();
    let messages: Map<_, _> = names
        .iter()
        .map(|name| ((*name).to_string(), json!({"$ref": format!("#/components/messages/{name}")})))
        .collect();
    json!({
        "address": null,
        "title": "checkout.reply",
        "description": "The outcome of one checkout, for whoever set `reply_to`: the first of these events that is true \
                        of it, once, with the sender's `correlation_id` and a `message_id` of its own. Of cash on \
                        delivery that is `order.accepted`, and the event that ends the order follows. A return later on \
                        is told to listeners alone.",
        "messages": messages,
        "bindings": {
            "amqp": {
                "is": "queue",
                "queue": {"name": "the sender's own", "durable": false, "exclusive": true, "autoDelete": true},
                "bindingVersion": BINDING_VERSION,
            },
        },
    })
}

fn operation(name: &str, side: &Side) -> Value {
    json!({
        "action": side.action,
        "channel": {"$ref": format!("#/channels/{name}")},
        "messages": [{"$ref": format!("#/channels/{name}/messages/{name}")}],
        "bindings": {"amqp": {"deliveryMode": 2, "bindingVersion": BINDING_VERSION}},
    })
}

fn message(entry: &Entry, payload: Value, side: &Side) -> Value {
    let examples: Vec<_> =
        entry.examples.iter().map(|(name, payload)| json!({"name": name, "payload": payload})).collect();
    let mut message = json!({
        "name": entry.name,
        "summary": entry.summary,
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/Headers"},
        "payload": payload,
        "examples": examples,
        "bindings": {
            "amqp": {"messageType": entry.name, "bindingVersion": BINDING_VERSION},
        },
    });
    if !entry.description.is_empty() {
        message["description"] = entry.description.into();
    }
    if side.contract == Contract::Serialize {
        message["correlationId"] =
            json!({"description": "The order.", "location": "$message.payload#/order_id"});
    }
    message
}

fn headers() -> Value {
    json!({
        "type": "object",
        "description": "All of them may be missing, and others are ignored.",
        "properties": {
            "schema": {
                "type": "integer", "const": 1, "default": 1, "description": "The version of the body's form.",
            },
            "causation_id": {
                "type": "string", "description": "The `message_id` of what was being handled when this was said.",
            },
        },
    })
}

/// "Missing means missing" is said for every field that is not required.
fn no_empty_default(schema: &mut Value) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for field in properties.into_iter().flat_map(|properties| properties.values_mut()) {
        if let Some(field) = field.as_object_mut() {
            field.retain(|name, value| name != "default" || !value.is_null());
        }
    }
}

/// The program omits absent fields, but schemars describes a field that may be missing as nullable too.
fn never_null(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|one| one != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    fields.insert("type".into(), only);
                }
            }
            if let Some(Value::Array(any)) = fields.get("anyOf")
                && let [one, null] = any.as_slice()
                && *null == json!({"type": "null"})
            {
                let one = one.clone();
                fields.remove("anyOf");
                fields.insert("allOf".into(), json!([one]));
            }
            fields.values_mut().for_each(never_null);
        }
        Value::Array(items) => items.iter_mut().for_each(never_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
