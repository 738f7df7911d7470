//! The audit is right about a real database: a clean one passes, and changing any one row of it makes a check fail.

use std::path::PathBuf;
use std::time::Duration;

use audit::{Report, audit};
use checkout_saga::app::{self, System};
use contract::{Message, Raw, Time};
use engine::part::Part;
use settings::{self, DatabaseUrl, Profile, Settings};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

/// No step of these tests takes longer, even on a busy machine.
const AT_REST_WITHIN: Duration = Duration::from_secs(60);

const FULFILLED: &str = "01932b4a-1111-7000-8000-000000000001";
const RETURNED: &str = "01932b4a-1111-7000-8000-000000000002";
const DECLINED: &str = "01932b4a-1111-7000-8000-000000000003";
const CASH: &str = "01932b4a-1111-7000-8000-000000000004";

/// The check that must fail, the file that is changed, and the SQL that changes it.
type Breakage = (&'static str, File, &'static str);

#[derive(Clone, Copy)]
enum File {
    Ours,
    World,
}

use File::{Ours, World};

const BREAKAGES: &[Breakage] = &[
    ("M1", Ours, "update payments set doc = json_set(doc, '$.captured_minor', 1) where id like '%1'"),
    ("M2", World, "update charges set refunded_minor = amount_minor where reference like '%1'"),
    (
        "M3",
        World,
        "insert into charges select 'other', reference, 'ch_other', amount_minor, currency, outcome, failure_code, \
         ends_ms, told_times, refunds, 0, 0 from charges where reference like '%1'",
    ),
    ("M4", World, "update charges set refunded_minor = amount_minor + 1 where reference like '%1'"),
    ("M5", Ours, "update orders set doc = json_set(doc, '$.items[0].quantity', 7) where id like '%1'"),
    ("S1", Ours, "update stock set doc = json_set(doc, '$.on_hand', -1)"),
    ("S2", Ours, "update stock set doc = json_set(doc, '$.reserved', 1)"),
    ("S3", Ours, "update stock set doc = json_set(doc, '$.received', 1)"),
    ("S4", Ours, "update holds set doc = json_set(doc, '$.status', 'held') where id like '%3'"),
    ("O1", Ours, "delete from deadlines"),
    ("O1", Ours, "delete from sagas where id like '%1'"),
    ("O2", Ours, "update sagas set doc = json_set(doc, '$.status', 'completed') where id like '%3'"),
    ("O2", Ours, "delete from orders where id like '%1'"),
    ("A1", Ours, "delete from audit where id like '%1/000002'"),
    ("A1", Ours, "update audit set doc = json_set(doc, '$.to', 'archived') where id like '%1/000003'"),
    ("A1", Ours, "update orders set doc = json_set(doc, '$.status', 'archived') where id like '%1'"),
    ("B1", Ours, "delete from journal where name = 'order.mark_fulfilled' and order_id like '%1'"),
    (
        "B2",
        Ours,
        "insert into journal select 1000000 + seq, role, message_id, name, hash, order_id, cause, at, outcome, emitted, outbox from journal where role = 'saga' limit 1",
    ),
    (
        "B3",
        Ours,
        "update journal set message_id = 'from nowhere' where role = 'saga' and name = 'saga.start' and order_id like '%1'",
    ),
    (
        "T1",
        Ours,
        "update journal set role = 'email' where role = 'order' and name = 'order.mark_paid' and order_id like '%1'",
    ),
    ("T1", Ours, "update deadlines set message = replace(message, 'saga.overdue', 'order.mark_fulfilled')"),
    ("R1", Ours, "update deadlines set message = 'no JSON'"),
    (
        "R1",
        Ours,
        "update journal set emitted = 'no JSON' where name = 'order.mark_paid' and order_id like '%1'",
    ),
    ("R1", Ours, "update payments set doc = 'no JSON' where id like '%1'"),
    ("R1", Ours, "update stock set doc = '[]'"),
    ("N1", World, "delete from sent where no = 1"),
    ("N1", World, "update sent set key = 'somebody/created/email' where no = 1"),
    ("N1", Ours, "delete from notices where id like '%1/paid'"),
];

