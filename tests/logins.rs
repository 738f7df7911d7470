//! A process whose database login lacks the rights for its work says so at once, and is not ready.

use serde_json::Value;

use crate::support::postgres::connect;
use crate::support::served::Served;
use crate::support::{block_on, http, until};

/// A system with its tables, and a database login for each role.
fn served() -> Served {
    let served = Served::new();
    served.run(&["migrate", "up"]).ok();
    block_on(served.schema().make_roles());
    served
}

async fn run(owner: &str, statement: &'static str) {
    sqlx::raw_sql(statement).execute(&mut connect(owner).await).await.unwrap();
}

#[test]
fn a_worker_under_another_roles_login_does_not_start_and_says_which_login_it_has_and_what_to_do() {
    let served = served();
    for (worker, login, says) in [
        // Both have the same rights on tables: only the row policies differ.
        ("email", "sms", "it may not write rows of email into the journal"),
        ("stock", "payment", "it may not select stock"),
    ] {
        let mut command = served.command(&["worker", worker]);
        command.env("CHECKOUT_DATABASE_URL", served.schema().url_of(login));
        let run = served.folder.run(command, b"");
        assert_eq!(run.code, 1, "{}", run.err);
        let login = format!("login {:?} cannot do the work of {worker}", served.schema().role(login));
        for says in [&*login, says, "database_url", "scripts/postgres-roles.sql"] {
            assert!(run.err.contains(says), "{says}: {}", run.err);
        }
    }
}

#[test]
fn a_worker_that_loses_its_rights_is_not_ready_until_it_has_them_again() {
    let served = served();
    let url = served.schema().url_of("email");
    let env = [("CHECKOUT_DATABASE_URL", url.as_str())];
    let mut worker = served.spawn_with(&["worker", "email"], &env);
    let address = served.ready(&mut worker);
    let database = || -> Value {
        let (_, body) = http::get(address, "/health/ready").unwrap();
        serde_json::from_str::<Value>(&body).unwrap_or_default()["database"].clone()
    };
    for (taken, says) in [
        (
            "do $$ begin execute format('drop policy %I on journal', current_schema() || '_email'); end $$",
            "journal",
        ),
        (
            "do $$ begin execute format('revoke insert on dead_letters from %I', current_schema() || '_email'); end $$",
            "may not insert dead_letters",
        ),
    ] {
        block_on(run(served.schema().url(), taken));
        until("not ready without its rights", || {
            let database = database();
            let why = database["why"].as_str().unwrap_or_default();
            (database["ready"] == false && why.contains(says) && why.contains("the work of email"))
                .then_some(())
        });
        block_on(served.schema().make_roles());
        until("ready with them again", || (database()["ready"] == true).then_some(()));
    }
    assert_eq!(worker.terminate(), 0);
}
