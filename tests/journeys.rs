//! A user at the command line: every command does what its help says, and every error says what to do next.

mod written;

use std::fs::File;
use std::net::TcpListener;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::running::Running;
use crate::support::shop::{EXAMPLE, Shop, checkout};
use crate::support::system::{QUICK, System};
use crate::support::{Folder, new_id, root, until};

// ---- customers -------------------------------------------------------------------------------------------

#[test]
fn an_order_is_submitted_watched_listed_and_shown() {
    let shop = Shop::open();
    let said = shop.run(&["submit", &example(), "--wait"]).ok();
    let id = said.split_whitespace().next().unwrap().to_string();
    assert_eq!(said, format!("{id}  is safe\n{id}  fulfilled\n"));

    let view = shop.show(&id);
    assert_eq!(view["status"], "fulfilled");
    assert_eq!(view["total"], json!({"amount": "56.60", "currency": "EUR"}));
    assert_eq!(view["payment"]["charged"], view["total"]);
    let trail: Vec<_> = view["audit"].as_array().unwrap().iter().map(|entry| entry["to"].clone()).collect();
    assert_eq!(trail, ["created", "paid", "fulfilled"]);
    let shown = shop.run(&["order", "show", &id, "--messages"]).ok();
    for part in ["Dune", "Fountain pen", "56.60 EUR", "discount 6.29 EUR", "created → paid", "stock.reserve"]
    {
        assert!(shown.contains(part), "{part} is missing:\n{shown}");
    }
    assert!(shop.run(&["order", "list", "--status", "fulfilled"]).ok().contains(&id));
    assert!(!shop.run(&["order", "list", "--status", "cancelled"]).ok().contains(&id));
    assert!(!shop.run(&["order", "list", "--customer", "nobody"]).ok().contains(&id));
    assert_eq!(shop.run(&["order", "list", "--json"]).json()["order_id"], id.as_str());
    let watched = shop.run(&["order", "watch", &id]).ok();
    assert!(
        watched.contains("paid → fulfilled") && watched.ends_with(&format!("{id}  fulfilled\n")),
        "{watched}"
    );
    // The story as `dev` tells it.
    until("the story's end", || shop.story().contains("fulfilled").then_some(()));
    shop.close();
}

#[test]
fn json_lines_come_from_standard_input_and_a_repeat_changes_nothing() {
    let shop = Shop::open();
    let (good, bad) = (new_id(), new_id());
    let lines = format!(
        "{}\n{}\n",
        checkout(&good, "BOOK-EMMA", "card", "tok_ok"),
        checkout(&bad, "BOOK-EMMA", "card", "tok_declined")
    );
    let run = shop.folder.checkout_reading(&lines, &["submit", "-", "--wait"]);
    assert_eq!(run.code, 1, "one of them did not go through: {}", run.out);
    assert!(run.out.contains(&format!("{good}  fulfilled")), "{}", run.out);
    assert!(run.out.contains(&format!("{bad}  cancelled (payment declined)")), "{}", run.out);
    let again = shop.folder.checkout_reading(&lines, &["submit", "-", "--json", "--wait"]);
    let status = |line: &str| serde_json::from_str::<Value>(line).unwrap()["status"].clone();
    assert_eq!(again.out.lines().map(status).collect::<Vec<_>>(), ["fulfilled", "cancelled"]);
    let listed = shop.run(&["order", "list", "--json"]).ok();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    shop.close();
}

