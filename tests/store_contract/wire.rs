//! Between a store and its server is a network connection, and it may break at any moment.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use super::only_postgres::{execute, hasty, many_records, until};
use super::*;
use crate::support::fleet::by_way_of;
use crate::support::postgres::{Schema, connect};
use crate::support::proxy::{Forgery, Mode, Proxy};

/// A store behind a proxy, and its options.
async fn behind(schema: &Schema, options: Options) -> (Proxy, Arc<dyn Database>) {
    let direct = PgConnectOptions::from_str(schema.url()).unwrap();
    let server =
        tokio::net::lookup_host((direct.get_host(), direct.get_port())).await.unwrap().next().unwrap();
    let proxy = Proxy::before(server, None).await;
    // Parameters override the host and port before them.
    let address = proxy.address();
    let parameter = format!("host={}&port={}", address.ip(), address.port());
    let url = crate::support::postgres::with_parameter(schema.url(), &parameter);
    (proxy, Arc::new(PostgresStore::open(&url, options).await.unwrap()))
}

/// A URL with two ways to the server, as to a primary and a standby. What comes back by the first way may be forged.
async fn two_ways(schema: &Schema, forgery: Forgery) -> (Proxy, Proxy, String) {
    let direct = PgConnectOptions::from_str(schema.url()).unwrap();
    let server =
        tokio::net::lookup_host((direct.get_host(), direct.get_port())).await.unwrap().next().unwrap();
    let (one, other) = (Proxy::before(server, forgery).await, Proxy::before(server, None).await);
    let both = format!("{},{}", one.address(), other.address());
    let url = by_way_of(schema.url(), Some(one.address())).replace(&one.address().to_string(), &both);
    // So that a proxy can read it.
    (one, other, crate::support::postgres::with_parameter(&url, "sslmode=disable"))
}

#[tokio::test]
async fn of_several_servers_the_one_that_takes_writes_is_found_and_the_others_are_named() {
    // A row of one column, which is true: what the first server answers when it is asked whether it takes writes.
    const TRUE: &[u8] = &[b'D', 0, 0, 0, 11, 0, 1, 0, 0, 0, 1, 1];
    const FALSE: &[u8] = &[b'D', 0, 0, 0, 11, 0, 1, 0, 0, 0, 1, 0];
    let schema = Schema::fresh().await;
    let (standby, primary, url) = two_ways(&schema, Some((TRUE, FALSE))).await;
    let store = PostgresStore::open(&url, hasty()).await.unwrap();
    let kept = journal(row(Role::Order, &archive(1), vec![]));
    store.begin().await.unwrap().commit(kept).await.unwrap();
    assert!(standby.connections() > 0 && primary.connections() > 0);
    primary.set(Mode::Stall);
    primary.cut();
    let mut why = String::new();
    for _ in 0..2 {
        why = store.now().await.and(store.journal_page(0, 1).await.map(drop)).unwrap_err().to_string();
    }
    for place in
        [format!("{} is a standby", standby.address()), format!("no answer from {}", primary.address())]
    {
        assert!(why.contains(&place), "{why}");
    }
    primary.set(Mode::Pass);
    assert_eq!(store.journal_page(0, 9).await.unwrap().len(), 1);
    schema.gone().await;
}

