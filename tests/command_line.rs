//! A mistake on the command line is refused before any system is asked, with the correction.

use crate::support::Folder;

const ORDER: &str = "01932b4a-1111-7000-8000-000000000001";

#[test]
fn words_that_cannot_be_shown_are_refused_wherever_they_would_stay() {
    let folder = Folder::new();
    let escape = "red \u{1b}[31m";
    for args in [
        &["order", "cancel", ORDER, "--reason", escape][..],
        &["order", "cancel", ORDER, "--admin", "--by", escape],
        &["order", "refund", ORDER, "--reason", escape],
        &["order", "refund", ORDER, "--by", escape],
        &["order", "pay", ORDER, "--transaction", escape],
        &["order", "archive", ORDER, "--reason", escape],
        &["order", "archive", ORDER, "--by", escape],
        &["saga", "retry", ORDER, "--why", escape],
        &["saga", "retry", ORDER, "--by", escape],
        &["saga", "deadline", ORDER, "fire", "--why", escape],
        &["saga", "resolve", ORDER, "done", "--evidence", escape],
        &["dead", "replay", ORDER, "--why", escape],
        &["dead", "replay", ORDER, "--by", escape],
        &["dead", "discard", ORDER, "--why", escape],
        &["pause", "role", "email", "--why", escape],
    ] {
        let run = folder.checkout(args);
        assert_eq!(run.code, 2, "{args:?}: {}", run.err);
        assert!(run.err.contains("it holds the control character U+001B"), "{args:?}: {}", run.err);
        assert!(!run.err.contains('\u{1b}'), "{args:?}: {:?}", run.err);
    }
    let long = "x".repeat(501);
    folder.checkout(&["order", "cancel", ORDER, "--reason", &long]).fails(2, &["longer than 500 characters"]);
}

#[test]
fn a_filter_that_nothing_can_fit_is_refused_with_the_values_there_are() {
    let folder = Folder::new();
    for (args, there_are) in [
        (&["order", "list", "--step", "nosuch"][..], "take_payment"),
        (&["order", "list", "--status", "nosuch"], "fulfilled"),
        (&["saga", "list", "--step", "nosuch"], "hold_stock"),
        (&["saga", "list", "--status", "nosuch"], "needs_attention"),
        (&["dead", "list", "--code", "nosuch"], "body_malformed"),
        (&["dead", "list", "--queue", "nosuch"], "unrouted"),
        (&["dead", "list", "--origin", "nosuch"], "stranger"),
        (&["dead", "replay", "--code", "nosuch"], "failed"),
        (&["dead", "discard", "--queue", "nosuch", "--why", "a test"], "payment"),
    ] {
        let run = folder.checkout(args);
        assert!(
            run.code == 2 && run.err.contains("nosuch") && run.err.contains(there_are),
            "{args:?}: {}",
            run.err
        );
    }
}

#[test]
fn health_of_a_process_that_does_not_listen_says_how_it_would() {
    let folder = Folder::new();
    let nowhere = folder.checkout(&["health", "--listen=127.0.0.1:1"]);
    assert_eq!(nowhere.code, 1, "{}", nowhere.err);
    for says in ["nothing answers at 127.0.0.1:1", "--listen or --ops-listen", "start it with one"] {
        assert!(nowhere.err.contains(says), "{}", nowhere.err);
    }
}
