//! What may depend on what, and where things belong. Rules that no test checks drift; each failure here says what to
//! do.

use std::fs;
use std::path::{Path, PathBuf};

const WORKERS: &[&str] = &["order", "payment", "stock", "notification", "saga"];

/// What a worker and the contract may depend on. Every other dependency reaches the outside world or belongs to
/// another part.
const ALLOWED: &[&str] = &[
    "contract",
    "expect-test",
    "iso_currency",
    "rust_decimal",
    "serde",
    "serde_json",
    "sha2",
    "time",
    "uuid",
];

/// The contract can describe its types for documents that outsiders read; this feature is built into no worker.
const DESCRIBES: &str = "schemars = { workspace = true, optional = true }";

/// Ways in which a source file could reach the outside world without a dependency.
const WORLDLY: &[&str] = &[
    "SystemTime",
    "Instant::",
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "std::env",
    "std::io",
    "::now_v7",
    "::new_v4",
    "now_utc",
    "rand::",
    "println!",
];

/// The crates below `crates/`, from the bottom up. Each may use those that stand before it.
const LAYERS: &[&str] = &[
    "metrics",
    "retry",
    "tuning",
    "store",
    "audit",
    "adapters",
    "view",
    "broker",
    "webhook",
    "settings",
    "engine",
    "playground",
    "gateway",
];

/// The only crates that read the workers' records: they show them to people.
const READ_RECORDS: &[&str] = &["view", "engine", "gateway"];

/// Used by tests only.
const TESTS_ONLY: &str = "fuzz";

const LINES_MAX: usize = 450;
const FUNCTION_LINES_MAX: usize = 80;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Fails with everything that was found, not only the first of it.
fn none(found: &[String], what_to_do: &str) {
    assert!(found.is_empty(), "{what_to_do}\n  {}", found.join("\n  "));
}

#[test]
fn workers_depend_on_words_and_sums_alone() {
    let mut found = Vec::new();
    for name in WORKERS.iter().chain(&["contract"]) {
        let manifest = read(&root().join("workers").join(name).join("Cargo.toml"));
        for dependency in dependencies(&manifest) {
            // For documents only: the root package alone switches it on.
            let describes = *name == "contract" && dependency == "schemars" && manifest.contains(DESCRIBES);
            let allowed = ALLOWED.contains(&dependency.as_str()) && dependency != *name;
            if !allowed && !describes {
                found.push(format!("workers/{name} depends on {dependency}"));
            }
        }
    }
    none(
        &found,
        "A worker decides and touches nothing: let it say a message, and do in crates/ what the message asks for. \
         A worker that needs another worker's rule needs a message to it, or a word in workers/contract.",
    );
}

#[test]
fn crates_use_only_what_stands_below_them_and_the_architecture_says_so() {
    let mut found = Vec::new();
    let architecture = read(&root().join("ARCHITECTURE.md"));
    for name in folders(&root().join("crates")).iter().filter(|name| *name != TESTS_ONLY) {
        let Some(floor) = LAYERS.iter().position(|layer| layer == name) else {
            found.push(format!("crates/{name} has no place in LAYERS"));
            continue;
        };
        let uses = our_crates_in(&read(&root().join("crates").join(name).join("Cargo.toml")));
        for used in &uses {
            let reads = READ_RECORDS.contains(&name.as_str()) && WORKERS.contains(&used.as_str());
            if used != "contract" && !reads && !LAYERS[..floor].contains(&used.as_str()) {
                found.push(format!("crates/{name} uses {used}"));
            }
        }
        let row = architecture.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let said = row.and_then(|row| row.trim_end_matches([' ', '|']).rsplit('|').next());
        let mut uses = uses.iter().map(|used| format!("`{used}`")).collect::<Vec<_>>().join(", ");
        if uses.is_empty() {
            uses = "nothing".to_string();
        }
        if said.map(str::trim) != Some(&uses) {
            found.push(format!("ARCHITECTURE.md says of {name} that it uses {said:?}; it uses {uses}"));
        }
    }
    let audit = our_crates_in(&read(&root().join("crates/audit/Cargo.toml")));
    if audit != ["contract", "store"] {
        found.push(format!("the audit is independent of all but contract and store, and uses {audit:?}"));
    }
    none(&found, "A lower crate never needs a higher one: move what both need down, or pass it in.");
}

#[test]
fn workers_touch_no_clock_no_file_no_network_and_no_chance() {
    let mut found = Vec::new();
    for file in rust_files(&root().join("workers")) {
        for (no, line) in code_lines(&read(&file)) {
            if let Some(word) = WORLDLY.iter().find(|word| line.contains(**word)) {
                found.push(format!("{}:{no} uses {word}", shown(&file)));
            }
        }
    }
    none(
        &found,
        "Time, ids and chance are handed to a worker, as `now` or in the message; see crates/engine/src/run.rs.",
    );
}

