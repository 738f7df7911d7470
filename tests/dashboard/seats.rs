//! Who may open the dashboard: an admin with a token or the cookie for one, and in a demo shop anyone at this
//! machine.

use serde_json::json;

use super::{Browser, Office, admin_token, customer_token};
use crate::gateway::GatewayTest;
use crate::support::http_client::{HttpClient, in_an_hour, token};

#[test]
fn only_an_admin_sees_any_page_and_the_others_are_told_why() {
    let office = Office::open();
    let asked = office.browser().get("/dashboard/events/overview?x=1");
    assert_eq!(asked.status, 401);
    assert!(
        asked.text.contains("Sign in") && asked.text.contains("value=\"/dashboard/events/overview?x=1\"")
    );
    assert_eq!(office.browser().get("/").status, 401);
    for forged in ["nonsense", "", &token(&json!({"sub": "x", "role": "admin", "exp": 1}))] {
        let mut browser = office.browser();
        let answer = browser.sign_in(forged);
        assert_eq!((answer.status, answer.headers.get("set-cookie")), (401, None), "{forged}");
    }
    let refused = office.browser().sign_in(&customer_token());
    assert_eq!((refused.status, refused.headers.get("set-cookie")), (403, None));
    let customer = Browser { cookie: format!("checkout_admin={}", customer_token()), ..office.browser() };
    assert_eq!(customer.get("/").status, 403);
    assert_eq!(HttpClient::with_token(office.address(), &customer_token()).get("/").status, 403);
    assert_eq!(HttpClient::with_token(office.address(), &admin_token()).get("/").status, 200);
    assert_eq!(office.admin().get("/").status, 200);
}

#[test]
fn the_cookie_is_out_of_reach_of_scripts_and_other_sites_and_good_for_pages_alone() {
    let office = Office::open();
    let mut browser = office.browser();
    let answer = browser.sign_in(&admin_token());
    assert_eq!(answer.headers["location"], "/");
    let cookie = &answer.headers["set-cookie"];
    for says in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(says), "{cookie}");
    }
    assert!(!cookie.contains("Secure") && !cookie.contains("Max-Age"), "{cookie}");
    let form = [("token", admin_token()), ("next", "//evil.example".to_string())];
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let host = office.address().to_string();
    let behind_tls = browser.post_as("/dashboard/sign-in", &form, &[("origin", &format!("https://{host}"))]);
    let secure = &behind_tls.headers["set-cookie"];
    assert!(secure.starts_with("__Host-checkout_admin=") && secure.ends_with("; Secure"), "{secure}");
    assert!(secure.contains("; Path=/;") && !secure.contains("Domain"), "{secure}");
    assert_eq!(behind_tls.headers["location"], "/", "no redirect to another site");
    browser.get("/admin/orders").problem(401, "UNAUTHORIZED");
    browser.get("/orders").problem(401, "UNAUTHORIZED");
    let out = browser.post("/dashboard/sign-out", &[("form_token", &browser.form_token("/"))]).is(303);
    assert!(
        out.headers["set-cookie"].starts_with("checkout_admin=; ")
            && out.headers["set-cookie"].contains("Max-Age=0")
    );
}

#[test]
fn a_form_is_heard_only_from_a_page_of_ours() {
    let office = Office::open();
    let admin = office.admin();
    let token = admin.form_token("/");
    let path = "/dashboard/sign-out";
    assert_eq!(admin.post(path, &[]).status, 403, "no token");
    assert_eq!(admin.post(path, &[("form_token", "0123456789abcdef")]).status, 403, "a guess");
    let other = token_of_another();
    let mut another = office.browser();
    another.sign_in(&other).is(303);
    assert_eq!(
        admin.post(path, &[("form_token", &another.form_token("/"))]).status,
        403,
        "another session's"
    );
    for from in [
        [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
        [("origin", "https://evil.example"), ("sec-fetch-mode", "navigate")],
        [("origin", "null"), ("sec-fetch-site", "same-origin")],
    ] {
        assert_eq!(admin.post_as(path, &[("form_token", &token)], &from).status, 403, "{from:?}");
    }
    assert_eq!(admin.post(path, &[("form_token", &token)]).status, 303);
}

#[test]
fn over_https_the_cookie_belongs_to_this_host_alone_and_a_plain_one_counts_at_this_machine_only() {
    let office = Office::open();
    let web = office.browser().web;
    let token = admin_token();
    let status = |host: &str, name: &str| {
        let headers = [("host", host), ("cookie", &*format!("{name}={token}"))];
        web.send("GET", "/", &headers, b"").status
    };
    assert_eq!(status("shop.example", "__Host-checkout_admin"), 200);
    assert_eq!(status("shop.example", "checkout_admin"), 401, "a neighbouring host name may have set it");
    assert_eq!(status("localhost:8080", "checkout_admin"), 200);
    // No session begins over plain http from another machine: its token would cross the network in the clear.
    let form = [("token", token.as_str()), ("next", "/")];
    let sign_in = |headers: &[(&str, &str)]| office.browser().post_as("/dashboard/sign-in", &form, headers);
    let (host, origin) = (("host", "shop.example"), ("origin", "http://shop.example"));
    let refused = sign_in(&[host, origin]);
    assert_eq!((refused.status, refused.headers.get("set-cookie")), (403, None));
    let forwarded = sign_in(&[host, origin, ("x-forwarded-proto", "https")]).is(303);
    assert!(forwarded.headers["set-cookie"].starts_with("__Host-"), "{forwarded:?}");
}

#[test]
fn a_signed_out_token_is_refused_in_a_cookie_and_in_a_header() {
    let office = Office::open();
    let (mut browser, mut other) = (office.browser(), office.browser());
    let (anna, bert) = (admin_token(), token_of_another());
    browser.sign_in(&anna).is(303);
    other.sign_in(&bert).is(303);
    browser.post("/dashboard/sign-out", &[("form_token", &browser.form_token("/"))]).is(303);
    assert_eq!(browser.get("/").status, 401, "a copy of the cookie");
    assert_eq!(office.browser().sign_in(&anna).status, 401);
    HttpClient::with_token(office.address(), &anna).get("/admin/orders").problem(401, "UNAUTHORIZED");
    assert_eq!(other.get("/").status, 200, "another admin's session goes on");
    assert_eq!(HttpClient::with_token(office.address(), &bert).get("/admin/orders").status, 200);
}

fn token_of_another() -> String {
    token(&json!({"sub": "bert", "role": "admin", "exp": in_an_hour()}))
}

#[test]
fn a_browser_on_this_machine_is_let_in_to_play_and_none_from_elsewhere() {
    let gate = GatewayTest::open();
    let web = gate.stranger();
    assert_eq!(web.get("/").status, 200);
    let port = gate.shop.system.ingress().address().port();
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        assert_eq!(web.send("GET", "/", &[("host", &format!("{host}:{port}"))], b"").status, 200, "{host}");
    }
    // A host name that was made to resolve to this machine, a proxy, and another site's script.
    let rebound = format!("evil.example:{port}");
    for header in
        [("host", rebound.as_str()), ("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=203.0.113.7")]
    {
        assert_eq!(web.send("GET", "/", &[header], b"").status, 401, "{header:?}");
    }
    for header in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        assert_eq!(web.send("GET", "/", &[header], b"").status, 403, "{header:?}");
    }
    // Only pages accept the session's cookie.
    web.get("/admin/orders").problem(401, "UNAUTHORIZED");
    gate.shop.close();
}
