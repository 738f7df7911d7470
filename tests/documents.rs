//! Each table of codes in the documents lists what the code has, taken from the sources or from the program itself.

use std::collections::BTreeSet;
use std::fs;

use crate::support::root;

fn document(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// The first cells of the table with this first heading, as far as they are in backquotes.
fn first_cells(text: &str, heading: &str) -> BTreeSet<String> {
    let rows = text.lines().skip_while(|line| !line.starts_with(&format!("| {heading} |"))).skip(2);
    let cells = rows.take_while(|line| line.starts_with('|')).filter_map(|row| row.split('|').nth(1));
    let found: BTreeSet<String> = cells.flat_map(quoted).collect();
    assert!(!found.is_empty(), "there is no table {heading}");
    found
}

fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_string).collect()
}

/// The sources of the program without those of its tests.
fn sources() -> String {
    let files = crate::fences::all_sources().into_iter().filter(|file| {
        let path = file.strip_prefix(root()).unwrap().display().to_string();
        let is_ours = ["src/", "crates/", "workers/"].iter().any(|folder| path.starts_with(folder));
        is_ours && !path.contains("/tests/") && !path.ends_with("/tests.rs") && !path.ends_with("fuzzed.rs")
    });
    files.map(|file| fs::read_to_string(file).unwrap()).collect()
}

/// The string literal that comes first in the brackets that start here, if there is one.
fn texts_after(sources: &str, opens: &str) -> BTreeSet<String> {
    let rest = sources.split(opens).skip(1).map(str::trim_start);
    let texts = rest.filter_map(|rest| rest.strip_prefix('"')?.split('"').next());
    texts.map(str::to_string).collect()
}

#[track_caller]
fn same(listed: &BTreeSet<String>, known: &BTreeSet<String>, table: &str) {
    let missing: Vec<_> = known.difference(listed).collect();
    let untrue: Vec<_> = listed.difference(known).collect();
    assert!(
        missing.is_empty() && untrue.is_empty(),
        "{table} lacks {missing:?}, and lists {untrue:?}, which do not exist"
    );
}

#[test]
fn the_table_of_dead_letters_has_every_code_and_no_other() {
    let sources = sources();
    let mut known = BTreeSet::new();
    for opens in ["parked(", "Unreadable::new(", "Refusal::new(", "Parked { code:"] {
        known.extend(texts_after(&sources, opens));
    }
    // Codes of the broker, and codes of messages that come by no queue.
    let origin = document("crates/store/src/origin.rs");
    let lists = origin.split("const ").skip(1).filter_map(|list| list.split("];").next());
    known.extend(
        lists
            .filter(|list| list.contains("[&str;"))
            .flat_map(|list| list.split('"').skip(1).step_by(2).map(str::to_string).collect::<Vec<_>>()),
    );
    known.extend(
        texts_after(&document("crates/broker/src/rabbitmq/frame.rs"), "=>")
            .into_iter()
            .filter(|code| code.contains('_')),
    );
    for call in sources.split("park(call, ").skip(1).filter_map(|call| call.split(".await").next()) {
        known.extend(call.split('"').nth(1).map(str::to_string));
    }
    known.extend(["message_id_reused".to_string()]);
    same(
        &first_cells(&document("docs/operations.md"), "Code | Queue"),
        &known,
        "docs/operations.md, dead letters,",
    );
}

#[test]
fn a_filter_knows_every_code_that_a_message_can_die_of() {
    let known = engine::dead::CODES.iter().map(|code| code.to_string()).collect();
    let table = first_cells(&document("docs/operations.md"), "Code | Queue");
    same(&table, &known, "docs/operations.md, beside crates/engine/src/dead/codes.rs,");
}

#[test]
fn the_table_of_what_the_audit_checks_has_every_claim_with_its_words() {
    let claims = document("crates/audit/src/lib.rs");
    let claims = claims.split("claims! {").nth(1).unwrap().split('}').next().unwrap();
    let known: BTreeSet<String> =
        claims.lines().filter_map(|line| Some(line.trim().split_once(':')?.0.to_string())).collect();
    let text = document("docs/operations.md");
    let rows = text.lines().skip_while(|line| !line.starts_with("| Id |")).skip(2);
    let listed = rows.take_while(|line| line.starts_with('|')).filter_map(|row| row.split('|').nth(1));
    same(&listed.map(|id| id.trim().to_string()).collect(), &known, "docs/operations.md, the audit,");
}

