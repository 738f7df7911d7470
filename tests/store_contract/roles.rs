//! Each worker's login may do that worker's work, and is refused every other worker's.

use expect_test::expect;
use sqlx::PgConnection;

use super::*;
use crate::support::postgres::{Schema, connect};
use crate::support::until_stored;

const TABLES: [&str; 20] = [
    "orders",
    "submissions",
    "audit",
    "products",
    "discounts",
    "methods",
    "carts",
    "stock",
    "holds",
    "payments",
    "wallets",
    "notices",
    "sagas",
    "deadlines",
    "journal",
    "dead_letters",
    "redelivery_stats",
    "meta",
    "pauses",
    "_sqlx_migrations",
];

const ROLES: [&str; 12] = [
    "order",
    "payment",
    "stock",
    "notification",
    "saga",
    "provider",
    "email",
    "sms",
    "gateway",
    "operator",
    "timers",
    "auditor",
];

/// The owner has created the tables.
async fn schema_with_roles() -> (Schema, Arc<dyn Database>) {
    let schema = Schema::fresh().await;
    let owner = open_postgres(schema.url()).await;
    schema.make_roles().await;
    // A second time, as after the next upgrade.
    schema.make_roles().await;
    (schema, owner)
}

async fn as_role(schema: &Schema, role: &str) -> Arc<dyn Database> {
    open_postgres(&schema.url_of(role)).await
}

/// Select, insert, update, delete, truncate.
async fn may(connection: &mut PgConnection, role: &str, table: &str) -> String {
    let verbs = [("S", "select"), ("I", "insert"), ("U", "update"), ("D", "delete"), ("T", "truncate")];
    let mut may = String::new();
    for (letter, verb) in verbs {
        let asked =
            sqlx::query_scalar("select has_table_privilege($1, $2, $3)").bind(role).bind(table).bind(verb);
        if asked.fetch_one(&mut *connection).await.unwrap() {
            may.push_str(letter);
        }
    }
    if may.is_empty() { ".".into() } else { may }
}

