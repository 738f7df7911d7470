//! What holds for one file on one machine.

use super::*;
use crate::support::Folder;
use crate::support::system::{QUICK, System};

#[tokio::test]
async fn what_was_kept_is_there_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/shop.db");
    let db = SqliteDb { store: open_sqlite(&path).await, path: path.clone(), folder };
    keep(&Db::from(&db), everything(1)).await.unwrap();
    // A second process reads while the first one runs.
    let beside = SqliteStore::open_existing(&path).await.unwrap();
    assert_eq!(beside.journal_of(order(1)).await.unwrap().len(), 1);
    drop(beside);
    let SqliteDb { store, folder: _folder, .. } = db;
    drop(store);
    let again = open_sqlite(&path).await;
    assert_eq!(again.journal_of(order(1)).await.unwrap().len(), 1);
    assert!(again.get(Table::Orders, &order(1).to_string()).await.unwrap().is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn no_other_user_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let db = SqliteDb::fresh().await;
    keep(&Db::from(&db), everything(1)).await.unwrap();
    for side in ["", "-wal", "-shm"] {
        let mode = std::fs::metadata(format!("{}{side}", db.path.display())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{side}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_others_could_read_is_narrowed_at_the_next_start() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    System::start(&folder, QUICK).kill_9();
    let files =
        ["checkout.db", "checkout.db-wal", "checkout.db-shm", "checkout.world.db", "checkout.world.db-wal"];
    let mode = |file: &str| std::fs::metadata(folder.path(file)).unwrap().permissions().mode() & 0o777;
    for file in files {
        assert_eq!(mode(file), 0o600, "{file}");
        std::fs::set_permissions(folder.path(file), std::fs::Permissions::from_mode(0o664)).unwrap();
    }
    let again = System::start(&folder, QUICK);
    for file in files {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    let log = folder.read(&again.log);
    assert!(
        log.contains("checkout.db had mode 664") && log.contains("checkout.world.db had mode 664"),
        "{log}"
    );
    assert_eq!(again.terminate(), 0);
    // A file whose mode was right is not mentioned.
    let third = System::start(&folder, QUICK);
    assert!(!folder.read(&third.log).contains("had mode"));
    assert_eq!(third.terminate(), 0);
}

#[tokio::test]
async fn migrations_go_down_and_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let all = SqliteStore::migrations_pending(&path).await.unwrap();
    assert_eq!(
        all.len(),
        std::fs::read_dir("migrations/sqlite").unwrap().count() / 2,
        "a file is not embedded"
    );
    assert_eq!(SqliteStore::migrate_up(&path).await.unwrap(), all);
    assert!(SqliteStore::migrate_up(&path).await.unwrap().is_empty());
    let schema = schema(&path).await;

    let newest_first: Vec<String> = all.iter().rev().cloned().collect();
    assert_eq!(SqliteStore::migrate_down(&path, 0).await.unwrap(), newest_first);
    let Err(Error::Refused(why)) = SqliteStore::open_existing(&path).await.map(drop) else { panic!() };
    assert!(why.contains("older than this program (missing: 0001 schema"), "{why}");
    assert_eq!(SqliteStore::migrations_pending(&path).await.unwrap(), all);
    SqliteStore::migrate_up(&path).await.unwrap();
    assert_eq!(self::schema(&path).await, schema);

    let mut connection = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    sqlx::query("update _sqlx_migrations set version = 99 where version = 1")
        .execute(&mut connection)
        .await
        .unwrap();
    for opened in [
        SqliteStore::open_existing(&path).await.map(drop),
        SqliteStore::open(&path, Durability::default()).await.map(drop),
    ] {
        assert!(opened.unwrap_err().to_string().contains("newer than this program"));
    }
}

async fn schema(path: &Path) -> Vec<String> {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let sql = "select sql from sqlite_schema where sql is not null order by name";
    sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
}

#[tokio::test]
async fn a_missing_file_is_not_created_by_looking() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let Err(Error::Refused(why)) = SqliteStore::open_existing(&path).await.map(drop) else { panic!() };
    assert!(why.contains("there is no database at"), "{why}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_store_in_memory_leaves_no_file() {
    let store = SqliteStore::in_memory().await.unwrap();
    assert_eq!(store.journal_page(0, 1).await.unwrap().len(), 0);
    let now = store.now().await.unwrap();
    assert!(now > at(0));
}

#[tokio::test]
async fn readers_do_not_wait_for_an_open_transaction() {
    let db = SqliteDb::fresh().await;
    let open = db.store.begin().await.unwrap();
    assert!(db.store.page(Table::Orders, "", 1).await.unwrap().is_empty());
    assert!(
        db.store.due_deadlines(1, 1).await.unwrap().is_empty(),
        "a poller with nothing to do does not wait"
    );
    drop(open);
}

#[tokio::test]
async fn a_store_that_was_closed_leaves_one_file_that_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("shop.db"), Durability::PowerLoss).await.unwrap();
    // Readers are open too, and one of them reads during the write.
    let mut batch = store.begin().await.unwrap();
    batch.handled(Role::Order, &[archive(1).id]).await.unwrap();
    batch.commit(journal(row(Role::Order, &archive(1), vec![]))).await.unwrap();
    store.in_flight().await.unwrap();
    store.close().await;
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["shop.db"]);
}

// The checkpoint runs in another thread while this one looks.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_copied_out_of_the_log_while_others_write() {
    let db = SqliteDb::fresh().await;
    let before = std::fs::metadata(&db.path).unwrap().len();
    for batch in 0..10 {
        let rows = (0..300).map(|n| row(Role::Order, &archive(batch * 300 + n), vec![]));
        keep(&Db::from(&db), Changes { journal: rows.collect(), ..Changes::default() }).await.unwrap();
    }
    // The store is open, and the log is far from full: the copying was done beside the work.
    crate::support::until("the database file to grow", || {
        (std::fs::metadata(&db.path).unwrap().len() > before).then_some(())
    });
}

/// A large batch of consumers may take a while to write, and a customer at the ingress does not wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_through_the_ingress_is_committed_before_what_waited_longer() {
    let db = SqliteDb::fresh().await;
    let rows = (0..10_000).map(|n| row(Role::Order, &archive(n), vec![]));
    let many = Changes { journal: rows.collect(), ..Changes::default() };
    // Both wait from here on, whichever is written first.
    let many = db.store.begin().await.unwrap().commit(many);
    let one = db.store.begin().await.unwrap().commit(journal(row(Role::Gateway, &archive(20_000), vec![])));
    let many = tokio::spawn(many);
    one.await.unwrap();
    let last = [archive(9_999).id];
    let mut look = db.store.begin().await.unwrap();
    assert!(look.handled(Role::Order, &last).await.unwrap().1.is_empty(), "it waited for all of them");
    drop(look);
    many.await.unwrap().unwrap();
    assert_eq!(db.store.begin().await.unwrap().handled(Role::Order, &last).await.unwrap().1.len(), 1);
}
