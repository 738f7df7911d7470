//! What each login of `scripts/postgres-roles.sql` is refused, statement by statement: rights cover not only which
//! tables it may write, but which rows, and in whose name.

use sqlx::PgConnection;

use super::*;
use crate::support::postgres::{Schema, connect};

/// What becomes of a statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Tried {
    /// Postgres refuses it, by missing rights or by a trigger.
    Refused,
    /// It is allowed, and affects so many rows: rows that a policy hides are not affected.
    Meets(u64),
}
use Tried::{Meets, Refused};

const ROWS: &str = "
    insert into journal (role, message_id, name, hash, at, outcome, emitted, outbox)
    select role, role || age, 'x', gen_random_uuid(), now() - age::interval, 'done', '[]', ''
    from unnest(array['saga', 'gateway']) as role, unnest(array['1 hour', '2 days']) as age;
    insert into journal (role, message_id, name, hash, at, outcome, emitted, outbox)
    values ('gateway', 'let in', 'x', '00000000-0000-0000-0000-000000000001', now(), 'accepted', '[]', '');
    insert into dead_letters (id, queue, message_id, name, code, why, attempts, at, body, status, stranger)
    values ('l1', 'stock', 'own', 'x', 'c', 'w', 1, now() - interval '9 days', 'b', 'open', false),
           ('s1', 'stock', 'let in', 'x', 'c', 'w', 1, now() - interval '9 days', 'b', 'open', true),
           ('s2', 'stock', 'never let in', 'x', 'c', 'w', 1, now() - interval '9 days', 'b', 'open', true),
           ('i1', 'intake', 'held', 'x', 'c', 'w', 1, now() - interval '9 days', 'b', 'open', false);
    insert into deadlines (key, due, message)
    values ('0195d2a4-0000-7000-8000-000000000001', now(), '{\"name\":\"saga.overdue\"}');
    insert into redelivery_stats (role, message_id, order_id, repeats, failures, why)
    values ('saga', 'm1', gen_random_uuid(), 1, 0, '');
    insert into meta (key, value) values ('signed_out/old', 1)";

macro_rules! journalled {
    ($role:literal, $id:literal) => {
        concat!(
            "insert into journal (role, message_id, name, hash, at, outcome, emitted, outbox) values ('",
            $role,
            "', '",
            $id,
            "', 'x', gen_random_uuid(), now(), 'done', '[]', '')"
        )
    };
}

/// With another time than now.
macro_rules! dated {
    ($role:literal, $at:literal) => {
        concat!(
            "insert into journal (role, message_id, name, hash, at, outcome, emitted, outbox) values ('",
            $role,
            "', 'dated ' || gen_random_uuid(), 'x', gen_random_uuid(), ",
            $at,
            ", 'done', '[]', '')"
        )
    };
}

macro_rules! evicted {
    ($role:literal, $id:literal, $hash:literal, $said:literal) => {
        concat!(
            "insert into journal (role, message_id, name, hash, at, outcome, emitted, outbox) values ('",
            $role,
            "', '",
            $id,
            "', 'x', '00000000-0000-0000-0000-00000000000",
            $hash,
            "', now(), 'evicted: a test', '",
            $said,
            "', '')"
        )
    };
}

macro_rules! set {
    ($key:literal, $due:literal, $message:literal) => {
        concat!(
            "insert into deadlines (key, due, message) values ('",
            $key,
            "', ",
            $due,
            ", '",
            $message,
            "')"
        )
    };
}

macro_rules! echoed {
    ($role:literal, $id:literal) => {
        concat!(
            "insert into redelivery_stats (role, message_id, order_id, repeats, failures, why) values ('",
            $role,
            "', '",
            $id,
            "', gen_random_uuid(), 1, 0, '')"
        )
    };
}

macro_rules! dead_lettered {
    ($queue:literal, $id:literal, $status:literal) => {
        concat!(
            "insert into dead_letters (id, queue, name, code, why, attempts, at, body, status) values ('",
            $id,
            "', '",
            $queue,
            "', 'x', 'c', 'w', 1, now(), 'b', '",
            $status,
            "')"
        )
    };
}

