//! The JSON schemas of our own text formats, for the test that writes docs/asyncapi.yaml.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{Money, OrderId, Sku, Time};

/// A [`Time`] in the forms that others may write.
pub(crate) struct Moment;

macro_rules! schemas {
    ($($type:ident = $schema:tt)*) => {
        $(impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        })*
    };
}

schemas! {
    Money = {
        "type": "object",
        "description": "An exact decimal as a string, with no more digits after the point than the currency has. \
                        A JSON number is refused: it may have been a float.",
        "required": ["amount", "currency"],
        "properties": {
            "amount": { "type": "string", "pattern": "^-?[0-9]+([.][0-9]+)?$", "maxLength": 32 },
            "currency": { "type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217" },
        },
    }
    OrderId = {
        "type": "string",
        "format": "uuid",
        "description": "A UUID. Take version 7: its rows lie side by side.",
    }
    Sku = {
        "type": "string",
        "pattern": "^[!-~]{1,64}$",
        "description": "A stock keeping unit: 1 to 64 visible ASCII characters.",
    }
    Time = {
        "type": "string",
        "format": "date-time",
        "description": "RFC 3339; what we say is in UTC, to the millisecond.",
    }
    Moment = {
        "description": "Seconds since 1970, as a number or in digits, or a time as RFC 3339 writes it.",
        "anyOf": [
            { "type": "number", "minimum": 0 },
            { "type": "string", "pattern": "^[0-9]{1,12}([.][0-9]{1,9})?$" },
            { "type": "string", "format": "date-time" },
        ],
    }
}
