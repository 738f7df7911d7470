//! Several gateways act as one: an order that one of them accepted is known to all, and each hears what becomes of
//! it.

use serde_json::json;

use super::orders::{body, id_of, place, place_and_wait};
use crate::dashboard::Browser;
use crate::support::http_client::{HttpClient, in_an_hour, token};
use crate::support::served::Served;
use crate::support::until;

#[test]
fn a_key_stands_for_one_order_at_whichever_gateway_and_each_of_them_hears_its_outcome() {
    let served = Served::new();
    let mut workers = served.spawn(&["all"]);
    let mut gateway = served.spawn(&["gateway"]);
    let (one, other) = (served.ready(&mut workers), served.ready(&mut gateway));
    served.run(&["sample"]).ok();
    let (here, there) = (HttpClient::customer(one, "anna"), HttpClient::customer(other, "anna"));
    let order = body("BOOK-DUNE", 1, "tok_ok");
    let first = until("the goods", || {
        let answer = place(&here, "k", &order);
        (answer.status == 202).then(|| id_of(&answer))
    });
    let answers: Vec<_> = std::thread::scope(|scope| {
        let sent: Vec<_> = (0..20)
            .map(|number| if number % 2 == 0 { &here } else { &there })
            .map(|web| scope.spawn(|| place_and_wait(web, "k", &order).is(201)))
            .collect();
        sent.into_iter().map(|sent| sent.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| id_of(answer) == first), "{answers:?}");
    place(&there, "k", &body("BOOK-DUNE", 2, "tok_ok")).problem(422, "IDEMPOTENCY_KEY_REUSED");
    let declined = place_and_wait(&there, "d", &body("BOOK-DUNE", 1, "tok_declined"));
    declined.problem(402, "ORDER_PAYMENT_FAILED");
    assert_eq!(there.get("/orders").is(200).json()["items"].as_array().unwrap().len(), 1);
    let watched = there.get(&format!("/orders/{first}/events")).is(200);
    assert!(watched.text.contains("event: end"), "{watched:?}");
    let shown = there.send("GET", &format!("/orders/{first}"), &[], b"").is(200).json();
    assert_eq!(shown["payment"]["charged"], json!({"amount": "12.99", "currency": "EUR"}));
    assert_eq!((gateway.terminate(), workers.terminate()), (0, 0));
    served.assert_clean_at_rest();
}

#[test]
fn a_sign_out_at_one_gateway_counts_at_all() {
    let served = Served::new();
    let (mut one, mut other) = (served.spawn(&["gateway"]), served.spawn(&["gateway"]));
    let (here, there) = (served.ready(&mut one), served.ready(&mut other));
    let token = token(&json!({"sub": "anna", "role": "admin", "exp": in_an_hour()}));
    let at = |address| Browser { web: HttpClient::stranger(address), cookie: String::new() };
    let (mut browser, mut elsewhere) = (at(here), at(there));
    browser.sign_in(&token).is(303);
    elsewhere.sign_in(&token).is(303);
    browser.post("/dashboard/sign-out", &[("form_token", &browser.form_token("/"))]).is(303);
    assert_eq!(elsewhere.get("/").status, 401);
    HttpClient::with_token(there, &token).get("/admin/orders").problem(401, "UNAUTHORIZED");
    assert_eq!((one.terminate(), other.terminate()), (0, 0));
}
