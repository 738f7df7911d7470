//! Dead letters are rare: they are written by statements of their own, after everything else of a batch.

use std::collections::BTreeMap;

use super::columns::plain;
use super::connections::Statement;
use crate::store::{DeadChange, DeadLetter, DeadStatus};

/// Closing comes first: who closes a letter and finds that it died again wants to see it open.
pub(super) fn statements(dead: Vec<DeadChange>) -> Vec<Statement> {
    let mut bury = BTreeMap::new();
    let mut close = BTreeMap::new();
    for change in dead {
        match change {
            DeadChange::Bury(letter) => drop(bury.insert(plain(&letter.id), letter)),
            DeadChange::Close { id, status } => drop(close.insert(plain(&id), status_name(status))),
        }
    }
    let mut statements = Vec::new();
    if !close.is_empty() {
        let (ids, statuses): (Vec<_>, Vec<_>) = close.into_iter().unzip();
        statements.push(sqlx::query(CLOSE_LETTERS).bind(ids).bind(statuses));
    }
    if !bury.is_empty() {
        statements.push(bind_letters(&bury.into_iter().collect::<Vec<_>>()));
    }
    statements
}

const CLOSE_LETTERS: &str = "
    with kept_dead_letters as (
        update dead_letters set status = ($2::text[])[array_position($1::text[], id)]
        where id = any($1::text[]) and (status = 'open') is true
        returning 1)
    select must_meet((select count(*) from kept_dead_letters), cardinality($1::text[]), 'dead_letters')";

const BURY_LETTERS: &str = "
    insert into dead_letters
        (id, queue, message_id, name, order_id, cause, code, why, attempts, at, body, status)
    select id, queue, message_id, name, order_id::uuid, cause, code, why, attempts,
           timestamptz 'epoch' + at_ms * interval '1 millisecond', body, 'open'
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                $9::bigint[], $10::bigint[], $11::bytea[])
        as sent (id, queue, message_id, name, order_id, cause, code, why, attempts, at_ms, body)
    on conflict (id) do update set
        name = excluded.name, cause = excluded.cause, code = excluded.code, why = excluded.why,
        attempts = excluded.attempts, at = excluded.at, body = excluded.body, status = 'open'";

fn bind_letters(letters: &[(String, DeadLetter)]) -> Statement {
    let texts = |text: fn(&DeadLetter) -> &str| {
        letters.iter().map(|(_, letter)| plain(text(letter))).collect::<Vec<_>>()
    };
    let maybe = |text: fn(&DeadLetter) -> Option<String>| {
        letters.iter().map(|(_, letter)| text(letter)).collect::<Vec<_>>()
    };
    sqlx::query(BURY_LETTERS)
        .bind(letters.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>())
        .bind(texts(|letter| &letter.queue))
        .bind(maybe(|letter| letter.message_id.as_deref().map(plain)))
        .bind(texts(|letter| &letter.name))
        .bind(maybe(|letter| letter.order_id.map(|id| id.to_string())))
        .bind(maybe(|letter| letter.cause.as_deref().map(plain)))
        .bind(texts(|letter| &letter.code))
        .bind(texts(|letter| &letter.why))
        .bind(letters.iter().map(|(_, letter)| i64::from(letter.attempts)).collect::<Vec<_>>())
        .bind(letters.iter().map(|(_, letter)| letter.at.unix_ms()).collect::<Vec<_>>())
        .bind(letters.iter().map(|(_, letter)| letter.body.as_bytes().to_vec()).collect::<Vec<_>>())
}

pub(super) fn status_name(status: DeadStatus) -> &'static str {
    match status {
        DeadStatus::Open => "open",
        DeadStatus::Replayed => "replayed",
        DeadStatus::Discarded => "discarded",
    }
}