#[tokio::test]
async fn each_check_can_fail() {
    let clean = Shop::at_rest().await;
    let report = clean.look().await;
    assert!(report.clean(), "{:#?}", report.checks);
    assert!(report.checks.iter().all(|check| check.examined > 0), "{:#?}", report.checks);
    for check in &report.checks {
        assert!(BREAKAGES.iter().any(|(id, ..)| *id == check.id), "nothing shows that {} can fail", check.id);
    }
    for (id, file, sql) in BREAKAGES {
        let broken = clean.copy();
        broken.execute(*file, sql).await;
        let red: Vec<_> = broken.look().await.checks.into_iter().filter(|check| check.violated > 0).collect();
        assert!(red.iter().any(|check| check.id == *id), "{sql}: expected {id}, failed are {red:#?}");
    }
}

/// Two database files in a folder of their own; no system runs on them.
struct Shop {
    folder: TempDir,
}

impl Shop {
    /// Orders that end in every possible way, and one that waits for its cash.
    async fn at_rest() -> Self {
        let shop = Self { folder: tempfile::tempdir().unwrap() };
        let system = System::start(&shop.settings(), &Part::all()).await.unwrap();
        let price = serde_json::json!({"amount": "10.00", "currency": "EUR"});
        let product = serde_json::json!({"sku": "A", "title": "A", "price": price, "on_hand": 100});
        tell(&system, "product.upsert", product).await;
        let orders = [
            (FULFILLED, "card", "tok_ok"),
            (RETURNED, "paypal", "tok_ok"),
            (DECLINED, "card", "tok_declined"),
            (CASH, "cod", "tok_ok"),
        ];
        for (id, method, token) in orders {
            let checkout = serde_json::json!({
                "order_id": id, "customer_id": "c", "items": [{"sku": "A", "quantity": 2}],
                "payment": {"method": method, "token": token}, "contact": {"email": "a@b.example"},
            });
            tell(&system, "checkout.submit", checkout).await;
        }
        let back = serde_json::json!({"order_id": RETURNED, "items": [{"sku": "A", "quantity": 1}], "reason": "torn"});
        tell(&system, "order.refund", back).await;
        system.stop().await.unwrap();
        shop
    }

    fn settings(&self) -> Settings {
        settings(self.path(Ours))
    }

    fn path(&self, file: File) -> PathBuf {
        let name = match file {
            Ours => "checkout.db",
            World => "checkout.world.db",
        };
        self.folder.path().join(name)
    }

    fn copy(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(self.folder.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
        Self { folder }
    }

    /// As the owner of the files could: past every trigger and constraint.
    async fn execute(&self, file: File, sql: &'static str) {
        let options =
            SqliteConnectOptions::new().filename(self.path(file)).pragma("ignore_check_constraints", "on");
        let mut connection = options.connect().await.unwrap();
        if matches!(file, Ours) {
            for guard in [
                "drop trigger journal_never_changes",
                "drop trigger journal_only_pruned",
                "drop trigger audit_never_changes",
                "drop trigger audit_never_deleted",
                "drop index journal_once",
            ] {
                sqlx::query(guard).execute(&mut connection).await.unwrap();
            }
        }
        let done = sqlx::query(sql).execute(&mut connection).await.unwrap();
        assert!(done.rows_affected() > 0, "{sql} changed nothing");
        connection.close().await.unwrap();
    }

    async fn look(&self) -> Report {
        let settings = self.settings();
        let store = app::look(&settings).await.unwrap();
        let world = app::open_world(&settings).await.unwrap();
        let report = audit(&*store, &*world, true).await.unwrap();
        store.close().await;
        world.close().await;
        report
    }
}

fn settings(path: PathBuf) -> Settings {
    let flags = [("listen", "127.0.0.1:0"), ("provider_success_rate", "1.0"), ("provider_delay_ms", "0")];
    let flags = flags.map(|(name, value)| (name.to_string(), value.to_string()));
    let loaded = settings::load(Profile::Plain, None, &flags.into()).unwrap();
    Settings { database_url: DatabaseUrl::Sqlite(path), ..loaded.settings }
}

/// Sends it through the ingress, and waits until everything that follows from it is done.
async fn tell(system: &System, name: &str, body: serde_json::Value) {
    let message_id = Some(format!("{name} {}", body["order_id"]));
    let raw = Raw { message_id, name: name.into(), body: body.to_string().into(), ..Raw::default() };
    let message = Message::accept(crate::support::usual(&raw.name), &raw, Time::default()).unwrap();
    system.ingress.accept(message).await.unwrap();
    let at_rest = async {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while !system.store.in_flight().await.unwrap().is_empty() {
            look.tick().await;
        }
    };
    tokio::time::timeout(AT_REST_WITHIN, at_rest).await.expect("every emitted message was handled");
}
