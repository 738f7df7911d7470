//! The examples do what they claim, against a real broker. Their clients are installed below the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::clients::{self, below_target};
use crate::support::rabbit::Namespace;
use crate::support::system::{QUICK, System};
use crate::support::{Folder, Run, at_rest, until_stored};

fn run(folder: &Folder, command: Command, what: &str) -> Run {
    clients::run(folder, command, b"", what)
}

/// After every example, the provider's books agree with ours.
async fn with_a_shop(example: impl FnOnce(&Folder, &str, &str)) {
    let (namespace, folder) = (Namespace::new().await, Folder::new());
    let options = namespace.options();
    let (url, prefix) = (format!("--amqp-url={}", options.url), format!("--prefix={}", options.prefix));
    let settings: Vec<_> = QUICK.iter().copied().chain([url.as_str(), prefix.as_str()]).collect();
    let system = System::start(&folder, &settings);
    example(&folder, &options.url, &options.prefix);
    let store = folder.store().await;
    until_stored("rest", async || at_rest(&store).await).await;
    assert_eq!(system.terminate(), 0);
    folder.assert_clean_at_rest();
}

#[tokio::test]
async fn the_example_in_python_comes_out_as_it_tells() {
    with_a_shop(|folder, url, prefix| {
        let mut python = Command::new(pika(folder));
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
        let mut python = Command::new(pika(folder));
        python.arg(source("python/checkout.py")).env("AMQP_URL", url).env("PREFIX", "nobody.is.here");
        let told = folder.run_within(python, b"", clients::LONG);
        assert_ne!(told.code, 0, "{}", told.out);
    })
    .await;
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// A Python with the client that the example needs.
fn pika(folder: &Folder) -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| clients::python(folder, "example-python", &source("python/requirements.txt")))
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
