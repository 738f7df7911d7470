//! The mock provider posts its events: signed, until the receiver takes them, and visibly when no receiver does.

use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use webhook::standard::{Headers, Secrets};

use super::SECRET;
use crate::support::endpoint::{Endpoint, Post, Reply};
use crate::support::shop::{Shop, checkout};
use crate::support::system::System;
use crate::support::{Folder, new_id, until};

/// A shop whose provider posts to that endpoint, and retries at once so many times.
fn shop(endpoint: &Endpoint, retries: usize, also: &[&str]) -> Shop {
    let url = format!("--provider-webhook-url={}", endpoint.url());
    let retries = format!("--provider-webhook-retries-s={}", vec!["0"; retries].join(","));
    let secret = format!("--webhook-secret={SECRET}");
    Shop::open_with(&[&[url.as_str(), &retries, &secret], also].concat())
}

/// The signature is what the provider claims, as any receiver of Standard Webhooks would check it.
#[track_caller]
fn believed(post: &Post) -> Value {
    let of = |name: &str| post.headers.get(name).map(String::as_str).unwrap_or_default();
    let headers = Headers {
        id: of("webhook-id"),
        timestamp: of("webhook-timestamp"),
        signature: of("webhook-signature"),
    };
    let now_s = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs() as i64;
    let secrets = Secrets::try_from(SECRET.to_string()).unwrap();
    secrets.verify(headers, &post.body, now_s).unwrap_or_else(|forged| panic!("{forged}: {post:?}"));
    let event: Value = serde_json::from_slice(&post.body).unwrap();
    assert_eq!((of("webhook-id"), of("content-type")), (event["id"].as_str().unwrap(), "application/json"));
    assert_eq!(post.path, "/hooks");
    event
}

#[test]
fn an_event_is_posted_until_an_endpoint_that_refuses_dies_and_delays_has_taken_it() {
    let (hung_up, noticed) = mpsc::channel();
    let endpoint = Endpoint::open(move |before, _| match before {
        0 => Reply::Status(500, ""),
        1 => Reply::Nothing,
        2 => Reply::Status(302, "location: /elsewhere"),
        3 => Reply::Status(404, "retry-after: 3600"),
        4 => {
            let hung_up = hung_up.clone();
            Reply::NothingFor(Box::new(move || hung_up.send(()).unwrap()))
        }
        5 => Reply::Status(503, "retry-after: 1"),
        _ => Reply::Status(204, ""),
    });
    let shop = shop(&endpoint, 6, &[]);
    let id = shop.submit("BOOK-DUNE", "card", "tok_ok");
    let posts = endpoint.wait_for(7);
    noticed.recv_timeout(Duration::from_secs(5)).expect("a client that is kept waiting hangs up");
    let events: Vec<_> = posts.iter().map(believed).collect();
    assert!(events.iter().all(|event| *event == events[0]), "the same id and body each time");
    assert_eq!(
        (&events[0]["type"], &events[0]["data"]["reference"]),
        (&"payment.succeeded".into(), &Value::from(id.as_str()))
    );
    let asked_to_wait: i64 = posts[6].headers["webhook-timestamp"].parse::<i64>().unwrap()
        - posts[5].headers["webhook-timestamp"].parse::<i64>().unwrap();
    assert!(asked_to_wait >= 1, "it had asked for a second");

    // The endpoint has accepted it and passes it on itself, so nothing is posted again.
    shop.send("payment.webhook", events[0]["id"].as_str().unwrap(), &events[0]);
    shop.wait_for(&id, |view| view["status"] == "fulfilled");
    until("the provider's books say so", || {
        let doctor = shop.run(&doctor(&endpoint)).out;
        doctor.contains("has taken every event").then_some(())
    });
    assert_eq!(endpoint.received().len(), 7);
}

