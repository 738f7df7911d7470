//! What is committed is stored whole and once, and nothing changes it afterwards.

use super::*;

pub(super) async fn what_was_kept_is_handled_next_time(db: Db) {
    let cause = archive(1);
    let said = vec![
        say(&fulfil(2)),
        Emitted { message: refunded(3).into(), queues: vec![Queue::Saga, Queue::Order] },
    ];
    keep(&db, journal(row(Role::Order, &cause, said.clone()))).await.unwrap();

    let mut look = db.store.begin().await.unwrap();
    let (now, handled) = look.handled(Role::Order, &[cause.id.clone(), archive(9).id]).await.unwrap();
    assert_eq!(now, at(NOW_S));
    assert_eq!(handled.len(), 1);
    assert_eq!((&handled[0].id, handled[0].name.as_str()), (&cause.id, "order.archive"));
    assert_eq!(handled[0].hash, cause.hash());
    assert_eq!(handled[0].emitted, said);
    assert_eq!(handled[0].emitted[1].message.hash(), said[1].message.hash());
    assert!(look.handled(Role::Saga, &[cause.id]).await.unwrap().1.is_empty());
}

/// A message's cause and time are mostly those of its row; only those that differ are stored with the message.
pub(super) async fn an_emitted_message_comes_back_with_its_cause_and_time(db: Db) {
    let said: Vec<Emitted> =
        [promptly(2), fulfil(3), refunded(4), archive(1), promptly(5)].iter().map(say).collect();
    keep(&db, journal(row(Role::Gateway, &archive(1), said.clone()))).await.unwrap();
    let mut look = db.store.begin().await.unwrap();
    assert_eq!(look.handled(Role::Gateway, &[id(1)]).await.unwrap().1[0].emitted, said);
    drop(look);
    assert_eq!(readable(db.store.journal_of(order(1)).await.unwrap())[0].emitted, said);
    let expected: Vec<_> =
        said.iter().flat_map(|one| one.queues.iter().map(|queue| flying(*queue, &one.message))).collect();
    assert_eq!(db.store.in_flight().await.unwrap(), expected);
    let twice = "select count(*) from journal where emitted like '%\"cause\":\"m1\"%\"cause\":\"m1\"%'";
    assert_eq!(
        db.sql(twice).await.unwrap(),
        [0],
        "a message stores cause and time only where they differ from its row's"
    );
}

pub(super) async fn a_second_writer_of_the_same_message_gets_a_conflict_and_nothing_is_stored(db: Db) {
    keep(&db, journal(row(Role::Order, &archive(1), vec![]))).await.unwrap();
    let mut second = everything(2);
    second.journal.push(row(Role::Order, &archive(1), vec![]));
    assert!(matches!(keep(&db, second).await, Err(Error::Conflict(_))));
    assert_nothing_of(&db, 2).await;
}

/// However a store writes many rows at once: they are the same, in the order in which they were handled.
pub(super) async fn a_large_batch_is_kept_as_small_ones_are(db: Db) {
    let one = |n: u64| match n % 4 {
        0 => row(Role::Order, &archive(n), vec![say(&fulfil(n + 1000)), say(&refunded(n + 2000))]),
        1 => row(Role::Saga, &fulfil(n), vec![]),
        2 => row(Role::Stock, &no_order(n), vec![say(&archive(n + 1000))]),
        _ => {
            JournalRow { outcome: "ignored: \"ü\"\n\\N".into(), ..row(Role::Payment, &refunded(n), vec![]) }
        }
    };
    // Not in the order of their ids.
    let all: Vec<JournalRow> = (0..100).map(|n| one(n * 37 % 100)).collect();
    keep(&db, journal(all[0].clone())).await.unwrap();
    let beside = vec![ordered(300, "created", 10), save(Table::Stock, "A", 0, STOCKED)];
    keep(&db, Changes { journal: all[1..].to_vec(), ..records(beside) }).await.unwrap();
    let page = db.store.journal_page(0, 200).await.unwrap();
    let page: Vec<_> = page.into_iter().map(|(_, row)| format!("{:?}", row.unwrap())).collect();
    assert_eq!(page, all.iter().map(|row| format!("{row:?}")).collect::<Vec<_>>());
    assert!(db.store.get(Table::Orders, &order(300).to_string()).await.unwrap().is_some());
    assert!(db.store.get(Table::Stock, "A").await.unwrap().is_some());

    let mut again = Changes { journal: (500..600).map(one).collect(), ..Changes::default() };
    again.journal.push(all[7].clone());
    let known = keep(&db, again).await;
    assert!(matches!(known, Err(Error::Conflict(_))), "{known:?}");
    assert_eq!(db.store.journal_page(0, 200).await.unwrap().len(), all.len());
    keep(&db, journal(one(700))).await.unwrap();
}