#[test]
fn an_order_is_cancelled_paid_in_cash_returned_and_archived() {
    let shop = Shop::open();
    let unpaid = shop.submit("BOOK-DUNE", "card", "tok_never_answers");
    shop.wait_for(&unpaid, |view| view["payment"]["status"] == "asked");
    shop.run(&["submit", &example(), "--wait", "--wait-s", "30"]).ok();
    let said = shop.run(&["order", "cancel", &unpaid, "--reason", "changed my mind"]).ok();
    assert!(said.ends_with(&format!("{unpaid}  cancelled\n")), "{said}");
    shop.run(&["order", "cancel", &unpaid]).fails(1, &["refused", "already_cancelled"]);

    let cash = shop.submit("BOOK-EMMA", "cod", "");
    shop.wait_for(&cash, |view| view["payment"]["status"] == "awaiting_cash");
    let paid = shop.run(&["order", "pay", &cash, "--transaction", "receipt-7"]).ok();
    assert!(paid.contains("fulfilled"), "{paid}");
    let returned = shop.run(&["order", "refund", &cash, "--item", "BOOK-EMMA=1", "--reason", "torn"]).ok();
    assert!(returned.contains("refunded"), "{returned}");
    let view = shop.show(&cash);
    assert_eq!(view["payment"]["refunded"], view["payment"]["charged"]);
    shop.run(&["order", "archive", &cash]).ok();
    assert_eq!(shop.show(&cash)["status"], "archived");
    shop.run(&["order", "pay", &cash]).fails(1, &["refused", "archived"]);
    shop.close();
}

// ---- operators -------------------------------------------------------------------------------------------

#[test]
fn dead_letters_are_listed_shown_replayed_and_discarded() {
    let shop = Shop::open();
    let early = new_id();
    let event = json!({"id": "evt_early", "type": "payment.failed", "created": "2026-11-20T18:53:00Z",
        "data": {"reference": early, "transaction_id": "ch_early", "failure_code": "card_declined",
            "amount": {"amount": "12.99", "currency": "EUR"}}});
    shop.folder.checkout_reading(event.to_string(), &["submit", "--type", "payment.webhook", "-"]).ok();
    let letter = shop.dead_letter("payment_unknown");
    let shown = shop.run(&["dead", "show", &letter]).ok();
    assert!(shown.contains("payment.webhook") && shown.contains("replay it once it was"), "{shown}");

    // A preview sends nothing, not even for a group.
    for which in [&["--all"][..], &["--code", "payment_unknown"], &[&letter]] {
        let shown = shop.run(&[&["dead", "replay", "--preview"], which].concat()).ok();
        assert!(!shown.contains("in its queue again"), "{which:?}: {shown}");
    }

    // Replayed too early, it comes back as a dead letter. Replayed later, it decides the payment.
    shop.run(&["dead", "replay", &letter]).ok();
    assert_eq!(shop.dead_letter("payment_unknown"), letter);
    let body = checkout(&early, "BOOK-DUNE", "card", "tok_never_answers").to_string();
    shop.folder.checkout_reading(body, &["submit", "-"]).ok();
    shop.wait_for(&early, |view| view["payment"]["status"] == "asked");
    shop.run(&["dead", "replay", &letter, "--by", "me"]).ok();
    shop.wait_for(&early, |view| view["status"] == "cancelled" && view["reason"] == "payment_declined");

    // The same order id with other content.
    let mut other = checkout(&early, "BOOK-EMMA", "card", "tok_ok");
    shop.folder.checkout_reading(other.to_string(), &["submit", "-"]).fails(2, &["message_id_reused"]);
    other["message_id"] = json!(new_id());
    shop.folder.checkout_reading(other.to_string(), &["submit", "-"]).ok();
    let reused = shop.dead_letter("order_id_reused");
    shop.run(&["dead", "discard", &reused, "--why", "a test"]).ok();
    assert_eq!(shop.run(&["dead", "list", "--json"]).json(), json!([]));
    let all = shop.run(&["dead", "list", "--all"]).ok();
    assert!(all.contains(&letter) && all.contains(&reused), "{all}");
    shop.run(&["dead", "discard", &reused, "--why", "again"]).fails(1, &["before"]);
    shop.run(&["dead", "replay", &reused]).fails(1, &["before"]);
    shop.run(&["dead", "show", "nobody"]).fails(1, &["checkout dead list"]);
    assert_eq!(shop.show(&early)["status"], "cancelled", "the order that was there is as it was");

    // The same message id with another body is refused at the ingress.
    let named =
        |sku: &str| json!({"message_id": "mine", "sku": sku, "delta": 1, "reason": "found"}).to_string();
    shop.wait_for_stock("BOOK-DUNE");
    shop.folder.checkout_reading(named("BOOK-DUNE"), &["submit", "--type", "stock.adjust", "-"]).ok();
    shop.folder
        .checkout_reading(named("BOOK-EMMA"), &["submit", "--type", "stock.adjust", "-"])
        .fails(2, &["message_id_reused"]);
    shop.close();
}

