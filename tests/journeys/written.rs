//! What the commands write, and what must not be in it: no colours in files, no addresses in logs.

use serde_json::{Value, json};

use crate::support::new_id;
use crate::support::shop::Shop;

#[test]
fn nothing_but_text_goes_to_a_file_or_a_pipe() {
    let shop = Shop::open();
    let id = shop.submit("BOOK-DUNE", "card", "tok_ok");
    shop.wait_for(&id, |view| view["status"] == "fulfilled");
    for args in [
        &["order", "list"][..],
        &["order", "show", &id, "--messages"],
        &["audit"],
        &["config"],
        &["saga", "list"],
        &["saga", "show", &id],
        &["dead", "list"],
        &["--help"],
        &["nonsense"],
    ] {
        for no_color in [false, true] {
            let mut command = shop.folder.command(args);
            if no_color {
                command.env("NO_COLOR", "1");
            }
            let run = shop.folder.run(command, b"");
            assert!(!run.out.contains('\u{1b}') && !run.err.contains('\u{1b}'), "{args:?}: {:?}", run.out);
        }
    }
    assert!(!shop.story().contains('\u{1b}') && !shop.log().contains('\u{1b}'));
    shop.close();
}

#[test]
fn on_a_terminal_no_color_means_no_color() {
    let shop = Shop::open();
    let folder = &shop.folder;
    let on_terminal = |no_color: bool| {
        let mut command = folder.command(&["audit"]);
        let program = command.get_program().to_string_lossy().into_owned();
        let mut typed = std::process::Command::new("script");
        typed.args(["-qec", &format!("{program} audit"), "/dev/null"]).current_dir(folder.path(""));
        typed
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env_remove("NO_COLOR");
        if no_color {
            typed.env("NO_COLOR", "1");
        }
        command = typed;
        folder.run(command, b"").ok()
    };
    assert!(on_terminal(false).contains('\u{1b}'), "on a terminal there is colour");
    assert!(!on_terminal(true).contains('\u{1b}'), "{:?}", on_terminal(true));
    shop.close();
}

#[test]
fn a_log_line_is_json_names_its_order_and_no_address() {
    const SECRETS: [&str; 5] =
        ["marker.person@example.org", "4915112345678", "tok_marker", "not an address", "marker-no-phone"];
    let shop = Shop::open_with(&["--log=trace"]);
    let id = new_id();
    let body = json!({"order_id": id, "customer_id": "c", "items": [{"sku": "BOOK-DUNE", "quantity": 1}],
        "payment": {"method": "card", "token": "tok_marker"},
        "contact": {"email": "marker.person@example.org", "phone": "+4915112345678"}});
    shop.send("checkout.submit", &id, &body);
    shop.wait_for(&id, |view| view["status"] == "fulfilled");
    let mut bad = body.clone();
    bad["contact"] = json!({"email": "not an address", "phone": "marker-no-phone"});
    shop.send("checkout.submit", &new_id(), &bad);
    bad["order_id"] = json!(new_id());
    shop.send("checkout.submit", &new_id(), &bad);
    shop.dead_letter("order_id_reused");
    let declined = shop.submit("BOOK-DUNE", "card", "tok_declined");
    shop.wait_for(&declined, |view| view["status"] == "cancelled");
    let Shop { folder, system } = shop;
    let token = serde_json::from_str::<Value>(&folder.read("checkout.run")).unwrap()["token"].clone();
    let log = system.log.clone();
    assert_eq!(system.terminate(), 0);

    let log = folder.read(&log);
    let mut about_messages = 0;
    for line in log.lines() {
        let fields: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        for secret in SECRETS.iter().copied().chain(token.as_str()) {
            assert!(!line.contains(secret), "it says {secret:?}: {line}");
        }
        let kind = fields["name"].as_str().unwrap_or_default();
        let of_no_order =
            ["product.", "discount.", "stock.count"].iter().any(|kinds| kind.starts_with(kinds));
        let ours = fields["target"].as_str().unwrap_or_default().starts_with("checkout");
        if ours && (fields.get("message_id").is_some() || fields.get("key").is_some()) && !of_no_order {
            assert!(fields["order_id"].is_string(), "about which order is this? {line}");
            about_messages += 1;
        }
    }
    assert!(about_messages > 30, "only {about_messages} lines were about messages");
}
