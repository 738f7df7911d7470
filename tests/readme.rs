//! The commands in the README work when a reader types them in the order in which they stand there.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use crate::support::served::Served;
use crate::support::system::System;
use crate::support::{Folder, PATIENCE, root};

/// Settings by environment, because flags would get in the way of the README's own.
const QUICK: [(&str, &str); 3] = [
    ("CHECKOUT_LISTEN", "127.0.0.1:0"),
    ("CHECKOUT_PROVIDER_DELAY_MS", "0"),
    ("CHECKOUT_PROVIDER_SUCCESS_RATE", "1.0"),
];

#[test]
fn every_command_in_the_readme_works_as_it_stands_there() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap_or_default();
    let blocks = blocks(&readme);
    let count: usize = blocks.iter().map(|block| block.lines().filter(|line| is_ours(line)).count()).sum();
    assert!(count > 0, "README.md shows no command of ours: has the way of writing them changed?");
    let reader = Reader::new();
    let mut system = None;
    for block in blocks {
        let (opens, types): (Vec<&str>, Vec<&str>) = block.lines().partition(|line| opens_a_shop(line));
        for line in opens {
            // It runs until Ctrl-C, in a terminal of its own.
            system.take().map(System::terminate);
            let settings: Vec<&str> = arguments(line).iter().skip(1).copied().collect();
            system = Some(System::start_with(&reader.folder, &settings, &QUICK));
        }
        reader.types(&types.join("\n")).unwrap_or_else(|why| panic!("{why}"));
    }
    if let Some(system) = system {
        assert_eq!(system.terminate(), 0, "Ctrl-C ends it in order");
    }
    println!("commands of the README that work: {count}/{count}");
}

/// The shell blocks that begin with a command of ours.
fn blocks(markdown: &str) -> Vec<String> {
    let fenced = markdown.split("\n```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    // Prompts are not typed, and a line that ends in a backslash continues.
    let typed = fenced.map(|block| block.replace("\\\n", " ").replace("\n$ ", "\n"));
    let typed = typed.map(|block| block.strip_prefix("$ ").map(str::to_string).unwrap_or(block));
    typed.filter(|block| block.lines().find(|line| !line.starts_with('#')).is_some_and(is_ours)).collect()
}

fn is_ours(line: &str) -> bool {
    let mut words = line.split_whitespace();
    line.starts_with("cargo run --release") || words.next() == Some("checkout")
}

/// The arguments of the program.
fn arguments(line: &str) -> Vec<&str> {
    let line = line.split(" #").next().unwrap_or_default();
    let rest = line.strip_prefix("cargo run --release").or(line.strip_prefix("checkout")).unwrap_or(line);
    rest.split_whitespace().skip_while(|word| *word == "--").collect()
}

fn opens_a_shop(line: &str) -> bool {
    is_ours(line) && arguments(line).first().is_none_or(|first| *first == "dev")
}

/// A reader with a copy of this repository and `checkout` on the path.
struct Reader {
    folder: Folder,
}

impl Reader {
    fn new() -> Self {
        let folder = Folder::new();
        symlink(root().join("config"), folder.path("config")).unwrap();
        fs::create_dir(folder.path("bin")).unwrap();
        symlink(env!("CARGO_BIN_EXE_checkout"), folder.path("bin/checkout")).unwrap();
        // Stands in for `cargo run --release` with the program that is built already.
        let cargo = "#!/bin/sh\n[ \"$1 $2\" = 'run --release' ] || exit 64\nshift 2\n[ \"$1\" = -- ] && shift\nexec checkout \"$@\"\n";
        folder.write("bin/cargo", cargo);
        fs::set_permissions(folder.path("bin/cargo"), fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn types(&self, block: &str) -> Result<(), String> {
        let path = format!("{}:{}", self.folder.path("bin").display(), std::env::var("PATH").unwrap());
        let ours = self.folder.command(&[]);
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", block]).current_dir(self.folder.path(""));
        shell
            .envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .envs(QUICK)
            .env("PATH", path);
        match self.folder.run(shell, b"") {
            run if run.code == 0 => Ok(()),
            run => Err(format!(
                "the README says to type\n{block}\nand that ends with {}:\n{}",
                run.code, run.err
            )),
        }
    }
}

#[test]
fn the_way_to_a_shop_on_servers_works_as_typed_on_an_empty_database() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let block = readme.split("\n```sh\n").find(|block| block.starts_with("export CHECKOUT_DATABASE_URL="));
    let block = block.and_then(|block| block.split("\n```").next()).expect("the README shows the way");
    // The first line names the servers, which are different for each reader.
    let (_, typed) = block.split_once('\n').unwrap();
    let (served, reader) = (Served::new(), Reader::new());
    let path = format!("{}:{}", reader.folder.path("bin").display(), std::env::var("PATH").unwrap());
    let mut shell = served.command(&[]);
    shell
        .env_remove("CHECKOUT_JWT_SECRET")
        .env("PATH", path)
        .env("CHECKOUT_LISTEN", "127.0.0.1:0")
        .envs(QUICK);
    let envs: Vec<_> =
        shell.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
    // Programs that are started with an ampersand have to live until the end.
    let begins = "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT";
    let ends = "for one in $(jobs -p); do kill -0 \"$one\"; done";
    let mut typing = Command::new("bash");
    typing
        .args(["-euo", "pipefail", "-c", &format!("{begins}\n{typed}\n{ends}")])
        .current_dir(reader.folder.path(""));
    for (name, value) in envs {
        match value {
            Some(value) => typing.env(name, value),
            None => typing.env_remove(name),
        };
    }
    let run = reader.folder.run_within(typing, b"", 4 * PATIENCE);
    assert!(
        run.code == 0 && run.out.contains("fulfilled"),
        "{typed}\nends with {}\n{}{}",
        run.code,
        run.out,
        run.err
    );
}

#[test]
fn commands_are_found_however_they_are_written() {
    let markdown = "x\n```sh\n# first\ncheckout dev --listen 127.0.0.1:0  # opens\n```\n```text\ncheckout no\n```\n\
        ```sh\n$ cargo run --release -- demo\n```\n```sh\ngit clone x\ncheckout no\n```\n```sh\ncheckout order \\\n  list\n```\n";
    let found = blocks(markdown);
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(arguments(found[0].lines().last().unwrap()), ["dev", "--listen", "127.0.0.1:0"]);
    assert_eq!(arguments(&found[1]), ["demo"]);
    assert_eq!(arguments(&found[2]), ["order", "list"]);
    let opens = |line: &str| opens_a_shop(line);
    assert!(opens("checkout") && opens("cargo run --release") && opens("checkout dev") && !opens(&found[1]));
    // A shell that stops at the first failure runs each block.
    let reader = Reader::new();
    assert_eq!(reader.types("cargo run --release -- config --json\ncheckout config"), Ok(()));
    assert!(
        reader.types("checkout nonsense\ncheckout config").is_err(),
        "a failing command passed for a working one"
    );
}

#[test]
fn every_test_that_the_features_name_exists() {
    let page = fs::read_to_string(root().join("docs/features.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| What |"));
    let mut tests = Vec::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 3, "{row}");
        let named: Vec<_> = cells[2].split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test shows this: {row}");
        tests.extend(named);
    }
    let sources = crate::fences::all_sources().into_iter().map(|file| fs::read_to_string(file).unwrap());
    let sources = sources.collect::<String>();
    let missing: Vec<_> = tests.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(
        tests.len() > 50 && missing.is_empty(),
        "docs/features.md names files that do not exist: {missing:?}"
    );
}
