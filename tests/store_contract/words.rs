//! The orders, messages and records that the claims are about.

use super::*;

pub(super) const NOW_S: u64 = 1000;
pub(super) const STOCKED: &str = r#"{"on_hand":5,"reserved":0}"#;

pub(super) fn at(s: u64) -> Time {
    Time::from_unix_ms(0).plus_s(s)
}

pub(super) fn order(n: u64) -> OrderId {
    OrderId::new(Uuid::from_u128(0x0193_2b4a_0000_7000_8000_0000_0000_0000 + u128::from(n)))
}

pub(super) fn id(n: u64) -> MessageId {
    MessageId::new(&format!("m{n}")).unwrap()
}

pub(super) fn archive(n: u64) -> Message {
    Message::new(
        id(n),
        at(1),
        Body::OrderArchive(bodies::OrderArchive { order_id: order(n), ..Default::default() }),
    )
}

pub(super) fn fulfil(n: u64) -> Message {
    let body = Body::MarkFulfilled(bodies::MarkFulfilled { order_id: order(n) });
    Message::with_cause(id(n), Some(id(1)), at(2), body)
}

/// Emitted because of message 1, and at the time at which that was handled, like nearly all messages.
pub(super) fn promptly(n: u64) -> Message {
    let body = Body::MarkFulfilled(bodies::MarkFulfilled { order_id: order(n) });
    Message::with_cause(id(n), Some(id(1)), at(3), body)
}

/// Goes to two queues.
pub(super) fn refunded(n: u64) -> Message {
    let json = format!(
        r#"{{"order_id":"{}","at":"2026-01-01T00:00:00Z","amount":{{"amount":"1.50","currency":"EUR"}}}}"#,
        order(n)
    );
    Message::restore(id(n), None, at(2), "payment.refunded", &json).unwrap()
}

pub(super) fn no_order(n: u64) -> Message {
    Message::restore(id(n), None, at(2), "stock.count", r#"{"sku":"A\"\\","on_hand":1}"#).unwrap()
}

pub(super) fn say(message: &Message) -> Emitted {
    Emitted { message: Arc::new(message.clone()), queues: message.body.queues().to_vec() }
}

pub(super) fn row(role: Role, message: &Message, emitted: Vec<Emitted>) -> JournalRow {
    JournalRow {
        role,
        id: message.id.clone(),
        name: message.name().to_string(),
        hash: message.hash(),
        order_id: message.order_id,
        cause: message.cause.clone(),
        at: at(3),
        outcome: "done: \"as asked\"".into(),
        emitted,
    }
}

pub(super) fn journal(row: JournalRow) -> Changes {
    Changes { journal: vec![row], ..Changes::default() }
}

pub(super) fn records(records: Vec<SavedRecord>) -> Changes {
    Changes { records, ..Changes::default() }
}

pub(super) fn save(table: Table, id: &str, version: i64, json: &str) -> SavedRecord {
    SavedRecord { need: Need::of(table, id), version, json: json.into() }
}

/// Odd orders are customer c1's, even ones c0's.
pub(super) fn ordered(n: u64, status: &str, when: u64) -> SavedRecord {
    let json = format!(
        r#"{{"number":{n},"status":"{status}","customer_id":"c{}","created_at":"{at}","updated_at":"{at}"}}"#,
        n % 2,
        at = at(when)
    );
    save(Table::Orders, &order(n).to_string(), 0, &json)
}

pub(super) fn number_of(json: &str) -> u64 {
    serde_json::from_str::<serde_json::Value>(json).unwrap()["number"].as_u64().unwrap()
}

pub(super) fn deadlines(all: &[(&str, u64, u64)]) -> Changes {
    let set = |&(key, due, n): &(&str, u64, u64)| (key.to_string(), Some((at(due), Arc::new(fulfil(n)))));
    Changes { deadlines: all.iter().map(set).collect(), ..Changes::default() }
}

pub(super) fn letter(queue: &str, message: &Message) -> DeadLetter {
    DeadLetter {
        id: format!("{queue}/{}", message.id),
        queue: queue.into(),
        message_id: Some(message.id.to_string()),
        name: message.name().into(),
        by: message.by,
        order_id: message.order_id,
        cause: None,
        code: "failed".into(),
        why: "it fails".into(),
        attempts: 5,
        at: at(4),
        body: message.json().into(),
        status: DeadStatus::Open,
    }
}

pub(super) fn dead(change: DeadChange) -> Changes {
    Changes { dead: vec![change], ..Changes::default() }
}

pub(super) fn close(queue: &str, message: &Message, status: DeadStatus) -> DeadChange {
    DeadChange::Close { id: letter(queue, message).id, status }
}

/// Something of each kind, all of it about order `n`.
pub(super) fn everything(n: u64) -> Changes {
    let mut changes = journal(row(Role::Order, &archive(n), vec![say(&fulfil(n + 100))]));
    changes.records.push(ordered(n, "created", 10));
    changes.records.push(save(Table::Audit, &order(n).to_string(), 0, "{}"));
    changes.deadlines.insert(format!("k{n}"), Some((at(5), Arc::new(fulfil(n)))));
    changes.dead.push(DeadChange::Park(letter("saga", &archive(n))));
    changes
}

pub(super) async fn assert_nothing_of(db: &Db, n: u64) {
    let id = order(n).to_string();
    assert!(db.store.journal_of(order(n)).await.unwrap().is_empty());
    assert_eq!(db.store.get(Table::Orders, &id).await.unwrap(), None);
    assert_eq!(db.store.get(Table::Audit, &id).await.unwrap(), None);
    assert!(db.store.deadlines(100).await.unwrap().iter().all(|one| one.key != format!("k{n}")));
    assert_eq!(db.store.dead_letter(&letter("saga", &archive(n)).id).await.unwrap(), None);
}

pub(super) async fn keep(db: &Db, changes: Changes) -> Result<(), Error> {
    db.store.begin().await.unwrap().commit(changes).await
}

/// "queue n" for each message mn.
pub(super) async fn in_flight(db: &Db) -> Vec<String> {
    let found = db.store.in_flight().await.unwrap();
    let words = |one: &InFlight| format!("{} {}", one.queue, &one.message.id.as_str()[1..]);
    found.iter().map(|one| words(one.as_ref().unwrap())).collect()
}

/// The deadlines that are due; they come due again after so many seconds.
pub(super) async fn due(db: &Db, limit: usize, again_after_s: u64) -> Vec<Message> {
    let due = db.store.due_deadlines(limit, again_after_s).await.unwrap();
    due.into_iter().map(|(_, message)| message.unwrap()).collect()
}
