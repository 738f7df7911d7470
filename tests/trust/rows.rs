//! A worker's database login writes rows that claim what the worker may not say, or that cannot be read: no command
//! acts on them, each goes on beside them, and each names them.

use contract::Queue;
use sqlx::Executor;

use crate::support::postgres::connect;
use crate::support::served::Served;
use crate::support::shop::checkout;
use crate::support::{block_on, new_id};

/// `checkout_…_email` may write each of these.
const FORGED: [&str; 2] = [
    // In the name of another role.
    r#"insert into journal (role, message_id, name, hash, at, outcome, emitted, outbox) values
       ('email', 'f1', 'email.send', gen_random_uuid(), now(), 'handed_over',
        '[{"id":"forged 1","name":"payment.captured","to":["saga"],"body":{
            "order_id":"0195d2a4-0000-7000-8000-000000000001","at":"2026-11-20T10:00:00Z",
            "transaction_id":"ch_1","amount":{"amount":"1.00","currency":"EUR"}}}]', 'saga forged 1')"#,
    // With an invalid body.
    r#"insert into journal (role, message_id, name, hash, at, outcome, emitted, outbox) values
       ('email', 'f2', 'email.send', gen_random_uuid(), now(), 'handed_over',
        '[{"id":"forged 2","name":"payment.captured","to":["saga"],"body":{}}]', 'saga forged 2')"#,
];

/// And a row about an order.
const OF_AN_ORDER: &str = "insert into journal (role, message_id, name, hash, order_id, at, outcome, emitted, outbox) values
    ('email', 'f3', 'email.send', gen_random_uuid(), $1::uuid, now(), 'handed_over', 'not json', 'saga forged 3')";

/// How the last of them looks to the owner a few minutes later.
const WAITS: &str = "insert into journal (role, message_id, name, hash, at, outcome, emitted, outbox) values
    ('email', 'f0', 'email.send', gen_random_uuid(), now() - interval '5 minutes', 'handed_over', 'not json',
     'saga forged 0')";

#[test]
fn what_a_workers_login_forges_in_the_journal_is_told_of_and_never_published() {
    let served = Served::new();
    let mut shop = served.spawn(&["all"]);
    served.ready(&mut shop);
    served.run(&["sample"]).ok();
    let id = new_id();
    served.run_reading(&checkout(&id, "BOOK-DUNE", "card", "tok_ok"), &["submit", "-"]).ok();
    assert_eq!(served.outcome(&id), "fulfilled");
    served.assert_clean_at_rest();
    assert_eq!(shop.terminate(), 0);

    let schema = served.schema();
    block_on(async {
        schema.make_roles().await;
        connect(schema.url()).await.execute(WAITS).await.unwrap();
        let mut email = connect(&schema.url_of("email")).await;
        for statement in FORGED {
            assert_eq!(email.execute(statement).await.unwrap().rows_affected(), 1, "{statement}");
        }
        sqlx::query(OF_AN_ORDER).bind(&id).execute(&mut email).await.unwrap();
    });

    for more in [&["--dry-run"][..], &[]] {
        let refilled = served.run(&[&["journal", "refill", "--older-than-s", "0"], more].concat());
        assert_eq!(refilled.code, 1, "{}", refilled.out);
        for told in [
            "0 messages were emitted",
            "1 messages stand in journal rows whose role may not say them; not published",
            "3 messages stand in journal rows that cannot be read; not published",
        ] {
            assert!(refilled.out.contains(told), "{told}: {}", refilled.out);
        }
    }
    let saga = served.namespace.names().queue(Queue::Saga);
    assert_eq!(block_on(async { served.namespace.outsider().await.ready_in(&saga).await }), 0);

    let audit = served.run(&["audit"]);
    assert_eq!(audit.code, 1, "{}", audit.err);
    assert!(
        audit.out.contains("R1: journal row ") && audit.out.contains("T1: email has payment.captured"),
        "{}",
        audit.out
    );
    assert!(audit.out.contains("1 orders"), "{}", audit.out);

    let shown = served.run(&["order", "show", &id, "--messages"]).ok();
    assert!(shown.contains("order.mark_fulfilled") && shown.contains("cannot be read"), "{shown}");
    served.run(&["saga", "show", &id]).ok();
    served.run(&["order", "story", &id]).ok();

    let doctor = served.run(&["doctor"]);
    assert_eq!(doctor.code, 1, "{}", doctor.out);
    for told in
        ["3 messages wait in rows that cannot be read", "1 messages wait in rows whose role may not say them"]
    {
        assert!(doctor.out.contains(told), "{told}: {}", doctor.out);
    }
}
