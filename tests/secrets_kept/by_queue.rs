//! A message in a queue cannot be refused: it is kept as a dead letter, with every digit of a card number masked.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Row};

use super::{SPELLINGS, found_in};
use crate::support::http_client::HttpClient;
use crate::support::rabbit::Outsider;
use crate::support::served::Served;
use crate::support::{block_on, new_id, until};

/// How many dead letters one spelling makes.
const PLACES: usize = 12;

async fn sends_everywhere(outsider: &Outsider, spelling: &str, number: usize) {
    let order = new_id();
    let body = |place: &str| json!({"order_id": order, "unique": format!("{place} {number}")}).to_string();
    let id = |place: &str| BasicProperties::default().with_message_id(format!("{place}_{number}").into());
    let with_header = |name: &str| {
        let mut headers = FieldTable::default();
        headers.insert(name.into(), AMQPValue::LongString(spelling.into()));
        BasicProperties::default().with_headers(headers)
    };
    let noted =
        json!({"order_id": order, "customer_id": "anna", "note": spelling, "unique": number}).to_string();
    let numbered = json!({"order_id": order, "reason": spelling, "unique": number}).to_string();
    let malformed = format!("{{\"unique\": {number}, \"note\": \"{spelling}");
    let asks =
        |answers: &str, word: &str| id("asks").with_reply_to(answers.into()).with_correlation_id(word.into());
    outsider.sends("checkout.submit", id("noted"), noted.as_bytes()).await;
    outsider.sends("order.cancel", id("reason"), numbered.as_bytes()).await;
    outsider.sends("order.cancel", id("malformed"), malformed.as_bytes()).await;
    outsider.sends("order.cancel", id("type").with_type(spelling.into()), body("type").as_bytes()).await;
    let named = BasicProperties::default().with_message_id(spelling.into());
    outsider.sends("order.cancel", named, body("id").as_bytes()).await;
    outsider.sends("checkout.submit", asks("answers", spelling), body("word").as_bytes()).await;
    outsider.sends("checkout.submit", asks(spelling, "word"), body("answers").as_bytes()).await;
    let event = with_header("cloudEvents:id");
    outsider.sends("order.cancel", event, body("event").as_bytes()).await;
    let event = with_header("cloudEvents_type").with_message_id("event".into());
    outsider.sends("order.cancel", event, body("event type").as_bytes()).await;
    outsider.sends(spelling, id("key"), body("key").as_bytes()).await;
    outsider.sends("order.nowhere", id("nowhere"), noted.as_bytes()).await;
    outsider.sends("order.nowhere", id("torn"), malformed.as_bytes()).await;
}

#[test]
fn a_letter_from_a_queue_is_masked_in_its_body_its_name_its_ids_and_its_reason() {
    let served = Served::new();
    let mut all = served.spawn_with(&["all"], &[("CHECKOUT_LOG", "debug")]);
    let address = served.ready(&mut all);
    block_on(async {
        let outsider = served.namespace.outsider().await;
        for (number, spelling) in SPELLINGS.into_iter().enumerate() {
            sends_everywhere(&outsider, spelling, number).await;
        }
    });
    let listed = || served.run(&["dead", "list", "--json", "--limit", "10000"]).ok();
    let letters = until("a dead letter for everything that was sent", || {
        let letters = listed();
        let all: Value = serde_json::from_str(&letters).unwrap();
        (all.as_array().unwrap().len() >= PLACES * SPELLINGS.len()).then_some(letters)
    });
    assert!(letters.contains("****"), "{letters}");
    assert_eq!(found_in(letters.as_bytes()), Vec::<&str>::new());
    let admin = HttpClient::admin(address);
    let exported = admin.get("/admin/dead-letters?limit=100").is(200).text;
    assert_eq!(found_in(exported.as_bytes()), Vec::<&str>::new());
    for why in SPELLINGS {
        let paused = served.run(&["pause", "role", "payment", "--why", why]);
        paused.fails(2, &["CARD_NUMBER_REFUSED"]);
    }
    for (table, kept) in block_on(tables(&served.database_url)) {
        assert_eq!(found_in(kept.as_bytes()), Vec::<&str>::new(), "{table}");
    }
    let log = served.log(&all);
    assert!(log.contains("a dead letter came in"), "{log}");
    assert_eq!(found_in(log.as_bytes()), Vec::<&str>::new());
    assert_eq!(all.terminate(), 0);
}

/// Every table of the schema, as text.
async fn tables(url: &str) -> Vec<(String, String)> {
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let mut connection = options.connect().await.unwrap();
    let names =
        "select table_name::text from information_schema.tables where table_schema = current_schema()";
    let mut kept = Vec::new();
    for row in sqlx::query(names).fetch_all(&mut connection).await.unwrap() {
        let name: String = row.get(0);
        // As JSON, in which a column of bytes is written in hex.
        let sql = "select query_to_xml(format('select to_jsonb(t)::text as kept from %I t', $1::text), true, false, '')::text";
        let text = sqlx::query(sql).bind(&name).fetch_one(&mut connection).await.unwrap();
        kept.push((name, text.get(0)));
    }
    assert!(kept.len() > 10, "{kept:?}");
    kept
}
