//! What every route has in common: methods, headers, limits, and a listener that no client can block.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use super::GatewayTest;
use crate::support::http_client::{Answer, HttpClient};
use crate::support::served::SECRET;
use crate::support::system::{QUICK, System};
use crate::support::{Folder, until};

#[test]
fn what_there_is_not_and_what_is_not_allowed_are_problems_that_say_what_there_is() {
    let gate = GatewayTest::open();
    let web = gate.stranger();
    web.get("/nowhere").problem(404, "NOT_FOUND");
    let other = web.send("DELETE", "/openapi.json", &[], b"");
    other.problem(405, "METHOD_NOT_ALLOWED");
    assert_eq!(other.headers["allow"], "GET, HEAD, OPTIONS");
    assert_eq!(web.send("OPTIONS", "/openapi.json", &[], b"").is(204).headers["allow"], "GET, HEAD, OPTIONS");
    let head = web.send("HEAD", "/health", &[], b"").is(200);
    assert_eq!((head.text.as_str(), head.headers["content-length"].as_str()), ("", "3"));
    let admin = gate.admin();
    admin.send("POST", "/admin/roles/%ff/pause", &[], b"{}").problem(400, "PATH_INVALID");
    admin.post("/admin/roles/cook/pause", &json!({"by": "anna"})).problem(404, "ROLE_UNKNOWN");
    let form = [("content-type", "text/plain")];
    admin.send("POST", "/admin/messages", &form, b"").problem(415, "CONTENT_TYPE_UNSUPPORTED");
    gate.shop.close();
}

#[test]
fn a_request_names_exactly_one_host() {
    let gate = GatewayTest::open();
    let address = gate.shop.system.ingress().address();
    let asked = |version: &str, hosts: &[&str]| {
        let mut stream = TcpStream::connect(address).unwrap();
        let hosts: String = hosts.iter().map(|host| format!("host: {host}\r\n")).collect();
        let head = format!("GET /health HTTP/{version}\r\nconnection: close\r\n{hosts}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        Answer::read(&answer).unwrap()
    };
    assert_eq!(asked("1.1", &["shop.example"]).status, 200);
    assert_eq!(asked("1.0", &[]).status, 200);
    asked("1.1", &[]).problem(400, "HOST_INVALID");
    for several in [["shop.example", "evil.example"], ["shop.example", "shop.example"]] {
        asked("1.1", &several).problem(400, "HOST_INVALID");
        asked("1.0", &several).problem(400, "HOST_INVALID");
    }
    gate.shop.close();
}

#[test]
fn every_answer_forbids_guessing_framing_and_keeping_and_names_its_request() {
    let gate = GatewayTest::open();
    for path in ["/health", "/nowhere", "/openapi.json"] {
        let answer = gate.stranger().send("GET", path, &[("x-request-id", "mine-7")], b"");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("x-request-id", "mine-7"),
        ] {
            assert_eq!(answer.headers.get(name).map(String::as_str), Some(value), "{path}");
        }
        assert!(answer.headers["content-security-policy"].contains("default-src 'none'"), "{path}");
    }
    let odd = gate.stranger().send("GET", "/health", &[("x-request-id", "a b")], b"");
    assert_eq!(odd.headers["x-request-id"].len(), 36, "an id that is unfit for a log is replaced");
    gate.shop.close();
}

#[test]
fn web_pages_from_elsewhere_may_call_only_if_a_setting_names_them() {
    let gate = GatewayTest::open_with(&["--cors-origins=https://shop.example"]);
    let from = |origin: &str, method: &str| {
        let asks = [("origin", origin), ("access-control-request-method", "POST")];
        gate.stranger().send(method, "/admin/messages", &asks, b"")
    };
    let asked = from("https://shop.example", "OPTIONS").is(204);
    assert_eq!(asked.headers["access-control-allow-origin"], "https://shop.example");
    assert!(asked.headers["access-control-allow-headers"].contains("idempotency-key"));
    let called = from("https://shop.example", "GET");
    assert_eq!(called.headers["access-control-allow-origin"], "https://shop.example");
    for stranger in ["https://shop.example.evil", "http://shop.example", "null"] {
        assert!(!from(stranger, "OPTIONS").headers.contains_key("access-control-allow-origin"), "{stranger}");
    }
    gate.shop.close();
}