const TIMERS: &[(&str, Tried)] = &[
    (journalled!("gateway", "t1"), Meets(1)),
    (journalled!("order", "t2"), Refused),
    (journalled!("saga", "t3"), Refused),
    (journalled!("operator", "t4"), Refused),
    ("update journal set outcome = 'x'", Refused),
    ("truncate journal", Refused),
    // A stranger's dead letter is evicted in its reader's name, and only if its message was accepted with the same
    // content.
    (evicted!("saga", "let in", "1", "[]"), Refused),
    (evicted!("stock", "let in", "2", "[]"), Refused),
    (evicted!("stock", "let in", "1", "[{}]"), Refused),
    (evicted!("stock", "never let in", "1", "[]"), Refused),
    (evicted!("stock", "own", "1", "[]"), Refused),
    (evicted!("stock", "let in", "1", "[]"), Meets(1)),
    (dated!("gateway", "now() - interval '11 minutes'"), Refused),
    // Only their age matters, not whose rows they are: of the saga's and the gateway's, one each is old enough.
    ("delete from journal where role = 'saga'", Meets(1)),
    ("delete from journal", Meets(1)),
    ("update deadlines set due = now()", Meets(2)),
    ("update deadlines set message = 'x'", Refused),
    ("update deadlines set key = 'x'", Refused),
    ("insert into deadlines (key, due, message) values ('d2', now(), 'm')", Refused),
    ("delete from deadlines", Refused),
    (dead_lettered!("payment", "t1", "open"), Meets(1)),
    (dead_lettered!("payment", "t2", "discarded"), Refused),
    ("update dead_letters set status = 'discarded'", Refused),
    ("update dead_letters set status = 'replayed' where id = 'l1'", Refused),
    // A dead letter of our own that is open stays so, and cannot be deleted.
    ("update dead_letters set stranger = true where id = 'l1'", Refused),
    ("delete from dead_letters where id = 'l1'", Meets(0)),
    ("update dead_letters set queue = 'saga' where id = 'l1'", Refused),
    ("update dead_letters set message_id = 'x' where id = 'l1'", Refused),
    ("update dead_letters set order_id = null where id = 'l1'", Refused),
    ("update dead_letters set id = 'x' where id = 'l1'", Refused),
    ("delete from dead_letters where id = 's1'", Meets(1)),
    ("update meta set value = value where key in ('mark', 'next_mark', 'next_mark_xid')", Meets(3)),
    ("update meta set value = 9223372036854775807 where key = 'mark'", Refused),
    ("update meta set value = -1 where key = 'mark'", Refused),
    ("update meta set value = 1000000 where key = 'next_mark'", Refused),
    ("update meta set value = 9223372036854775807 where key = 'next_mark_xid'", Refused),
    ("update meta set value = 9223372036854775807 where key = 'letters_evicted'", Refused),
    ("update meta set value = value + 1 where key = 'letters_evicted'", Meets(1)),
    ("update meta set value = 0 where key = 'program_at_least'", Meets(0)),
    ("update meta set key = 'x' where key = 'mark'", Refused),
    ("insert into meta (key, value) values ('x', 1)", Refused),
    ("delete from meta", Refused),
    (echoed!("saga", "t1"), Refused),
    (echoed!("gateway", "t1"), Meets(1)),
    ("update orders set version = 0", Refused),
    ("insert into pauses (role, paused_by, why, at) values ('order', 'x', 'x', now())", Refused),
    ("create table x (n int)", Refused),
];

const GATEWAY: &[(&str, Tried)] = &[
    (journalled!("gateway", "g1"), Meets(1)),
    (journalled!("saga", "g2"), Refused),
    (dated!("gateway", "now() - interval '11 minutes'"), Refused),
    ("delete from journal", Refused),
    ("update meta set value = 0", Refused),
    ("insert into meta (key, value) values ('signed_out/x', 1)", Meets(1)),
    ("insert into meta (key, value) values ('other', 1)", Refused),
    ("delete from meta where key = 'mark'", Meets(0)),
    ("select 1 from meta where starts_with(key, 'key_secret_')", Meets(4)),
    ("delete from meta where starts_with(key, 'key_secret_')", Meets(0)),
    ("delete from meta where key = 'signed_out/old'", Meets(1)),
    (echoed!("saga", "g1"), Refused),
    (echoed!("gateway", "g2"), Meets(1)),
    ("update redelivery_stats set repeats = 0 where role = 'saga'", Meets(0)),
    (dead_lettered!("stock", "g1", "open"), Refused),
    ("update dead_letters set status = 'discarded'", Meets(0)),
    ("update deadlines set due = now()", Refused),
    ("insert into pauses (role, paused_by, why, at) values ('order', 'x', 'x', now())", Refused),
    ("update orders set version = 0", Refused),
];