#[test]
fn an_event_that_no_endpoint_takes_is_given_up_and_stays_visible_and_no_order_waits_for_it() {
    let endpoint = Endpoint::open(|_, _| Reply::Status(400, ""));
    let shop = shop(&endpoint, 2, &["--payment-patience-s=1"]);
    let id = shop.submit("BOOK-DUNE", "card", "tok_ok");
    // When patience runs out, the provider is asked.
    shop.wait_for(&id, |view| view["status"] == "fulfilled");
    let posts = endpoint.wait_for(3);
    assert!(posts.iter().all(|post| believed(post)["data"]["reference"] == id.as_str()));
    until("it is given up", || shop.log().contains("an event is given up").then_some(()));
    let doctor = shop.run(&doctor(&endpoint)).out;
    for says in ["has not taken 1 events, 1 of them were given up", "400 Bad Request"] {
        assert!(doctor.contains(says), "{says} is missing:\n{doctor}");
    }
    let (status, metrics) = crate::support::http::get(shop.system.ingress().address(), "/metrics").unwrap();
    assert_eq!(status, 200);
    for line in ["outcome=\"refused\"} 2", "outcome=\"given_up\"} 1"] {
        assert!(metrics.contains(&format!("checkout_webhook_posts_total{{{line}\n")), "{metrics}");
    }
    assert_eq!(endpoint.received().len(), 3);
}

#[test]
fn an_endpoint_that_says_it_is_gone_is_left_alone_until_the_next_start() {
    let endpoint = Endpoint::open(|before, _| Reply::Status(if before == 0 { 410 } else { 200 }, ""));
    let Shop { folder, system } = shop(&endpoint, 2, &[]);
    let ids = [new_id(), new_id()];
    let submit = |system: &System, id: &str| {
        let body = checkout(id, "BOOK-DUNE", "card", "tok_ok");
        assert_eq!(system.ingress().send("checkout.submit", id, &body).unwrap().0, 202);
    };
    submit(&system, &ids[0]);
    until("no more posts are tried", || {
        folder.read(&system.log).contains("says that it is gone").then_some(())
    });
    submit(&system, &ids[1]);
    until("both are charged", || {
        let charges = crate::support::block_on(folder.world("select key from charges"));
        (charges.len() == 2).then_some(())
    });
    assert_eq!(system.terminate(), 0);
    assert_eq!(endpoint.received().len(), 1);

    let url = format!("--provider-webhook-url={}", endpoint.url());
    let secret = format!("--webhook-secret={SECRET}");
    let settings = [crate::support::system::QUICK, &[url.as_str(), &secret]].concat();
    let system = System::start(&folder, &settings);
    let posts = endpoint.wait_for(3);
    let mut references: Vec<_> =
        posts[1..].iter().map(|post| believed(post)["data"]["reference"].clone()).collect();
    references.sort_by_key(|reference| *reference != ids[0].as_str());
    assert_eq!(references, ids);
    system.kill_9();
}

#[test]
fn what_could_never_work_is_refused_at_the_start() {
    let folder = Folder::new();
    let url = "--provider-webhook-url=http://127.0.0.1:1/webhooks/payments";
    folder.checkout(&["all", url]).fails(2, &["webhook_secret is not", "head -c 32"]);
    folder
        .checkout(&["dev", "--provider-webhook-url=https://shop.example/x"])
        .fails(2, &["http://", "no TLS"]);
    folder.checkout(&["dev", "--webhook-secret=whsec_c2hvcnQ="]).fails(2, &["24 to 64 bytes and holds 5"]);
    let config = folder.checkout(&["config", "--webhook-secret", SECRET]).ok();
    assert!(config.contains("***") && !config.contains("BwcH"), "{config}");
}

fn doctor(endpoint: &Endpoint) -> Vec<&'static str> {
    let url = format!("--provider-webhook-url={}", endpoint.url()).leak();
    let secret = format!("--webhook-secret={SECRET}").leak();
    vec!["doctor", url, secret]
}
