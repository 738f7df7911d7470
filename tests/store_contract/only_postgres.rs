//! What holds where any number of processes share one server.

use std::time::Duration;

use sqlx::PgConnection;

use super::*;
use crate::support::PATIENCE;
use crate::support::postgres::{Schema, connect};

pub(super) fn hasty() -> Options {
    Options {
        connections: 2,
        connect_timeout: Duration::from_secs(1),
        statement_timeout: Duration::from_secs(2),
        ..Options::named("hasty")
    }
}

pub(super) async fn execute(connection: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

/// So many records of one table that the store locks them when they are read for deciding.
pub(super) fn many_records(name: &str) -> Vec<Need> {
    (0..8).map(|n| Need::of(Table::Holds, format!("{name}{n}"))).collect()
}

pub(super) fn kept(many_records: &[Need], version: i64) -> Changes {
    records(many_records.iter().map(|need| save(Table::Holds, &need.id, version, "{}")).collect())
}

/// Polls until the answer is yes.
pub(super) async fn until(connection: &mut PgConnection, question: &'static str) {
    let start = std::time::Instant::now();
    while !sqlx::query_scalar::<_, bool>(question).fetch_one(&mut *connection).await.unwrap() {
        assert!(start.elapsed() < PATIENCE, "it never came true: {question}");
    }
}

#[tokio::test]
async fn a_caller_that_finds_no_free_connection_is_told_how_many_there_are() {
    let schema = Schema::fresh().await;
    let options = Options { connections: 1, connect_timeout: Duration::from_millis(500), ..hasty() };
    let store = PostgresStore::open(schema.url(), options).await.unwrap();
    let batch = store.begin().await.unwrap();
    let Err(Error::Unavailable(why)) = store.now().await else { panic!() };
    assert!(why.contains("all 1 connections were in use"), "{why}");
    drop(batch);
    store.now().await.unwrap();
    schema.gone().await;
}

#[tokio::test]
async fn two_batches_that_lock_in_opposite_order_do_not_wait_for_ever() {
    let schema = Schema::fresh().await;
    let store = open_postgres(schema.url()).await;
    for name in ["A", "B"] {
        store.begin().await.unwrap().commit(kept(&many_records(name), 0)).await.unwrap();
    }
    let (mut one, mut two) = (store.begin().await.unwrap(), store.begin().await.unwrap());
    one.load(&many_records("A")).await.unwrap();
    two.load(&many_records("B")).await.unwrap();
    let cross = async |mut batch: Box<dyn store::Transaction>, name: &str| {
        let seen = batch.load(&many_records(name)).await?;
        batch.commit(kept(&many_records(name), seen[0].version)).await
    };
    let (one, two) = tokio::join!(cross(one, "B"), cross(two, "A"));
    let conflicts = [&one, &two].into_iter().filter(|kept| matches!(kept, Err(Error::Conflict(_)))).count();
    let done = [&one, &two].into_iter().filter(|kept| kept.is_ok()).count();
    assert_eq!((conflicts, done), (1, 1), "{one:?} {two:?}");
    schema.gone().await;
}

#[tokio::test]
async fn who_waits_too_long_for_a_lock_starts_over_and_a_slow_statement_waits_for_the_server() {
    let schema = Schema::fresh().await;
    let short = Duration::from_millis(500);
    let patient = Options { lock_timeout: short, ..hasty() };
    let slow = Options { statement_timeout: short, lock_timeout: Duration::from_secs(9), ..hasty() };
    let (patient, slow) = (
        PostgresStore::open(schema.url(), patient).await.unwrap(),
        PostgresStore::open(schema.url(), slow).await.unwrap(),
    );
    let need = many_records("A");
    patient.begin().await.unwrap().commit(kept(&need, 0)).await.unwrap();
    let mut holder = connect(schema.url()).await;
    execute(&mut holder, "begin; select * from holds for update").await;
    let waited = patient.begin().await.unwrap().load(&need).await;
    assert!(matches!(waited, Err(Error::Conflict(_))), "{waited:?}");
    let broken_off = slow.begin().await.unwrap().load(&need).await;
    assert!(matches!(broken_off, Err(Error::Unavailable(_))), "{broken_off:?}");
    execute(&mut holder, "rollback").await;
    assert_eq!(patient.begin().await.unwrap().load(&need).await.unwrap().len(), need.len());
    assert_eq!(slow.begin().await.unwrap().load(&need).await.unwrap().len(), need.len());
    schema.gone().await;
}

#[tokio::test]
async fn the_mark_stays_below_what_open_transactions_may_yet_emit() {
    let schema = Schema::fresh().await;
    let store = open_postgres(schema.url()).await;
    let db = Db { store: store.clone(), raw: Raw::Postgres(schema.url().to_string()) };
    let said = checkout_said(&fulfil(12));
    let (mut first, mut second) = (connect(schema.url()).await, connect(schema.url()).await);
    for (open, id) in [(&mut first, "m1"), (&mut second, "m2")] {
        execute(open, "begin").await;
        sqlx::query(
            "insert into journal (role, message_id, name, hash, at, outcome, emitted, outbox)
             values ('saga', $1, 'order.archive', gen_random_uuid(), now(), 'done', $2, 'order m12')",
        )
        .bind(id)
        .bind(&said)
        .execute(open)
        .await
        .unwrap();
    }
    // Row 3 is committed before rows 1 and 2 are.
    keep(&db, journal(row(Role::Saga, &archive(3), vec![]))).await.unwrap();
    for _ in 0..3 {
        store.advance_mark().await.unwrap();
    }
    assert_eq!(db.sql("select value from meta where key = 'mark'").await.unwrap(), [0]);
    // One of them is rolled back, the other one is committed.
    execute(&mut second, "rollback").await;
    store.advance_mark().await.unwrap();
    execute(&mut first, "commit").await;
    store.advance_mark().await.unwrap();
    assert_eq!(in_flight(&db).await, ["order 12"], "the mark went past it");
    keep(&db, journal(row(Role::Order, &fulfil(12), vec![]))).await.unwrap();
    db.mark_comes_to(4).await;
    schema.gone().await;
}

#[tokio::test]
async fn the_mark_walks_a_long_journal_piece_by_piece_and_stops_at_the_first_in_flight() {
    let schema = Schema::fresh().await;
    let store = open_postgres(schema.url()).await;
    let db = Db { store, raw: Raw::Postgres(schema.url().to_string()) };
    let mut direct = connect(schema.url()).await;
    let quiet = "
        insert into journal (role, message_id, name, hash, at, outcome, emitted, outbox)
        select 'saga', 'quiet ' || gen_random_uuid(), 'order.archive', gen_random_uuid(), now(), 'done', '[]', ''
        from generate_series(1, 30000)";
    execute(&mut direct, quiet).await;
    keep(&db, journal(row(Role::Saga, &archive(1), vec![say(&fulfil(12))]))).await.unwrap();
    // Handled, but so much later that its row is in another piece.
    keep(&db, journal(row(Role::Saga, &archive(2), vec![say(&fulfil(13))]))).await.unwrap();
    execute(&mut direct, quiet).await;
    keep(&db, journal(row(Role::Order, &fulfil(13), vec![]))).await.unwrap();
    db.mark_comes_to(30_000).await;
    keep(&db, journal(row(Role::Order, &fulfil(12), vec![]))).await.unwrap();
    db.mark_comes_to(60_004).await;
    schema.gone().await;
}

#[tokio::test]
async fn a_plan_made_on_empty_tables_does_not_read_them_all_when_they_are_full() {
    const FULL: &str = "
        insert into journal (role, message_id, name, hash, at, outcome, emitted, outbox)
        select 'order', 'x' || n, 'order.archive', gen_random_uuid(), now(), 'done', '[]', ''
        from generate_series(1, 20000) n;
        insert into orders select 'x' || n, 1, '{}', 'c', '2026', 'paid' from generate_series(1, 20000) n;
        insert into stock select 'x' || n, 1, '{}', 1, 1 from generate_series(1, 20000) n;
        insert into deadlines select 'x' || n, now(), '{}' from generate_series(1, 20000) n;
        insert into dead_letters (id, queue, message_id, name, order_id, cause, code, why, attempts, at, body, status)
        select 'x' || n, 'order', 'm', 'n', null, null, 'c', 'w', 1, now(), '', 'open' from generate_series(1, 20000) n";
    const READ: &str = "
        select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_user_tables
        where schemaname = current_schema() and relname <> 'meta' order by relname";
    let schema = Schema::fresh().await;
    let mut direct = connect(schema.url()).await;
    let name = Uuid::now_v7().to_string();
    let options = Options { connections: 1, ..Options::named(&name) };
    let store = PostgresStore::open(schema.url(), options).await.unwrap();
    let mut before: Vec<i64> = Vec::new();
    for n in [1, 2] {
        let mut batch = store.begin().await.unwrap();
        batch.handled(Role::Order, &[archive(n).id]).await.unwrap();
        batch
            .load(&[Need::of(Table::Orders, order(n)), Need::of(Table::Submissions, order(n))])
            .await
            .unwrap();
        batch.commit(everything(n)).await.unwrap();
        let mut batch = store.begin().await.unwrap();
        batch.load(&[Need::of(Table::Stock, "A"), Need::of(Table::Holds, "1")]).await.unwrap();
        let mut changes = records(vec![save(Table::Stock, "A", i64::try_from(n).unwrap() - 1, STOCKED)]);
        changes.records.push(SavedRecord { version: 1, ..ordered(n, "paid", 11) });
        changes.deadlines.insert(format!("k{n}"), None);
        changes.dead.push(close("saga", &archive(n), DeadStatus::Discarded));
        batch.commit(changes).await.unwrap();
        if n == 1 {
            execute(&mut direct, FULL).await;
            before = sqlx::query_scalar(READ).fetch_all(&mut direct).await.unwrap();
        }
    }
    // Its statistics are visible once its connection has gone.
    drop(store);
    let gone = "select count(*) from pg_stat_activity where application_name = $1";
    let start = std::time::Instant::now();
    while sqlx::query_scalar::<_, i64>(gone).bind(&name).fetch_one(&mut direct).await.unwrap() > 0 {
        assert!(start.elapsed() < PATIENCE);
    }
    let after: Vec<i64> = sqlx::query_scalar(READ).fetch_all(&mut direct).await.unwrap();
    let read: Vec<i64> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
    assert!(read.iter().any(|rows| *rows > 0), "nothing was counted");
    assert!(read.iter().all(|rows| *rows < 100), "rows read for a few records, table by table: {read:?}");
    schema.gone().await;
}

/// The journal's form of one message emitted to the order queue.
fn checkout_said(message: &Message) -> String {
    format!(
        r#"[{{"id":"{}","name":"{}","at":"{}","to":["order"],"body":{}}}]"#,
        message.id,
        message.name(),
        message.at,
        message.json()
    )
}

#[tokio::test]
async fn a_number_is_never_taken_before_its_transaction_has_an_id() {
    let schema = Schema::fresh().await;
    open_postgres(schema.url()).await;
    let mut open = connect(schema.url()).await;
    // The mark relies on this order; a plain nextval() would assign the transaction id later.
    execute(&mut open, "begin").await;
    let default = "select case when pg_current_xact_id() is not null then nextval('journal_seq') end";
    let numbered: i64 = sqlx::query_scalar(default).fetch_one(&mut open).await.unwrap();
    assert_eq!(numbered, 1);
    let stands: i64 = sqlx::query_scalar(
        "select count(*) from pg_attrdef where adrelid = 'journal'::regclass
         and pg_get_expr(adbin, adrelid) ~* 'case\\s+when \\(pg_current_xact_id\\(\\) is not null\\) then nextval'",
    )
    .fetch_one(&mut open)
    .await
    .unwrap();
    assert_eq!(stands, 1, "the default of journal.seq has changed");
    execute(&mut open, "rollback").await;
    schema.gone().await;
}

#[tokio::test]
async fn several_timers_get_each_due_deadline_once() {
    let schema = Schema::fresh().await;
    let (one, two) = (open_postgres(schema.url()).await, open_postgres(schema.url()).await);
    let all: Vec<(String, u64, u64)> = (0..200).map(|n| (format!("k{n:03}"), NOW_S - 1, n)).collect();
    let all: Vec<_> = all.iter().map(|(key, due, n)| (key.as_str(), *due, *n)).collect();
    one.begin().await.unwrap().commit(deadlines(&all)).await.unwrap();
    // A locked deadline is skipped, not waited for.
    let mut holder = connect(schema.url()).await;
    execute(&mut holder, "begin; select * from deadlines where key = 'k000' for update").await;
    let mut taken = Vec::new();
    loop {
        let (a, b) = tokio::join!(one.due_deadlines(7, 60), two.due_deadlines(7, 60));
        let (a, b) = (a.unwrap(), b.unwrap());
        if a.is_empty() && b.is_empty() {
            break;
        }
        taken.extend(a.into_iter().chain(b).map(|(_, message)| message.unwrap().id));
    }
    execute(&mut holder, "rollback").await;
    taken.extend(one.due_deadlines(7, 60).await.unwrap().into_iter().map(|(_, message)| message.unwrap().id));
    assert_eq!(taken.len(), 200);
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 200);
    schema.gone().await;
}