const ORDER: &[(&str, Tried)] = &[
    ("select 1 from meta where starts_with(key, 'key_secret_')", Meets(0)),
    ("select 1 from meta where key = 'program_at_least'", Meets(1)),
    (journalled!("order", "o1"), Meets(1)),
    (journalled!("payment", "o2"), Refused),
    (journalled!("gateway", "o3"), Refused),
    // A row that seems to have waited for long would make the gateway refuse checkouts.
    (dated!("order", "now() - interval '11 minutes'"), Refused),
    (dated!("order", "now() + interval '2 minutes'"), Refused),
    (dated!("order", "'infinity'"), Refused),
    (journalled!("order", ""), Refused),
    ("delete from journal", Refused),
    ("update audit set version = 0", Refused),
    ("delete from audit", Refused),
    ("select 1 from payments", Refused),
    (echoed!("saga", "o1"), Refused),
    (echoed!("order", "o1"), Meets(1)),
    (dead_lettered!("stock", "o1", "open"), Refused),
    (dead_lettered!("intake", "o2", "open"), Meets(1)),
    (dead_lettered!("intake", "o3", "discarded"), Refused),
    ("update dead_letters set status = 'discarded' where id = 'i1'", Refused),
    ("update dead_letters set queue = 'order' where id = 'i1'", Refused),
    ("update dead_letters set why = 'again' where id = 'i1'", Meets(1)),
    ("update dead_letters set why = 'again' where id = 'l1'", Meets(0)),
    ("delete from deadlines", Meets(0)),
    ("update deadlines set due = now()", Meets(0)),
    (set!("0195d2a4-0000-7000-8000-000000000002/held/1", "now()", "{\"name\":\"order.held\"}"), Meets(1)),
    ("update deadlines set due = 'infinity'", Refused),
    (set!("0195d2a4-0000-7000-8000-000000000002/held/2", "now()", "{\"name\":\"saga.overdue\"}"), Refused),
    (set!("0195d2a4-0000-7000-8000-000000000002", "now()", "{\"name\":\"order.held\"}"), Refused),
    ("update meta set value = 0", Refused),
    ("insert into meta (key, value) values ('signed_out/y', 1)", Refused),
];

const SAGA: &[(&str, Tried)] = &[
    (set!("0195d2a4-0000-7000-8000-000000000003", "now()", "{\"name\":\"saga.overdue\"}"), Meets(1)),
    (set!("0195d2a4-0000-7000-8000-000000000003/return/1", "now()", "{\"name\":\"saga.overdue\"}"), Meets(1)),
    (set!("0195d2a4-0000-7000-8000-000000000004", "now()", "{\"name\":\"payment.captured\"}"), Refused),
    (set!("0195d2a4-0000-7000-8000-000000000014", "now()", "no JSON"), Refused),
    (set!("payment/0195d2a4-0000-7000-8000-000000000004", "now()", "{\"name\":\"saga.overdue\"}"), Refused),
    ("update deadlines set message = '{\"name\":\"provider.query\"}'", Refused),
    // Its own: the one that was there, and the two new ones.
    ("delete from deadlines", Meets(3)),
];

const PAYMENT: &[(&str, Tried)] = &[
    (
        set!("payment/0195d2a4-0000-7000-8000-000000000005", "now()", "{\"name\":\"provider.query\"}"),
        Meets(1),
    ),
    (set!("held/0195d2a4-0000-7000-8000-000000000005/1", "now()", "{\"name\":\"payment.held\"}"), Meets(1)),
    (
        set!("payment/0195d2a4-0000-7000-8000-000000000006", "now()", "{\"name\":\"payment.captured\"}"),
        Refused,
    ),
    (set!("0195d2a4-0000-7000-8000-000000000006", "now()", "{\"name\":\"provider.query\"}"), Refused),
];

/// It emits in the name of each role that owes a message, and rewrites nothing.
const OPERATOR: &[(&str, Tried)] = &[
    (journalled!("saga", "p1"), Meets(1)),
    ("update journal set outcome = 'x'", Refused),
    ("delete from journal", Refused),
    ("delete from dead_letters", Refused),
    ("update dead_letters set body = 'x'", Refused),
    ("update dead_letters set stranger = true", Refused),
    ("update dead_letters set status = 'open' where id = 'l1'", Meets(1)),
    ("update deadlines set due = now()", Refused),
    ("update orders set version = 0", Refused),
    ("update meta set value = 0", Refused),
];