pub(super) async fn a_message_is_handled_once_by_each_role(db: Db) {
    keep(&db, journal(row(Role::Order, &refunded(1), vec![]))).await.unwrap();
    keep(&db, journal(row(Role::Saga, &refunded(1), vec![]))).await.unwrap();
    assert_eq!(db.store.journal_page(0, 10).await.unwrap().len(), 2);
}

pub(super) async fn a_dropped_transaction_leaves_nothing(db: Db) {
    let mut dropped = db.store.begin().await.unwrap();
    dropped.load(&[Need::of(Table::Stock, "A")]).await.unwrap();
    drop(dropped);
    // The next one begins before the first has been rolled back.
    let mut next = db.store.begin().await.unwrap();
    assert!(next.load(&[Need::of(Table::Stock, "A")]).await.unwrap().is_empty());
    next.commit(everything(1)).await.unwrap();
    assert_eq!(db.store.journal_page(0, 10).await.unwrap().len(), 1);
}

pub(super) async fn audit_and_journal_refuse_update_and_delete(db: Db) {
    keep(&db, everything(1)).await.unwrap();
    for sql in [
        "update journal set outcome = 'other'",
        "delete from journal",
        "truncate journal",
        "truncate audit",
        "update audit set doc = '{}'",
        "delete from audit",
    ] {
        assert!(db.sql(sql).await.is_err(), "{sql}");
    }
    let rewritten = keep(&db, records(vec![save(Table::Audit, &order(1).to_string(), 1, "{}")])).await;
    assert!(matches!(rewritten, Err(Error::Refused(_))), "{rewritten:?}");
    assert_eq!(db.store.journal_page(0, 10).await.unwrap().len(), 1);
    assert_eq!(db.store.page(Table::Audit, "", 10).await.unwrap().len(), 1);
}

pub(super) async fn a_batch_of_a_thousand_is_kept_whole(db: Db) {
    let mut changes = Changes::default();
    for n in 0..1000 {
        changes.journal.push(row(Role::Order, &archive(n), vec![say(&fulfil(5000 + n))]));
        changes.records.push(save(Table::Stock, &format!("S{n}"), 0, STOCKED));
    }
    keep(&db, changes).await.unwrap();
    let ids: Vec<MessageId> = (0..1000).map(|n| archive(n).id).collect();
    let needs: Vec<Need> = (0..1000).map(|n| Need::of(Table::Stock, format!("S{n}"))).collect();
    let mut look = db.store.begin().await.unwrap();
    assert_eq!(look.handled(Role::Order, &ids).await.unwrap().1.len(), 1000);
    assert_eq!(look.load(&needs).await.unwrap().len(), 1000);
    assert_eq!(in_flight(&db).await.len(), 1000);
}