#[tokio::test]
async fn ten_programs_may_start_at_once_on_an_empty_schema() {
    let schema = Schema::fresh().await;
    let all = std::fs::read_dir("migrations/postgres").unwrap().count() / 2;
    let starts = (0..10).map(|n| {
        let url = schema.url().to_string();
        tokio::spawn(async move {
            match n % 2 {
                0 => PostgresStore::migrate_up(&url).await.map(drop),
                _ => PostgresStore::open(&url, Options::named("one of ten")).await.map(drop),
            }
        })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.unwrap().unwrap();
    }
    assert!(PostgresStore::migrations_pending(schema.url()).await.unwrap().is_empty());
    assert_eq!(
        PostgresStore::migrations_after(schema.url(), 0).await.unwrap().len(),
        all,
        "a file is not embedded"
    );
    schema.gone().await;
}

#[tokio::test]
async fn migrations_go_down_and_up_again_and_respect_other_versions() {
    let schema = Schema::fresh().await;
    let url = schema.url();
    let all = PostgresStore::migrate_up(url).await.unwrap();
    assert!(PostgresStore::migrate_up(url).await.unwrap().is_empty());
    let made = relations(url).await;
    let newest_first: Vec<String> = all.iter().rev().cloned().collect();
    assert_eq!(PostgresStore::migrate_down(url, 0).await.unwrap(), newest_first);
    assert_eq!(relations(url).await, ["_sqlx_migrations", "_sqlx_migrations_pkey"]);
    PostgresStore::migrate_up(url).await.unwrap();
    assert_eq!(relations(url).await, made);

    // A newer program has migrated the database, and has only added to it.
    let mut newer = connect(url).await;
    execute(
        &mut newer,
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (99, 'of tomorrow', true, '', 0)",
    )
    .await;
    PostgresStore::open(url, Options::named("of today")).await.unwrap();
    let down = PostgresStore::migrate_down(url, 0).await;
    assert!(matches!(&down, Err(Error::Refused(why)) if why.contains("use the newer program")), "{down:?}");
    // Then it removed something.
    execute(&mut newer, "update meta set value = 99 where key = 'program_at_least'").await;
    let Err(Error::Refused(why)) = PostgresStore::open(url, Options::named("of today")).await.map(drop)
    else {
        panic!()
    };
    assert!(why.contains("newer than this program (it has had migration 0099"), "{why}");
    schema.gone().await;
}

async fn relations(url: &str) -> Vec<String> {
    let sql =
        "select relname::text from pg_class where relnamespace = current_schema()::regnamespace order by 1";
    sqlx::query_scalar(sql).fetch_all(&mut connect(url).await).await.unwrap()
}

#[tokio::test]
async fn a_wrong_name_or_password_is_refused_and_a_closed_port_is_unavailable() {
    let server = crate::support::postgres::server();
    let nowhere = crate::support::postgres::with_parameter(&server, "dbname=there_is_no_such_database");
    let wrong = PostgresStore::open(&nowhere, Options::named("x")).await.map(drop);
    assert!(matches!(&wrong, Err(Error::Refused(why)) if why.contains("does not exist")), "{wrong:?}");
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let closed = crate::support::postgres::with_parameter(&server, &format!("host=127.0.0.1&port={closed}"));
    let away = PostgresStore::open(&closed, Options::named("x")).await.map(drop);
    assert!(matches!(away, Err(Error::Unavailable(_))), "{away:?}");
    let unreadable = PostgresStore::open("postgres://[", Options::named("x")).await.map(drop);
    assert!(matches!(unreadable, Err(Error::Refused(_))), "{unreadable:?}");
}

#[tokio::test]
async fn the_character_that_postgres_cannot_keep_stops_no_other_message() {
    let schema = Schema::fresh().await;
    let store = open_postgres(schema.url()).await;
    let mut changes = everything(1);
    changes.journal[0].outcome = "alarm: \0".into();
    changes.records[0].json = changes.records[0].json.replace("c1", r"c\u0000").into();
    let json = changes.records[0].json.to_string();
    changes.dead.push(DeadChange::Park(DeadLetter { name: "a\0".into(), ..letter("order", &archive(9)) }));
    store.begin().await.unwrap().commit(changes).await.unwrap();
    assert_eq!(store.get(Table::Orders, &order(1).to_string()).await.unwrap(), Some(json));
    assert_eq!(readable(store.journal_of(order(1)).await.unwrap())[0].outcome, "alarm: \u{FFFD}");
    let kept = store.dead_letter(&letter("order", &archive(9)).id).await.unwrap().unwrap();
    assert_eq!(kept.name, "a\u{FFFD}");
    // In a key it is the fault of this message, and of no other.
    let key = store.begin().await.unwrap().load(&[Need::of(Table::Discounts, "A\0")]).await;
    assert!(matches!(key, Err(Error::Refused(_))), "{key:?}");
    schema.gone().await;
}

#[tokio::test]
async fn connections_say_whose_they_are() {
    let schema = Schema::fresh().await;
    let name = format!("checkout {}", Uuid::now_v7().simple());
    let store = PostgresStore::open(schema.url(), Options::named(&name)).await.unwrap();
    let batch = store.begin().await.unwrap();
    let mut direct = connect(schema.url()).await;
    let seen: i64 = sqlx::query_scalar("select count(*) from pg_stat_activity where application_name = $1")
        .bind(&name)
        .fetch_one(&mut direct)
        .await
        .unwrap();
    assert_eq!(seen, 1);
    drop(batch);
    schema.gone().await;
}

#[tokio::test]
async fn a_mark_beyond_every_number_ends_no_housekeeping() {
    let schema = Schema::fresh().await;
    let store = open_postgres(schema.url()).await;
    let mut owner = connect(schema.url()).await;
    execute(&mut owner, "update meta set value = 9223372036854775807 where key = 'mark'").await;
    store.advance_mark().await.unwrap();
    assert!(store.in_flight().await.unwrap().is_empty());
    store.vitals().await.unwrap();
    schema.gone().await;
}