#[test]
fn only_the_command_line_prints() {
    let printing = ["println!", "print!(", "eprintln!", "eprint!(", "stdout()", "stderr()"];
    let mut found = Vec::new();
    for file in rust_files(&root().join("src")).into_iter().chain(rust_files(&root().join("crates"))) {
        let path = shown(&file);
        // The fuzzing harness prints what its tests found.
        if path.starts_with("crates/fuzz/")
            || path.starts_with("src/cli")
            || path == "src/main.rs"
            || of_tests(&file)
        {
            continue;
        }
        for (no, line) in code_lines(&read(&file)) {
            // Asking whether the output is a terminal, and handing the stream to the log, print nothing here.
            let harmless = line.contains("is_terminal") || line.contains("with_writer");
            if !harmless && printing.iter().any(|word| line.contains(word)) {
                found.push(format!("{path}:{no}"));
            }
        }
    }
    none(
        &found,
        "Log it with `tracing`, or return it and let src/cli print it: standard output is for people and pipes.",
    );
}

#[test]
fn sql_is_never_put_together_from_text_that_came_in() {
    // Spelled in two parts, or this file would be the first to break its own rule.
    let word = ["AssertSql", "Safe"].concat();
    none(
        &using(&word, |_| false),
        "Write the statement out and bind its values; where a list is needed, bind an array or JSON.",
    );
}

#[test]
fn the_unmaintained_crate_stays_in_one_file() {
    let word = ["backoff", "::"].concat();
    none(
        &using(&word, |path| path == "crates/retry/src/lib.rs"),
        "Use `retry::Delays` or `retry::RETRY_DELAYS`: when the crate is replaced, one file changes.",
    );
}

#[test]
fn files_can_be_read_in_one_sitting() {
    let mut found = Vec::new();
    for file in all_sources().into_iter().filter(|file| !of_tests(file)) {
        // A catalogue: readers look up one message in it and do not read it through.
        let looked_up = file.ends_with("contract/src/payload.rs");
        let lines = read(&file).lines().count();
        if lines > LINES_MAX && !looked_up {
            found.push(format!("{} has {lines} lines", shown(&file)));
        }
    }
    none(&found, "Past 450 lines, say in one sentence what the file is for: what does not fit moves out.");
}

#[test]
fn functions_fit_on_a_screen() {
    let mut found = Vec::new();
    for file in all_sources().into_iter().filter(|file| !of_tests(file)) {
        for (name, line, length) in functions(&read(&file)) {
            if length > FUNCTION_LINES_MAX {
                found.push(format!("{}:{line} {name} has {length} lines", shown(&file)));
            }
        }
    }
    none(
        &found,
        "Past 80 lines, let the function say what is done and others how; tables may be long, code not.",
    );
}

#[test]
fn documents_name_files_that_exist() {
    let mut found = Vec::new();
    for document in documents() {
        for name in quoted(&read(&document)) {
            let near = document.parent().is_some_and(|folder| folder.join(&name).exists());
            if !near && !root().join(&name).exists() {
                found.push(format!("{} names `{name}`", shown(&document)));
            }
        }
    }
    none(&found, "The file has moved or is gone: correct the document, it is what newcomers believe.");
}

#[test]
fn every_fence_can_be_run_into() {
    assert_eq!(
        dependencies("[dependencies]\ntokio.workspace = true\n# no\nserde = \"1\"\n"),
        ["tokio", "serde"]
    );
    assert_eq!(dependencies("[package]\nname = \"x\"\n[dev-dependencies.rand]\nversion = \"1\"\n"), ["rand"]);
    let target = "[target.'cfg(unix)'.dependencies]\n\"lapin\" = { version = \"1\" }\n[lints]\nx = 1\n";
    assert_eq!(dependencies(target), ["lapin"]);
    assert_eq!(code_lines("// std::fs\n  use std::fs; // why\n").last().unwrap().1, "  use std::fs; ");
    let code = "impl X {\n    pub(crate) async fn long(\n        a: u8,\n    ) {\n        b();\n    }\n}\n";
    assert_eq!(functions(code), [("long".to_string(), 2, 5)]);
    let text = "See `crates/engine/src/run.rs`, `cargo test`, `/orders/{id}`, `README.md` and `a/*.rs`, `workers/order/`.";
    assert_eq!(quoted(text), ["crates/engine/src/run.rs", "README.md", "workers/order/"]);
}