#[test]
fn a_saga_that_waits_for_an_operator_is_listed_shown_retried_and_resolved() {
    // The provider takes a second: time for a stock-take between the hold and the shipment.
    let shop = Shop::open_with(&["--provider-delay-ms=1000"]);
    let body = json!({"customer_id": "c", "order_id": new_id(), "items": [{"sku": "BOOK-ATLAS", "quantity": 3}],
        "payment": {"method": "card", "token": "tok_refund_fails"}});
    let id = body["order_id"].as_str().unwrap().to_string();
    let take = json!({"sku": "BOOK-ATLAS", "delta": -1, "reason": "stock-take"});
    shop.send("checkout.submit", &id, &body);
    shop.wait_for_hold(&id);
    shop.send("stock.adjust", "take", &take);

    let waiting = || shop.run(&["saga", "list", "--status", "needs_attention", "--json"]).json();
    until("the saga waits for an operator", || (waiting()[0]["order_id"] == id.as_str()).then_some(()));
    let shown = shop.run(&["saga", "show", &id]).ok();
    for part in
        ["needs_attention", "because", "you can: checkout saga resolve", "you can: checkout saga retry"]
    {
        assert!(shown.contains(part), "{part} is missing:\n{shown}");
    }
    assert!(!shop.run(&["saga", "show", &id, "--json"]).ok().contains("tok_refund_fails"));
    assert!(shop.run(&["order", "show", &id]).ok().contains("waits for an operator"));
    shop.run(&["audit"]).ok();

    shop.run(&["saga", "retry", &id, "--by", "me"]).ok();
    until("it has failed again", || {
        let shown = shop.run(&["saga", "show", &id]).ok();
        (shown.contains("needs_attention") && shown.contains("me retry")).then_some(())
    });
    shop.run(&["saga", "resolve", &id, "done", "--evidence", "bank transfer 77", "--by", "me"]).ok();
    shop.wait_for(&id, |view| view["status"] == "refunded");
    let shown = shop.run(&["saga", "show", &id]).ok();
    assert!(shown.contains("undone") && shown.contains("bank transfer 77"), "{shown}");
    shop.run(&["saga", "retry", &id]).fails(1, &["error: "]);
    shop.run(&["saga", "show", &new_id()]).fails(1, &["checkout saga list"]);
    let Shop { system, .. } = shop;
    assert_eq!(system.terminate(), 0);
}

#[test]
fn the_schema_goes_up_and_down_and_a_dry_run_changes_nothing() {
    let folder = Folder::new();
    let pending = folder.checkout(&["migrate", "--dry-run"]).ok();
    assert!(pending.starts_with("would apply 0001 schema\n"), "{pending}");
    assert!(!folder.path("checkout.db").exists());
    assert_eq!(folder.checkout(&["migrate", "up"]).ok(), pending.replace("would apply", "up"));
    assert_eq!(folder.checkout(&["migrate", "up", "--dry-run"]).ok(), "nothing to do\n");
    let would = folder.checkout(&["migrate", "down", "--to", "0", "--dry-run"]).ok();
    assert_eq!(would, pending.replace("would apply", "would undo"));
    folder.checkout(&["migrate", "down"]).fails(2, &["--yes"]);
    folder.checkout(&["order", "list"]).ok();
    let undone = folder.checkout(&["migrate", "down", "--yes"]).ok();
    assert_eq!(undone, would.replace("would undo", "down"));
    folder.checkout(&["order", "list"]).fails(1, &["older than this program"]);

    // The program starts, and migrates by itself. While it runs, no other command may drop its tables.
    let system = System::start(&folder, QUICK);
    folder.checkout(&["migrate", "down", "--yes"]).fails(1, &["another checkout runs on"]);
    assert_eq!(system.terminate(), 0);
    folder.assert_clean_at_rest();
}