#[tokio::test]
async fn a_server_that_hangs_is_left_for_the_next_one() {
    let schema = Schema::fresh().await;
    let (first, second, url) = two_ways(&schema, None).await;
    let store = PostgresStore::open(&url, hasty()).await.unwrap();
    store.journal_page(0, 1).await.unwrap();
    assert_eq!(second.connections(), 0, "the first host is tried first");
    first.set(Mode::Stall);
    let silent = store.journal_page(0, 1).await;
    assert!(matches!(silent, Err(Error::Unavailable(_))), "{silent:?}");
    store.journal_page(0, 1).await.unwrap();
    // The turn stays with the one that answered.
    let tried = first.connections();
    drop(store.begin().await.unwrap());
    let both = tokio::join!(store.journal_page(0, 1), store.journal_page(0, 1));
    both.0.and(both.1).unwrap();
    assert_eq!(first.connections(), tried);
    schema.gone().await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_unknown_and_the_journal_knows() {
    const COMMIT_WAITS: &str = "
        create function wait_here() returns trigger language plpgsql as
            $$ begin perform pg_advisory_xact_lock(hashtext(current_schema())); return null; end $$;
        create constraint trigger wait_here after insert on journal deferrable initially deferred
            for each row execute function wait_here();
        select pg_advisory_lock(hashtext(current_schema()))";
    // One statement is its own transaction; after locking, the commit is a round trip of its own.
    for locking in [false, true] {
        let schema = Schema::fresh().await;
        let (proxy, store) = behind(&schema, hasty()).await;
        let mut direct = connect(schema.url()).await;
        execute(&mut direct, COMMIT_WAITS).await;
        let mut batch = store.begin().await.unwrap();
        batch.handled(Role::Order, &[archive(1).id]).await.unwrap();
        if locking {
            batch.load(&many_records("A")).await.unwrap();
        }
        let keeping =
            tokio::spawn(batch.commit(journal(row(Role::Order, &archive(1), vec![say(&fulfil(2))]))));
        let blocked = "select exists (select from pg_stat_activity where pg_backend_pid() = any(pg_blocking_pids(pid)))";
        until(&mut direct, blocked).await;
        proxy.set(Mode::DeafToServer);
        execute(&mut direct, "select pg_advisory_unlock(hashtext(current_schema()))").await;
        until(&mut direct, "select count(*) = 1 from journal").await;
        proxy.cut();
        let kept = keeping.await.unwrap();
        assert!(matches!(kept, Err(Error::Unknown(_))), "{kept:?}");
        proxy.set(Mode::Pass);
        let mut look = store.begin().await.unwrap();
        let (_, handled) = look.handled(Role::Order, &[archive(1).id]).await.unwrap();
        assert_eq!(handled.len(), 1);
        assert_eq!(handled[0].emitted, [say(&fulfil(2))]);
        schema.gone().await;
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unavailable_until_it_does() {
    let schema = Schema::fresh().await;
    let (proxy, store) = behind(&schema, hasty()).await;
    let page = async || store.journal_page(0, 1).await;
    page().await.unwrap();
    proxy.set(Mode::Stall);
    let silent = page().await;
    assert!(matches!(silent, Err(Error::Unavailable(_))), "{silent:?}");
    // Nor can a new connection be made.
    let silent = page().await;
    assert!(matches!(silent, Err(Error::Unavailable(_))), "{silent:?}");
    proxy.set(Mode::Pass);
    page().await.unwrap();
    schema.gone().await;
}

#[tokio::test]
async fn the_servers_clock_is_asked_once_a_second_and_a_batch_has_asked() {
    let schema = Schema::fresh().await;
    let (proxy, store) = behind(&schema, hasty()).await;
    let (told, _) = store.begin().await.unwrap().handled(Role::Order, &[]).await.unwrap();
    proxy.set(Mode::Stall);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let later = store.now().await.unwrap();
    assert!(told.plus_ms(10) <= later, "{told} and then {later}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let silent = store.now().await;
    assert!(matches!(silent, Err(Error::Unavailable(_))), "{silent:?}");
    proxy.set(Mode::Pass);
    assert!(told.plus_ms(1010) <= store.now().await.unwrap());
    schema.gone().await;
}

#[tokio::test]
async fn a_wire_that_was_cut_costs_one_failure_and_no_more() {
    let schema = Schema::fresh().await;
    let (proxy, store) = behind(&schema, hasty()).await;
    // Both connections are open, and idle when it happens.
    let (one, two) = (store.begin().await.unwrap(), store.begin().await.unwrap());
    drop((one, two));
    proxy.cut();
    let cut = store.now().await;
    assert!(matches!(cut, Err(Error::Unavailable(_))), "{cut:?}");
    proxy.set(Mode::Pass);
    store.now().await.unwrap();
    store.now().await.unwrap();
    schema.gone().await;
}

/// A server delays its acknowledgement by 40 ms while it has no data to send, and a client with Nagle's algorithm
/// sends no more until then. Ten times, because a disk has slow moments, and a server acknowledges the first packets
/// of a connection at once.
#[tokio::test]
async fn what_goes_out_in_two_pieces_waits_for_no_acknowledgement() {
    let schema = Schema::fresh().await;
    let store = open_postgres(schema.url()).await;
    let mut took = Vec::new();
    for round in 0..10 {
        let rows = (0..100).map(|n| row(Role::Saga, &fulfil(round * 100 + n), vec![]));
        let changes = Changes { journal: rows.collect(), ..Changes::default() };
        let begun = std::time::Instant::now();
        store.begin().await.unwrap().commit(changes).await.unwrap();
        took.push(begun.elapsed());
    }
    took.sort();
    assert!(took[2] < Duration::from_millis(38), "{took:?}");
    schema.gone().await;
}
