//! What each login of `scripts/postgres-roles.sql` is refused, statement by statement: which rows it may write, and in whose
//! name, is more than which tables.

use sqlx::PgConnection;

use super::*;
use crate::support::postgres::{Schema, connect};

/// What becomes of a statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Tried {
    /// Postgres refuses it, by its rights or by a trigger.
    Refused,
    /// It is allowed, and meets so many rows: what a policy hides is not met.
    Meets(u64),
}
use Tried::{Meets, Refused};

const ROWS: &str = "
    insert into journal (role, message_id, name, hash, at, outcome, said, says)
    select role, role || age, 'x', gen_random_uuid(), now() - age::interval, 'done', '[]', ''
    from unnest(array['saga', 'gateway']) as role, unnest(array['1 hour', '2 days']) as age;
    insert into dead_letters (id, queue, name, code, why, attempts, at, body, status)
    values ('l1', 'stock', 'x', 'c', 'w', 1, now() - interval '9 days', 'b', 'open');
    insert into deadlines (key, due, message) values ('d1', now(), 'm');
    insert into echoes (role, message_id, order_id, repeats, failures, why)
    values ('saga', 'm1', gen_random_uuid(), 1, 0, '');
    insert into meta (key, value) values ('signed_out/old', 1)";

macro_rules! journalled {
    ($role:literal, $id:literal) => {
        concat!(
            "insert into journal (role, message_id, name, hash, at, outcome, said, says) values ('",
            $role,
            "', '",
            $id,
            "', 'x', gen_random_uuid(), now(), 'done', '[]', '')"
        )
    };
}

macro_rules! echoed {
    ($role:literal, $id:literal) => {
        concat!(
            "insert into echoes (role, message_id, order_id, repeats, failures, why) values ('",
            $role,
            "', '",
            $id,
            "', gen_random_uuid(), 1, 0, '')"
        )
    };
}

macro_rules! buried {
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
    // Whose rows they are matters less than how old: of saga's and the gateway's, one each is old enough.
    ("delete from journal where role = 'saga'", Meets(1)),
    ("delete from journal", Meets(1)),
    ("update deadlines set due = now()", Meets(1)),
    ("update deadlines set message = 'x'", Refused),
    ("update deadlines set key = 'x'", Refused),
    ("insert into deadlines (key, due, message) values ('d2', now(), 'm')", Refused),
    ("delete from deadlines", Refused),
    (buried!("payment", "t1", "open"), Meets(1)),
    (buried!("payment", "t2", "discarded"), Refused),
    ("update dead_letters set status = 'discarded'", Refused),
    ("update dead_letters set status = 'replayed' where id = 'l1'", Refused),
    ("update meta set value = value where key in ('mark', 'settled_seq', 'settled_xid')", Meets(3)),
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
    ("update echoes set repeats = 0 where role = 'saga'", Meets(0)),
    (buried!("stock", "g1", "open"), Refused),
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
    ("delete from journal", Refused),
    ("update audit set version = 0", Refused),
    ("delete from audit", Refused),
    ("select 1 from payments", Refused),
    (echoed!("saga", "o1"), Refused),
    (echoed!("order", "o1"), Meets(1)),
    (buried!("stock", "o1", "open"), Refused),
    (buried!("intake", "o2", "open"), Meets(1)),
    ("delete from deadlines where key = 'none'", Meets(0)),
    ("update meta set value = 0", Refused),
    ("insert into meta (key, value) values ('signed_out/y', 1)", Refused),
];

/// It acts in the name of each role that owes something, and rewrites nothing.
const OPERATOR: &[(&str, Tried)] = &[
    (journalled!("saga", "p1"), Meets(1)),
    ("update journal set outcome = 'x'", Refused),
    ("delete from journal", Refused),
    ("delete from dead_letters", Refused),
    ("update deadlines set due = now()", Refused),
    ("update orders set version = 0", Refused),
    ("update meta set value = 0", Refused),
];

const AUDITOR: &[(&str, Tried)] = &[
    (journalled!("gateway", "a1"), Refused),
    ("delete from journal", Refused),
    (buried!("stock", "a1", "open"), Refused),
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
    for (role, statements) in [
        ("gateway", GATEWAY),
        ("order", ORDER),
        ("operator", OPERATOR),
        ("auditor", AUDITOR),
        ("timers", TIMERS),
    ] {
        let mut connection = connect(&schema.url_of(role)).await;
        // As in the transaction that prunes: what keeps the journal is not that setting.
        sqlx::raw_sql("set checkout.pruning = 'on'").execute(&mut connection).await.unwrap();
        for (statement, expected) in statements {
            assert_eq!(tried(&mut connection, statement).await, *expected, "{role}: {statement}");
        }
    }
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
            // A mistake in a statement of this file is no refusal: rights (42501) and triggers (P0001) are.
            let code = why.code().unwrap_or_default().into_owned();
            let hidden = code == "42P01" && why.message().contains("does not exist");
            assert!(["42501", "P0001"].contains(&code.as_str()) || hidden, "{statement}: {why}");
            Refused
        }
        Err(why) => panic!("{statement}: {why}"),
    }
}