const AUDITOR: &[(&str, Tried)] = &[
    (journalled!("gateway", "a1"), Refused),
    ("delete from journal", Refused),
    (dead_lettered!("stock", "a1", "open"), Refused),
    ("update dead_letters set status = 'discarded'", Refused),
    ("update deadlines set due = now()", Refused),
    (echoed!("gateway", "a1"), Refused),
    ("update meta set value = 0", Refused),
];

#[tokio::test]
async fn no_login_writes_in_anothers_name_or_erases_what_happened() {
    let schema = Schema::fresh().await;
    PostgresStore::migrate_up(schema.url()).await.unwrap();
    schema.make_roles().await;
    let mut owner = connect(schema.url()).await;
    sqlx::raw_sql(ROWS).execute(&mut owner).await.unwrap();
    let mut otherwise = Vec::new();
    for (role, statements) in [
        ("gateway", GATEWAY),
        ("order", ORDER),
        ("operator", OPERATOR),
        ("auditor", AUDITOR),
        ("timers", TIMERS),
        ("saga", SAGA),
        ("payment", PAYMENT),
    ] {
        let mut connection = connect(&schema.url_of(role)).await;
        // As in the transaction that prunes: this setting alone gives no right to delete from the journal.
        sqlx::raw_sql("set checkout.pruning = 'on'").execute(&mut connection).await.unwrap();
        for (statement, expected) in statements {
            let found = tried(&mut connection, statement).await;
            if found != *expected {
                otherwise.push(format!("{role}: {statement}: {found:?}, not {expected:?}"));
            }
        }
    }
    assert!(otherwise.is_empty(), "{otherwise:#?}");
    schema.gone().await;
}

/// In the schema of the mock world, which `migrate up` makes.
const WORLD: &[(&str, &str, Tried)] = &[
    ("provider", "update charges set refunded_minor = 0", Meets(0)),
    (
        "provider",
        "insert into sent (channel, key, address, body, at_ms) values ('sms', 'k', 'a', 'b', 1)",
        Refused,
    ),
    ("provider", "delete from charges", Refused),
    ("provider", "insert into told (key, transaction_id) select key, 'ch_1' from charges", Meets(0)),
    ("payment", "insert into told (key, transaction_id) select key, 'ch_1' from charges", Refused),
    (
        "email",
        "insert into sent (channel, key, address, body, at_ms) values ('email', 'k', 'a', 'b', 1)",
        Meets(1),
    ),
    ("sms", "update charges set refunded_minor = 0", Refused),
    ("timers", "update events set delivered = true", Meets(0)),
    ("timers", "update charges set refunded_minor = 0", Refused),
    ("gateway", "select 1 from charges", Meets(0)),
    ("gateway", "update events set delivered = true", Refused),
    ("auditor", "select 1 from sent", Meets(1)),
    ("auditor", "delete from sent", Refused),
    ("order", "select 1 from charges", Refused),
    ("payment", "select 1 from charges", Refused),
    ("saga", "select 1 from sent", Refused),
];

#[test]
fn only_those_who_play_or_read_the_mock_world_have_rights_there() {
    let served = crate::support::served::Served::new();
    served.run(&["migrate", "up"]).ok();
    crate::support::block_on(async {
        let schema = served.schema();
        schema.make_roles().await;
        for (role, statement, expected) in WORLD {
            let mut connection = connect(&schema.url_of(role)).await;
            let world = sqlx::query("select set_config('search_path', $1, false)");
            world.bind(format!("{}_world", schema.name())).execute(&mut connection).await.unwrap();
            assert_eq!(tried(&mut connection, statement).await, *expected, "{role}: {statement}");
        }
    });
}

async fn tried(connection: &mut PgConnection, statement: &'static str) -> Tried {
    match sqlx::raw_sql(statement).execute(connection).await {
        Ok(done) => Meets(done.rows_affected()),
        Err(sqlx::Error::Database(why)) => {
            // A mistake in a statement of this file is no refusal: rights (42501), triggers (P0001), checks (23514)
            // and invalid JSON (22P02) are.
            let code = why.code().unwrap_or_default().into_owned();
            let hidden = code == "42P01" && why.message().contains("does not exist");
            assert!(
                ["42501", "P0001", "23514", "22P02"].contains(&code.as_str()) || hidden,
                "{statement}: {why}"
            );
            Refused
        }
        Err(why) => panic!("{statement}: {why}"),
    }
}
