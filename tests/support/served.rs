//! A system on real servers, in a schema and under a prefix of its own; each of its processes is the real program.

use std::fs::File;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::Value;
use store::postgres::PostgresStore;

use super::postgres::{self, Schema};
use super::rabbit::{self, Namespace};
use super::running::Running;
use super::{Folder, Run, block_on, http, until};

/// The secret with which tests sign their own tokens.
pub(crate) const SECRET: &str = "a secret of the tests, 32 bytes or more";

pub(crate) struct Served {
    pub(crate) folder: Folder,
    pub(crate) namespace: Namespace,
    pub(crate) database_url: String,
    schema: Schema,
}

/// One process of it.
pub(crate) struct Process {
    child: Running,
    pub(crate) name: String,
    log: String,
}

impl Served {
    pub(crate) fn new() -> Self {
        let (namespace, schema) = block_on(async { (Namespace::new().await, Schema::fresh().await) });
        Self { folder: Folder::new(), namespace, database_url: schema.url().to_string(), schema }
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// `checkout ARGS` with the settings that any machine of the system would have.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.folder.command(args);
        command
            .env("CHECKOUT_DATABASE_URL", &self.database_url)
            .env("CHECKOUT_AMQP_URL", rabbit::url())
            .env("CHECKOUT_PREFIX", self.namespace.options().prefix)
            .env("CHECKOUT_JWT_SECRET", SECRET)
            .env("CHECKOUT_LOG_FORMAT", "text");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.folder.run(self.command(args), b"")
    }

    pub(crate) fn run_reading(&self, input: &Value, args: &[&str]) -> Run {
        self.folder.run(self.command(args), input.to_string().as_bytes())
    }

    /// Started, without waiting until it is ready. It listens on a free port.
    pub(crate) fn spawn(&self, args: &[&str]) -> Process {
        self.spawn_with(args, &[])
    }

    pub(crate) fn spawn_with(&self, args: &[&str], env: &[(&str, &str)]) -> Process {
        let name = args.join(" ");
        let number = self.folder.runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let log = format!("{}.{number}.log", args.join("-"));
        let mut command = self.command(args);
        command.env("CHECKOUT_LISTEN", "127.0.0.1:0").envs(env.iter().copied()).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(File::create(self.folder.path(&log)).unwrap());
        Process { child: Running::spawn(&mut command), name, log }
    }

    /// Waits until the process says that it is ready. Where it listens.
    pub(crate) fn ready(&self, process: &mut Process) -> SocketAddr {
        until(&format!("the start of {}", process.name), || {
            if let Some(status) = process.child.status() {
                panic!("{} ended while it started: {status}\n{}", process.name, self.log(process));
            }
            let log = self.log(process);
            let address = log.split("http://").nth(1)?.split('/').next()?.parse().ok()?;
            (http::get(address, "/health/ready").ok()?.0 == 200).then_some(address)
        })
    }

    pub(crate) fn log(&self, process: &Process) -> String {
        self.folder.read(&process.log)
    }

    /// The order's status, once it has ended.
    pub(crate) fn outcome(&self, id: &str) -> String {
        until(&format!("the end of order {id}"), || {
            let shown = self.run(&["order", "show", id, "--json"]);
            let view: Value = serde_json::from_str(&shown.out).ok()?;
            view::is_final(&view).then(|| view["status"].as_str().unwrap_or_default().to_string())
        })
    }

    /// Every promise holds, once nothing is in flight.
    pub(crate) fn assert_clean_at_rest(&self) {
        let store = block_on(PostgresStore::open(
            &self.database_url,
            store::postgres::Options::named("a test of checkout"),
        ));
        let store = store.unwrap();
        until("rest", || block_on(super::at_rest(&store)).then_some(()));
        self.run(&["audit", "--at-rest"]).ok();
    }
}

impl Process {
    /// As a supervisor does. Its exit code.
    pub(crate) fn terminate(mut self) -> i32 {
        self.child.terminate(&self.name)
    }

    pub(crate) fn kill_9(mut self) {
        self.child.kill_9();
    }
}

impl Drop for Served {
    /// With the mock world's schema beside it.
    fn drop(&mut self) {
        block_on(PostgresStore::drop_schema(&postgres::server(), self.schema.name())).unwrap();
    }
}
