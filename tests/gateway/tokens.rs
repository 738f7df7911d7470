//! A token is accepted if our key signed it, by the key's own algorithm, and it has not expired. Every other token is
//! refused with the same words.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::GatewayTest;
use crate::support::http_client::{in_an_hour, now_s, signed, token};
use crate::support::served::SECRET;

/// An admin's token, which still needs a valid signature.
fn claims() -> Value {
    json!({"sub": "anna", "role": "admin", "exp": in_an_hour()})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

#[test]
fn every_way_in_which_a_token_can_be_wrong_has_the_same_answer() {
    let gate = GatewayTest::open();
    let ours = EncodingKey::from_secret(SECRET.as_bytes()).unwrap();
    let theirs = EncodingKey::from_secret(b"another secret, which is just as long as ours").unwrap();
    let good = token(&claims());
    let (head, rest) = good.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let mut without_exp = claims();
    without_exp.as_object_mut().unwrap().remove("exp");
    let mut without_sub = claims();
    without_sub.as_object_mut().unwrap().remove("sub");
    // {"alg":"none","typ":"JWT"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let mut refused = None;
    for (what, bad) in [
        ("nothing", String::new()),
        ("no token", "hello".into()),
        ("no signature", format!("{head}.{body}.")),
        ("alg none", format!("{none}.{body}.")),
        ("alg none, signed", format!("{none}.{body}.{signature}")),
        ("another key", signed(&Header::default(), &claims(), &theirs)),
        ("another algorithm", signed(&Header::new(Algorithm::HS512), &claims(), &ours)),
        ("run out", token(&with("exp", json!(now_s() - 60)))),
        ("not yet good", token(&with("nbf", json!(now_s() + 600)))),
        ("no end", token(&without_exp)),
        ("an end that is no number", token(&with("exp", json!("tomorrow")))),
        ("nobody", token(&without_sub)),
        ("a name that moves the cursor", token(&with("sub", json!("a\u{202e}b")))),
        ("a role that there is not", token(&with("role", json!("operator")))),
        ("tampered with", good.replace(body, &body.replace(&body[4..8], "AAAA"))),
    ] {
        let answer = gate.with_token(&bad).post("/admin/messages", &json!({}));
        let problem = answer.problem(401, "UNAUTHORIZED");
        assert_eq!(answer.headers["www-authenticate"], "Bearer", "{what}");
        assert_eq!(refused.get_or_insert(problem.clone()), &problem, "{what}");
    }
    gate.with_token(&good).post("/admin/messages", &json!({})).problem(400, "ENVELOPE_INVALID");
    gate.customer("customer-7").post("/admin/messages", &json!({})).problem(403, "FORBIDDEN");
    let mut plain = claims();
    plain.as_object_mut().unwrap().remove("role");
    gate.with_token(&token(&plain)).post("/admin/messages", &json!({})).problem(403, "FORBIDDEN");
    gate.shop.close();
}

/// This header as it is, signed with our own key.
fn headed(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = aws_lc_rs::hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn a_token_with_an_unknown_critical_header_is_refused() {
    let gate = GatewayTest::open();
    let status = |header: &Value| gate.with_token(&headed(header, &claims())).get("/orders").status;
    assert_eq!(status(&json!({"alg": "HS256"})), 200);
    for header in [
        json!({"alg": "HS256", "crit": ["exp"], "exp": 0}),
        json!({"alg": "HS256", "crit": ["http://shop.example/bound-to"], "http://shop.example/bound-to": "x"}),
        json!({"alg": "HS256", "crit": []}),
        json!({"alg": "HS256", "crit": "b64"}),
        json!({"alg": "HS256", "crit": ["b64"], "b64": false}),
        json!({"alg": "HS256", "b64": false}),
        json!({"alg": "HS256", "b64": "no"}),
    ] {
        assert_eq!(status(&header), 401, "{header}");
    }
    gate.shop.close();
}

#[test]
fn claims_of_a_wrong_type_are_refused_even_where_they_are_not_compared() {
    let lax = GatewayTest::open();
    let strict = GatewayTest::open_with(&["--jwt-issuer=https://id.example", "--jwt-audience=shop"]);
    let named = |name: &str, value: &Value| {
        let mut claims =
            json!({"sub": "anna", "exp": in_an_hour(), "iss": "https://id.example", "aud": "shop"});
        claims[name] = value.clone();
        token(&claims)
    };
    for gate in [&lax, &strict] {
        for (name, value, status) in [
            ("aud", json!("shop"), 200),
            ("aud", json!(["other", "shop"]), 200),
            ("aud", json!(7), 401),
            ("aud", json!({"shop": true}), 401),
            ("aud", json!(["shop", 7]), 401),
            ("iss", json!(["https://id.example"]), 401),
            ("iss", json!({"https://id.example": 1}), 401),
            ("sub", json!(["anna"]), 401),
            ("sub", json!(7), 401),
        ] {
            let found = gate.with_token(&named(name, &value)).get("/orders").status;
            assert_eq!(found, status, "{name} {value}");
        }
    }
    lax.shop.close();
    strict.shop.close();
}