#[test]
fn a_client_that_asks_too_often_is_told_when_to_come_again_and_the_command_line_is_not_held_up() {
    let gate = GatewayTest::open_with(&["--rate-per-customer=1"]);
    let many = |web: &crate::support::http_client::HttpClient| {
        (0..10).map(|_| web.get("/admin/messages").status).max()
    };
    let admin = gate.admin();
    let start = Instant::now();
    while admin.post("/admin/roles/cook/pause", &json!({"by": "anna"})).status != 429 {
        assert!(start.elapsed() < Duration::from_secs(20), "other clients were held up");
    }
    let answer = admin.post("/admin/roles/cook/pause", &json!({"by": "anna"}));
    answer.problem(429, "TOO_MANY_REQUESTS");
    assert!(answer.headers["retry-after"].parse::<u64>().unwrap() >= 1);
    assert_eq!(many(&gate.stranger()), Some(405), "strangers are counted by their address");
    gate.shop.close();
}

#[test]
fn a_monitor_hears_how_the_process_is_however_much_its_address_asks() {
    let gate = GatewayTest::open_with(&["--rate-per-address=1"]);
    let web = gate.stranger();
    for _ in 0..10 {
        web.get("/health").is(200);
        web.get("/health/ready").is(200);
    }
    until("the address's share to be used up", || (web.get("/openapi.json").status == 429).then_some(()));
    web.get("/health").is(200);
    web.get("/health/ready").is(200);
    gate.shop.close();
}

#[test]
fn metrics_are_on_a_listener_of_their_own_where_a_setting_says_so_and_health_is_on_both() {
    let folder = Folder::new();
    let secret = format!("--jwt-secret={SECRET}");
    let settings: Vec<_> = QUICK.iter().copied().chain([&*secret, "--ops-listen=127.0.0.1:0"]).collect();
    let system = System::at_work(&folder, &settings);
    let ops = until("the address of the ops listener", || {
        let log = folder.read(&system.log);
        let rest = log.split("metrics are at http://").nth(1)?;
        rest.split('/').next()?.parse::<SocketAddr>().ok()
    });
    let (main, ops_web) = (HttpClient::stranger(system.ingress().address()), HttpClient::stranger(ops));
    for page in ["/health", "/health/ready"] {
        main.get(page).is(200);
        ops_web.get(page).is(200);
    }
    main.get("/metrics").problem(404, "NOT_FOUND");
    assert!(ops_web.get("/metrics").is(200).text.contains("checkout_connections_over_cap_total"));
    ops_web.get("/dashboard").is(404);
    // A container's health check asks on the metrics address, even if no other route is served.
    let at_ops = format!("--ops-listen={ops}");
    assert!(folder.checkout(&["health", "--listen=none", &at_ops]).ok().contains("ready"));
    assert_eq!(system.terminate(), 0);
}

#[test]
fn a_head_that_never_ends_and_a_line_that_says_nothing_are_hung_up_on() {
    let gate = GatewayTest::open();
    let address = gate.shop.system.ingress().address();
    let begun = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(25))).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    };
    let silent = begun(b"");
    let slow = begun(b"GET /health HTTP/1.1\r\nhost: x\r\nx-slow: ");
    let kept = begun(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
    let half = begun(b"POST /admin/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{");
    for (what, mut stream) in [("silent", silent), ("slow", slow), ("kept", kept), ("half", half)] {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap_or_else(|why| panic!("{what} was kept: {why}"));
    }
    let large = format!("GET /health HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "x".repeat(64 << 10));
    let mut stream = begun(large.as_bytes());
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    if !answer.is_empty() {
        assert_eq!(Answer::read(&String::from_utf8_lossy(&answer)).unwrap().status, 431);
    }
    gate.shop.close();
}

#[test]
fn a_body_that_dawdles_is_given_up() {
    let gate = GatewayTest::open();
    let admin = gate.admin();
    let mut stream = admin.begin("POST", "/admin/messages", &[("content-length", "9")], b"").unwrap();
    stream.write_all(b"{").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    Answer::read(&answer).unwrap().problem(408, "BODY_TOO_SLOW");
    gate.shop.close();
}
