//! The messages that customers and administrators send.

use contract::{Message, Raw, Time};
use serde_json::{Value, json};

pub(crate) const PRODUCTS: u64 = 1000;

pub(crate) fn product(number: u64) -> Message {
    let body = json!({"sku": format!("SKU-{number}"), "title": "A product", "on_hand": 1_000_000_000,
        "price": {"amount": "9.99", "currency": "EUR"}});
    message("product.upsert", &body)
}

pub(crate) fn checkout_body(number: u64, lines: usize) -> Value {
    let item = |line| json!({"sku": format!("SKU-{}", (number + line) % PRODUCTS), "quantity": 1});
    json!({"order_id": uuid::Uuid::now_v7(), "customer_id": format!("customer-{}", number % 100),
        "items": (0..lines as u64).map(item).collect::<Vec<_>>(),
        "payment": {"method": "card", "token": "tok_ok"}})
}

pub(crate) fn checkout(number: u64, lines: usize) -> Message {
    message("checkout.submit", &checkout_body(number, lines))
}

pub(crate) fn raw(name: &str, body: &Value) -> Raw {
    // A checkout is known by its order.
    let message_id = body["sku"].as_str().map(str::to_string);
    Raw { message_id, name: name.into(), body: body.to_string().into_bytes(), ..Raw::default() }
}

fn message(name: &str, body: &Value) -> Message {
    Message::accept(contract::speakers_of(name)[0], &raw(name, body), Time::from_unix_ms(1_800_000_000_000))
        .unwrap()
}