pub(super) async fn a_batch_is_numbered_in_the_order_in_which_it_was_handled(db: Db) {
    let order = [7, 3, 9, 1];
    let rows = order.map(|n| row(Role::Order, &archive(n), vec![])).to_vec();
    keep(&db, Changes { journal: rows, ..Changes::default() }).await.unwrap();
    let page = db.store.journal_page(0, 10).await.unwrap();
    assert_eq!(
        page.iter().map(|(_, row)| row.as_ref().unwrap().id.clone()).collect::<Vec<_>>(),
        order.map(|n| archive(n).id)
    );
}

/// A writer that gets a conflict starts over, as the loop does; the one that causes the conflict gets it every time.
pub(super) async fn one_that_fails_among_many_writers_fails_alone_in_the_end(db: Db) {
    const WRITERS: u64 = 20;
    const KNOWN: u64 = 7;
    const SHORT: u64 = 11;
    keep(&db, journal(row(Role::Order, &archive(KNOWN), vec![]))).await.unwrap();
    let changes = |n| {
        let stock = if n == SHORT { r#"{"on_hand":-1,"reserved":0}"# } else { STOCKED };
        let records = vec![save(Table::Stock, &format!("S{n}"), 0, stock)];
        Changes { records, ..journal(row(Role::Order, &archive(n), vec![])) }
    };
    let writers = (0..WRITERS).map(|n| {
        let db = &db;
        async move {
            let mut kept = keep(db, changes(n)).await;
            for _ in 0..WRITERS {
                match kept {
                    Err(Error::Conflict(_)) => kept = keep(db, changes(n)).await,
                    Ok(()) | Err(Error::Unavailable(_) | Error::Unknown(_) | Error::Refused(_)) => break,
                }
            }
            kept
        }
    });
    for (n, kept) in (0..).zip(futures_util::future::join_all(writers).await) {
        match n {
            KNOWN => assert!(matches!(kept, Err(Error::Conflict(_))), "{kept:?}"),
            SHORT => assert!(matches!(kept, Err(Error::Refused(_))), "{kept:?}"),
            _ => kept.unwrap(),
        }
    }
    assert_eq!(db.sql("select count(*) from journal").await.unwrap(), [WRITERS as i64 - 1]);
    assert_eq!(db.sql("select count(*) from stock").await.unwrap(), [WRITERS as i64 - 2]);
}

pub(super) async fn of_many_concurrent_writers_each_learns_what_became_of_its_own_commit(db: Db) {
    const MESSAGES: u64 = 60;
    // Three writers bring each message.
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..MESSAGES * 3 {
        let store = db.store.clone();
        tasks.spawn(async move {
            tokio::time::sleep(Duration::from_micros(n * 300)).await;
            let changes = journal(row(Role::Order, &archive(n % MESSAGES), vec![]));
            (n % MESSAGES, store.begin().await.unwrap().commit(changes).await)
        });
    }
    let mut kept = Vec::new();
    while let Some(told) = tasks.join_next().await {
        match told.unwrap() {
            (n, Ok(())) => kept.push(n),
            (n, Err(error)) => assert!(matches!(error, Error::Conflict(_)), "{n}: {error:?}"),
        }
    }
    kept.sort_unstable();
    assert_eq!(kept, (0..MESSAGES).collect::<Vec<_>>());
    assert_eq!(db.store.journal_page(0, 1000).await.unwrap().len() as u64, MESSAGES);
}

pub(super) async fn keys_become_the_same_ids_in_every_process_and_others_in_another_database(db: Db) {
    let order = |secret: KeySecret| OrderId::of_key(&secret, "anna", "cart-1001");
    let ours = db.store.key_secret().await.unwrap();
    assert_eq!(order(ours.clone()), order(db.store.key_secret().await.unwrap()));
    let other = SqliteStore::in_memory().await.unwrap();
    assert_ne!(order(ours), order(other.key_secret().await.unwrap()));
}

fn flying(queue: Queue, message: &Message) -> Read<InFlight> {
    Ok(InFlight { role: Role::Gateway, queue, message: message.clone() })
}
