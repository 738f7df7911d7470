//! Between a store and its server is a network connection, and it may break at any moment.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use super::only_postgres::{execute, hasty, many_records, until};
use super::*;
use crate::support::postgres::{Schema, connect};
use crate::support::proxy::{Mode, Proxy};

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
