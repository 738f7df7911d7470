//! A running `checkout dev`.

use std::fs::File;
use std::io::Result;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::running::Running;
use super::{Folder, http, until};

/// Short delays with answers by the courier, and no random failures.
pub(crate) const QUICK: &[&str] = &[
    "--listen=127.0.0.1:0",
    "--provider-delay-ms=1-20",
    "--provider-success-rate=1.0",
    "--durability=process_crash",
];

pub(crate) struct System {
    child: Running,
    ingress: Ingress,
    pub(crate) log: String,
    pub(crate) out: String,
}

/// How to send messages into a running system.
#[derive(Clone)]
pub(crate) struct Ingress {
    address: SocketAddr,
    token: String,
}

impl System {
    /// Starts it, and waits until it is ready.
    pub(crate) fn start(folder: &Folder, settings: &[&str]) -> Self {
        Self::start_with(folder, settings, &[])
    }

    /// As in production, without the mock shop of `dev`: `checkout all`.
    pub(crate) fn at_work(folder: &Folder, settings: &[&str]) -> Self {
        Self::started(folder, "all", settings, &[])
    }

    pub(crate) fn start_with(folder: &Folder, settings: &[&str], env: &[(&str, &str)]) -> Self {
        Self::started(folder, "dev", settings, env)
    }

    fn started(folder: &Folder, command: &str, settings: &[&str], env: &[(&str, &str)]) -> Self {
        // The file of a killed system says nothing about this one.
        std::fs::remove_file(folder.path("checkout.run")).ok();
        let (mut child, out, log) = Self::spawned(folder, command, settings, env);
        let run: Value = until("the system's start", || {
            if let Some(status) = child.status() {
                panic!("it ended while it started: {status}\n{}", folder.read(&log));
            }
            serde_json::from_str(&folder.read("checkout.run")).ok()
        });
        let address = run["address"].as_str().unwrap().parse().unwrap();
        let token = run["token"].as_str().unwrap().to_string();
        assert_eq!(run["pid"], child.id());
        Self { child, ingress: Ingress { address, token }, log, out }
    }

    /// Starts it without waiting until it is ready.
    pub(crate) fn spawn(
        folder: &Folder,
        settings: &[&str],
        env: &[(&str, &str)],
    ) -> (Running, String, String) {
        Self::spawned(folder, "dev", settings, env)
    }

    fn spawned(
        folder: &Folder,
        command: &str,
        settings: &[&str],
        env: &[(&str, &str)],
    ) -> (Running, String, String) {
        static STARTS: AtomicU32 = AtomicU32::new(0);
        let number = STARTS.fetch_add(1, Ordering::Relaxed);
        let (out, log) = (format!("dev.{number}.out"), format!("dev.{number}.log"));
        let mut command = folder.command(&[command]);
        command.args(settings).envs(env.iter().copied()).stdin(Stdio::null());
        command.stdout(File::create(folder.path(&out)).unwrap());
        command.stderr(File::create(folder.path(&log)).unwrap());
        (Running::spawn(&mut command), out, log)
    }

    pub(crate) fn ingress(&self) -> &Ingress {
        &self.ingress
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.child.status().is_none()
    }

    /// As when a user stops it. Its exit code.
    pub(crate) fn terminate(mut self) -> i32 {
        self.child.terminate("the system")
    }

    pub(crate) fn kill_9(mut self) {
        self.child.kill_9();
    }

    /// The signal that it died of by itself.
    pub(crate) fn died_of(mut self) -> Option<i32> {
        self.child.ended("the system").signal()
    }
}

impl Ingress {
    /// `Ok` with the response; `Err` when the system does not answer any more.
    pub(crate) fn send(&self, name: &str, id: &str, body: &Value) -> Result<(u16, Value)> {
        let message = json!({"type": name, "message_id": id, "body": body});
        self.post("/admin/messages", message.to_string().as_bytes())
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Result<(u16, Value)> {
        http::post(self.address, &self.token, path, body)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