// ---- reading ---------------------------------------------------------------------------------------------

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Claims and their stages: these functions are as long as there are cases.
fn of_tests(path: &Path) -> bool {
    let path = shown(path);
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("a folder that can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn folders(parent: &Path) -> Vec<String> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What a crate uses of this workspace, without its tests.
fn our_crates_in(manifest: &str) -> Vec<String> {
    let built_in = manifest.split("[dev-dependencies]").next().unwrap_or_default();
    let ours = |name: &String| {
        name == "contract" || WORKERS.contains(&name.as_str()) || LAYERS.contains(&name.as_str())
    };
    dependencies(built_in).into_iter().filter(ours).collect()
}

pub(crate) fn all_sources() -> Vec<PathBuf> {
    let folders = ["src", "crates", "workers", "tests", "benches"];
    folders.iter().flat_map(|folder| rust_files(&root().join(folder))).collect()
}

fn using(word: &str, allowed: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in all_sources().into_iter().filter(|file| !allowed(&shown(file))) {
        let text = read(&file);
        let lines = code_lines(&text).into_iter().filter(|(_, line)| line.contains(word));
        found.extend(lines.map(|(no, _)| format!("{}:{no}", shown(&file))));
    }
    found
}

/// Lines without their comments. A `//` in a string truncates its line, which hides nothing that these rules look
/// for.
fn code_lines(text: &str) -> Vec<(usize, &str)> {
    (1..).zip(text.lines().map(|line| line.split("//").next().unwrap_or_default())).collect()
}

/// The names in every section of a manifest that lists dependencies.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut listing = false;
    for line in manifest.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            listing = section.ends_with("dependencies");
            if let Some((_, one)) = section.split_once("dependencies.") {
                names.push(one.trim_matches('"').to_string());
            }
        } else if listing {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            names.push(name.trim_matches('"').to_string());
        }
    }
    names
}

/// Name, first line and length of each function, from its `fn` to its closing brace, which `rustfmt` puts below the
/// `fn`.
fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let mut functions = Vec::new();
    let lines: Vec<_> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let Some((before, after)) = code.split_once("fn ") else { continue };
        let words = ["", "pub", "pub(crate)", "pub(super)", "async", "const"];
        let declares = before.split_whitespace().all(|word| words.contains(&word));
        if !declares || line.trim_end().ends_with([';', '}']) {
            continue;
        }
        let end = format!("{}}}", " ".repeat(indent));
        let name = after.split(['(', '<']).next().unwrap_or_default().to_string();
        if let Some(length) = lines[at..].iter().position(|line| *line == end) {
            functions.push((name, at + 1, length + 1));
        }
    }
    functions
}

/// A breakage that changes nothing would prove nothing.
#[test]
fn every_breakage_of_the_drill_stands_exactly_once_where_it_breaks() {
    let list = fs::read_to_string(root().join("scripts/drill.list")).unwrap();
    let value = |line: &str, key: &str| Some(line.strip_prefix(key)?.trim_start().to_string());
    let (mut file, mut breakages) = (String::new(), 0);
    for line in list.lines() {
        if let Some(named) = value(line, "file ") {
            file = named;
        }
        if let Some(breaks) = value(line, "breaks ") {
            let source = fs::read_to_string(root().join(&file)).unwrap_or_default();
            assert_eq!(source.matches(&breaks).count(), 1, "{file}: {breaks}");
            breakages += 1;
        }
    }
    assert!(breakages > 20, "the list is not read any more");
}

fn documents() -> Vec<PathBuf> {
    let top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root().join(name));
    let below = fs::read_dir(root().join("docs")).into_iter().flatten().flatten().map(|entry| entry.path());
    let pages = below.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    top.into_iter().filter(|path| path.exists()).chain(pages).collect()
}

/// Text in backticks that looks like a file of ours: a known extension, or a path into one of our folders.
fn quoted(text: &str) -> Vec<String> {
    let endings = [".rs", ".md", ".toml", ".sql", ".yml", ".yaml", ".json", ".sh", ".txt", ".html"];
    let folders = [
        "src/",
        "crates/",
        "workers/",
        "tests/",
        "migrations/",
        "docs/",
        "scripts/",
        "config/",
        "benches/",
        ".ci/",
    ];
    // Every second piece is between backticks; in code blocks the three backticks of a fence keep the count even.
    let pieces = text.split('`').skip(1).step_by(2).map(str::trim);
    let names = pieces.filter(|piece| {
        let plain = !piece.is_empty()
            && !piece.starts_with('/')
            && piece.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        let path = folders.iter().any(|folder| piece.starts_with(folder));
        plain && (path || endings.iter().any(|ending| piece.ends_with(ending)))
    });
    names.map(str::to_string).collect()
}
