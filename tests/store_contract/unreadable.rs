//! A row that cannot be read is reported, and everything beside it is read.

use super::*;

/// Rows that a role's login, or a person, can write; for Postgres and for SQLite, which store the undelivered
/// messages differently.
const ROWS: [(&str, &str); 2] = [
    (
        "insert into journal (role, message_id, name, hash, order_id, at, outcome, emitted, outbox) values
         ('email', 'b1', 'x', '00000000000000000000000000000000', '01932b4a-0000-7000-8000-000000000001',
          '2026-01-01T00:00:00.000Z', 'done', 'not json', 'saga m91')",
        "insert into journal (role, message_id, name, hash, order_id, at, outcome, emitted, outbox) values
         ('email', 'b1', 'x', '00000000000000000000000000000000', '01932b4a-0000-7000-8000-000000000001',
          '2026-01-01T00:00:00.000Z', 'done', 'not json', '[\"saga m91\"]')",
    ),
    (
        "insert into journal (role, message_id, name, hash, order_id, at, outcome, emitted, outbox) values
         ('email', 'b2', 'x', '00000000000000000000000000000000', '01932b4a-0000-7000-8000-000000000001',
          '2026-01-01T00:00:00.000Z', 'done',
          '[{\"id\":\"m92\",\"name\":\"payment.captured\",\"to\":[\"saga\"],\"body\":{}}]', 'saga m92')",
        "insert into journal (role, message_id, name, hash, order_id, at, outcome, emitted, outbox) values
         ('email', 'b2', 'x', '00000000000000000000000000000000', '01932b4a-0000-7000-8000-000000000001',
          '2026-01-01T00:00:00.000Z', 'done',
          '[{\"id\":\"m92\",\"name\":\"payment.captured\",\"to\":[\"saga\"],\"body\":{}}]', '[\"saga m92\"]')",
    ),
];

async fn write(db: &Db, [postgres, sqlite]: [&'static str; 2]) {
    let sql = match db.raw {
        Raw::Postgres(_) => postgres,
        Raw::Sqlite(_) => sqlite,
    };
    db.sql(sql).await.unwrap();
}

pub(super) async fn a_journal_row_that_cannot_be_read_is_named_and_hides_no_other(db: Db) {
    keep(&db, journal(row(Role::Saga, &archive(1), vec![say(&fulfil(2))]))).await.unwrap();
    for (postgres, sqlite) in ROWS {
        write(&db, [postgres, sqlite]).await;
    }
    keep(&db, journal(row(Role::Saga, &archive(3), vec![say(&fulfil(4))]))).await.unwrap();

    let (good, bad): (Vec<_>, Vec<_>) =
        db.store.in_flight().await.unwrap().into_iter().partition(Result::is_ok);
    let good: Vec<_> = good.iter().flatten().map(|one| (one.role, one.message.id.clone())).collect();
    assert_eq!(good, [(Role::Saga, id(2)), (Role::Saga, id(4))]);
    let told: Vec<_> = bad.into_iter().filter_map(Result::err).map(|why| why.to_string()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("journal row 2, of role \"email\", cannot be read: "), "{told:?}");
    assert!(told[1].contains("journal row 3") && told[1].contains("payment.captured"), "{told:?}");

    let page = db.store.journal_page(0, 10).await.unwrap();
    let readable_ones: Vec<_> = page.iter().map(|(seq, row)| (*seq, row.is_ok())).collect();
    assert_eq!(readable_ones, [(1, true), (2, false), (3, false), (4, true)]);
    let of_order = db.store.journal_of(order(1)).await.unwrap();
    assert_eq!(of_order.iter().filter(|row| row.is_err()).count(), 2);
    assert_eq!(readable(of_order).len(), 1);

    // Its own role asks again: the message was handled, and nothing that it emitted can be published again.
    let asked = [MessageId::new("b1").unwrap(), MessageId::new("b2").unwrap()];
    let (_, handled) = db.store.begin().await.unwrap().handled(Role::Email, &asked).await.unwrap();
    assert!(handled.len() == 2 && handled.iter().all(|one| one.emitted.is_empty()), "{handled:?}");
}

pub(super) async fn a_deadline_that_cannot_be_read_is_named_and_holds_up_no_other(db: Db) {
    keep(&db, deadlines(&[("good", NOW_S - 1, 1)])).await.unwrap();
    let postgres =
        "insert into deadlines (key, due, message) values ('bad', timestamptz 'epoch', 'not json')";
    let sqlite = "insert into deadlines (key, due, message) values ('bad', 0, 'not json')";
    write(&db, [postgres, sqlite]).await;
    let due = db.store.due_deadlines(9, 60).await.unwrap();
    let due: Vec<_> = due.iter().map(|(key, message)| (key.as_str(), message.is_ok())).collect();
    assert_eq!(due, [("bad", false), ("good", true)]);
    let listed = db.store.deadlines(9).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|one| (one.key.as_str(), one.says.is_ok())).collect();
    assert_eq!(listed, [("bad", false), ("good", true)]);
    assert!(db.store.deadlines_of(order(1)).await.unwrap().is_empty());
}

pub(super) async fn the_same_message_in_the_rows_of_two_roles_is_in_flight_as_the_one_that_may_say_it(
    db: Db,
) {
    // The login of the e-mail role can write anything into its own rows, and may be first.
    keep(&db, journal(row(Role::Email, &archive(1), vec![say(&fulfil(2))]))).await.unwrap();
    keep(&db, journal(row(Role::Saga, &archive(1), vec![say(&fulfil(2))]))).await.unwrap();
    keep(&db, journal(row(Role::Email, &archive(3), vec![say(&fulfil(4))]))).await.unwrap();
    let flying = db.store.in_flight().await.unwrap();
    let flying: Vec<_> = flying.iter().flatten().map(|one| (one.role, one.is_believed())).collect();
    assert_eq!(flying, [(Role::Saga, true), (Role::Email, false)]);
}
