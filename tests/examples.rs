//! The examples do what they tell, against a real broker. Their clients are installed below the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::support::rabbit::Corner;
use crate::support::system::{QUICK, System};
use crate::support::{Folder, Run};

/// Installing, or running with every wait that an example has.
const LONG: Duration = Duration::from_secs(180);

fn run(folder: &Folder, command: Command, what: &str) -> Run {
    let run = folder.run_within(command, b"", LONG);
    assert_eq!(run.code, 0, "{what}\n{}\n{}", run.out, run.err);
    run
}

async fn with_a_shop(example: impl FnOnce(&Folder, &str, &str)) {
    let (corner, folder) = (Corner::new().await, Folder::new());
    let options = corner.options();
    let (url, prefix) = (format!("--amqp-url={}", options.url), format!("--prefix={}", options.prefix));
    let settings: Vec<_> = QUICK.iter().copied().chain([url.as_str(), prefix.as_str()]).collect();
    let system = System::start(&folder, &settings);
    example(&folder, &options.url, &options.prefix);
    assert_eq!(system.terminate(), 0);
}

#[tokio::test]
async fn the_example_in_python_comes_out_as_it_tells() {
    with_a_shop(|folder, url, prefix| {
        let mut python = Command::new(pika(folder).join("bin/python"));
        python.arg(source("python/checkout.py")).env("AMQP_URL", url).env("PREFIX", prefix);
        let told = run(folder, python, "the example in Python").out;
        assert_eq!(told.matches("order.fulfilled").count(), 2, "{told}");
    })
    .await;
}

#[tokio::test]
async fn the_example_in_javascript_comes_out_as_it_tells() {
    with_a_shop(|folder, url, prefix| {
        let mut node = Command::new("node");
        node.arg(amqplib(folder).join("checkout.cjs")).env("AMQP_URL", url).env("PREFIX", prefix);
        let told = run(folder, node, "the example in JavaScript").out;
        assert_eq!(told.matches("order.fulfilled").count(), 2, "{told}");
    })
    .await;
}

#[tokio::test]
async fn the_example_with_curl_comes_out_as_it_tells() {
    with_a_shop(|folder, _, _| {
        let mut bash = Command::new("bash");
        bash.arg(source("curl/checkout.sh")).env("RUN_FILE", folder.path("checkout.run"));
        run(folder, bash, "the example with curl");
    })
    .await;
}

#[tokio::test]
async fn an_example_that_comes_out_otherwise_says_so() {
    with_a_shop(|folder, url, _| {
        let mut python = Command::new(pika(folder).join("bin/python"));
        python.arg(source("python/checkout.py")).env("AMQP_URL", url).env("PREFIX", "nobody.is.here");
        let told = folder.run_within(python, b"", LONG);
        assert_ne!(told.code, 0, "{}", told.out);
    })
    .await;
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// Below the folder that this program was built in: what is installed there stays for the next run.
fn below_target(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A Python with the client that the example asks for.
fn pika(folder: &Folder) -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let at = below_target("example-python");
        let mut make = Command::new("python3");
        make.args(["-m", "venv"]).arg(&at);
        run(folder, make, "making a venv (the tests need Python 3 with venv)");
        let mut install = Command::new(at.join("bin/python"));
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
        install.arg(source("python/requirements.txt"));
        run(folder, install, "installing pika");
        at
    })
}

/// A copy of the example with the client beside it.
fn amqplib(folder: &Folder) -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let at = below_target("example-javascript");
        std::fs::create_dir_all(&at).unwrap();
        for name in ["package.json", "package-lock.json", "checkout.cjs"] {
            std::fs::copy(source("javascript").join(name), at.join(name)).unwrap();
        }
        let mut install = Command::new("npm");
        install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        install.current_dir(&at);
        run(folder, install, "installing amqplib (the tests need Node.js with npm)");
        at
    })
}
