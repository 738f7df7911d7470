//! A batch of up to 256 messages takes the same few statements as a batch of one; each further 256 add one for each
//! table.

use std::collections::HashSet;
use std::sync::Arc;

use contract::MessageId;

use super::Error;
use super::block::{Blocks, Step, blocks, eight, four, in_blocks};
use super::json::{self, Rows};
use super::records::keep_records;
use crate::owed::Handles;
use crate::{Changes, DeadChange, JournalRow, Pause, PauseChange};

/// The statements that write a batch: one for each table and block. They are built before the batch holds the writing
/// connection, so that only their execution happens under it.
pub(super) fn steps(changes: Changes) -> Result<Vec<Step>, Error> {
    let Changes { journal, records, deadlines, dead, pauses } = changes;
    let mut steps = keep_journal(journal)?;
    steps.extend(keep_records(records)?);
    let mut set = Vec::new();
    let mut clear = Rows::new();
    for (key, deadline) in deadlines {
        match deadline {
            Some((due, message)) => set.push((key, due, message)),
            None => clear.push_text(&key),
        }
    }
    steps.extend(in_blocks(&SET_DEADLINES, set, None, |query, (key, due, message)| {
        query.bind(key).bind(due.unix_ms()).bind(json::message(&message))
    })?);
    steps.extend(whole(CLEAR_DEADLINES, None, clear)?);
    steps.extend(keep_letters(&dead)?);
    for change in pauses {
        steps.push(keep_pause(&change)?);
    }
    Ok(steps)
}

const INSERT_JOURNAL: Blocks = blocks!(
    "journal",
    "insert into ",
    " (role, message_id, name, hash, order_id, cause, at, outcome, emitted, outbox) select * from (values ",
    "(?,?,?,?,?,?,?,?,?,?)",
    ") where column1 is not null"
);

const SET_DEADLINES: Blocks = blocks!(
    "deadlines",
    "insert into ",
    " (key, due, message) select * from (values ",
    "(?,?,?)",
    ") where column1 is not null
      on conflict (key) do update set due = excluded.due, message = excluded.message"
);

const CLEAR_DEADLINES: &str = "delete from deadlines where key in (select value from json_each(?1))";

fn keep_journal(journal: Vec<JournalRow>) -> Result<Vec<Step>, Error> {
    let handles = Handles::of(&journal);
    let outbox = journal.iter().map(|row| {
        let mut outbox = Rows::new();
        handles.leaves(row).for_each(|left| outbox.push_text(&left));
        outbox.finish()
    });
    let outbox: Vec<_> = outbox.collect();
    let rows = journal.into_iter().zip(outbox).collect();
    let mut interned = Interned::default();
    in_blocks(&INSERT_JOURNAL, rows, None, |query, (row, outbox)| {
        query
            .bind(interned.of(row.role.name()))
            .bind(row.id.text())
            .bind(interned.of(&row.name))
            .bind(row.hash.to_string())
            .bind(row.order_id.map(|id| id.to_string()))
            .bind(row.cause.as_ref().map(MessageId::text))
            .bind(interned.of(&row.at.to_string()))
            .bind(interned.of(&row.outcome))
            .bind(json::emitted(&row))
            .bind(interned.of(&outbox))
    })
}

/// Texts that many rows share are allocated once.
#[derive(Default)]
struct Interned(HashSet<Arc<str>>);

impl Interned {
    fn of(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.0.insert(new.clone());
        new
    }
}

/// Closing comes first: a letter that is closed and parked again in the same batch must end up open.
fn keep_letters(dead: &[DeadChange]) -> Result<Vec<Step>, Error> {
    let mut park = Rows::new();
    let mut close = Rows::new();
    let mut evict = Rows::new();
    for change in dead {
        match change {
            DeadChange::Park(letter) => park.push_json(&json::written(&(letter, letter.origin()))),
            DeadChange::Evict { id } => evict.push_text(id),
            DeadChange::Close { id, status } => close.push_json(&json::written(&(id, status))),
        }
    }
    let mut steps = Vec::new();
    steps.extend(whole(CLOSE_LETTERS, Some("dead_letters"), close)?);
    steps.extend(whole(PARK_LETTERS, None, park)?);
    let evicted = i64::try_from(evict.count()).unwrap_or(i64::MAX);
    if let Some(step) = whole(EVICT_LETTERS, Some("dead_letters"), evict)? {
        steps.push(step);
        steps.push(Step::new(COUNT_EVICTED, Some((1, "meta")), |query| query.bind(evicted))?);
    }
    Ok(steps)
}

/// One statement for each change; there are at most as many as roles.
fn keep_pause(change: &PauseChange) -> Result<Step, Error> {
    let one = Some((1, "pauses"));
    match change {
        PauseChange::Pause(Pause { role, by, why, at }) => {
            Step::new("insert into pauses (role, paused_by, why, at) values (?1, ?2, ?3, ?4)", one, |query| {
                query.bind(role.name()).bind(by.clone()).bind(why.clone()).bind(at.to_string())
            })
        }
        PauseChange::Resume(role) => {
            Step::new("delete from pauses where role = ?1", one, |query| query.bind(role.name()))
        }
    }
}

const CLOSE_LETTERS: &str = "
    update dead_letters as kept set status = sent.value ->> 1 from json_each(?1) as sent
    where kept.id = sent.value ->> 0 and kept.status = 'open'";

const PARK_LETTERS: &str = "
    insert into dead_letters
        (id, queue, message_id, name, speaker, order_id, cause, code, why, attempts, at, body, status, stranger)
    select value ->> 'id', value ->> 'queue', value ->> 'message_id', value ->> 'name', value ->> 'by',
           value ->> 'order_id', value ->> 'cause', value ->> 'code', value ->> 'why', value ->> 'attempts', value ->> 'at',
           value ->> 'body', 'open', stranger
    from (select value -> 0 as value, value ->> 1 = 'stranger' as stranger from json_each(?1)) where true
    on conflict (id) do update set
        name = excluded.name, speaker = excluded.speaker, cause = excluded.cause, code = excluded.code, why = excluded.why,
        attempts = excluded.attempts, at = excluded.at, body = excluded.body, status = 'open',
        stranger = excluded.stranger and dead_letters.stranger and dead_letters.status <> 'replayed'
    where dead_letters.status <> 'open' or dead_letters.stranger or not excluded.stranger";

const EVICT_LETTERS: &str = "
    delete from dead_letters
    where id in (select value from json_each(?1)) and status = 'open' and stranger";

const COUNT_EVICTED: &str = "update meta set value = value + ?1 where key = 'letters_evicted'";

/// All rows in one statement. With `meets`, each must change one row of that table.
fn whole(sql: &'static str, meets: Option<&'static str>, rows: Rows) -> Result<Option<Step>, Error> {
    if rows.count() == 0 {
        return Ok(None);
    }
    let sent = rows.count() as u64;
    Step::new(sql, meets.map(|table| (sent, table)), |query| query.bind(rows.finish())).map(Some)
}