#[tokio::test]
async fn each_role_is_refused_the_others_tables() {
    let (schema, _owner) = schema_with_roles().await;
    let mut direct = connect(schema.url()).await;
    let mut table = format!("{:16}", "");
    ROLES.iter().for_each(|role| table.push_str(&format!(" {role:12}")));
    for name in TABLES {
        table.push_str(&format!("\n{name:16}"));
        for role in ROLES {
            let may = may(&mut direct, &schema.role(role), name).await;
            table.push_str(&format!(" {may:12}"));
        }
    }
    let table: Vec<&str> = table.lines().map(str::trim_end).collect();
    expect![[r#"
                         order        payment      stock        notification saga         provider     email        sms          gateway      operator     timers       auditor
        orders           SIU          .            .            .            .            .            .            .            S            S            S            S
        submissions      SIU          .            .            .            .            .            .            .            S            S            SD           S
        audit            SI           .            .            .            .            .            .            .            S            S            .            S
        products         SIU          .            .            .            .            .            .            .            S            S            .            S
        discounts        SIU          .            .            .            .            .            .            .            S            S            .            S
        methods          SIU          .            .            .            .            .            .            .            S            S            .            S
        carts            SIU          .            .            .            .            .            .            .            S            S            .            S
        stock            .            .            SIU          .            .            .            .            .            S            S            .            S
        holds            .            .            SIU          .            .            .            .            .            S            S            .            S
        payments         .            SIU          .            .            .            .            .            .            S            S            .            S
        wallets          .            SIU          .            .            .            .            .            .            S            S            .            S
        notices          .            .            .            SIU          .            .            .            .            S            S            .            S
        sagas            .            .            .            .            SIU          .            .            .            S            S            S            S
        deadlines        SIUD         SIUD         .            .            SIUD         .            .            .            S            S            S            S
        journal          SI           SI           SI           SI           SI           SI           SI           SI           SI           SI           SID          S
        dead_letters     SI           SI           SI           SI           SI           SI           SI           SI           SI           S            SID          S
        redelivery_stats SIU          SIU          SIU          SIU          SIU          SIU          SIU          SIU          SIU          S            SIUD         S
        meta             S            S            S            S            S            S            S            S            SID          SID          S            S
        pauses           S            S            S            S            S            S            S            S            S            SID          S            S
        _sqlx_migrations S            S            S            S            S            S            S            S            S            S            S            S"#]].assert_eq(&table.join("\n"));
    schema.gone().await;
}

#[tokio::test]
async fn each_worker_can_do_its_work_under_its_own_role() {
    let (schema, owner) = schema_with_roles().await;
    let json = r#"{"on_hand":1,"reserved":0,"captured_minor":0,"refunded_minor":0}"#;
    for queue in Queue::ALL {
        let role = queue.reader();
        let store = as_role(&schema, role.name()).await;
        let own = Table::ALL.into_iter().filter(|table| table.owner() == role);
        let needs: Vec<Need> =
            own.flat_map(|table| (0..9).map(move |n| Need::of(table, format!("{queue} {n}")))).collect();
        let n = Queue::ALL.iter().position(|known| *known == queue).unwrap() as u64;
        for version in 0..2 {
            let cause = archive(n * 2 + version);
            let mut batch = store.begin().await.unwrap();
            assert!(batch.handled(role, std::slice::from_ref(&cause.id)).await.unwrap().1.is_empty());
            let readable: Vec<Need> =
                needs.iter().filter(|need| !need.table.append_only()).cloned().collect();
            let found = batch.load(&readable).await.unwrap();
            assert_eq!(found.len(), if version == 0 { 0 } else { readable.len() }, "{role}");
            // A store reads a few records by another statement than many, and all of a checkout in one: only this
            // worker's tables may be in it.
            let seldom = [Table::Carts, Table::Wallets];
            let of_one = |need: &&Need| need.id.ends_with(" 0") && !seldom.contains(&need.table);
            let few: Vec<Need> = readable.iter().filter(of_one).cloned().collect();
            let found = store.begin().await.unwrap().load(&few).await.unwrap();
            assert_eq!(found.len(), if version == 0 { 0 } else { few.len() }, "{role}");
            let mut changes = journal(now_row(role, &cause, vec![say(&fulfil(100 + n))]));
            for need in &needs {
                if version == 0 || !need.table.append_only() {
                    let version = i64::try_from(version).unwrap();
                    changes.records.push(SavedRecord { need: need.clone(), version, json: json.into() });
                }
            }
            for (key, message) in deadlines_of(role) {
                changes.deadlines.insert(format!("{key}1"), Some((at(5), Arc::new(message))));
                changes.deadlines.insert(format!("{key}2"), None);
            }
            // The second time, the dead letter is opened again.
            changes.dead.push(DeadChange::Park(letter(queue.name(), &archive(n))));
            batch.commit(changes).await.unwrap_or_else(|why| panic!("{role}: {why}"));
            assert_eq!(store.begin().await.unwrap().handled(role, &[cause.id]).await.unwrap().1.len(), 1);
        }
    }
    assert_eq!(owner.journal_page(0, 99).await.unwrap().len(), Queue::ALL.len() * 2);
    assert_eq!(owner.deadlines(99).await.unwrap().len(), 4);
    schema.gone().await;
}

/// A row has the time at which it is written: another time is refused.
fn now_row(role: Role, message: &Message, emitted: Vec<Emitted>) -> JournalRow {
    let since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    JournalRow { at: Time::from_unix_ms(i64::try_from(since_1970).unwrap()), ..row(role, message, emitted) }
}

/// The deadlines that this role sets, and how their keys begin.
fn deadlines_of(role: Role) -> Vec<(String, Message)> {
    const ORDER: &str = "0195d2a4-0000-7000-8000-000000000001";
    let message = |name: &str, body: &str| Message::restore(id(900), None, at(1), name, body).unwrap();
    let about = |more: &str| format!(r#"{{"order_id":"{ORDER}"{more}}}"#);
    match role {
        Role::Saga => vec![(format!("{ORDER}/return/"), message("saga.overdue", &about(r#","asked":1"#)))],
        Role::Payment => vec![
            ("payment/".into(), message("provider.query", &about(r#","key":"c""#))),
            (format!("held/{ORDER}/"), message("payment.held", EVENT)),
        ],
        Role::Order => vec![(format!("{ORDER}/held/"), message("order.held", HELD))],
        _ => Vec::new(),
    }
}

const EVENT: &str = r#"{"event":{"id":"e","type":"payment.succeeded","created":"2026-11-20T18:53:00Z","data":{
    "reference":"0195d2a4-0000-7000-8000-000000000001","transaction_id":"ch_1",
    "amount":{"amount":"1.00","currency":"EUR"}}}}"#;
const HELD: &str = r#"{"order_id":"0195d2a4-0000-7000-8000-000000000001","message_id":"m1",
    "since":"2026-11-20T18:53:00Z","by":"shop",
    "command":{"type":"order.cancel","body":{"order_id":"0195d2a4-0000-7000-8000-000000000001"}}}"#;

/// Postgres refuses COPY into a table whose policies bind the login.
#[tokio::test]
async fn a_backlog_is_kept_in_large_batches_under_a_roles_own_login() {
    let (schema, owner) = schema_with_roles().await;
    let store = as_role(&schema, "email").await;
    let rows = (0..300).map(|n| now_row(Role::Email, &archive(n), vec![]));
    let changes = Changes { journal: rows.collect(), ..Changes::default() };
    store.begin().await.unwrap().commit(changes).await.unwrap();
    assert_eq!(owner.journal_page(0, 999).await.unwrap().len(), 300);
    schema.gone().await;
}

#[tokio::test]
async fn the_helpers_can_do_their_work_under_their_own_roles() {
    let (schema, owner) = schema_with_roles().await;
    let mut ended = everything(1);
    ended.records[0] = ordered(1, "archived", 10);
    ended.dead.clear();
    let done = row(Role::Order, &fulfil(101), vec![]);
    ended.journal.push(done);
    ended.dead.push(DeadChange::Park(letter("saga", &archive(7))));
    owner.begin().await.unwrap().commit(ended).await.unwrap();

    let gateway = as_role(&schema, "gateway").await;
    let mut ingress = gateway.begin().await.unwrap();
    ingress.handled(Role::Gateway, &[archive(5).id]).await.unwrap();
    ingress.commit(journal(now_row(Role::Gateway, &archive(5), vec![]))).await.unwrap();
    assert!(gateway.get(Table::Orders, &order(1).to_string()).await.unwrap().is_some());
    assert_eq!(
        gateway.list(Table::Orders, &Filter { limit: 9, ..Filter::default() }).await.unwrap().len(),
        1
    );

    // It shows an order's story, which all roles may read, and writes in no other role's name.
    assert_eq!(gateway.journal_of(order(1)).await.unwrap().len(), 1);
    assert_eq!(gateway.letters_of(order(7)).await.unwrap().len(), 1);
    gateway.deadlines_of(order(1)).await.unwrap();
    let forged = gateway.begin().await.unwrap().commit(journal(row(Role::Order, &archive(6), vec![]))).await;
    assert!(matches!(forged, Err(Error::Unavailable(_))), "{forged:?}");

    let operator = as_role(&schema, "operator").await;
    assert_eq!(operator.dead_letters(None, 9).await.unwrap().len(), 1);
    let mut replay = journal(row(Role::Operator, &archive(8), vec![say(&fulfil(9))]));
    replay.dead.push(close("saga", &archive(7), DeadStatus::Discarded));
    operator.begin().await.unwrap().commit(replay).await.unwrap();
    assert_eq!(operator.journal_of(order(1)).await.unwrap().len(), 1);

    let timers = as_role(&schema, "timers").await;
    assert_eq!(timers.due_deadlines(9, 60).await.unwrap().len(), 1);
    assert_eq!(timers.in_flight().await.unwrap().len(), 1);
    let auditor = as_role(&schema, "auditor").await;
    // The mark stops at the oldest transaction that is open anywhere on the server, in another test for example.
    let mut pruned = 0;
    until_stored(
        "the rows to be pruned, but for the replay's, which is in flight, and the gateway's, which is young",
        async || {
            timers.advance_mark().await.unwrap();
            pruned += timers.prune(at(500), 9).await.unwrap().orders;
            auditor.journal_page(0, 99).await.unwrap().len() == 2
        },
    )
    .await;
    assert_eq!(pruned, 1);
    timers
        .begin()
        .await
        .unwrap()
        .commit(dead(DeadChange::Park(letter("unrouted", &archive(3)))))
        .await
        .unwrap();
    let strangers = DeadLetter { code: "unroutable".into(), ..letter("unrouted", &archive(4)) };
    let evicted = DeadChange::Evict { id: strangers.id.clone() };
    for change in [DeadChange::Park(strangers), evicted] {
        timers.begin().await.unwrap().commit(dead(change)).await.unwrap();
    }

    for table in Table::ALL {
        auditor.page(table, "", 9).await.unwrap();
    }
    assert_eq!(auditor.deadlines(9).await.unwrap().len(), 1);
    assert_eq!(auditor.dead_letters(None, 9).await.unwrap().len(), 2);
    schema.gone().await;
}

#[tokio::test]
async fn each_login_may_do_the_work_of_its_own_role_and_of_no_other() {
    let (schema, owner) = schema_with_roles().await;
    let workers = Role::ALL.into_iter().filter(|role| *role != Role::Operator).map(Work::Of);
    let works: Vec<Work> = workers.chain([Work::Timers]).collect();
    owner.check_rights(&works).await.unwrap();
    for login in ROLES {
        let store = as_role(&schema, login).await;
        for work in &works {
            let may = store.check_rights(&[*work]).await;
            match (&may, work.name() == login) {
                (Ok(()), own) => assert!(own, "{login} may do the work of {}", work.name()),
                (Err(Error::Refused(why)), false) => {
                    assert!(why.contains(&format!("cannot do the work of {}", work.name())), "{why}");
                }
                (Err(why), _) => panic!("{login} and the work of {}: {why}", work.name()),
            }
        }
        // A process without parts needs no rights.
        store.check_rights(&[]).await.unwrap();
    }
    let written = owner.journal_page(0, 9).await.unwrap();
    assert!(written.is_empty(), "checking rights leaves nothing behind: {written:?}");
    schema.gone().await;
}

#[tokio::test]
async fn no_role_sees_or_writes_the_journal_in_anothers_name() {
    let (schema, owner) = schema_with_roles().await;
    owner.begin().await.unwrap().commit(journal(row(Role::Saga, &archive(1), vec![]))).await.unwrap();
    let store = as_role(&schema, "order").await;
    let mut batch = store.begin().await.unwrap();
    assert!(batch.handled(Role::Saga, &[archive(1).id]).await.unwrap().1.is_empty());
    // No message is at fault, so none becomes a dead letter.
    let forged = batch.commit(journal(row(Role::Saga, &archive(2), vec![]))).await;
    assert!(
        matches!(&forged, Err(Error::Unavailable(why)) if why.contains("row-level security")),
        "{forged:?}"
    );
    let anothers =
        store.begin().await.unwrap().commit(dead(DeadChange::Park(letter("stock", &archive(1))))).await;
    assert!(matches!(anothers, Err(Error::Unavailable(_))), "{anothers:?}");
    let anothers = store.begin().await.unwrap().load(&[Need::of(Table::Stock, "A")]).await;
    assert!(
        matches!(&anothers, Err(Error::Unavailable(why)) if why.contains("permission denied")),
        "{anothers:?}"
    );
    schema.gone().await;
}

#[tokio::test]
async fn a_worker_waits_for_the_owner_to_migrate() {
    let schema = Schema::fresh().await;
    PostgresStore::migrate_up(schema.url()).await.unwrap();
    schema.make_roles().await;
    let mut owner = connect(schema.url()).await;
    sqlx::query("delete from _sqlx_migrations").execute(&mut owner).await.unwrap();
    let opened = PostgresStore::open(&schema.url_of("stock"), Options::named("stock")).await.map(drop);
    let Err(Error::Refused(why)) = opened else { panic!("{opened:?}") };
    assert!(why.contains("missing: 0001 schema") && why.contains("checkout migrate up"), "{why}");
    schema.gone().await;
}