#[test]
fn a_load_and_a_demo_keep_every_promise() {
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let folder = Folder::new();
            let mix = ["--declined", "10", "--short", "5", "--hot", "50"];
            let files = ["--audit", "--report", "r.json", "--svg", "r.svg"];
            let load = ["load", "--orders", "200", "--warm-up", "100"];
            let said = folder.checkout(&[&load[..], &mix, &files].concat()).ok();
            assert!(said.contains("300 orders, "), "{said}");
            let report: Value = serde_json::from_str(&folder.read("r.json")).unwrap();
            let ends = ["fulfilled", "cancelled", "rejected", "otherwise"].map(|end| report[end].clone());
            assert_eq!(ends, [json!(170), json!(30), json!(0), json!(0)]);
            assert!(report["per_order"]["messages"].as_f64().unwrap() > 5.0, "{report}");
            assert!(folder.read("r.svg").contains("<polyline"));
            folder.checkout(&["load", "--declined", "60", "--cancelled", "50"]).fails(2, &["110 of 100"]);
            // Through the gateway, with a client that follows each order; some are cancelled as soon as they are
            // placed.
            let http = ["load", "--orders", "100", "--entry", "http", "--watched", "--cancelled", "20"];
            folder.checkout(&[&http[..], &files].concat()).ok();
            let report: Value = serde_json::from_str(&folder.read("r.json")).unwrap();
            let count = |end: &str| report[end].as_u64().unwrap();
            assert_eq!(count("fulfilled") + count("cancelled"), 100, "{report}");
            assert_eq!(count("otherwise") + count("refused"), 0, "{report}");
            folder.checkout(&["load", "--entry", "amqp"]).fails(2, &["--amqp-url"]);
            folder.checkout(&["load", "--replicas", "2"]).fails(2, &["--database-url"]);
        });
        let told = Folder::new().checkout(&["demo", "--json"]).json();
        let scenes = told["scenes"].as_array().unwrap();
        assert!(scenes.len() >= 8, "{scenes:?}");
        for scene in scenes {
            assert_eq!(scene["as_told"], true, "{scene}");
        }
        assert!(told["seconds"].as_f64().unwrap() < 20.0, "it took {} s", told["seconds"]);
        assert_eq!(told["audit"]["orders"].as_u64().unwrap(), scenes.len() as u64);
    });
}

// ---- settings, usage, errors -----------------------------------------------------------------------------

