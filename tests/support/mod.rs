//! The real program in a folder of its own, and everything that a user can do to it from outside.

pub(crate) mod clients;
pub(crate) mod documented;
pub(crate) mod duplicator;
pub(crate) mod endpoint;
pub(crate) mod fault_proxy;
pub(crate) mod fleet;
pub(crate) mod http;
pub(crate) mod http_client;
pub(crate) mod postgres;
pub(crate) mod proxy;
pub(crate) mod rabbit;
pub(crate) mod raw_amqp;
pub(crate) mod running;
pub(crate) mod served;
pub(crate) mod shop;
pub(crate) mod system;
pub(crate) mod turn;
pub(crate) mod vhost;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use store::Database;
use store::sqlite::SqliteStore;
use tempfile::TempDir;

/// Longer than any step takes on a busy machine; past it, something is stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The first speaker that may send a message of this type.
pub(crate) fn usual(name: &str) -> contract::Speaker {
    contract::first_who_may(name)
}

/// The folder in which one system keeps everything.
pub(crate) struct Folder {
    folder: TempDir,
    pub(super) runs: AtomicU32,
}

/// A program that ran to its end.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), runs: AtomicU32::new(0) }
    }

    /// With a copy of the databases of another system that is stopped.
    pub(crate) fn copied_from(other: &Folder) -> Self {
        let copy = Self::new();
        for name in ["checkout.db", "checkout.db-wal", "checkout.world.db", "checkout.world.db-wal"] {
            if other.path(name).exists() {
                std::fs::copy(other.path(name), copy.path(name)).unwrap();
            }
        }
        copy
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// `checkout ARGS` with this folder's database, not started yet. No settings leak in from the test's own
    /// environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_checkout"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CHECKOUT_") {
                command.env_remove(name);
            }
        }
        command.args(args).current_dir(self.folder.path()).env_remove("NO_COLOR");
        command.env("CHECKOUT_DATABASE_URL", "sqlite:checkout.db").env("RUST_BACKTRACE", "0");
        command
    }

    pub(crate) fn checkout(&self, args: &[&str]) -> Run {
        self.run(self.command(args), b"")
    }

    pub(crate) fn checkout_reading(&self, input: impl AsRef<[u8]>, args: &[&str]) -> Run {
        self.run(self.command(args), input.as_ref())
    }

    /// Runs to its end, which must come within `PATIENCE`.
    pub(crate) fn run(&self, command: Command, input: &[u8]) -> Run {
        self.run_within(command, input, PATIENCE)
    }

    pub(crate) fn run_within(&self, mut command: Command, input: &[u8], patience: Duration) -> Run {
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        let (out, err) = (format!("out.{number}"), format!("err.{number}"));
        command.stdout(File::create(self.path(&out)).unwrap());
        command.stderr(File::create(self.path(&err)).unwrap());
        command.stdin(Stdio::piped());
        // When coverage is measured, programs that run to their end add to shared files, instead of leaving a file of
        // several megabytes each, which the report would have to read.
        if let Some(counts) = std::env::var_os("LLVM_PROFILE_FILE") {
            command.env("LLVM_PROFILE_FILE", Path::new(&counts).with_file_name("commands_%4m.profraw"));
        }
        let mut child = command.spawn().unwrap();
        // A program that refuses its arguments may well not read its input.
        child.stdin.take().unwrap().write_all(input).ok();
        let status = ended_within(&mut child, &format!("{command:?}"), patience);
        let code = status.code().unwrap_or_else(|| panic!("{command:?} was killed: {status}"));
        let run = Run { code, out: self.read(&out), err: self.read(&err) };
        assert!(!run.err.contains("panicked"), "{command:?} panicked:\n{}", run.err);
        run
    }

    /// The store of this folder, opened from outside the system.
    pub(crate) async fn store(&self) -> SqliteStore {
        SqliteStore::open_existing(&self.path("checkout.db")).await.unwrap()
    }

    /// The first column of each row of `sql` in the mock world's own file.
    pub(crate) async fn world(&self, sql: &'static str) -> Vec<String> {
        use sqlx::ConnectOptions;
        let file = sqlx::sqlite::SqliteConnectOptions::new().filename(self.path("checkout.world.db"));
        let mut world = file.busy_timeout(PATIENCE).connect().await.unwrap();
        sqlx::query_scalar(sql).fetch_all(&mut world).await.unwrap()
    }

    /// Every promise, checked by the program itself; for when nothing is in flight.
    pub(crate) fn assert_clean_at_rest(&self) {
        let audit = self.checkout(&["audit", "--at-rest"]);
        assert!(audit.code == 0, "{}{}", audit.out, audit.err);
    }
}

impl Run {
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert!(self.code == 0, "exit code {}\n{}\n{}", self.code, self.out, self.err);
        self.out
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let out = self.ok();
        serde_json::from_str(&out).unwrap_or_else(|why| panic!("{why}: {out}"))
    }

    /// It ended with `code`, and printed these texts on standard error.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, says: &[&str]) {
        let Run { code: was, out, err } = self;
        assert!(was == code, "exit code {was} instead of {code}\n{out}\n{err}");
        for say in says {
            assert!(err.contains(say), "standard error does not say {say:?}:\n{err}");
        }
    }
}

/// Waits for a program's end; a program that does not end is an error, and is killed.
fn ended(child: &mut Child, what: &str) -> ExitStatus {
    ended_within(child, what, PATIENCE)
}

fn ended_within(child: &mut Child, what: &str, patience: Duration) -> ExitStatus {
    let until = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > until {
            child.kill().ok();
            child.wait().ok();
            panic!("{what} did not end within {patience:?}");
        }
        pause();
    }
}

/// Polls until `look` finds something.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < until, "{what} did not happen within {PATIENCE:?}");
        pause();
    }
}

/// Between two polls. Only one thing depends on its length: a customer may poll a hundred times a second.
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(15));
}

/// Like `until`, for what has to be read from a store.
pub(crate) async fn until_stored(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !look().await {
        assert!(Instant::now() < until, "{what} did not happen within {PATIENCE:?}");
        pause();
    }
}

/// Nothing is in flight any more.
pub(crate) async fn at_rest(store: &dyn Database) -> bool {
    store.in_flight().await.unwrap().is_empty()
}

/// The order as outsiders see it; `null` as long as it does not exist.
pub(crate) async fn order(store: &dyn Database, id: &str) -> Value {
    view::order(store, id).await.unwrap().unwrap_or_default()
}

/// For the few times that a blocking test reads a store.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

pub(crate) fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Host and port of an address.
pub(crate) fn authority(url: &str) -> String {
    let rest = url.split_once("://").unwrap().1;
    let authority = rest.split(['/', '?']).next().unwrap();
    authority.rsplit('@').next().unwrap().to_string()
}