#[test]
fn the_table_of_metrics_has_every_name_and_no_other() {
    let counted = document("crates/metrics/src/lib.rs");
    let sources =
        counted.split("#[cfg(test)]").next().unwrap().to_string() + &document("crates/engine/src/probe.rs");
    let words = sources.split('"').filter(|word| word.starts_with("checkout_"));
    let known = words.filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
    same(
        &first_cells(&document("docs/operations.md"), "Metric"),
        &known.map(str::to_string).collect(),
        "docs/operations.md, the metrics,",
    );
}

#[test]
fn the_table_of_steps_that_wait_has_every_step_of_the_saga() {
    let steps = saga::table().into_iter().map(|[_, step, ..]| step);
    // The saga's last action is no step of a definition.
    let known = steps.chain(["close".to_string()]).collect();
    same(&first_cells(&document("docs/operations.md"), "Step"), &known, "docs/operations.md, waiting sagas,");
}

#[test]
fn every_code_of_a_problem_that_a_document_names_is_one_that_the_gateway_answers() {
    let openapi = document("docs/openapi.json");
    for name in
        ["README.md", "docs/operations.md", "docs/reference.md", "docs/security.md", "docs/features.md"]
    {
        let is_code = |word: &String| {
            let shouts = word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
            shouts && word.contains('_') && !word.starts_with("CHECKOUT_")
        };
        for code in document(name).lines().flat_map(quoted).filter(is_code) {
            assert!(openapi.contains(&format!("\"{code}\"")), "{name} names {code}, which no route answers");
        }
    }
}

#[test]
fn every_type_that_the_glossary_names_is_declared_somewhere() {
    let sources = sources();
    let glossary = document("docs/glossary.md");
    let rows = glossary.lines().skip_while(|line| !line.starts_with("| word |")).skip(2);
    let named: Vec<_> = rows.filter_map(|row| row.split('|').nth(3)).flat_map(quoted).collect();
    assert!(named.len() > 30, "the glossary's table has changed its form: {named:?}");
    let missing: Vec<_> = named.iter().filter(|name| !declares(&sources, name)).collect();
    assert!(missing.is_empty(), "docs/glossary.md names {missing:?}, which no source declares");
}

/// `name` in `file`, the form in which documents refer to an item.
#[test]
fn every_item_that_a_document_places_in_a_file_stands_there() {
    let (mut checked, mut missing) = (0, Vec::new());
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/features.md", "docs/decisions.md"] {
        let text = document(name).split_whitespace().collect::<Vec<_>>().join(" ");
        let pieces: Vec<_> = text.split('`').collect();
        for at in (1..pieces.len().saturating_sub(2)).step_by(2) {
            let (item, file) = (pieces[at], pieces[at + 2]);
            if pieces[at + 1] != " in " || !file.ends_with(".rs") {
                continue;
            }
            checked += 1;
            let item = item.rsplit("::").next().unwrap_or(item);
            if !declares(&document(file), item) {
                missing.push(format!("{name}: `{item}` in `{file}`"));
            }
        }
    }
    assert!(checked >= 5, "only {checked} pointers were found: has the way of writing them changed?");
    assert!(missing.is_empty(), "these are not declared where the documents say: {missing:?}");
}

#[test]
fn every_log_text_that_operations_explains_is_one_that_the_program_can_write() {
    let (operations, sources) = (document("docs/operations.md"), sources());
    let rows = operations.lines().skip_while(|line| !line.starts_with("| The log says |")).skip(2);
    let cells = rows.take_while(|line| line.starts_with('|')).filter_map(|row| row.split('|').nth(1));
    let texts: Vec<_> = cells.flat_map(quoted).collect();
    assert!(texts.len() > 20, "the table has changed its form: {texts:?}");
    // Numbers and names are written as an ellipsis, except for one count that is spelled out.
    let pieces = texts.iter().flat_map(|text| text.split(['…', '5'])).map(str::trim);
    let missing: Vec<_> = pieces.filter(|piece| piece.len() > 3 && !sources.contains(piece)).collect();
    assert!(missing.is_empty(), "no source says {missing:?}");
}

fn declares(source: &str, name: &str) -> bool {
    let kinds = ["struct", "enum", "trait", "type", "fn", "const", "static"];
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    kinds.iter().any(|kind| source.split(&format!("{kind} {name}")).skip(1).any(ends))
}