#[test]
fn every_setting_says_where_it_comes_from() {
    let folder = Folder::new();
    folder.write("checkout.toml", "ship_patience_s = 9\nstock_patience_s = 9\nbatch_max = 9\n");
    let mut command = folder.command(&["config", "--json", "--batch-max", "7"]);
    command.env("CHECKOUT_STOCK_PATIENCE_S", "8").env("CHECKOUT_BATCH_MAX", "8");
    let shown = folder.run(command, b"").json();
    let of = |name: &str| {
        let one = shown.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
        (one["value"].as_str().unwrap().to_string(), one["from"].as_str().unwrap().to_string())
    };
    let is = |value: &str, from: &str| (value.to_string(), from.to_string());
    assert_eq!(of("batch_max"), is("7", "flag"));
    assert_eq!(of("stock_patience_s"), is("8", "environment"));
    assert_eq!(of("ship_patience_s"), is("9", "file"));
    assert_eq!(of("payment_patience_s"), is("300", "default"));
    folder.write("checkout.toml", "shippatience_s = 9\n");
    folder.checkout(&["config"]).fails(2, &["checkout.toml", "did you mean ship_patience_s?"]);
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest_known_one() {
    let folder = Folder::new();
    let mut command = folder.command(&["config"]);
    command.env("CHECKOUT_LISTN", "127.0.0.1:1");
    let run = folder.run(command, b"");
    assert_eq!(run.code, 0, "an unknown variable must not stop the program");
    assert!(run.err.contains("CHECKOUT_LISTN is not a setting; did you mean listen?"), "{}", run.err);
    folder.checkout(&["dev", "--lisen", "127.0.0.1:1"]).fails(2, &["'--listen'"]);
    folder.checkout(&["ordr"]).fails(2, &["'order'"]);
    folder.checkout(&["dev", "--listen", "here"]).fails(2, &["listen = \"here\" (from flag)"]);
}

#[test]
fn what_cannot_be_done_says_what_to_do_instead() {
    let folder = Folder::new();
    folder.checkout(&["order", "list"]).fails(1, &["there is no database at", "start the system once"]);
    let system = System::start(&folder, QUICK);
    folder
        .checkout(&["dev", "--listen=127.0.0.1:0"])
        .fails(1, &["another checkout runs on", "--database-url"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("--listen={}", taken.local_addr().unwrap());
    Folder::new().checkout(&["dev", &listen]).fails(1, &["cannot listen on", "port 0 picks a free one"]);

    let order = new_id();
    folder.checkout(&["order", "show", &order]).fails(1, &[&order, "checkout order list"]);
    folder.checkout(&["order", "cancel", &order]).fails(1, &["nobody has heard of"]);
    folder.checkout(&["order", "show", "17"]).fails(2, &["is no order id"]);
    folder.checkout(&["order", "watch", &order, "--wait-s", "1"]).fails(1, &["within 1 s"]);
    folder.checkout(&["submit", "nowhere.json"]).fails(2, &["cannot read nowhere.json"]);
    folder.checkout(&["load", "--orders", "0"]).fails(2, &["--orders"]);
    system.kill_9();
    folder.checkout_reading("{}", &["submit", "-"]).fails(1, &["does not answer", "checkout dev"]);
}

#[test]
fn a_load_that_waits_for_a_server_says_so() {
    let folder = Folder::new();
    let mut load = folder.command(&["load", "--orders=1", "--amqp-url=amqp://127.0.0.1:1/%2f"]);
    load.env("TMPDIR", folder.path(".")).stdout(Stdio::null());
    load.stderr(File::create(folder.path("load.log")).unwrap());
    let _running = Running::spawn(&mut load);
    until("waiting for the broker", || {
        folder.read("load.log").contains("waiting for the broker").then_some(())
    });
}

#[test]
fn every_command_has_an_example_in_its_help() {
    let folder = Folder::new();
    let mut commands = vec![Vec::<String>::new()];
    let mut seen = 0;
    while let Some(command) = commands.pop() {
        let mut args: Vec<&str> = command.iter().map(String::as_str).collect();
        args.push("--help");
        let help = folder.checkout(&args).ok();
        assert!(help.contains("\nExample: checkout "), "checkout {} has no example:\n{help}", args.join(" "));
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        for line in listed.take_while(|line| line.starts_with("  ")) {
            let name = line.split_whitespace().next().unwrap_or_default();
            if name != "help" && line.starts_with("  ") && !line.starts_with("   ") {
                commands.push([command.clone(), vec![name.to_string()]].concat());
            }
        }
        seen += 1;
    }
    assert!(seen > 20, "only {seen} commands were found");
}

#[test]
fn a_reader_that_stops_is_no_error() {
    let shop = Shop::open();
    let binary = env!("CARGO_BIN_EXE_checkout");
    // `true` reads nothing and exits at once; which of the two is faster varies, so there are many tries.
    let script = format!("for i in 1 2 3 4 5; do {binary} config | true; echo ${{PIPESTATUS[0]}}; done");
    let mut command = std::process::Command::new("bash");
    command.args(["-c", &script]).current_dir(shop.folder.path(""));
    let run = shop.folder.run(command, b"");
    assert_eq!((run.out.as_str(), run.err.as_str()), ("0\n0\n0\n0\n0\n", ""));
    shop.close();
}

fn example() -> String {
    root().join(EXAMPLE).display().to_string()
}
